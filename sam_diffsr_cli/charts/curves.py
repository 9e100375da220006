"""Curves as SVG text for an HTML page: axes, legend, light and dark, and nothing from outside.

The page puts ``CHART_STYLE`` into its style sheet once, and says its colours: ``--ink``,
``--muted``, ``--grid``, ``--paper`` and ``--line-0`` to ``--line-5``. Text is escaped here; no file
is touched.
"""

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sam_diffsr_cli.charts.series import Chart, Point, Series, drawable
from sam_diffsr_cli.charts.ticks import format_number, linear_ticks, log_ticks

__all__ = ["CHART_STYLE", "KINDS", "draw_chart"]

WIDTH, HEIGHT = 400.0, 250.0
TOP, RIGHT, BOTTOM = 24.0, 14.0, 38.0
CHAR, ROW = 6.4, 16.0
"""About how wide a character of the small text is, and how high a row of it."""

INSET = 8.0
"""Room for a shape at the ends of the axis of x."""

MOST_TICKS = 8
DASHES = ("none", "7 4", "2 3", "9 3 2 3", "12 4", "4 2")
SHAPES = (
    "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "m-4-4h8v8h-8z",
    "m0-5l5 9h-10z",
    "m0-5l5 5l-5 5l-5-5z",
    "m0 5l5-9h-10z",
    "m-5-2h3v-3h4v3h3v4h-3v3h-4v-3h-3z",
)
KINDS = len(SHAPES)
"""Colours, dashes and shapes there are."""

CHART_STYLE = """
.chart { display: block; width: 100%; height: auto; font: 11px system-ui, sans-serif; }
.chart text { fill: var(--muted); }
.chart .head { fill: var(--ink); font-size: 13px; font-weight: 600; }
.chart .head tspan { fill: var(--muted); font-size: 11px; font-weight: 400; }
.chart .grid { stroke: var(--grid); fill: none; }
.chart .line, .chart .bar { fill: none; stroke-width: 2; stroke-linejoin: round; }
.chart .line { stroke-linecap: round; }
.chart .dots { fill: none; stroke-width: 2.5; stroke-linecap: round; opacity: .35; }
.chart .knots { fill: none; stroke-width: 5; stroke-linecap: round; }
.chart .mark { fill: var(--paper); stroke: var(--ink); stroke-width: 2; }
.chart .note { fill: var(--ink); font-weight: 600; }
""" + "".join(
    f".chart .s{i} {{ stroke: var(--line-{i}); }}\n"
    f".chart .dashed.s{i} {{ stroke-dasharray: {dashes}; }}\n"
    f".chart .shape.s{i} {{ fill: var(--line-{i}); stroke: var(--paper); }}\n"
    for i, dashes in enumerate(DASHES)
)


@dataclass(frozen=True, slots=True)
class _Axis:
    """An axis from ``low`` to ``high``, both by its scale, drawn from ``start`` to ``end``."""

    low: float
    high: float
    start: float
    end: float
    ticks: Sequence[tuple[float, str]]
    scale: Callable[[float], float] = float

    def place(self, value: float) -> float:
        share = (self.scale(value) - self.low) / (self.high - self.low)
        return self.start + (self.end - self.start) * share


def draw_chart(chart: Chart) -> str:
    """Draw a chart as an ``<svg>`` element, as wide as the page lets it be."""
    series = [(one, drawable(one.points, is_log=chart.is_log)) for one in chart.series]
    head = (
        f'<svg class="chart" role="img" viewBox="0 0 {WIDTH:g} {HEIGHT:g}">'
        f"<title>{html.escape(chart.title)}</title><desc>{html.escape(_describe(chart))}</desc>"
        f'<text class="head" x="2" y="14">{html.escape(chart.title)}'
        f' <tspan dx="6">{html.escape(chart.y_label)}</tspan></text>'
    )
    known = [(x, y, one.errors.get(x, 0.0)) for one, ps in series for x, y in ps if y is not None]
    if not known:
        middle = f'x="{WIDTH / 2:g}" y="{HEIGHT / 2:g}" text-anchor="middle"'
        return f"{head}<text {middle}>no data</text></svg>"
    legend, top = _legend(chart.series)
    y_axis = _vertical(chart, min(y - e for _, y, e in known), max(y + e for _, y, e in known), top)
    left = 10 + CHAR * max((len(label) for _, label in y_axis.ticks), default=0)
    x_axis = _horizontal(chart, sorted({x for _, points in series for x, _ in points}), left)
    body = [_grid(x_axis, y_axis, chart.x_label, left), legend]
    body += [_curve(chart, one, points, x_axis, y_axis) for one, points in series]
    body += [
        f'<circle class="mark" cx="{x_axis.place(m.x):.1f}" cy="{y_axis.place(m.y):.1f}" r="4.5"/>'
        for m in chart.marks
        if m.y > 0 or not chart.is_log
    ]
    body.append(_text(WIDTH - RIGHT, 14, ", ".join(m.text for m in chart.marks), "end", "note"))
    return head + "".join(body) + "</svg>"


