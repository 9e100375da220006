"""The ``photo`` degradation: what cameras, web pages and messengers do to a picture.

Blur, noise, shrinking, noise again, then one or two compressions whose grids do not agree. Each
crop is made from its own generator, so that nothing but its seed decides it.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sam_diffsr_cli.degradation import codecs
from sam_diffsr_cli.degradation.kernels import (
    blur,
    gaussian_kernel,
    half_power_sigma,
    mixed_kernel,
    sinc_kernel,
)
from sam_diffsr_cli.degradation.levels import (
    CLEAN,
    MOST_BLUR,
    MOST_COMPRESSION,
    MOST_NOISE,
    Levels,
    compression_of,
)
from sam_diffsr_cli.degradation.separable import (
    apply_separable,
    downscale_levels,
    gaussian_matrix,
    shrink_matrix,
)

__all__ = [
    "GRID",
    "Degraded",
    "Noise",
    "add_noise",
    "clean_twin",
    "compress_crop",
    "degrade_photo",
    "shrink",
]

GRID = 8
"""Pixels that a window loses at each side, so that its compression grid lies anywhere."""

BLUR_SHARE, SINC_SHARE, ROUND_SHARE = 0.7, 0.08, 0.65
"""How many draws are blurred; of these, by a sinc; of the rest, by a round Gaussian."""
LEAST_SIGMA, MOST_SIGMA = 0.075, 0.55
"""Of the blur, in pixels of the low-resolution photo."""
SINC_CUTOFFS = (math.pi / 5, math.pi / 2)
"""Radians a pixel of the original, at x4."""

NOISE_SHARE, FINE_SHARE = 0.65, 0.2
"""How many draws are noisy; of these, how many before the photo is shrunk."""
FINE_GAIN = 3.5
"""Noise before shrinking by 4 is about this much stronger than what is left of it."""
GRAY_SHARE, POISSON_SHARE, GRAINY_SHARE = 0.4, 0.25, 0.3
"""Of noise: the same in all channels; growing with the light; correlated between neighbours."""
STRONG_SHARE, USUAL_NOISE = 0.12, (1.0, 12.0)

CODEC_SHARE, TWICE_SHARE, WEBP_SHARE = 0.85, 0.4, 0.07
FINE_QUALITY, POOR_QUALITY = (60, 98), (round(100 * (1 - MOST_COMPRESSION)), 60)
"""Half of the compressions each."""
SUBSAMPLING_SHARES = (0.2, 0.15, 0.65)

SHRINK_SHARES = {"bicubic": 0.6, "area": 0.15, "bilinear": 0.15, "uint8": 0.1}


@dataclass(frozen=True, slots=True)
class Degraded:
    """A low-resolution crop, ``(3, h, w)`` float32 of whole levels in 0..255, and its levels."""

    lr: Tensor
    levels: Levels


@dataclass(frozen=True, kw_only=True, slots=True)
class Noise:
    """Noise of standard deviation ``sigma``, 8-bit levels.

    ``gray``: the same in all channels. ``poisson``: its variance follows the light, ``sigma`` being
    that of full white. ``grain``: blurred by that many pixels and brought back to its strength.
    """

    sigma: float
    gray: bool = False
    poisson: bool = False
    grain: float = 0.0


def add_noise(image: Tensor, noise: Noise, rng: np.random.Generator) -> Tensor:
    """Return ``image``, ``(B, C, H, W)`` in 0..255, with noise; not clipped."""
    shape = (*image.shape[:1], 1 if noise.gray else image.shape[1], *image.shape[2:])
    drawn = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
    if noise.grain:
        drawn = _grainy(drawn, noise.grain)
    strength: Tensor | float = noise.sigma
    if noise.poisson:
        light = image.mean(dim=1, keepdim=True) if noise.gray else image
        strength = noise.sigma * (light.clamp(0, 255) / 255).sqrt()
    return image + strength * drawn


def _grainy(drawn: Tensor, sigma: float) -> Tensor:
    """Blur noise of strength 1, and bring it back to that."""
    rows, columns = (gaussian_matrix(int(length), sigma) for length in drawn.shape[-2:])
    taps = gaussian_kernel(sigma)
    return apply_separable(drawn, rows, columns) / taps.square().sum().sqrt()


def shrink(image: Tensor, scale: int, kind: str) -> Tensor:
    """Shrink ``(B, C, H, W)``, sides multiples of ``scale``, by one of ``SHRINK_SHARES``."""
    if kind == "uint8":
        return downscale_levels(image.clamp(0, 255).round(), scale)
    rows, columns = (shrink_matrix(int(length), scale, kind) for length in image.shape[-2:])
    return apply_separable(image, rows, columns)


def clean_twin(hr: Tensor, scale: int) -> Degraded:
    """Shrink ``(3, H, W)`` uint8 by MATLAB's bicubic and do nothing else."""
    return Degraded(downscale_levels(hr[None].float(), scale)[0], CLEAN)


