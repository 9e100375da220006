"""Small pictures and the bytes beside them, made without the code under test."""

import io
import struct
import zlib
from dataclasses import replace
from typing import Any

import imagecodecs
import numpy as np
import pillow_jxl  # noqa: F401 - Pillow opens JPEG XL with it
import tifffile
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from sam_diffsr_cli.pictures.encoders import WriteOptions
from sam_diffsr_cli.pictures.formats import format_named
from sam_diffsr_cli.pictures.reading import decode_picture
from sam_diffsr_cli.pictures.records import Frame, Limits, Metadata, Picture
from sam_diffsr_cli.pictures.writing import encode_picture, prepare_metadata

RECORD = '{"tool":"samsr"}'
TOP = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}


# ------------------------------------------------------------------------------------- pixels

PIXELS = st.one_of(
    *(
        arrays.arrays(dtype, st.tuples(*(st.integers(1, most) for most in (6, 6, 4))))
        for dtype in (np.dtype(np.uint8), np.dtype(np.uint16))
    )
)
"""Any pixels of up to 6 x 6."""


def levels(*shape: int, dtype: Any = np.uint8, seed: int = 0) -> np.ndarray:
    top = TOP[np.dtype(dtype)]
    return np.random.default_rng(seed).integers(0, top, shape, dtype=dtype, endpoint=True)


def smooth(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([255 * y / height, 255 * x / width, 128 + 0 * x], axis=-1).astype(np.uint8)


def photo(height: int, width: int) -> np.ndarray:
    """Soft shapes with a little noise, which compress as photos do."""
    y, x = np.mgrid[:height, :width] / 40.0
    planes = [np.sin(x + k) + np.cos(y * (1 + 0.3 * k)) + np.sin(x * y / 9) for k in range(3)]
    noise = np.random.default_rng(0).normal(0, 1.5, (height, width, 3))
    clean = np.stack(planes, axis=-1) * 40 + 128 + noise
    return clean.clip(0, 255).round().astype(np.uint8)


def squeezed(pixels: np.ndarray) -> np.ndarray:
    """Without the axis of channels when there is one channel, as Pillow has it."""
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels


# -------------------------------------------------------------------------------------- files


def saved(image: Image.Image | np.ndarray, image_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    made = image if isinstance(image, Image.Image) else Image.fromarray(squeezed_or_same(image))
    made.save(file, format=image_format, **options)
    return file.getvalue()


def squeezed_or_same(pixels: np.ndarray) -> np.ndarray:
    return squeezed(pixels) if pixels.ndim == 3 else pixels


def assert_pillow_reads(data: bytes, pixels: np.ndarray) -> None:
    with opened(data) as image:
        assert image.mode == {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[pixels.shape[2]]
        assert np.array_equal(np.asarray(image), squeezed(pixels))


def tiff(pixels: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, metadata=None, **options)
    return file.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(pixels: np.ndarray, before: bytes = b"", after: bytes = b"") -> bytes:
    """A PNG of any depth, every row unfiltered, with chunks before and after the pixels."""
    height, width, channels = pixels.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, kind, 0, 0, 0)
    wide = pixels.astype(pixels.dtype.newbyteorder(">"))
    rows = b"".join(b"\0" + row.tobytes() for row in wide)
    data = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before + data + after + END


END = chunk(b"IEND", b"")

ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))  # fmt: skip  # noqa: E501
"""First row and column of each pass, and its steps (ISO/IEC 15948, 8.2)."""


