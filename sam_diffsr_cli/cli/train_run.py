"""How ``samsr train`` runs: photos, stages, signals, and what people are told."""

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import typer

from sam_diffsr_cli.cli.train_photos import gather_photos, say_nothing
from sam_diffsr_cli.cli.train_recipe import (
    TrainRequest,
    default_out,
    is_main_process,
    resolve_recipe,
    settle,
)
from sam_diffsr_cli.errors import InterruptedRun

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from sam_diffsr_cli.recipes.records import DataConfig, Recipe
    from sam_diffsr_cli.training.engine import Engine
    from sam_diffsr_cli.training.folder import RunFolder
    from sam_diffsr_cli.training.run import Run

__all__ = ["run_training"]

SECOND_S = 1.0
"""A launcher passes Ctrl-C on at once; one that comes this much later is meant."""


def run_training(request: TrainRequest) -> None:
    """Do what was asked: print the recipe, tell the cost, or train."""
    from sam_diffsr_cli.recipes.text import to_toml

    recipe = resolve_recipe(request)
    if request.print_config:
        typer.echo(to_toml(recipe), nl=False)
        return
    if request.dry_run:
        from sam_diffsr_cli.cli.train_cost import tell_cost

        tell_cost(recipe, request)
        return
    try:
        _train(request, recipe)
    except InterruptedRun as stopped:
        if is_main_process():
            raise
        # Of several processes, one talks.
        raise typer.Exit(stopped.exit_code) from stopped


def _train(request: TrainRequest, recipe: "Recipe") -> None:
    from sam_diffsr_cli.cli.data_sets import resolve_data
    from sam_diffsr_cli.errors import InputError
    from sam_diffsr_cli.training.engine import start_engine
    from sam_diffsr_cli.training.folder import RunFolder

    if not recipe.data.photos:
        raise InputError("there is nothing to train on", hint="give photos with --data")
    folder = RunFolder(request.out or default_out(recipe))
    if not request.resume:
        folder.refuse_existing()
    photos = resolve_data(recipe.data.photos, request.data_root, download=request.download)
    recipe = replace(recipe, data=_resolved(recipe.data, photos))
    engine = start_engine(request.device)
    try:
        recipe = settle(recipe, engine.device)
        for config in recipe.plan:
            engine.share(config.accumulate).rows(config.batch)
        if not request.resume:
            _check_start(recipe)
        _open_run(request, recipe, engine, folder)
    finally:
        engine.close()


def _resolved(data: "DataConfig", photos: Sequence[Path]) -> "DataConfig":
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


def _check_start(recipe: "Recipe") -> None:
    """Refuse what the first stage cannot start from, before the photos are decoded."""
    from sam_diffsr_cli.errors import InputError
    from sam_diffsr_cli.training.run import start_from

    if recipe.data.init:
        start_from(Path(recipe.data.init), recipe.model)
    elif recipe.plan[0].stage == "diffusion":
        raise InputError("the diffusion stage needs a trained encoder", hint="give it with --init")


def _open_run(
    request: TrainRequest, recipe: "Recipe", engine: "Engine", folder: "RunFolder"
) -> None:
    """Prepare the photos and run."""
    from contextlib import ExitStack

    from sam_diffsr_cli.cli.train_view import teller, training_console
    from sam_diffsr_cli.training.recorder import Habits
    from sam_diffsr_cli.training.run import Run

    console = training_console()
    say = teller(console) if engine.is_main else say_nothing
    with ExitStack() as stack:
        if engine.is_main:
            folder.make()
            stack.enter_context(folder.claimed())
            if request.resume:
                folder.write_recipe(recipe)
            else:
                stack.enter_context(_begun(folder, recipe))
            say(f"run: {folder.path} (watch {folder.path / 'summary.html'})")
        train_photos, val_photos = gather_photos(recipe, engine, folder)
        stopper = stack.enter_context(_signals(say))
        run = Run(
            folder=folder,
            recipe=recipe,
            engine=engine,
            train_photos=train_photos,
            val_photos=val_photos,
            habits=Habits(
                save_every=request.save_every,
                save_minutes=request.save_minutes,
                validate_every=request.validate_every,
                keep=request.keep,
                workers=request.workers,
                compile=request.compile_network,
                tensorboard=request.tensorboard,
            ),
            stop=lambda: bool(stopper),
            notify=say,
        )
        _watch(run, console)


@contextmanager
def _begun(folder: "RunFolder", recipe: "Recipe") -> Iterator[None]:
    """Write the recipe of a new run; take it back where the run fails before its first state."""
    from sam_diffsr_cli.errors import SamsrError
    from sam_diffsr_cli.recipes.records import STAGES

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


def _watch(run: "Run", console: "Console") -> None:
    from sam_diffsr_cli.cli.console import clock, note, print_result
    from sam_diffsr_cli.cli.train_view import training_view
    from sam_diffsr_cli.training.run import run_stages

    began, count = time.monotonic(), 0
    with training_view(run, console, is_shown=run.engine.is_main) as show:
        for happening in run_stages(run):
            count += 1
            show(happening)
    if run.engine.is_main:
        took = f"done in {clock(time.monotonic() - began)}" if count else "was done already"
        note(f"{took}; the run is shown in {run.folder.path / 'summary.html'}")
        print_result(str(run.folder.weights_path))


@contextmanager
def _signals(say: "Callable[[str], None]") -> Iterator[list[int]]:
    """Let Ctrl-C and SIGTERM stop at the end of a step; a second Ctrl-C stops at once.

    Yields:
        A list that is not empty once a signal came.
    """
    came: list[int] = []
    last = 0.0

    def handle(number: int, _: FrameType | None) -> None:
        nonlocal last
        now = time.monotonic()
        if came and number == signal.SIGINT and now - last > SECOND_S:
            raise KeyboardInterrupt
        if not came:
            say("stopping after this step; Ctrl-C again stops at once, without saving")
        last = now
        came.append(number)

    numbers = [signal.SIGINT, signal.SIGTERM]
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
