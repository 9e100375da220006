"""Reading TIFF: each page whole, upright, with what it says of itself.

Pillow decodes the common kinds of 8 bits, and is strict about damage; tifffile the rest, and only
the compressions of libtiff that print nothing of their own are left to Pillow.
"""

import logging
import math
import struct
from dataclasses import replace
from typing import BinaryIO, NamedTuple

import numpy as np
import tifffile
from PIL import UnidentifiedImageError

from sam_diffsr_cli.errors import InputError, SamsrError
from sam_diffsr_cli.pictures.colour_reading import colour_of_tiff
from sam_diffsr_cli.pictures.directories import Directory, read_tiff_chain
from sam_diffsr_cli.pictures.embedded import with_colour
from sam_diffsr_cli.pictures.listers import list_parts
from sam_diffsr_cli.pictures.modes import SWAPPED, frame_pixels, turn_upright
from sam_diffsr_cli.pictures.opening import TOO_LARGE, TRUST, open_image
from sam_diffsr_cli.pictures.records import Frame, Limits, Metadata, Picture
from sam_diffsr_cli.pictures.tiff_pages import (
    ORIENTATION,
    PROFILE_TAG,
    is_page,
    page_metadata,
    ratios,
)
from sam_diffsr_cli.pictures.tiff_samples import YCBCR, Layout, Sampled, spare_notes, to_pixels
from sam_diffsr_cli.pictures.tiff_subsampled import read_subsampled
from sam_diffsr_cli.pictures.xmp import orientation_in

__all__ = ["decode_tiff", "is_tiff", "tiff_size"]

HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES = 256, 257, 258, 259, 262, 277
COLOR_MAP, INK_SET, EXTRA_SAMPLES, SAMPLE_FORMAT = 320, 332, 338, 339
LUMA_TAG, SUBSAMPLING, BLACK_AND_WHITE_TAG = 529, 530, 532
UNCOMPRESSED = 1
PILLOWS_COMPRESSIONS = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32809, 32946})
"""None, CCITT's, LZW, JPEG's, deflate's, PackBits, ThunderScan."""

QUIETER = frozenset({5, 8, 32773, 32946})
"""Those of which libtiff prints lines when they are damaged, and that tifffile decodes as well."""

PILLOWS_PHOTOMETRICS = frozenset({0, 1, 2, 3, 5, 6, 8})
RGB, CMYK, GRAY = 2, 5, (0, 1)
DECODED_TO_RGB = frozenset({6, 7, 33003, 33004, 33005, 34712, 34892, 50001, 50002})
"""Compressions whose decoders undo YCbCr."""

TELLING_SIZES = DECODED_TO_RGB | {34887, 34933, 52546}
"""Those whose data tell the size again: also LERC and PNG."""

PLANAR = 2
LARGEST_TILE = 1 << 26


