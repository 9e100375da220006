"""A loaded model on its device, with what is needed to say afterwards which one it was."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from sam_diffsr_cli.checkpoints.deferred import defer_weights
from sam_diffsr_cli.checkpoints.finding import find_model
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
    weights: str | Path | None,
    device: torch.device,
    precision: Precision = "fp32",
    *,
    whole: bool = False,
) -> Upscaler:
    """Load a model; each of its networks is read from the file when it is first run.

    Args:
        weights: A path is that file; text is read as ``--model`` is; None is the bundled default.
        device: Where it will run.
        precision: Number format that it will run in.
        whole: Read all of them now, from a file that will not stay.

    Raises:
        InputError: The text names no model.
        WeightsError: The file is missing, damaged, not ours, or cannot be fetched.
    """
    found = find_model(weights)

    def settle(network: nn.Module) -> nn.Module:
        return network.to(device).to(memory_format=torch.channels_last)

    model = defer_weights(found.path, settle).model
    if whole:
        for name, network in model.named_children():
            model.before_run(name, network)
    steady(model)
    return Upscaler(
        model=model,
        device=device,
        precision=precision,
        name=found.name,
        digest=sha256_of(found.path),
        path=found.path,
    )
