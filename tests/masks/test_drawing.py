"""Pictures of masks show each region, and the sign and size of the encoding."""

import numpy as np

from sam_diffsr_cli.masks.drawing import draw_encoding, draw_regions, side_by_side


def gray(height: int = 12, width: int = 16) -> np.ndarray:
    return np.full((height, width, 3), 100, dtype=np.uint8)


def two_regions() -> np.ndarray:
    masks = np.zeros((2, 12, 16), dtype=bool)
    masks[0, 2:9, 2:9] = True
    masks[1, 6:11, 6:14] = True
    return masks


def inside(region: np.ndarray) -> np.ndarray:
    """Pixels whose left and upper neighbours are of the region too: those are never edges."""
    inner = region.copy()
    inner[1:] &= region[:-1]
    inner[:, 1:] &= region[:, :-1]
    return inner


def test_a_photo_without_regions_stays_as_it_is() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    assert np.array_equal(draw_regions(pixels, np.zeros((0, 12, 16), dtype=bool)), pixels)


def test_each_region_has_a_colour_of_its_own_and_the_later_lies_above() -> None:
    first, second = two_regions()
    drawn = draw_regions(gray(), two_regions())
    above = {tuple(c) for c in drawn[inside(second)].tolist()}
    below = {tuple(c) for c in drawn[inside(first & ~second)].tolist()}
    assert len(above) == len(below) == 1
    assert len(above | below | {(100, 100, 100)}) == 3


def test_regions_are_edged_in_white() -> None:
    drawn = draw_regions(gray(), two_regions()[:1])
    assert (drawn[2, 2:9] == 255).all()
    assert (drawn[2:9, 2] == 255).all()
    assert (drawn[9, 2:9] == 255).all()
    assert (drawn[2:9, 9] == 255).all()


def test_what_lies_around_the_regions_stays() -> None:
    drawn = draw_regions(gray(), two_regions()[:1])
    assert (drawn[:2] == 100).all()
    assert (drawn[10:] == 100).all()
    assert (drawn[:, :2] == 100).all()
    assert (drawn[:, 10:] == 100).all()


def test_regions_are_drawn_into_a_picture_of_its_own() -> None:
    pixels = gray()
    draw_regions(pixels, two_regions())
    assert np.array_equal(pixels, gray())


def test_no_encoding_is_gray() -> None:
    assert (draw_encoding(np.zeros((3, 4), dtype=np.float32)) == 128).all()


def test_encoding_is_red_above_and_blue_below_zero() -> None:
    drawn = draw_encoding(np.array([[0.2, -0.2, 0.0]], dtype=np.float32)).astype(int)
    above, below, zero = drawn[0]
    assert above[0] > 128 > above[2]
    assert below[2] > 128 > below[0]
    assert zero.tolist() == [128, 128, 128]


def test_a_larger_value_is_farther_from_gray() -> None:
    drawn = draw_encoding(np.array([[0.1, 0.5, 1.0]], dtype=np.float32)).astype(int)
    assert drawn[0, 0, 0] < drawn[0, 1, 0] < drawn[0, 2, 0]


def test_pictures_lie_side_by_side_with_a_white_gap() -> None:
    left, right = gray(5, 7), gray(5, 9) + 50
    joined = side_by_side(left, right)
    assert np.array_equal(joined[:, :7], left)
    assert np.array_equal(joined[:, -9:], right)
    assert joined.shape == (5, 7 + 8 + 9, 3)
    assert (joined[:, 7:15] == 255).all()
