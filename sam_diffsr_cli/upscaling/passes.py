"""Any scale from passes of a fixed one: how often the model runs, and the resizing in between.

Up to the model's own scale s there is one pass, then an antialiased shrink. Above, passes follow
each other, and the picture is shrunk before the last to 1/s of the size that is wanted, so that the
last pass meets what the model was trained on and gives the final size without another resampling.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.mapped import let_go
from sam_diffsr_cli.mirroring import mirrored_indices

__all__ = ["HIGHEST_SCALE", "PassPlan", "check_scale", "final_size", "plan_passes", "resize_pixels"]

HIGHEST_SCALE = 16.0
STRIP_BYTES = 32 << 20
REACH = 2
"""Support of the bicubic kernel, in output pixels when shrinking."""


class PassPlan(NamedTuple):
    """``passes`` of the model; before the last, a resize to ``middle`` (or none); then to ``size``.

    ``middle`` and ``size`` are ``(h, w)``. ``shrink`` says that the result of the last pass is
    resized to ``size``; otherwise it is cut to it.
    """

    passes: int
    middle: tuple[int, int] | None
    size: tuple[int, int]
    shrink: bool

    def shares(self, size: tuple[int, int], native: int) -> list[float]:
        """Say which part of the work each pass is, by the pixels that it takes."""
        areas = [float(size[0] * size[1]) * native ** (2 * i) for i in range(self.passes)]
        if self.middle is not None:
            areas[-1] = float(self.middle[0] * self.middle[1])
        return [area / sum(areas) for area in areas]


def check_scale(scale: float) -> None:
    """Refuse a scale out of range.

    Raises:
        InputError: It is not within 1 to 16.
    """
    if not 1 <= scale <= HIGHEST_SCALE:
        raise InputError(f"--scale {scale:g}: allowed are 1 to {HIGHEST_SCALE:g}")


def final_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """Height and width after enlarging by ``scale``: rounded, at least 1."""
    height, width = (max(1, math.floor(length * scale + 0.5)) for length in size)
    return height, width


def plan_passes(size: tuple[int, int], scale: float, native: int) -> PassPlan:
    """Plan how a picture of ``size`` is enlarged ``scale`` times by a model of scale ``native``."""
    wanted = final_size(size, scale)
    passes = 1
    while native**passes < scale:
        passes += 1
    if passes == 1:
        return PassPlan(1, None, wanted, shrink=scale != native)
    full = native ** (passes - 1)
    height, width = (-(-length // native) for length in wanted)
    is_whole = wanted == (native * full * size[0], native * full * size[1])
    return PassPlan(passes, None if is_whole else (height, width), wanted, shrink=False)


def resize_pixels(
    pixels: np.ndarray,
    size: tuple[int, int],
    extent: tuple[float, float],
    allocate: Callable[[tuple[int, int, int]], np.ndarray],
) -> np.ndarray:
    """Shrink by antialiased bicubic, a strip of rows at a time, borders mirrored.

    Args:
        pixels: ``(H, W, C)`` uint8 or uint16; may be mapped from a file.
        size: Height and width of the result.
        extent: Height and width that the whole of ``pixels`` takes in the result, in its pixels;
            equal to ``size``, or a fraction of a pixel less when the last row or column is partial.
        allocate: Makes the array of a given shape to write into.

    Returns:
        ``(*size, C)``, dtype of ``pixels``.
    """
    height, width = size
    result = allocate((height, width, pixels.shape[2]))
    ratios = pixels.shape[0] / extent[0], pixels.shape[1] / extent[1]
    across, (left, right) = _taps(0, width, ratios[1], pixels.shape[1])
    rows = max(1, int(STRIP_BYTES / (4 * len(across) * max(1.0, ratios[0]))))
    for first in range(0, height, rows):
        last = min(first + rows, height)
        down, (top, bottom) = _taps(first, last, ratios[0], pixels.shape[0])
        strip = pixels[down]
        for channel in range(pixels.shape[2]):
            plane = Image.fromarray(strip[:, across, channel].astype(np.float32))
            resized = plane.resize(
                (width, last - first), Image.Resampling.BICUBIC, box=(left, top, right, bottom)
            )
            levels = np.asarray(resized).round().clip(0, np.iinfo(pixels.dtype).max)
            result[first:last, :, channel] = levels
        let_go(pixels)
        let_go(result)
    return result


def _taps(
    first: int, last: int, ratio: float, length: int
) -> tuple[np.ndarray, tuple[float, float]]:
    """Source rows for results ``first..last``, mirrored, and where the results lie among them."""
    margin = math.ceil(REACH * max(ratio, 1.0)) + 1
    begin = math.floor(first * ratio) - margin
    end = math.ceil(last * ratio) + margin
    index = mirrored_indices(length, max(0, -begin), max(0, end - length))
    kept = index[max(0, begin) : max(0, begin) + end - begin]
    return kept, (first * ratio - begin, last * ratio - begin)
