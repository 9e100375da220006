"""Charts, read as a person reads them: a point lies where the ticks of the axes say."""

import itertools
import math
import random
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sam_diffsr_cli
from sam_diffsr_cli.charts.curves import CHART_STYLE, draw_chart
from sam_diffsr_cli.charts.series import (
    LARGEST,
    SMALLEST,
    Chart,
    Mark,
    Point,
    Series,
    running_mean,
    thin,
)

NUMBERS = st.none() | st.floats()
VARIABLES = ["--ink", "--muted", "--grid", "--paper", *(f"--line-{i}" for i in range(6))]
RISING = [(10.0, 3.0), (20.0, 1.0), (40.0, 2.0)]


def drawn(
    points: Sequence[Point], *, is_log: bool = False, marks: Sequence[Mark] = ()
) -> ET.Element:
    return parsed(Chart("Loss", [Series("loss", points)], is_log=is_log, marks=marks))


def parsed(chart: Chart) -> ET.Element:
    return ET.fromstring(draw_chart(chart))  # noqa: S314 - our own text


def texts(svg: ET.Element) -> list[str]:
    return ["".join(element.itertext()) for element in svg.iter("text")]


def curves(svg: ET.Element, kind: str = "line") -> list[str]:
    """The paths of a class that show data, as drawn."""
    return [p.get("d", "") for p in svg.iter("path") if (p.get("class") or "").startswith(kind)]


def places(path: str) -> list[tuple[float, float]]:
    pairs = re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path)
    return [(float(x), float(y)) for x, y in pairs]


def number_in(label: str) -> float:
    return float(label.replace(",", ""))


def readings(svg: ET.Element, *, is_log: bool = False) -> list[tuple[float, float]]:
    """Read the points of the first curve off the axes, by the ticks and their labels."""
    lines = [p.get("d", "") for p in svg.iter("path") if p.get("class") == "grid"]
    ys = [float(re.split("[ H]", line)[1]) for line in lines if "H" in line]
    xs = [float(line[1:].split()[0]) for line in lines if "v" in line]
    labels = texts(svg)[1:]
    x_labels = [number_in(label) for label in labels[len(ys) : len(ys) + len(xs)]]
    y_labels = [number_in(label) for label in labels[: len(ys)]]
    if is_log:
        y_labels = [math.log10(label) for label in y_labels]
    to_x, to_y = np.polyfit(xs, x_labels, 1), np.polyfit(ys, y_labels, 1)
    read = [(np.polyval(to_x, x), np.polyval(to_y, y)) for x, y in places(curves(svg)[0])]
    return [(float(x), float(10**y if is_log else y)) for x, y in read]


@pytest.mark.parametrize("is_log", [False, True], ids=["linear", "log"])
def test_points_lie_where_the_axes_say(is_log: bool) -> None:
    read = readings(drawn([(x, y / 10) for x, y in RISING], is_log=is_log), is_log=is_log)
    np.testing.assert_allclose(read, [(x, y / 10) for x, y in RISING], rtol=0.01)


def test_a_chart_of_two_scales_differs() -> None:
    assert curves(drawn(RISING)) != curves(drawn(RISING, is_log=True))


@pytest.mark.parametrize("gap", [None, math.nan, math.inf, -math.inf, 1e300])
def test_a_gap_breaks_the_line(gap: float | None) -> None:
    (path,) = curves(drawn([(1, 1.0), (2, 2.0), (3, gap), (4, 2.0), (5, 1.0)]))
    assert re.sub(r"[^MLh]", "", path) == "MhLMhL"


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_what_a_log_scale_does_not_have_is_a_gap(value: float) -> None:
    (path,) = curves(drawn([(1, 1.0), (2, value), (3, 2.0)], is_log=True))
    assert re.sub(r"[^MLh]", "", path) == "MhMh"


@pytest.mark.parametrize(
    "series",
    [[], [Series("a", [])], [Series("a", [(1, None), (2, math.nan)])]],
    ids=["no series", "no points", "only gaps"],
)
def test_a_chart_without_numbers_says_so(series: list[Series]) -> None:
    assert "no data" in texts(parsed(Chart("Loss", series)))


@pytest.mark.parametrize("is_log", [False, True], ids=["linear", "log"])
@pytest.mark.parametrize("value", [3.0, 1e-9, 1e9])
def test_a_single_point_is_a_dot_between_ticks(value: float, is_log: bool) -> None:
    svg = drawn([(500, value)], is_log=is_log)
    assert curves(svg)[0].endswith("h0")
    np.testing.assert_allclose(readings(svg, is_log=is_log), [(500, value)], rtol=0.01)


def test_a_lone_point_of_a_line_is_shown_as_a_knot() -> None:
    svg = drawn([(1, 1.0), (2, 2.0), (3, None), (4, 2.0), (5, None)])
    (line,), (knots,) = curves(svg, "line"), curves(svg, "knots")
    assert places(knots) == places(line)[2:]


