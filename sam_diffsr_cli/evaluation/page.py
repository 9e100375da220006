"""The page of ``samsr evaluate --report``: what was measured, as a comparison page."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from sam_diffsr_cli.comparison.page import write_page
from sam_diffsr_cli.comparison.records import (
    ComparedPicture,
    CurvePoint,
    MetricCurve,
    MetricRow,
    Page,
)
from sam_diffsr_cli.evaluation.report import summarize
from sam_diffsr_cli.evaluation.run import EvaluationPlan, ImageScores, result_path
from sam_diffsr_cli.evaluation.sets import read_truth
from sam_diffsr_cli.measures import METRICS

__all__ = ["write_report"]

TRUTH = "truth"


def write_report(plan: EvaluationPlan, measured: Sequence[ImageScores], path: Path) -> None:
    """Write the page of an evaluation that kept its results.

    Raises:
        InputError: The page cannot be written, or a result is gone.
    """
    methods = [method.name for method in plan.methods]
    names = " and ".join(one.name for one in plan.sets)
    page = Page(
        title=f"samsr evaluate: {names}",
        methods=methods,
        pictures=_pictures(plan, measured),
        truth=TRUTH,
        facts=tuple(plan.identity.items()),
        metrics=[m for name, m in METRICS.items() if any(name in one.values for one in measured)],
        rows=tuple(_rows(plan, measured)),
        curves=tuple(_curves(plan, measured)),
    )
    write_page(page, path)


def _label(plan: EvaluationPlan, set_name: str, picture: str) -> str:
    return picture if len(plan.sets) == 1 else f"{set_name}: {picture}"


def _pictures(plan: EvaluationPlan, measured: Sequence[ImageScores]) -> Iterator[ComparedPicture]:
    """Yield the pictures that every method has enlarged, with the first of its seeds."""
    assert plan.out is not None  # noqa: S101 - results are kept where there is a page
    done = {(one.set_name, one.picture, one.method) for one in measured}
    for one in plan.sets:
        for truth in one.truths:
            if any((one.name, truth.picture, m.name) not in done for m in plan.methods):
                continue
            panels = {
                method.name: result_path(plan.out, one.name, method.name, truth)
                for method in plan.methods
            }
            hr = read_truth(truth, plan.protocol)
            yield ComparedPicture(_label(plan, one.name, truth.picture), {**panels, TRUTH: hr})


def _rows(plan: EvaluationPlan, measured: Sequence[ImageScores]) -> Iterator[MetricRow]:
    """Yield the numbers of each picture, and the means where there is one set."""
    for one in measured:
        if one.seed == 0:
            values = {METRICS[name].name: value for name, value in one.values.items()}
            yield MetricRow(one.method, _label(plan, one.set_name, one.picture), values)
    if len(plan.sets) == 1:
        for mean in summarize(measured):
            values = {METRICS[name].name: value for name, value in mean.means.items()}
            errors = {METRICS[name].name: value for name, value in mean.errors.items()}
            yield MetricRow(mean.method, None, values, errors)


def _curves(plan: EvaluationPlan, measured: Sequence[ImageScores]) -> Iterator[MetricCurve]:
    """Yield quality against steps, for sets that were run at several numbers of steps."""
    by_name = {method.name: method for method in plan.methods}
    summaries = summarize(measured)
    for one in plan.sets:
        points: dict[str, dict[int, CurvePoint]] = {}
        for mean in summaries:
            steps = by_name[mean.method].steps
            if mean.set_name != one.name or steps is None:
                continue
            for name, value in mean.means.items():
                if math.isfinite(value):
                    point = CurvePoint(steps, value, mean.errors.get(name))
                    # Of two levels of as many steps, the first: they differ in other things.
                    points.setdefault(name, {}).setdefault(steps, point)
        for name, found in points.items():
            if len(found) > 1:
                rising = [found[steps] for steps in sorted(found)]
                yield MetricCurve(METRICS[name].name, rising, one.name)
