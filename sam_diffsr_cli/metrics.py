"""Measures of how far a result is from the truth."""

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from sam_diffsr_cli import resize
from sam_diffsr_cli.errors import ShapeError

__all__ = ["Colour", "detail", "likeness", "lr_psnr", "luma", "psnr", "psnr_y", "ssim"]

Colour = Literal["y", "rgb"]

WINDOW, DEVIATION = 11, 1.5
"""Side and standard deviation of the Gaussian window of structural similarity."""

LUMA = (65.481, 128.553, 24.966)
"""Of R, G and B in Y of ITU-R BT.601, 16 to 235, as MATLAB's ``rgb2ycbcr`` has them."""


def luma(pixels: np.ndarray) -> np.ndarray:
    """Return Y of BT.601, in 16 to 235, of ``(H, W, 3)`` uint8; float64, not rounded."""
    y: np.ndarray = 16 + pixels.astype(np.float64) @ np.array(LUMA) / 255
    return y


def psnr_y(sr: np.ndarray, hr: np.ndarray, shave: int) -> float:
    """Return ``psnr`` of Y."""
    return psnr(sr, hr, "y", shave)


def likeness(sr: np.ndarray, hr: np.ndarray, shave: int) -> dict[str, float]:
    """Return how like a result is to its truth, by the keys of ``measures.METRICS``.

    Args:
        sr: Result, ``(H, W, 3)`` uint8.
        hr: Truth, likewise.
        shave: Border left out, in pixels.

    Raises:
        ShapeError: Their sizes differ, or too little is left.
    """
    return {
        "psnr_y": psnr(sr, hr, "y", shave),
        "ssim_y": ssim(sr, hr, "y", shave),
        "psnr_rgb": psnr(sr, hr, "rgb", shave),
        "ssim_rgb": ssim(sr, hr, "rgb", shave),
    }


def psnr(sr: np.ndarray, hr: np.ndarray, colour: Colour, shave: int) -> float:
    """Peak signal-to-noise ratio: 10 log10(255^2 / mean((sr - hr)^2)).

    Args:
        sr: Result, ``(H, W, 3)`` uint8.
        hr: Truth, likewise.
        colour: Of Y of BT.601, or over the three channels together.
        shave: Pixels of border that are left out on each side.

    Returns:
        Decibels; infinity for equal pictures.

    Raises:
        ShapeError: The pictures differ in size, or nothing is left of them.
    """
    first, second = _planes(sr, hr, colour, shave)
    error = float(np.mean((first - second) ** 2))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def ssim(sr: np.ndarray, hr: np.ndarray, colour: Colour, shave: int) -> float:
    """Structural similarity (Wang et al. 2004, eq. 13): an 11x11 Gaussian window of deviation 1.5.

    The mean over the places where the window lies inside, and over the channels; K1 = .01,
    K2 = .03, L = 255.

    Args:
        sr: Result, ``(H, W, 3)`` uint8, at least 11 pixels a side without its border.
        hr: Truth, likewise.
        colour: Of Y of BT.601, or of each channel.
        shave: As in ``psnr``.

    Returns:
        At most 1, for equal pictures.

    Raises:
        ShapeError: As ``psnr``, or the window does not fit.
    """
    planes = [torch.from_numpy(p)[:, None] for p in _planes(sr, hr, colour, shave)]
    height, width = planes[0].shape[2:]
    if min(height, width) < WINDOW:
        border = f", which {shave} pixels of border leave of {sr.shape[1]}x{sr.shape[0]},"
        raise ShapeError(
            f"pictures of {width}x{height}{border if shave else ''} are too small for "
            f"the window of {WINDOW}x{WINDOW} of SSIM"
        )
    x, y = planes
    mean_x, mean_y = _blur(x), _blur(y)
    variance_x, variance_y = _blur(x * x) - mean_x**2, _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    top = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    below = (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    return float((top / below).mean())


def lr_psnr(sr: np.ndarray, lr: np.ndarray, scale: int) -> float:
    """Consistency: PSNR over RGB of the result, shrunk by MATLAB's bicubic, against the input.

    Args:
        sr: Result, ``(H, W, 3)`` uint8, H and W multiples of ``scale``.
        lr: Input, ``(H/s, W/s, 3)`` uint8.
        scale: Between them.

    Returns:
        Decibels; no border is left out.
    """
    levels = torch.from_numpy(sr.copy()).permute(2, 0, 1)[None].double()
    shrunk = resize.downscale_uint8(levels, scale)[0].permute(1, 2, 0).to(torch.uint8).numpy()
    return psnr(shrunk, lr, "rgb", 0)


def detail(sr: np.ndarray, hr: np.ndarray, scale: int) -> float:
    """Share of the truth's fine detail that the result has: 1 is as much, less is over-smoothed.

    The energy of Y, under a Hann window, at frequencies above the Nyquist frequency of the input,
    1 / (2 scale) cycles a pixel, where everything is made up; that of ``sr`` over that of ``hr``.
    Noise counts as detail: more than 1 is grain.

    Args:
        sr: Result, ``(H, W, 3)`` uint8.
        hr: Truth, likewise.
        scale: Between input and output.

    Returns:
        Not negative; infinity where the truth has no detail and the result has.
    """
    first, second = (_fine_energy(plane[0], scale) for plane in _planes(sr, hr, "y", 0))
    # What is left of a flat picture is the rounding of the transform.
    nothing = 1e-9 * hr.shape[0] * hr.shape[1]
    if second <= nothing:
        return 1.0 if first <= nothing else math.inf
    return first / second


def _fine_energy(plane: np.ndarray, scale: int) -> float:
    height, width = plane.shape
    window = np.hanning(height + 2)[1:-1, None] * np.hanning(width + 2)[None, 1:-1]
    spectrum = np.abs(np.fft.rfft2((plane - plane.mean()) * window)) ** 2
    rows, columns = np.fft.fftfreq(height), np.fft.rfftfreq(width)
    is_fine = np.maximum(np.abs(rows)[:, None], columns[None]) > 1 / (2 * scale)
    # All columns but the first, and the last of an even width, stand for two.
    weights = np.full(len(columns), 2.0)
    weights[0] = 1.0
    if width % 2 == 0:
        weights[-1] = 1.0
    return float((spectrum * weights)[is_fine].sum())


def _planes(
    sr: np.ndarray, hr: np.ndarray, colour: Colour, shave: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return what is compared, ``(C, H, W)`` float64, without the border."""
    if sr.shape != hr.shape or sr.ndim != 3 or sr.shape[2] != 3:
        raise ShapeError(f"cannot compare {sr.shape} with {hr.shape}, expected (H, W, 3) twice")
    if min(sr.shape[:2]) <= 2 * shave:
        raise ShapeError(f"nothing is left of {sr.shape} without {shave} pixels of border")
    inner = (slice(shave, sr.shape[0] - shave), slice(shave, sr.shape[1] - shave))
    pair = sr[inner], hr[inner]
    if colour == "y":
        return luma(pair[0])[None], luma(pair[1])[None]
    first, second = (np.ascontiguousarray(p.transpose(2, 0, 1), dtype=np.float64) for p in pair)
    return first, second


def _blur(planes: Tensor) -> Tensor:
    """Filter ``(C, 1, H, W)`` by the window, where it lies inside."""
    offsets = torch.arange(WINDOW, dtype=planes.dtype) - WINDOW // 2
    taps = torch.exp(-(offsets**2) / (2 * DEVIATION**2))
    taps = taps / taps.sum()
    rows = nn.functional.conv2d(planes, taps[None, None, :, None])
    return nn.functional.conv2d(rows, taps[None, None, None, :])
