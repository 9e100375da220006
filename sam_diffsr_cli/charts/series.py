"""What a chart shows: series of points, as plain records, and how they are thinned and smoothed."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "LARGEST",
    "SMALLEST",
    "Chart",
    "Mark",
    "Point",
    "Series",
    "drawable",
    "running_mean",
    "thin",
]

Point = tuple[float, float | None]
"""Where a point is; None, or a number that is not finite, is a gap."""

MOST_POINTS, RUN_POINTS = 1000, 8
SMALLEST, LARGEST = 1e-150, 1e150
"""What is nearer to 0 is drawn as 0, what is further a gap, so that no difference overflows."""


@dataclass(frozen=True, slots=True)
class Series:
    """Points by rising x, and how they are drawn.

    ``dots`` are faint and unconnected, ``line`` connects, ``knots`` connects and shows each point,
    ``shapes`` too, and differs from others by dashes and the shape of its points. ``colour`` is one
    of 0 to 5; ``name`` is for the legend; ``errors`` are standard errors by x, for ``shapes``.
    """

    name: str
    points: Sequence[Point]
    style: Literal["dots", "line", "knots", "shapes"] = "line"
    colour: int = 0
    errors: Mapping[float, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mark:
    """A point of a curve to point out with a ring, and a short text for the head of the chart."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn over one pair of axes.

    On a log scale what is not above 0 is a gap; ``from_zero`` is for the other scale. With
    ``digits`` the chart is of few points: each is told with so many decimals, and x, from 0 on, is
    placed by log2(1 + x) with a tick at each, so that 0 has a place and 1, 2, 100 are told apart.
    """

    title: str
    series: Sequence[Series]
    x_label: str = "step"
    y_label: str = ""
    is_log: bool = False
    from_zero: bool = False
    marks: Sequence[Mark] = ()
    digits: int | None = None


def running_mean(points: Iterable[Point], window: int) -> Iterator[Point]:
    """Yield at each point a mean that follows about the last ``window`` values; gaps stay gaps.

    The plain mean at first, then an exponential one, which forgets a spike however high it was.
    """
    mean, count = 0.0, 0
    for x, y in points:
        value = _finite(y)
        if value is not None:
            count += 1
            mean += (value - mean) / min(count, window)
        yield x, None if value is None else mean


def _finite(value: float | None) -> float | None:
    """Give the number to draw, or None for a gap."""
    if value is None or not abs(value) <= LARGEST:
        return None
    return value if abs(value) >= SMALLEST else 0.0


def thin(points: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """Leave at most ``most`` points (10 or more), without losing an extreme.

    The points are cut into runs of one length. Of each stay the lowest, the highest, and some at
    even distances, which keep dots as dense as they were. The first and the last point stay too.
    """
    if len(points) <= most:
        return list(points)
    length = math.ceil((len(points) - 2) / ((most - 2) // RUN_POINTS))
    stride = math.ceil(length / (RUN_POINTS - 2))
    kept = {0, len(points) - 1}
    for start in range(1, len(points) - 1, length):
        run = range(start, min(start + length, len(points) - 1))
        known = [(y, i) for i in run if (y := _finite(points[i][1])) is not None]
        kept.update(run[::stride])
        if known:
            kept |= {min(known)[1], max(known)[1]}
    return [points[i] for i in sorted(kept)]


def drawable(points: Sequence[Point], *, is_log: bool) -> list[Point]:
    """Give the points to draw, in which what the scale does not have is a gap."""
    drawn = ((x, _finite(y)) for x, y in points)
    if is_log:
        drawn = ((x, y if y is not None and y > 0 else None) for x, y in drawn)
    return thin(list(drawn))
