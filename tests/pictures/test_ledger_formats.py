"""No part of a PNG, GIF, WebP, TIFF or BMP is lost unsaid: files with one of everything."""

import io
import struct
import zlib
from collections.abc import Iterable, Iterator

import numpy as np
import pytest
import tifffile
from PIL import Image

from sam_diffsr_cli.pictures.formats import FORMATS
from sam_diffsr_cli.pictures.ledger import is_left_out, resolve_parts
from tests.pictures import samples
from tests.pictures.samples import chunk, enlarged, levels, png_chunks, read, saved, written

ALL = [each.name for each in FORMATS]


def left_out(data: bytes, target: str) -> set[str]:
    return {part.name for part in resolve_parts(read(data).parts, target) if is_left_out(part)}


def note_on(data: bytes, target: str) -> str:
    _, notes = written(enlarged(read(data)), target)
    return next((note for note in notes if note.startswith("left out: ")), "")


def targets(data: bytes) -> list[str]:
    """The formats that can hold the picture at all."""
    picture = read(data)
    return [
        each.name
        for each in FORMATS
        if picture.kind in {"still", each.frames} and (each.alpha or not picture.has_alpha)
    ]


def named(data: bytes) -> set[str]:
    return {part.name for part in read(data).parts}


# ----------------------------------------------------------------------------------------- PNG

BESIDE: dict[bytes, bytes] = {
    b"cHRM": struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000),
    b"gAMA": struct.pack(">I", 45455),
    b"sBIT": b"\x08\x08\x08",
    b"cICP": bytes((12, 13, 0, 1)),
    b"mDCV": bytes(24),
    b"cLLI": struct.pack(">II", 10_000_000, 4_000_000),
    b"bKGD": bytes(6),
    b"hIST": bytes(6),
    b"pHYs": struct.pack(">IIB", 2835, 2835, 1),
    b"sPLT": b"some\0\x08" + bytes(6),
    b"tIME": struct.pack(">H5B", 2024, 1, 2, 3, 4, 5),
    b"tEXt": b"Title\0A gull",
    b"zTXt": b"Author\0\0" + zlib.compress(b"me"),
    b"iTXt": b"Copyright\0\0\0\0\0\xc2\xa9 me",
    b"oFFs": struct.pack(">iiB", 1, 2, 0),
    b"pCAL": b"x\0" + bytes(10),
    b"sCAL": b"\x011\x002",
    b"gIFg": bytes(4),
    b"gIFx": bytes(12),
    b"sTER": b"\0",
    b"dSIG": bytes(8),
    b"caBX": bytes(20),
    b"vpAg": bytes(9),
    b"zzZz": b"nobody knows me",
}
"""Every chunk of the standard, of its extensions, and one that nobody knows."""


def full_png(*, profile: bool = False) -> bytes:
    chosen = {k: v for k, v in BESIDE.items() if not (profile and k == b"cICP")}
    before = b"".join(chunk(kind, body) for kind, body in chosen.items())
    if profile:
        before += chunk(b"iCCP", b"p\0\0" + zlib.compress(samples.p3_profile()))
    after = chunk(b"eXIf", samples.exif(1)) + chunk(b"teSt", b"behind")
    return samples.png(levels(4, 5, 3), before, after) + b"a trailer"


@pytest.mark.parametrize("profile", [False, True])
def test_every_chunk_of_a_png_is_kept_or_named(*, profile: bool) -> None:
    data = full_png(profile=profile)
    note = note_on(data, "PNG")
    result = dict(png_chunks(samples.rewritten(data, "PNG")))
    for kind, body in png_chunks(data.removesuffix(b"a trailer")):
        is_rewritten = kind in (b"IHDR", b"IDAT", b"IEND", b"eXIf", b"iCCP")
        is_kept = result.get(kind) == body or (kind == b"iTXt" and kind in result)
        name = "C2PA" if kind == b"caBX" else kind.decode()
        assert is_rewritten or is_kept or name in note, kind
    assert "data behind the end (9 bytes)" in note


