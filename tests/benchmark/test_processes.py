"""Processes that measure: what they tell, how they fail, and that none is left behind."""

import os
import signal
import sys
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from sam_diffsr_cli.benchmark.processes import run_case, time_start
from sam_diffsr_cli.benchmark.records import CaseTask, Effort
from sam_diffsr_cli.errors import ResourceError, SamsrError, WeightsError
from sam_diffsr_cli.upscaling.speed import Work
from sam_diffsr_cli.workers.alone import run_alone
from sam_diffsr_cli.workers.messages import Task
from tests.benchmark.samples import case, write_tiny

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Answer:
    text: str = ""
    error: SamsrError | None = None


class Teller:
    """A worker that says it is half through, and then does as its item says."""

    late: Sequence[tuple[int, Answer]] = ()

    def __init__(self) -> None:
        self.report: Callable[[float], None] = ignore

    def do(self, tasks: Sequence[Task[str]]) -> Generator[tuple[int, Answer], None, None]:
        for task in tasks:
            self.report(0.5)
            match task.item:
                case "bug":
                    raise ValueError("seven")
                case "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                case "fail":
                    yield task.index, Answer(error=WeightsError("bad", hint="none"))
                case "last":
                    self.report(float(os.getpid()))
                    signal.pause()
                case text:
                    yield task.index, Answer(text)


class Told:
    """Starts tellers."""

    def start(self, _device: torch.device) -> Teller:
        return Teller()


class Refusing:
    """Starts none."""

    def start(self, _device: torch.device) -> Teller:
        raise WeightsError("no such weights file")


def ignore(_share: float) -> None:
    pass


def test_what_a_worker_finds_comes_back_and_its_progress_before() -> None:
    told: list[float] = []
    assert run_alone(Told(), "seen", "cpu", told.append, "less") == Answer("seen")
    assert told == [0.5]


def test_an_error_of_ours_comes_back_as_it_was() -> None:
    with pytest.raises(WeightsError, match="bad") as caught:
        run_alone(Told(), "fail", "cpu", ignore, "less")
    assert caught.value.hint == "none"


def test_a_worker_that_refuses_to_start_says_why() -> None:
    with pytest.raises(WeightsError, match="no such weights file"):
        run_alone(Refusing(), "seen", "cpu", ignore, "less")


def test_a_bug_is_told_where_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="it ended with 1"):
        run_alone(Told(), "bug", "cpu", ignore, "less")
    assert "ValueError: seven" in capfd.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="no signals there")
def test_a_worker_that_was_killed_ran_out_of_memory() -> None:
    with pytest.raises(ResourceError, match="killed by signal 9"):
        run_alone(Told(), "kill", "cpu", ignore, "less")


@pytest.mark.skipif(sys.platform == "win32", reason="no signals there")
def test_a_worker_is_stopped_with_the_one_that_waits_for_it() -> None:
    seen: list[int] = []

    def interrupt(number: float) -> None:
        if number > 1:
            seen.append(int(number))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_alone(Told(), "last", "cpu", interrupt, "less")
    with pytest.raises(ProcessLookupError):
        os.kill(seen[0], 0)


def test_a_case_is_measured_and_counted(tmp_path: Path) -> None:
    one = case(str(write_tiny(tmp_path)), work=Work(height=16, width=24, steps=2), tile=0)
    told: list[float] = []
    task = CaseTask(case=one, effort=Effort(repeats=2, warm_up=0))
    found = run_case(task, told.append)
    assert len(found.seconds) == 2
    assert min(found.seconds) > 0
    assert found.scaled_from is None
    assert found.scale == 4
    assert found.memory_is_measured
    assert found.memory is not None
    assert found.memory > 2**26
    assert told[-1] == 1.0


def test_a_damaged_file_stops_its_case_as_it_stops_every_command(tmp_path: Path) -> None:
    path = write_tiny(tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    task = CaseTask(case=case(str(path)), effort=Effort())
    with pytest.raises(WeightsError, match="damaged"):
        run_case(task, ignore)


def test_a_start_takes_longer_to_pixels_than_to_the_version(tmp_path: Path) -> None:
    start = time_start("cpu", write_tiny(tmp_path), 1)
    assert 0 < start.version_s < start.first_pixel_s


def test_a_start_that_fails_is_the_error_of_its_command(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such weights file") as caught:
        time_start("cpu", tmp_path / "none.safetensors", 1)
    assert not str(caught.value).startswith("error")
    assert isinstance(caught.value, SamsrError)
