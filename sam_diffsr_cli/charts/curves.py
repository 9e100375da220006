"""Curves as SVG text for an HTML page: axes, legend, light and dark, and nothing from outside.

The page puts ``CHART_STYLE`` into its style sheet once. Text is escaped here; no file is touched.
"""

import html
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from sam_diffsr_cli.charts.ticks import format_number, linear_ticks, log_ticks

__all__ = [
    "CHART_STYLE",
    "Chart",
    "Mark",
    "Point",
    "Series",
    "draw_chart",
    "running_mean",
    "thin",
]

Point = tuple[float, float | None]
"""Where a point is; None, or a number that is not finite, is a gap."""

MOST_POINTS, RUN_POINTS = 1000, 8
WIDTH, HEIGHT = 400.0, 250.0
TOP, RIGHT, BOTTOM = 24.0, 14.0, 38.0
CHAR, ROW = 6.4, 16.0
"""About how wide a character of the small text is, and how high a row of it."""

SMALLEST, LARGEST = 1e-150, 1e150
"""What is nearer to 0 is drawn as 0, what is further a gap, so that no difference overflows."""

MOST_TICKS = 8

CHART_STYLE = """
:root { --ink: #1d2733; --muted: #5b6875; --grid: #dfe4ea; --paper: #ffffff;
  --line-0: #1f6fb2; --line-1: #c2570c; --line-2: #2b8a3e; --line-3: #8a3ea8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf0; --muted: #9aa7b4;
  --grid: #313b46; --paper: #171c22;
  --line-0: #6cb4ee; --line-1: #f0a35e; --line-2: #7bd389; --line-3: #cf9be6; } }
.chart { display: block; width: 100%; height: auto; font: 11px system-ui, sans-serif; }
.chart text { fill: var(--muted); }
.chart .head { fill: var(--ink); font-size: 13px; font-weight: 600; }
.chart .head tspan { fill: var(--muted); font-size: 11px; font-weight: 400; }
.chart .grid { stroke: var(--grid); fill: none; }
.chart .line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.chart .dots { fill: none; stroke-width: 2.5; stroke-linecap: round; opacity: .35; }
.chart .knots { fill: none; stroke-width: 5; stroke-linecap: round; }
.chart .mark { fill: var(--paper); stroke: var(--ink); stroke-width: 2; }
.chart .note { fill: var(--ink); font-weight: 600; }
""" + "".join(f".chart .s{i} {{ stroke: var(--line-{i}); }}\n" for i in range(4))


@dataclass(frozen=True, slots=True)
class Series:
    """Points by rising x, and how they are drawn.

    ``dots`` are faint and unconnected, ``line`` connects, ``knots`` connects and shows each point.
    ``colour`` is one of 0 to 3; ``name`` is for the legend.
    """

    name: str
    points: Sequence[Point]
    style: Literal["dots", "line", "knots"] = "line"
    colour: int = 0


@dataclass(frozen=True, slots=True)
class Mark:
    """A point of a curve to point out with a ring, and a short text for the head of the chart."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn over one pair of axes.

    On a log scale what is not above 0 is a gap; ``from_zero`` is for the other scale.
    """

    title: str
    series: Sequence[Series]
    x_label: str = "step"
    y_label: str = ""
    is_log: bool = False
    from_zero: bool = False
    marks: Sequence[Mark] = ()


@dataclass(frozen=True, slots=True)
class _Axis:
    """An axis from ``low`` to ``high``, drawn from ``start`` to ``end``."""

    low: float
    high: float
    start: float
    end: float
    ticks: Sequence[tuple[float, str]]
    is_log: bool = False

    def place(self, value: float) -> float:
        low, high = self.low, self.high
        if self.is_log:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        return self.start + (self.end - self.start) * (value - low) / (high - low)


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


def draw_chart(chart: Chart) -> str:
    """Draw a chart as an ``<svg>`` element, as wide as the page lets it be."""
    series = [(one, _drawable(one.points, is_log=chart.is_log)) for one in chart.series]
    values = [y for _, points in series for _, y in points if y is not None]
    head = (
        f'<svg class="chart" role="img" viewBox="0 0 {WIDTH:g} {HEIGHT:g}">'
        f"<title>{html.escape(chart.title)}</title><desc>{html.escape(_describe(chart))}</desc>"
        f'<text class="head" x="2" y="14">{html.escape(chart.title)}'
        f' <tspan dx="6">{html.escape(chart.y_label)}</tspan></text>'
    )
    if not values:
        middle = f'x="{WIDTH / 2:g}" y="{HEIGHT / 2:g}" text-anchor="middle"'
        return f"{head}<text {middle}>no data</text></svg>"
    legend, top = _legend(chart.series)
    y_axis = _vertical(chart, min(values), max(values), top)
    left = 10 + CHAR * max((len(label) for _, label in y_axis.ticks), default=0)
    xs = [x for _, points in series for x, _ in points]
    x_axis = _horizontal(min(xs), max(xs), left)
    body = [_grid(x_axis, y_axis, chart.x_label), legend]
    body += [_curve(one, points, x_axis, y_axis) for one, points in series]
    body += [
        f'<circle class="mark" cx="{x_axis.place(m.x):.1f}" cy="{y_axis.place(m.y):.1f}" r="4.5"/>'
        for m in chart.marks
        if m.y > 0 or not chart.is_log
    ]
    body.append(_text(WIDTH - RIGHT, 14, ", ".join(m.text for m in chart.marks), "end", "note"))
    return head + "".join(body) + "</svg>"


