"""Hostile files made by hand: bombs, loops, lies about lengths. ``python nasty.py FOLDER`` writes.

Each is small and asks for much: memory, time, or a length that is not there.
"""

import functools
import io
import struct
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

__all__ = ["make_nasty"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
BOMB_BYTES = 1 << 28
FIELD_SIZES = {2: 1, 3: 2, 4: 4, 5: 8}


def make_nasty() -> dict[str, bytes]:
    """Make every file, by name."""
    return {**_pngs(), **_gifs(), **_tiffs(), **_others()}


def chunk(kind: bytes, body: bytes, length: int | None = None) -> bytes:
    """Build a PNG chunk, with a wrong length when one is given."""
    size = len(body) if length is None else length
    return struct.pack(">I", size) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@functools.cache
def bomb() -> bytes:
    """Compress many zeros."""
    return zlib.compress(bytes(BOMB_BYTES), 9)


def _header(width: int, height: int, depth: int = 8, kind: int = 2, more: int = 0) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, more))


def _pngs() -> dict[str, bytes]:
    end, zeros = chunk(b"IEND", b""), bomb()
    rows = zlib.compress(bytes(3 * (1 + 3 * 4)))
    pixels = chunk(b"IDAT", rows)
    small, deep = _header(4, 3), _header(4, 3, depth=16)
    actl = chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))
    return {
        "bomb-pixels.png": SIGNATURE + small + chunk(b"IDAT", zeros) + end,
        "bomb-deep-pixels.png": SIGNATURE + deep + chunk(b"IDAT", zeros) + end,
        "bomb-text.png": SIGNATURE + small + chunk(b"zTXt", b"a\0\0" + zeros) + pixels + end,
        "bomb-itxt.png": SIGNATURE + small + chunk(b"iTXt", b"a\0\1\0\0\0" + zeros) + pixels + end,
        "bomb-profile.png": SIGNATURE + small + chunk(b"iCCP", b"a\0\0" + zeros) + pixels + end,
        "huge.png": SIGNATURE + _header(2**31 - 1, 2**31 - 1) + pixels + end,
        "huge-deep.png": SIGNATURE + _header(60_000, 60_000, depth=16, kind=6) + pixels + end,
        "wide.png": SIGNATURE + _header(2**31 - 1, 1) + pixels + end,
        "two-headers.png": SIGNATURE + _header(60_000, 60_000, depth=16) + deep + pixels + end,
        "long-pixels.png": SIGNATURE + deep + chunk(b"IDAT", rows, 2**32 - 10) + end,
        "long-text.png": SIGNATURE + small + chunk(b"tEXt", b"a\0b", 2**31 - 1) + pixels + end,
        "many-frames.png": SIGNATURE + small + actl + pixels + end,
        "many-chunks.png": SIGNATURE + small + 50_000 * chunk(b"teXt", b"") + pixels + end,
        "no-pixels.png": SIGNATURE + small + end,
        "interlaced-thin.png": SIGNATURE + _header(1, 1, 16, 6, 1) + pixels + end,
    }


def gif(size: tuple[int, int], frames: Sequence[tuple[int, int, int]]) -> bytes:
    """Write a GIF whose frames are ``(width, height, disposal)`` and hold next to nothing."""
    palette = bytes(range(6))
    data = b"GIF89a" + struct.pack("<HHBBB", *size, 0x80, 0, 0) + palette
    for width, height, disposal in frames:
        data += b"!\xf9\x04" + bytes((disposal << 2, 1, 0, 0)) + b"\0"
        data += b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x4c\x01\0"
    return data + b";"


def _gifs() -> dict[str, bytes]:
    tiny, huge = (1, 1, 0), 65_535
    return {
        "grows.gif": gif((1, 1), [tiny, (huge, huge, 0), tiny]),
        "grows-and-clears.gif": gif((1, 1), [(huge, huge, 2), tiny]),
        "grows-later-and-clears.gif": gif((1, 1), [tiny, (huge, huge, 2), tiny]),
        "grows-and-restores.gif": gif((1, 1), [tiny, (huge, huge, 3), tiny]),
        "grows-a-little.gif": gif((1, 1), [tiny, *((1000, 1000, 2) for _ in range(40))]),
        "many-frames.gif": gif((1, 1), [tiny] * 5000),
        "huge.gif": gif((huge, huge), [tiny]),
        "endless-comment.gif": gif((1, 1), [tiny])[:-1] + b"!\xfe" + 3000 * (b"\xff" + bytes(255)),
    }


def directory(fields: dict[int, tuple[int, int, int]], following: int = 0) -> bytes:
    """Build a little-endian TIFF directory of (type, count, value)."""
    body = b"".join(struct.pack("<HHII", tag, *fields[tag]) for tag in sorted(fields))
    return struct.pack("<H", len(fields)) + body + struct.pack("<I", following)


def page(width: int, height: int, *, bits: int = 8, packing: int = 8) -> dict[int, tuple[int, ...]]:
    """List the fields of a gray page whose pixels, a few bytes, lie at 8."""
    values = {256: width, 257: height, 258: bits, 259: packing, 262: 1, 273: 8, 277: 1}
    return {tag: (4, 1, value) for tag, value in (values | {278: height, 279: 24}).items()}


