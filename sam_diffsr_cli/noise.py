"""One noise field per seed and step, of any size, readable in any window.

The field is an endless plane of square blocks, each drawn from its own seed. A window is the same
numbers whatever tile asks for it, and no more of the field than the window is ever in memory.
"""

import torch
from torch import Tensor

from sam_diffsr_cli.device import derive_seed

__all__ = ["noise_window"]

BLOCK = 256
"""Side of a block, in output pixels. Changing it changes every result."""


def _block(seed: int, step: int, row: int, column: int) -> Tensor:
    generator = torch.Generator().manual_seed(derive_seed(seed, "noise", step, row, column))
    return torch.randn(3, BLOCK, BLOCK, generator=generator)


def noise_window(
    seed: int,
    step: int,
    rows: tuple[int, int],
    columns: tuple[int, int],
    period: tuple[int, int] | None = None,
) -> Tensor:
    """Return a window of the field of one step.

    Args:
        seed: Of the run.
        step: Which field; each is independent of the others.
        rows: ``(start, stop)`` in output pixels, start < stop, and 0 <= start without a period.
        columns: ``(start, stop)``, likewise.
        period: Height and width after which the field repeats, in output pixels; None for never.

    Returns:
        Standard normal, ``(1, 3, stop - start, stop - start)``, float32, on the CPU.
    """
    if period is not None:
        bands = [
            torch.cat([_drawn(seed, step, band, part) for part in _parts(columns, period[1])], 3)
            for band in _parts(rows, period[0])
        ]
        return torch.cat(bands, dim=2)
    return _drawn(seed, step, rows, columns)


def _parts(span: tuple[int, int], period: int) -> list[tuple[int, int]]:
    """Cut a span of a row that repeats into spans of its first period."""
    parts, start = [], span[0]
    while start < span[1]:
        first = start % period
        last = min(period, first + span[1] - start)
        parts.append((first, last))
        start += last - first
    return parts


def _drawn(seed: int, step: int, rows: tuple[int, int], columns: tuple[int, int]) -> Tensor:
    """Put the window of a field that does not repeat together."""
    (top, bottom), (left, right) = rows, columns
    window = torch.empty(1, 3, bottom - top, right - left)
    for row in range(top // BLOCK, -(-bottom // BLOCK)):
        for column in range(left // BLOCK, -(-right // BLOCK)):
            y, x = row * BLOCK, column * BLOCK
            y0, y1 = max(top, y), min(bottom, y + BLOCK)
            x0, x1 = max(left, x), min(right, x + BLOCK)
            block = _block(seed, step, row, column)[:, y0 - y : y1 - y, x0 - x : x1 - x]
            window[0, :, y0 - top : y1 - top, x0 - left : x1 - left] = block
    return window
