"""A loaded model on its device, with what is needed to say afterwards which one it was."""

from dataclasses import dataclass
from pathlib import Path

import torch

from sam_diffsr_cli.checkpoints.finding import find_model
from sam_diffsr_cli.checkpoints.store import load_weights
from sam_diffsr_cli.choices import Precision
from sam_diffsr_cli.config import ModelConfig
from sam_diffsr_cli.digests import sha256_of
from sam_diffsr_cli.networks.model import SuperResolver
from sam_diffsr_cli.networks.steady import steady

__all__ = ["Upscaler", "load_upscaler"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Upscaler:
    """A model ready to enlarge: its device, number format, name, file, and the file's SHA-256."""

    model: SuperResolver
    device: torch.device
    precision: Precision = "fp32"
    name: str = ""
    digest: str = ""
    path: Path | None = None

    @property
    def config(self) -> ModelConfig:
        """How the model is built and run."""
        return self.model.config


def load_upscaler(
    weights: str | Path | None, device: torch.device, precision: Precision = "fp32"
) -> Upscaler:
    """Load a model.

    Args:
        weights: A path is that file; text is read as ``--model`` is; None is the bundled default.
        device: Where it will run.
        precision: Number format that it will run in.

    Raises:
        InputError: The text names no model.
        WeightsError: The file is missing, damaged, not ours, or cannot be fetched.
    """
    found = find_model(weights)
    model = load_weights(found.path).model
    model = model.to(device).to(memory_format=torch.channels_last)
    steady(model)
    return Upscaler(
        model=model.eval(),
        device=device,
        precision=precision,
        name=found.name,
        digest=sha256_of(found.path),
        path=found.path,
    )
