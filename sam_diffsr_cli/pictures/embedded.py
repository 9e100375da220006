"""Finding what travels beside the pixels of a file that Pillow has opened."""

import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from numbers import Real
from typing import BinaryIO, TypeVar

from PIL import Image

from sam_diffsr_cli.pictures import png
from sam_diffsr_cli.pictures.avif import light_chunks, properties_of
from sam_diffsr_cli.pictures.bmp import read_bmp_colour, read_bmp_profile
from sam_diffsr_cli.pictures.boxes import ItemProperties
from sam_diffsr_cli.pictures.colour_numbers import (
    PLAIN_CODES,
    Colour,
    colour_of_codes,
    profile_of,
)
from sam_diffsr_cli.pictures.colour_reading import colour_of_exif, colour_of_png
from sam_diffsr_cli.pictures.directories import parse_exif
from sam_diffsr_cli.pictures.gif import read_comment, read_packet, read_profile
from sam_diffsr_cli.pictures.jpeg_behind import Found, find_behind
from sam_diffsr_cli.pictures.jpeg_structure import APP1
from sam_diffsr_cli.pictures.records import Metadata
from sam_diffsr_cli.pictures.tiff_pages import PHOTOSHOP_PREFIX
from sam_diffsr_cli.pictures.webp import find_chunk, find_packet
from sam_diffsr_cli.pictures.xmp_extended import EXTENSION_PREFIX, XMP_PREFIX, join_packet

__all__ = ["forget_texts", "read_metadata", "with_colour"]

EXIF_PREFIX = b"Exif\0\0"
JPEGS = ("JPEG", "MPO")
PHOTOSHOP_MARKER = "APP13"
GRAY_MODES = ("1", "L", "LA", "La", "I;16", "I")
RGB_MODES = ("RGB", "RGBA", "RGBX", "RGBa", "P", "PA")
KEPT_CHUNKS = frozenset(b"gAMA cHRM sRGB cICP mDCV cLLI pHYs tIME tEXt zTXt iTXt".split())

Result = TypeVar("Result")


def read_metadata(image: Image.Image, file: BinaryIO) -> Metadata:
    """Gather profile, EXIF, XMP, density, comments and chunks; damaged ones are left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        place = file.tell()
        chunks = list(png.read_chunks(file)) if image.format == "PNG" else []
        boxes = properties_of(file) if image.format == "AVIF" else None
        jpeg = _or_none(lambda: _take_apart(image, file))
        found = Metadata(
            icc=_or_none(lambda: _find_profile(image, file)),
            exif=_or_none(lambda: _find_exif(image, file, chunks)),
            xmp=_or_none(lambda: _find_xmp(image, file, chunks, jpeg)),
            dpi=_find_dpi(image),
            comment=_or_none(lambda: _find_comment(image, file)),
            photoshop=_or_none(lambda: _find_photoshop(image, chunks)),
            png_chunks=tuple(_find_chunks(chunks) if boxes is None else light_chunks(boxes)),
            behind=None if jpeg is None else jpeg.carried(),
        )
        colour = _or_none(lambda: _find_colour(image, file, chunks, boxes, found))
        file.seek(place)
        return with_colour(found, colour, gray=_is_gray(image, boxes))


def _is_gray(image: Image.Image, boxes: ItemProperties | None) -> bool:
    return image.mode in GRAY_MODES or (boxes is not None and boxes.is_gray)


def with_colour(metadata: Metadata, colour: Colour | None, *, gray: bool) -> Metadata:
    """Add what numbers tell of the colours, and the profile that says the same."""
    if colour is None or (colour.is_srgb and colour.codes in PLAIN_CODES):
        return metadata
    return replace(metadata, colour=colour, icc=profile_of(colour, gray=gray))


def _find_colour(
    image: Image.Image,
    file: BinaryIO,
    chunks: list[tuple[bytes, bytes]],
    boxes: ItemProperties | None,
    found: Metadata,
) -> Colour | None:
    """Find the numbers that tell the colours; a profile goes before all but PNG's code points."""
    colour = colour_of_png(chunks) if image.format == "PNG" else None
    is_plain = image.mode in GRAY_MODES or image.mode in RGB_MODES
    if not is_plain or colour is not None or found.icc is not None:
        return colour if is_plain else None
    if boxes is not None and boxes.codes is not None:
        return colour_of_codes(boxes.codes, "nclx")
    if image.format in ("BMP", "DIB"):
        return read_bmp_colour(file)
    is_srgb = any(kind == b"sRGB" for kind, _ in chunks)
    return None if found.exif is None or is_srgb else colour_of_exif(parse_exif(found.exif))


