"""A loaded model on its device, with what is needed to say afterwards which one it was."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch

from sam_diffsr_cli.checkpoints.registry import DEFAULT_MODEL, bundled_weights
from sam_diffsr_cli.checkpoints.store import load_weights
from sam_diffsr_cli.config import ModelConfig
from sam_diffsr_cli.device import Precision
from sam_diffsr_cli.models.model import SuperResolver

__all__ = ["Upscaler", "load_upscaler"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Upscaler:
    """A model ready to enlarge: its device, number format, name, and the SHA-256 of its file."""

    model: SuperResolver
    device: torch.device
    precision: Precision = "fp32"
    name: str = ""
    digest: str = ""

    @property
    def config(self) -> ModelConfig:
        """How the model is built and run."""
        return self.model.config


def load_upscaler(
    weights: Path | None, device: torch.device, precision: Precision = "fp32"
) -> Upscaler:
    """Load a weights file, or the bundled default.

    Raises:
        WeightsError: The file is missing, damaged or not ours.
    """
    path = bundled_weights() if weights is None else weights
    model = load_weights(path).model
    model = model.to(device).to(memory_format=torch.channels_last)
    return Upscaler(
        model=model.eval(),
        device=device,
        precision=precision,
        name=DEFAULT_MODEL if weights is None else path.stem,
        digest=hashlib.sha256(path.read_bytes()).hexdigest(),
    )
