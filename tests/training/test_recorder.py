"""What is done beside training: when it saves and validates, what it keeps and writes down."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sam_diffsr_cli.checkpoints.store import load_weights
from sam_diffsr_cli.data.cache import CacheEntry
from sam_diffsr_cli.errors import DiskFullError, InputError
from sam_diffsr_cli.recipes.records import Stage
from sam_diffsr_cli.training import recorder as recorder_module
from sam_diffsr_cli.training.folder import RunFolder
from sam_diffsr_cli.training.journal import (
    JOURNAL_NAME,
    EventEntry,
    StepEntry,
    ValidationEntry,
    read_journal,
)
from sam_diffsr_cli.training.loop import TrainStep
from sam_diffsr_cli.training.recorder import Recorder, RunOptions
from sam_diffsr_cli.training.state import TrainState, load_state
from sam_diffsr_cli.training.summary import SUMMARY_NAME
from sam_diffsr_cli.training.validation import Validation
from tests.helpers import Clock
from tests.training import tiny
from tests.training.tiny import CPU

NEVER = RunOptions(save_every=0, save_minutes=0, validate_every=0, write_every=10**9)
"""At the end of a stage alone."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    by_hand = Clock()
    monkeypatch.setattr(recorder_module, "time", by_hand)
    return by_hand


@dataclass
class Desk:
    """A recorder and the state that it records, which takes steps without being trained."""

    folder: RunFolder
    state: TrainState
    photos: Sequence[CacheEntry] = ()
    validations: list[ValidationEntry] = field(default_factory=list)

    def open(self, options: RunOptions, *, is_validated: bool = False) -> Recorder:
        recipe = self.folder.read_recipe()
        return Recorder(
            self.folder, recipe, options, self.state, self.photos if is_validated else ()
        )

    def take(self, recorder: Recorder, steps: int = 1, **changes: Any) -> None:
        """Let so many steps pass."""
        for _ in range(steps):
            self.state.step += 1
            step = replace(STEP, step=self.state.step, **changes)
            self.validations += recorder.after(step)

    def entries(self) -> list[Any]:
        return list(read_journal(self.folder.path / JOURNAL_NAME))

    def saved(self) -> list[int]:
        """Steps of the states that are kept, the oldest first."""
        return [int(path.stem[-8:]) for path in reversed(self.folder.states("encoder"))]


STEP = TrainStep(
    step=0,
    loss=0.5,
    mean_loss=0.75,
    learning_rate=1e-3,
    gradient_norm=2.0,
    was_skipped=False,
    wait_s=0.0,
    stops=False,
)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    folder = RunFolder(tmp_path / "run")
    folder.make()
    recipe = tiny.recipe(steps=1000)
    folder.begin(recipe)
    return Desk(folder, tiny.start(recipe.encoder), tiny.entries(tmp_path / "photos"))


# ------------------------------------------------------------------------------------- saving


def test_a_state_is_saved_at_every_interval_of_steps(desk: Desk) -> None:
    with desk.open(replace(NEVER, save_every=3, keep=9)) as recorder:
        desk.take(recorder, 10)
    assert desk.saved() == [3, 6, 9]


def test_a_state_is_saved_when_its_time_has_come(desk: Desk, clock: Clock) -> None:
    with desk.open(replace(NEVER, save_minutes=2, keep=9)) as recorder:
        for _ in range(10):
            clock.now += 50
            desk.take(recorder)
    assert desk.saved() == [3, 6, 9]


def test_a_save_by_steps_puts_off_the_one_by_time(desk: Desk, clock: Clock) -> None:
    with desk.open(replace(NEVER, save_minutes=2, save_every=5, keep=9)) as recorder:
        for _ in range(9):
            clock.now += 50
            desk.take(recorder)
    assert desk.saved() == [3, 5, 8]


def test_no_state_is_saved_by_time_without_minutes(desk: Desk, clock: Clock) -> None:
    with desk.open(NEVER) as recorder:
        clock.now += 1e6
        desk.take(recorder)
    assert desk.saved() == []


def test_the_last_step_of_a_stage_is_saved(desk: Desk) -> None:
    desk.state.step = 998
    with desk.open(NEVER) as recorder:
        desk.take(recorder, 2)
    assert desk.saved() == [1000]


def test_the_step_that_stops_is_saved(desk: Desk) -> None:
    with desk.open(NEVER) as recorder:
        desk.take(recorder, 2)
        desk.take(recorder, stops=True)
    assert desk.saved() == [3]


