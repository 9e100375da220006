"""Room for a result: in memory while it is small, mapped from an unnamed file when it is not."""

import math
import os
import tempfile
from pathlib import Path

import numpy as np

from sam_diffsr_cli.errors import DiskFullError, is_disk_full, os_error

__all__ = ["MAPPED_BYTES", "new_canvas"]

MAPPED_BYTES = 256 << 20
"""A result of more bytes than this lives in a file."""

BLOCK = bytes(1 << 20)


def new_canvas(
    shape: tuple[int, int, int], dtype: np.dtype[np.generic], folder: Path
) -> np.ndarray:
    """Make an array to write a result into.

    Args:
        shape: ``(H, W, C)``.
        dtype: uint8 or uint16.
        folder: Where the file is made when one is needed; it has no name, and is gone with the
            array or the process.

    Raises:
        DiskFullError: There is no space for the file.
        InputError: The file cannot be made.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size <= MAPPED_BYTES:
        return np.empty(shape, dtype=dtype)
    try:
        with tempfile.TemporaryFile(dir=folder, prefix=".samsr-") as file:
            # Space is taken now: a page that cannot be stored later would kill the process.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                for _ in range(-(-size // len(BLOCK))):
                    file.write(BLOCK)
                file.flush()
            return np.memmap(file, dtype=dtype, mode="r+", shape=shape)
    except OSError as error:
        if not is_disk_full(error):
            raise os_error(folder, error, "cannot hold a result") from error
        raise DiskFullError(
            f"{folder}: no space for a result of {size / 1e6:.0f} MB ({error.strerror})",
            hint="free some disk space",
        ) from error
