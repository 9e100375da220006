"""The numbers of a comparison as HTML tables, whole without a script; the page's sorts them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from sam_diffsr_cli.comparison.records import MetricRow, Page, best_of
from sam_diffsr_cli.measures import Metric
from sam_diffsr_cli.pages import render

__all__ = ["draw_numbers", "draw_picture_numbers"]

MOST_OPEN = 12
"""A table of more pictures is folded at first."""


class _Cell(NamedTuple):
    """A number as it is sorted by, as it is written, and its standard error as it is written."""

    value: str
    number: str
    error: str
    is_best: bool


class _Table(NamedTuple):
    """Rows of a name and its cells; None is a cell without a number."""

    label: str
    caption: str
    corner: str
    heads: Sequence[Metric | str]
    rows: Sequence[tuple[str, Sequence[_Cell | None]]]
    are_pictures: bool = False


def draw_numbers(page: Page) -> Markup:
    """Draw the means of the methods, and a table of every picture for each metric.

    Returns:
        HTML text; empty where the page has no numbers.
    """
    means = [row for row in page.rows if row.picture is None]
    singles = [row for row in page.rows if row.picture is not None]
    names = list(dict.fromkeys(row.picture for row in singles if row.picture is not None))
    every = [
        _by_picture(page, metric, singles, names)
        for metric in page.metrics
        if any(metric.name in row.values for row in singles)
    ]
    caption = "Mean over all pictures"
    return render(
        TEMPLATE,
        means=_by_method(caption, page, page.metrics, means) if means else None,
        every=every,
        is_open=len(names) <= MOST_OPEN,
    )


TEMPLATE = "comparison/assets/numbers.html"


def draw_picture_numbers(page: Page, rows: Sequence[MetricRow]) -> Markup:
    """Draw the numbers of one picture: a row for each method; empty without ``rows``."""
    metrics = [m for m in page.metrics if any(m.name in row.values for row in rows)]
    caption = "Numbers of this picture"
    means = _by_method(caption, page, metrics, rows) if metrics else None
    return render(TEMPLATE, means=means, every=(), is_open=False)


def _by_method(
    caption: str, page: Page, metrics: Sequence[Metric], rows: Sequence[MetricRow]
) -> _Table:
    """Tabulate methods against metrics."""
    by_method = {row.method: row for row in rows}
    best = {metric.name: best_of(metric, _values_of(metric, rows)) for metric in metrics}
    body = [
        (method, [_cell(m, by_method[method], is_best=method in best[m.name]) for m in metrics])
        for method in page.methods
        if method in by_method
    ]
    return _Table(caption, caption, "Method", metrics, body)


def _by_picture(
    page: Page, metric: Metric, rows: Iterable[MetricRow], names: Sequence[str]
) -> _Table:
    """Tabulate pictures against methods, of one metric."""
    cells: dict[str, dict[str, MetricRow]] = {name: {} for name in names}
    for row in rows:
        if row.picture is not None:
            cells[row.picture][row.method] = row
    body = []
    for name, by_method in cells.items():
        best = best_of(metric, _values_of(metric, by_method.values()))
        found = [_cell(metric, by_method.get(m), is_best=m in best) for m in page.methods]
        body.append((name, found))
    caption = ", ".join((metric.name, *metric.remarks))
    return _Table(metric.name, caption, "Picture", page.methods, body, are_pictures=True)


def _values_of(metric: Metric, rows: Iterable[MetricRow]) -> Mapping[str, float]:
    return {row.method: row.values[metric.name] for row in rows if metric.name in row.values}


def _cell(metric: Metric, row: MetricRow | None, *, is_best: bool) -> _Cell | None:
    value = math.nan if row is None else row.values.get(metric.name, math.nan)
    if row is None or math.isnan(value):
        return None
    error = row.errors.get(metric.name)
    told = "" if error is None else f"{error:.{metric.digits}f}"
    return _Cell(repr(value), _number(value, metric.digits), told, is_best)


def _number(value: float, digits: int) -> str:
    if math.isinf(value):
        return "\u2212\u221e" if value < 0 else "\u221e"
    return f"{value:.{digits}f}"
