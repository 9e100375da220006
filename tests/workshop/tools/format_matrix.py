"""What becomes of each thing a format can hold, in each format: measured on files made for it.

Of every kind a small file is made, read, enlarged without a model, and written in each format. The
result is looked at by Pillow or byte by byte, not by the code under test; what is not there must be
told by a note.
"""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
from PIL import Image

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures.formats import FORMATS
from sam_diffsr_cli.pictures.writing import check_fits
from tests.pictures import heic_samples, samples
from tests.pictures.samples import chunk, enlarged, opened, photo, read, saved, still, written
from tests.pictures.test_jpeg_behind import (
    LONG,
    VIDEO,
    extended,
    inside,
    motion_photo,
    phone_photo,
    segment,
    stereo,
)
from tests.pictures.test_ledger_formats import EMBEDDED, P3_ENDPOINTS, bmp, in_blocks

__all__ = ["BEGIN", "CELLS", "END", "measure_cells", "table_of", "with_matrix"]

BEGIN, END = "<!-- format matrix: begin -->", "<!-- format matrix: end -->"
CELLS = ("kept", "converted", "noted", "refused")
TARGETS = tuple(each.name for each in FORMATS)
SIZE = (24, 32)
PACKET = samples.xmp(1)
PROFILE = samples.profile("adobergb")
MAKE, FORMAT = b"Acme", "Zoë".encode()
CAPTION = b"a probe caption!"
DENSITY = (200, 100)
PLAYS = 3


@dataclass(frozen=True)
class Sample:
    """A file, what it holds, how a result is seen to hold it, and words that tell of its loss."""

    source: str
    feature: str
    data: bytes
    holds: Callable[[bytes], bool]
    words: tuple[str, ...]


def pixels(channels: int = 3, kind: Any = np.uint8) -> np.ndarray:
    levels = photo(*SIZE).astype(kind) * (257 if kind is np.uint16 else 1)
    if channels in (2, 4):
        alpha = np.full((*SIZE, 1), np.iinfo(kind).max, kind)
        alpha[:8] = 0
        levels = np.concatenate([levels, alpha], axis=2)
    return levels


# ------------------------------------------------------------------------ what results hold


def has_bytes(wanted: bytes) -> Callable[[bytes], bool]:
    return lambda data: wanted in data


def has_profile(wanted: bytes | None) -> Callable[[bytes], bool]:
    def holds(data: bytes) -> bool:
        with opened(data) as image:
            found = image.info.get("icc_profile")
        return bool(found) if wanted is None else found == wanted

    return _if_pillow_opens(holds)


def is_clear(data: bytes) -> bool:
    if data[4:8] == b"JXL " or data[:2] == b"\xff\x0a":
        return bool(imagecodecs.jpegxl_decode(data)[0, 0, -1] == 0)
    with opened(data) as image:
        return bool(np.asarray(image.convert("RGBA"))[0, 0, 3] == 0)


def is_deep(data: bytes) -> bool:
    return read(data).is_deep


def has_frames(count: int) -> Callable[[bytes], bool]:
    def holds(data: bytes) -> bool:
        with opened(data) as image:
            return getattr(image, "n_frames", 1) == count

    return _if_pillow_opens(holds)


def plays_thrice(data: bytes) -> bool:
    with opened(data) as image:
        # A GIF counts repeats.
        return image.info.get("loop") == (PLAYS - 1 if image.format == "GIF" else PLAYS)


def has_density(data: bytes) -> bool:
    with opened(data) as image:
        found = image.info.get("dpi", (0, 0))
    return bool(np.allclose([float(value) for value in found], DENSITY, atol=0.1))


def told_p3(data: bytes) -> bool:
    """By code points, or by a profile made of them."""
    if any(mark in data for mark in (b"nclx\0\x0c\0\x0d", b"cICP\x0c\x0d")):
        return True
    if data[4:8] == b"JXL ":
        colour = read(data).metadata.colour
        # A curve that has no code point is told by its numbers.
        return colour is not None and (colour.codes is None or colour.codes.primaries == 12)
    return has_profile(None)(data)


def _if_pillow_opens(holds: Callable[[bytes], bool]) -> Callable[[bytes], bool]:
    """What Pillow cannot open (JPEG XL) is taken not to hold it, so that a note is asked for."""
    return lambda data: data[4:8] != b"JXL " and holds(data)


def has_caption(data: bytes) -> bool:
    """As it is, or in the hexadecimal digits of a PNG's packed text."""
    if not data.startswith(b"\x89PNG"):
        return CAPTION in data
    packed = [body for kind, body in samples.png_chunks(data) if kind == b"zTXt"]
    texts = (zlib.decompress(body[body.index(b"\0") + 2 :]) for body in packed)
    return any(CAPTION.hex().encode() in text.replace(b"\n", b"") for text in texts)


