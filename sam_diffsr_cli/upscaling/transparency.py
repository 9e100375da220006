"""Transparency: what the network is shown where nothing can be seen, and how alpha is enlarged."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d, pad

__all__ = ["alpha_bounds", "fill_hidden", "fill_levels", "unit_tensor"]

FILLED_AT_ONCE = 1 << 22
"""Larger pictures are first averaged in squares, so that the floats of all pixels never meet."""


def unit_tensor(levels: np.ndarray) -> Tensor:
    """Turn ``(h, w, C)`` levels into ``(1, C, h, w)`` float32 in [0, 1]."""
    floats = torch.from_numpy(levels.astype(np.float32))
    return floats.permute(2, 0, 1)[None] / float(np.iinfo(levels.dtype).max)


def fill_levels(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Fill the colours of wholly clear pixels, of a picture of any size; see ``fill_hidden``.

    Args:
        colour: ``(h, w, 1 or 3)``, uint8 or uint16; not changed.
        alpha: ``(h, w, 1)`` of the same dtype.

    Returns:
        ``colour`` with other levels where alpha is 0.
    """
    height, width = alpha.shape[:2]
    square = 1
    while height * width > FILLED_AT_ONCE * square**2:
        square *= 2
    means, weights = [], []
    for top in range(0, height, square):
        mean, weight = _average(colour[top : top + square], alpha[top : top + square], square)
        means.append(mean)
        weights.append(weight)
    filled = fill_hidden(torch.cat(means, dim=2), torch.cat(weights, dim=2))
    fill = filled[0].mul(np.iinfo(colour.dtype).max).round().permute(1, 2, 0).numpy()
    result = colour.copy()
    across = np.arange(width) // square
    for row in range(height):
        clear = alpha[row, :, 0] == 0
        result[row, clear] = fill[row // square][across[clear]]
    return result


def _average(colour: np.ndarray, alpha: np.ndarray, square: int) -> tuple[Tensor, Tensor]:
    """Average a band of one square's height, weighted by alpha; ``(1, C, 1, n)`` and weights."""
    if square == 1:
        return unit_tensor(colour), unit_tensor(alpha)
    weight, values = unit_tensor(alpha), unit_tensor(colour)
    missing = (0, -colour.shape[1] % square, 0, square - colour.shape[0])
    total = avg_pool2d(pad(weight, missing), square)
    return avg_pool2d(pad(values * weight, missing), square) / total.clamp(min=1e-12), total


def fill_hidden(colour: Tensor, alpha: Tensor) -> Tensor:
    """Fill the colours of wholly clear pixels from those around them, so that none leaks out.

    Colours are premultiplied and averaged over ever larger squares; a clear pixel takes from the
    smallest square that saw something.

    Args:
        colour: ``(1, C, h, w)`` float in [0, 1], not premultiplied.
        alpha: ``(1, 1, h, w)`` float in [0, 1].

    Returns:
        ``(1, C, h, w)``, equal to ``colour`` where alpha is above 0.
    """
    height, width = alpha.shape[-2:]
    if max(height, width) == 1 or bool((alpha > 0).all()):
        return colour
    odd = (0, width % 2, 0, height % 2)
    weight = avg_pool2d(pad(alpha, odd), 2)
    coarse = avg_pool2d(pad(colour * alpha, odd), 2) / weight.clamp(min=1e-12)
    filled = fill_hidden(coarse, (weight > 0).to(alpha.dtype))
    fill = interpolate(filled, scale_factor=2, mode="nearest")[..., :height, :width]
    return torch.where(alpha > 0, colour, fill)


def alpha_bounds(alpha: Tensor) -> tuple[Tensor, Tensor]:
    """Smallest and largest alpha among each pixel and its neighbours; see ``frames``.

    Args:
        alpha: ``(1, 1, h, w)``.

    Returns:
        Two tensors of that shape.
    """
    highest = max_pool2d(alpha, 3, stride=1, padding=1)
    lowest = -max_pool2d(-alpha, 3, stride=1, padding=1)
    return lowest, highest