def test_as_many_states_are_kept_as_were_asked_for(desk: Desk) -> None:
    with desk.open(replace(NEVER, save_every=1, keep=2)) as recorder:
        desk.take(recorder, 5)
    assert desk.saved() == [4, 5]


def test_the_state_that_is_saved_knows_the_time_that_training_took(
    desk: Desk, clock: Clock
) -> None:
    desk.state.elapsed_s = 100.0
    with desk.open(replace(NEVER, save_every=2)) as recorder:
        for _ in range(2):
            clock.now += 7
            desk.take(recorder)
    assert load_state(desk.folder.state_path("encoder", 2), None, CPU).elapsed_s == 114.0


def test_a_full_disk_ends_the_recording_and_keeps_what_was_saved(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, _: TrainState) -> None:
        raise DiskFullError(f"{path}: no space left")

    options = replace(NEVER, save_every=2, keep=1)
    with desk.open(options) as recorder:
        desk.take(recorder, 3)
    monkeypatch.setattr("sam_diffsr_cli.training.folder.save_state", fail)
    with pytest.raises(DiskFullError), desk.open(options) as recorder:
        desk.take(recorder)
    assert desk.saved() == [2]
    assert desk.entries()[-1].text.startswith("ended early (")


# ---------------------------------------------------------------------------------- validating


def found(score: float, seconds: float = 0.0) -> Validation:
    return Validation(20 + score, 0.25, score, seconds, np.zeros((2, 6, 3), dtype=np.uint8))


