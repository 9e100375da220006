"""TIFF where Pillow does not reach: 16-bit colour in, and every depth out, strip by strip."""

import io
import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
import tifffile
from PIL import TiffImagePlugin

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures.directories import (
    Directory,
    Order,
    pack_directory,
    pack_exif,
    parse_exif,
    read_tiff_directory,
)
from sam_diffsr_cli.pictures.records import Frame, Limits, Metadata, has_alpha

__all__ = [
    "PHOTOSHOP_PREFIX",
    "open_more_kinds",
    "pick_exif",
    "pick_photoshop",
    "read_deep_page",
    "write_tiff",
]

ORIENTATION, XMP_TAG, PHOTOSHOP_TAG = 274, 700, 34377
PHOTOSHOP_PREFIX = b"Photoshop 3.0\0"
TEXT_TAGS = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x013C, 0x8298)
"""Description, make, model, software, date, artist, host computer, copyright."""

CARRIED_TAGS = (*TEXT_TAGS, 0x4746, 0x4749, 0x83BB, *range(0x9C9B, 0x9CA0))
"""Also the two ratings, IPTC, and the title, comment, author, keywords and subject of Windows."""

STRIP_BYTES = 1 << 20
CLASSIC_LIMIT = 2**32 - 2**25
"""Above this many bytes the file is BigTIFF."""

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2
PLANAR = 2
LARGEST_TILE = 1 << 26


def open_more_kinds() -> None:
    """Let Pillow open gray of 16 bits with a second channel, whose pixels are read here."""
    for order in (b"II", b"MM"):
        for photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO):
            for extra in (0, 1, 2):
                kind = (order, photometric, (1,), 1, (16, 16), (extra,))
                TiffImagePlugin.OPEN_INFO.setdefault(kind, ("LA", "LA"))


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
    # Room is made for a whole tile, and that need not fit the picture.
    tile = math.prod(page.chunks)
    if page.size > 8 * limits.max_pixels or tile > max(page.size, LARGEST_TILE):
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


def pick_exif(file: BinaryIO) -> bytes | None:
    """Gather from a TIFF's own tags those that describe the photo, as an EXIF structure.

    Raises:
        ValueError: The file's first directory is damaged.
    """
    kept = read_tiff_directory(file).only((*CARRIED_TAGS, ORIENTATION))
    return pack_exif(kept) if kept.fields or kept.children else None


def pick_photoshop(file: BinaryIO) -> bytes | None:
    """Read Photoshop's resources, in the form that a JPEG's APP13 segment has.

    Raises:
        ValueError: The file's first directory is damaged.
    """
    body = read_tiff_directory(file).data_of(PHOTOSHOP_TAG)
    return None if body is None else PHOTOSHOP_PREFIX + body


def write_tiff(file: BinaryIO, frames: Sequence[Frame], metadata: Metadata) -> None:
    """Write pages, deflated strip by strip; the metadata goes to the first.

    Args:
        file: Open for reading and writing, empty.
        frames: Each ``(H, W, C)``, uint8 or uint16; may be mapped from a file.
        metadata: EXIF is written as TIFF's own tags, in its own byte order; in files above 4 GiB
            the first directory only.
    """
    total = sum(frame.pixels.nbytes for frame in frames)
    is_big = total > CLASSIC_LIMIT
    exif = _parse(metadata.exif)
    pointed = {} if is_big else exif.children
    with tifffile.TiffWriter(file, bigtiff=is_big, byteorder=exif.order) as writer:
        for index, frame in enumerate(frames):
            beside = metadata if index == 0 else Metadata(icc=metadata.icc, dpi=metadata.dpi)
            tags = [] if index else _tags(metadata, exif)
            _write_page(writer, frame.pixels, beside, tags)
    _append_directories(file, pointed)


def _write_page(
    writer: tifffile.TiffWriter, pixels: np.ndarray, metadata: Metadata, tags: list[Any]
) -> None:
    height, width, channels = pixels.shape
    rows = min(height, max(1, STRIP_BYTES // (width * channels * pixels.dtype.itemsize)))
    options: dict[str, Any] = {}
    if metadata.dpi is not None:
        options = {"resolution": metadata.dpi, "resolutionunit": "INCH"}
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
        **options,
    )


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
    """List the tags that are not tifffile's own: XMP, texts, and Photoshop's resources."""
    tags: list[Any] = [(*kept, True) for kept in exif.only(CARRIED_TAGS).fields]
    if metadata.xmp is not None:
        tags.append((XMP_TAG, 1, len(metadata.xmp), metadata.xmp, True))
    if metadata.photoshop is not None:
        body = metadata.photoshop.removeprefix(PHOTOSHOP_PREFIX)
        tags.append((PHOTOSHOP_TAG, 1, len(body), body, True))
    return tags


def _append_directories(file: BinaryIO, directories: dict[int, Directory]) -> None:
    """Write the directories behind the pages, and the first page's anew, which points at them.

    tifffile leaves such pointers out, so there is no room for them in its own directory.
    """
    if not directories:
        return
    order, added = next(iter(directories.values())).order, []
    for tag, directory in directories.items():
        offset = _seek_even_end(file)
        file.write(pack_directory(directory, offset))
        added.append(struct.pack(f"{order}HHII", tag, 4, 1, offset))
    file.seek(4)
    (first,) = struct.unpack(f"{order}I", file.read(4))
    file.seek(first)
    (count,) = struct.unpack(f"{order}H", file.read(2))
    entries = [file.read(12) for _ in range(count)] + added
    entries.sort(key=lambda entry: struct.unpack(f"{order}H", entry[:2]))
    following = file.read(4)
    place = _seek_even_end(file)
    file.write(struct.pack(f"{order}H", len(entries)) + b"".join(entries) + following)
    file.seek(4)
    file.write(struct.pack(f"{order}I", place))


def _seek_even_end(file: BinaryIO) -> int:
    """Go to the end, or one byte behind it, where a directory may begin."""
    offset = file.seek(0, io.SEEK_END)
    return file.seek(offset + offset % 2)
