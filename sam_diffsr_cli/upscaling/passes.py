"""Any size from passes of a fixed scale: how often the model runs, and the resizing in between.

Up to the model's own scale s there is one pass, then an antialiased shrink. Above, passes follow
each other, and the picture is shrunk before the last to 1/s of the size that is wanted, so that the
last pass meets what the model was trained on and gives the final size without another resampling.
Beyond the highest scale the rest is bicubic, and what is only shrunk sees no model.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image

from sam_diffsr_cli.mapped import let_go
from sam_diffsr_cli.mirroring import mirrored_indices, wrapped_indices
from sam_diffsr_cli.upscaling.sizes import HIGHEST_SCALE, Target, final_size

__all__ = ["PassPlan", "made_megapixels", "plan_passes", "resize_pixels"]

STRIP_BYTES = 32 << 20
SHRINK_SHARE = 0.01
"""Of the time that the model takes for a pixel it makes, about what resizing takes for one."""

REACH = 2
"""Support of the bicubic kernel, in output pixels when shrinking."""


class PassPlan(NamedTuple):
    """``passes`` of the model; before the last, a resize to ``middle`` (or none); then to ``size``.

    All sizes are ``(h, w)``. The result of the last pass is cut to ``cut``, of which the picture
    before the last pass shows all, and resized to ``size`` where that is another.
    """

    passes: int
    middle: tuple[int, int] | None
    cut: tuple[int, int]
    size: tuple[int, int]

    def areas(self, size: tuple[int, int], native: int) -> list[float]:
        """Return how many pixels each pass takes, of a picture of ``size``."""
        areas = [float(size[0] * size[1]) * native ** (2 * i) for i in range(self.passes)]
        if self.middle is not None:
            areas[-1] = float(self.middle[0] * self.middle[1])
        return areas

    def shares(self, size: tuple[int, int], native: int) -> list[float]:
        """Say which part of the work each pass is, by the pixels that it takes."""
        areas = self.areas(size, native)
        return [area / sum(areas) for area in areas]


def plan_passes(
    size: tuple[int, int],
    scale: float,
    native: int,
    wanted: tuple[int, int] | None = None,
    *,
    wrap: bool = False,
) -> PassPlan:
    """Plan how a picture is enlarged.

    Args:
        size: Its height and width.
        scale: About how many times; below 1 the model is not run.
        native: Scale of the model.
        wanted: Height and width of the result, None for ``scale`` times, rounded.
        wrap: The whole of the picture must be the whole of the result, without a partial pixel.
    """
    wanted = wanted or final_size(size, scale)
    if scale < 1:
        return PassPlan(0, None, size, wanted)
    full = wanted if scale <= HIGHEST_SCALE else final_size(size, HIGHEST_SCALE)
    passes = 1
    while native**passes < min(scale, HIGHEST_SCALE):
        passes += 1
    if passes == 1:
        return PassPlan(1, None, (native * size[0], native * size[1]), wanted)
    before = native ** (passes - 1)
    if full == (native * before * size[0], native * before * size[1]):
        return PassPlan(passes, None, full, wanted)
    height, width = (-(-length // native) for length in full)
    cut = (native * height, native * width) if wrap else full
    return PassPlan(passes, (height, width), cut, wanted)


def made_megapixels(target: Target, native: int) -> float:
    """Return how many megapixels a model of scale ``native`` makes on the way to a target.

    A shrink without the model counts ``SHRINK_SHARE`` of what it takes.
    """
    top, left, bottom, right = target.window
    size = bottom - top, right - left
    plan = plan_passes(size, target.factor, native, target.whole)
    if not plan.passes:
        return SHRINK_SHARE * size[0] * size[1] / 1e6
    return native**2 * sum(plan.areas(size, native)) / 1e6


def resize_pixels(
    pixels: np.ndarray,
    size: tuple[int, int],
    extent: tuple[float, float],
    allocate: Callable[[tuple[int, int, int]], np.ndarray],
    *,
    wrap: bool = False,
) -> np.ndarray:
    """Resize by antialiased bicubic, a strip of rows at a time.

    Args:
        pixels: ``(H, W, C)`` uint8 or uint16; may be mapped from a file.
        size: Height and width of the result.
        extent: Height and width that the whole of ``pixels`` takes in the result, in its pixels;
            equal to ``size``, or a fraction of a pixel less when the last row or column is partial.
        allocate: Makes the array of a given shape to write into.
        wrap: Beyond a border lies what is at the other one; else its mirror image.

    Returns:
        ``(*size, C)``, dtype of ``pixels``.
    """
    height, width = size
    result = allocate((height, width, pixels.shape[2]))
    ratios = pixels.shape[0] / extent[0], pixels.shape[1] / extent[1]
    extended = wrapped_indices if wrap else mirrored_indices
    across, (left, right) = _taps(0, width, ratios[1], pixels.shape[1], extended)
    rows = max(1, int(STRIP_BYTES / (4 * max(len(across), width) * max(1.0, ratios[0]))))
    for first in range(0, height, rows):
        last = min(first + rows, height)
        down, (top, bottom) = _taps(first, last, ratios[0], pixels.shape[0], extended)
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
    first: int, last: int, ratio: float, length: int, extended: Callable[..., np.ndarray]
) -> tuple[np.ndarray, tuple[float, float]]:
    """Source rows for results ``first..last``, extended, and where the results lie among them."""
    margin = math.ceil(REACH * max(ratio, 1.0)) + 1
    begin = math.floor(first * ratio) - margin
    end = math.ceil(last * ratio) + margin
    index = extended(length, max(0, -begin), max(0, end - length))
    kept = index[max(0, begin) : max(0, begin) + end - begin]
    return kept, (first * ratio - begin, last * ratio - begin)
