"""Extending a row by its mirror image or by itself, as indices; needs no torch."""

import numpy as np

__all__ = ["mirrored_indices", "wrapped_indices"]


def mirrored_indices(length: int, before: int, after: int) -> np.ndarray:
    """Indices of a row extended by mirroring, the edge pixel repeated: ``c b a | a b c | c b a``.

    Works for any margin, also one longer than the row.

    Returns:
        ``(before + length + after,)`` int64, each in ``0 .. length - 1``.
    """
    phase = np.arange(-before, length + after, dtype=np.int64) % (2 * length)
    return np.minimum(phase, 2 * length - 1 - phase)


def wrapped_indices(length: int, before: int, after: int) -> np.ndarray:
    """Indices of a row extended by itself, as in a pattern that repeats: ``b c | a b c | a b``.

    Works for any margin, also one longer than the row.

    Returns:
        ``(before + length + after,)`` int64, each in ``0 .. length - 1``.
    """
    return np.arange(-before, length + after, dtype=np.int64) % length
