"""What the main process does beside training: the journal, states, validations, the summary."""

import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
from PIL import Image

from sam_diffsr_cli.atomic import atomic_path
from sam_diffsr_cli.data.cache import CachedPhotos, CacheEntry
from sam_diffsr_cli.device import peak_memory
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.recipes.records import Recipe, Stage
from sam_diffsr_cli.training.export import run_facts, write_best
from sam_diffsr_cli.training.folder import RunFolder
from sam_diffsr_cli.training.journal import EventEntry, Journal, StepEntry, ValidationEntry
from sam_diffsr_cli.training.loop import TrainStep
from sam_diffsr_cli.training.state import TrainState, trained_model
from sam_diffsr_cli.training.summary import write_summary
from sam_diffsr_cli.training.validation import Validation, validate

__all__ = ["Recorder", "RunOptions"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunOptions:
    """What a run does beside training; nothing of it changes the result.

    Attributes:
        save_every: Steps between states; 0 saves by time alone.
        save_minutes: Minutes between states; 0 saves by steps alone.
        validate_every: Steps between validations; 0 validates at the end of a stage alone.
        write_every: Steps between lines of the journal.
        keep: States kept of each stage.
        workers: Threads that prepare batches; None leaves it open.
        compile: Compile the trained network.
        tensorboard: Write TensorBoard's files.
    """

    save_every: int = 1000
    save_minutes: float = 10.0
    validate_every: int = 2000
    write_every: int = 10
    keep: int = 2
    workers: int | None = None
    compile: bool = False
    tensorboard: bool = False


class Recorder:
    """Records one stage; a context that owns the journal."""

    def __init__(
        self,
        folder: RunFolder,
        recipe: Recipe,
        options: RunOptions,
        state: TrainState,
        val_photos: Sequence[CacheEntry],
    ) -> None:
        """Take the state, which is between steps whenever ``after`` is called."""
        self.folder, self.recipe, self.options = folder, recipe, options
        self.state, self.val_photos = state, val_photos
        self.journal = Journal(folder.path, tensorboard=options.tensorboard)
        self.opened = contextlib.ExitStack()
        now = time.monotonic()
        self.began, self.saved_at = now - state.elapsed_s, now
        self.written_at, self.written_step = now, state.step
        self.waited_s, self.skipped = 0.0, 0

    def __enter__(self) -> Self:
        """Open the journal and take out what was written after the state."""
        stage, step = self.state.config.stage, self.state.step
        later = self.recipe.stages[self.recipe.stages.index(stage) + 1 :]
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.journal)
            self._rewind(stage, step, later)
            self._tell("resumed" if step else "started")
            self.opened = stack.pop_all()
        return self

    def _rewind(self, stage: Stage, step: int, later: Sequence[Stage]) -> None:
        """Rewind the journal; one that is damaged does not keep a whole state from going on."""
        try:
            self.journal.rewind(stage, step, later)
        except InputError as error:
            place = self.journal.set_aside()
            self._tell(f"the journal before was damaged and is kept as {place.name}: {error}")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say how it ended, and close the journal."""
        try:
            done = self.state.step == self.state.config.steps
            # An interrupt has no text.
            why = str(error or "") or "left"
            self._tell("finished" if done and error is None else f"ended early ({why})")
            self.summarize()
        finally:
            self.opened.__exit__(kind, error, trace)

    def after(self, step: TrainStep) -> Iterator[ValidationEntry]:
        """Do what is due after a step.

        Yields:
            The validation, when there was one.

        Raises:
            ResourceError: The disk is full; the states written before are whole.
        """
        options, now = self.options, time.monotonic()
        self.waited_s += step.wait_s
        self.skipped += step.was_skipped
        self.state.elapsed_s = now - self.began
        is_last = step.step == self.state.config.steps
        is_late = options.save_minutes > 0 and now - self.saved_at >= 60 * options.save_minutes
        is_saved = is_last or is_late or step.stops or _is_due(step.step, options.save_every)
        is_due = _is_due(step.step, options.validate_every) and not step.stops
        is_validated = bool(self.val_photos) and (is_last or is_due)
        if is_saved or is_validated or step.step % options.write_every == 0:
            self.journal.write(self._entry(step, now))
        if step.stops:
            # First of all: a validation may take longer than whoever stops is given.
            self._save()
        if is_validated:
            # Before the state is saved: killed in between, it is made again from the one before.
            yield self._validate()
        if is_validated or (is_saved and not step.stops):
            self._save()
        if is_validated:
            self.summarize()

    def _save(self) -> None:
        self.folder.save(self.state, self.options.keep)
        self.saved_at = time.monotonic()

    def summarize(self) -> None:
        """Write the page that shows the run so far."""
        write_summary(self.folder.path, self.folder.path.name, run_facts(self.recipe, self.state))

    def _tell(self, text: str) -> None:
        self.journal.write(EventEntry(self.state.config.stage, self.state.step, text))

    def _entry(self, step: TrainStep, now: float) -> StepEntry:
        """Sum up the steps since the line before."""
        state, seconds = self.state, max(now - self.written_at, 1e-9)
        crops = state.config.batch * (step.step - self.written_step)
        memory = peak_memory(next(state.network.parameters()).device)
        entry = StepEntry(
            stage=state.config.stage,
            step=step.step,
            loss=step.loss,
            mean_loss=step.mean_loss,
            learning_rate=step.learning_rate,
            gradient_norm=step.gradient_norm,
            images_per_s=crops / seconds,
            wait_share=min(1.0, self.waited_s / seconds),
            memory_mib=None if memory is None else memory / 2**20,
            skipped=self.skipped,
            elapsed_s=state.elapsed_s,
        )
        self.written_at, self.written_step = now, step.step
        self.waited_s, self.skipped = 0.0, 0
        return entry

    def _validate(self) -> ValidationEntry:
        state = self.state
        device = next(state.network.parameters()).device
        model = trained_model(state)
        photos = CachedPhotos(self.val_photos)
        found = validate(model, state.config, photos, device, self.recipe.degrade)
        # What is not a number is never better, nor anything to be better than.
        is_best = found.score > (-math.inf if state.best is None else state.best)
        if is_best:
            state.best = found.score
            write_best(self.folder, state, model)
        entry = ValidationEntry(
            stage=state.config.stage,
            step=state.step,
            psnr_y=found.psnr_y,
            loss=found.loss,
            seconds=found.seconds,
            is_best=is_best,
            sample=self._write_sample(found),
        )
        self.journal.write(entry)
        # What the validation took is not the training's.
        self.began += found.seconds
        self.written_at += found.seconds
        return entry

    def _write_sample(self, found: Validation) -> str:
        path = self.folder.sample_path(self.state.config.stage, self.state.step)
        with atomic_path(path) as temporary:
            Image.fromarray(np.ascontiguousarray(found.sample)).save(temporary, format="PNG")
        return path.relative_to(self.folder.path).as_posix()


def _is_due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0
