"""The plan of tiles covers each pixel once, on the networks' grid."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_diffsr_cli.tiling import plan_spans, plan_tiles


@given(
    units=st.integers(1, 200),
    tile=st.integers(0, 300),
    halo=st.integers(0, 70),
    multiple=st.sampled_from([1, 2, 4]),
)
def test_spans_cover_the_axis_once_and_stay_inside(
    units: int, tile: int, halo: int, multiple: int
) -> None:
    length = units * multiple
    spans = plan_spans(length, tile, halo, multiple)
    covered = [i for span in spans for i in range(span.start, span.stop)]
    assert covered == list(range(length))
    for span in spans:
        assert 0 <= span.first <= span.start < span.stop <= span.last <= length
        assert all(edge % multiple == 0 for edge in span)


@given(units=st.integers(1, 200), tile=st.integers(16, 300))
def test_no_part_is_longer_than_the_tile(units: int, tile: int) -> None:
    rounded = -(-tile // 4) * 4
    assert all(s.stop - s.start <= rounded for s in plan_spans(4 * units, tile, 8, 4))


def test_context_is_whole_except_at_the_border() -> None:
    spans = plan_spans(100, 40, 10, 1)
    assert [span.start - span.first for span in spans] == [0, 10, 10]
    assert [span.last - span.stop for span in spans] == [10, 10, 0]


@pytest.mark.parametrize("tile", [0, 64, 100])
def test_one_tile_when_the_photo_fits(tile: int) -> None:
    (only,) = plan_tiles((64, 48), tile, 32, 4)
    assert only.rows == (0, 64, 0, 64)
    assert only.columns == (0, 48, 0, 48)
    assert only.area == 64 * 48