class _Page(NamedTuple):
    """One page: its number in the chain of directories, from 0, and the directory."""

    number: int
    directory: Directory

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, as stored."""
        return self.directory.number(LENGTH), self.directory.number(WIDTH)

    @property
    def orientation(self) -> int:
        """How it is turned, 1 to 8, by its tag or, where that says nothing, by XMP."""
        turn = self.directory.number(ORIENTATION)
        if turn not in range(1, 9):
            turn = orientation_in(self.directory.data_of(700) or b"") or 1
        return turn


def is_tiff(file: BinaryIO) -> bool:
    """Whether an open file begins as a TIFF does; it is left at its beginning."""
    file.seek(0)
    head = file.read(4)
    file.seek(0)
    return head in HEADS


def tiff_size(file: BinaryIO, name: str, limits: Limits) -> tuple[tuple[int, int], int]:
    """Read the upright height and width of the first page, and the number of pages.

    Raises:
        InputError: There is no page, or more than the limits allow.
        ValueError: A directory is damaged.
    """
    pages = _find_pages(file, name, limits)
    height, width = pages[0].size
    is_swapped = pages[0].orientation in SWAPPED
    return (width, height) if is_swapped else (height, width), len(pages)


def decode_tiff(file: BinaryIO, name: str, limits: Limits) -> Picture:
    """Decode an open TIFF; reduced copies and masks are no pages.

    Raises:
        InputError: It is of a kind that is not read, or too large.
        ValueError: A directory is damaged.
    """
    pages = _find_pages(file, name, limits)
    frames: list[Frame] = []
    beside: list[Metadata] = []
    notes: list[str] = []
    _silence()
    for page in pages:
        sampled = _read_page(file, page, name, limits)
        frames.append(Frame(sampled.pixels))
        beside.append(_metadata_of(page.directory, sampled.profile))
        count = page.directory.number(SAMPLES, 1)
        notes += (*sampled.notes, *spare_notes(count, page.directory.number(PHOTOMETRIC), sampled))
    metadata = replace(beside[0], pages=tuple(beside[1:]))
    return Picture(
        format="TIFF",
        frames=tuple(frames),
        kind="pages" if len(frames) > 1 else "still",
        metadata=metadata,
        notes=tuple(dict.fromkeys(notes)),
        parts=list_parts("TIFF", file, metadata),
        turned=pages[0].orientation,
        bits=_significant_bits(pages, frames),
    )


def _significant_bits(pages: list[_Page], frames: list[Frame]) -> int | None:
    """Return how many of the 16 bits of deep pages mean something; None where all do."""
    deep = [
        max(page.directory.numbers(BITS) or (1,))
        for page, frame in zip(pages, frames, strict=True)
        if frame.pixels.dtype == np.uint16
    ]
    return max(deep) if deep and max(deep) < 16 else None


def _metadata_of(directory: Directory, profile: bytes | None) -> Metadata:
    """Gather what a page says; ``profile`` is the one its pixels were converted to, if any."""
    said = page_metadata(directory)
    if profile is not None:
        return replace(said, icc=profile)
    if said.icc is not None:
        return said
    try:
        colour = colour_of_tiff(directory)
    except (ValueError, struct.error):
        return said
    return with_colour(said, colour, gray=directory.number(PHOTOMETRIC) in GRAY)


def _find_pages(file: BinaryIO, name: str, limits: Limits) -> list[_Page]:
    directories = read_tiff_chain(file, limits.max_frames)
    if len(directories) > limits.max_frames:
        raise InputError(f"{name}: more than {limits.max_frames} frames")
    chain = [_Page(index, directory) for index, directory in enumerate(directories)]
    pages = [page for page in chain if is_page(page.directory)] or chain[:1]
    if not pages or any(min(page.size) < 1 for page in pages):
        raise InputError(f"{name}: has no pixels")
    if sum(math.prod(page.size) for page in pages) > limits.max_pixels:
        height, width = pages[0].size
        times = f", {len(pages)} times," if len(pages) > 1 else ""
        raise InputError(
            f"{name}: {width}x{height} pixels{times} are more than is safe to decode", hint=TRUST
        )
    return pages


def _silence() -> None:
    """Keep libraries' own lines off the terminal, unless somebody asked for them."""
    for library in ("tifffile", "PIL"):
        logger = logging.getLogger(library)
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())


def _read_page(file: BinaryIO, page: _Page, name: str, limits: Limits) -> Sampled:
    """Read one page, upright."""
    if _is_for_pillow(page.directory):
        found = _by_pillow(file, page, name, limits)
        if found is not None:
            return found
    if page.directory.number(PHOTOMETRIC) == YCBCR and (
        page.directory.number(COMPRESSION, UNCOMPRESSED) == UNCOMPRESSED
    ):
        samples = read_subsampled(file, page.directory)
    else:
        samples = _by_tifffile(file, page.number, name, limits)
    sampled = to_pixels(samples, _layout(page.directory), name)
    return replace(sampled, pixels=turn_upright(sampled.pixels, page.orientation))


def _is_for_pillow(directory: Directory) -> bool:
    """Whether Pillow knows the kind and gives all of it."""
    compression = directory.number(COMPRESSION, UNCOMPRESSED)
    photometric = directory.number(PHOTOMETRIC)
    is_plain = set(directory.numbers(BITS) or (1,)) <= {1, 2, 4, 8}
    is_unsigned = set(directory.numbers(SAMPLE_FORMAT) or (1,)) <= {1, 4}
    if compression in QUIETER and _is_usual(directory):
        return False
    is_raw_ycbcr = photometric == YCBCR and compression == UNCOMPRESSED
    is_other_ink = photometric == CMYK and directory.number(INK_SET, 1) != 1
    return (
        is_plain
        and is_unsigned
        and compression in PILLOWS_COMPRESSIONS
        and photometric in PILLOWS_PHOTOMETRICS
        and not is_raw_ycbcr
        and not is_other_ink
    )