@pytest.mark.parametrize("target", [name for name in ALL if name != "PNG"])
def test_what_only_a_png_holds_is_named_elsewhere(target: str) -> None:
    note = note_on(full_png(), target)
    for kind in (b"tIME", b"bKGD", b"sTER", b"oFFs", b"zzZz", b"teSt", b"C2PA"):
        assert kind.decode() in note


def test_a_plain_png_leaves_nothing_to_say() -> None:
    assert left_out(saved(levels(4, 4, 3), "PNG"), "PNG") == set()


# ----------------------------------------------------------------------------------------- GIF


def extension(label: int, *parts: bytes) -> bytes:
    body = b"".join(bytes([len(part)]) + part for part in parts)
    return bytes([0x21, label]) + body + b"\0"


EXTENSIONS = {
    "NETSCAPE2.0": extension(0xFF, b"NETSCAPE2.0", b"\1\3\0"),
    "comment": extension(0xFE, b"first") + extension(0xFE, b"second"),
    "plain text": extension(0x01, bytes(12), b"words"),
    "ICCRGBG1012": extension(0xFF, b"ICCRGBG1012", b"a profile"),
    "MAKERMAKER1": extension(0xFF, b"MAKERMAKER1", b"its own"),
    "extension 0x42": extension(0x42, b"unknown"),
    "control": extension(0xF9, b"\2\0\0\0"),
}


def full_gif() -> bytes:
    data = bytearray(saved(levels(4, 5), "GIF"))
    place = data.index(b"\x2c\0\0\0\0")
    data[12] = 49
    return bytes(data[:place] + b"".join(EXTENSIONS.values()) + data[place:]) + b"a trailer"


def test_every_block_of_a_gif_is_kept_or_named() -> None:
    data = full_gif()
    kept, note = {"NETSCAPE2.0", "control", "comment", "pixels"}, note_on(data, "GIF")
    everything = {*EXTENSIONS, "pixels", "pixel aspect ratio", "data behind the end"}
    assert named(data) == everything | {"waiting for the user"}
    assert left_out(data, "GIF") == named(data) - kept
    assert all(name in note for name in named(data) - kept)


def test_all_comments_of_a_gif_are_kept() -> None:
    result = samples.rewritten(full_gif(), "GIF")
    assert b"first\nsecond" in (read(result).metadata.comment or b"")


@pytest.mark.parametrize("length", [0, 1, 200, 255, 256, 1000])
def test_the_xmp_of_a_gif_reaches_a_png_whatever_its_length(length: int) -> None:
    packet = samples.xmp(1).replace(b"Zo", b"Z" * length + b"o")
    block = b"!\xff\x0bXMP DataXMP" + packet + b"\1" + bytes(range(255, -1, -1)) + b"\0"
    plain = samples.saved(samples.smooth(6, 8), "GIF")
    head = 13 + (3 << ((plain[10] & 7) + 1))
    picture = read(plain[:head] + block + plain[head:])
    assert picture.metadata.xmp == packet
    data, notes = written(picture, "PNG")
    assert b"Z" * length + b"o" in data
    assert notes == ()
    assert any("XMP" in note for note in written(picture, "GIF")[1])


def test_another_programs_block_tells_the_loops_of_a_gif() -> None:
    images = [Image.fromarray(levels(4, 5, seed=k)) for k in range(2)]
    data = saved(images[0], "GIF", save_all=True, append_images=images[1:], loop=3)
    assert read(data.replace(b"NETSCAPE2.0", b"ANIMEXTS1.0")).plays == 4


# ---------------------------------------------------------------------------------------- WebP


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(
        kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for kind, data in chunks
    )
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 12
    while place + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, place)
        yield kind, data[place + 8 : place + 8 + length]
        place += 8 + length + length % 2


