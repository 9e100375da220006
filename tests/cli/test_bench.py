"""``samsr bench`` as a person meets it, and as a program does."""

import inspect
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sam_diffsr_cli import __version__
from sam_diffsr_cli.benchmark import run, session
from sam_diffsr_cli.benchmark.records import BenchRow, Effort, Failed, StartUp
from sam_diffsr_cli.benchmark.report import make_table
from sam_diffsr_cli.checkpoints.registry import bundled_weights
from sam_diffsr_cli.cli.app import app
from sam_diffsr_cli.cli.bench import bench as command
from sam_diffsr_cli.cli.bench_run import _print_table
from sam_diffsr_cli.errors import ResourceError
from sam_diffsr_cli.sampling_config import SamplingConfig
from tests.benchmark.samples import PEAKS, measured, row, write_tiny

PAIR = ("--device", "cpu", "--precision", "fp32")


def bench(*options: str) -> tuple[int, str, str]:
    """Run the command in this process: exit code, stdout, stderr."""
    result = CliRunner().invoke(app, ["bench", *options])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


class Made:
    """Rows made up: paper takes 400 seconds, everything else 40."""

    def __init__(self) -> None:
        self.failing: tuple[str, ...] = ()
        self.stop_before = ""
        self.load: float | None = None
        self.efforts: list[Any] = []
        self.started: list[tuple[str, Path | None, int]] = []

    def run_cases(self, cases: Any, effort: Any, report: Any) -> Iterator[BenchRow | Failed]:
        self.efforts.append(effort)
        for one in cases:
            report(0.5)
            if one.model == self.stop_before:
                raise KeyboardInterrupt
            if one.model in self.failing:
                yield Failed(one, ResourceError("out of memory", hint="use less"))
                continue
            seconds = 400.0 if one.model == "paper" else 40.0
            yield BenchRow(case=one, measured=measured(seconds), peaks=PEAKS)

    def time_start(self, device: str, weights: Path | None, repeats: int) -> StartUp:
        self.started.append((device, weights, repeats))
        return StartUp(version_s=0.1, first_pixel_s=2.0)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    """Let nothing be measured."""
    made = Made()
    monkeypatch.setattr(session, "run_cases", made.run_cases)
    monkeypatch.setattr(session, "measure_peaks_again", list)
    monkeypatch.setattr(session, "time_start", made.time_start)
    monkeypatch.setattr(session, "load_now", lambda: made.load)
    return made


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Measure a tiny model for real, and return the document."""
    path = write_tiny(tmp_path_factory.mktemp("weights"))
    options = ("--model", str(path), "--size", "32x16", "--repeats", "1", "--warm-up", "0")
    code, stdout, _ = bench(*options, *PAIR, "--json")
    assert code == 0
    return json.loads(stdout)


@pytest.mark.slow
def test_a_real_run_is_one_document_of_version_1(told: Any) -> None:
    assert (told["samsr"], told["version"], told["status"]) == (1, __version__, "ok")
    assert (told["exit_code"], told["error"]) == (0, None)
    assert {"machine", "torch", "devices"} <= told.keys()


@pytest.mark.slow
def test_a_real_run_measures_every_row(told: Any) -> None:
    assert [(entry["steps"], entry["is_own_steps"]) for entry in told["rows"]] == [
        (2, True),
        (0, False),
    ]
    for entry in told["rows"]:
        assert (entry["width"], entry["height"]) == (32, 16)
        assert entry["seconds"]["median"] > 0
        assert entry["share_of_matmul_peak"] > 0
        assert entry["peak_memory_bytes"] > 2**26


@pytest.mark.slow
def test_a_real_run_measures_peaks_and_start(told: Any) -> None:
    (peaks,) = told["peaks"]
    assert min(peaks["matmul"], peaks["convolution"], peaks["bandwidth"]) > 1e6
    assert 0 < told["start_up"]["version_s"] < told["start_up"]["first_pixel_s"]


@pytest.mark.usefixtures("made")
def test_without_options_the_ratio_of_both_models_is_stated() -> None:
    code, stdout, stderr = bench(*PAIR)
    assert (code, stderr) == (0, "")
    assert "default at 2 steps is 10.0 times as fast as paper at 100 steps" in stdout
    assert "default at 0 steps is 10.0 times as fast as paper at 0 steps" in stdout


@pytest.mark.usefixtures("made")
def test_the_table_is_aligned_plain_text_where_there_is_no_terminal() -> None:
    _, stdout, _ = bench(*PAIR)
    assert "\x1b" not in stdout
    table = stdout.splitlines()[:5]
    assert len({len(line) for line in table}) == 1
    place = table[0].index("steps")
    assert [line[place : place + 5] for line in table[1:]] == ["    2", "    0", "  100", "    0"]


@pytest.mark.usefixtures("made")
def test_each_row_has_a_verdict_on_a_line_of_its_own() -> None:
    lines = bench(*PAIR)[1].splitlines()
    assert "default, 2 steps at 256x256 on cpu in fp32: compute-bound, 50 % of peak" in lines
    assert "paper, 0 steps at 256x256 on cpu in fp32: overhead-bound, 5 % of the roof" in lines


@pytest.mark.usefixtures("made")
def test_a_table_on_a_terminal_of_80_columns_holds_every_cell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    _print_table([row("paper", 40.0, steps=100)])
    assert all(
        cell in terminal.getvalue() for cell in make_table([row("paper", 40.0, steps=100)])[1]
    )


@pytest.mark.usefixtures("made")
def test_random_weights_are_told() -> None:
    _, stdout, _ = bench(*PAIR)
    assert "with random weights, as fast as any: paper\n" in stdout
    assert "random" not in bench(*PAIR, "--model", "default")[1]


@pytest.mark.usefixtures("made")
def test_the_document_holds_what_the_table_tells() -> None:
    _, stdout, _ = bench(*PAIR, "--json")
    told = json.loads(stdout)
    assert [row["model"] for row in told["rows"]] == ["default", "default", "paper", "paper"]
    assert [ratio["times"] for ratio in told["ratios"]] == pytest.approx([10, 10])
    assert told["start_up"] == {"version_s": 0.1, "first_pixel_s": 2.0}
    assert [each["device"] for each in told["peaks"]] == ["cpu"]


def test_a_busy_machine_is_told_on_stderr_and_in_the_document(made: Made) -> None:
    made.load = 1.5
    _, stdout, stderr = bench(*PAIR, "--json")
    assert stderr.startswith("note: other programs kept 1.5 processors busy")
    assert json.loads(stdout)["load_before"] == 1.5


def test_options_say_what_is_run_and_how_often(made: Made) -> None:
    bench(*PAIR, "--repeats", "5", "--warm-up", "2", "--full")
    (effort,) = made.efforts
    assert (effort.repeats, effort.warm_up, effort.limit_s) == (5, 2, None)
    assert made.started == [("cpu", bundled_weights(), 5)]


def test_without_full_there_is_a_limit(made: Made) -> None:
    bench(*PAIR)
    assert made.efforts[0].limit_s is not None


def test_the_first_file_is_the_model_whose_start_is_timed(made: Made, tmp_path: Path) -> None:
    path = write_tiny(tmp_path)
    bench(*PAIR, "--model", "paper", "--model", str(path))
    assert made.started == [("cpu", path, 3)]


def test_some_rows_that_fail_are_exit_code_6(made: Made) -> None:
    made.failing = ("paper",)
    code, stdout, stderr = bench(*PAIR)
    assert code == 6
    assert "default" in stdout
    assert "error: paper, 100 steps at 256x256 on cpu in fp32: out of memory" in stderr
    assert "error: 2 of 4 rows could not be measured" in stderr


def test_the_only_row_that_fails_is_its_own_error(made: Made) -> None:
    made.failing = ("paper",)
    code, stdout, stderr = bench(*PAIR, "--model", "paper", "--steps", "0")
    assert code == 5
    assert stderr == "error: out of memory\nhint: use less\n"
    assert "verdict" not in stdout


def test_json_of_rows_that_fail_is_still_one_document(made: Made) -> None:
    made.failing = ("paper",)
    code, stdout, _ = bench(*PAIR, "--json")
    told = json.loads(stdout)
    assert code == told["exit_code"] == told["error"]["exit_code"] == 6
    assert told["status"] == "partial"
    assert [row["error"] is None for row in told["rows"]] == [True, True, False, False]
    assert told["ratios"] == []


def test_a_run_that_is_stopped_shows_what_it_has(made: Made) -> None:
    made.stop_before = "paper"
    code, stdout, stderr = bench(*PAIR)
    assert code == 130
    assert stdout.count("compute-bound") == 2
    assert "error: interrupted; 2 of 4 rows measured" in stderr


def test_json_of_a_run_that_is_stopped_is_still_one_document(made: Made) -> None:
    made.stop_before = "paper"
    code, stdout, _ = bench(*PAIR, "--json")
    told = json.loads(stdout)
    assert code == told["exit_code"] == 130
    assert (told["status"], len(told["rows"])) == ("interrupted", 2)


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--size", "large"), 3),
        (("--steps", "101"), 3),
        (("--device", "abacus"), 3),
        (("--precision", "fp8"), 3),
        (("--tile", "3"), 3),
        (("--model", "missing.safetensors"), 4),
        (("--repeats", "0"), 2),
        (("--steps", "-1"), 2),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_options_that_cannot_be_used_have_the_usual_exit_codes(
    options: tuple[str, ...], code: int
) -> None:
    assert bench(*options)[0] == code


def test_the_defaults_are_those_of_the_records_that_they_fill() -> None:
    given = {name: each.default for name, each in inspect.signature(command).parameters.items()}
    effort, request = Effort(), run.Request()
    assert (given["repeats"], given["warm_up"]) == (effort.repeats, effort.warm_up)
    assert given["tile"] == request.tile == SamplingConfig(steps=0).tile
