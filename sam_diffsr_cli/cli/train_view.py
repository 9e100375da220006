"""What people see of a training run: a live table on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from sam_diffsr_cli.cli.console import clock
from sam_diffsr_cli.device import peak_memory
from sam_diffsr_cli.recipes.records import TrainConfig
from sam_diffsr_cli.training.journal import ValidationEntry
from sam_diffsr_cli.training.loop import TrainStep
from sam_diffsr_cli.training.run import StageBegun, StageEvent, TrainRun

__all__ = ["teller", "training_console", "training_view"]

PLAIN_S, LIVE_S = 15.0, 0.5
"""Seconds between plain lines, and between looks of the table."""

RATE_SHARE = 0.05
"""Of a new step in the running mean of a step's time."""


class _PatientConsole(Console):
    """Ctrl-C ends what reads a pipe, ``tee`` say, too: the run then saves unheard."""

    def on_broken_pipe(self) -> None:
        """Do not exit, as rich does."""
        self.quiet = True


def training_console() -> Console:
    """Open the console of a run, as ``stderr_console``; what is told goes above its live table."""
    return _PatientConsole(stderr=True, highlight=False, emoji=False, soft_wrap=True)


def teller(console: Console) -> Callable[[str], None]:
    """Return a function that prints a line; signal handlers may call it, and it never fails."""

    def tell(text: str) -> None:
        # The terminal may be gone, or the signal came while a line was being written.
        with suppress(OSError, RuntimeError):
            console.print(escape(text))

    return tell


@contextmanager
def training_view(
    run: TrainRun, console: Console, *, is_shown: bool
) -> Iterator[Callable[[StageEvent], None]]:
    """Give a function that shows what happens in ``run``."""
    tell = teller(console)
    view = _View(run, tell)
    if not is_shown:
        yield lambda _: None
    elif console.is_terminal:
        with Live(console=console, auto_refresh=False, transient=True) as live:

            def show(event: StageEvent) -> None:
                if view.take(event, LIVE_S):
                    if event is view.validation:
                        tell(view.line())
                    with suppress(OSError):
                        live.update(view.table(), refresh=True)

            yield show
    else:

        def show_plainly(event: StageEvent) -> None:
            if view.take(event, PLAIN_S):
                tell(view.line())

        yield show_plainly


class _View:
    """What is known of a run so far."""

    def __init__(self, run: TrainRun, tell: "Callable[[str], None]") -> None:
        self.run, self.tell = run, tell
        self.stage: StageBegun | None = None
        self.last: TrainStep | None = None
        self.validation: ValidationEntry | None = None
        self.skipped = self.timed = 0
        self.shown_at = self.stepped_at = time.monotonic()
        self.step_s = self.waited = 0.0

    def take(self, event: StageEvent, every_s: float) -> bool:
        """Take what happened; tell whether it is time to show it."""
        now = time.monotonic()
        if isinstance(event, TrainStep):
            self._take_step(event, now)
            is_last = event.step == self._config.steps and not self.run.val_photos
            is_due = now - self.shown_at >= every_s or is_last
        elif isinstance(event, StageBegun):
            self.stage, self.last, self.validation, self.skipped = event, None, None, 0
            self.step_s, self.waited, self.timed = 0.0, 0.0, 0
            is_due = False
            self.tell(f"{event.config.stage} stage, {self._begins(event)}")
        else:
            self.validation = event
            is_due = True
        self.stepped_at = time.monotonic()
        if is_due:
            self.shown_at = now
        return is_due

    @property
    def _config(self) -> TrainConfig:
        assert self.stage is not None  # noqa: S101 - a stage begins before its first step
        return self.stage.config

    def _begins(self, begun: StageBegun) -> str:
        where = f"on {self.run.engine.device}, {begun.config.precision}"
        if begun.step:
            return f"going on after step {begun.step} of {begun.config.steps}, {where}"
        return f"{begun.config.steps} steps of {begun.config.batch} crops, {where}"

    def _take_step(self, step: TrainStep, now: float) -> None:
        took = now - self.stepped_at
        # The first step warms up, and stands only until there is another one.
        share = max(RATE_SHARE, 1 / max(1, self.timed))
        self.timed += 1
        self.step_s += share * (took - self.step_s)
        self.waited += share * (step.wait_s - self.waited)
        self.skipped += step.was_skipped
        self.last = step

    def facts(self) -> list[tuple[str, str]]:
        """Return names and values of what is known."""
        step, config, validation = self.last, self._config, self.validation
        found: list[tuple[str, str]] = []
        if step is not None:
            speed = config.batch / max(self.step_s, 1e-9)
            found = [
                ("loss", f"{step.mean_loss:.5f}"),
                ("rate", f"{step.learning_rate:.2e}"),
                ("crops/s", f"{speed:.1f}"),
                ("waiting for data", f"{100 * self.waited / max(self.step_s, 1e-9):.0f} %"),
                ("to go", clock((config.steps - step.step) * self.step_s)),
            ]
        memory = self._memory()
        if memory is not None:
            found.append(("memory", f"{memory:.0f} MiB"))
        if self.skipped:
            found.append(("steps skipped", str(self.skipped)))
        if validation is not None:
            found.append(("validation", _validation_text(validation)))
        return found

    def _memory(self) -> float | None:

        peak = peak_memory(self.run.engine.device)
        return None if peak is None else peak / 2**20

    def line(self) -> str:
        """Return one line of text."""
        step = 0 if self.last is None else self.last.step
        told = ", ".join(f"{name} {value}" for name, value in self.facts())
        return f"{self._config.stage} step {step}/{self._config.steps}: {told}"

    def table(self) -> Table:
        """Return the live table."""
        config, done = self._config, 0 if self.last is None else self.last.step
        table = Table.grid(padding=(0, 2))
        table.add_row(
            f"{config.stage} {done}/{config.steps}",
            ProgressBar(total=config.steps, completed=done, width=40),
        )
        for name, value in self.facts():
            table.add_row(name, value)
        return table


def _validation_text(entry: ValidationEntry) -> str:
    """Tell both measures, since the best of the encoder is by the first and else by the second."""
    known = [] if entry.psnr_y is None else [f"PSNR-Y {entry.psnr_y:.2f} dB"]
    known += [] if entry.loss is None else [f"loss {entry.loss:.5f}"]
    known += ["best so far"] if entry.is_best else []
    return f"step {entry.step}: {', '.join(known) or 'not measured'}"
