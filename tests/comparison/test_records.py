"""Records of a comparison: what they refuse, and which value is the best."""

import math
from typing import Any

import pytest

from sam_diffsr_cli.comparison.records import CurvePoint, MetricCurve, MetricRow, best_of
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.measures import Metric
from tests.comparison.samples import LPIPS, make_page

HIGHER = Metric("PSNR-Y", "higher", "dB")
RATIO = Metric("Detail", "nearer to 1")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ("a",), "truth": None}, "at least two methods"),
        ({"methods": ("a", "a")}, "label of its own"),
        ({"methods": ("a", "truth")}, "label of its own"),
        ({"rows": [MetricRow("other", None, {})]}, "'other', which is none of the methods"),
        ({"rows": [MetricRow("default", None, {"odd": 1.0})]}, "'odd', which is none of the"),
        ({"rows": [MetricRow("default", None, {}, {"odd": 1.0})]}, "'odd', which is none of the"),
        (
            {"curves": [MetricCurve("odd", [CurvePoint(0, 1.0)])]},
            "'odd', which is none of the metrics",
        ),
    ],
)
def test_labels_that_do_not_agree_are_refused(changes: dict[str, Any], message: str) -> None:
    fields: dict[str, Any] = {"rows": (), "curves": ()}
    with pytest.raises(InputError, match=message):
        make_page(**(fields | changes))


def test_one_method_and_the_truth_are_enough() -> None:
    assert make_page(methods=("a",), rows=(), curves=()).labels == ("a", "truth")


@pytest.mark.parametrize(
    ("metric", "values", "best"),
    [
        (HIGHER, {"a": 30.0, "b": 31.0}, {"b"}),
        (LPIPS, {"a": 0.3, "b": 0.2}, {"b"}),
        (RATIO, {"a": 1.3, "b": 0.9, "c": 0.2}, {"b"}),
        (HIGHER, {"a": 30.001, "b": 30.004, "c": 29.0}, {"a", "b"}),
        (HIGHER, {"a": 30.0}, set()),
        (HIGHER, {"a": math.nan, "b": 31.0}, set()),
        (HIGHER, {"a": math.inf, "b": 31.0}, {"a"}),
        (Metric("Seconds", None), {"a": 1.0, "b": 2.0}, set()),
    ],
)
def test_the_best_value_is_that_of_the_metrics_direction(
    metric: Metric, values: dict[str, float], best: set[str]
) -> None:
    assert best_of(metric, values) == best
