"""The models that can be named: the bundled one, the presets, and weights files.

A preset is run with random weights, since speed and memory do not depend on their values.
"""

from pathlib import Path

import torch

from sam_diffsr_cli.checkpoints.registry import bundled_weights
from sam_diffsr_cli.checkpoints.store import read_config
from sam_diffsr_cli.config import PRESETS, ModelConfig
from sam_diffsr_cli.device import Precision
from sam_diffsr_cli.models.model import build_model
from sam_diffsr_cli.upscaling.model import Upscaler, load_upscaler

__all__ = ["BUNDLED", "config_of", "has_random_weights", "open_model", "weights_of"]

BUNDLED = "default"
"""The name of the model that comes with samsr."""


def has_random_weights(name: str) -> bool:
    """Whether the name is a preset's."""
    return name in PRESETS


def weights_of(name: str) -> Path | None:
    """Return the file that a name stands for, None for the bundled one and for presets."""
    return None if name == BUNDLED or name in PRESETS else Path(name)


def config_of(name: str) -> ModelConfig:
    """Return how a model is built, without loading it.

    Raises:
        WeightsError: The file is missing, damaged or not ours.
    """
    if name in PRESETS:
        return PRESETS[name]
    return read_config(weights_of(name) or bundled_weights())


def open_model(name: str, device: torch.device, precision: Precision) -> Upscaler:
    """Load a model, or build a preset with random weights, as ``samsr upscale`` would run it.

    Raises:
        WeightsError: The file is missing, damaged or not ours.
    """
    if name not in PRESETS:
        return load_upscaler(weights_of(name), device, precision)
    model = build_model(PRESETS[name]).to(device).to(memory_format=torch.channels_last)
    return Upscaler(model=model.eval(), device=device, precision=precision, name=name)
