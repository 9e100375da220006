"""Places move as the pixels do: each is compared with pixels that were really turned."""

import numpy as np
import pytest

from sam_diffsr_cli.pictures.change import Change, Point, Rectangle
from sam_diffsr_cli.pictures.modes import turn_upright

TURNS = pytest.mark.parametrize("turn", range(1, 9))
STORED = (30, 50)


def change_of(turn: int, times: int = 1) -> Change:
    height, width = turn_upright(np.zeros((*STORED, 1)), turn).shape[:2]
    return Change(turn, (height, width), (times * height, times * width))


def bounds(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, width and height of what is set."""
    rows, columns = np.nonzero(mask[..., 0])
    left, top = columns.min(), rows.min()
    return left, top, columns.max() + 1 - left, rows.max() + 1 - top


@TURNS
def test_a_rectangle_is_where_its_pixels_are(turn: int) -> None:
    mask = np.zeros((*STORED, 1), dtype=bool)
    mask[3:10, 20:32] = True
    area = Rectangle(26 / 50, 6.5 / 30, 12 / 50, 7 / 30)
    left, top, width, height = bounds(turn_upright(mask, turn))
    change = change_of(turn)
    moved = change.rectangle(area)
    size = change.after
    assert moved.x * size[1] == pytest.approx(left + width / 2)
    assert moved.y * size[0] == pytest.approx(top + height / 2)
    assert (moved.width * size[1], moved.height * size[0]) == pytest.approx((width, height))


@TURNS
def test_a_place_in_pixels_is_where_its_pixel_is_and_grows(turn: int) -> None:
    mask = np.zeros((*STORED, 1), dtype=bool)
    mask[7, 41] = True
    left, top, _, _ = bounds(turn_upright(mask, turn))
    change = change_of(turn, 3)
    assert change.pixel(41.5, 7.5) == pytest.approx((3 * (left + 0.5), 3 * (top + 0.5)))


@TURNS
def test_the_stored_size_is_that_of_the_file(turn: int) -> None:
    assert change_of(turn, 2).stored == STORED


@TURNS
def test_a_point_turned_and_turned_back_is_where_it_was(turn: int) -> None:
    inverse = {6: 8, 8: 6}.get(turn, turn)
    point = change_of(turn).point(Point(0.2, 0.7))
    assert change_of(inverse).point(point) == pytest.approx((0.2, 0.7))
