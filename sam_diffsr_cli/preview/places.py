"""Which places of a picture are worth a look, found without enlarging it."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sam_diffsr_cli.pictures.channels import gray_of

__all__ = ["MARGIN", "Place", "most_changed", "pick_places"]

MARGIN = 8
"""Of it, what is only context and not shown, along each border that is not the picture's own."""

GRID = 4
"""So many places along each axis are asked how dirty they are."""


class Place(NamedTuple):
    """A rectangle of a picture, context included, and what it is worth a look for."""

    top: int
    left: int
    height: int
    width: int
    why: str

    def cut(self, pixels: np.ndarray) -> np.ndarray:
        """Return it of ``(h, w, C)`` pixels, a view."""
        return pixels[self.top : self.top + self.height, self.left : self.left + self.width]

    def shown(self, size: tuple[int, int]) -> tuple[slice, slice]:
        """Return what is shown of it, in its own pixels, in a picture of this height and width."""
        spans = ((self.top, self.height, size[0]), (self.left, self.width, size[1]))
        rows, columns = (
            slice(MARGIN if first else 0, length - (MARGIN if first + length < whole else 0))
            for first, length, whole in spans
        )
        return rows, columns


def pick_places(
    pixels: np.ndarray, dirt_of: Callable[[np.ndarray], float] | None, side: int
) -> list[Place]:
    """Pick the place of the finest detail, and the dirtiest one, or else a usual one.

    Args:
        pixels: ``(h, w, 3)`` uint8.
        dirt_of: Tells of ``(h, w, 3)`` pixels how dirty they are, 0 for not at all; or None.
        side: Of a place, context included; a smaller picture has smaller ones.

    Returns:
        One or two places that do not overlap; a picture of about ``side`` has one.
    """
    size = pixels.shape[0], pixels.shape[1]
    rows, columns = (_starts(length, side) for length in size)
    height, width = (min(side, length) for length in size)
    sums = _sums(lambda first, last: _fine_energy(pixels[first:last]), size, side)

    def place(index: tuple[int, int], why: str) -> Place:
        return Place(int(rows[index[0]]), int(columns[index[1]]), height, width, why)

    finest = place(_argmax(sums), "finest detail")
    apart = _apart(sums.shape, (rows, columns), finest)
    if not apart.any():
        return [finest]
    candidates = [index for index in _spread(sums.shape) if apart[index]]
    if dirt_of is not None and candidates:
        dirt = {index: dirt_of(place(index, "").cut(pixels)) for index in candidates}
        worst = max(dirt, key=lambda index: dirt[index])
        if dirt[worst] > 0:
            return [finest, place(worst, "most compression and noise")]
    usual = np.where(apart, np.abs(sums - np.median(sums)), np.inf)
    return [finest, place(_argmax(-usual), "a usual place")]


def most_changed(
    change: Callable[[int, int], np.ndarray], size: tuple[int, int], count: int, side: int
) -> list[Place]:
    """Pick the places where something changed most; they do not overlap.

    Args:
        change: Of rows ``first`` to ``last`` of the picture, their change, ``(rows, w)``.
        size: Height and width of the picture.
        count: Places at most.
        side: Of a place, context included; a smaller picture has smaller ones.
    """
    rows, columns = (_starts(length, side) for length in size)
    height, width = (min(side, length) for length in size)
    sums = _sums(change, size, side)
    found: list[Place] = []
    while len(found) < count and sums.max() > 0:
        row, column = _argmax(sums)
        found.append(Place(int(rows[row]), int(columns[column]), height, width, "changed most"))
        sums = np.where(_apart(sums.shape, (rows, columns), found[-1]), sums, 0)
    return found


def _starts(length: int, side: int) -> np.ndarray:
    """Spread places over an axis, half of one apart, the last at its end."""
    if length <= side:
        return np.zeros(1, dtype=np.int64)
    count = -(-2 * (length - side) // side) + 1
    return np.linspace(0, length - side, count).round().astype(np.int64)


def _fine_energy(pixels: np.ndarray) -> np.ndarray:
    """Return what each pixel's luma differs by from its neighbours', squared, ``(h, w)``."""
    luma = gray_of(pixels)
    energy = np.zeros_like(luma)
    energy[:, 1:] += np.diff(luma, axis=1) ** 2
    energy[1:] += np.diff(luma, axis=0) ** 2
    return energy


def _sums(
    energy_of: Callable[[int, int], np.ndarray], size: tuple[int, int], side: int
) -> np.ndarray:
    """Sum, over the place at each start, what is told of rows: one band of rows at a time."""
    rows, columns = (_starts(length, side) for length in size)
    height, width = (min(side, length) for length in size)
    bands = [energy_of(int(top), int(top) + height).sum(axis=0, dtype=np.float64) for top in rows]
    table = np.concatenate([np.zeros((len(rows), 1)), np.cumsum(bands, axis=1)], axis=1)
    sums: np.ndarray = table[:, columns + width] - table[:, columns]
    return sums


def _apart(
    shape: tuple[int, ...], starts: tuple[np.ndarray, np.ndarray], other: Place
) -> np.ndarray:
    """Say of each start whether the place there overlaps with another one."""
    down = np.abs(starts[0] - other.top) >= other.height
    across = np.abs(starts[1] - other.left) >= other.width
    return np.broadcast_to(down[:, None] | across[None], shape)


def _spread(shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """Choose starts spread over both axes."""
    axes = [sorted({round(x) for x in np.linspace(0, n - 1, min(n, GRID))}) for n in shape]
    return [(row, column) for row in axes[0] for column in axes[1]]


def _argmax(values: np.ndarray) -> tuple[int, int]:
    row, column = divmod(int(values.argmax()), values.shape[1])
    return row, column
