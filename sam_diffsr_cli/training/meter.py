"""What is known of a run that is under way: losses, speed, time to go, the last validation."""

import time
from collections.abc import Callable

from sam_diffsr_cli.device import peak_memory
from sam_diffsr_cli.measures import clock
from sam_diffsr_cli.recipes.records import TrainConfig
from sam_diffsr_cli.training.journal import ValidationEntry
from sam_diffsr_cli.training.loop import TrainStep
from sam_diffsr_cli.training.run import StageBegun, StageEvent, TrainRun

__all__ = ["RunMeter"]

RATE_SHARE = 0.05
"""Of a new step in the running mean of a step's time."""


class RunMeter:
    """Takes the events of a run, and says what is known of it so far.

    ``last`` is the last step of the stage, ``validation`` its last validation, None before it.
    """

    def __init__(self, run: TrainRun, tell: Callable[[str], None]) -> None:
        """Begin with nothing; ``tell`` is told of each stage that begins."""
        self.run, self.tell = run, tell
        self.stage: StageBegun | None = None
        self.last: TrainStep | None = None
        self.validation: ValidationEntry | None = None
        self.skipped = self.timed = 0
        self.shown_at = self.stepped_at = time.monotonic()
        self.step_s = self.waited = 0.0

    def take(self, event: StageEvent, every_s: float) -> bool:
        """Take what happened; return whether it is time to show it, ``every_s`` at most."""
        now = time.monotonic()
        if isinstance(event, TrainStep):
            self._take_step(event, now)
            is_last = event.step == self.config.steps and not self.run.val_photos
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
    def config(self) -> TrainConfig:
        """Of the stage."""
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
        step, config, validation = self.last, self.config, self.validation
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
        return f"{self.config.stage} step {step}/{self.config.steps}: {told}"


def _validation_text(entry: ValidationEntry) -> str:
    """Tell both measures, since the best of the encoder is by the first and else by the second."""
    known = [] if entry.psnr_y is None else [f"PSNR-Y {entry.psnr_y:.2f} dB"]
    known += [] if entry.loss is None else [f"loss {entry.loss:.5f}"]
    known += ["best so far"] if entry.is_best else []
    return f"step {entry.step}: {', '.join(known) or 'not measured'}"