def test_the_first_steps_have_no_fractions() -> None:
    middle = [t for t in drawn([(1, 1.0)]).iter("text") if t.get("text-anchor") == "middle"]
    assert ["".join(t.itertext()) for t in middle] == ["0", "1"]


def test_a_flat_zero_from_zero_is_the_lower_end() -> None:
    svg = parsed(Chart("Wait", [Series("wait", [(1, 0.0), (2, 0.0)])], from_zero=True))
    ((_, y), _) = places(curves(svg)[0])
    assert y == max(
        float(re.split("[ H]", p.get("d", ""))[1])
        for p in svg.iter("path")
        if "H" in p.get("d", "")
    )


def test_a_constant_series_is_level() -> None:
    ((_, one), (_, other)) = places(curves(drawn([(1, 7.0), (2, 7.0)]))[0])
    assert one == other


def test_a_flat_zero_has_an_axis() -> None:
    assert "0" in texts(drawn([(1, 0.0), (2, 0.0)]))


def test_dots_are_not_connected() -> None:
    svg = parsed(Chart("Loss", [Series("loss", RISING, "dots")]))
    (path,) = curves(svg, "dots")
    assert re.sub(r"[^MLh]", "", path) == "MhMhMh"


def test_knots_show_each_point_on_the_line() -> None:
    svg = parsed(Chart("PSNR", [Series("psnr", RISING, "knots")]))
    (line,), (knots,) = curves(svg, "line"), curves(svg, "knots")
    assert places(line) == places(knots)


def test_a_mark_is_a_ring_on_its_point_and_a_text() -> None:
    svg = drawn(RISING, marks=[Mark(20, 1.0, "best 1")])
    (ring,) = svg.iter("circle")
    assert (float(ring.get("cx", "")), float(ring.get("cy", ""))) == places(curves(svg)[0])[1]
    assert "best 1" in texts(svg)


def test_several_series_have_a_legend_in_their_colours() -> None:
    svg = parsed(Chart("L", [Series("one", RISING, colour=1), Series("two", RISING, "dots", 2)]))
    assert {"one", "two"} <= set(texts(svg))
    assert [p.get("class") for p in svg.iter("path") if p.get("class") != "grid"] == [
        "line s1",
        "dots s2",
        "line s1",
        "dots s2",
    ]


def test_one_series_has_no_legend() -> None:
    assert "loss" not in texts(drawn(RISING))


def test_a_long_legend_goes_over_several_rows() -> None:
    names = [f"a rather long name, number {i}" for i in range(5)]
    svg = parsed(Chart("L", [Series(name, RISING) for name in names]))
    rows = [t for t in svg.iter("text") if "".join(t.itertext()) in names]
    assert len({row.get("y") for row in rows}) > 1
    assert all(float(row.get("x", "")) < 300 for row in rows)
    assert max(float(row.get("y", "")) for row in rows) < min(y for _, y in places(curves(svg)[-1]))


def test_an_axis_from_zero_shows_zero() -> None:
    svg = parsed(Chart("Speed", [Series("speed", [(1, 90.0), (2, 100.0)])], from_zero=True))
    ticks = [t for t in svg.iter("text") if t.get("text-anchor") == "end"]
    assert "".join(ticks[0].itertext()) == "0"


def test_a_reader_of_the_screen_is_told_title_and_extremes() -> None:
    svg = drawn(RISING, marks=[Mark(20, 1.0, "best 1")])
    assert svg.get("role") == "img"
    assert svg.findtext("title") == "Loss"
    assert svg.findtext("desc") == (
        "loss: 3 at step 10 to 2 at step 40, lowest 1 at step 20, highest 3 at step 10. "
        "best 1 at step 20."
    )


def test_a_series_without_numbers_is_told_as_such() -> None:
    svg = parsed(Chart("L", [Series("a", RISING), Series("b", [(1, None)])]))
    assert (svg.findtext("desc") or "").endswith("b: no data.")


def test_text_is_escaped() -> None:
    evil = "</text><script>alert('&')</script>"
    chart = Chart(evil, [Series(evil, RISING), Series("b", RISING)], evil, evil)
    assert "<script" not in draw_chart(chart)
    assert texts(parsed(chart))[0] == f"{evil} {evil}"


def test_nothing_comes_from_outside() -> None:
    everything = draw_chart(Chart("L", [Series("a", RISING), Series("b", RISING, "knots")]))
    for word in ("http", "url(", "@import", "@font-face", "<script", "href", "src="):
        assert word not in everything + CHART_STYLE


def test_every_colour_is_a_variable() -> None:
    svg = draw_chart(Chart("L", [Series("a", RISING, "dots")], marks=[Mark(10, 3.0, "m")]))
    assert not re.search(r"#|rgb|fill=|stroke=", svg)
    assert set(re.findall(r"(?:fill|stroke): ([^;]*)", CHART_STYLE)) - {"none"} <= {
        f"var({name})" for name in VARIABLES
    }


