"""What is in a folder of masks: numbers, and whether every photo has its own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.masks.packing import IMPORTED, unpack_encoding
from sam_diffsr_cli.masks.rle import decode_mask
from sam_diffsr_cli.masks.store import decode_masks, find_mask_file, read_records
from sam_diffsr_cli.pictures.finding import find_pictures
from sam_diffsr_cli.pictures.reading import read_head
from sam_diffsr_cli.pictures.records import Limits

__all__ = [
    "SHARES",
    "FileSurvey",
    "MaskCheck",
    "Stats",
    "summarise",
    "survey_file",
    "verify_photos",
]

SHARES = (0.0001, 0.001, 0.01, 0.1, 1.0)
"""Upper edges of the histogram of region sizes, as shares of the photo."""


@dataclass(frozen=True, slots=True)
class FileSurvey:
    """One mask file: the share of the photo that each region takes, and all together."""

    shares: tuple[float, ...]
    coverage: float
    overlap: float


@dataclass(frozen=True, slots=True)
class Stats:
    """Numbers over many mask files; ``histogram`` counts regions below each of ``SHARES``."""

    files: int
    regions: int
    fewest: int
    median: float
    most: int
    coverage: float
    overlap: float
    histogram: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MaskCheck:
    """One photo: ``problem`` is empty when its masks are there, readable, and of its size."""

    photo: Path
    problem: str = ""


def survey_file(path: Path) -> FileSurvey:
    """Look at one mask file.

    ``coverage`` is the share that any region covers, ``overlap`` what two or more do.

    Raises:
        InputError: It is damaged, or its masks differ in size.
    """
    records = read_records(path)
    if not records:
        return FileSurvey((), 0.0, 0.0)
    try:
        depth = np.zeros(records[0]["segmentation"]["size"], dtype=np.uint16)
        shares = []
        for record in records:
            mask = decode_mask(record["segmentation"])
            if mask.shape != depth.shape:
                raise ValueError("masks of several sizes")  # noqa: TRY301 - told as the others
            depth += mask
            shares.append(float(mask.mean()))
    except (ValueError, TypeError, KeyError, OverflowError, MemoryError) as error:
        raise InputError(f"{path}: damaged ({error})") from error
    return FileSurvey(tuple(shares), float((depth > 0).mean()), float((depth > 1).mean()))


def summarise(surveys: Sequence[FileSurvey]) -> Stats:
    """Add up the surveys of at least one file."""
    counts = [len(survey.shares) for survey in surveys]
    shares = [share for survey in surveys for share in survey.shares]
    edges = np.searchsorted(SHARES, shares, side="left") if shares else np.zeros(0, dtype=int)
    return Stats(
        files=len(surveys),
        regions=sum(counts),
        fewest=min(counts),
        median=float(np.median(counts)),
        most=max(counts),
        coverage=float(np.mean([survey.coverage for survey in surveys])),
        overlap=float(np.mean([survey.overlap for survey in surveys])),
        histogram=tuple(np.bincount(edges, minlength=len(SHARES))[: len(SHARES)].tolist()),
    )


def verify_photos(folder: Path, masks: Path) -> Iterator[MaskCheck]:
    """Check every photo below ``folder`` against its masks.

    Yields:
        One verdict a photo, in the order of their paths.

    Raises:
        InputError: One of the two is not a folder.
    """
    for place in (folder, masks):
        if not place.is_dir():
            raise InputError(f"{place}: not a folder")
    for photo in find_pictures(folder, recursive=True, leave_out=masks):
        try:
            yield MaskCheck(photo, _problem(photo, folder, masks))
        except InputError as error:
            yield MaskCheck(photo, str(error))


def _problem(photo: Path, folder: Path, masks: Path) -> str:
    size = read_head(photo, Limits()).size
    path = find_mask_file(photo, folder, masks)
    if path is None:
        return f"{photo}: has no masks"
    if path.suffix == IMPORTED:
        try:
            found = unpack_encoding(path.read_bytes())[0].shape
        except ValueError as error:
            return f"{path}: {error}"
        return "" if found == size else f"{path}: the encoding is {found}, the photo is {size}"
    count = sum(1 for _ in decode_masks(path, size))
    return "" if count else f"{path}: holds no mask"
