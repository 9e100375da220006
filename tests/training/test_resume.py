"""A run that was stopped or killed and resumed ends where an unbroken one does, bit for bit."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import pytest
from typer.testing import CliRunner

import sam_diffsr_cli
from sam_diffsr_cli.checkpoints.store import read_tensors
from sam_diffsr_cli.cli.app import app
from sam_diffsr_cli.errors import InterruptedRun
from sam_diffsr_cli.recipes.records import Recipe
from sam_diffsr_cli.training.engine import Engine
from sam_diffsr_cli.training.folder import RunFolder
from sam_diffsr_cli.training.journal import JOURNAL_NAME, EventEntry, read_journal
from sam_diffsr_cli.training.run import run_stages
from sam_diffsr_cli.training.state import load_state
from tests.halting import Halt, go_on
from tests.helpers import PATIENCE_S, also_slowly
from tests.training import tiny
from tests.training.tiny import CPU, STEPS_ONLY, different, values

pytestmark = pytest.mark.slow

MEASURED = {"images_per_s", "wait_share", "memory_mib", "elapsed_s", "seconds"}
"""What differs from run to run whatever is done."""


def unbroken(folder: Path, engine: Engine, asked: Recipe, **more: Any) -> RunFolder:
    run = tiny.make_run(folder, engine, asked, **more)
    for _ in run_stages(run):
        pass
    return run.folder


def stopped(folder: Path, engine: Engine, asked: Recipe, after: Sequence[int]) -> RunFolder:
    """Stop after each of these numbers of steps since the last stop, and finish in the end."""
    for steps in after:
        answers = iter([False] * (steps - 1) + [True])
        run = tiny.make_run(folder, engine, asked, stop=answers.__next__)
        with pytest.raises(InterruptedRun):
            for _ in run_stages(run):
                pass
    return unbroken(folder, engine, asked)


def left(folder: Path, engine: Engine, asked: Recipe, after: int, **more: Any) -> RunFolder:
    """Leave the run after so many events without a word, as a kill does, and finish it."""
    events = run_stages(tiny.make_run(folder, engine, asked, **more))
    for _ in range(after):
        next(events)
    del events
    return unbroken(folder, engine, asked, **more)


def assert_same_end(one: RunFolder, other: RunFolder, asked: Recipe) -> None:
    """Compare parameters, averages, moments and counts of each stage, and the weights."""
    for config in asked.plan:
        a, b = (
            load_state(folder.state_path(config.stage, config.steps), config, CPU)
            for folder in (one, other)
        )
        assert different(values(a), values(b)) == []
        assert (a.mean_loss, a.skipped, a.best) == (b.mean_loss, b.skipped, b.best)
    (a_tensors, _), (b_tensors, _) = (read_tensors(f.weights_path) for f in (one, other))
    assert different(a_tensors, b_tensors) == []


def journal(folder: RunFolder) -> list[dict[str, Any]]:
    """Return what the journal says, but for events and what is measured."""
    return [
        {key: value for key, value in asdict(entry).items() if key not in MEASURED}
        for entry in read_journal(folder.path / JOURNAL_NAME)
        if not isinstance(entry, EventEntry)
    ]


# --------------------------------------------------------------------------------- in process

RECIPE = tiny.recipe()
DISTILLING = tiny.recipe("encoder", "diffusion", "distill")
VALIDATING: dict[str, Any] = {
    "options": replace(STEPS_ONLY, validate_every=3, save_every=3),
    "is_validated": True,
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> RunFolder:
    """A run that nothing broke."""
    return unbroken(tmp_path_factory.mktemp("whole"), engine, RECIPE)


@pytest.fixture(scope="module")
def whole_journal(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> list[dict[str, Any]]:
    """The journal of a run that nothing broke, with validations."""
    return journal(unbroken(tmp_path_factory.mktemp("told"), engine, RECIPE, **VALIDATING))


@pytest.mark.parametrize("after", [*also_slowly((1,), (7,), (1, 1, 1)), (6,), (3, 6, 2)], ids=str)
def test_a_run_stopped_after_any_step_ends_as_an_unbroken_one(
    tmp_path: Path, engine: Engine, whole: RunFolder, after: Sequence[int]
) -> None:
    assert_same_end(stopped(tmp_path, engine, RECIPE, after), whole, RECIPE)


@pytest.mark.parametrize("after", [*also_slowly(1, 14), 4, 9])
def test_a_run_left_at_any_moment_ends_as_an_unbroken_one(
    tmp_path: Path, engine: Engine, whole: RunFolder, after: int
) -> None:
    assert_same_end(left(tmp_path, engine, RECIPE, after), whole, RECIPE)


@pytest.mark.parametrize("workers", [*also_slowly(0, 1), 2])
def test_threads_that_prepare_batches_resume_exactly(
    tmp_path: Path, engine: Engine, whole: RunFolder, workers: int
) -> None:
    options = replace(STEPS_ONLY, workers=workers)
    assert_same_end(left(tmp_path, engine, RECIPE, 5, options=options), whole, RECIPE)


@pytest.fixture(scope="module")
def distilled(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> RunFolder:
    """A run of all three stages that nothing broke."""
    return unbroken(tmp_path_factory.mktemp("distilled"), engine, DISTILLING)


@pytest.mark.parametrize("after", [*also_slowly((3,), (9, 8)), (16,)], ids=str)
def test_a_run_that_distils_ends_as_an_unbroken_one(
    tmp_path: Path, engine: Engine, distilled: RunFolder, after: Sequence[int]
) -> None:
    assert_same_end(stopped(tmp_path, engine, DISTILLING, after), distilled, DISTILLING)


@pytest.mark.slow
def test_a_batch_in_pieces_resumes_exactly(tmp_path: Path, engine: Engine) -> None:
    asked = tiny.recipe(accumulate=2)
    whole = unbroken(tmp_path / "whole", engine, asked)
    assert_same_end(left(tmp_path / "broken", engine, asked, 5), whole, asked)


@pytest.mark.parametrize("precision", [*also_slowly("fp16"), "bf16"])
def test_short_numbers_resume_exactly(
    tmp_path: Path, engine: Engine, precision: Literal["bf16", "fp16"]
) -> None:
    asked = replace(
        RECIPE,
        encoder=replace(RECIPE.encoder, precision=precision),
        diffusion=replace(RECIPE.diffusion, precision=precision),
    )
    whole = unbroken(tmp_path / "whole", engine, asked)
    assert_same_end(stopped(tmp_path / "broken", engine, asked, (3, 6)), whole, asked)


def test_a_run_that_fell_back_from_a_damaged_state_ends_as_an_unbroken_one(
    tmp_path: Path, engine: Engine, whole: RunFolder
) -> None:
    events = run_stages(tiny.make_run(tmp_path, engine, RECIPE))
    for _ in range(6):
        next(events)
    del events
    RunFolder(tmp_path / "run").state_path("encoder", 4).write_bytes(b"")
    assert_same_end(unbroken(tmp_path, engine, RECIPE), whole, RECIPE)


@pytest.mark.slow
@pytest.mark.parametrize("after", [*also_slowly(1, 4, 15), 10])
def test_the_journal_of_a_run_left_at_any_moment_is_that_of_an_unbroken_one(
    tmp_path: Path, engine: Engine, whole_journal: list[dict[str, Any]], after: int
) -> None:
    assert journal(left(tmp_path, engine, RECIPE, after, **VALIDATING)) == whole_journal


# ---------------------------------------------------------------------------- by command line

STEPS, SAVE_EVERY = 60, 3


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.pictures(tmp_path_factory.mktemp("data"))


def arguments(data: Path, out: Path) -> list[str]:
    saving = ["--save-every", str(SAVE_EVERY), "--save-minutes", "0"]
    return [*tiny.command(data, out, STEPS), *saving]


def start_training(args: Sequence[str], halt: Halt) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "sam_diffsr_cli", *args],
        env=os.environ | halt.environment(str(Path(sam_diffsr_cli.__file__).parents[1])),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_killed_in_one_stage_and_stopped_in_the_other_a_run_ends_as_an_unbroken_one(
    data: Path, tmp_path: Path
) -> None:
    """The first time without a word, as a power cut does; the second time with SIGTERM."""
    whole, broken = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "broken")
    args, again = arguments(data, broken.path), ["train", "--resume", "--out", str(broken.path)]
    ends = {"encoder": (signal.SIGKILL, -signal.SIGKILL), "diffusion": (signal.SIGTERM, 130)}
    for stage, (number, expected) in ends.items():
        halt = Halt(tmp_path / "halt", broken.path, 1, pattern=f"{stage}-*.safetensors")
        process = start_training(args, halt)
        halted = halt.wait(process)
        process.send_signal(number)
        go_on(halted)
        assert process.wait(timeout=PATIENCE_S) == expected
        assert not broken.weights_path.exists()
        args = [*again, "--data", str(data), "--save-every", str(SAVE_EVERY)]
    assert CliRunner().invoke(app, args).exit_code == 0
    assert CliRunner().invoke(app, arguments(data, whole.path)).exit_code == 0
    assert_same_end(broken, whole, whole.read_recipe())


def test_command_refuses_a_run_that_is_there_before_it_trains(data: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.begin(tiny.recipe())
    before = folder.recipe_path.read_bytes()
    result = CliRunner().invoke(app, arguments(data, tmp_path))
    assert result.exit_code == 3
    assert "already there" in result.stderr
    assert folder.recipe_path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [folder.recipe_path]


def test_command_refuses_a_file_in_place_of_its_folder(data: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    result = CliRunner().invoke(app, arguments(data, tmp_path / "out"))
    assert result.exit_code == 3
    assert (tmp_path / "out").read_text() == "mine"


def test_existing_weights_are_refused_at_the_start(data: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.weights_path.write_bytes(b"precious")
    result = CliRunner().invoke(app, arguments(data, tmp_path))
    assert result.exit_code == 3
    assert folder.weights_path.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [folder.weights_path]


def test_command_refuses_another_recipe_and_names_what_differs(data: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.begin(tiny.recipe())
    args = ["train", "--resume", "--out", str(tmp_path), "--data", str(data)]
    result = CliRunner().invoke(app, [*args, "--batch", "8", "--set", "clip_norm=0.5"])
    assert result.exit_code == 4
    told = " ".join(result.stderr.split())
    for key in ("batch", "clip_norm"):
        assert f"encoder.{key}:" in told
        assert f"diffusion.{key}:" in told
