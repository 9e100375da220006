"""The encoding of masks, against loops over pixels."""

import math
import weakref
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from sam_diffsr_cli.choices import MaskNorm
from sam_diffsr_cli.errors import ShapeError
from sam_diffsr_cli.masks.position import paint_encoding, rotary_field, structural_position_encoding

ATOL = 1e-6

NORMS: list[MaskNorm] = ["image", "region"]
by_norm = pytest.mark.parametrize("norm", NORMS)


def field_value(y: int, x: int, width: int) -> float:
    """Rotate the pair (1, 1) that column ``x`` belongs to by the angle of row ``y``."""
    angle = y / 10_000 ** (2 * (x // 2) / width)
    if x % 2 == 0:
        return math.cos(angle) - math.sin(angle)
    return math.sin(angle) + math.cos(angle)


def rectangle(size: tuple[int, int], rows: slice, columns: slice) -> Tensor:
    mask = torch.zeros(size, dtype=torch.bool)
    mask[rows, columns] = True
    return mask


SIZE = (6, 10)
LEFT = rectangle(SIZE, slice(1, 5), slice(0, 4))
RIGHT = rectangle(SIZE, slice(2, 6), slice(3, 9))


def region_mean(mask: Tensor) -> float:
    inside = mask.nonzero().tolist()
    return sum(field_value(y, x, mask.shape[1]) for y, x in inside) / len(inside)


@pytest.mark.parametrize("size", [(5, 8), (9, 2), (1, 6)], ids=["5x8", "9x2", "1x6"])
def test_rotary_field_rotates_pairs_of_columns_by_row(size: tuple[int, int]) -> None:
    height, width = size
    expected = [[field_value(y, x, width) for x in range(width)] for y in range(height)]
    torch.testing.assert_close(rotary_field(*size), torch.tensor(expected), rtol=0, atol=ATOL)


def test_odd_last_column_is_not_rotated() -> None:
    assert rotary_field(7, 5)[:, 4].tolist() == [1.0] * 7


def test_odd_width_keeps_the_pairs_before_the_last_column() -> None:
    expected = [[field_value(y, x, 5) for x in range(4)] for y in range(7)]
    torch.testing.assert_close(rotary_field(7, 5)[:, :4], torch.tensor(expected), rtol=0, atol=ATOL)


def test_single_column_is_ones() -> None:
    assert rotary_field(4, 1).tolist() == [[1.0]] * 4


def test_region_norm_paints_the_mean_inside_the_region() -> None:
    encoding = structural_position_encoding(LEFT[None], "region")
    expected = torch.where(LEFT, region_mean(LEFT), 0.0)
    torch.testing.assert_close(encoding, expected, rtol=0, atol=ATOL)


def test_image_norm_paints_that_mean_times_the_share_of_the_area() -> None:
    encoding = structural_position_encoding(LEFT[None], "image")
    share = float(LEFT.double().mean())
    expected = torch.where(LEFT, region_mean(LEFT) * share, 0.0)
    torch.testing.assert_close(encoding, expected, rtol=0, atol=ATOL)


@by_norm
def test_later_masks_lie_over_earlier_ones(norm: MaskNorm) -> None:
    both = structural_position_encoding(torch.stack([LEFT, RIGHT]), norm)
    below, above = (structural_position_encoding(m[None], norm) for m in (LEFT, RIGHT))
    assert torch.equal(both, torch.where(RIGHT, above, below))
    assert not torch.equal(both, structural_position_encoding(torch.stack([RIGHT, LEFT]), norm))


@by_norm
def test_no_masks_give_zeros(norm: MaskNorm) -> None:
    encoding = structural_position_encoding(torch.zeros(0, 4, 5, dtype=torch.bool), norm)
    assert torch.equal(encoding, torch.zeros(4, 5))


@by_norm
def test_mask_without_pixels_changes_nothing(norm: MaskNorm) -> None:
    alone = structural_position_encoding(LEFT[None], norm)
    masks = torch.stack([LEFT, torch.zeros_like(LEFT)])
    assert torch.equal(structural_position_encoding(masks, norm), alone)


@by_norm
def test_encoding_is_float32(norm: MaskNorm) -> None:
    assert structural_position_encoding(LEFT[None], norm).dtype == torch.float32


@by_norm
def test_masks_are_not_modified(norm: MaskNorm) -> None:
    masks = torch.stack([LEFT, RIGHT])
    structural_position_encoding(masks, norm)
    assert torch.equal(masks, torch.stack([LEFT, RIGHT]))


@by_norm
def test_masks_that_come_one_by_one_give_what_they_give_together(norm: MaskNorm) -> None:
    masks = torch.stack([LEFT, RIGHT, LEFT & RIGHT])
    painted = paint_encoding(iter(masks.unbind()), SIZE, norm)
    assert torch.equal(painted, structural_position_encoding(masks, norm))


@by_norm
def test_masks_that_come_one_by_one_are_not_kept(norm: MaskNorm) -> None:
    """A photo may have hundreds of them, each as large as itself."""
    painted: list[weakref.ref[Tensor]] = []

    def come() -> Iterator[Tensor]:
        for row in range(SIZE[0]):
            # The one before may still have its name; those before it may not be there.
            assert all(mask() is None for mask in painted[:-1])
            mask = rectangle(SIZE, slice(row, row + 1), slice(None))
            painted.append(weakref.ref(mask))
            yield mask
            del mask

    encoding = paint_encoding(come(), SIZE, norm)
    assert len(painted) == SIZE[0]
    assert encoding.shape == SIZE


@by_norm
def test_no_masks_that_come_one_by_one_give_zeros_of_the_size(norm: MaskNorm) -> None:
    assert torch.equal(paint_encoding([], (4, 5), norm), torch.zeros(4, 5))


def test_single_mask_without_its_axis_is_refused() -> None:
    with pytest.raises(ShapeError, match="expected masks"):
        structural_position_encoding(LEFT, "image")
