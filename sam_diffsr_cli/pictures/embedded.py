"""Finding what travels beside the pixels of a file that Pillow has opened."""

import warnings
from typing import BinaryIO

from PIL import Image

from sam_diffsr_cli.pictures import png, tiff
from sam_diffsr_cli.pictures.records import Metadata

__all__ = ["read_metadata"]

EXIF_PREFIX = b"Exif\0\0"
PHOTOSHOP_MARKER = "APP13"
KEPT_CHUNKS = frozenset(
    b"gAMA cHRM sRGB cICP mDCV cLLI pHYs tIME tEXt zTXt iTXt".split()
)
HEX_PROFILES = (b"Raw profile type ", b"XML:com.adobe.xmp")
"""Text chunks that hold EXIF or XMP, which are carried by themselves."""


def read_metadata(image: Image.Image, file: BinaryIO) -> Metadata:
    """Gather profile, EXIF, XMP, density, comments and chunks; damaged ones are left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Metadata(
            icc=_bytes_or_none(image.info.get("icc_profile")),
            exif=_find_exif(image),
            xmp=_find_xmp(image),
            dpi=_find_dpi(image),
            comment=_bytes_or_none(image.info.get("comment")),
            photoshop=_find_photoshop(image),
            png_chunks=_find_chunks(file) if image.format == "PNG" else (),
        )


def _bytes_or_none(value: object) -> bytes | None:
    if isinstance(value, str):
        return value.encode("utf-8", "replace") or None
    return bytes(value) if isinstance(value, (bytes, bytearray)) and value else None


def _find_exif(image: Image.Image) -> bytes | None:
    try:
        if image.format == "TIFF":
            return tiff.pick_exif(image)
        found = _bytes_or_none(image.info.get("exif"))
        if found is None and image.format == "PNG" and len(image.getexif()):
            # Old programs wrote it into a text chunk, in hexadecimal.
            found = image.getexif().tobytes()
    except Exception:  # noqa: BLE001 - Pillow fails in many ways on damaged fields
        return None
    return None if found is None else found.removeprefix(EXIF_PREFIX) or None


def _find_xmp(image: Image.Image) -> bytes | None:
    if image.format == "TIFF":
        return _bytes_or_none(getattr(image, "tag_v2", {}).get(tiff.XMP_TAG))
    return _bytes_or_none(image.info.get("xmp"))


def _find_dpi(image: Image.Image) -> tuple[float, float] | None:
    dpi = image.info.get("dpi")
    try:
        x, y = (float(value) for value in dpi)  # type: ignore[union-attr]  # None raises, as meant
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return (x, y) if 0 < x < 1e6 and 0 < y < 1e6 else None


def _find_photoshop(image: Image.Image) -> bytes | None:
    segments = getattr(image, "applist", ()) if image.format in ("JPEG", "MPO") else ()
    bodies = [body for marker, body in segments if marker == PHOTOSHOP_MARKER]
    return bodies[0] if len(bodies) == 1 else None


def _find_chunks(file: BinaryIO) -> tuple[tuple[bytes, bytes], ...]:
    place = file.tell()
    found = [
        (kind, body)
        for kind, body in png.read_chunks(file)
        if kind in KEPT_CHUNKS and not body.startswith(HEX_PROFILES)
    ]
    file.seek(place)
    return tuple(found)
