"""The numbers of a comparison as HTML tables, whole without a script; the page's sorts them."""

import html
import math
from collections.abc import Iterable, Mapping, Sequence

from sam_diffsr_cli.comparison.records import Metric, MetricRow, Page, best_of

__all__ = ["draw_numbers", "draw_picture_numbers"]

MOST_OPEN = 12
"""A table of more pictures is folded at first."""

BEST = '<span class="unseen"> best</span>'
"""For those who do not see the star that the style sheet adds."""


def draw_numbers(page: Page) -> str:
    """Draw the means of the methods, and a table of every picture for each metric.

    Returns:
        HTML text; empty where the page has no numbers.
    """
    means = [row for row in page.rows if row.picture is None]
    singles = [row for row in page.rows if row.picture is not None]
    names = list(dict.fromkeys(row.picture for row in singles if row.picture is not None))
    drawn = ""
    if means:
        caption = "Mean over all pictures"
        drawn += _scroll(caption, _by_method(caption, page, page.metrics, means))
    if singles:
        tables = "".join(
            f'<div class="metric" data-metric="{html.escape(metric.name)}">'
            + _scroll(metric.name, _by_picture(page, metric, singles, names))
            + "</div>"
            for metric in page.metrics
            if any(metric.name in row.values for row in singles)
        )
        is_open = " open" * (len(names) <= MOST_OPEN)
        drawn += (
            f'<details class="every"{is_open}><summary>Every picture ({len(names)})</summary>\n'
            f"{tables}</details>\n"
        )
    return drawn


def draw_picture_numbers(page: Page, rows: Sequence[MetricRow]) -> str:
    """Draw the numbers of one picture: a row for each method; empty without ``rows``."""
    metrics = [m for m in page.metrics if any(m.name in row.values for row in rows)]
    if not metrics:
        return ""
    caption = "Numbers of this picture"
    return _scroll(caption, _by_method(caption, page, metrics, rows))


def _scroll(name: str, table: str) -> str:
    """Let a table that is too wide be moved, by keys too."""
    label = html.escape(name)
    return f'<div class="wide" role="region" tabindex="0" aria-label="{label}">{table}</div>\n'


def _by_method(
    caption: str, page: Page, metrics: Sequence[Metric], rows: Sequence[MetricRow]
) -> str:
    """Draw methods against metrics."""
    by_method = {row.method: row for row in rows}
    best = {metric.name: best_of(metric, _values_of(metric, rows)) for metric in metrics}
    heads = ["Method", *(_metric_head(metric) for metric in metrics)]
    body = []
    for method in page.methods:
        if method in by_method:
            row = by_method[method]
            cells = [_cell(m, row, is_best=method in best[m.name]) for m in metrics]
            body.append(_row(html.escape(method), cells))
    return _table(caption, heads, body)


def _by_picture(page: Page, metric: Metric, rows: Iterable[MetricRow], names: Sequence[str]) -> str:
    """Draw pictures against methods, of one metric."""
    cells: dict[str, dict[str, MetricRow]] = {name: {} for name in names}
    for row in rows:
        if row.picture is not None:
            cells[row.picture][row.method] = row
    heads = ["Picture", *(html.escape(method) for method in page.methods)]
    body = []
    for name, by_method in cells.items():
        best = best_of(metric, _values_of(metric, by_method.values()))
        drawn = [_cell(metric, by_method.get(m), is_best=m in best) for m in page.methods]
        text = html.escape(name)
        body.append(_row(f'<a href="#" data-picture="{text}">{text}</a>', drawn))
    return _table(", ".join((metric.name, *metric.remarks)), heads, body)


def _values_of(metric: Metric, rows: Iterable[MetricRow]) -> Mapping[str, float]:
    return {row.method: row.values[metric.name] for row in rows if metric.name in row.values}


def _metric_head(metric: Metric) -> str:
    small = html.escape(", ".join(metric.remarks))
    kind = "name" if " " in metric.name else "name whole"
    name = f'<span class="{kind}">{html.escape(metric.name)}</span>'
    return name + (f" <small>{small}</small>" if small else "")


def _table(caption: str, heads: Sequence[str], body: Iterable[str]) -> str:
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    return (
        f"<table><caption>{html.escape(caption)}</caption>"
        f"<thead><tr>{head}</tr></thead>\n<tbody>{''.join(body)}</tbody></table>"
    )


def _row(head: str, cells: Sequence[str]) -> str:
    return f'<tr><th scope="row">{head}</th>{"".join(cells)}</tr>\n'


def _cell(metric: Metric, row: MetricRow | None, *, is_best: bool) -> str:
    value = math.nan if row is None else row.values.get(metric.name, math.nan)
    if row is None or math.isnan(value):
        return '<td><span class="unseen">none</span><span aria-hidden="true">-</span></td>'
    error = row.errors.get(metric.name)
    told = (
        "" if error is None else f' <small class="error">&plusmn; {error:.{metric.digits}f}</small>'
    )
    mark = ' class="best"' * is_best
    number = _number(value, metric.digits)
    told = f'<span class="value">{number}</span>{BEST * is_best}{told}'
    return f'<td{mark} data-value="{value!r}">{told}</td>'


def _number(value: float, digits: int) -> str:
    if math.isinf(value):
        return "&minus;&infin;" if value < 0 else "&infin;"
    return f"{value:.{digits}f}"
