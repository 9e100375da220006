"""How dirty a photo is taken for: by what the user says, else by the model's own estimate."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sam_diffsr_cli.degradation.levels import CLEAN, MOST_COMPRESSION, Levels
from sam_diffsr_cli.device import number_format
from sam_diffsr_cli.pictures.colour import ColourPath, colour_path
from sam_diffsr_cli.pictures.records import has_alpha
from sam_diffsr_cli.sampling_config import MOST_CLEAN
from sam_diffsr_cli.upscaling.model import Upscaler
from sam_diffsr_cli.upscaling.transparency import unit_tensor

__all__ = [
    "CLEAN_BELOW",
    "Finding",
    "beyond_training",
    "estimate_levels",
    "find_levels",
    "look_at",
    "taken_for",
]

LEAST_CERTAIN = 0.03
"""A JPEG of quality 98 or more may pass for clean; below, its tables say that it is not."""

WINDOW, MOST_WINDOWS = 128, 4
"""Side of the windows that are looked at, in pixels, and how many at most along each axis."""

CLEAN_BELOW = Levels(compression=0.08, noise=0.06, blur=0.3)
"""Levels that are estimated below these are taken for none: no less than the bundled model
estimates of 98 in 100 crops that were shrunk and nothing else, a tenth of them drawn pages."""


class Finding(NamedTuple):
    """What a photo is taken for, and what its estimate said; None where none was made."""

    levels: Levels
    estimate: Levels | None


def find_levels(
    upscaler: Upscaler,
    clean: int | None,
    pixels: np.ndarray,
    icc: bytes | None = None,
    compression: float = 0.0,
) -> Levels:
    """Decide what the encoder is told of a photo: the levels of ``look_at``."""
    return look_at(upscaler, clean, pixels, icc, compression).levels


def look_at(
    upscaler: Upscaler,
    clean: int | None,
    pixels: np.ndarray,
    icc: bytes | None = None,
    compression: float = 0.0,
) -> Finding:
    """Estimate how dirty a photo is, and decide what the encoder is told of it.

    Args:
        upscaler: The model; one that is told no levels takes everything for clean.
        clean: As in ``SamplingConfig``. 0 is clean. Above, compression and noise are that percent
            of the most that the model was trained on, and blur is as estimated. None estimates all.
        pixels: ``(h, w, C)``, uint8 or uint16, C 1 to 4; transparency is not looked at.
        icc: The profile that they are in, or None for sRGB.
        compression: Level that is known for certain, as from the tables of a JPEG: from
            ``LEAST_CERTAIN`` on, an estimate below it is raised to it. It is no upper bound, since
            the picture may have been compressed harder before.

    Returns:
        Levels in [0, 1], exactly ``CLEAN`` for a photo that is taken for clean; and the estimate,
        which is not made where ``clean`` is 0.
    """
    if not upscaler.config.encoder.num_levels or clean == 0:
        return Finding(CLEAN, None)
    estimate = estimate_levels(upscaler, pixels, icc)
    return Finding(taken_for(clean, estimate, compression), estimate)


def taken_for(clean: int | None, estimate: Levels | None, compression: float = 0.0) -> Levels:
    """Decide what the encoder is told of a photo whose estimate is known.

    Args:
        clean: As in ``look_at``.
        estimate: What ``estimate_levels`` gave; None of a model that is told no levels.
        compression: As in ``look_at``.
    """
    if estimate is None or clean == 0:
        return CLEAN
    if clean is not None:
        level = clean / MOST_CLEAN
        return Levels(level, level, estimate.blur)
    pairs = zip(estimate, CLEAN_BELOW, strict=True)
    found = Levels(*(0.0 if value < least else value for value, least in pairs))
    certain = compression if compression >= LEAST_CERTAIN else 0.0
    return found._replace(compression=max(found.compression, certain))


def beyond_training(levels: Levels) -> str | None:
    """Say what of a photo is dirtier than anything the model was trained for, if anything is."""
    if levels.compression <= MOST_COMPRESSION:
        return None
    return (
        f"compression {levels.compression:.2f} is above the {MOST_COMPRESSION:.2f} that photos of "
        "the training have at most; traces of it may stay"
    )


@torch.inference_mode()
def estimate_levels(upscaler: Upscaler, pixels: np.ndarray, icc: bytes | None = None) -> Levels:
    """Estimate how dirty a photo is, from windows that depend on its size alone.

    Args:
        upscaler: A model whose encoder is told levels.
        pixels: ``(h, w, C)``, uint8 or uint16, C 1 to 4.
        icc: The profile that they are in, or None for sRGB.

    Returns:
        The mean over the windows, each level in [0, 1], rounded to hundredths.
    """
    colours = pixels[..., : pixels.shape[2] - has_alpha(pixels)]
    path = colour_path(icc, 1 if colours.shape[2] == 1 else 3)
    found = []
    with number_format("fp32", upscaler.device):
        for rows in _spans(pixels.shape[0]):
            for columns in _spans(pixels.shape[1]):
                window = _to_unit(colours[rows, columns], path)
                lr = (window * 2 - 1).to(upscaler.device)
                found.append(upscaler.model.estimate_levels(lr)[0].float().cpu())
    mean = torch.stack(found).mean(dim=0).clamp(0, 1)
    return Levels(*(round(value, 2) for value in mean.tolist()))


def _to_unit(colours: np.ndarray, path: ColourPath | None) -> Tensor:
    """Return sRGB in [0, 1], ``(1, 3, h, w)``."""
    if path is not None:
        wide = colours if colours.dtype == np.uint16 else colours.astype(np.uint16) * 257
        colours = path.to_srgb(wide)
    return unit_tensor(np.ascontiguousarray(colours)).expand(-1, 3, -1, -1)


def _spans(length: int) -> list[slice]:
    """Spread windows over an axis, the first and the last at its ends."""
    if length <= WINDOW:
        return [slice(0, length)]
    count = min(MOST_WINDOWS, -(-length // WINDOW))
    starts = np.linspace(0, length - WINDOW, count).round().astype(int)
    return [slice(int(start), int(start) + WINDOW) for start in starts]
