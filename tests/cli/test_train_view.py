"""What people see of a training run, on a terminal and elsewhere."""

import errno
import io
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from rich.console import Console
from typer.testing import CliRunner

from sam_diffsr_cli.cli import train_view
from sam_diffsr_cli.cli.app import app
from sam_diffsr_cli.cli.train_view import teller, training_console, training_view
from sam_diffsr_cli.data.cache import CacheEntry
from sam_diffsr_cli.recipes.records import RECIPES
from sam_diffsr_cli.training import meter
from sam_diffsr_cli.training.engine import start_engine
from sam_diffsr_cli.training.folder import RunFolder
from sam_diffsr_cli.training.journal import ValidationEntry
from sam_diffsr_cli.training.loop import TrainStep
from sam_diffsr_cli.training.recorder import RunOptions
from sam_diffsr_cli.training.run import StageBegun, StageEvent, TrainRun
from tests.helpers import Clock
from tests.workshop.tools.kill_train import TINY, draw_photos

LITE = RECIPES["lite"]
ENTRY = CacheEntry("a.png", Path("a"), (99, 99), 0, "")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
NAMES = ("loss", "rate", "crops/s", "waiting for data", "to go", "memory", "validation")
Shown: TypeAlias = StageEvent | Callable[[], None]


def step(number: int, *, wait_s: float = 0.0, was_skipped: bool = False) -> TrainStep:
    return TrainStep(
        step=number,
        loss=9.0,
        mean_loss=0.12345,
        learning_rate=3e-4,
        gradient_norm=1.0,
        was_skipped=was_skipped,
        wait_s=wait_s,
        stops=False,
    )


def validation(number: int, *, is_best: bool = True) -> ValidationEntry:
    return ValidationEntry("encoder", number, 28.765, 0.1, 2.0, is_best, "")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    replaced = Clock()
    monkeypatch.setattr(meter, "time", replaced)
    return replaced


@pytest.fixture
def run(tmp_path: Path) -> Iterator[TrainRun]:
    engine = start_engine("cpu")
    yield TrainRun(
        folder=RunFolder(tmp_path),
        recipe=LITE,
        engine=engine,
        train_photos=[ENTRY],
        val_photos=[ENTRY],
        options=RunOptions(),
        stop=lambda: False,
        notify=lambda _: None,
    )
    engine.close()


def seen(run: TrainRun, *events: Shown, is_terminal: bool = False) -> str:
    """Show what happens, and return what was written; functions are called in between."""
    console = Console(
        file=io.StringIO(), force_terminal=is_terminal, width=100, highlight=False, soft_wrap=True
    )
    with training_view(run, console, is_shown=True) as show:
        for event in events:
            if callable(event):
                event()
            else:
                show(event)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def after(clock: Clock, seconds: float) -> Callable[[], None]:
    def pass_by() -> None:
        clock.now += seconds

    return pass_by


BEGUN = StageBegun(LITE.encoder, 0)


# ------------------------------------------------------------------------------- what it tells


@pytest.mark.parametrize("is_terminal", [True, False], ids=["terminal", "elsewhere"])
def test_all_that_is_known_is_shown(run: TrainRun, is_terminal: bool) -> None:
    text = seen(run, BEGUN, step(5), validation(5), is_terminal=is_terminal)
    assert all(name in text for name in NAMES)
    for words in ("0.12345", "3.00e-04", "step 5: PSNR-Y 28.77 dB, loss 0.10000, best so far"):
        assert words in text


def test_a_stage_is_told_when_it_begins(run: TrainRun) -> None:
    assert seen(run, BEGUN) == "encoder stage, 12000 steps of 16 crops, on cpu, auto\n"


def test_a_stage_is_told_where_it_goes_on(run: TrainRun) -> None:
    text = seen(run, StageBegun(LITE.diffusion, 2500))
    assert text == "diffusion stage, going on after step 2500 of 10000, on cpu, auto\n"


def test_a_validation_that_is_not_the_best_is_not_called_so(run: TrainRun) -> None:
    assert "best so far" not in seen(run, BEGUN, step(5), validation(5, is_best=False))


def test_a_validation_without_numbers_says_so(run: TrainRun) -> None:
    unknown = ValidationEntry("encoder", 5, None, None, None, is_best=False, sample="")
    text = seen(run, BEGUN, step(5), unknown)
    assert text.endswith(", validation step 5: not measured\n")


def test_steps_that_changed_nothing_are_counted(run: TrainRun) -> None:
    skipped = (step(1, was_skipped=True), step(2, was_skipped=True))
    assert "steps skipped 2, " in seen(run, BEGUN, *skipped, step(3), validation(3))


def test_the_time_to_go_leaves_the_first_step_out(run: TrainRun, clock: Clock) -> None:
    events: list[Shown] = [BEGUN, after(clock, 60.0), step(1)]
    for number in range(2, 11):
        events += [after(clock, 2.0), step(number)]
    text = seen(run, *events, validation(10))
    # 11,990 steps of 2 s each.
    assert "crops/s 8.0, " in text.splitlines()[-1]
    assert "to go 6:39:40" in text.splitlines()[-1]


