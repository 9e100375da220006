"""Finding the places of a picture where methods differ most."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["CROPS", "SIDE", "Window", "pick_windows"]

CROPS, SIDE = 4, 64
"""How many places are picked, and how many pixels a side each has."""

STRIDE = 4
"""Places are tried this many pixels apart."""

ROWS = 64
"""Rows that are compared at a time."""


class Window(NamedTuple):
    """A rectangle of a picture, in pixels."""

    top: int
    left: int
    height: int
    width: int


def pick_windows(
    methods: Sequence[np.ndarray], truth: np.ndarray | None, *, count: int = CROPS, side: int = SIDE
) -> list[Window]:
    """Find the windows where methods differ most: from the truth, or without it from each other.

    The difference is that of squared levels, summed over channels, methods (or pairs of them) and
    the window. Windows do not overlap.

    Args:
        methods: Results of one picture, ``(H, W, 3)`` uint8, one or more.
        truth: Likewise, or None.
        count: Windows at most.
        side: Of a window; a smaller picture has smaller ones.

    Returns:
        The window that differs most first; none where nothing differs.
    """
    energy = _energy(methods, truth)
    height, width = min(side, energy.shape[0]), min(side, energy.shape[1])
    sums = _window_sums(energy, height, width)
    found: list[Window] = []
    while len(found) < count and sums.any():
        row, column = divmod(int(sums.argmax()), sums.shape[1])
        found.append(Window(row * STRIDE, column * STRIDE, height, width))
        # Those that would overlap it are out.
        rows, columns = -(-height // STRIDE), -(-width // STRIDE)
        sums[
            max(0, row - rows + 1) : row + rows, max(0, column - columns + 1) : column + columns
        ] = 0
    return found


def _energy(methods: Sequence[np.ndarray], truth: np.ndarray | None) -> np.ndarray:
    """Return the squared difference of each pixel, ``(H, W)`` int64, made some rows at a time."""
    height, width = methods[0].shape[:2]
    energy: np.ndarray = np.zeros((height, width), dtype=np.int64)
    for first in range(0, height, ROWS):
        rows = slice(first, first + ROWS)
        levels = np.stack([pixels[rows] for pixels in methods]).astype(np.int64)
        if truth is not None:
            squares = ((levels - truth[rows]) ** 2).sum(axis=0)
        else:
            # The squared differences of all pairs together, without going through the pairs.
            squares = len(methods) * (levels**2).sum(axis=0) - levels.sum(axis=0) ** 2
        energy[rows] = squares.sum(axis=2)
    return energy


def _window_sums(energy: np.ndarray, height: int, width: int) -> np.ndarray:
    """Sum over the window at every ``STRIDE`` pixels, by the running sums of rows and columns."""
    table = np.zeros((energy.shape[0] + 1, energy.shape[1] + 1), dtype=np.int64)
    table[1:, 1:] = energy.cumsum(axis=0).cumsum(axis=1)
    rows = np.arange(0, energy.shape[0] - height + 1, STRIDE)[:, None]
    columns = np.arange(0, energy.shape[1] - width + 1, STRIDE)[None]
    below, right = rows + height, columns + width
    sums: np.ndarray = (
        table[below, right] - table[rows, right] - table[below, columns] + table[rows, columns]
    )
    return sums
