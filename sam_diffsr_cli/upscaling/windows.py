"""Windows of a picture, with what lies beyond its borders, and where their results go."""

import numpy as np

from sam_diffsr_cli.config import ModelConfig
from sam_diffsr_cli.mapped import let_go
from sam_diffsr_cli.mirroring import mirrored_indices
from sam_diffsr_cli.tiling import Span, Tile

__all__ = ["Windows", "paste"]


class Windows:
    """Cuts the context of tiles out of pixels that are extended up to the size the model takes.

    They are mirrored, or repeated where the picture wraps.
    """

    def __init__(self, pixels: np.ndarray, config: ModelConfig, *, wrap: bool) -> None:
        self._pixels, self._wrap = pixels, wrap
        height, width = (length + _missing(length, config) for length in pixels.shape[:2])
        self.size = height, width
        """Height and width that tiles are planned for."""
        self.period = (pixels.shape[0], pixels.shape[1]) if wrap else None
        """Height and width after which the picture repeats; None where it does not."""

    def cut(self, tile: Tile) -> np.ndarray:
        """Return the tile with its context, ``(h, w, C)``."""
        rows, columns = (
            self._indices(length, span)
            for length, span in zip(self._pixels.shape, tile, strict=False)
        )
        window: np.ndarray = self._pixels[rows[:, None], columns]
        return window

    def _indices(self, length: int, span: Span) -> np.ndarray:
        if self._wrap:
            return np.arange(span.first, span.last) % length
        return mirrored_indices(length, 0, max(0, span.last - length))[span.first : span.last]

    def place(self, tile: Tile, scale: int) -> tuple[slice, slice]:
        """Where the tile's result lies in the canvas, without what only the mirror added."""
        height, width = self._pixels.shape[:2]
        return (
            slice(scale * tile.rows.start, scale * min(tile.rows.stop, height)),
            slice(scale * tile.columns.start, scale * min(tile.columns.stop, width)),
        )


def _missing(length: int, config: ModelConfig) -> int:
    """Pixels to add to an axis so that the networks can take it."""
    if length <= config.least_size:
        return config.least_size - length
    return -length % config.size_multiple


def paste(canvas: np.ndarray, place: tuple[slice, slice], unit: np.ndarray) -> None:
    """Write values in [0, 1], ``(H, W, C)`` or ``(H, W)``, as levels, cut to where they go."""
    target = canvas[place]
    levels = unit[: target.shape[0], : target.shape[1]] * np.iinfo(canvas.dtype).max
    target[...] = levels.round().clip(0, np.iinfo(canvas.dtype).max)
    let_go(canvas)