def _never(_data: bytes) -> bool:
    """No result holds it as it was."""
    return False


# ------------------------------------------------------------------------------------ the files

WORDS = {
    "profile": ("ICC",),
    "code points": ("colour", "sRGB"),
    "deep": ("bits",),
    "alpha": ("transparen", "seen"),
    "EXIF": ("EXIF",),
    "XMP": ("XMP",),
    "extended XMP": ("XMP",),
    "IPTC": ("IPTC",),
    "comment": ("comment",),
    "texts": ("text",),
    "density": ("density",),
    "gain map": ("gain map",),
    "video": ("video",),
    "trailer": ("data behind",),
    "animation": (),
    "further view": ("view",),
    "loops": ("times", "for ever", "play"),
    "floating point": ("floating point",),
    "unknown part": ("zzZz", "zzzz", "MAKERMAKER1", "60000", "APP9"),
}


def sample(source: str, feature: str, data: bytes, holds: Callable[[bytes], bool]) -> Sample:
    return Sample(source, feature, data, holds, WORDS.get(feature, ()))


def usual(source: str, save: Callable[..., bytes], *, alpha: bool = True) -> Iterator[Sample]:
    """Profile, EXIF and XMP as Pillow writes them, and transparency."""
    exif = samples.with_prefix(samples.exif(1, size=SIZE[::-1]))
    yield sample(source, "profile", save(pixels(), icc_profile=PROFILE), has_profile(PROFILE))
    yield sample(source, "EXIF", save(pixels(), exif=exif), has_bytes(MAKE))
    yield sample(source, "XMP", save(pixels(), xmp=PACKET), has_bytes(FORMAT))
    if alpha:
        yield sample(source, "alpha", save(pixels(4)), is_clear)


def moving(image_format: str, loop: int, **options: Any) -> bytes:
    frames = [Image.fromarray(np.roll(pixels(), 5 * index, axis=1)) for index in range(3)]
    file = io.BytesIO()
    frames[0].save(
        file,
        format=image_format,
        save_all=True,
        append_images=frames[1:],
        duration=100,
        loop=loop,
        **options,
    )
    return file.getvalue()


def saver(image_format: str, **options: Any) -> Callable[..., bytes]:
    return lambda levels, **more: saved(levels, image_format, **(options | more))


def png_samples() -> Iterator[Sample]:
    exif = chunk(b"eXIf", samples.exif(1, size=SIZE[::-1]))
    xmp = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + PACKET)
    icc = saved(pixels(), "PNG", icc_profile=PROFILE)
    codes = chunk(b"cICP", bytes((12, 13, 0, 1)))
    yield sample("PNG", "profile", icc, has_profile(PROFILE))
    yield sample("PNG", "code points", samples.png(pixels(), codes), told_p3)
    yield sample("PNG", "deep", samples.png(pixels(kind=np.uint16)), is_deep)
    yield sample("PNG", "alpha", samples.png(pixels(4)), is_clear)
    yield sample("PNG", "EXIF", samples.png(pixels(), exif), has_bytes(MAKE))
    yield sample("PNG", "XMP", samples.png(pixels(), xmp), has_bytes(FORMAT))
    text = chunk(b"tEXt", b"Title\0a probe of text")
    yield sample("PNG", "texts", samples.png(pixels(), text), has_bytes(b"a probe of text"))
    resources = samples.photoshop(CAPTION).removeprefix(b"Photoshop 3.0\0")
    lines = f"\niptc\n{len(resources):8d}\n{resources.hex()}\n".encode()
    iptc = chunk(b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(lines))
    yield sample("PNG", "IPTC", samples.png(pixels(), iptc), has_caption)
    yield sample("PNG", "animation", moving("PNG", PLAYS), has_frames(3))
    yield sample("PNG", "loops", moving("PNG", PLAYS), plays_thrice)


def jpeg_samples() -> Iterator[Sample]:
    plain = saved(pixels(), "JPEG", quality=95)
    yield from usual("JPEG", saver("JPEG", quality=95), alpha=False)
    deep = (pixels(kind=np.uint16) >> 4).astype(np.uint16)
    twelve = bytes(imagecodecs.jpeg_encode(deep, level=98, bitspersample=12))
    yield sample("JPEG", "deep", twelve, is_deep)
    yield sample("JPEG", "extended XMP", extended(LONG), has_bytes(LONG[-500:].encode()))
    iptc = inside(plain, segment(0xED, samples.photoshop(CAPTION)))
    yield sample("JPEG", "IPTC", iptc, has_caption)
    remark = inside(plain, segment(0xFE, b"a probe comment"))
    yield sample("JPEG", "comment", remark, has_bytes(b"a probe comment"))
    source, gain_map = phone_photo()
    yield sample("JPEG", "gain map", source, has_bytes(gain_map))
    yield sample("JPEG", "video", motion_photo(), has_bytes(VIDEO))
    yield sample("JPEG", "trailer", plain + b"a probe trailer", has_bytes(b"a probe trailer"))
    yield sample("MPO", "further view", stereo(), has_frames(2))


