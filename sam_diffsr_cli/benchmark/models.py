"""The models that can be named: the presets, and whatever ``--model`` takes.

A preset is run with random weights, since speed and memory do not depend on their values.
"""

import functools
from pathlib import Path

import torch

from sam_diffsr_cli.checkpoints.finding import FoundModel, find_model
from sam_diffsr_cli.checkpoints.heads import read_config
from sam_diffsr_cli.choices import Precision
from sam_diffsr_cli.config import PRESETS, ModelConfig
from sam_diffsr_cli.networks.model import build_model
from sam_diffsr_cli.upscaling.model import Upscaler, load_upscaler

__all__ = ["config_of", "has_random_weights", "open_model", "weights_of"]


def has_random_weights(name: str) -> bool:
    """Whether the name is a preset's."""
    return name in PRESETS


def weights_of(name: str) -> Path | None:
    """Return the file that a name stands for, None for a preset.

    Raises:
        InputError: It names no model.
        WeightsError: Its file is missing, or cannot be fetched.
    """
    return None if name in PRESETS else _found(name).path


@functools.lru_cache
def _found(name: str) -> FoundModel:
    """Ask for each model once: there may be a row for every size."""
    return find_model(name)


def config_of(name: str) -> ModelConfig:
    """Return how a model is built, without loading it.

    Raises:
        InputError: It names no model.
        WeightsError: The file is missing, damaged or not ours.
    """
    return PRESETS[name] if name in PRESETS else read_config(_found(name).path)


def open_model(name: str, device: torch.device, precision: Precision) -> Upscaler:
    """Load a model, or build a preset with random weights, as ``samsr upscale`` would run it.

    Raises:
        InputError: It names no model.
        WeightsError: The file is missing, damaged or not ours.
    """
    if name not in PRESETS:
        return load_upscaler(_found(name).path, device, precision)
    model = build_model(PRESETS[name]).to(device).to(memory_format=torch.channels_last)
    return Upscaler(model=model.eval(), device=device, precision=precision, name=name)
