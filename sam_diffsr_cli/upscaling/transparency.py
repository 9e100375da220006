"""Transparency: what the network is shown where nothing can be seen, and how alpha is enlarged."""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d, pad

__all__ = ["alpha_bounds", "fill_hidden"]


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