def other_samples() -> Iterator[Sample]:
    yield from usual("WebP", saver("WEBP", lossless=True, exact=True))
    yield sample("WebP", "animation", moving("WEBP", PLAYS, lossless=True), has_frames(3))
    yield sample("WebP", "loops", moving("WEBP", PLAYS, lossless=True), plays_thrice)
    yield sample("GIF", "alpha", clear_gif(), is_clear)
    yield sample(
        "GIF", "comment", saved(pixels(), "GIF", comment=b"a probe"), has_bytes(b"a probe")
    )
    yield sample("GIF", "animation", moving("GIF", PLAYS - 1), has_frames(3))
    yield sample("GIF", "loops", moving("GIF", PLAYS - 1), plays_thrice)
    yield from usual("AVIF", saver("AVIF", quality=90))
    levels = (pixels(kind=np.uint16) >> 6).astype(np.uint16)
    p3: dict[str, Any] = {"primaries": 12, "transfer": 13, "matrix": 6}
    codes = bytes(imagecodecs.avif_encode(pixels(), level=95, **p3))
    deep = bytes(imagecodecs.avif_encode(levels, level=95, bitspersample=10))
    yield sample("AVIF", "code points", codes, told_p3)
    yield sample("AVIF", "deep", deep, is_deep)
    yield sample("AVIF", "animation", moving("AVIF", 0), has_frames(3))
    yield from tiff_samples()
    yield from later_samples()
    yield from everywhere()
    yield from unknown_parts()


def clear_gif() -> bytes:
    return saved(Image.fromarray(pixels(4)), "GIF")


