"""The geometric self-ensemble: the mean of the answers to a picture mirrored and turned.

A network that learnt from photos in all orientations answers to each a little differently; their
mean is nearer to the truth than one of them (Lim et al. 2017).
"""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

__all__ = ["mean_turned_back", "orientations"]

COLUMNS, ROWS, TURNED = 1, 2, 4
"""Bits of an orientation's number: columns mirrored, rows mirrored, then the two exchanged."""


def orientations(image: Tensor, count: int) -> Iterator[Tensor]:
    """Give a picture in ``count`` orientations but for its own, which is the first of them.

    Args:
        image: ``(B, C, h, w)``.
        count: 1, 2 (columns mirrored), 4 (rows too) or 8 (and the two exchanged).

    Yields:
        ``count - 1`` pictures, channels last; from the fourth on ``(B, C, w, h)``.
    """
    for number in range(1, count):
        turned = image
        if number & COLUMNS:
            turned = turned.flip(-1)
        if number & ROWS:
            turned = turned.flip(-2)
        if number & TURNED:
            turned = turned.transpose(-1, -2)
        yield turned.contiguous(memory_format=torch.channels_last)


def mean_turned_back(first: Tensor, others: Iterable[Tensor]) -> Tensor:
    """Return the mean of a picture and of those in the other orientations, turned as it is.

    Args:
        first: ``(B, C, H, W)``.
        others: Of the numbers 1, 2 ..., as ``orientations`` gives them.

    Returns:
        ``(B, C, H, W)``, float32.
    """
    total, count = first.float().clone(), 1
    for number, turned in enumerate(others, 1):
        back = turned
        if number & TURNED:
            back = back.transpose(-1, -2)
        if number & ROWS:
            back = back.flip(-2)
        if number & COLUMNS:
            back = back.flip(-1)
        total += back
        count += 1
    return total / count
