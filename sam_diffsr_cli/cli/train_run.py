"""How ``samsr train`` runs: the cost is printed, or events are shown as they come."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from types import FrameType
from typing import Self

import typer

from sam_diffsr_cli.cli.console import Reporter, note, print_result, progress
from sam_diffsr_cli.cli.data_sets import make_fetcher
from sam_diffsr_cli.cli.train_view import teller, training_console, training_view
from sam_diffsr_cli.errors import InterruptedRun
from sam_diffsr_cli.measures import clock
from sam_diffsr_cli.recipes.records import Recipe
from sam_diffsr_cli.training.cost import describe_cost
from sam_diffsr_cli.training.gathering import PhotoRead, PhotosLeftOut, PhotosReady
from sam_diffsr_cli.training.options import TrainOptions
from sam_diffsr_cli.training.resolve import is_main_process
from sam_diffsr_cli.training.run import StageEvent, TrainRun
from sam_diffsr_cli.training.start import (
    Hooks,
    RunFinished,
    RunOpened,
    RunReady,
    TrainEvent,
    start_training,
)

__all__ = ["run_training"]

SECOND_S = 1.0
"""A launcher passes Ctrl-C on at once; one that comes this much later is meant."""

NAMED = 10
"""Photos left out that are named; the others are counted."""


def run_training(recipe: Recipe, options: TrainOptions, *, download: bool, dry_run: bool) -> None:
    """Tell what a training would take, or train."""
    if dry_run:
        for line in describe_cost(recipe, options, note):
            typer.echo(line)
        return
    try:
        _train(recipe, options, download=download)
    except InterruptedRun as stopped:
        if is_main_process():
            raise
        # Of several processes, one talks.
        raise typer.Exit(stopped.exit_code) from stopped


def _train(recipe: Recipe, options: TrainOptions, *, download: bool) -> None:
    with _TrainingScreen() as screen:
        hooks = Hooks(
            stop=lambda: bool(screen.signals),
            notify=screen.say,
            fetch=make_fetcher(download=download),
        )
        with closing(start_training(recipe, options, hooks)) as events:
            for event in events:
                screen.take(event)


class _TrainingScreen:
    """Shows the events of a run; of several processes, one talks."""

    def __init__(self) -> None:
        self.console = training_console()
        self.say = teller(self.console)
        self.signals: Sequence[int] = ()
        self._stack, self._bar, self._view = ExitStack(), ExitStack(), ExitStack()
        self._report: Reporter | None = None
        self._show: Callable[[StageEvent], None] | None = None
        self._is_main, self._count, self._began = True, 0, 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._bar, self._view, self._stack):
            each.close()

    def take(self, event: TrainEvent) -> None:
        """Show what happened, as far as people are to see it."""
        match event:
            case RunOpened(folder, is_main):
                self._is_main = is_main
                if is_main:
                    self.say(f"run: {folder} (watch {folder / 'summary.html'})")
            case PhotoRead() | PhotosLeftOut() | PhotosReady():
                if self._is_main:
                    self._take_photos(event)
            case RunReady(run):
                self._begin(run)
            case RunFinished():
                self._view.close()
                if self._is_main:
                    self._end(event)
            case _:
                self._count += 1
                if self._show is not None:
                    self._show(event)

    def _take_photos(self, event: PhotoRead | PhotosLeftOut | PhotosReady) -> None:
        match event:
            case PhotoRead(number, count, name):
                if self._report is None:
                    self._report = self._bar.enter_context(progress("photos", count))
                self._report(number, name)
                if number == count:
                    self._bar.close()
                    self._report = None
            case PhotosLeftOut(reasons, count):
                for reason in reasons[:NAMED]:
                    note(f"left out: {reason}")
                if len(reasons) > NAMED:
                    note(f"and {len(reasons) - NAMED} more")
                note(f"{len(reasons)} of {count} photos are left out")
            case PhotosReady(train, val):
                megapixels = sum(entry.size[0] * entry.size[1] for entry in train) / 1e6
                masked = sum(entry.has_masks for entry in train)
                told = f"{len(val)} to validate with" if val else "none to validate with"
                note(
                    f"{len(train)} photos, {megapixels:.1f} megapixels, {masked} with masks; {told}"
                )

    def _begin(self, run: TrainRun) -> None:
        say = self.say if self._is_main else _say_nothing
        self.signals = self._stack.enter_context(_signals(say))
        view = training_view(run, self.console, is_shown=self._is_main)
        self._show, self._began = self._view.enter_context(view), time.monotonic()

    def _end(self, event: RunFinished) -> None:
        took = clock(time.monotonic() - self._began)
        told = f"done in {took}" if self._count else "was done already"
        note(f"{told}; the run is shown in {event.folder / 'summary.html'}")
        print_result(str(event.weights))


def _say_nothing(_: str) -> None:
    """Of several processes, one talks."""


@contextmanager
def _signals(say: Callable[[str], None]) -> Iterator[list[int]]:
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
