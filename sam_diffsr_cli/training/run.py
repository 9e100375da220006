"""A training run from its first stage to its last, with its files; a generator of what happens."""

import contextlib
import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from sam_diffsr_cli.checkpoints.store import load_weights
from sam_diffsr_cli.config import ModelConfig, undistilled
from sam_diffsr_cli.data.cache import CachedPhotos, CacheEntry
from sam_diffsr_cli.data.crops import CropPlan, TrainingPhoto
from sam_diffsr_cli.errors import ConfigError, InputError, InterruptedRun
from sam_diffsr_cli.networks.growing import (
    begin_as_teacher,
    with_config,
    with_levels,
)
from sam_diffsr_cli.networks.model import SuperResolver, build_model
from sam_diffsr_cli.recipes.records import Recipe, Stage, TrainConfig
from sam_diffsr_cli.training.batches import BatchSource
from sam_diffsr_cli.training.degrading import crop_margin, make_degrader
from sam_diffsr_cli.training.engine import Engine
from sam_diffsr_cli.training.export import export
from sam_diffsr_cli.training.folder import RunFolder
from sam_diffsr_cli.training.journal import ValidationEntry
from sam_diffsr_cli.training.loop import TrainStep, train
from sam_diffsr_cli.training.photos import identify, place_photos
from sam_diffsr_cli.training.recorder import Recorder, RunOptions
from sam_diffsr_cli.training.state import TrainState, new_state, trained_model

__all__ = [
    "StageBegun",
    "StageEvent",
    "TrainRun",
    "open_stage",
    "run_stages",
    "start_from",
    "untrained",
]

MOST_WORKERS = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainRun:
    """A run that is ready: its recipe is resolved and its photos are prepared.

    ``stop`` is asked at each step whether to stop; ``notify`` is told what is out of the ordinary.
    """

    folder: RunFolder
    recipe: Recipe
    engine: Engine
    train_photos: Sequence[CacheEntry]
    val_photos: Sequence[CacheEntry]
    options: RunOptions
    stop: Callable[[], bool]
    notify: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class StageBegun:
    """A stage begins, or goes on at ``step``."""

    config: TrainConfig
    step: int


StageEvent = StageBegun | TrainStep | ValidationEntry


def run_stages(run: TrainRun) -> Iterator[StageEvent]:
    """Train every stage that is not done, save as it goes, and export the weights at the end.

    Yields:
        What happens, on every process; files are written by the main one.

    Raises:
        ConfigError: The run cannot go on from its states.
        InputError: ``--init`` does not fit.
        ResourceError: Memory or disk ran out; the states written before are whole.
        InterruptedRun: It was asked to stop; the state is saved.
    """
    photos = place_photos(run.train_photos, run.engine.device)
    state: TrainState | None = None
    begun = [n for n, stage in enumerate(run.recipe.stages) if run.folder.states(stage)]
    run.engine.wait()
    for number in range(max(begun, default=0), len(run.recipe.plan)):
        config = run.recipe.plan[number]
        state = open_stage(run, number)
        if state.step < config.steps:
            yield StageBegun(config, state.step)
            yield from _run_stage(run, state, photos)
        run.engine.wait()
    assert state is not None  # noqa: S101 - there is a stage in every recipe
    if run.engine.is_main:
        export(run.folder, state, run.folder.weights_path, keep_card=True)


def _run_stage(
    run: TrainRun, state: TrainState, photos: Sequence[TrainingPhoto]
) -> Iterator[StageEvent]:
    """Train to the end of a stage."""
    config = state.config
    if run.options.compile:
        state.network.compile()
    source = BatchSource(
        photos=photos,
        plan=CropPlan(
            [entry.size for entry in run.train_photos],
            config.patch,
            run.recipe.model.scale,
            augment=config.augment,
            margin=crop_margin(run.recipe.degrade),
        ),
        config=config,
        diffusion=run.recipe.model.diffusion,
        device=run.engine.device,
        share=run.engine.share(config.accumulate),
        degrader=make_degrader(run.recipe.degrade, run.recipe.model.scale),
    )
    steps = train(state, source, run.engine, workers=_workers(run, photos), stop=run.stop)
    with contextlib.ExitStack() as stack:
        recorder = stack.enter_context(_recorder(run, state)) if run.engine.is_main else None
        for step in steps:
            yield step
            if recorder is not None:
                yield from recorder.after(step)
            if step.stops:
                # Where one process leaves early, a launcher ends the others while they save.
                run.engine.wait()
                place = shlex.quote(str(run.folder.path))
                raise InterruptedRun(
                    f"stopped after step {step.step} of the {config.stage} stage; it is saved",
                    hint=f"go on with: samsr train --resume --out {place}",
                )


