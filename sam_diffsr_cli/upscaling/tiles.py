"""The model run over a photo tile by tile, in bounded memory.

Every tile sees the same noise and enough context, so the plan of tiles does not show in the result.
When memory runs out a tile is cut in four; when numbers overflow it is computed again in fp32.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from sam_diffsr_cli.choices import Precision
from sam_diffsr_cli.config import FEATURE_STRIDE, ModelConfig
from sam_diffsr_cli.degradation.levels import CLEAN, Levels
from sam_diffsr_cli.device import free_memory, memory_errors, number_format
from sam_diffsr_cli.diffusion.residual import detail_weights, fade_chroma, residual_to_image
from sam_diffsr_cli.diffusion.schedule import Schedule
from sam_diffsr_cli.errors import ResourceError, WeightsError
from sam_diffsr_cli.networks.model import Condition
from sam_diffsr_cli.noise import noise_window
from sam_diffsr_cli.sampling import reverse_process
from sam_diffsr_cli.sampling_config import SamplingConfig
from sam_diffsr_cli.tiling import Tile, halve_tile, plan_tiles
from sam_diffsr_cli.upscaling.chain import Chain, make_chain
from sam_diffsr_cli.upscaling.ensemble import mean_turned_back, orientations
from sam_diffsr_cli.upscaling.model import Upscaler

__all__ = ["Progress", "choose_tile", "context_margin", "enlarge_tiles"]

Progress = Callable[[float], None]
Notify = Callable[[str], None]

TILES: tuple[int, ...] = (512, 384, 256, 192, 128, 96, 64)
LEAST_TILE = 32
"""Tiles that run out of memory are not cut below this side, in input pixels."""

HOST_TILE = 256
"""The usual tile on the CPU, whatever memory is free, so that results do not follow it."""

MEMORY_SHARE, MOST_HOST_BYTES = 0.5, 1_500_000_000
"""What a tile may take of the memory that is free, and of the host's at most."""

REUSED = 0.5
"""Of its activations, what the folded network takes at once on the CPU: 3.7 kB for a pixel of the
bundled model in fp32, where 9.3 kB are made."""

MARGINS = ((0, 32), (8, 48), (30, 64))
LARGEST_MARGIN = 96
"""Context by number of steps. Measured by ``tests.workshop.benchmarks.measure_tiles`` on the
bundled model, tile 64 against one piece, in 8-bit levels at most: 0 with no steps, 0.0009 with 6,
0.0003 with 10, 0.009 with 25 ancestral ones."""


class _NotFiniteError(Exception):
    """Some values overflowed or are not numbers."""


def context_margin(steps: int) -> int:
    """Pixels of context that a tile needs on each side, in input pixels."""
    return next((margin for most, margin in MARGINS if steps <= most), LARGEST_MARGIN)


def choose_tile(upscaler: Upscaler, steps: int, workers: int = 1) -> int:
    """Choose the side of a tile, in input pixels, by the memory that is free now.

    On the CPU it is ``HOST_TILE`` unless memory is short: results differ, in a few values, with the
    tile.

    Args:
        upscaler: The model, on its device.
        steps: Of the chain.
        workers: Processes that share the device's memory.
    """
    free = free_memory(upscaler.device)
    if free is None:
        return HOST_TILE
    budget, tiles = MEMORY_SHARE * free / workers, TILES
    each = float(_bytes_per_pixel(upscaler.config, steps))
    if upscaler.device.type == "cpu":
        budget = min(budget, MOST_HOST_BYTES)
        tiles = tuple(tile for tile in TILES if tile <= HOST_TILE)
        each *= REUSED if upscaler.config.unet.kind == "folded" else 1
    margin = context_margin(steps)
    fitting = (tile for tile in tiles if (tile + 2 * margin) ** 2 * each <= budget)
    return next(fitting, tiles[-1])


def _bytes_per_pixel(config: ModelConfig, steps: int) -> int:
    """Estimate the memory of activations for one input pixel, in fp32."""
    images = 6 * 3 * config.scale**2
    features = config.encoder.num_condition_features
    if config.encoder.kind == "rrdb":
        values = images + features + 3 * config.encoder.num_feat * config.scale**2
    else:
        values = images + features + 6 * config.encoder.num_feat
    if steps:
        area = config.scale**2 if config.unet.kind == "full" else 1
        values = max(values, images + 2 * features + 16 * config.unet.widths[0] * area)
    return 4 * values


def enlarge_tiles(  # noqa: PLR0913, PLR0917 - what decides them
    upscaler: Upscaler,
    size: tuple[int, int],
    window_of: Callable[[Tile], Tensor],
    sampling: SamplingConfig,
    progress: Progress,
    notify: Notify,
    levels: Levels = CLEAN,
    period: tuple[int, int] | None = None,
) -> Iterator[tuple[Tile, Tensor]]:
    """Run the model over a photo.

    Args:
        upscaler: The loaded model.
        size: Height and width, multiples of the model's ``size_multiple``.
        window_of: Gives the context of a tile, ``(1, 3, h, w)`` float32 in [-1, 1] on the CPU.
        sampling: Steps, seed and tile.
        progress: Called with the share done, in (0, 1].
        notify: Called with sentences for the user.
        levels: How dirty the photo is, for an encoder that is told.
        period: Height and width after which the photo repeats, and the noise with it: tiles have
            context beyond its borders. None where it ends there.

    Yields:
        Each tile and its core, ``(3, H, W)`` float32 in [-1, 1] on the CPU.

    Raises:
        InputError: The chain has fewer steps than asked for.
        ResourceError: Memory ran out even for the smallest tile.
        WeightsError: The model gives values that are not finite, also in fp32.
    """
    chain = make_chain(upscaler.config, sampling, levels, period)
    multiple, margin = upscaler.config.size_multiple, context_margin(sampling.steps)
    wrap = period is not None
    waiting = plan_tiles(size, sampling.tile, margin, multiple, wrap=wrap)[::-1]
    most, total, done = max(size), size[0] * size[1], 0
    while waiting:
        tile = waiting.pop()
        parts = halve_tile(tile, size, margin, multiple, wrap=wrap)
        if tile.side > most and len(parts) > 1:
            waiting += parts[::-1]
            continue

        def tile_progress(share: float, area: int = tile.core_area, before: int = done) -> None:
            progress((before + share * area) / total)

        core: Tensor | None = None
        try:
            with memory_errors("close other programs, or use a device with more memory"):
                core = _tile_core(upscaler, window_of(tile), tile, chain, tile_progress)
        except ResourceError:
            most = max(part.side for part in parts)
            if most < LEAST_TILE or len(parts) == 1:
                raise
        if core is None:
            # Out of the handler, whose traceback holds on to the tensors.
            if upscaler.device.type == "cuda":
                torch.cuda.empty_cache()
            notify(f"memory ran out with tiles of {tile.side} pixels; going on with {most}")
            waiting += parts[::-1]
            continue
        done += tile.core_area
        yield tile, core