def _is_usual(directory: Directory) -> bool:
    """Whether a page has 8 bits a channel, and no channels whose meaning is not told."""
    colours = {0: 1, 1: 1, RGB: 3, 3: 1, CMYK: 4}.get(directory.number(PHOTOMETRIC), 0)
    spare = directory.number(SAMPLES, 1) - colours
    extra = directory.numbers(EXTRA_SAMPLES)
    is_known = spare == 0 or (spare == 1 and extra in ((1,), (2,)))
    return set(directory.numbers(BITS) or (1,)) == {8} and is_known


def _by_pillow(file: BinaryIO, page: _Page, name: str, limits: Limits) -> Sampled | None:
    """Decode with Pillow; None where it does not know the kind after all."""
    try:
        with open_image(file, limits) as image:
            if page.number:
                image.seek(page.number)
            image.load()
            pixels, note, profile = frame_pixels(image, name)
    except (UnidentifiedImageError, SyntaxError):
        return None
    return Sampled(pixels, () if note is None else (note,), profile)


def _by_tifffile(file: BinaryIO, index: int, name: str, limits: Limits) -> np.ndarray:
    """Decode the raw samples of a page, ``(H, W, S)``, not yet upright."""
    file.seek(0)
    try:
        with tifffile.TiffFile(file) as tiff:
            page = tiff.pages[index]
            if not isinstance(page, tifffile.TiffPage):
                page = page.aspage()
            _check_room(page, name, limits)
            samples = _decode_page(page, name)
            is_planar = page.planarconfig == PLANAR and samples.ndim == 3
            if samples.ndim == 2:
                return samples[..., None]
            return np.moveaxis(samples, 0, -1) if is_planar else samples
    except (SamsrError, MemoryError):
        raise
    except Exception as error:
        raise InputError(f"{name}: damaged or unreadable ({error})") from error


def _decode_page(page: tifffile.TiffPage, name: str) -> np.ndarray:
    """Decode; a codec that tells sizes of its own may be damaged where the page is not."""
    try:
        return np.asarray(page.asarray())
    except MemoryError as error:
        if page.compression not in TELLING_SIZES:
            raise
        raise InputError(f"{name}: {TOO_LARGE}, or damaged") from error


def _check_room(page: tifffile.TiffPage, name: str, limits: Limits) -> None:
    if page.imagedepth != 1:
        raise InputError(f"{name}: a TIFF of volumes ({page.imagedepth} deep) is not supported")
    # Room is made for a whole tile, and that need not fit the picture.
    tile = math.prod(page.chunks)
    if page.size > 8 * limits.max_pixels or tile > max(page.size, LARGEST_TILE):
        raise InputError(f"{name}: {TOO_LARGE}")
    if page.dtype is None:
        kind = f"{page.bitspersample} bits, sample format {page.sampleformat}"
        raise InputError(f"{name}: a TIFF of this kind ({kind}) is not supported")


def _layout(directory: Directory) -> Layout:
    photometric = directory.number(PHOTOMETRIC)
    if photometric == YCBCR and directory.number(COMPRESSION) in DECODED_TO_RGB:
        photometric = RGB
    palette = np.array(directory.numbers(COLOR_MAP), dtype=np.uint16)
    weights, ends = ratios(directory, LUMA_TAG), ratios(directory, BLACK_AND_WHITE_TAG)
    told = Layout(
        photometric=photometric,
        bits=max(directory.numbers(BITS) or (1,)),
        extra=directory.numbers(EXTRA_SAMPLES),
        ink_set=directory.number(INK_SET, 1),
        palette=palette[: len(palette) // 3 * 3].reshape(3, -1) if len(palette) else None,
        profile=directory.data_of(PROFILE_TAG),
    )
    if len(weights) == 3:
        told = told._replace(luma=weights)
    return told._replace(black_and_white=ends) if len(ends) == 6 else told
