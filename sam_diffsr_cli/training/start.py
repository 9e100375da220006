"""A training from its recipe to its weights, as a generator of what happens; it prints nothing."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from sam_diffsr_cli.data.known_sets import KnownSet
from sam_diffsr_cli.data.resolving import resolve_data
from sam_diffsr_cli.errors import InputError, SamsrError
from sam_diffsr_cli.recipes.records import STAGES, DataConfig, Recipe
from sam_diffsr_cli.training.engine import Engine, start_engine
from sam_diffsr_cli.training.folder import RunFolder
from sam_diffsr_cli.training.gathering import GatherEvent, gather_photos
from sam_diffsr_cli.training.options import TrainOptions
from sam_diffsr_cli.training.recorder import RunOptions
from sam_diffsr_cli.training.resolve import (
    default_out,
    is_main_process,
    resolve_recipe,
    resolve_recipe_precision,
)
from sam_diffsr_cli.training.run import StageEvent, TrainRun, run_stages, start_from, untrained

__all__ = [
    "Hooks",
    "RunFinished",
    "RunOpened",
    "RunReady",
    "TrainEvent",
    "start_training",
    "train_with",
]


@dataclass(frozen=True, slots=True)
class RunOpened:
    """The folder of the run is there and is this process's; ``is_main`` of several processes."""

    folder: Path
    is_main: bool


@dataclass(frozen=True, slots=True)
class RunReady:
    """The photos are prepared, and the first stage is about to begin."""

    run: TrainRun


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The weights are written."""

    folder: Path
    weights: Path


TrainEvent = RunOpened | GatherEvent | RunReady | StageEvent | RunFinished


def _never() -> bool:
    return False


def _ignore(_: str) -> None:
    """Take a sentence and do nothing with it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hooks:
    """Whom a training asks and tells.

    Attributes:
        stop: Asked at each step whether to stop there.
        notify: Told what is out of the ordinary, on the main process.
        fetch: Fetches a known set that is not there; without it that is an error.
    """

    stop: Callable[[], bool] = _never
    notify: Callable[[str], None] = _ignore
    fetch: Callable[[KnownSet, Path], None] | None = None


def train_with(options: TrainOptions, hooks: Hooks) -> Generator[TrainEvent, None, None]:
    """Resolve the recipe, then as ``start_training``."""
    yield from start_training(resolve_recipe(options), options, hooks)


def start_training(
    recipe: Recipe, options: TrainOptions, hooks: Hooks
) -> Generator[TrainEvent, None, None]:
    """Train what a recipe asks for, or go on with it.

    Args:
        recipe: As ``resolve_recipe`` made it of the options.
        options: Where the run lies, and how it is run.
        hooks: Whom to ask and tell.

    Yields:
        What happens, on every process; files are written by the main one.

    Raises:
        InputError: There are no photos, or a run is already there.
        ConfigError: The run cannot go on from its states.
        ResourceError: Memory or disk ran out; the states written before are whole.
        InterruptedRun: It was asked to stop; the state is saved.
    """
    if not recipe.data.photos:
        raise InputError("there is nothing to train on", hint="give photos with --data")
    folder = RunFolder(options.out or default_out(recipe))
    if not options.resume and is_main_process():
        # The others may come here when this one has begun the run.
        folder.refuse_existing()
    photos = resolve_data(recipe.data.photos, options.data_root, hooks.fetch)
    recipe = replace(recipe, data=_absolute(recipe.data, photos))
    engine = start_engine(options.device)
    try:
        recipe = resolve_recipe_precision(recipe, engine.device)
        for config in recipe.plan:
            engine.share(config.accumulate).rows(config.batch)
        if not options.resume:
            _check_start(recipe)
        yield from _open_run(options, recipe, engine, folder, hooks)
    finally:
        engine.close()


def _absolute(data: DataConfig, photos: Sequence[Path]) -> DataConfig:
    """Say of all places where they are, whatever folder the run goes on from."""

    def resolved(text: str) -> str:
        return str(Path(text).resolve()) if text else ""

    return replace(
        data,
        photos=tuple(str(place.resolve()) for place in photos),
        masks=resolved(data.masks),
        val=resolved(data.val),
        init=resolved(data.init),
        cache=resolved(data.cache),
    )


def _check_start(recipe: Recipe) -> None:
    """Refuse what the first stage cannot start from, before the photos are decoded."""
    if recipe.data.init:
        start_from(Path(recipe.data.init), recipe.model)
    elif recipe.plan[0].stage != "encoder":
        raise untrained(recipe.plan[0].stage)


def _open_run(
    options: TrainOptions, recipe: Recipe, engine: Engine, folder: RunFolder, hooks: Hooks
) -> Generator[TrainEvent, None, None]:
    """Prepare the photos and run."""
    with ExitStack() as stack:
        if engine.is_main:
            folder.make()
            stack.enter_context(folder.claimed())
            if options.resume:
                folder.write_recipe(recipe)
            else:
                stack.enter_context(_begun(folder, recipe))
        yield RunOpened(folder.path, engine.is_main)
        train_photos, val_photos = yield from gather_photos(recipe, engine, folder)
        run = TrainRun(
            folder=folder,
            recipe=recipe,
            engine=engine,
            train_photos=train_photos,
            val_photos=val_photos,
            options=_run_options(options),
            stop=hooks.stop,
            notify=hooks.notify if engine.is_main else _ignore,
        )
        yield RunReady(run)
        yield from run_stages(run)
        yield RunFinished(folder.path, folder.weights_path)


def _run_options(options: TrainOptions) -> RunOptions:
    return RunOptions(
        save_every=options.save_every,
        save_minutes=options.save_minutes,
        validate_every=options.validate_every,
        keep=options.keep,
        workers=options.workers,
        compile=options.compile_network,
        tensorboard=options.tensorboard,
    )


@contextmanager
def _begun(folder: RunFolder, recipe: Recipe) -> Iterator[None]:
    """Write the recipe of a new run; take it back where the run fails before its first state."""
    folder.begin(recipe)
    try:
        yield
    except SamsrError:
        # What comes next is the same command with another option, and there is nothing to resume.
        if not any(map(folder.states, STAGES)):
            folder.recipe_path.unlink(missing_ok=True)
            for made in (folder.path / "states", folder.path / "samples"):
                with suppress(OSError):
                    made.rmdir()
        raise
