"""The ``second-order`` degradation of Real-ESRGAN (Wang et al. 2021), by its published figures.

Two rounds of blur, resize, noise and JPEG, the second ended by a sinc filter before or after its
JPEG. The figures are those of the authors' options for training x4 networks.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from sam_diffsr_cli.degradation import codecs
from sam_diffsr_cli.degradation.kernels import blur, mixed_kernel, sinc_kernel
from sam_diffsr_cli.degradation.levels import MOST_BLUR, MOST_NOISE, Levels
from sam_diffsr_cli.degradation.photo import Degraded, Noise, add_noise
from sam_diffsr_cli.pictures.channels import BT601

__all__ = ["FIRST", "SECOND", "Round", "degrade_second_order"]

SIZES = tuple(range(7, 22, 2))
"""Sides of kernels, each as likely."""
SINC_SHARE, FINAL_SINC_SHARE = 0.1, 0.8
KINDS = ("iso", "aniso", "general iso", "general aniso", "plateau iso", "plateau aniso")
KIND_SHARES = (0.45, 0.25, 0.12, 0.03, 0.12, 0.03)
GENERAL_BETAS, PLATEAU_BETAS = (0.5, 4.0), (1.0, 2.0)
GRAY_SHARE, GAUSSIAN_SHARE = 0.4, 0.5
MODES = ("area", "bilinear", "bicubic")


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """One of the two rounds.

    Attributes:
        blurred: Share of the draws that are blurred.
        sigmas: Of the blur, pixels.
        resized: Shares of enlarging, shrinking and keeping.
        factors: By how much, least and most.
        noise: Standard deviations of Gaussian noise, 8-bit levels.
        poisson: Scales of Poisson noise.
        quality: Of JPEG.
    """

    blurred: float
    sigmas: tuple[float, float]
    resized: tuple[float, float, float]
    factors: tuple[float, float]
    noise: tuple[float, float]
    poisson: tuple[float, float]
    quality: tuple[int, int] = (30, 95)


FIRST = Round(
    blurred=1.0,
    sigmas=(0.2, 3.0),
    resized=(0.2, 0.7, 0.1),
    factors=(0.15, 1.5),
    noise=(1, 30),
    poisson=(0.05, 3.0),
)
SECOND = Round(
    blurred=0.8,
    sigmas=(0.2, 1.5),
    resized=(0.3, 0.4, 0.3),
    factors=(0.3, 1.2),
    noise=(1, 25),
    poisson=(0.05, 2.5),
)


def degrade_second_order(hr: Tensor, scale: int, rng: np.random.Generator) -> Degraded:
    """Degrade a crop in two rounds.

    Args:
        hr: ``(3, H, W)`` uint8, sides multiples of ``scale``.
        scale: Factor.
        rng: Decides everything.

    Returns:
        The low-resolution crop, ``(3, H / scale, W / scale)``. Of the levels, compression is that
        of the lower quality, noise and blur those of the second round, which the first is not
        above once the photo is shrunk.
    """
    size = (hr.shape[1] // scale, hr.shape[2] // scale)
    image = hr[None].float()
    image, _, _ = _blur_resize_noise(image, FIRST, (hr.shape[1], hr.shape[2]), 1.0, rng)
    first = int(rng.integers(FIRST.quality[0], FIRST.quality[1] + 1))
    image = _jpeg(image, first)
    image, sigma, noise = _blur_resize_noise(
        image, SECOND, (hr.shape[1], hr.shape[2]), 1 / scale, rng
    )
    second = int(rng.integers(SECOND.quality[0], SECOND.quality[1] + 1))
    final = _final_kernel(rng)
    mode = str(rng.choice(MODES))
    if rng.random() < 0.5:
        image = _jpeg(_finish(image, size, mode, final), second)
    else:
        image = _finish(_jpeg(image, second), size, mode, final).clamp(0, 255).round()
    levels = Levels(
        compression=(100 - min(first, second)) / 100,
        noise=min(1.0, noise / MOST_NOISE),
        blur=min(1.0, sigma / MOST_BLUR / scale),
    )
    return Degraded(image[0], levels)


def _blur_resize_noise(
    image: Tensor, how: Round, full: tuple[int, int], target: float, rng: np.random.Generator
) -> tuple[Tensor, float, float]:
    """Run a round but for its JPEG; return the blur and the noise as well.

    ``full`` is the size of the original, of which the resized one is ``target`` times a factor.
    """
    sigma = 0.0
    if rng.random() < how.blurred:
        sigma, kernel = _kernel(how, rng)
        image = blur(image, kernel)
    low, high = how.factors
    choice = int(rng.choice(3, p=how.resized))
    factor = (rng.uniform(1, high), rng.uniform(low, 1), 1.0)[choice]
    size = tuple(max(1, int(length * target * factor)) for length in full)
    image = _resize(image, (size[0], size[1]), str(rng.choice(MODES)))
    is_gray = rng.random() < GRAY_SHARE
    if rng.random() < GAUSSIAN_SHARE:
        noise = rng.uniform(*how.noise)
        noisy = add_noise(image, Noise(sigma=noise, gray=is_gray), rng)
    else:
        noisy = _poisson(image, rng.uniform(*how.poisson), is_gray, rng)
        noise = float((noisy - image).std())
    return noisy.clamp(0, 255).round(), sigma, noise


def _kernel(how: Round, rng: np.random.Generator) -> tuple[float, Tensor]:
    """Draw a kernel; return the standard deviation along its longer axis too, 0 for a sinc."""
    size = int(rng.choice(SIZES))
    if rng.random() < SINC_SHARE:
        return 0.0, sinc_kernel(size, _cutoff(size, rng))
    kind = str(rng.choice(KINDS, p=KIND_SHARES))
    sigma = rng.uniform(*how.sigmas)
    other, angle = sigma, 0.0
    if "aniso" in kind:
        other, angle = rng.uniform(*how.sigmas), rng.uniform(-math.pi, math.pi)
    beta = 1.0
    if "general" in kind:
        beta = _beta(*GENERAL_BETAS, rng)
    elif "plateau" in kind:
        beta = _beta(*PLATEAU_BETAS, rng)
    kernel = mixed_kernel(size, (sigma, other), angle, beta, plateau="plateau" in kind)
    return max(sigma, other), kernel


def _beta(low: float, high: float, rng: np.random.Generator) -> float:
    """Draw a shape, half of the time below 1."""
    return rng.uniform(low, 1) if rng.random() < 0.5 and low < 1 else rng.uniform(1, high)


def _cutoff(size: int, rng: np.random.Generator) -> float:
    return rng.uniform(math.pi / 3 if size < 13 else math.pi / 5, math.pi)


def _final_kernel(rng: np.random.Generator) -> Tensor | None:
    if rng.random() >= FINAL_SINC_SHARE:
        return None
    return sinc_kernel(int(rng.choice(SIZES)), rng.uniform(math.pi / 3, math.pi))


def _finish(image: Tensor, size: tuple[int, int], mode: str, kernel: Tensor | None) -> Tensor:
    image = _resize(image, size, mode)
    return image if kernel is None else blur(image, kernel)


def _resize(image: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    """Resize as OpenCV does, which is without antialiasing but for ``area``."""
    if mode == "area":
        return interpolate(image, size=size, mode="area")
    return interpolate(image, size=size, mode=mode, align_corners=False)


def _poisson(image: Tensor, scale: float, is_gray: bool, rng: np.random.Generator) -> Tensor:  # noqa: FBT001
    """Add shot noise: ``scale`` times what counting photons of as many levels as there are gives.

    The number of levels is rounded up to a power of two, as the authors do.
    """
    levels = image.round().clamp(0, 255) / 255
    if is_gray:
        luma = torch.tensor(BT601)[None, :, None, None]
        levels = (levels * luma).sum(dim=1, keepdim=True)
    values = len(np.unique(levels.mul(255).round().numpy()))
    counts = 2 ** math.ceil(math.log2(max(2, values)))
    drawn = rng.poisson((levels * counts).numpy()).astype(np.float32)
    noise = torch.from_numpy(drawn) / counts - levels
    noisy: Tensor = image + scale * 255 * noise
    return noisy


def _jpeg(image: Tensor, quality: int) -> Tensor:
    pixels = image[0].clamp(0, 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    packed = codecs.jpeg(pixels, quality)
    return torch.from_numpy(packed.copy()).permute(2, 0, 1)[None].float()
