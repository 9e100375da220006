"""Writing TIFF: every depth, strip by strip, each page with what it says of itself."""

import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
import tifffile

from sam_diffsr_cli.pictures.directories import (
    Directory,
    Field,
    Order,
    pack_directory,
    parse_exif,
)
from sam_diffsr_cli.pictures.photoshop import without_preview
from sam_diffsr_cli.pictures.records import Frame, Metadata, has_alpha
from sam_diffsr_cli.pictures.tiff_pages import (
    CARRIED_TAGS,
    PHOTOSHOP_PREFIX,
    PHOTOSHOP_TAG,
    RESOLUTION_TAGS,
    XMP_TAG,
)

__all__ = ["tiff_notes", "write_tiff"]

STRIP_BYTES = 1 << 20
INCH, FRACTION = 2, 5
IPTC_TAG, UNDEFINED = 0x83BB, 7
UNITS = range(1, 6)
"""None, inch, centimetre, and what some programs add: millimetre and micrometre."""

CLASSIC_LIMIT = 2**32 - 2**25
"""Above this many bytes the file is BigTIFF."""


def write_tiff(file: BinaryIO, frames: Sequence[Frame], metadata: Metadata) -> None:
    """Write pages, deflated strip by strip, each with its own metadata.

    Args:
        file: Open for reading and writing, empty.
        frames: Each ``(H, W, C)``, uint8 or uint16; may be mapped from a file.
        metadata: EXIF is written as TIFF's own tags, in its own byte order; in files above 4 GiB
            the first directory only.
    """
    is_big = _is_big(frames)
    pages = [metadata.of_page(index) for index in range(len(frames))]
    described = [_parse(page.exif) for page in pages]
    order = _order_of(metadata, described[0])
    with tifffile.TiffWriter(file, bigtiff=is_big, byteorder=order) as writer:
        for frame, page, exif in zip(frames, pages, described, strict=True):
            _write_page(writer, frame.pixels, page, _tags(page, exif))
    if not is_big:
        _append_directories(file, [exif.children for exif in described])


def tiff_notes(frames: Sequence[Frame], metadata: Metadata) -> list[str]:
    """Say what ``write_tiff`` leaves out of a file above 4 GiB."""
    if not _is_big(frames):
        return []
    pages = (metadata.of_page(index) for index in range(len(frames)))
    if not any(_parse(page.exif).children for page in pages):
        return []
    return ["a TIFF above 4 GiB is written without the directories of EXIF and GPS"]


def _is_big(frames: Sequence[Frame]) -> bool:
    return sum(frame.pixels.nbytes for frame in frames) > CLASSIC_LIMIT


def _order_of(metadata: Metadata, exif: Directory) -> Order:
    """Return the byte order of what is carried; all pages of a file have the same."""
    return exif.order if metadata.exif is not None or metadata.tiff is None else metadata.tiff.order