def _drawable(points: Sequence[Point], *, is_log: bool) -> list[Point]:
    drawn = ((x, _finite(y)) for x, y in points)
    if is_log:
        drawn = ((x, y if y is not None and y > 0 else None) for x, y in drawn)
    return thin(list(drawn))


def _describe(chart: Chart) -> str:
    """Say in words what the curves show."""
    said = []
    for one in chart.series:
        known = [(x, y) for x, y in one.points if y is not None and math.isfinite(y)]
        if not known:
            said.append(f"{one.name}: no data.")
            continue
        low, high = min(known, key=lambda p: p[1]), max(known, key=lambda p: p[1])
        at = f" at {chart.x_label} "
        said.append(
            f"{one.name}: {format_number(known[0][1])}{at}{format_number(known[0][0])} to "
            f"{format_number(known[-1][1])}{at}{format_number(known[-1][0])}, "
            f"lowest {format_number(low[1])}{at}{format_number(low[0])}, "
            f"highest {format_number(high[1])}{at}{format_number(high[0])}."
        )
    return " ".join(
        said + [f"{m.text} at {chart.x_label} {format_number(m.x)}." for m in chart.marks]
    )


def _vertical(chart: Chart, low: float, high: float, top: float) -> _Axis:
    start, end = HEIGHT - BOTTOM, top
    if chart.is_log:
        margin = max((high / low) ** 0.05, 1.02)
        low, high = low / margin, high * margin
        return _Axis(low, high, start, end, log_ticks(low, high, MOST_TICKS), is_log=True)
    if chart.from_zero:
        low, high = min(low, 0.0), max(high, 0.0)
        high += low == high
    low, high = _widen(low, high)
    margin = 0.05 * (high - low)
    low, high = low - margin * (low != 0), high + margin
    return _Axis(low, high, start, end, linear_ticks(low, high, MOST_TICKS))


def _horizontal(low: float, high: float, left: float) -> _Axis:
    low, high = _widen(min(low, 0.0), high)
    end = WIDTH - RIGHT
    fitting = int((end - left) / (CHAR * (1 + len(format_number(high)))))
    ticks = linear_ticks(low, high, max(2, min(fitting, MOST_TICKS)))
    # There is no half step in the first ones of a run.
    whole = [tick for tick in ticks if tick[0].is_integer()]
    return _Axis(low, high, left, end, whole if len(whole) > 1 else ticks)


def _widen(low: float, high: float) -> tuple[float, float]:
    """Give values that hardly differ an axis too."""
    largest = max(abs(low), abs(high))
    if high - low > 1e-9 * largest:
        return low, high
    half = largest / 2 or 1.0
    return low - half, high + half


def _grid(x_axis: _Axis, y_axis: _Axis, x_label: str) -> str:
    bottom, drawn = y_axis.start, []
    for value, label in y_axis.ticks:
        y = y_axis.place(value)
        drawn.append(f'<path class="grid" d="M{x_axis.start:.1f} {y:.1f}H{x_axis.end:.1f}"/>')
        drawn.append(_text(x_axis.start - 5, y + 4, label, "end"))
    for value, label in x_axis.ticks:
        x = x_axis.place(value)
        drawn.append(f'<path class="grid" d="M{x:.1f} {bottom:.1f}v5"/>')
        drawn.append(_text(min(x, WIDTH - CHAR * len(label) / 2), bottom + 17, label, "middle"))
    drawn.append(_text(x_axis.end, HEIGHT - 4, x_label, "end"))
    return "".join(drawn)


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    of_kind = f' class="{kind}"' if kind else ""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f"<text{of_kind} {place}>{html.escape(text)}</text>"


def _legend(series: Sequence[Series]) -> tuple[str, float]:
    """Draw the legend, if there is more than one series, and tell where the plot may begin."""
    drawn, x, y = [], 2.0, TOP + ROW / 2
    for one in series if len(series) > 1 else ():
        width = 34 + CHAR * len(one.name)
        if x > 2 and x + width > WIDTH:
            x, y = 2.0, y + ROW
        stroke = "h0m6 0h0m6 0h0" if one.style == "dots" else "h14"
        kind = "dots" if one.style == "dots" else "line"
        drawn.append(f'<path class="{kind} s{one.colour}" d="M{x + 2:.1f} {y - 4:.1f}{stroke}"/>')
        drawn.append(_text(x + 22, y, one.name, "start"))
        x += width
    return "".join(drawn), y + ROW if drawn else TOP + 4


def _curve(series: Series, points: Sequence[Point], x_axis: _Axis, y_axis: _Axis) -> str:
    """Draw the points between gaps as lines, or as dots; a lone point of a line is a knot."""
    places: list[list[str]] = [[]]
    for x, y in points:
        if y is None or series.style == "dots":
            places.append([])
        if y is not None:
            places[-1].append(f"{x_axis.place(x):.1f} {y_axis.place(y):.1f}")
    runs = [run for run in places if run]
    kind = "dots" if series.style == "dots" else "line"
    lines = "".join(f"M{run[0]}h0" + "".join(f"L{place}" for place in run[1:]) for run in runs)
    drawn = f'<path class="{kind} s{series.colour}" d="{lines}"/>'
    are_shown = series.style == "knots"
    knots = [place for run in runs if are_shown or len(run) == 1 for place in run]
    if knots and kind == "line":
        path = "".join(f"M{place}h0" for place in knots)
        drawn += f'<path class="knots s{series.colour}" d="{path}"/>'
    return drawn
