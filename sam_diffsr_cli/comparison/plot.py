"""Quality against steps as SVG text: axes, error bars, a legend; its colours come from the page.

Steps are placed by log2(1 + steps), so that 0 has a place and 1, 2, 4 and 100 are told apart.
"""

import html
import math
from collections.abc import Sequence
from typing import NamedTuple

from sam_diffsr_cli.charts.ticks import linear_ticks
from sam_diffsr_cli.comparison.records import Curve, Metric

__all__ = ["draw_curves"]

WIDTH, HEIGHT = 420.0, 270.0
LEFT, RIGHT, TOP, BOTTOM = 58.0, 16.0, 34.0, 42.0
CHAR, ROW = 6.6, 17.0
"""About how wide a character of the small text is, and how high a row of it."""

KINDS = 6
"""Curves that differ in colour, dashes and shape of the points; more begin again."""

SHAPES = (
    "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "m-4-4h8v8h-8z",
    "m0-5l5 9h-10z",
    "m0-5l5 5l-5 5l-5-5z",
    "m0 5l5-9h-10z",
    "m-5-2h3v-3h4v3h3v4h-3v3h-4v-3h-3z",
)
MOST_TICKS = 6


class _Plot(NamedTuple):
    """Where values lie."""

    low: float
    high: float
    first: float
    last: float
    top: float

    def x(self, steps: float) -> float:
        share = (_along(steps) - self.first) / (self.last - self.first)
        return LEFT + 8 + share * (WIDTH - RIGHT - LEFT - 16)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - self.top)


def draw_curves(metric: Metric, curves: Sequence[Curve]) -> str:
    """Draw the curves of one metric as an ``<svg>`` element.

    Args:
        metric: What they are of.
        curves: Points that are not finite are left out.

    Returns:
        Text; empty where no point is left.
    """
    kept = [_finite(curve) for curve in curves]
    points = [point for curve in kept for point in curve.points]
    if not points:
        return ""
    legend, top = _legend(kept)
    lows = [p.value - (p.error or 0) for p in points]
    highs = [p.value + (p.error or 0) for p in points]
    low, high = _widen(min(lows), max(highs))
    first, last = _widen(*_ends([_along(p.steps) for p in points]))
    plot = _Plot(low, high, first, last, top)
    said = " ".join(_describe(metric, curve) for curve in kept)
    head = html.escape(", ".join((metric.name, *metric.remarks)))
    return (
        f'<svg class="plot" role="img" viewBox="0 0 {WIDTH:g} {HEIGHT:g}">'
        f"<title>{html.escape(metric.name)} against steps</title>"
        f"<desc>{html.escape(said)}</desc>"
        f'<text class="head" x="2" y="15">{head}</text>'
        + _axes(plot, sorted({p.steps for p in points}))
        + legend
        + "".join(_curve(plot, metric, curve, i % KINDS) for i, curve in enumerate(kept))
        + "</svg>"
    )


def _finite(curve: Curve) -> Curve:
    points = [p for p in curve.points if math.isfinite(p.value) and p.steps >= 0]
    return Curve(curve.metric, points, curve.name)


def _along(steps: float) -> float:
    return math.log2(1 + steps)


def _ends(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


def _widen(low: float, high: float) -> tuple[float, float]:
    """Leave a margin, and give values that hardly differ an axis too."""
    if high - low > 1e-9 * max(abs(low), abs(high)):
        margin = 0.06 * (high - low)
        return low - margin, high + margin
    half = max(abs(low), abs(high)) / 10 or 1.0
    return low - half, high + half


def _describe(metric: Metric, curve: Curve) -> str:
    """Say the points in words."""
    told = ", ".join(
        f"{p.value:.{metric.digits}f} at {p.steps:g}"
        + ("" if p.error is None else f" (standard error {p.error:.{metric.digits}f})")
        for p in curve.points
    )
    return f"{curve.name or metric.name}: {told or 'no points'}."


def _axes(plot: _Plot, steps: Sequence[float]) -> str:
    drawn, bottom, free_from = [], HEIGHT - BOTTOM, -math.inf
    for value, label in linear_ticks(plot.low, plot.high, MOST_TICKS):
        y = plot.y(value)
        drawn.append(f'<path class="grid" d="M{LEFT:g} {y:.1f}H{WIDTH - RIGHT:g}"/>')
        drawn.append(_text(LEFT - 6, y + 4, label, "end"))
    for value in steps:
        x, label = plot.x(value), f"{value:g}"
        drawn.append(f'<path class="grid" d="M{x:.1f} {bottom:g}v5"/>')
        half = CHAR * len(label) / 2
        if x - half > free_from:
            drawn.append(_text(x, bottom + 18, label, "middle"))
            free_from = x + half + 4
    drawn.append(_text(WIDTH - RIGHT, HEIGHT - 5, "steps", "end"))
    return "".join(drawn)


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(text)}</text>'


def _legend(curves: Sequence[Curve]) -> tuple[str, float]:
    """Draw the legend, if there are several curves, and tell where the plot may begin."""
    drawn, x, y = [], 4.0, TOP
    for i, curve in enumerate(curves if len(curves) > 1 else ()):
        width = 44 + CHAR * len(curve.name)
        if x > 4 and x + width > WIDTH:
            x, y = 4.0, y + ROW
        kind = i % KINDS
        drawn.append(f'<path class="line s{kind}" d="M{x:.1f} {y - 4:.1f}h26"/>')
        drawn.append(f'<path class="knot s{kind}" d="M{x + 13:.1f} {y - 4:.1f}{SHAPES[kind]}"/>')
        drawn.append(_text(x + 32, y, curve.name, "start"))
        x += width
    return "".join(drawn), y + 12 if drawn else TOP - 4


def _curve(plot: _Plot, metric: Metric, curve: Curve, kind: int) -> str:
    places = [(plot.x(p.steps), plot.y(p.value)) for p in curve.points]
    line = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    drawn = [f'<path class="line s{kind}" d="M{line}"/>' if line else ""]
    for point, (x, y) in zip(curve.points, places, strict=True):
        if point.error:
            top, end = plot.y(point.value + point.error), plot.y(point.value - point.error)
            bar = f"M{x - 4:.1f} {top:.1f}h8m-4 0V{end:.1f}m-4 0h8"
            drawn.append(f'<path class="bar s{kind}" d="{bar}"/>')
        told = html.escape(_describe(metric, Curve(curve.metric, [point], curve.name)))
        drawn.append(
            f'<path class="knot s{kind}" d="M{x:.1f} {y:.1f}{SHAPES[kind]}">'
            f"<title>{told}</title></path>"
        )
    return "".join(drawn)
