"""Matrices of blurring and shrinking do what blurring and shrinking do."""

import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d, interpolate

from sam_diffsr_cli import resize
from sam_diffsr_cli.degradation.kernels import blur, gaussian_kernel
from sam_diffsr_cli.degradation.photo import SHRINK_SHARES, shrink
from sam_diffsr_cli.degradation.separable import (
    apply_separable,
    downscale_levels,
    gaussian_matrix,
    shrink_matrix,
)


def noise(height: int, width: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    levels = torch.randint(0, 256, (1, 3, height, width), generator=generator)
    # Both ends of the range often, where bicubic overshoots.
    ends = torch.randint(0, 3, levels.shape, generator=generator)
    return torch.where(ends == 0, levels, (ends - 1) * 255).float()


@pytest.mark.parametrize("sigma", [0.3, 1.7, 2.2])
@pytest.mark.parametrize("size", [(48, 60), (5, 4)], ids=["crop", "shorter than the kernel"])
def test_a_gaussian_along_both_axes_is_the_convolution(sigma: float, size: tuple[int, int]) -> None:
    image = noise(*size)
    rows, columns = (gaussian_matrix(length, sigma) for length in size)
    expected = blur(image.double(), gaussian_kernel(sigma).double())
    found = apply_separable(image, rows, columns)
    torch.testing.assert_close(found.double(), expected, atol=2e-4, rtol=0)


@pytest.mark.parametrize("kind", ["area", "bilinear", "bicubic"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_matrix_shrinks_as_its_name_says(kind: str, scale: int) -> None:
    image = noise(8 * scale, 12 * scale).double()
    if kind == "area":
        expected = avg_pool2d(image, scale)
    elif kind == "bilinear":
        size = (8, 12)
        expected = interpolate(image, size=size, mode="bilinear", antialias=True)
    else:
        expected = resize.downscale(image, scale)
    found = shrink(image.float(), scale, kind)
    torch.testing.assert_close(found.double(), expected, atol=2e-4, rtol=0)


@pytest.mark.parametrize("kind", SHRINK_SHARES)
def test_a_crop_one_pixel_wide_when_shrunk_is_the_column_of_a_wider_one(kind: str) -> None:
    column = noise(24, 1)
    narrow, wide = (column.expand(-1, -1, -1, width) for width in (4, 12))
    torch.testing.assert_close(shrink(narrow, 4, kind), shrink(wide, 4, kind)[..., :1])


def test_blur_and_shrinking_are_one_matrix() -> None:
    image, sigma = noise(64, 48), 1.3
    rows, columns = (
        shrink_matrix(length, 4, "bicubic") @ gaussian_matrix(length, sigma) for length in (64, 48)
    )
    expected = resize.downscale(blur(image.double(), gaussian_kernel(sigma).double()), 4)
    found = apply_separable(image, rows, columns)
    torch.testing.assert_close(found.double(), expected, atol=2e-4, rtol=0)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (3, 14), (56, 56)])
def test_levels_shrink_to_the_very_levels_of_matlabs_bicubic(
    scale: int, size: tuple[int, int]
) -> None:
    for seed in range(20):
        image = noise(size[0] * scale, size[1] * scale, seed)
        expected = resize.downscale_uint8(image.double(), scale).float()
        assert torch.equal(downscale_levels(image, scale), expected)


def test_float32_rounds_the_other_way_where_weights_are_no_binary_fractions() -> None:
    # Why scale 3 goes by float64: it must not be taken into EXACT_SCALES.
    weights = shrink_matrix(30, 3, "bicubic").double() * 2**12
    assert not np.array_equal(weights.numpy(), weights.round().numpy())
    for scale in (2, 4):
        weights = shrink_matrix(30 * scale, scale, "bicubic").double() * 2**12
        assert np.array_equal(weights.numpy(), weights.round().numpy())
