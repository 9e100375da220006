"""Lossy compression of 8-bit pictures by the real codecs, in memory."""

import io
from typing import Literal

import numpy as np
from PIL import Image

__all__ = ["SUBSAMPLINGS", "Subsampling", "jpeg", "webp"]

Subsampling = Literal["4:4:4", "4:2:2", "4:2:0"]
SUBSAMPLINGS: tuple[Subsampling, ...] = ("4:4:4", "4:2:2", "4:2:0")


def jpeg(pixels: np.ndarray, quality: int, subsampling: Subsampling = "4:2:0") -> np.ndarray:
    """Compress and decompress by libjpeg.

    Args:
        pixels: ``(H, W, 3)``, or ``(H, W)`` for gray, uint8.
        quality: 1 to 100, of the IJG's tables.
        subsampling: Of the colour differences; gray has none.

    Returns:
        Same shape, uint8.
    """
    how = {"subsampling": subsampling} if pixels.ndim == 3 else {}
    return _through(pixels, "JPEG", quality=quality, **how)


def webp(pixels: np.ndarray, quality: int) -> np.ndarray:
    """Compress and decompress by libwebp, lossy.

    Args:
        pixels: ``(H, W, 3)`` uint8.
        quality: 0 to 100.

    Returns:
        Same shape, uint8.
    """
    return _through(pixels, "WEBP", quality=quality, method=0)


def _through(pixels: np.ndarray, kind: str, **options: object) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    with Image.open(buffer) as image:
        return np.asarray(image.convert("L" if pixels.ndim == 2 else "RGB"))
