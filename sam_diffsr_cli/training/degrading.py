"""From a recipe's degradation to what makes the low-resolution twins of its crops."""

import functools

import numpy as np
from torch import Tensor

from sam_diffsr_cli.data.crops import DEGRADE_MARGIN, MARGIN, Degrader
from sam_diffsr_cli.degradation.photo import Degraded, clean_twin, degrade_photo
from sam_diffsr_cli.degradation.second_order import degrade_second_order
from sam_diffsr_cli.recipes.records import DegradeConfig

__all__ = ["crop_margin", "make_degrader"]


def crop_margin(config: DegradeConfig) -> int:
    """Return the margin that crops need, in low-resolution pixels."""
    return MARGIN if config.kind == "none" else DEGRADE_MARGIN


def make_degrader(config: DegradeConfig, scale: int) -> Degrader | None:
    """Return what degrades a crop from its seed, or None where bicubic alone is wanted."""
    if config.kind == "none":
        return None
    return functools.partial(_degrade, config, scale)


def _degrade(config: DegradeConfig, scale: int, hr: Tensor, seed: int) -> Degraded:
    rng = np.random.default_rng(seed)
    if rng.random() < config.clean:
        return clean_twin(hr, scale)
    if config.kind == "photo":
        return degrade_photo(hr, scale, rng)
    return degrade_second_order(hr, scale, rng)