@torch.inference_mode()
def _tile_core(
    upscaler: Upscaler, window: Tensor, tile: Tile, chain: Chain, progress: Progress
) -> Tensor:
    """Compute a tile and cut off its context; again in fp32 when numbers overflow."""
    lr = window.to(upscaler.device, torch.float32).contiguous(memory_format=torch.channels_last)
    try:
        image = _tile_image(upscaler, lr, tile, chain, progress, upscaler.precision)
    except _NotFiniteError:
        try:
            image = _tile_image(upscaler, lr, tile, chain, progress, "fp32")
        except _NotFiniteError as error:
            raise WeightsError(
                "the model gives values that are not finite",
                hint="its weights are of no use; use others, or train longer",
            ) from error
    scale = upscaler.config.scale
    (top, bottom), (left, right) = (
        (scale * (span.start - span.first), scale * (span.stop - span.first)) for span in tile
    )
    # Cut and moved before anything else: some devices compute on strided views wrongly.
    return image[0, :, top:bottom, left:right].contiguous().cpu().clamp(-1, 1)


def _tile_image(  # noqa: PLR0913, PLR0917 - what decides it
    upscaler: Upscaler,
    lr: Tensor,
    tile: Tile,
    chain: Chain,
    progress: Progress,
    precision: Precision,
) -> Tensor:
    """Compute one tile with its context, ``(1, 3, H, W)``, in the given number format."""
    with number_format(precision, upscaler.device):
        condition = _condition(upscaler, lr, chain)
        if chain.schedule is None:
            progress(1.0)
            return condition.sr
        residual = _run_chain(upscaler, condition, tile, chain, chain.schedule, progress)
        diffusion = upscaler.config.diffusion
        if diffusion.sampling_flat:
            scale = upscaler.config.scale
            residual = residual * detail_weights(lr, diffusion.sampling_flat, scale)
        if chain.chroma < 1:
            residual = fade_chroma(residual, chain.chroma)
        if chain.share < 1:
            residual = residual * chain.share
        return residual_to_image(residual, condition.base, diffusion.residual_scale)


def _condition(upscaler: Upscaler, lr: Tensor, chain: Chain) -> Condition:
    """Encode a window, and prepare what all steps share, if there are any."""
    model, levels = upscaler.model, chain.levels.to(lr.device)
    stride = 0 if chain.schedule is None else FEATURE_STRIDE
    output = model.encode(lr, levels, stride)
    if chain.ensemble > 1:
        turned = (model.encode(each, levels, 0).sr for each in orientations(lr, chain.ensemble))
        output = output._replace(sr=mean_turned_back(output.sr, turned))
    # Before it is clipped, which would hide an infinity.
    _check_finite(output.sr)
    condition = model.condition_of(output, lr, is_clean=model.is_for_expert(levels))
    del output
    if chain.schedule is None:
        return condition
    return model.prepare(condition, distilled=chain.sampler == "distilled")


def _check_finite(values: Tensor) -> None:
    # An infinity or a value that is no number is one of the two.
    if not bool(torch.stack(values.aminmax()).isfinite().all()):
        raise _NotFiniteError


def _run_chain(  # noqa: PLR0913, PLR0917 - what decides it
    upscaler: Upscaler,
    condition: Condition,
    tile: Tile,
    chain: Chain,
    schedule: Schedule,
    progress: Progress,
) -> Tensor:
    """Run the reverse process on one tile and return its residual, ``(1, 3, H, W)``."""
    model = upscaler.model
    scale, is_distilled = model.config.scale, chain.sampler == "distilled"
    rows, columns = ((scale * span.first, scale * span.last) for span in tile)

    period = chain.period and (scale * chain.period[0], scale * chain.period[1])

    def draw_noise(field: int) -> Tensor:
        return noise_window(chain.seed, field, rows, columns, period).to(upscaler.device)

    def denoise(x_t: Tensor, t: Tensor) -> Tensor:
        eps = model.predict_eps(x_t, t, condition, schedule, distilled=is_distilled)
        # Before x_start is clipped, which would hide an infinity.
        _check_finite(eps)
        return eps

    # Field len(schedule) is where the chain starts; each step t > 0 adds field t.
    residual = draw_noise(len(schedule))
    if chain.deviation != 1:
        residual = residual * chain.deviation
    for step in reverse_process(denoise, residual, schedule, draw_noise, chain.sampler):
        residual = step.x
        progress(1 - step.t / len(schedule))
        # Its ``x_start`` is not kept while the next step is made.
        del step
    return residual
