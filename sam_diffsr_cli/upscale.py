"""One photo in, one photo out: where model, sampling, noise and tiling meet."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sam_diffsr_cli import resize
from sam_diffsr_cli.checkpoints.registry import bundled_weights
from sam_diffsr_cli.checkpoints.store import load_weights
from sam_diffsr_cli.config import ModelConfig, SamplingConfig
from sam_diffsr_cli.data.images import Photo
from sam_diffsr_cli.device import memory_errors
from sam_diffsr_cli.diffusion.residual import residual_to_image
from sam_diffsr_cli.diffusion.schedule import (
    Schedule,
    make_schedule,
    respace,
    sampling_timesteps,
    widen_posterior,
)
from sam_diffsr_cli.errors import InputError, ShapeError
from sam_diffsr_cli.models.model import Condition, SuperResolver
from sam_diffsr_cli.noise import noise_window
from sam_diffsr_cli.sampling import reverse_process
from sam_diffsr_cli.tiling import Tile, plan_tiles

__all__ = ["Upscaler", "check_steps", "load_upscaler", "upscale_photo", "upscale_pixels"]

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Upscaler:
    """A loaded model on its device, ready to enlarge photos."""

    model: SuperResolver
    device: torch.device

    @property
    def config(self) -> ModelConfig:
        """How the model is built and run."""
        return self.model.config


def load_upscaler(weights: Path | None, device: torch.device) -> Upscaler:
    """Load a weights file, or the bundled default.

    Raises:
        WeightsError: The file is missing, damaged or not ours.
    """
    model = load_weights(bundled_weights() if weights is None else weights).model
    model = model.to(device).to(memory_format=torch.channels_last)
    return Upscaler(model.eval(), device)


def upscale_photo(
    upscaler: Upscaler, photo: Photo, sampling: SamplingConfig, progress: Progress
) -> Photo:
    """Enlarge a photo by the model's scale; what travels beside the pixels is kept.

    Args:
        upscaler: The loaded model.
        photo: Any size from 1x1.
        sampling: Steps, seed and tiles.
        progress: Called with the share done, in (0, 1].

    Returns:
        A photo exactly ``scale`` times as high and wide. The same seed gives the same pixels.

    Raises:
        InputError: The chain has fewer steps than asked for.
        ResourceError: Memory ran out.
    """
    with memory_errors("use a smaller --tile"):
        rgb = upscale_pixels(upscaler, photo.rgb, sampling, progress)
        alpha = None if photo.alpha is None else _upscale_alpha(photo.alpha, upscaler.config.scale)
    return Photo(rgb, alpha, photo.is_gray, photo.icc_profile, photo.exif)


def _upscale_alpha(alpha: np.ndarray, scale: int) -> np.ndarray:
    """Enlarge the transparency, uint8 ``(h, w)``, by bicubic."""
    levels = torch.from_numpy(alpha).to(torch.float32)[None, None]
    return resize.upscale_uint8(levels, scale)[0, 0].to(torch.uint8).numpy()


def upscale_pixels(
    upscaler: Upscaler, lr: np.ndarray, sampling: SamplingConfig, progress: Progress
) -> np.ndarray:
    """Enlarge pixels, uint8 RGB ``(h, w, 3)`` to ``(scale * h, scale * w, 3)``; see above."""
    if lr.ndim != 3 or lr.shape[2] != 3 or min(lr.shape) == 0 or lr.dtype != np.uint8:
        raise ShapeError(f"expected uint8 pixels (h, w, 3), got {lr.dtype} {lr.shape}")
    config = upscaler.config
    chain = _chain(config, sampling.steps)
    height, width = lr.shape[:2]
    levels = torch.from_numpy(lr).permute(2, 0, 1)
    levels = resize.mirror_pad(levels, (0, _missing(height, config)), (0, _missing(width, config)))
    tiles = plan_tiles(
        (levels.shape[1], levels.shape[2]), sampling.tile, sampling.halo, config.size_multiple
    )
    # As large as the padded photo, so that each tile is pasted without special cases; cut at last.
    scale = config.scale
    sr = np.empty((scale * levels.shape[1], scale * levels.shape[2], 3), dtype=np.uint8)
    total, done = sum(tile.area for tile in tiles), 0
    for tile in tiles:

        def tile_progress(share: float, area: int = tile.area, before: int = done) -> None:
            progress((before + share * area) / total)

        rows, columns = ([scale * edge for edge in span] for span in tile)
        image = _tile_image(upscaler, levels, tile, (chain, sampling.seed), tile_progress)
        sr[rows[0] : rows[1], columns[0] : columns[1]] = image
        done += tile.area
    return sr[: scale * height, : scale * width]


def _missing(length: int, config: ModelConfig) -> int:
    """Pixels to add to an axis so that the networks can take it."""
    return (
        -length % config.size_multiple if length > config.least_size else config.least_size - length
    )


def check_steps(config: ModelConfig, steps: int) -> None:
    """Refuse more steps than the model's chain has.

    Raises:
        InputError: There are too many.
    """
    longest = config.diffusion.num_timesteps
    if steps > longest:
        raise InputError(f"--steps {steps}: this model has at most {longest}")


def _chain(config: ModelConfig, steps: int) -> Schedule | None:
    """The chain of ``steps`` steps; None for the encoder's own answer."""
    check_steps(config, steps)
    if steps == 0:
        return None
    longest = config.diffusion.num_timesteps
    timesteps = sampling_timesteps(longest, steps, config.diffusion.sampling_spacing)
    chain = respace(make_schedule(config.diffusion), timesteps)
    return widen_posterior(chain, config.diffusion.sampling_sigma)


@torch.inference_mode()
def _tile_image(
    upscaler: Upscaler,
    levels: Tensor,
    tile: Tile,
    run: tuple[Schedule | None, int],
    progress: Progress,
) -> np.ndarray:
    """Compute one tile from its context; return the pixels of its core, uint8 ``(H, W, 3)``."""
    rows, columns = tile
    window = levels[None, :, rows.first : rows.last, columns.first : columns.last]
    lr = window.to(upscaler.device, torch.float32) / 127.5 - 1
    condition = upscaler.model.condition(lr.contiguous(memory_format=torch.channels_last))
    chain, seed = run
    if chain is None:
        image = condition.sr
        progress(1.0)
    else:
        image = _run_chain(upscaler, condition, tile, (chain, seed), progress)
    scale = upscaler.config.scale
    (top, bottom), (left, right) = (
        (scale * (span.start - span.first), scale * (span.stop - span.first)) for span in tile
    )
    core = image[0, :, top:bottom, left:right].clamp(-1, 1)
    return ((core + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()


def _run_chain(
    upscaler: Upscaler,
    condition: Condition,
    tile: Tile,
    run: tuple[Schedule, int],
    progress: Progress,
) -> Tensor:
    """Run the reverse process on one tile and return its image, ``(1, 3, H, W)``."""
    (chain, seed), model = run, upscaler.model
    scale = model.config.scale
    rows, columns = ((scale * span.first, scale * span.last) for span in tile)

    def draw_noise(field: int) -> Tensor:
        return noise_window(seed, field, rows, columns).to(upscaler.device)

    def denoise(x_t: Tensor, t: Tensor) -> Tensor:
        return model.predict_eps(x_t, t, condition, chain)

    # Field len(chain) is where the chain starts; each step t > 0 adds field t.
    residual = draw_noise(len(chain))
    for step in reverse_process(denoise, residual, chain, draw_noise):
        residual = step.x
        progress(1 - step.t / len(chain))
    return residual_to_image(residual, condition.base, model.config.diffusion.residual_scale)
