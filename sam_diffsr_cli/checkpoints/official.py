"""The authors' checkpoints: PyTorch files, read under restriction, into our modules.

Layout: ``{"global_step": int, "state_dict": {"model": {...}}, ...}``. A diffusion checkpoint holds
``denoise_fn.*``, ``rrdb.*`` and the schedule's tables; an encoder checkpoint the encoder's names
alone. Every name may start with ``module.``.
"""

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sam_diffsr_cli.checkpoints.store import load_strict
from sam_diffsr_cli.config import ModelConfig
from sam_diffsr_cli.diffusion.schedule import make_schedule
from sam_diffsr_cli.errors import WeightsError
from sam_diffsr_cli.models.model import SuperResolver, build_encoder, build_model

__all__ = ["load_official", "load_official_encoder", "read_official"]

PARALLEL_PREFIX = "module."
NETWORKS = ("denoise_fn.", "rrdb.")
SCHEDULE_TOLERANCE = 1e-6


def read_official(path: Path) -> dict[str, Tensor]:
    """Read the tensors of an official checkpoint, on the CPU, without the ``module.`` prefix.

    The file is untrusted: only tensors and plain containers are unpickled.

    Raises:
        WeightsError: The file is missing, damaged, holds other objects, or has another layout.
    """
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such checkpoint") from error
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path}: damaged, or it holds objects that are not tensors; nothing was run"
        ) from error
    except Exception as error:  # the unpickler fails in many ways on bytes that are not a pickle
        raise WeightsError(f"{path}: damaged, or not a PyTorch checkpoint ({error})") from error
    state = content.get("state_dict") if isinstance(content, dict) else None
    tensors = state.get("model") if isinstance(state, dict) else None
    if not isinstance(tensors, dict) or not all(isinstance(t, Tensor) for t in tensors.values()):
        raise WeightsError(f"{path}: no tensors under state_dict.model")
    return {str(name).removeprefix(PARALLEL_PREFIX): t for name, t in tensors.items()}


def load_official(path: Path, config: ModelConfig) -> SuperResolver:
    """Load a diffusion checkpoint into the networks of ``config``, in ``eval`` mode.

    Raises:
        WeightsError: The file cannot be read, a tensor does not fit, or the schedule that it was
            trained with is not that of ``config``.
    """
    tensors = read_official(path)
    networks = {name: t for name, t in tensors.items() if name.startswith(NETWORKS)}
    model = build_model(config)
    load_strict(model, networks, path)
    betas = tensors.get("betas")
    expected = make_schedule(config.diffusion).betas
    if betas is None or betas.shape != expected.shape:
        raise WeightsError(f"{path}: not a diffusion checkpoint of {len(expected)} steps")
    if not float((betas.double() - expected).abs().max()) <= SCHEDULE_TOLERANCE:  # also NaN
        raise WeightsError(f"{path}: trained with another noise schedule")
    return model.eval()


def load_official_encoder(path: Path, config: ModelConfig) -> nn.Module:
    """Load an encoder checkpoint into the encoder of ``config``, in ``eval`` mode.

    Raises:
        WeightsError: The file cannot be read, or a tensor does not fit.
    """
    encoder = build_encoder(config)
    load_strict(encoder, read_official(path), path)
    return encoder.eval()
