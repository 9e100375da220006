"""Small pictures of every kind: arrays to show, and functions that write them into a file.

Each writer returns what it wrote as it should be seen: upright frames, ``(h, w, C)`` floats in
[0, 1], so that a result can be compared with it.
"""

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import imagecodecs
import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image, ImageOps, PngImagePlugin

from tests.workshop.corpus.profiles import ink_colour

Levels: TypeAlias = npt.NDArray[Any]
Shown: TypeAlias = npt.NDArray[np.float64]
Content: TypeAlias = tuple[Shown, ...]
Make: TypeAlias = Callable[[Path], Content]

WIDTH, HEIGHT = 12, 8
XMP_TEXT = "made for the corpus"
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    f' xmlns:tiff="http://ns.adobe.com/tiff/1.0/" dc:format="{XMP_TEXT}"'
    ' tiff:Orientation="1" tiff:ImageWidth="12"/>'
    "</rdf:RDF></x:xmpmeta>"
).encode()
MAKER = "Corpus Cameras"
DPI = 300
TEXT_KEY, TEXT = "Title", "a corpus picture"
COMMENT = b"a corpus comment"
DURATIONS = (70, 130, 200)
LOOP = 3


def shown(levels: Levels) -> Shown:
    """Levels as floats in [0, 1], with an axis of channels."""
    unit = levels.astype(np.float64) / float(np.iinfo(levels.dtype).max)
    return unit[..., None] if unit.ndim == 2 else unit


def rgb(width: int = WIDTH, height: int = HEIGHT) -> Levels:
    """Red grows to the right and green downwards, so every turn and flip differs."""
    x, y = np.linspace(40, 200, width), np.linspace(60, 180, height)
    planes = [
        np.tile(x, (height, 1)),
        np.tile(y[:, None], (1, width)),
        np.full((height, width), 99),
    ]
    return np.stack(planes, axis=-1).round().astype(np.uint8)


def gray(width: int = WIDTH, height: int = HEIGHT) -> Levels:
    x, y = np.linspace(20, 150, width), np.linspace(0, 80, height)
    return (x[None] + y[:, None]).round().astype(np.uint8)


