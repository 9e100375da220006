"""Validation: the averaged parameters on whole photos, and a picture of what they make of them."""

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sam_diffsr_cli import resize
from sam_diffsr_cli.data.crops import CropPlan, TrainingPhoto, cut
from sam_diffsr_cli.device import derive_seed
from sam_diffsr_cli.metrics import psnr_y
from sam_diffsr_cli.networks.model import SuperResolver
from sam_diffsr_cli.recipes.records import DegradeConfig, TrainConfig
from sam_diffsr_cli.sampling_config import SamplingConfig
from sam_diffsr_cli.training.degrading import crop_margin, make_degrader
from sam_diffsr_cli.training.objective import Objective, draw
from sam_diffsr_cli.upscaling.frames import UpscaleRun, enlarge_frame
from sam_diffsr_cli.upscaling.model import Upscaler
from sam_diffsr_cli.upscaling.tiles import choose_tile

if TYPE_CHECKING:
    from sam_diffsr_cli.choices import Precision

__all__ = ["Validation", "pair", "sample_grid", "validate"]

CROPS, CROPS_AT_ONCE = 64, 8
"""The loss is the mean over this many crops, always the same ones."""

NOT_DEGRADED = DegradeConfig()

SHOWN, SHOWN_SIDE = 3, 256
"""Photos in the sample picture, and the side of the square cut from the middle of each."""


@dataclass(frozen=True, slots=True)
class Validation:
    """What came out.

    ``psnr_y`` is the mean over the photos, dB, with a border of the scale shaved. ``loss`` is the
    stage's, on plain noise. ``score`` is what decides which is best, higher is better. ``sample``
    is ``(H, W, 3)`` uint8.
    """

    psnr_y: float
    loss: float
    score: float
    seconds: float
    sample: np.ndarray


def pair(photo: TrainingPhoto, scale: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the truth, cropped top-left to a multiple of ``scale``, and its low-resolution twin.

    Returns:
        ``(H, W, 3)`` and ``(H/s, W/s, 3)``, uint8.
    """
    height, width = (length - length % scale for length in photo.pixels.shape[1:])
    hr = photo.pixels[:, :height, :width].cpu()
    lr = resize.downscale_uint8(hr[None].double(), scale)[0]
    return _to_pixels(hr), _to_pixels(lr)


def _to_pixels(levels: Tensor) -> np.ndarray:
    pixels: np.ndarray = levels.permute(1, 2, 0).to(torch.uint8).contiguous().numpy()
    return pixels


def validate(
    model: SuperResolver,
    config: TrainConfig,
    photos: Sequence[TrainingPhoto],
    device: torch.device,
    degrade: DegradeConfig = NOT_DEGRADED,
) -> Validation:
    """Measure a model, which is moved to ``device``.

    The photos, shrunk by bicubic, are enlarged whole: by the encoder alone in its stage, else with
    the model's own number of steps. The loss is that of training, degradation included. What
    decides is PSNR in the encoder's stage; in that of the diffusion, whose PSNR is best where it
    draws nothing, and where photos are degraded, the loss.

    Args:
        model: With the averaged parameters.
        config: The stage; its precision is resolved.
        photos: At least one, each large enough for a crop.
        device: Where to run.
        degrade: How the recipe degrades its crops.
    """
    began = time.perf_counter()
    precision: Precision = "fp32" if config.precision == "auto" else config.precision
    model = model.to(device).to(memory_format=torch.channels_last).eval()
    # Clean photos must go to the networks that are trained.
    judged = copy.copy(model)
    judged.config = replace(model.config, clean_expert=config.expert)
    upscaler = Upscaler(model=judged, device=device, precision=precision)
    level = model.config.diffusion.level("balanced")
    if config.stage == "encoder":
        level = level._replace(steps=0)
    tile = choose_tile(upscaler, level.steps)
    sampling = SamplingConfig(**level._asdict(), tile=tile)
    run = UpscaleRun(upscaler=upscaler, sampling=sampling, scale=model.config.scale)
    values, shown = [], []
    for number in range(len(photos)):
        hr, lr = pair(photos[number], model.config.scale)
        sr = enlarge_frame(run, lr)
        values.append(psnr_y(sr, hr, model.config.scale))
        if number < SHOWN:
            shown.append((lr, sr, hr))
    mean = float(np.mean(values))
    loss = _loss(model, config, photos, device, degrade)
    score = mean if config.stage == "encoder" and degrade.kind == "none" else -loss
    return Validation(mean, loss, score, time.perf_counter() - began, sample_grid(shown))


@torch.inference_mode()
def _loss(
    model: SuperResolver,
    config: TrainConfig,
    photos: Sequence[TrainingPhoto],
    device: torch.device,
    degrade: DegradeConfig,
) -> float:
    """Return the loss on fixed crops of the photos, with fixed noise that no mask shifts."""
    scale, patch = model.config.scale, config.patch
    objective = Objective(model, config)
    seed = derive_seed("validation", config.stage)
    sizes = [(int(p.pixels.shape[1]), int(p.pixels.shape[2])) for p in photos]
    plan = CropPlan(sizes, patch, scale, margin=crop_margin(degrade))
    degrader = make_degrader(degrade, scale)
    crops = plan.draw(CROPS, torch.Generator().manual_seed(seed))
    usual = model.config.diffusion.usual_start(is_clean=config.expert)
    total = 0.0
    for first in range(0, CROPS, CROPS_AT_ONCE):
        rows = range(first, first + CROPS_AT_ONCE)
        seeds = [derive_seed(seed, "degrade", row) for row in rows]
        batch = cut(photos, crops[rows.start : rows.stop], plan, degrader, seeds)
        batch = replace(batch.to(device), spe=torch.zeros_like(batch.spe, device=device))
        longest = model.config.diffusion.num_timesteps
        draws = draw(seed, rows, longest, patch, device, config.timesteps)
        steps = (usual,) * len(rows) if config.stage == "distill" else draws.steps
        loss = objective(batch, steps, draws.noise)
        total += float(loss) * len(rows)
    return total / CROPS


def sample_grid(shown: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> np.ndarray:
    """Lay the middles of some photos out: a row each, the input, the result and the truth.

    Args:
        shown: Input, result and truth of each, ``(h, w, 3)`` and twice ``(H, W, 3)``, uint8.

    Returns:
        ``(H, W, 3)`` uint8; the input's pixels are drawn as squares.
    """
    rows = []
    for lr, sr, hr in shown:
        scale = hr.shape[0] // lr.shape[0]
        large = lr.repeat(scale, axis=0).repeat(scale, axis=1)
        rows.append(np.concatenate([_middle(p) for p in (large, sr, hr)], axis=1))
    width = max((row.shape[1] for row in rows), default=1)
    padded = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows]
    return np.concatenate(padded) if padded else np.zeros((1, 1, 3), dtype=np.uint8)


def _middle(pixels: np.ndarray) -> np.ndarray:
    top, left = (max(0, (length - SHOWN_SIDE) // 2) for length in pixels.shape[:2])
    return pixels[top : top + SHOWN_SIDE, left : left + SHOWN_SIDE]
