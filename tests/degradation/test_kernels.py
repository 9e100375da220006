"""Kernels sum to one and are what their names say; blurring is a convolution."""

import math

import pytest
import torch
from torch.nn.functional import conv2d, pad

from sam_diffsr_cli.degradation.kernels import (
    blur,
    gaussian_kernel,
    half_power_sigma,
    mixed_kernel,
    sinc_kernel,
)

KERNELS = [
    gaussian_kernel(0.3),
    gaussian_kernel(2.0),
    mixed_kernel(21, (4.0, 1.0), 0.6),
    mixed_kernel(13, (1.5, 1.5), 0.0, 0.7),
    mixed_kernel(13, (1.5, 0.8), 1.0, 1.8, plateau=True),
    sinc_kernel(21, math.pi / 3),
]


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_kernel_sums_to_one(kernel: torch.Tensor) -> None:
    assert float(kernel.double().sum()) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("sigma", [0.8, 1.0, 2.0])
def test_a_gaussian_has_its_standard_deviation(sigma: float) -> None:
    row = gaussian_kernel(sigma).sum(dim=0).double()
    place = torch.arange(len(row)).double() - len(row) // 2
    # Cut at three deviations, and in whole pixels.
    assert float((row * place**2).sum().sqrt()) == pytest.approx(sigma, rel=0.04)


def test_an_ellipse_is_longer_along_its_angle() -> None:
    kernel = mixed_kernel(21, (3.0, 1.0), math.pi / 2).double()
    place = torch.arange(21).double() - 10
    down = float((kernel.sum(dim=1) * place**2).sum().sqrt())
    across = float((kernel.sum(dim=0) * place**2).sum().sqrt())
    assert [down, across] == pytest.approx([3.0, 1.0], rel=0.05)


def test_a_sinc_lets_pass_what_is_below_its_cutoff_and_little_above() -> None:
    answer = torch.fft.rfft2(sinc_kernel(81, math.pi / 2), s=(128, 128)).abs()
    assert float(answer[0, 16]) == pytest.approx(1, abs=0.1)
    assert float(answer[0, 48]) < 0.1


def test_half_of_the_power_is_left_at_the_cutoff() -> None:
    cutoff = 0.7
    sigma = half_power_sigma(cutoff)
    assert math.exp(-((sigma * cutoff) ** 2) / 2) == pytest.approx(math.sqrt(0.5))


@pytest.mark.parametrize("size", [(40, 52), (33, 27)])
def test_blurring_is_the_convolution_with_mirrored_borders(size: tuple[int, int]) -> None:
    image = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
    kernel = mixed_kernel(9, (2.0, 1.0), 0.7)
    # The edge pixel is repeated, which "reflect" does not do: the inner part is compared.
    padded = pad(image, (4, 4, 4, 4), mode="reflect")
    expected = conv2d(padded, kernel.flip(0, 1).expand(3, 1, 9, 9), groups=3)
    inner = (..., slice(4, -4), slice(4, -4))
    torch.testing.assert_close(blur(image, kernel)[inner], expected[inner], atol=1e-5, rtol=0)


def test_a_flat_picture_stays_flat_to_its_borders() -> None:
    flat = torch.full((1, 3, 20, 31), 0.3)
    torch.testing.assert_close(blur(flat, gaussian_kernel(2.0)), flat, atol=1e-6, rtol=0)
