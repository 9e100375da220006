"""The masks of a photo as tensors."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from sam_diffsr_cli.masks.store import decode_masks

__all__ = ["iterate_masks", "read_masks"]


def read_masks(path: Path, size: tuple[int, int]) -> Tensor:
    """Read the masks of one photo, all at once.

    Returns:
        ``(K, H, W)`` bool, in file order.

    Raises:
        InputError: As ``iterate_masks``.
    """
    masks = list(iterate_masks(path, size))
    return torch.stack(masks) if masks else torch.zeros(0, *size, dtype=torch.bool)


def iterate_masks(path: Path, size: tuple[int, int]) -> Iterator[Tensor]:
    """Read the masks of one photo, one by one, ``(H, W)`` bool each; see ``decode_masks``."""
    return map(torch.from_numpy, decode_masks(path, size))