def test_every_chunk_of_a_webp_is_kept_or_named() -> None:
    whole = saved(
        levels(4, 5, 4),
        "WEBP",
        lossless=True,
        icc_profile=samples.p3_profile(),
        exif=samples.with_prefix(samples.exif(1)),
        xmp=samples.xmp(1),
    )
    own = ((b"C2PA", bytes(9)), (b"abcd", b"unknown"))
    data = riff(*riff_chunks(whole), *own) + b"a trailer"
    note = note_on(data, "WEBP")
    result = {kind for kind, _ in riff_chunks(samples.rewritten(data, "WEBP"))}
    for kind, _ in riff_chunks(data.removesuffix(b"a trailer")):
        assert kind in result or kind.decode() in note or kind == b"VP8L", kind
    assert left_out(data, "WEBP") == {"content credentials (C2PA)", "abcd", "data behind the end"}
    assert "content credentials" in note


# ---------------------------------------------------------------------------------------- TIFF

PRIVATE = {330: (0, 0), 37724: b"layers", 50838: (4, 4), 60000: b"nobody knows me"}


def full_tiff() -> bytes:
    """A TIFF with every tag that tifffile knows, and one that it does not."""
    from_writer = {254, 256, 257, 258, 259, 262, 273, 277, 278, 279, 282, 283, 284, 296, 338, 339}
    # Pointers must lead somewhere, and these change how the pixels are read.
    special = {330, 320, 322, 323, 324, 325, 317, 347, 274, 34665, 34853, 40965, 266, 32997, 32998}
    special |= {255, 700, 34377, 34675, 33723, 50706, 330, 529, 530, 532, 301, 318, 319, 33550}
    special |= {48129, 33922, 34264, 34735, *range(512, 522)}
    known = {code for code, _ in tifffile.TIFF.TAGS.items()} - from_writer - special
    tags: list[tuple[int, int, int, object, bool]] = [
        (code, 7, 5, b"12345", True) for code in sorted(known) if 0 < code < 65536
    ]
    tags.append((60001, 7, 5, b"54321", True))
    pixels = levels(4, 5, 3)
    return samples.tiff(pixels, photometric="rgb", resolution=(72, 72), extratags=tags)


def tiff_tags(data: bytes) -> dict[int, bytes]:
    """The tags of the first directory of a little-endian TIFF, and the bytes of their values."""
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    found = {}
    for place in range(first + 2, first + 2 + 12 * count, 12):
        code, kind, number, value = struct.unpack_from("<HHII", data, place)
        size = number * {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 11: 4, 12: 8, 16: 8}[kind]
        start = value if size > 4 else place + 8
        found[code] = data[start : start + size]
    return found


def test_every_tag_of_a_tiff_is_kept_or_named() -> None:
    data = full_tiff()
    note, result = note_on(data, "TIFF"), tiff_tags(samples.rewritten(data, "TIFF"))
    tags = tiff_tags(data)
    assert len(tags) > 300
    layout = {
        *range(254, 260),
        *(262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 284, 288, 289, 292, 293, 333),
        *(332, 334, 336, 337, 338, 339, 340, 341),
    }
    for code, value in tags.items():
        names = tifffile.TIFF.TAGS.getall(code, default=[f"tag {code}"])
        is_named = any(name in note for name in names)
        assert code in layout or result.get(code) == value or is_named, (code, names)
    assert "tag 60001 (17 bytes)" in note


def test_directories_below_a_page_that_are_not_carried_are_named() -> None:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(levels(8, 8), subifds=1, metadata=None)
        writer.write(levels(4, 4), subfiletype=1, metadata=None)
    assert "SubIFDs" in note_on(file.getvalue(), "TIFF")


def test_a_reduced_copy_is_named() -> None:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(levels(8, 8), metadata=None)
        writer.write(levels(4, 4), subfiletype=1, metadata=None)
    assert "a reduced copy or mask of a page (16 bytes" in note_on(file.getvalue(), "TIFF")


def test_a_plain_tiff_leaves_nothing_to_say() -> None:
    data = samples.tiff(levels(4, 4, 3), photometric="rgb", software="Acme", resolution=(72, 72))
    for target in targets(data):
        assert left_out(data, target) == set()