def forget_texts(image: Image.Image) -> None:
    """Undo what a PNG's texts do to Pillow, which keeps them where its own numbers stand."""
    for key in ("duration", "interlace", "loop", "transparency"):
        if isinstance(image.info.get(key), str):
            del image.info[key]


def _bytes_or_none(value: object) -> bytes | None:
    return bytes(value) if isinstance(value, (bytes, bytearray)) and value else None


def _or_none(find: Callable[[], Result | None]) -> Result | None:
    try:
        return find()
    except Exception:  # noqa: BLE001 - Pillow fails in many ways on damaged fields
        return None


def _find_profile(image: Image.Image, file: BinaryIO) -> bytes | None:
    if image.format in ("BMP", "DIB"):
        return read_bmp_profile(file)
    if image.format == "GIF":
        return read_profile(file)
    return _bytes_or_none(image.info.get("icc_profile"))


def _find_comment(image: Image.Image, file: BinaryIO) -> bytes | None:
    if image.format == "GIF":
        return read_comment(file)
    return None if image.format == "PNG" else _bytes_or_none(image.info.get("comment"))


def _find_exif(
    image: Image.Image, file: BinaryIO, chunks: Iterable[tuple[bytes, bytes]]
) -> bytes | None:
    if image.format == "PNG":
        # Pillow would have to decode the pixels to see what stands behind them.
        return png.find_exif(chunks)
    found = _bytes_or_none(image.info.get("exif"))
    if found is None and image.format == "WEBP":
        found = find_chunk(file, b"EXIF")
    return None if found is None else found.removeprefix(EXIF_PREFIX) or None


def _take_apart(image: Image.Image, file: BinaryIO) -> Found | None:
    if image.format not in JPEGS:
        return None
    file.seek(0)
    return find_behind(file.read())


def _find_xmp(
    image: Image.Image,
    file: BinaryIO,
    chunks: Iterable[tuple[bytes, bytes]],
    jpeg: Found | None,
) -> bytes | None:
    if image.format == "GIF":
        return read_packet(file)
    if image.format == "PNG":
        return png.find_xmp(chunks)
    if image.format == "WEBP":
        return find_packet(file)
    if jpeg is None:
        return _bytes_or_none(image.info.get("xmp"))
    bodies = [each.body for each in jpeg.segments if each.marker == APP1]
    mains = [body.removeprefix(XMP_PREFIX) for body in bodies if body.startswith(XMP_PREFIX)]
    extensions = [body for body in bodies if body.startswith(EXTENSION_PREFIX)]
    return join_packet(mains[0], extensions)[0] if mains else None


def _find_dpi(image: Image.Image) -> tuple[float, float] | None:
    dpi = image.info.get("dpi")
    if not isinstance(dpi, tuple) or len(dpi) != 2 or not all(isinstance(v, Real) for v in dpi):
        return None
    try:
        x, y = float(dpi[0]), float(dpi[1])
    except (ZeroDivisionError, OverflowError):
        return None
    return (x, y) if 0 < x < 1e6 and 0 < y < 1e6 else None


def _find_photoshop(image: Image.Image, chunks: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """Join the segments over which a JPEG spreads what is longer than one can hold."""
    prefix = PHOTOSHOP_PREFIX
    if image.format == "PNG":
        resources = png.find_resources(chunks)
        return None if resources is None else prefix + resources
    segments = getattr(image, "applist", ()) if image.format in JPEGS else ()
    bodies = [
        body.removeprefix(prefix)
        for marker, body in segments
        if marker == PHOTOSHOP_MARKER and body.startswith(prefix)
    ]
    return prefix + b"".join(bodies) if bodies else None


def _find_chunks(chunks: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[bytes, bytes]]:
    listed = list(chunks)
    # The profile beside code points is for programs that do not know these.
    has_codes = any(kind == b"cICP" for kind, _ in listed)
    kept = KEPT_CHUNKS | {b"iCCP"} if has_codes else KEPT_CHUNKS
    return (
        (kind, body)
        for kind, body in listed
        if kind in kept and not body.startswith(png.CARRIED_TEXTS)
    )