def _describe(chart: Chart) -> str:
    """Say in words what the curves show."""
    said = []
    for one in chart.series:
        known = [(x, y) for x, y in one.points if y is not None and math.isfinite(y)]
        if chart.digits is not None:
            said.append(_tell_points(one, known, chart.digits))
            continue
        if not known:
            said.append(f"{one.name}: no data.")
            continue
        at = f" at {chart.x_label} "
        first, last, low, high = (
            f"{format_number(y)}{at}{format_number(x)}"
            for x, y in (
                known[0],
                known[-1],
                min(known, key=lambda p: p[1]),
                max(known, key=lambda p: p[1]),
            )
        )
        said.append(f"{one.name}: {first} to {last}, lowest {low}, highest {high}.")
    marks = [f"{m.text} at {chart.x_label} {format_number(m.x)}." for m in chart.marks]
    return " ".join(said + marks)


def _tell_points(series: Series, known: Sequence[tuple[float, float]], digits: int) -> str:
    told = ", ".join(
        f"{y:.{digits}f} at {x:g}"
        + (f" (standard error {series.errors[x]:.{digits}f})" if x in series.errors else "")
        for x, y in known
    )
    return f"{series.name}: {told or 'no points'}."


def _vertical(chart: Chart, low: float, high: float, top: float) -> _Axis:
    start, end = HEIGHT - BOTTOM, top
    if chart.is_log:
        margin = max((high / low) ** 0.05, 1.02)
        low, high = low / margin, high * margin
        ticks = log_ticks(low, high, MOST_TICKS)
        return _Axis(math.log10(low), math.log10(high), start, end, ticks, math.log10)
    if chart.from_zero:
        low, high = min(low, 0.0), max(high, 0.0)
        high += low == high
    low, high = _widen(low, high)
    margin = 0.05 * (high - low)
    low, high = low - margin * (low != 0), high + margin
    return _Axis(low, high, start, end, linear_ticks(low, high, MOST_TICKS))


def _horizontal(chart: Chart, xs: Sequence[float], left: float) -> _Axis:
    end = WIDTH - RIGHT
    if chart.digits is not None:
        low, high = _widen(_by_doubling(xs[0]), _by_doubling(xs[-1]))
        named = [(x, f"{x:g}") for x in xs]
        return _Axis(low, high, left + INSET, end - INSET, named, _by_doubling)
    low, high = _widen(min(xs[0], 0.0), xs[-1])
    fitting = int((end - left) / (CHAR * (1 + len(format_number(high)))))
    ticks = linear_ticks(low, high, max(2, min(fitting, MOST_TICKS)))
    # There is no half step in the first ones of a run.
    whole = [tick for tick in ticks if tick[0].is_integer()]
    return _Axis(low, high, left, end, whole if len(whole) > 1 else ticks)


def _by_doubling(x: float) -> float:
    return math.log2(1 + x)


def _widen(low: float, high: float) -> tuple[float, float]:
    """Give values that hardly differ an axis too."""
    largest = max(abs(low), abs(high))
    if high - low > 1e-9 * largest:
        return low, high
    half = largest / 2 or 1.0
    return low - half, high + half