def interlaced_png(pixels: np.ndarray) -> bytes:
    height, width, channels = pixels.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, kind, 0, 0, 1)
    wide = pixels.astype(pixels.dtype.newbyteorder(">"))
    rows = bytearray()
    for row, column, down, right in ADAM7:
        part = wide[row::down, column::right]
        if part.size:
            rows += b"".join(b"\0" + line.tobytes() for line in part)
    data = chunk(b"IDAT", zlib.compress(bytes(rows)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + END


def png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Every chunk of a PNG, its checksum verified."""
    found, place = [], 8
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        body = data[place + 8 : place + 8 + length]
        assert data[place : place + 12 + length] == chunk(kind, body)
        found.append((kind, body))
        place += 12 + length
    return found


# ------------------------------------------------------------------------------- beside pixels

MAKER_NOTE = b"MAKER\0" + bytes(range(60))
THUMBNAIL = b"\xff\xd8" + b"thumb" * 5 + b"\xff\xd9"


def exif(orientation: int = 6, order: str = "<", size: tuple[int, int] = (40, 30)) -> bytes:
    """An EXIF structure as a camera writes it, with a maker's notes and a thumbnail.

    ``size`` is (width, height).
    """

    def directory(entries: list[tuple[int, int, int, bytes]], behind: int) -> bytes:
        body = b"".join(
            struct.pack(f"{order}HHI", tag, kind, number) + value.ljust(4, b"\0")
            for tag, kind, number, value in entries
        )
        return struct.pack(f"{order}H", len(entries)) + body + struct.pack(f"{order}I", behind)

    def long(value: int) -> bytes:
        return struct.pack(f"{order}I", value)

    def short(value: int) -> bytes:
        return struct.pack(f"{order}H", value)

    make, artist = b"Acme Optics\0", "Zoë Müller\0".encode()
    first = 8
    texts = first + 2 + 12 * 8 + 4
    below = texts + len(make) + len(artist)
    note = below + 2 + 12 * 4 + 4
    position = note + len(MAKER_NOTE) + 8
    thumbnail = position + 2 + 12 * 2 + 4
    parts = [
        (b"II*\0" if order == "<" else b"MM\0*") + long(first),
        directory(
            [
                (0x0100, 4, 1, long(size[0])),
                (0x0101, 3, 1, short(size[1])),
                (0x010F, 2, len(make), long(texts)),
                (0x0112, 3, 1, short(orientation)),
                (0x013B, 2, len(artist), long(texts + len(make))),
                (0x4746, 3, 1, short(5)),
                (0x8769, 4, 1, long(below)),
                (0x8825, 4, 1, long(position)),
            ],
            thumbnail,
        ),
        make + artist,
        directory(
            [
                (0x9201, 10, 1, long(note + len(MAKER_NOTE))),
                (0x927C, 7, len(MAKER_NOTE), long(note)),
                (0xA002, 3, 1, short(size[0])),
                (0xA003, 4, 1, long(size[1])),
            ],
            0,
        ),
        MAKER_NOTE,
        struct.pack(f"{order}ii", -7, 2),
        directory([(0x0001, 2, 2, b"N\0"), (0x0005, 1, 1, b"\1")], 0),
        directory([(0x0112, 3, 1, short(orientation)), (0x0201, 4, 1, long(thumbnail + 30))], 0),
        THUMBNAIL,
    ]
    return b"".join(parts)


def with_prefix(exif: bytes) -> bytes:
    """As it stands in a JPEG, and as Pillow takes it."""
    return b"Exif\0\0" + exif


def xmp(orientation: int = 6) -> bytes:
    """A packet with the orientation as an attribute and the sizes as elements."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"'
        ' xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/"'
        f' tiff:Orientation="{orientation}" dc:format="Zoë">'
        "<tiff:ImageWidth>40</tiff:ImageWidth><exif:PixelYDimension>30</exif:PixelYDimension>"
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
        '<?xpacket end="w"?>'
    ).encode()


def photoshop(body: bytes = b"a caption!") -> bytes:
    """The body of an APP13 segment with IPTC in it."""
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(body)) + body
    return b"Photoshop 3.0\0" + resource


def app13(body: bytes) -> bytes:
    return b"\xff\xed" + struct.pack(">H", len(body) + 2) + body


def profile(name: str, **options: Any) -> bytes:
    return bytes(imagecodecs.cms_profile(name, **options))


def p3_profile() -> bytes:
    return profile(
        "rgb",
        whitepoint=(0.3127, 0.3290, 1.0),
        primaries=(0.680, 0.320, 1.0, 0.265, 0.690, 1.0, 0.150, 0.060, 1.0),
        gamma=2.2,
    )


# ------------------------------------------------------------------------ through the package


def read(data: bytes, limits: Limits | None = None) -> Picture:
    return decode_picture(io.BytesIO(data), "sample", limits or Limits())


def still(pixels: np.ndarray, **beside: Any) -> Picture:
    return Picture(format="PNG", frames=(Frame(pixels),), metadata=Metadata(**beside))


def enlarged(picture: Picture, times: int = 2) -> Picture:
    return picture.with_frames(
        tuple(
            replace(f, pixels=f.pixels.repeat(times, axis=0).repeat(times, axis=1))
            for f in picture.frames
        )
    )


def written(
    picture: Picture, name: str, *, record: str = RECORD, **options: Any
) -> tuple[bytes, tuple[str, ...]]:
    """The file that the package makes of a picture, and its notes."""
    chosen, target = WriteOptions(**options), format_named(name)
    metadata, notes = prepare_metadata(picture, target, record, strip=chosen.strip_metadata)
    return encoded(picture, name, metadata, **options), notes


def encoded(picture: Picture, name: str, metadata: Metadata, **options: Any) -> bytes:
    file = io.BytesIO()
    encode_picture(file, picture, format_named(name), metadata, WriteOptions(**options))
    return file.getvalue()


def rewritten(data: bytes, name: str, **options: Any) -> bytes:
    """A file twice as large, in the format ``name``."""
    return written(enlarged(read(data)), name, **options)[0]


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))
