"""Blur kernels of Real-ESRGAN (Wang et al. 2021), and the convolution of a picture with one.

Kernels are square, of odd size, float32, and sum to 1. Standard deviations are in pixels.
"""

import functools
import math

import numpy as np
import torch
from torch import Tensor

from sam_diffsr_cli import resize

__all__ = ["blur", "gaussian_kernel", "half_power_sigma", "mixed_kernel", "sinc_kernel"]


def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    axis = np.arange(size, dtype=np.float64) - size // 2
    return axis[:, None], axis[None, :]


def mixed_kernel(
    size: int,
    sigmas: tuple[float, float],
    angle: float,
    beta: float = 1.0,
    *,
    plateau: bool = False,
) -> Tensor:
    """Build an elliptic kernel.

    With q the squared Mahalanobis distance from the centre: ``exp(-q^beta / 2)``, the generalised
    Gaussian (a plain one where beta is 1), or ``1 / (1 + q^beta)`` with a plateau
    (Liu et al. 2020, "Estimating generalized Gaussian blur kernels").

    Args:
        size: Side, odd.
        sigmas: Standard deviations along both axes of the ellipse, > 0.
        angle: Of the first axis, radians.
        beta: Shape, > 0.
        plateau: Take the second form.

    Returns:
        ``(size, size)``.
    """
    y, x = _grid(size)
    u = x * math.cos(angle) + y * math.sin(angle)
    v = -x * math.sin(angle) + y * math.cos(angle)
    q = (u / sigmas[0]) ** 2 + (v / sigmas[1]) ** 2
    kernel = 1 / (1 + q**beta) if plateau else np.exp(-0.5 * q**beta)
    return torch.from_numpy(kernel / kernel.sum()).float()


def gaussian_kernel(sigma: float) -> Tensor:
    """Build a round Gaussian that reaches three standard deviations."""
    return mixed_kernel(2 * math.ceil(3 * sigma) + 1, (sigma, sigma), 0.0)


def sinc_kernel(size: int, cutoff: float) -> Tensor:
    """Build the circular low-pass filter ``cutoff * J1(cutoff * r) / (2 pi r)``.

    Args:
        size: Side, odd.
        cutoff: Radians a pixel, in (0, pi].

    Returns:
        ``(size, size)``; rings, as sharpened and badly shrunk pictures do.
    """
    y, x = _grid(size)
    radius = torch.from_numpy(np.hypot(y, x))
    radius[size // 2, size // 2] = 1.0
    kernel = cutoff * torch.special.bessel_j1(cutoff * radius) / (2 * math.pi * radius)
    kernel[size // 2, size // 2] = cutoff**2 / (4 * math.pi)
    unit: Tensor = kernel / kernel.sum()
    return unit.float()


def half_power_sigma(cutoff: float) -> float:
    """Return the standard deviation of the Gaussian whose half-power frequency is ``cutoff``.

    exp(-sigma^2 cutoff^2 / 2) = sqrt(1 / 2)
    """
    return math.sqrt(math.log(2)) / cutoff


def blur(image: Tensor, kernel: Tensor) -> Tensor:
    """Convolve each channel with ``kernel``, borders mirrored, by the convolution theorem.

    Args:
        image: ``(B, C, H, W)``, float32 or float64.
        kernel: ``(k, k)``, k odd, of the same type.

    Returns:
        Same shape and type.
    """
    reach = kernel.shape[0] // 2
    padded = resize.mirror_pad(image, (reach, reach), (reach, reach))
    height, width = (int(length) for length in padded.shape[-2:])
    size = (_fast_length(height), _fast_length(width))
    # Few rows of a kernel are not zero: only these are transformed along the rows.
    answer = torch.fft.fft(torch.fft.rfft(kernel, n=size[1]), n=size[0], dim=-2)
    whole: Tensor = torch.fft.irfft2(torch.fft.rfft2(padded, s=size) * answer, s=size)
    # The product delays by the kernel's centre twice over: once is the padding.
    return whole[..., 2 * reach : height, 2 * reach : width].contiguous()


@functools.cache
def _fast_length(length: int) -> int:
    """Return the least number from ``length`` on that has no prime factor above 5."""
    rest = length
    for factor in (2, 3, 5):
        while rest % factor == 0:
            rest //= factor
    return length if rest == 1 else _fast_length(length + 1)
