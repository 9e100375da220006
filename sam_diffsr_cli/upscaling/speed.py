"""A rough answer to how long it will take, before it is begun."""

import statistics
import time

import numpy as np

from sam_diffsr_cli.sampling_config import SamplingConfig
from sam_diffsr_cli.tiling import plan_tiles
from sam_diffsr_cli.upscaling.frames import UpscaleRun, enlarge_frame
from sam_diffsr_cli.upscaling.model import Upscaler
from sam_diffsr_cli.upscaling.tiles import context_margin

__all__ = ["seconds_per_megapixel", "tile_overlap"]

SIDE = 64
"""Of the picture that is timed, in input pixels."""

ROUNDS = 3
"""The median of so many counts: one that was held up would be multiplied by all the work."""


def seconds_per_megapixel(
    upscaler: Upscaler, sampling: SamplingConfig, scale: float, side: float
) -> float:
    """Time a small picture several times without steps and with one, and extrapolate.

    Args:
        upscaler: The loaded model.
        sampling: Steps and tile.
        scale: Times as high and wide.
        side: Of a usual picture, in input pixels, for the context that its tiles compute twice.

    Returns:
        Seconds per megapixel of output at ``scale``, without reading and writing.
    """
    pixels = np.full((SIDE, SIDE, 3), 128, dtype=np.uint8)

    def time_of(steps: int) -> float:
        small = SamplingConfig(steps=steps, seed=sampling.seed, tile=0)
        run = UpscaleRun(upscaler=upscaler, sampling=small, scale=scale)
        began = time.perf_counter()
        enlarge_frame(run, pixels)
        return time.perf_counter() - began

    counts = (0, 1) if sampling.steps else (0,)
    # In turn, so that what else the machine does meets all; the first round warms up.
    rounds = [[time_of(steps) for steps in counts] for _ in range(1 + ROUNDS)][1:]
    still, *stepped = map(statistics.median, zip(*rounds, strict=True))
    step = max(0.0, stepped[0] - still) if stepped else 0.0
    overlap = tile_overlap(upscaler, sampling, side)
    return float(overlap * (still + sampling.steps * step) / (SIDE * SIDE * scale**2 / 1e6))


def tile_overlap(upscaler: Upscaler, sampling: SamplingConfig, side: float) -> float:
    """Return the pixels that are computed over those of a square picture of this side: 1 or more.

    Tiles compute their context, too, each by itself.
    """
    multiple, length = upscaler.config.size_multiple, max(1, round(side))
    length += -length % multiple
    tiles = plan_tiles((length, length), sampling.tile, context_margin(sampling.steps), multiple)
    return sum(tile.area for tile in tiles) / length**2