def tiff_samples() -> Iterator[Sample]:
    exif = Image.Exif()
    exif[0x010F] = MAKE.decode()
    yield sample(
        "TIFF", "profile", saved(pixels(), "TIFF", icc_profile=PROFILE), has_profile(PROFILE)
    )
    yield sample("TIFF", "deep", samples.tiff(pixels(kind=np.uint16), photometric="rgb"), is_deep)
    yield sample("TIFF", "alpha", saved(pixels(4), "TIFF"), is_clear)
    yield sample("TIFF", "EXIF", saved(pixels(), "TIFF", exif=exif), has_bytes(MAKE))
    xmp = samples.tiff(pixels(), photometric="rgb", extratags=[(700, 1, len(PACKET), PACKET, True)])
    yield sample("TIFF", "XMP", xmp, has_bytes(FORMAT))
    body = samples.photoshop(CAPTION).removeprefix(b"Photoshop 3.0\0")
    tags = [(34377, 1, len(body), body, True)]
    iptc = samples.tiff(pixels(), photometric="rgb", extratags=tags)
    yield sample("TIFF", "IPTC", iptc, has_caption)
    light = (pixels() / 255).astype(np.float32)
    yield sample("TIFF", "floating point", samples.tiff(light, photometric="rgb"), _never)
    p3 = (680, 1000, 320, 1000, 265, 1000, 690, 1000, 150, 1000, 60, 1000)
    told = [(318, 5, 2, (3127, 10000, 3290, 10000), True), (319, 5, 6, p3, True)]
    numbers = samples.tiff(pixels(), photometric="rgb", extratags=told)
    yield sample("TIFF", "code points", numbers, told_p3)
    pages = [Image.fromarray(pixels())] * 2
    several = saved(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    yield sample("TIFF", "pages", several, has_frames(2))


def everywhere() -> Iterator[Sample]:
    """Density, and what stands behind the end of a file."""
    for name in ("PNG", "JPEG", "TIFF", "BMP"):
        data = saved(pixels(), name, dpi=DENSITY)
        yield sample(name, "density", data, _if_pillow_opens(has_density))
    rest = b"a probe trailer"
    for name in ("PNG", "WebP", "GIF", "BMP", "AVIF"):
        yield sample(name, "trailer", saved(pixels(), name.upper()) + rest, has_bytes(rest))


def unknown_parts() -> Iterator[Sample]:
    """A part that nobody knows, in each format that has a place for it."""
    words = b"a probe part"
    webp = saved(pixels(), "WEBP", exif=samples.with_prefix(samples.exif(1)))
    body = webp[8:] + b"zzzz" + struct.pack("<I", len(words)) + words
    gif = saved(pixels(), "GIF")
    place = gif.index(b"\x2c\0\0\0\0")
    block = b"\x21\xff\x0bMAKERMAKER1" + bytes((len(words),)) + words + b"\0"
    tags = [(60000, 2, len(words), words, True)]
    files = {
        "PNG": samples.png(pixels(), chunk(b"zzZz", words)),
        "JPEG": inside(saved(pixels(), "JPEG"), segment(0xE9, words)),
        "WebP": b"RIFF" + struct.pack("<I", len(body)) + body,
        "TIFF": samples.tiff(pixels(), photometric="rgb", extratags=tags),
        "GIF": gif[:place] + block + gif[place:],
    }
    for name, data in files.items():
        yield sample(name, "unknown part", data, has_bytes(words))


def later_samples() -> Iterator[Sample]:
    yield sample("BMP", "profile", bmp(EMBEDDED, profile=PROFILE), has_profile(PROFILE))
    yield sample("BMP", "code points", bmp(0, endpoints=P3_ENDPOINTS), told_p3)
    packet = b"!\xff\x0bXMP DataXMP" + PACKET + b"\1" + bytes(range(255, -1, -1)) + b"\0"
    plain = saved(pixels(), "GIF")
    head = 13 + 3 * 2 ** ((plain[10] & 7) + 1)
    with_packet = plain[:head] + packet + plain[head:]
    yield sample("GIF", "XMP", with_packet, has_bytes(FORMAT))
    told = b"!\xff\x0bICCRGBG1012" + in_blocks(PROFILE)
    yield sample("GIF", "profile", plain[:head] + told + plain[head:], has_profile(PROFILE))
    yield sample("HEIC", "EXIF", heic_samples.WITH_EXIF, has_bytes(MAKE))
    yield sample("HEIC", "profile", heic_samples.WITH_PROFILE, has_profile(None))
    yield sample("HEIC", "deep", heic_samples.DEEP, is_deep)
    yield sample("HEIC", "alpha", heic_samples.ALPHA, lambda data: read(data).has_alpha)
    exif, xmp = samples.exif(1, size=SIZE[::-1]), PACKET
    beside = written(still(pixels(), exif=exif, xmp=xmp), "JXL")[0]
    yield sample("JPEG XL", "EXIF", beside, has_bytes(MAKE))
    yield sample("JPEG XL", "XMP", beside, has_bytes(FORMAT))
    deep = bytes(imagecodecs.jpegxl_encode(pixels(kind=np.uint16), lossless=True))
    yield sample("JPEG XL", "deep", deep, is_deep)
    clear = bytes(imagecodecs.jpegxl_encode(pixels(4), lossless=True))
    yield sample("JPEG XL", "alpha", clear, is_clear)
    codes = written(read(samples.png(pixels(), chunk(b"cICP", bytes((12, 13, 0, 1))))), "JXL")[0]
    yield sample("JPEG XL", "code points", codes, told_p3)


# ------------------------------------------------------------------------------------ the table


def judge(each: Sample, target: str) -> str:
    """Return one of ``CELLS``, or ``lost``."""
    picture = enlarged(read(each.data))
    form = next(one for one in FORMATS if one.name == target)
    sizes = [(frame.pixels.shape[0], frame.pixels.shape[1]) for frame in picture.frames]
    try:
        check_fits("a", picture, sizes, form, lossless=False)
    except InputError:
        return "refused"
    data, notes = written(picture, target)
    if each.holds(data):
        return "kept"
    said = [*picture.notes, *notes]
    told = [note for note in said if any(word in note for word in each.words)]
    if any("converted" in note or "became" in note for note in told):
        return "converted"
    return "noted" if told else "lost"


def measure_cells() -> dict[tuple[str, str], dict[str, str]]:
    """Judge every sample in every format; by source and feature, and then by target."""
    every = [*png_samples(), *jpeg_samples(), *other_samples()]
    order = list(dict.fromkeys(each.source for each in every))
    every.sort(key=lambda each: order.index(each.source))
    return {
        (each.source, each.feature): {target: judge(each, target) for target in TARGETS}
        for each in every
    }


def table_of(cells: dict[tuple[str, str], dict[str, str]]) -> str:
    """Print the table, in Markdown."""
    lines = [f"| read | what it holds | {' | '.join(TARGETS)} |", "|---" * (2 + len(TARGETS)) + "|"]
    for (source, feature), row in cells.items():
        lines.append(f"| {source} | {feature} | {' | '.join(row[t] for t in TARGETS)} |")
    return "\n".join(lines) + "\n"


def with_matrix(page: str) -> str:
    """Put the table between the marks of a page."""
    begin, end = page.index(BEGIN) + len(BEGIN), page.index(END)
    return f"{page[:begin]}\n\n{table_of(measure_cells())}\n{page[end:]}"
