"""A training run on disk: one state file per stage, and the weights that come out at the end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from sam_diffsr_cli.checkpoints.store import load_weights, save_weights
from sam_diffsr_cli.config import ModelConfig, TrainConfig, to_json
from sam_diffsr_cli.data.crops import TrainingPhoto
from sam_diffsr_cli.errors import ConfigError, InputError
from sam_diffsr_cli.models.model import SuperResolver, build_model
from sam_diffsr_cli.training.loop import TrainStep, train
from sam_diffsr_cli.training.state import (
    TrainState,
    load_state,
    new_state,
    save_state,
    trained_model,
)

__all__ = ["WEIGHTS_NAME", "Run", "export", "open_stage", "refuse_existing", "run_stage"]

WEIGHTS_NAME = "model.safetensors"


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What is trained, where it is kept, and how often.

    ``stages`` follow each other, each from the averaged parameters of the one before. ``init`` is
    a weights file to start from in place of fresh parameters. ``save_every`` is in steps.
    """

    folder: Path
    model: ModelConfig
    stages: tuple[TrainConfig, ...]
    init: Path | None = None
    save_every: int = 500

    def state_path(self, stage: TrainConfig) -> Path:
        """Where the state of a stage is kept."""
        return self.folder / f"{stage.stage}.state.safetensors"


def refuse_existing(run: Run, stages: Sequence[TrainConfig]) -> None:
    """Refuse to start over a run.

    Raises:
        InputError: The state of one of ``stages``, or the weights, are already there.
    """
    for path in (*map(run.state_path, stages), run.folder / WEIGHTS_NAME):
        if path.exists():
            raise InputError(
                f"{path}: a run is already there", hint="add --resume, or choose another --out"
            )


def open_stage(run: Run, stage: TrainConfig, device: torch.device, *, resume: bool) -> TrainState:
    """Start a stage, or with ``resume`` go on where its state file was written, if there is one.

    Raises:
        InputError: Without ``resume``, a state file is already there.
        ConfigError: With ``resume``, it was made with another recipe.
        WeightsError: A file it needs is missing or damaged.
    """
    if not resume:
        refuse_existing(run, (stage,))
    if run.state_path(stage).exists():
        return _load(run, stage, device)
    return new_state(_start_of(run, stage), stage, device)


def _load(run: Run, stage: TrainConfig, device: torch.device) -> TrainState:
    """Read the state of a stage, which must hold the network of the run."""
    path = run.state_path(stage)
    state = load_state(path, stage, device)
    if state.model.config.networks != run.model.networks:
        raise ConfigError(
            f"{path}: made with another network ({to_json(state.model.config)})",
            hint="resume with the --preset it was started with",
        )
    state.model.config = run.model
    return state


def _start_of(run: Run, stage: TrainConfig) -> SuperResolver:
    """Parameters a stage starts from: the stage before, else ``init``, else fresh ones."""
    index = run.stages.index(stage)
    if index:
        before = run.stages[index - 1]
        return trained_model(_load(run, before, torch.device("cpu")))
    if run.init is None:
        return build_model(run.model, stage.seed)
    model = load_weights(run.init).model
    if model.config.networks != run.model.networks:
        raise InputError(
            f"{run.init}: its configuration is not that of the preset",
            hint=f"the file holds {to_json(model.config)}",
        )
    model.config = run.model
    return model


def run_stage(
    state: TrainState, photos: Sequence[TrainingPhoto], path: Path, save_every: int
) -> Iterator[TrainStep]:
    """Train to the end of the stage, writing the state every ``save_every`` steps and at the end.

    Raises:
        ResourceError: The disk is full, or the gradient stayed non-finite; the state written
            before is whole.
    """
    for step in train(state, photos):
        if step.step % save_every == 0 or step.step == state.config.steps:
            save_state(path, state)
        yield step


def export(run: Run, state: TrainState, source: str) -> Path:
    """Write the weights file of a finished stage, float16, and return its path.

    After the encoder stage alone the file runs no diffusion steps, since none was trained.
    """
    path, model = run.folder / WEIGHTS_NAME, trained_model(state)
    if state.config.stage == "encoder":
        untrained = replace(model.config.diffusion, sampling_steps=0)
        model.config = replace(model.config, diffusion=untrained)
    save_weights(path, model, source)
    return path
