"""Checking and measuring matched pictures, one at a time, before they are put on a page."""

import json
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sam_diffsr_cli import measures
from sam_diffsr_cli.comparison.records import ComparedPicture, MetricRow
from sam_diffsr_cli.comparison.sets import TRUTH
from sam_diffsr_cli.errors import InputError, ShapeError
from sam_diffsr_cli.metrics import likeness
from sam_diffsr_cli.pictures.colour import srgb_levels
from sam_diffsr_cli.pictures.reading import read_head, read_levels, read_picture
from sam_diffsr_cli.pictures.records import Limits
from sam_diffsr_cli.pictures.xmp import record_of

__all__ = ["METRICS", "Checked", "check_picture", "check_sizes", "make_picture", "mean_rows"]

SHOWN = {name: measures.METRICS[name] for name in ("psnr_y", "ssim_y", "psnr_rgb")}
METRICS = tuple(SHOWN.values())

MOST_TRIM = 15
"""A truth may be so much larger: what is no multiple of the scale, 16 at most, is cut off it."""

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Checked:
    """A picture whose files can all be read: its numbers, and what its files say made them."""

    rows: Sequence[MetricRow] = ()
    made_by: Mapping[str, str] = field(default_factory=dict)


def check_sizes(files: Mapping[str, Path]) -> None:
    """Compare the sizes of a picture's files, by their heads; those that cannot be read pass.

    The truth may be a little larger, as benchmarks' are: it is cut at the right and at the bottom.

    Args:
        files: By label.

    Raises:
        InputError: Two files differ in size.
    """
    sizes: dict[str, Size] = {}
    for label, path in files.items():
        try:
            sizes[label] = read_head(path, Limits()).size
        except InputError:
            continue
    first = next((label for label in sizes if label != TRUTH), None)
    for label, size in sizes.items():
        if first is None or _fits(sizes[first], size, is_truth=label == TRUTH):
            continue
        raise InputError(
            f"{files[label]} has {size[1]}x{size[0]} pixels, but {files[first]} has "
            f"{sizes[first][1]}x{sizes[first][0]}",
            hint="compare results of one scale",
        )


def _fits(size: Size, other: Size, *, is_truth: bool) -> bool:
    slack = MOST_TRIM if is_truth else 0
    return all(0 <= b - a <= slack for a, b in zip(size, other, strict=True))


def check_picture(name: str, files: Mapping[str, Path], shave: int) -> Checked:
    """Read all files of a picture and measure it against its truth, if there is one.

    Args:
        name: Of the picture.
        files: By label; the truth's label is ``sets.TRUTH``.
        shave: Pixels of border that are left out.

    Returns:
        Rows for each method; without values where the picture is too small to be measured.

    Raises:
        InputError: A file cannot be read.
    """
    levels: dict[str, np.ndarray] = {}
    made_by: dict[str, str] = {}
    for label, path in files.items():
        picture = read_picture(path, Limits())
        levels[label] = srgb_levels(picture.frames[0].pixels, picture.metadata.icc)
        if picture.metadata.xmp is not None and (record := record_of(picture.metadata.xmp)):
            made_by[label] = _tell_record(record)
    truth = levels.pop(TRUTH, None)
    if truth is None:
        return Checked((), made_by)
    rows = [
        MetricRow(label, name, _measure(pixels, _trim(truth, pixels), shave))
        for label, pixels in levels.items()
    ]
    return Checked(rows, made_by)


def _measure(sr: np.ndarray, hr: np.ndarray, shave: int) -> dict[str, float]:
    try:
        values = likeness(sr, hr, shave)
    except ShapeError:
        return {}
    return {metric.name: values[name] for name, metric in SHOWN.items()}


def _trim(truth: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    return truth[: pixels.shape[0], : pixels.shape[1]]


def _tell_record(record: str) -> str:
    """Write what a file says made it in one line; a record of another kind as it is."""
    try:
        entries = json.loads(record)
    except ValueError:
        return record
    if not isinstance(entries, dict):
        return record
    return ", ".join(f"{key} {value}" for key, value in entries.items())


def make_picture(name: str, files: Mapping[str, Path]) -> ComparedPicture:
    """Turn matched files into the panels of a page; the truth is cut to the size of the others.

    Raises:
        InputError: The truth cannot be read, or the head of a result.
    """
    if TRUTH not in files:
        return ComparedPicture(name, files)
    first = next(path for label, path in files.items() if label != TRUTH)
    height, width = read_head(first, Limits()).size
    return ComparedPicture(name, {**files, TRUTH: read_levels(files[TRUTH])[:height, :width]})


def mean_rows(rows: Iterable[MetricRow], methods: Sequence[str]) -> Iterator[MetricRow]:
    """Yield for each method the mean of each metric over the pictures that have it."""
    known = list(rows)
    for method in methods:
        values = [row.values for row in known if row.method == method]
        means = {
            metric.name: statistics.fmean(found)
            for metric in METRICS
            if (found := [each[metric.name] for each in values if metric.name in each])
        }
        if means:
            yield MetricRow(method, None, means)
