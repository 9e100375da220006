"""From a set of masks to the structural position encoding (pure tensors).

Rotary position embedding (RoPE, Su et al. 2021) of an all-ones picture gives each pixel a number;
each region is painted with the mean of that number, so that regions differ by where they lie.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from sam_diffsr_cli.choices import MaskNorm
from sam_diffsr_cli.errors import ShapeError

__all__ = ["paint_encoding", "rotary_field", "structural_position_encoding"]


ROPE_THETA = 10_000.0
"""Base of the rotary frequencies (Su et al. 2021, section 3.2.2)."""


def rotary_field(height: int, width: int) -> Tensor:
    """RoPE of ones, the row as position and the columns as feature pairs.

    With angle[y, k] = y * theta^(-2k/width): the even column 2k holds cos - sin, the odd column
    2k + 1 holds cos + sin. An odd last column is not rotated and stays 1.

    Returns:
        ``(height, width)`` float32, in [-sqrt(2), sqrt(2)].
    """
    pairs = width // 2
    exponents = torch.arange(pairs, dtype=torch.float64) * 2 / max(width, 1)
    angles = torch.arange(height, dtype=torch.float64)[:, None] * ROPE_THETA**-exponents
    rotated = torch.stack([angles.cos() - angles.sin(), angles.cos() + angles.sin()], dim=-1)
    field = torch.ones(height, width, dtype=torch.float64)
    field[:, : 2 * pairs] = rotated.reshape(height, 2 * pairs)
    return field.to(torch.float32)


def structural_position_encoding(masks: Tensor, norm: MaskNorm) -> Tensor:
    """Paint each region with the mean of the rotary field; later masks lie over earlier ones.

    ``image``: mean over the whole picture of field * mask, the released code, so that the value
    grows with the region's area. ``region``: mean of the field inside the region.

    Args:
        masks: ``(K, H, W)`` bool; K may be 0.
        norm: What the sum over a region is divided by.

    Returns:
        ``(H, W)`` float32; zero where no mask lies.

    Raises:
        ShapeError: ``masks`` is not ``(K, H, W)``.
    """
    if masks.dim() != 3:
        raise ShapeError(f"expected masks (K, H, W), got {tuple(masks.shape)}")
    return paint_encoding(masks, (masks.shape[1], masks.shape[2]), norm)


def paint_encoding(masks: Iterable[Tensor], size: tuple[int, int], norm: MaskNorm) -> Tensor:
    """Return ``structural_position_encoding`` of masks ``(H, W)`` that come one by one."""
    height, width = size
    field = rotary_field(height, width)
    encoding = torch.zeros_like(field)
    for mask in masks:
        area = height * width if norm == "image" else int(mask.sum())
        if area:
            value = field[mask].sum(dtype=torch.float64) / area
            encoding = torch.where(mask, value.to(torch.float32), encoding)
    return encoding