def tiff(*pages: dict[int, tuple[int, ...]], last: int = 0) -> bytes:
    """Write pages one after the other; ``last`` is where the last one says that more follows."""
    data = b"II*\0" + struct.pack("<I", 40) + zlib.compress(bytes(16)).ljust(32, b"\0")
    for index, fields in enumerate(pages):
        length = 6 + 12 * len(fields)
        following = len(data) + length if index < len(pages) - 1 else last
        data += directory({t: (f[0], f[1], f[2]) for t, f in fields.items()}, following)
    return data


def _tiffs() -> dict[str, bytes]:
    small, file = page(4, 4), io.BytesIO()
    deep = np.zeros((64, 64, 3), dtype=np.uint16)
    tifffile.imwrite(file, deep, photometric="rgb", compression="zlib", metadata=None)
    plain, zeros = file.getvalue(), bomb()
    with tifffile.TiffFile(io.BytesIO(plain)) as opened:
        tags = opened.pages.first.tags
        counts, offsets = tags[279].offset, tags[273].offset
    stuffed = bytearray(plain + zeros)
    struct.pack_into("<I", stuffed, offsets + 8, len(plain))
    struct.pack_into("<I", stuffed, counts + 8, len(zeros))
    long = bytearray(plain)
    struct.pack_into("<I", long, counts + 8, 2**32 - 1)
    loop = {**small, 34665: (4, 1, 40), 34853: (4, 1, 40), 330: (4, 1, 40)}
    return {
        "second-page-huge.tif": tiff(small, page(30_000, 30_000)),
        "second-page-huge-deep.tif": tiff(page(4, 4, bits=16), page(40_000, 40_000, bits=16)),
        "page-loop.tif": tiff(small, last=40),
        "directory-loop.tif": tiff(loop, last=40),
        "huge.tif": tiff(page(2**31, 2**31)),
        "huge-strips.tif": tiff({**small, 278: (4, 1, 1), 257: (4, 1, 2**30), 256: (4, 1, 1)}),
        "long-field.tif": tiff({**small, 700: (7, 2**32 - 1, 8), 34675: (7, 2**31, 8)}),
        "long-strips.tif": tiff({**small, 273: (4, 2**28, 8), 279: (4, 2**28, 8)}),
        "many-samples.tif": tiff({**page(4, 4, bits=16), 277: (4, 1, 65_535)}),
        "many-pages.tif": tiff(*(small for _ in range(600))),
        "bomb-strip.tif": bytes(stuffed),
        "long-strip.tif": bytes(long),
        "tile-huge.tif": tiff(
            {**page(4, 4, bits=16), 322: (4, 1, 2**20), 323: (4, 1, 2**20), 324: (4, 1, 8)}
        ),
        "tile-large.tif": tiff(
            {**page(4, 4, bits=16), 322: (4, 1, 2**14), 323: (4, 1, 2**14), 324: (4, 1, 8)}
        ),
        "tile-huge-8.tif": tiff({**small, 322: (4, 1, 2**16), 323: (4, 1, 2**16), 324: (4, 1, 8)}),
    }


def _saved(kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), (1, 2, 3)).save(file, kind, **options)
    return file.getvalue()


def _others() -> dict[str, bytes]:
    jpeg, webp, avif = _saved("JPEG"), _saved("WEBP", exif=b"Exif\0\0MM"), _saved("AVIF")
    frame = jpeg.index(b"\xff\xc0") + 5
    canvas = webp.index(b"VP8X") + 12
    extent = avif.index(b"ispe") + 8
    bmp = struct.pack("<2sIHHI", b"BM", 70, 0, 0, 54)
    loop = struct.pack("<2sHIHHHIII", b"II", 42, 8, 1, 0x8769, 4, 1, 8, 0)
    app1 = b"\xff\xe1" + struct.pack(">H", len(loop) + 8) + b"Exif\0\0" + loop
    icc = struct.pack(">I", 200) + bytes(12) + b"RGB XYZ " + bytes(12) + b"acsp"
    icc = icc.ljust(128, b"\0") + struct.pack(">I", 2**32 - 1) + bytes(80)
    return {
        "huge.jpg": jpeg[:frame] + b"\xff\xff\xff\xff" + jpeg[frame + 4 :],
        "exif-loop.jpg": jpeg[:2] + app1 + jpeg[2:],
        "profile-of-many-tags.jpg": _saved("JPEG", icc_profile=icc),
        "profile-of-many-tags.webp": _saved("WEBP", icc_profile=icc),
        "scans.jpg": jpeg[:2] + 2000 * b"\xff\xd8" + jpeg[2:],
        "huge.webp": webp[:canvas] + b"\xff" * 6 + webp[canvas + 6 :],
        "huge.avif": avif[:extent] + struct.pack(">II", 2**31, 2**31) + avif[extent + 8 :],
        "large.avif": avif[:extent] + struct.pack(">II", 16_000, 16_000) + avif[extent + 8 :],
        "huge.bmp": bmp + struct.pack("<IiiHHIIiiII", 40, 2**31 - 1, -(2**31), 1, 24, *6 * (0,)),
        "runs.bmp": bmp + struct.pack("<IiiHHIIiiII", 40, 1400, 1400, 1, 8, 1, *5 * (0,)) + b"\0",
        "palette.bmp": bmp + struct.pack("<IiiHHIIiiII", 40, 4, 4, 1, 8, 0, 0, 0, 0, 2**31, 2**31),
    }


if __name__ == "__main__":
    for name, data in make_nasty().items():
        Path(sys.argv[1], name).write_bytes(data)