@pytest.fixture
def scores(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Scores that the next validations find, in place of validating."""
    to_come: list[float] = []
    monkeypatch.setattr(recorder_module, "validate", lambda *_: found(to_come.pop(0)))
    yield to_come
    assert to_come == [], "fewer validations than foreseen"


def test_validations_come_at_every_interval_and_at_the_end(desk: Desk, scores: list[float]) -> None:
    scores += [1, 2, 3]
    desk.state.step = 990
    with desk.open(replace(NEVER, validate_every=4), is_validated=True) as recorder:
        desk.take(recorder, 10)
    assert [entry.step for entry in desk.validations] == [992, 996, 1000]


def test_a_last_step_at_which_one_is_due_is_validated_once(desk: Desk, scores: list[float]) -> None:
    scores += [1]
    desk.state.step = 998
    with desk.open(replace(NEVER, validate_every=4), is_validated=True) as recorder:
        desk.take(recorder, 2)
    assert [entry.step for entry in desk.validations] == [1000]


def test_without_photos_to_validate_with_nothing_is_validated(desk: Desk) -> None:
    with desk.open(replace(NEVER, validate_every=1)) as recorder:
        desk.take(recorder, 3)
    assert desk.validations == []
    assert not desk.folder.best_path("encoder").exists()


def test_a_validation_is_saved_with_its_state(desk: Desk, scores: list[float]) -> None:
    scores += [1.5]
    with desk.open(replace(NEVER, validate_every=4), is_validated=True) as recorder:
        desk.take(recorder, 4)
    assert load_state(desk.folder.state_path("encoder", 4), None, CPU).best == 1.5


def best_step(desk: Desk) -> str:
    return load_weights(desk.folder.best_path("encoder")).source.split("step ")[1].split(" of")[0]


def test_the_best_weights_are_those_of_the_best_validation(desk: Desk, scores: list[float]) -> None:
    scores += [-3.0, -2.0, -2.5, -2.0, -1.0]
    kept = []
    with desk.open(replace(NEVER, validate_every=1), is_validated=True) as recorder:
        for _ in range(5):
            desk.take(recorder)
            kept.append(best_step(desk))
    assert kept == ["1", "2", "2", "2", "5"]
    assert [entry.is_best for entry in desk.validations] == [True, True, False, False, True]
    assert desk.state.best == -1.0


def test_the_best_weights_are_the_averaged_ones_in_full(desk: Desk, scores: list[float]) -> None:
    scores += [1]
    with torch.no_grad():
        for average in desk.state.ema.values():
            average.add_(1 / 3)
    with desk.open(replace(NEVER, validate_every=1), is_validated=True) as recorder:
        desk.take(recorder)
    encoder = load_weights(desk.folder.best_path("encoder")).model.rrdb
    assert tiny.different(encoder.state_dict(), desk.state.ema) == []


def test_a_resumed_run_remembers_the_best_score(desk: Desk, scores: list[float]) -> None:
    scores += [2.0]
    with desk.open(replace(NEVER, validate_every=1), is_validated=True) as recorder:
        desk.take(recorder)
    desk.state = load_state(desk.folder.states("encoder")[0], None, CPU)
    scores += [1.0]
    with desk.open(replace(NEVER, validate_every=1), is_validated=True) as recorder:
        desk.take(recorder)
    assert [entry.is_best for entry in desk.validations] == [True, False]
    assert best_step(desk) == "1"


def test_a_score_that_is_not_a_number_is_never_the_best(desk: Desk, scores: list[float]) -> None:
    scores += [float("nan"), 1.0, float("nan"), 2.0]
    with desk.open(replace(NEVER, validate_every=1), is_validated=True) as recorder:
        desk.take(recorder, 4)
    assert [entry.is_best for entry in desk.validations] == [False, True, False, True]


def test_what_a_validation_takes_is_not_counted_as_training(
    desk: Desk, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def validate(*_: object) -> Validation:
        clock.now += 500
        return found(1.0, seconds=500)

    monkeypatch.setattr(recorder_module, "validate", validate)
    options = replace(NEVER, validate_every=2, write_every=1)
    with desk.open(options, is_validated=True) as recorder:
        for _ in range(3):
            clock.now += 2
            desk.take(recorder)
    steps = [entry for entry in desk.entries() if isinstance(entry, StepEntry)]
    assert [entry.elapsed_s for entry in steps] == [2, 4, 6]
    assert [entry.images_per_s for entry in steps] == [2, 2, 2]


@pytest.mark.parametrize("stage", ["encoder", "diffusion"])
def test_a_validation_writes_a_sample_of_three_columns(desk: Desk, stage: Stage) -> None:
    recipe = desk.folder.read_recipe()
    desk.state = tiny.start(recipe.encoder if stage == "encoder" else recipe.diffusion)
    with desk.open(replace(NEVER, validate_every=1), is_validated=True) as recorder:
        desk.take(recorder)
    (entry,) = desk.validations
    assert entry.sample == f"samples/{stage}-00000001.png"
    with Image.open(desk.folder.path / entry.sample) as image:
        assert image.format == "PNG"
        sample = np.asarray(image)
    # The photos are 40x48 and 56x51, cut to multiples of 4, one below the other.
    assert sample.shape == (40 + 56, 3 * 48, 3)
    truth = tiny.photos()[0].pixels.permute(1, 2, 0).numpy()
    large, result, shown = sample[:40, :48], sample[:40, 48:96], sample[:40, 96:]
    assert np.array_equal(shown, truth)
    assert np.array_equal(large, large[::4, ::4].repeat(4, axis=0).repeat(4, axis=1))
    assert not np.array_equal(result, truth)


# -------------------------------------------------------------------------------- the journal


def test_steps_are_written_down_at_their_interval_at_the_end_and_at_a_stop(desk: Desk) -> None:
    options = replace(NEVER, write_every=4)
    with desk.open(options) as recorder:
        desk.take(recorder, 9)
        desk.take(recorder, stops=True)
    desk.state.step = 997
    with desk.open(options) as recorder:
        desk.take(recorder, 3)
    written = [entry.step for entry in desk.entries() if isinstance(entry, StepEntry)]
    assert written == [4, 8, 10, 1000]


def test_a_line_tells_what_the_step_was(desk: Desk) -> None:
    with desk.open(replace(NEVER, write_every=1)) as recorder:
        desk.take(recorder)
    (entry,) = (e for e in desk.entries() if isinstance(e, StepEntry))
    assert (entry.stage, entry.step) == ("encoder", 1)
    assert (entry.loss, entry.mean_loss) == (0.5, 0.75)
    assert (entry.learning_rate, entry.gradient_norm) == (1e-3, 2.0)


def test_a_line_sums_up_the_steps_since_the_line_before(desk: Desk, clock: Clock) -> None:
    with desk.open(replace(NEVER, write_every=4)) as recorder:
        for number in range(8):
            clock.now += 2
            desk.take(recorder, wait_s=0.5, was_skipped=number in (1, 2, 6))
    first, second = (entry for entry in desk.entries() if isinstance(entry, StepEntry))
    # 4 steps of 4 crops in 8 seconds, of which 2 were spent waiting.
    assert (first.images_per_s, second.images_per_s) == (2, 2)
    assert (first.wait_share, second.wait_share) == (0.25, 0.25)
    assert (first.skipped, second.skipped) == (2, 1)
    assert (first.elapsed_s, second.elapsed_s) == (8, 16)
    assert first.memory_mib is None or first.memory_mib > 0


def texts(desk: Desk) -> list[str]:
    return [entry.text for entry in desk.entries() if isinstance(entry, EventEntry)]


def test_the_journal_tells_that_a_stage_started_and_finished(desk: Desk) -> None:
    with desk.open(NEVER) as recorder:
        desk.take(recorder, 1000)
    assert texts(desk) == ["started", "finished"]


def test_the_journal_tells_that_a_stage_was_resumed(desk: Desk) -> None:
    desk.state.step = 5
    with desk.open(NEVER):
        pass
    assert texts(desk)[0] == "resumed"


def test_the_journal_tells_why_a_stage_ended_early(desk: Desk) -> None:
    with pytest.raises(InputError), desk.open(NEVER):
        raise InputError("a photo is gone")
    assert texts(desk)[-1] == "ended early (a photo is gone)"


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit])
def test_the_journal_tells_that_a_stage_was_left_without_a_word(
    desk: Desk, error: type[BaseException]
) -> None:
    with pytest.raises(error), desk.open(NEVER):
        raise error
    assert texts(desk)[-1] == "ended early (left)"


def test_what_was_written_after_the_state_is_taken_out_on_resuming(
    desk: Desk, scores: list[float]
) -> None:
    scores += [1.0, 2.0]
    options = replace(NEVER, write_every=1, validate_every=4, save_every=5)
    with desk.open(options, is_validated=True) as recorder:
        desk.take(recorder, 9)
    desk.state = load_state(desk.folder.state_path("encoder", 5), None, CPU)
    with desk.open(options, is_validated=True):
        pass
    steps = [entry.step for entry in desk.entries() if isinstance(entry, StepEntry)]
    validated = [entry.step for entry in desk.entries() if isinstance(entry, ValidationEntry)]
    assert steps == [1, 2, 3, 4, 5]
    assert validated == [4]


def test_what_was_written_of_a_later_stage_is_taken_out_on_resuming(desk: Desk) -> None:
    encoder = desk.state
    desk.state = tiny.start(desk.folder.read_recipe().diffusion)
    with desk.open(replace(NEVER, write_every=1)) as recorder:
        desk.take(recorder, 2)
    desk.state = encoder
    with desk.open(NEVER):
        pass
    assert {entry.stage for entry in desk.entries()} == {"encoder"}


def test_what_was_written_of_the_stage_before_stays(desk: Desk) -> None:
    with desk.open(replace(NEVER, write_every=1)) as recorder:
        desk.take(recorder, 2)
    desk.state = tiny.start(desk.folder.read_recipe().diffusion)
    with desk.open(NEVER):
        pass
    assert [entry.step for entry in desk.entries() if isinstance(entry, StepEntry)] == [1, 2]


def test_a_damaged_journal_is_kept_aside_and_the_run_goes_on(desk: Desk) -> None:
    journal = desk.folder.path / JOURNAL_NAME
    journal.write_text("not a journal\n")
    with desk.open(replace(NEVER, write_every=1)) as recorder:
        desk.take(recorder, 2)
    assert recorder.journal._log._file.closed
    assert journal.with_name(f"{JOURNAL_NAME}.damaged").read_text() == "not a journal\n"
    told = [entry.text for entry in desk.entries() if isinstance(entry, EventEntry)]
    assert any("line 1 is damaged" in text and f"{JOURNAL_NAME}.damaged" in text for text in told)
    assert [entry.step for entry in desk.entries() if isinstance(entry, StepEntry)] == [1, 2]


# --------------------------------------------------------------------------------- the summary


def test_the_summary_shows_the_run_when_it_ends(desk: Desk) -> None:
    with desk.open(replace(NEVER, write_every=1)) as recorder:
        desk.take(recorder, 2)
        assert not (desk.folder.path / SUMMARY_NAME).exists()
    page = (desk.folder.path / SUMMARY_NAME).read_text(encoding="utf-8")
    assert "encoder, step 2 of 1000" in page
    assert "residual encoder, folded U-Net, x4" in page


def test_the_summary_is_written_anew_after_each_validation(desk: Desk, scores: list[float]) -> None:
    scores += [1.0]
    with desk.open(replace(NEVER, validate_every=2), is_validated=True) as recorder:
        desk.take(recorder, 2)
        page = (desk.folder.path / SUMMARY_NAME).read_text(encoding="utf-8")
    assert "encoder, step 2 of 1000" in page
