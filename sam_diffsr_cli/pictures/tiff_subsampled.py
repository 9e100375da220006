"""YCbCr without compression, which no library here unpacks (TIFF 6.0, section 21)."""

from typing import BinaryIO

import numpy as np

from sam_diffsr_cli.pictures.directories import Directory

__all__ = ["read_subsampled"]

WIDTH, LENGTH, STRIP_OFFSETS, ROWS_PER_STRIP = 256, 257, 273, 278
PLANAR_TAG, SUBSAMPLING, TILE_OFFSETS = 284, 530, 324
USUAL_SUBSAMPLING = (2, 2)


def read_subsampled(file: BinaryIO, directory: Directory) -> np.ndarray:
    """Read a page of 8 bits whose colours have fewer samples than its brightness.

    A unit is a block of Y, row by row, then one Cb and one Cr; they are spread over the block.

    Returns:
        ``(H, W, 3)`` uint8: Y, Cb, Cr.

    Raises:
        ValueError: It is laid out in another way, or cut short.
    """
    height, width = directory.number(LENGTH), directory.number(WIDTH)
    across, down = directory.numbers(SUBSAMPLING)[:2] or USUAL_SUBSAMPLING
    rows = min(directory.number(ROWS_PER_STRIP, height) or height, height)
    offsets = directory.numbers(STRIP_OFFSETS)
    is_known = {across, down} <= {1, 2, 4} and directory.number(PLANAR_TAG, 1) == 1
    if not is_known or directory.numbers(TILE_OFFSETS) or len(offsets) * rows < height:
        raise ValueError("its YCbCr is laid out in a way that is not supported")
    levels = np.empty((height, width, 3), dtype=np.uint8)
    for first, offset in zip(range(0, height, rows), offsets, strict=False):
        count = min(rows, height - first)
        units = (-(-count // down), -(-width // across))
        size = units[0] * units[1] * (across * down + 2)
        file.seek(offset)
        data = file.read(size)
        if len(data) < size:
            raise ValueError("it is cut short")
        blocks = np.frombuffer(data, dtype=np.uint8).reshape(*units, across * down + 2)
        levels[first : first + count] = _spread(blocks, across, down)[:count, :width]
    return levels


def _spread(blocks: np.ndarray, across: int, down: int) -> np.ndarray:
    """Turn units, ``(h, w, n + 2)``, into ``(h * down, w * across, 3)``."""
    h, w = blocks.shape[:2]
    y = blocks[..., :-2].reshape(h, w, down, across).swapaxes(1, 2).reshape(h * down, w * across)
    colours = blocks[..., -2:].repeat(down, axis=0).repeat(across, axis=1)
    return np.concatenate([y[..., None], colours], axis=2)
