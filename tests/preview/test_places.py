"""Which places of a picture are looked at."""

import numpy as np
import pytest

from sam_diffsr_cli.preview.places import MARGIN, Place, most_changed, pick_places

SIDE = 32


def gray(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 128, dtype=np.uint8)


def noise_at(pixels: np.ndarray, top: int, left: int, deviation: float) -> np.ndarray:
    """Return a copy with noise in a square of ``SIDE``."""
    rng = np.random.default_rng(0)
    noisy = pixels.astype(float)
    noisy[top : top + SIDE, left : left + SIDE] += rng.normal(0, deviation, (SIDE, SIDE, 3))
    return noisy.round().clip(0, 255).astype(np.uint8)


def overlap(one: Place, other: Place) -> bool:
    down = abs(one.top - other.top) < SIDE
    return down and abs(one.left - other.left) < SIDE


def test_the_first_place_holds_the_finest_detail() -> None:
    pixels = noise_at(gray(200, 300), 64, 192, 40)
    first, second = pick_places(pixels, None, SIDE)
    assert abs(first.top - 64) <= SIDE // 4
    assert abs(first.left - 192) <= SIDE // 4
    assert first.why == "finest detail"
    assert second.why == "a usual place"
    assert not overlap(first, second)


def test_the_second_place_is_the_dirtiest_of_those_that_are_asked() -> None:
    pixels = gray(200, 300)
    pixels[:, 150:] = 60
    asked = []

    def dirt_of(cut: np.ndarray) -> float:
        asked.append(cut.shape)
        return float(cut.mean() < 100)

    _, second = pick_places(noise_at(pixels, 100, 0, 40), dirt_of, SIDE)
    assert second.why == "most compression and noise"
    assert second.cut(pixels).mean() < 100
    assert set(asked) == {(SIDE, SIDE, 3)}


def test_a_clean_picture_has_no_dirtiest_place() -> None:
    places = pick_places(noise_at(gray(200, 300), 0, 0, 40), lambda _: 0.0, SIDE)
    assert [place.why for place in places] == ["finest detail", "a usual place"]


@pytest.mark.parametrize("size", [(1, 1), (SIDE, SIDE), (7, SIDE), (SIDE + 5, 20)])
def test_a_picture_too_small_for_two_places_has_one(size: tuple[int, int]) -> None:
    (place,) = pick_places(gray(*size), lambda _: 1.0, SIDE)
    assert (place.height, place.width) == (min(SIDE, size[0]), min(SIDE, size[1]))


@pytest.mark.parametrize("size", [(1, 400), (400, 3), (65, 65), (333, 97)])
def test_places_lie_in_the_picture(size: tuple[int, int]) -> None:
    for place in pick_places(noise_at(gray(500, 500), 9, 9, 9)[: size[0], : size[1]], None, SIDE):
        assert place.top >= 0
        assert place.left >= 0
        assert place.top + place.height <= size[0]
        assert place.left + place.width <= size[1]


def test_only_context_inside_the_picture_is_not_shown() -> None:
    rows, columns = Place(0, 40, SIDE, SIDE, "").shown((200, 40 + SIDE))
    assert rows == slice(0, SIDE - MARGIN)
    assert columns == slice(MARGIN, SIDE)


def test_the_places_that_changed_most_come_first_and_do_not_overlap() -> None:
    change = np.zeros((200, 300))
    change[10, 20] = 5
    change[150, 250] = 9
    places = most_changed(lambda first, last: change[first:last], (200, 300), 3, SIDE)
    assert len(places) == 2
    assert places[0].cut(change).sum() == 9
    assert places[1].cut(change).sum() == 5


def test_where_nothing_changed_there_is_no_place() -> None:
    assert most_changed(lambda a, b: np.zeros((b - a, 80)), (90, 80), 2, SIDE) == []