def test_the_profile_of_inks_that_were_converted_is_named() -> None:
    inks = samples.tiff(levels(4, 4, 4), photometric="separated", iccprofile=b"no profile")
    assert "its colours were converted" in note_on(inks, "TIFF")


# ------------------------------------------------------------------------ content credentials


def sealed() -> dict[str, bytes]:
    """Every format's own place for content credentials."""
    claim, plain = b"\0\0\0\x20jumb" + bytes(24), samples.smooth(6, 8)
    webp = samples.saved(plain, "WEBP", exif=samples.with_prefix(samples.exif(1, size=(8, 6))))
    webp += struct.pack("<4sI", b"C2PA", len(claim)) + claim
    gif = samples.saved(plain, "GIF")[:-1] + b"!\xff\x0bC2PA_GIF\1\0\0\x20" + claim + b"\0;"
    return {
        "PNG": samples.png(plain, chunk(b"caBX", claim)),
        "WEBP": webp[:4] + struct.pack("<I", len(webp) - 8) + webp[8:],
        "GIF": gif,
        "TIFF": samples.tiff(
            plain, photometric="rgb", extratags=[(0xCD41, 7, len(claim), claim, True)]
        ),
    }


@pytest.mark.parametrize("name", ["PNG", "WEBP", "GIF", "TIFF"])
def test_content_credentials_are_removed_from_every_format_and_said(name: str) -> None:
    data = sealed()[name]
    note = note_on(data, name)
    assert "content credentials (C2PA)" in note
    assert "they vouch for the file as it was" in note
    assert b"jumb" not in samples.rewritten(data, name)


# ----------------------------------------------------------------------------------------- BMP


def bmp(space: int, *, profile: bytes = b"", endpoints: bytes = bytes(48)) -> bytes:
    """A BMP of 2x2 with the header of version 5."""
    rows = levels(2, 8).tobytes()
    head = struct.pack("<IiiHHIIiiII", 124, 2, 2, 1, 24, 0, len(rows), 2835, 2835, 0, 0)
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0)
    place = 124 + len(rows) if profile else 0
    tail = struct.pack("<4I", 4, place, len(profile), 0)
    whole = head + masks + struct.pack("<I", space) + endpoints + tail + rows + profile
    return struct.pack("<2sIII", b"BM", 14 + len(whole), 0, 14 + 124) + whole


EMBEDDED, LINKED, SRGB = 0x4D424544, 0x4C494E4B, 0x73524742


def test_the_profile_in_a_bmp_is_read() -> None:
    profile = samples.p3_profile()
    data = bmp(EMBEDDED, profile=profile)
    assert read(data).metadata.icc == profile
    assert read(samples.rewritten(data, "PNG")).metadata.icc == profile
    _, notes = written(enlarged(read(data)), "BMP")
    assert any("ICC profile" in note or "sRGB" in note for note in notes)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (bmp(SRGB), set()),
        (bmp(0, endpoints=b"\1" * 48), {"colour endpoints and gamma"}),
        (bmp(LINKED, profile=b"c:\\p.icc"), {"the name of an ICC profile"}),
        (bmp(SRGB) + b"a trailer", {"data behind the end"}),
        (bmp(EMBEDDED, profile=b"p" * 200) + b"a trailer", {"data behind the end"}),
    ],
    ids=["srgb", "calibrated", "linked", "trailer", "embedded"],
)
def test_every_part_of_a_bmp_is_kept_or_named(data: bytes, expected: Iterable[str]) -> None:
    assert left_out(data, "BMP") == set(expected)
    assert all(name in note_on(data, "BMP") for name in expected)


def test_the_pixels_of_such_a_bmp_are_read() -> None:
    assert read(bmp(SRGB)).frames[0].pixels.shape == (2, 2, 3)
    assert np.array_equal(read(bmp(SRGB)).frames[0].pixels, read(bmp(LINKED)).frames[0].pixels)
