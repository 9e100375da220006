"""Finding what travels beside the pixels of a file that Pillow has opened."""

import warnings
from collections.abc import Callable, Iterable
from numbers import Real
from typing import BinaryIO, TypeVar

from PIL import Image

from sam_diffsr_cli.pictures import png
from sam_diffsr_cli.pictures.records import Metadata
from sam_diffsr_cli.pictures.tiff_pages import PHOTOSHOP_PREFIX

__all__ = ["forget_texts", "read_metadata"]

EXIF_PREFIX = b"Exif\0\0"
PHOTOSHOP_MARKER = "APP13"
KEPT_CHUNKS = frozenset(b"gAMA cHRM sRGB cICP mDCV cLLI pHYs tIME tEXt zTXt iTXt".split())

Found = TypeVar("Found")


def read_metadata(image: Image.Image, file: BinaryIO) -> Metadata:
    """Gather profile, EXIF, XMP, density, comments and chunks; damaged ones are left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        place = file.tell()
        chunks = list(png.read_chunks(file)) if image.format == "PNG" else []
        found = Metadata(
            icc=_bytes_or_none(image.info.get("icc_profile")),
            exif=_or_none(lambda: _find_exif(image, chunks)),
            xmp=_or_none(lambda: _find_xmp(image, chunks)),
            dpi=_find_dpi(image),
            comment=None if chunks else _bytes_or_none(image.info.get("comment")),
            photoshop=_or_none(lambda: _find_photoshop(image)),
            png_chunks=tuple(_find_chunks(chunks)),
        )
        file.seek(place)
        return found


def forget_texts(image: Image.Image) -> None:
    """Undo what a PNG's texts do to Pillow, which keeps them where its own numbers stand."""
    for key in ("duration", "interlace", "loop", "transparency"):
        if isinstance(image.info.get(key), str):
            del image.info[key]


def _bytes_or_none(value: object) -> bytes | None:
    return bytes(value) if isinstance(value, (bytes, bytearray)) and value else None


def _or_none(find: Callable[[], Found | None]) -> Found | None:
    try:
        return find()
    except Exception:  # noqa: BLE001 - Pillow fails in many ways on damaged fields
        return None


def _find_exif(image: Image.Image, chunks: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    if image.format == "PNG":
        # Pillow would have to decode the pixels to see what stands behind them.
        return png.find_exif(chunks)
    found = _bytes_or_none(image.info.get("exif"))
    return None if found is None else found.removeprefix(EXIF_PREFIX) or None


def _find_xmp(image: Image.Image, chunks: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    return png.find_xmp(chunks) if image.format == "PNG" else _bytes_or_none(image.info.get("xmp"))


def _find_dpi(image: Image.Image) -> tuple[float, float] | None:
    dpi = image.info.get("dpi")
    if not isinstance(dpi, tuple) or len(dpi) != 2 or not all(isinstance(v, Real) for v in dpi):
        return None
    try:
        x, y = float(dpi[0]), float(dpi[1])
    except (ZeroDivisionError, OverflowError):
        return None
    return (x, y) if 0 < x < 1e6 and 0 < y < 1e6 else None


def _find_photoshop(image: Image.Image) -> bytes | None:
    """Join the segments over which a JPEG spreads what is longer than one can hold."""
    prefix = PHOTOSHOP_PREFIX
    segments = getattr(image, "applist", ()) if image.format in ("JPEG", "MPO") else ()
    bodies = [
        body.removeprefix(prefix)
        for marker, body in segments
        if marker == PHOTOSHOP_MARKER and body.startswith(prefix)
    ]
    return prefix + b"".join(bodies) if bodies else None


def _find_chunks(chunks: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[bytes, bytes]]:
    return (
        (kind, body)
        for kind, body in chunks
        if kind in KEPT_CHUNKS and not body.startswith(png.CARRIED_TEXTS)
    )
