"""Quality against steps: points where they belong, and words for those who do not see them."""

import itertools
import math
import re
import xml.etree.ElementTree as ET

import pytest

from sam_diffsr_cli.comparison.plot import draw_curves
from sam_diffsr_cli.comparison.records import PSNR_Y, CurvePoint, MetricCurve

SVG = "{http://www.w3.org/2000/svg}"
POINTS = [CurvePoint(0, 29.0, 0.2), CurvePoint(1, 28.5), CurvePoint(4, 28.0), CurvePoint(100, 27.0)]


def draw(*curves: MetricCurve) -> ET.Element:
    text = draw_curves(PSNR_Y, curves)
    return ET.fromstring(text.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))  # noqa: S314 - our own


def of_class(svg: ET.Element, name: str) -> list[ET.Element]:
    return [each for each in svg.iter() if name in each.get("class", "").split()]


def knots(svg: ET.Element) -> list[tuple[float, float]]:
    starts = (re.match(r"M([\d.]+) ([\d.]+)", knot.get("d", "")) for knot in of_class(svg, "shape"))
    return [(float(m[1]), float(m[2])) for m in starts if m]


def test_points_lie_at_their_steps_and_values() -> None:
    found = knots(draw(MetricCurve(PSNR_Y.name, POINTS)))
    along = [math.log2(1 + point.steps) for point in POINTS]
    x_scale = (found[-1][0] - found[0][0]) / (along[-1] - along[0])
    y_scale = (found[-1][1] - found[0][1]) / (POINTS[-1].value - POINTS[0].value)
    for (x, y), point, place in zip(found, POINTS, along, strict=True):
        assert x - found[0][0] == pytest.approx(x_scale * place, abs=0.2)
        assert y - found[0][1] == pytest.approx(y_scale * (point.value - 29.0), abs=0.2)
    assert x_scale > 0
    assert y_scale < 0


def test_an_error_bar_is_drawn_where_there_is_an_error() -> None:
    svg = draw(MetricCurve(PSNR_Y.name, POINTS))
    (bar,) = of_class(svg, "bar")
    match = re.match(r"M[\d.]+ ([\d.]+)h8m-4 0V([\d.]+)", bar.get("d", ""))
    assert match is not None
    (_, first), *_, (_, last) = knots(svg)
    one_decibel = (last - first) / 2
    assert float(match[2]) - float(match[1]) == pytest.approx(0.4 * one_decibel, abs=0.3)


def test_several_curves_have_a_legend_and_differ_beyond_colour() -> None:
    svg = draw(
        MetricCurve(PSNR_Y.name, POINTS[:2], "lite"), MetricCurve(PSNR_Y.name, POINTS[2:], "full")
    )
    texts = [each.text for each in svg.iter(f"{SVG}text")]
    shapes = {re.sub(r"^M[\d.]+ [\d.]+", "", knot.get("d", "")) for knot in of_class(svg, "shape")}
    assert {"lite", "full"} <= set(texts)
    assert len(shapes) == 2


def test_the_points_are_told_in_words() -> None:
    told = draw(MetricCurve(PSNR_Y.name, POINTS[:2], "lite")).findtext(f"{SVG}desc")
    assert told == "lite: 29.00 at 0 (standard error 0.20), 28.50 at 1."


def test_every_tick_has_its_own_label_inside_the_drawing() -> None:
    svg = draw(MetricCurve(PSNR_Y.name, [CurvePoint(s, 25 + s / 1000) for s in range(40)]))
    ticks = [each for each in svg.iter(f"{SVG}text") if each.get("text-anchor") == "end"][:-1]
    labels = [each.text for each in ticks]
    assert 3 <= len(labels) <= 7
    assert len(set(labels)) == len(labels)
    steps = [
        float(e.get("x", "")) for e in svg.iter(f"{SVG}text") if e.get("text-anchor") == "middle"
    ]
    assert all(b - a > 8 for a, b in itertools.pairwise(steps))


def test_names_are_escaped() -> None:
    evil = "</svg><b>&"
    svg = draw(
        MetricCurve(PSNR_Y.name, POINTS[:1], evil), MetricCurve(PSNR_Y.name, POINTS[1:], "b")
    )
    assert evil in [each.text for each in svg.iter(f"{SVG}text")]


@pytest.mark.parametrize("points", [POINTS[:1], [CurvePoint(3, 0.0)], [POINTS[0]] * 2])
def test_a_single_point_is_drawn_too(points: list[CurvePoint]) -> None:
    assert len(knots(draw(MetricCurve(PSNR_Y.name, points)))) == len(points)


def test_what_is_not_finite_is_left_out() -> None:
    points = [CurvePoint(0, math.inf), CurvePoint(1, math.nan)]
    assert draw_curves(PSNR_Y, [MetricCurve(PSNR_Y.name, points)]) == ""
    assert len(knots(draw(MetricCurve(PSNR_Y.name, [*points, POINTS[2]])))) == 1
