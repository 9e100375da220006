"""Arrays that are mapped from a file: what of them was used need not stay in memory."""

import mmap

import numpy as np

__all__ = ["let_go"]


def let_go(array: np.ndarray) -> None:
    """Give back the memory of an array that is mapped from a file, or is a view of one that is.

    Nothing is lost: the system keeps what was written, and reads what is asked for again. Arrays
    in memory, and systems without ``madvise``, stay as they are.
    """
    owner: object = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        owner.madvise(mmap.MADV_DONTNEED)