def _write_page(
    writer: tifffile.TiffWriter, pixels: np.ndarray, metadata: Metadata, tags: list[Any]
) -> None:
    height, width, channels = pixels.shape
    rows = min(height, max(1, STRIP_BYTES // (width * channels * pixels.dtype.itemsize)))
    writer.write(
        _strips(pixels, rows, writer.tiff.byteorder),
        shape=pixels.shape if channels > 1 else pixels.shape[:2],
        dtype=pixels.dtype,
        photometric="rgb" if channels > 2 else "minisblack",
        planarconfig="contig" if channels > 1 else None,
        extrasamples=["unassalpha"] if has_alpha(pixels) else None,
        rowsperstrip=rows,
        compression="adobe_deflate",
        predictor=True,
        iccprofile=metadata.icc,
        extratags=tags,
        metadata=None,
        software=False,
        **_resolution(metadata),
    )


def _resolution(metadata: Metadata) -> dict[str, Any]:
    """Say the density in the file's own unit and fractions; else in inches, or not at all."""
    if metadata.tiff is not None:
        x, y = (_fraction(metadata.tiff, tag) for tag in RESOLUTION_TAGS[:2])
        unit = metadata.tiff.number(RESOLUTION_TAGS[2], INCH)
        # One that is alone is taken for both: a TIFF has to have them.
        x, y = x or y, y or x
        if x and y and unit in UNITS:
            return {"resolution": (x, y), "resolutionunit": unit}
    if metadata.dpi is not None:
        return {"resolution": metadata.dpi, "resolutionunit": INCH}
    return {}


def _fraction(directory: Directory, tag: int) -> tuple[int, int] | None:
    """Return the two numbers of a fraction; None where there is none, or it divides by zero."""
    found = next((each for each in directory.fields if each.tag == tag), None)
    if found is None or found.kind != FRACTION or len(found.data) < 8:
        return None
    above, below = struct.unpack_from(f"{directory.order}2I", found.data)
    return (above, below) if below else None


def _strips(pixels: np.ndarray, rows: int, order: Order) -> Iterator[bytes]:
    """Yield deflated strips of differences to the left; the library would want a whole page."""
    for first in range(0, len(pixels), rows):
        strip = np.array(pixels[first : first + rows])
        strip[:, 1:] -= strip[:, :-1].copy()
        yield zlib.compress(strip.astype(strip.dtype.newbyteorder(order), copy=False).tobytes())


def _parse(exif: bytes | None) -> Directory:
    try:
        return Directory("<") if exif is None else parse_exif(exif)
    except ValueError:
        return Directory("<")


def _tags(metadata: Metadata, exif: Directory) -> list[Any]:
    """List the tags that are not tifffile's own: XMP, texts, names, and Photoshop's resources."""
    own: list[Field] = [] if metadata.tiff is None else metadata.tiff.fields
    kept = [*exif.only(CARRIED_TAGS).fields, *(f for f in own if f.tag not in RESOLUTION_TAGS)]
    tags: list[Any] = [(*_slim(each), True) for each in kept]
    if metadata.xmp is not None:
        tags.append((XMP_TAG, 1, len(metadata.xmp), metadata.xmp, True))
    if metadata.photoshop is not None:
        body = metadata.photoshop.removeprefix(PHOTOSHOP_PREFIX)
        tags.append((PHOTOSHOP_TAG, 1, len(body), body, True))
    return tags


def _slim(field: Field) -> Field:
    """Take the preview out of IPTC, which is of bytes or, in some files, of words."""
    if field.tag != IPTC_TAG:
        return field
    kept = without_preview(field.data)
    if len(kept) == len(field.data):
        return field
    return Field(IPTC_TAG, UNDEFINED, len(kept), kept)


def _append_directories(file: BinaryIO, below: Sequence[dict[int, Directory]]) -> None:
    """Write what lies below each page behind all of them, and pages anew that point at it.

    tifffile leaves such pointers out, so there is no room for them in its own directories.
    """
    file.seek(0)
    order = "<" if file.read(2) == b"II" else ">"
    link = 4
    for children in below:
        file.seek(link)
        (place,) = struct.unpack(f"{order}I", file.read(4))
        file.seek(place)
        (count,) = struct.unpack(f"{order}H", file.read(2))
        if children:
            entries = [file.read(12) for _ in range(count)]
            following = file.read(4)
            entries += [_append(file, tag, child) for tag, child in children.items()]
            entries.sort(key=lambda entry: struct.unpack(f"{order}H", entry[:2]))
            place, count = _seek_even_end(file), len(entries)
            file.write(struct.pack(f"{order}H", count) + b"".join(entries) + following)
            file.seek(link)
            file.write(struct.pack(f"{order}I", place))
        link = place + 2 + 12 * count


def _append(file: BinaryIO, tag: int, directory: Directory) -> bytes:
    """Write a directory at the end, and return the entry that points at it."""
    offset = _seek_even_end(file)
    file.write(pack_directory(directory, offset))
    return struct.pack(f"{directory.order}HHII", tag, 4, 1, offset)


def _seek_even_end(file: BinaryIO) -> int:
    """Go to the end, or one byte behind it, where a directory may begin."""
    offset = file.seek(0, io.SEEK_END)
    return file.seek(offset + offset % 2)
