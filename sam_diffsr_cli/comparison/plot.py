"""Quality against steps: the curves of one metric as one chart."""

import math
from collections.abc import Sequence

from sam_diffsr_cli.charts.curves import KINDS, draw_chart
from sam_diffsr_cli.charts.series import Chart, Series
from sam_diffsr_cli.comparison.records import MetricCurve
from sam_diffsr_cli.measures import Metric

__all__ = ["draw_curves"]


def draw_curves(metric: Metric, curves: Sequence[MetricCurve]) -> str:
    """Draw the curves of one metric as an ``<svg>`` element.

    Args:
        metric: What they are of.
        curves: Points that are not finite are left out; colours begin again after six curves.

    Returns:
        Text; empty where no point is left.
    """
    series = [_series(curve, metric, i % KINDS) for i, curve in enumerate(curves)]
    if not any(one.points for one in series):
        return ""
    remarks = ", ".join(metric.remarks)
    return draw_chart(
        Chart(metric.name, series, x_label="steps", y_label=remarks, digits=metric.digits)
    )


def _series(curve: MetricCurve, metric: Metric, colour: int) -> Series:
    kept = [p for p in curve.points if math.isfinite(p.value) and p.steps >= 0]
    errors = {p.steps: p.error for p in kept if p.error is not None}
    points = [(p.steps, p.value) for p in kept]
    return Series(curve.name or metric.name, points, "shapes", colour, errors)
