"""TIFF where Pillow does not reach: 16-bit colour in, and every depth out, strip by strip."""

import io
import struct
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
import tifffile
from PIL import Image, TiffImagePlugin

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures.records import Frame, Limits, Metadata, has_alpha

__all__ = ["pick_exif", "read_deep_page", "write_tiff"]

EXIF_IFD, GPS_IFD = 0x8769, 0x8825
XMP_TAG = 700
TEXT_TAGS = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x013C, 0x8298)
"""Description, make, model, software, date, artist, host computer, copyright."""

STRIP_BYTES = 1 << 20
CLASSIC_LIMIT = 2**32 - 2**25
"""Above this many bytes the file is BigTIFF."""

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2
PLANAR = 2


def read_deep_page(file: BinaryIO, index: int, name: str, limits: Limits) -> np.ndarray:
    """Read one page of 16-bit gray or RGB, with or without transparency.

    Returns:
        ``(H, W, C)`` uint16, not yet upright, alpha not premultiplied.

    Raises:
        InputError: The page is of another kind, or damaged.
    """
    file.seek(0)
    try:
        with tifffile.TiffFile(file) as tiff:
            page = tiff.pages[index]
            if not isinstance(page, tifffile.TiffPage):
                page = page.aspage()
            _check_page(page, name, limits)
            levels = page.asarray()
            planar = page.planarconfig == PLANAR and levels.ndim == 3
            return _arrange(levels, page, is_planar=planar)
    except InputError:
        raise
    except MemoryError:
        raise
    except Exception as error:
        raise InputError(f"{name}: damaged or unreadable ({error})") from error


def _check_page(page: tifffile.TiffPage, name: str, limits: Limits) -> None:
    kinds = (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB)
    if page.dtype != np.uint16 or page.photometric not in kinds or page.imagedepth != 1:
        raise InputError(
            f"{name}: a TIFF of this kind ({page.photometric!s}, {page.dtype}) is not supported",
            hint="convert to RGB or gray of 8 or 16 bits",
        )
    if page.size > 8 * limits.max_pixels:
        raise InputError(f"{name}: more pixels than is safe to decode")


def _arrange(levels: np.ndarray, page: tifffile.TiffPage, *, is_planar: bool) -> np.ndarray:
    """Bring the samples into ``(H, W, C)``, white at the top, alpha not premultiplied."""
    pixels = levels[..., None] if levels.ndim == 2 else levels
    if is_planar:
        pixels = np.moveaxis(pixels, 0, -1)
    colours = 3 if page.photometric == RGB else 1
    kinds = [int(kind) for kind in page.extrasamples]
    keeps_alpha = bool(kinds) and kinds[0] in (1, 2)
    pixels = np.array(pixels[..., : colours + keeps_alpha])
    if page.photometric == WHITE_IS_ZERO:
        pixels[..., 0] = 65535 - pixels[..., 0]
    if keeps_alpha and kinds[0] == 1:
        alpha = np.maximum(pixels[..., colours:].astype(np.float64), 1)
        straight = pixels[..., :colours] * (65535 / alpha)
        pixels[..., :colours] = np.clip(straight, 0, 65535).round().astype(np.uint16)
    return pixels


def pick_exif(image: Image.Image) -> bytes | None:
    """Gather from a TIFF's own tags those that describe the photo, as an EXIF structure."""
    found, kept = image.getexif(), Image.Exif()
    for tag in (*TEXT_TAGS, 0x0112):
        if tag in found:
            kept[tag] = found[tag]
    for tag in (EXIF_IFD, GPS_IFD):
        directory = found.get_ifd(tag)
        if directory:
            kept.get_ifd(tag).update(directory)
            kept[tag] = kept.get_ifd(tag)
    return kept.tobytes().removeprefix(b"Exif\0\0") if len(kept) else None