def _grid(x_axis: _Axis, y_axis: _Axis, x_label: str, left: float) -> str:
    bottom, right, drawn = y_axis.start, WIDTH - RIGHT, []
    for value, label in y_axis.ticks:
        y = y_axis.place(value)
        drawn.append(f'<path class="grid" d="M{left:.1f} {y:.1f}H{right:.1f}"/>')
        drawn.append(_text(left - 5, y + 4, label, "end"))
    free_from = -math.inf
    for value, label in x_axis.ticks:
        x, half = x_axis.place(value), CHAR * len(label) / 2
        drawn.append(f'<path class="grid" d="M{x:.1f} {bottom:.1f}v5"/>')
        if x - half > free_from:
            drawn.append(_text(min(x, WIDTH - half), bottom + 17, label, "middle"))
            free_from = x + half + 4
    drawn.append(_text(right, HEIGHT - 4, x_label, "end"))
    return "".join(drawn)


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    of_kind = f' class="{kind}"' if kind else ""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f"<text{of_kind} {place}>{html.escape(text)}</text>"


def _legend(series: Sequence[Series]) -> tuple[str, float]:
    """Draw the legend, if there is more than one series, and tell where the plot may begin."""
    drawn, x, y = [], 2.0, TOP + ROW / 2
    for one in series if len(series) > 1 else ():
        length = 26 if one.style == "shapes" else 14
        width = 20 + length + CHAR * len(one.name)
        if x > 2 and x + width > WIDTH:
            x, y = 2.0, y + ROW
        stroke = "h0m6 0h0m6 0h0" if one.style == "dots" else f"h{length}"
        drawn.append(f'<path class="{_kind(one)}" d="M{x + 2:.1f} {y - 4:.1f}{stroke}"/>')
        if one.style == "shapes":
            drawn.append(_shape(one, f"{x + 2 + length / 2:.1f} {y - 4:.1f}"))
        drawn.append(_text(x + length + 8, y, one.name, "start"))
        x += width
    return "".join(drawn), y + ROW if drawn else TOP + 4


def _kind(series: Series) -> str:
    kind = {"dots": "dots", "shapes": "line dashed"}.get(series.style, "line")
    return f"{kind} s{series.colour}"


def _shape(series: Series, place: str, told: str = "") -> str:
    path = f'<path class="shape s{series.colour}" d="M{place}{SHAPES[series.colour]}"'
    return f"{path}><title>{html.escape(told)}</title></path>" if told else f"{path}/>"


def _curve(
    chart: Chart, series: Series, points: Sequence[Point], x_axis: _Axis, y_axis: _Axis
) -> str:
    """Draw the points between gaps as lines, or as dots; a lone point of a line is a knot."""
    runs: list[list[str]] = [[]]
    for x, y in points:
        if y is None or series.style == "dots":
            runs.append([])
        if y is not None:
            runs[-1].append(f"{x_axis.place(x):.1f} {y_axis.place(y):.1f}")
    runs = [run for run in runs if run]
    lines = "".join(f"M{run[0]}h0" + "".join(f"L{place}" for place in run[1:]) for run in runs)
    drawn = f'<path class="{_kind(series)}" d="{lines}"/>'
    if series.style == "shapes":
        known = [(x, y) for x, y in points if y is not None]
        return drawn + "".join(_point(chart, series, p, x_axis, y_axis) for p in known)
    are_shown = series.style == "knots"
    knots = [place for run in runs if are_shown or len(run) == 1 for place in run]
    if knots and series.style != "dots":
        path = "".join(f"M{place}h0" for place in knots)
        drawn += f'<path class="knots s{series.colour}" d="{path}"/>'
    return drawn


def _point(
    chart: Chart, series: Series, point: tuple[float, float], x_axis: _Axis, y_axis: _Axis
) -> str:
    """Draw a point as a shape, with its error as a bar and its numbers as a tip."""
    x, y = x_axis.place(point[0]), y_axis.place(point[1])
    told = _tell_points(series, [point], chart.digits or 0)
    shape = _shape(series, f"{x:.1f} {y:.1f}", told)
    error = series.errors.get(point[0])
    if not error:
        return shape
    top, end = y_axis.place(point[1] + error), y_axis.place(point[1] - error)
    bar = f"M{x - 4:.1f} {top:.1f}h8m-4 0V{end:.1f}m-4 0h8"
    return f'<path class="bar s{series.colour}" d="{bar}"/>{shape}'