@pytest.mark.parametrize("name", VARIABLES)
def test_pages_with_charts_define_each_variable_for_light_and_dark(name: str) -> None:
    look = (Path(sam_diffsr_cli.__file__).parent / "pages" / "look.css").read_text()
    assert f"{name}: light-dark(" in look


@settings(deadline=None)
@given(
    values=st.lists(NUMBERS, max_size=30),
    is_log=st.booleans(),
    from_zero=st.booleans(),
    style=st.sampled_from(["dots", "line", "knots"]),
)
def test_any_numbers_stay_inside_the_picture(
    values: list[float | None], is_log: bool, from_zero: bool, style: str
) -> None:
    points = list(enumerate(values))
    series = [Series("a", points, style), Series("b", [(3, 1.0)])]  # type: ignore[arg-type]  # drawn
    svg = parsed(Chart("L", series, is_log=is_log, from_zero=from_zero))
    width, height = (float(side) for side in (svg.get("viewBox") or "").split()[2:])
    for path in (*curves(svg), *curves(svg, "dots"), *curves(svg, "knots")):
        assert all(0 <= x <= width and 0 <= y <= height for x, y in places(path))


def wavy(count: int) -> list[Point]:
    rng = random.Random(0)  # noqa: S311 - no secret
    return [(i, math.sin(i / 9000) + rng.random()) for i in range(count)]


def test_a_long_series_is_thinned_without_losing_an_extreme() -> None:
    points = wavy(400_000)
    points[123_456], points[300_001] = (123_456, 99.0), (300_001, -99.0)
    thinned = thin(points)
    assert len(thinned) <= 1000
    assert {points[0], points[123_456], points[300_001], points[-1]} <= set(thinned)


def test_thinned_points_are_as_dense_in_the_middle_as_before() -> None:
    # Extremes alone would leave a hollow band.
    rng = random.Random(0)  # noqa: S311 - no secret
    thinned = thin([(i, rng.random()) for i in range(20_000)])
    middle = [y for _, y in thinned if y is not None and 0.25 < y < 0.75]
    assert len(middle) > len(thinned) / 4


def as_drawn(value: float | None) -> float | None:
    """Return a number as it is drawn: what is too large is a gap, what is tiny is 0."""
    if value is None or not abs(value) <= LARGEST:
        return None
    return value if abs(value) >= SMALLEST else 0.0


@settings(max_examples=50, deadline=None)
@given(values=st.lists(NUMBERS, max_size=400), most=st.integers(10, 60))
def test_thinning_keeps_order_ends_and_extremes(values: list[float | None], most: int) -> None:
    points: list[Point] = list(enumerate(values))
    thinned = thin(points, most)
    assert len(thinned) <= most
    rest = iter(points)
    assert all(any(point is other for other in rest) for point in thinned)
    known = [y for value in values if (y := as_drawn(value)) is not None]
    kept = [as_drawn(y) for _, y in thinned]
    assert set(known[:1] and (min(known), max(known))) <= set(kept)
    assert thinned[:1] == points[:1]
    assert thinned[-1:] == points[-1:]


def test_a_short_series_is_not_thinned() -> None:
    points = wavy(1000)
    assert thin(points) == points


def test_a_long_gap_outlives_thinning() -> None:
    points: list[Point] = [(i, None if 2000 <= i < 4000 else 1.0) for i in range(9000)]
    states = [y is None for _, y in thin(points)]
    assert [state for state, _ in itertools.groupby(states)] == [False, True, False]


def test_a_running_mean_begins_as_the_plain_mean() -> None:
    values = [3.0, 1.0, 4.0, 1.0, 5.0]
    means = [y for _, y in running_mean(list(enumerate(values)), 5)]
    np.testing.assert_allclose(
        [y or 0 for y in means], np.cumsum(values) / np.arange(1, 6), rtol=1e-12
    )


def test_a_running_mean_follows_its_window() -> None:
    points: list[Point] = [(i, 0.0 if i < 500 else 1.0) for i in range(1000)]
    means = [y or 0.0 for _, y in running_mean(points, 50)]
    assert means[499] == 0.0
    assert means[549] == pytest.approx(1 - math.exp(-1), abs=0.01)
    assert means[999] == pytest.approx(1.0, abs=1e-4)


def test_a_running_mean_forgets_a_spike_however_high() -> None:
    points: list[Point] = [(i, 1e30 if i == 50 else 0.5) for i in range(2000)]
    *_, (_, last) = running_mean(points, 10)
    assert last == pytest.approx(0.5)


def test_gaps_stay_gaps_in_a_running_mean() -> None:
    points: list[Point] = [(1, 2.0), (2, None), (3, math.nan), (4, 4.0)]
    assert list(running_mean(points, 9)) == [(1, 2.0), (2, None), (3, None), (4, 3.0)]