def alpha(width: int = WIDTH, height: int = HEIGHT) -> Levels:
    """Clear on the left, half in the middle, opaque on the right."""
    return np.tile(np.repeat(np.array([0, 128, 255], dtype=np.uint8), width // 3), (height, 1))


def rgba() -> Levels:
    return np.dstack([rgb(), alpha()])


def gray_alpha() -> Levels:
    return np.dstack([gray(), alpha()])


def halves(left: Levels, right: Levels) -> Levels:
    """Two flat halves side by side, each of one colour ``(C,)``."""
    half = (HEIGHT, WIDTH // 2, 1)
    return np.concatenate([np.tile(left, half), np.tile(right, half)], axis=1)


def deep(levels: Levels) -> Levels:
    """16 bits, with levels that 8 bits do not have; fully clear and opaque stay."""
    wide = levels.astype(np.uint16) * 257
    return np.where((wide > 0) & (wide < 65535), wide + 57, wide).astype(np.uint16)


def exif(orientation: int = 1, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Image.Exif:
    made = Image.Exif()
    made[0x010F] = MAKER
    made[0x0112] = orientation
    made.get_ifd(0x8769).update({0xA002: size[0], 0xA003: size[1]})
    made[0x8769] = made.get_ifd(0x8769)
    return made


def pillow(levels: Levels, image_format: str, mode: str | None = None, **options: Any) -> Make:
    """Write through Pillow, in ``mode`` where given."""

    def make(path: Path) -> Content:
        image = Image.fromarray(levels)
        if mode is not None:
            image = image.convert(mode)
        image.save(path, format=image_format, **options)
        return (shown(np.asarray(image.convert("L") if mode == "1" else levels)),)

    return make


def text_png() -> Make:
    """A PNG with everything that can stand beside pixels."""
    info = PngImagePlugin.PngInfo()
    info.add_text(TEXT_KEY, TEXT)
    info.add_itxt("XML:com.adobe.xmp", XMP.decode())
    return pillow(rgb(), "PNG", pnginfo=info, exif=exif().tobytes(), dpi=(DPI, DPI))


def text_png_with_profile(profile: bytes) -> Make:
    info = PngImagePlugin.PngInfo()
    info.add_text(TEXT_KEY, TEXT, zip=True)
    return pillow(rgb(), "PNG", pnginfo=info, icc_profile=profile)


def palette(image_format: str, *, clear: bool) -> Make:
    """Four colours in a palette; with ``clear`` the first is not seen."""

    def make(path: Path) -> Content:
        colours = np.array([[10, 200, 30], [200, 40, 20], [30, 60, 220], [240, 240, 10]], np.uint8)
        index = np.repeat(np.repeat(np.array([[0, 1], [2, 3]], np.uint8), 4, 0), 6, 1)
        image = Image.fromarray(index)
        image.putpalette(colours.tobytes())
        image.save(path, format=image_format, **({"transparency": 0} if clear else {}))
        if not clear:
            return (shown(colours[index]),)
        opaque = np.where(index == 0, 0, 255).astype(np.uint8)
        return (shown(np.dstack([colours[index], opaque])),)

    return make


def keyed_png(levels: Levels, key: int | tuple[int, int, int]) -> Make:
    """A PNG without alpha in which one colour is clear (``tRNS``)."""

    def make(path: Path) -> Content:
        Image.fromarray(levels).save(path, format="PNG", transparency=key)
        same = levels == np.array(key, dtype=np.uint8)
        clear = same.all(axis=-1) if levels.ndim == 3 else same
        return (shown(np.dstack([levels, np.where(clear, 0, 255).astype(np.uint8)])),)

    return make


def keyed_deep_png() -> Make:
    """The same with 16 bits a channel: the left half is clear."""

    def make(path: Path) -> Content:
        key = (300, 20_000, 40_000)
        levels = halves(np.array(key, np.uint16), np.array([60_000, 9, 30_000], np.uint16))
        whole = imagecodecs.png_encode(levels)
        body = struct.pack(">3H", *key)
        path.write_bytes(whole[:33] + png_chunk(b"tRNS", body) + whole[33:])
        opaque = np.zeros(levels.shape[:2], dtype=np.uint16)
        opaque[:, WIDTH // 2 :] = 65535
        return (shown(np.dstack([levels, opaque])),)

    return make


def few_bits_png(bits: int) -> Make:
    """A gray PNG of 2 or 4 bits, which Pillow does not write."""

    def make(path: Path) -> Content:
        top = 2**bits - 1
        levels = (gray() / 255 * top).round().astype(np.uint8)
        shifts = np.arange(8 - bits, -1, -bits)
        parts = levels.reshape(HEIGHT, -1, 8 // bits) << shifts
        rows = b"".join(b"\0" + row.astype(np.uint8).tobytes() for row in parts.sum(axis=2))
        path.write_bytes(png_file((WIDTH, HEIGHT, bits, 0), rows))
        return (shown((levels.astype(np.uint16) * 255 // top).astype(np.uint8)),)

    return make


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_file(header: tuple[int, int, int, int], rows: bytes) -> bytes:
    """A PNG from width, height, bits, colour type, and its filtered rows."""
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", struct.pack(">IIBBBBB", *header, 0, 0, 0))
        + png_chunk(b"IDAT", zlib.compress(rows))
        + png_chunk(b"IEND", b"")
    )


def deep_png(levels: Levels) -> Make:
    def make(path: Path) -> Content:
        path.write_bytes(imagecodecs.png_encode(deep(levels)))
        return (shown(deep(levels)),)

    return make


def deep_apng() -> Make:
    """Two frames of 16-bit RGB, the second darker, assembled from the chunks of two stills."""

    def make(path: Path) -> Content:
        frames = [deep(rgb()), deep(rgb()) // 2]
        datas = [_png_data(bytes(imagecodecs.png_encode(frame))) for frame in frames]
        size = struct.pack(">IIII", WIDTH, HEIGHT, 0, 0)
        shows = [struct.pack(">HHBB", ms, 1000, 0, 0) for ms in DURATIONS[:2]]
        path.write_bytes(
            b"\x89PNG\r\n\x1a\n"
            + png_chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, 2, 0, 0, 0))
            + png_chunk(b"acTL", struct.pack(">II", 2, LOOP))
            + png_chunk(b"fcTL", struct.pack(">I", 0) + size + shows[0])
            + png_chunk(b"IDAT", datas[0])
            + png_chunk(b"fcTL", struct.pack(">I", 1) + size + shows[1])
            + png_chunk(b"fdAT", struct.pack(">I", 2) + datas[1])
            + png_chunk(b"IEND", b"")
        )
        return tuple(shown(frame) for frame in frames)

    return make


def _png_data(whole: bytes) -> bytes:
    """The bodies of the ``IDAT`` chunks."""
    place, found = 8, b""
    while place < len(whole):
        (length,) = struct.unpack_from(">I", whole, place)
        if whole[place + 4 : place + 8] == b"IDAT":
            found += whole[place + 8 : place + 8 + length]
        place += 12 + length
    return found


def turned(image_format: str, orientation: int, levels: Levels | None = None) -> Make:
    """A photo that lies as ``orientation`` says; Pillow says how it is seen upright."""

    def make(path: Path) -> Content:
        image = Image.fromarray(rgb() if levels is None else levels)
        image.save(path, format=image_format, exif=exif(orientation).tobytes(), quality=95)
        with Image.open(path) as written:
            upright = ImageOps.exif_transpose(written)
        return (shown(np.asarray(upright)),)

    return make


def deep_tiff(levels: Levels, **options: Any) -> Make:
    """A 16-bit TIFF through tifffile; ``extratags`` may turn it."""

    def make(path: Path) -> Content:
        kind: dict[str, Any] = {
            "photometric": "rgb" if levels.shape[-1] in (3, 4) else "minisblack"
        }
        if levels.shape[-1] in (2, 4):
            kind["extrasamples"] = ["unassalpha"]
        tifffile.imwrite(path, deep(levels), **kind, **options)
        return (shown(deep(levels)),)

    return make


def turned_deep_tiff(orientation: int) -> Make:
    def make(path: Path) -> Content:
        tag = (274, 3, 1, orientation, True)
        tifffile.imwrite(path, deep(rgb()), photometric="rgb", extratags=[tag])
        stored = Image.fromarray(rgb())
        stored.getexif()[0x0112] = orientation
        upright = ImageOps.exif_transpose(stored)
        return (shown(np.asarray(upright)),)

    return make


def inks(image_format: str, profile: bytes | None) -> Make:
    """Cyan on the left, magenta with black on the right, as printers' inks."""

    def make(path: Path) -> Content:
        left, right = (255, 0, 0, 0), (0, 255, 0, 255)
        levels = halves(np.array(left, np.uint8), np.array(right, np.uint8))
        image = Image.frombytes("CMYK", (WIDTH, HEIGHT), levels.tobytes())
        beside = {} if profile is None else {"icc_profile": profile}
        image.save(path, format=image_format, quality=100, **beside)
        if profile is None:
            return (shown(halves(np.array([0, 255, 255], np.uint8), np.zeros(3, np.uint8))),)
        colours = [np.array(ink_colour(*(v / 255 for v in ink))) * 255 for ink in (left, right)]
        return (shown(halves(*(colour.astype(np.uint8) for colour in colours))),)

    return make


def animation(image_format: str, *, has_alpha: bool = False, **options: Any) -> Make:
    """Three frames, each darker than the one before; with alpha, the clear part moves."""

    def make(path: Path) -> Content:
        frames = [rgb() // (1 + index) for index in range(3)]
        if has_alpha:
            whole = [np.where(np.roll(alpha(), 4 * i, axis=1) > 0, 255, 0) for i in range(3)]
            frames = [
                np.dstack([f, a.astype(np.uint8)]) for f, a in zip(frames, whole, strict=True)
            ]
        images = [Image.fromarray(frame) for frame in frames]
        images[0].save(
            path,
            format=image_format,
            save_all=True,
            append_images=images[1:],
            duration=list(DURATIONS),
            loop=LOOP,
            **options,
        )
        return tuple(shown(frame) for frame in frames)

    return make


def pages(levels: Sequence[Levels]) -> Make:
    """A TIFF of several pages, each of its own size and kind."""

    def make(path: Path) -> Content:
        with tifffile.TiffWriter(path) as tiff:
            for page in levels:
                tiff.write(
                    page, photometric="rgb" if page.ndim == 3 else "minisblack", metadata=None
                )
        return tuple(shown(page) for page in levels)

    return make


def lab_tiff() -> Make:
    def make(path: Path) -> Content:
        levels = halves(np.array([255, 0, 0], np.uint8), np.array([0, 0, 0], np.uint8))
        Image.frombytes("LAB", (WIDTH, HEIGHT), levels.tobytes()).save(path, format="TIFF")
        return (shown(halves(np.full(3, 255, np.uint8), np.zeros(3, np.uint8))),)

    return make


def raw(body: bytes) -> Make:
    """Bytes that are no picture."""

    def make(path: Path) -> Content:
        path.write_bytes(body)
        return ()

    return make


def truncated(image_format: str) -> Make:
    """The first half of a picture with enough detail to need the second."""

    def make(path: Path) -> Content:
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(noise).save(buffer, format=image_format)
        path.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
        return ()

    return make


def corrupt_png() -> Make:
    """A PNG of which one byte of the pixels changed, so that its checksum is wrong."""

    def make(path: Path) -> Content:
        buffer = io.BytesIO()
        Image.fromarray(rgb()).save(buffer, format="PNG")
        body = bytearray(buffer.getvalue())
        body[body.index(b"IDAT") + 8] ^= 0xFF
        path.write_bytes(body)
        return ()

    return make


def complex_tiff() -> Make:
    def make(path: Path) -> Content:
        tifffile.imwrite(path, np.zeros((HEIGHT, WIDTH), np.complex64), photometric="minisblack")
        return ()

    return make


def bomb(image_format: str) -> Make:
    """A small file whose header claims more pixels than memory holds."""
    return raw(_BOMBS[image_format])


def _gif_bomb() -> bytes:
    screen = struct.pack("<HHBBB", 65535, 65535, 0x80, 0, 0) + bytes(6)
    return b"GIF89a" + screen + b"," + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\2\1\0\0;"


def _jpeg_bomb() -> bytes:
    frame = struct.pack(">BHHBBBB", 8, 65500, 65500, 1, 1, 0x11, 0)
    return b"\xff\xd8\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame + b"\xff\xd9"


def _webp_bomb() -> bytes:
    """A lossless picture: a byte that says so, and 14 bits each of width and height less one."""
    body = b"\x2f" + struct.pack("<I", 16382 | 16382 << 14) + bytes(11)
    return b"RIFF" + struct.pack("<I", 12 + len(body)) + b"WEBPVP8L" + _sized(body)


def _sized(body: bytes) -> bytes:
    return struct.pack("<I", len(body)) + body


def _tiff_bomb() -> bytes:
    tags = [(256, 4, 1, 200_000), (257, 4, 1, 200_000), (258, 3, 1, 8), (259, 3, 1, 1)]
    tags += [(262, 3, 1, 1), (273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, 200_000), (279, 4, 1, 4)]
    packed = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + packed + bytes(4)


_BOMBS = {
    "PNG": png_file((100_000, 100_000, 8, 2), bytes(9)),
    "GIF": _gif_bomb(),
    "JPEG": _jpeg_bomb(),
    "WEBP": _webp_bomb(),
    "TIFF": _tiff_bomb(),
    "BMP": b"BM" + struct.pack("<IIIIiiHHIIiiII", 58, 0, 54, 40, 90_000, 90_000, 1, 24, *(6 * [0])),
}


def tiff_exif() -> Image.Exif:
    """EXIF as Pillow writes it into a TIFF's own tags, with XMP among them."""
    made = exif()
    made[700] = XMP
    return made


def deep_png_with_profile(profile: bytes) -> Make:
    def make(path: Path) -> Content:
        whole = imagecodecs.png_encode(deep(rgb()))
        body = b"wide\0\0" + zlib.compress(profile)
        path.write_bytes(whole[:33] + png_chunk(b"iCCP", body) + whole[33:])
        return (shown(deep(rgb())),)

    return make
