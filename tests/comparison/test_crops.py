"""The places where methods differ most."""

import itertools

import numpy as np
import pytest

from sam_diffsr_cli.comparison.crops import STRIDE, Window, pick_windows

SIZE = (100, 140)


def gray(value: int = 100) -> np.ndarray:
    return np.full((*SIZE, 3), value, dtype=np.uint8)


def spotted(top: int, left: int, height: int = 8, width: int = 8, by: int = 50) -> np.ndarray:
    pixels = gray()
    pixels[top : top + height, left : left + width] += by
    return pixels


def noisy(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (*SIZE, 3)).astype(np.uint8)


def test_the_first_window_holds_the_largest_difference() -> None:
    (first,) = pick_windows([gray(), spotted(60, 90)], None, side=16)
    assert first.top <= 60
    assert first.top + 16 >= 68
    assert first.left <= 90
    assert first.left + 16 >= 98


def test_with_a_truth_it_is_the_difference_to_it_that_counts() -> None:
    # Both methods are wrong in the same place, where they do not differ from each other.
    both = [spotted(20, 20), spotted(20, 20)]
    first = pick_windows(both, gray(), side=16)[0]
    assert pick_windows(both, None, side=16) == []
    assert (first.top, first.left) <= (20, 20)


@pytest.mark.parametrize("has_truth", [False, True])
def test_the_first_window_is_that_of_a_search_by_hand(has_truth: bool) -> None:
    methods, truth = [noisy(1), noisy(2), noisy(3)], noisy(4)
    pairs = (
        [(method, truth) for method in methods]
        if has_truth
        else list(itertools.combinations(methods, 2))
    )

    def difference(top: int, left: int) -> float:
        inner = np.s_[top : top + 32, left : left + 32]
        return sum(float(((a[inner].astype(float) - b[inner]) ** 2).sum()) for a, b in pairs)

    places = itertools.product(range(0, SIZE[0] - 31, STRIDE), range(0, SIZE[1] - 31, STRIDE))
    best = max(places, key=lambda place: difference(*place))
    assert pick_windows(methods, truth if has_truth else None, side=32)[0] == Window(*best, 32, 32)


def test_windows_do_not_overlap_and_are_inside() -> None:
    found = pick_windows([noisy(1), noisy(2)], None, count=20, side=24)
    covered = np.zeros(SIZE, dtype=int)
    for window in found:
        inside = covered[
            window.top : window.top + window.height, window.left : window.left + window.width
        ]
        assert inside.shape == (24, 24)
        inside += 1
    assert len(found) > 4
    assert covered.max() == 1


def test_windows_come_with_the_largest_difference_first() -> None:
    pixels = gray()
    for index, top in enumerate((8, 40, 72)):
        pixels[top : top + 8, 64:72] += 20 * (index + 1)
    found = pick_windows([gray(), pixels], None, count=3, side=16)
    assert [window.top // 32 for window in found] == [2, 1, 0]


def test_equal_pictures_have_no_windows() -> None:
    assert pick_windows([gray(), gray()], gray()) == []


def test_a_small_picture_is_one_window() -> None:
    pixels = gray()[:10, :7]
    assert pick_windows([pixels, pixels + 1], None) == [Window(0, 0, 10, 7)]


def test_pictures_are_not_changed() -> None:
    first, second = noisy(1), noisy(2)
    pick_windows([first], second)
    np.testing.assert_array_equal(first, noisy(1))
    np.testing.assert_array_equal(second, noisy(2))
