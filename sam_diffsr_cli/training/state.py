"""Everything a training run needs to go on after it was killed, in one safetensors file.

Crops, steps of the chain and noise are drawn from (seed, stage, step), and the learning rate
follows from the step: the step is the random state, the position in the data and in the schedule.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sam_diffsr_cli.checkpoints.store import load_strict, read_tensors, write_tensors
from sam_diffsr_cli.config import ModelConfig
from sam_diffsr_cli.errors import ConfigError, WeightsError
from sam_diffsr_cli.networks.model import Part, SuperResolver, build_model
from sam_diffsr_cli.recipes.records import Stage, TrainConfig
from sam_diffsr_cli.strict import from_json, to_json

__all__ = ["TrainState", "load_state", "network_of", "new_state", "save_state", "trained_model"]

PARTS: Mapping[Stage, Part] = {
    "encoder": "rrdb",
    "diffusion": "denoise_fn",
    "distill": "distilled_denoise_fn",
}

MODEL, EMA, FIRST, SECOND = "model.", "ema.", "adam.exp_avg.", "adam.exp_avg_sq."
MODEL_KEY, TRAIN_KEY, PROGRESS_KEY = "samsr.config", "samsr.train", "samsr.progress"


@dataclass(slots=True)
class TrainState:
    """A run between two steps.

    Attributes:
        model: Both networks.
        config: The stage.
        ema: Averages of the parameters of the trained network.
        optimizer: Adam over them.
        scaler: Of the loss; does nothing but in fp16.
        step: Steps done.
        skipped: Those of them that changed nothing.
        mean_loss: Running mean of the loss.
        best: Best score of a validation, higher is better.
        elapsed_s: Seconds that training took so far.
        photos: What identifies the photos that are trained on.
        val_photos: What identifies those that ``best`` is of.
    """

    model: SuperResolver
    config: TrainConfig
    ema: dict[str, Tensor]
    optimizer: torch.optim.Adam
    scaler: torch.amp.GradScaler = field(
        default_factory=lambda: torch.amp.GradScaler("cpu", enabled=False)
    )
    step: int = 0
    skipped: int = 0
    mean_loss: float | None = None
    best: float | None = None
    elapsed_s: float = 0.0
    photos: str = ""
    val_photos: str = ""

    @property
    def network(self) -> nn.Module:
        """The network that this stage trains."""
        return network_of(self.model, self.config)


def network_of(model: SuperResolver, config: TrainConfig) -> nn.Module:
    """Return the network that a stage trains."""
    return model.network(PARTS[config.stage], expert=config.expert)


def new_state(model: SuperResolver, config: TrainConfig, device: torch.device) -> TrainState:
    """Start a stage from the parameters of ``model``, which is moved to ``device``."""
    model = model.to(device).to(memory_format=torch.channels_last)
    model.requires_grad_(requires_grad=False)
    network = network_of(model, config).requires_grad_().train()
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    ema = {name: p.detach().clone() for name, p in network.named_parameters()}
    scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "fp16")
    return TrainState(model, config, ema, optimizer, scaler)


def save_state(path: Path, state: TrainState) -> None:
    """Write the state atomically.

    Raises:
        InputError: The folder cannot be written.
        ResourceError: The disk is full; the state written before is whole.
    """
    tensors = {MODEL + name: tensor for name, tensor in state.model.state_dict().items()}
    tensors |= {EMA + name: tensor for name, tensor in state.ema.items()}
    for name, parameter in state.network.named_parameters():
        moments = state.optimizer.state.get(parameter)
        if moments:
            tensors[FIRST + name] = moments["exp_avg"]
            tensors[SECOND + name] = moments["exp_avg_sq"]
    metadata = {
        MODEL_KEY: to_json(state.model.config),
        TRAIN_KEY: to_json(state.config),
        PROGRESS_KEY: json.dumps(_progress(state), sort_keys=True),
    }
    write_tensors(path, tensors, metadata)


def _progress(state: TrainState) -> dict[str, object]:
    scaler = state.scaler.state_dict() if state.scaler.is_enabled() else {}
    return {
        "step": state.step,
        "skipped": state.skipped,
        "updates": _updates(state),
        "mean_loss": state.mean_loss,
        "best": state.best,
        "elapsed_s": state.elapsed_s,
        "photos": state.photos,
        "val_photos": state.val_photos,
        "scaler": scaler,
    }


def _updates(state: TrainState) -> int:
    """Steps that changed the parameters: fewer than ``state.step`` when some were skipped."""
    moments = next(iter(state.optimizer.state.values()), None)
    return 0 if moments is None else int(moments["step"])


def load_state(path: Path, config: TrainConfig | None, device: torch.device) -> TrainState:
    """Read a state, to go on with it or to take its model.

    Args:
        path: What ``save_state`` wrote.
        config: The stage it must be of; None accepts any.
        device: Where to go on.

    Raises:
        WeightsError: The file is missing, damaged, or not a training state.
        ConfigError: It is of another stage.
    """
    tensors, metadata = read_tensors(path)
    if not {MODEL_KEY, TRAIN_KEY, PROGRESS_KEY} <= metadata.keys():
        raise WeightsError(f"{path}: not a training state of samsr")
    try:
        stored = from_json(TrainConfig, metadata[TRAIN_KEY])
        model_config = from_json(ModelConfig, metadata[MODEL_KEY])
    except ConfigError as error:
        raise WeightsError(f"{path}: damaged metadata ({error})") from error
    if config is not None and config != stored:
        raise ConfigError(
            f"{path}: made with another recipe",
            hint="resume with the recipe it was started with, or train into another folder",
        )
    model = build_model(model_config)
    load_strict(model, _part(tensors, MODEL), path)
    state = new_state(model, stored, device)
    try:
        updates = _restore_progress(state, json.loads(metadata[PROGRESS_KEY]))
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise WeightsError(f"{path}: damaged metadata ({error})") from error
    _restore(state, tensors, updates, path)
    return state


def _restore_progress(state: TrainState, progress: dict[str, Any]) -> int:
    """Put back all but tensors; return how many updates there were."""
    mean_loss, best = progress["mean_loss"], progress["best"]
    state.step, state.skipped = int(progress["step"]), int(progress["skipped"])
    state.mean_loss = None if mean_loss is None else float(mean_loss)
    state.best = None if best is None else float(best)
    state.elapsed_s, state.photos = float(progress["elapsed_s"]), str(progress["photos"])
    state.val_photos = str(progress["val_photos"])
    if state.scaler.is_enabled():
        state.scaler.load_state_dict(progress["scaler"])
    return int(progress["updates"])


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name[len(prefix) :]: t for name, t in tensors.items() if name.startswith(prefix)}


def _restore(state: TrainState, tensors: dict[str, Tensor], updates: int, path: Path) -> None:
    """Put back the average and, once there was an update, the optimiser's moments."""
    ema, first, second = (_part(tensors, prefix) for prefix in (EMA, FIRST, SECOND))
    for name, parameter in state.network.named_parameters():
        parts = [ema.get(name)] + ([first.get(name), second.get(name)] if updates else [])
        if any(part is None or part.shape != parameter.shape for part in parts):
            raise WeightsError(f"{path}: the training state of {name} is missing or misshapen")
        # Copies in the memory layout of the parameter, so that a resumed run adds in its order.
        copies = [torch.empty_like(parameter.detach()).copy_(p) for p in parts if p is not None]
        state.ema[name] = copies[0]
        if updates:
            state.optimizer.state[parameter] = {
                "step": torch.tensor(float(updates)),
                "exp_avg": copies[1],
                "exp_avg_sq": copies[2],
            }


def trained_model(state: TrainState) -> SuperResolver:
    """Return a model on the CPU whose trained network holds the averaged (EMA) parameters."""
    model = build_model(state.model.config)
    model.load_state_dict({k: v.detach().cpu() for k, v in state.model.state_dict().items()})
    network = network_of(model, state.config)
    network.load_state_dict({k: v.detach().cpu() for k, v in state.ema.items()})
    return model.eval()