def write_tiff(file: BinaryIO, frames: Sequence[Frame], metadata: Metadata) -> None:
    """Write pages, deflated strip by strip; the metadata goes to the first.

    Args:
        file: Open for reading and writing, empty.
        frames: Each ``(H, W, C)``, uint8 or uint16; may be mapped from a file.
        metadata: EXIF is written as TIFF's own tags, and left out of files above 4 GiB.
    """
    total = sum(frame.pixels.nbytes for frame in frames)
    is_big = total > CLASSIC_LIMIT
    directories = _sub_directories(metadata.exif)
    with tifffile.TiffWriter(file, bigtiff=is_big, byteorder="<") as writer:
        for index, frame in enumerate(frames):
            beside = metadata if index == 0 else Metadata(icc=metadata.icc, dpi=metadata.dpi)
            tags = _tags(beside, [] if is_big or index else list(directories))
            _write_page(writer, frame.pixels, beside, tags)
    if not is_big:
        _append_directories(file, directories)


def _write_page(
    writer: tifffile.TiffWriter, pixels: np.ndarray, metadata: Metadata, tags: list[Any]
) -> None:
    height, width, channels = pixels.shape
    rows = min(height, max(1, STRIP_BYTES // (width * channels * pixels.dtype.itemsize)))
    options: dict[str, Any] = {}
    if metadata.dpi is not None:
        options = {"resolution": metadata.dpi, "resolutionunit": "INCH"}
    writer.write(
        _strips(pixels, rows),
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
        **options,
    )


def _strips(pixels: np.ndarray, rows: int) -> Iterator[np.ndarray]:
    for first in range(0, len(pixels), rows):
        strip = np.ascontiguousarray(pixels[first : first + rows])
        yield strip if pixels.shape[2] > 1 else strip[..., 0]


def _tags(metadata: Metadata, pointers: list[int]) -> list[Any]:
    """List the tags that are not tifffile's own: XMP, texts, and pointers to fill in later."""
    tags: list[Any] = []
    if metadata.xmp is not None:
        tags.append((XMP_TAG, 1, len(metadata.xmp), metadata.xmp, True))
    if metadata.exif is not None:
        exif = _load_exif(metadata.exif)
        for tag in TEXT_TAGS:
            text = exif.get(tag)
            if isinstance(text, str) and text:
                data = text.encode("utf-8") + b"\0"
                tags.append((tag, 2, len(data), data, True))
    tags += [(pointer, 4, 1, 0, True) for pointer in pointers]
    return tags


def _load_exif(exif: bytes) -> Image.Exif:
    loaded = Image.Exif()
    loaded.load(b"Exif\0\0" + exif)
    return loaded


def _sub_directories(exif: bytes | None) -> dict[int, TiffImagePlugin.ImageFileDirectory_v2]:
    """Read the EXIF and GPS directories into the form in which they can be written."""
    found: dict[int, TiffImagePlugin.ImageFileDirectory_v2] = {}
    if exif is None:
        return found
    loaded = _load_exif(exif)
    for tag in (EXIF_IFD, GPS_IFD):
        values = loaded.get_ifd(tag)
        if values:
            directory = TiffImagePlugin.ImageFileDirectory_v2(b"II*\0\0\0\0\0")
            for key, value in values.items():
                if not isinstance(value, dict):
                    directory[key] = value
            found[tag] = directory
    return found


def _append_directories(
    file: BinaryIO, directories: dict[int, TiffImagePlugin.ImageFileDirectory_v2]
) -> None:
    """Write the directories behind the pages and point the first page at them."""
    if not directories:
        return
    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        tags = tiff.pages.first.tags
        places = {tag: tags[tag].valueoffset for tag in directories}
    for tag, directory in directories.items():
        offset = file.seek(0, io.SEEK_END)
        offset += offset % 2
        file.seek(offset)
        file.write(directory.tobytes(offset))
        file.seek(places[tag])
        file.write(struct.pack("<I", offset))