def degrade_photo(hr: Tensor, scale: int, rng: np.random.Generator) -> Degraded:
    """Shrink a crop as the world does.

    Args:
        hr: ``(3, H, W)`` uint8, sides multiples of ``scale``; at most ``GRID`` low-resolution
            pixels at the top and left are left uncompressed by the place of the grid, so the caller
            cuts its crop out of the middle.
        scale: Factor.
        rng: Decides everything.

    Returns:
        The low-resolution crop, ``(3, H / scale, W / scale)``, and how dirty it is.
    """
    is_gray = bool((hr[0] == hr[1]).all() and (hr[1] == hr[2]).all())
    blurring = _draw_blur(scale, rng)
    lr, std = _noisy_shrunk(hr[None].float(), blurring, scale, rng, is_gray=is_gray)
    pixels = lr.clamp(0, 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    compression = 0.0
    if rng.random() < CODEC_SHARE:
        pixels, quality = compress_crop(pixels, rng, is_gray=is_gray)
        compression = compression_of(quality)
    levels = Levels(
        compression, min(1.0, std / MOST_NOISE), min(1.0, blurring.sigma / (scale * MOST_BLUR))
    )
    return Degraded(torch.from_numpy(pixels.copy()).permute(2, 0, 1).float(), levels)


@dataclass(frozen=True, slots=True)
class _Blur:
    """Of standard deviation ``sigma``, pixels of the original, or none where that is 0.

    ``kernel`` is that of what is no round Gaussian.
    """

    sigma: float = 0.0
    kernel: Tensor | None = None

    def apply(self, image: Tensor) -> Tensor:
        """Blur ``(B, C, H, W)``."""
        if self.kernel is not None:
            return blur(image, self.kernel)
        return blur(image, gaussian_kernel(self.sigma)) if self.sigma else image


def _draw_blur(scale: int, rng: np.random.Generator) -> _Blur:
    if rng.random() >= BLUR_SHARE:
        return _Blur()
    if rng.random() < SINC_SHARE:
        cutoff = rng.uniform(*SINC_CUTOFFS) * 4 / scale
        return _Blur(half_power_sigma(cutoff), sinc_kernel(21, cutoff))
    sigma = scale * rng.uniform(LEAST_SIGMA, MOST_SIGMA)
    if rng.random() < ROUND_SHARE:
        return _Blur(sigma)
    stretch = rng.uniform(1.0, 2.5)
    sigmas = (sigma * math.sqrt(stretch), sigma / math.sqrt(stretch))
    size = 2 * math.ceil(3 * sigmas[0]) + 1
    return _Blur(sigma, mixed_kernel(size, sigmas, rng.uniform(0, math.pi)))


def _blur_and_shrink(image: Tensor, blurring: _Blur, scale: int, kind: str) -> Tensor:
    """Return ``shrink`` of the blurred image, in one step where both are separable."""
    if kind == "uint8" or blurring.kernel is not None or not blurring.sigma:
        return shrink(blurring.apply(image), scale, kind)
    matrices = (shrink_matrix(int(length), scale, kind) for length in image.shape[-2:])
    rows, columns = (m @ gaussian_matrix(m.shape[1], blurring.sigma) for m in matrices)
    return apply_separable(image, rows, columns)


def _noisy_shrunk(
    image: Tensor, blurring: _Blur, scale: int, rng: np.random.Generator, *, is_gray: bool
) -> tuple[Tensor, float]:
    """Blur and shrink, with noise between or after, or none; return what it came to as well."""
    kind = str(rng.choice(list(SHRINK_SHARES), p=list(SHRINK_SHARES.values())))
    plain = _blur_and_shrink(image, blurring, scale, kind)
    if rng.random() >= NOISE_SHARE:
        return plain[0], 0.0
    strong = rng.random() < STRONG_SHARE
    low, high = (USUAL_NOISE[1], MOST_NOISE) if strong else USUAL_NOISE
    sigma = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    noise = Noise(
        sigma=sigma,
        gray=is_gray or rng.random() < GRAY_SHARE,
        poisson=rng.random() < POISSON_SHARE,
        grain=rng.uniform(0.35, 0.8) if rng.random() < GRAINY_SHARE else 0.0,
    )
    if rng.random() < FINE_SHARE:
        fine = Noise(sigma=sigma * FINE_GAIN * scale / 4, gray=noise.gray, poisson=noise.poisson)
        noisy = _blur_and_shrink(add_noise(blurring.apply(image), fine, rng), _Blur(), scale, kind)
    else:
        noisy = add_noise(plain, noise, rng)
    return noisy[0], float((noisy - plain).std())


def compress_crop(
    pixels: np.ndarray, rng: np.random.Generator, *, is_gray: bool
) -> tuple[np.ndarray, int]:
    """Compress once or twice, the grid anywhere; return the lowest quality too.

    Args:
        pixels: ``(h, w, 3)`` uint8; up to ``GRID - 1`` rows and columns at the top and left, which
            the shifted grid leaves out, come back as they were.
        rng: Decides.
        is_gray: All channels are the same, and stay so.
    """
    result, lowest, place = pixels.copy(), 100, [0, 0]
    for _ in range(1 + (rng.random() < TWICE_SHARE)):
        place = [int(rng.integers(each, min(GRID, *pixels.shape[:2]))) for each in place]
        quality = int(rng.integers(*(FINE_QUALITY if rng.random() < 0.5 else POOR_QUALITY)))
        window = np.ascontiguousarray(result[place[0] :, place[1] :])
        if is_gray:
            packed = codecs.jpeg(np.ascontiguousarray(window[..., 0]), quality)
            packed = np.repeat(packed[..., None], 3, axis=2)
        elif rng.random() < WEBP_SHARE:
            packed = codecs.webp(window, quality)
        else:
            kind = codecs.SUBSAMPLINGS[int(rng.choice(3, p=SUBSAMPLING_SHARES))]
            packed = codecs.jpeg(window, quality, kind)
        result[place[0] :, place[1] :] = packed
        lowest = min(lowest, quality)
    return result, lowest
