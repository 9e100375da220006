"""What a comparison page shows: pictures, numbers and curves, as plain records.

A method is known by its label. Pixels are ``(H, W, 3)`` uint8 RGB, as arrays or as files to read.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.measures import METRICS, Metric

__all__ = [
    "PSNR_RGB",
    "PSNR_Y",
    "SSIM_Y",
    "ComparedPicture",
    "CurvePoint",
    "MetricCurve",
    "MetricRow",
    "Page",
    "PageChoice",
    "best_of",
]


PSNR_Y, PSNR_RGB, SSIM_Y = (METRICS[name] for name in ("psnr_y", "psnr_rgb", "ssim_y"))


@dataclass(frozen=True, slots=True)
class ComparedPicture:
    """One picture as each method made it; ``panels`` has a panel for each method, and the truth.

    ``facts`` are names and values that stand beside it.
    """

    name: str
    panels: Mapping[str, np.ndarray | Path]
    facts: Sequence[tuple[str, str]] = ()


class PageChoice(NamedTuple):
    """A method that can be had: what it costs, in words, and the command line that does it."""

    method: str
    cost: str
    command: str


@dataclass(frozen=True, slots=True)
class MetricRow:
    """What was measured of a method on one picture, or over all (``picture`` is None).

    ``values`` and ``errors`` (standard errors) are by the name of the metric; either may lack some.
    """

    method: str
    picture: str | None
    values: Mapping[str, float]
    errors: Mapping[str, float] = field(default_factory=dict)


class CurvePoint(NamedTuple):
    """A value after so many steps, and its standard error where it is known."""

    steps: float
    value: float
    error: float | None = None


@dataclass(frozen=True, slots=True)
class MetricCurve:
    """A metric against steps, by rising steps. Curves of one metric share a chart, by ``name``."""

    metric: str
    points: Sequence[CurvePoint]
    name: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """All that a comparison page shows.

    Attributes:
        title: Of the page.
        methods: Labels, in the order to show them.
        pictures: Taken one by one as they are written, so it may make them as it goes.
        truth: Label of the panel that is the truth; no method.
        facts: Names and values for the top: protocol, model digest, versions.
        metrics: Those that rows and curves speak of, in the order to show them.
        rows: Numbers.
        curves: Quality against steps.
        choices: Methods to choose from, each with a command to copy.

    Raises:
        InputError: There are fewer than two panels to compare, or something has no label here.
    """

    title: str
    methods: Sequence[str]
    pictures: Iterable[ComparedPicture]
    truth: str | None = None
    facts: Sequence[tuple[str, str]] = ()
    metrics: Sequence[Metric] = ()
    rows: Sequence[MetricRow] = ()
    curves: Sequence[MetricCurve] = ()
    choices: Sequence[PageChoice] = ()

    def __post_init__(self) -> None:
        """Check that labels agree."""
        labels = self.labels
        if len(labels) < 2:
            raise InputError("a comparison needs at least two methods, or one and the truth")
        if len(set(labels)) < len(labels):
            raise InputError(f"each method needs a label of its own, got {', '.join(labels)}")
        known = {metric.name for metric in self.metrics}
        for row in self.rows:
            if row.method not in self.methods:
                raise InputError(f"numbers of {row.method!r}, which is none of the methods")
            if unknown := {*row.values, *row.errors} - known:
                raise InputError(f"numbers of {min(unknown)!r}, which is none of the metrics")
        for curve in self.curves:
            if curve.metric not in known:
                raise InputError(f"a curve of {curve.metric!r}, which is none of the metrics")

    @property
    def labels(self) -> tuple[str, ...]:
        """The methods, and the truth last."""
        return (*self.methods, *(() if self.truth is None else (self.truth,)))


def best_of(metric: Metric, values: Mapping[str, float]) -> set[str]:
    """Return the methods whose value is the best as it is written; none where there is one only."""
    known = {
        method: _badness(metric, round(value, metric.digits))
        for method, value in values.items()
        if not math.isnan(value)
    }
    if metric.better is None or len(known) < 2:
        return set()
    least = min(known.values())
    return {method for method, badness in known.items() if badness == least}


def _badness(metric: Metric, value: float) -> float:
    if metric.better == "nearer to 1":
        return round(abs(value - 1), metric.digits)
    return -value if metric.better == "higher" else value