def test_what_a_validation_takes_is_not_counted_as_training(run: TrainRun, clock: Clock) -> None:
    both: list[Shown] = [
        after(clock, 1.0),
        step(2),
        after(clock, 500.0),
        validation(2),
        after(clock, 1.0),
    ]
    text = seen(run, BEGUN, step(1), *both, step(3), validation(3))
    assert "crops/s 16.0, " in text.splitlines()[-1]


def test_waiting_for_data_is_a_share_of_the_time(run: TrainRun, clock: Clock) -> None:
    waits: list[Shown] = [step(1), after(clock, 2.0), step(2, wait_s=0.5), after(clock, 2.0)]
    text = seen(run, BEGUN, *waits, step(3, wait_s=0.5), validation(3))
    assert "waiting for data 25 %" in text.splitlines()[-1]


def test_a_line_is_written_now_and_then(run: TrainRun, clock: Clock) -> None:
    events: list[Shown] = [BEGUN]
    for number in range(1, 41):
        events += [after(clock, 1.0), step(number)]
    lines = seen(run, *events).splitlines()[1:]
    assert [line.partition(":")[0] for line in lines] == [
        "encoder step 15/12000",
        "encoder step 30/12000",
    ]


def test_the_second_stage_begins_without_the_numbers_of_the_first(run: TrainRun) -> None:
    second = StageBegun(LITE.diffusion, 0)
    last = seen(run, BEGUN, step(7), validation(7), second, step(1), validation(1)).splitlines()[-1]
    assert last.startswith("diffusion step 1/10000: ")
    assert "step 7" not in last


def test_where_several_processes_train_the_others_are_silent(run: TrainRun) -> None:
    console = Console(file=io.StringIO())
    with training_view(run, console, is_shown=False) as show:
        for event in (BEGUN, step(1), validation(1)):
            show(event)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == ""


# ------------------------------------------------------------------------------- the live table


def test_what_is_told_meanwhile_goes_above_the_table(run: TrainRun) -> None:
    second = StageBegun(LITE.diffusion, 0)
    text = seen(run, BEGUN, step(5), validation(5), second, is_terminal=True)
    line = next(line for line in text.split("\n") if "diffusion stage" in line)
    # What was there is erased before the words, and they are alone in their line.
    words = "diffusion stage, 10000 steps of 16 crops, on cpu, auto"
    assert line.rpartition("\x1b[2K")[2].strip() == words


def test_the_table_is_taken_away_at_the_end(run: TrainRun) -> None:
    text = seen(run, BEGUN, step(5), validation(5), is_terminal=True)
    assert text.endswith("\x1b[1A\x1b[2K")


def test_elsewhere_there_is_no_control_character(run: TrainRun) -> None:
    text = seen(run, BEGUN, step(5), validation(5))
    assert [char for char in text if char < " " and char != "\n"] == []


# -------------------------------------------------------------------------- whoever reads is gone


class Gone(io.StringIO):
    """A stream that nobody reads any more."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def write(self, text: str) -> int:
        raise OSError(self.number, text)


@pytest.mark.parametrize("number", [errno.EPIPE, errno.EIO], ids=["pipe", "terminal"])
def test_telling_nobody_does_not_end_a_run(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Gone(number))
    console = training_console()
    for _ in range(2):
        teller(console)("stopping after this step")
    assert isinstance(sys.stderr, Gone)


@pytest.mark.parametrize("is_terminal", [True, False], ids=["terminal", "elsewhere"])
@pytest.mark.parametrize("number", [errno.EPIPE, errno.EIO], ids=["pipe", "terminal-gone"])
def test_showing_nobody_does_not_end_a_run(
    run: TrainRun, number: int, is_terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("FORCE_COLOR", "1" if is_terminal else "")
    console = training_console()
    assert console.is_terminal == is_terminal
    with training_view(run, console, is_shown=True) as show:
        show(BEGUN)
        console.file = Gone(number)
        show(step(1))
        show(validation(1))
        console.file = screen
    assert "encoder stage" in screen.getvalue()


def test_the_names_of_files_are_not_read_as_markup(capsys: pytest.CaptureFixture[str]) -> None:
    teller(training_console())("photos [bold] and [/red]")
    assert capsys.readouterr().err == "photos [bold] and [/red]\n"


# ------------------------------------------------------------------------------------ whole runs


def streams(out: Path) -> tuple[str, str]:
    """Train the tiny encoder, and return stdout and stderr."""
    photos = draw_photos(out.with_name("photos"))
    options = (*TINY, "--stage", "encoder", "--data", str(photos), "--out", str(out))
    result = CliRunner().invoke(app, ["train", *options])
    assert result.exit_code == 0
    assert result.stdout == f"{out / 'model.safetensors'}\n"
    return result.stdout, result.stderr


def test_on_a_terminal_a_run_shows_the_live_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(train_view, "LIVE_S", 0.0)
    _, stderr = streams(tmp_path / "run")
    assert COLOUR.search(stderr)
    assert all(f"\n{name} " in stderr.replace("\r", "") for name in NAMES)


@pytest.mark.slow
def test_no_color_is_respected_on_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    _, stderr = streams(tmp_path / "run")
    assert "crops/s" in stderr
    assert not any(code.strip("\x1b[m") for code in COLOUR.findall(stderr))


@pytest.mark.slow
def test_elsewhere_a_run_writes_plain_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    _, stderr = streams(tmp_path / "run")
    assert "\x1b" not in stderr
    assert stderr.splitlines()[-2].startswith("encoder step 12/12: loss ")