def _recorder(run: TrainRun, state: TrainState) -> Recorder:
    return Recorder(run.folder, run.recipe, run.options, state, run.val_photos)


def _workers(run: TrainRun, photos: Sequence[TrainingPhoto]) -> int:
    """Threads that prepare batches: none where photos are on the GPU, whose work it is then."""
    if run.options.workers is not None:
        return run.options.workers
    if run.engine.device.type == "cpu":
        return 1
    return min(MOST_WORKERS, os.cpu_count() or 1) if isinstance(photos, CachedPhotos) else 0


def open_stage(run: TrainRun, number: int) -> TrainState:
    """Go on where the newest state was written, or start the stage.

    Raises:
        ConfigError: The state is of another recipe, network, or other photos.
        WeightsError: A file it needs is missing or damaged.
    """
    config, device = run.recipe.plan[number], run.engine.device
    state = run.folder.latest(config, device, run.notify)
    photos, val_photos = identify(run.train_photos), identify(run.val_photos)
    if state is None:
        state = new_state(_start_of(run, number), config, device)
        state.photos, state.val_photos = photos, val_photos
    # Asked before anything is refused: a process that leaves alone leaves the others waiting.
    if not run.engine.agrees(state.step, state.photos):
        raise ConfigError(
            f"{run.folder.path}: the processes read different states or photos",
            hint="--out and the photos must be the same on all machines: use a shared disk",
        )
    if state.photos != photos:
        raise ConfigError(
            f"{run.folder.path}: the photos or masks are not those that the run was started with",
            hint="give the same photos and masks, or train into another --out with --init",
        )
    if state.val_photos != val_photos:
        # What was best on other photos says nothing of these.
        state.best, state.val_photos = None, val_photos
    if state.model.config.networks != run.recipe.model.networks:
        raise ConfigError(f"{run.folder.path}: the state is of another network")
    state.model.config = run.recipe.model
    return state


def _start_of(run: TrainRun, number: int) -> SuperResolver:
    """Parameters a stage starts from: the stage before, else ``init``, else fresh ones."""
    config = run.recipe.plan[number]
    if number:
        before = run.folder.latest(run.recipe.plan[number - 1], torch.device("cpu"), run.notify)
        if before is None:
            raise ConfigError(f"{run.folder.path}: the state of the stage before is missing")
        model = trained_model(before)
        # The distilled network begins as its teacher has become.
        if config.stage == "distill":
            begin_as_teacher(model, expert=config.expert)
        return model
    if not run.recipe.data.init:
        if config.stage != "encoder":
            raise untrained(config.stage)
        return build_model(run.recipe.model, config.seed)
    return start_from(Path(run.recipe.data.init), run.recipe.model)


def start_from(path: Path, model_config: ModelConfig) -> SuperResolver:
    """Read the weights to start from, which must be of the same network.

    Raises:
        InputError: They are of another one.
        WeightsError: The file cannot be used.
    """
    model = load_weights(path).model
    if model_config.encoder.num_levels and not model.config.encoder.num_levels:
        model = with_levels(model, sees_blocks=model_config.encoder.sees_blocks)
    if undistilled(model.config).networks != undistilled(model_config).networks:
        raise InputError(
            f"{path}: holds another network than the recipe asks for",
            hint="leave the network's settings out: it is taken from the file",
        )
    return with_config(model, model_config)


def untrained(stage: Stage) -> InputError:
    """Return the error of a stage that has nothing to start from."""
    what = "encoder" if stage == "diffusion" else "model"
    return InputError(f"the {stage} stage needs a trained {what}", hint="give it with --init")
