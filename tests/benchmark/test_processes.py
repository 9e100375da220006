"""Processes that measure: what they tell, how they fail, and that none is left behind."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from sam_diffsr_cli.benchmark import processes
from sam_diffsr_cli.benchmark.processes import run_case, run_peaks, time_start
from sam_diffsr_cli.benchmark.records import CaseTask, Effort, Peaks, PeaksTask, Work
from sam_diffsr_cli.errors import ResourceError, SamsrError, WeightsError
from sam_diffsr_cli.strict import to_json
from tests.benchmark.samples import case, write_tiny

pytestmark = pytest.mark.slow

PEAKS_JSON = to_json(
    Peaks(device="cpu", precision="fp32", matmul=3.0, convolution=2.0, bandwidth=1.0)
)
TASK = PeaksTask(device="cpu", precision="fp32")


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a way to put another program in the place of the worker."""

    def replace(body: str) -> None:
        (tmp_path / "fake_worker.py").write_text(f"import os, sys, time\n{body}\n")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.setattr(processes, "WORKER", "fake_worker")

    return replace


def ignore(_share: float) -> None:
    pass


def test_what_a_worker_finds_comes_back_and_its_progress_before(
    worker: Callable[[str], None],
) -> None:
    worker(
        "assert 'cpu' in sys.stdin.readline() and sys.argv[1] == 'peaks'\n"
        "print('{\"share\": 0.25}', flush=True)\n"
        f"print('{{\"done\": {PEAKS_JSON}}}', flush=True)"
    )
    told: list[float] = []
    found = run_peaks(TASK, told.append)
    assert (found.matmul, found.convolution, found.bandwidth) == (3.0, 2.0, 1.0)
    assert told == [0.25]


def test_an_error_of_ours_comes_back_as_it_was(worker: Callable[[str], None]) -> None:
    worker(
        "sys.stdin.readline()\n"
        'print(\'{"error": {"kind": "WeightsError", "message": "bad", "hint": "none"}}\')'
    )
    with pytest.raises(WeightsError, match="bad") as caught:
        run_peaks(TASK, ignore)
    assert caught.value.hint == "none"


def test_a_bug_comes_back_with_what_it_told(worker: Callable[[str], None]) -> None:
    worker("sys.stdin.readline()\nraise ValueError('seven')")
    with pytest.raises(RuntimeError, match="ValueError: seven"):
        run_peaks(TASK, ignore)


@pytest.mark.skipif(sys.platform == "win32", reason="no signals there")
def test_a_worker_that_was_killed_ran_out_of_memory(worker: Callable[[str], None]) -> None:
    worker("sys.stdin.readline()\nos.kill(os.getpid(), 9)")
    with pytest.raises(ResourceError, match="killed"):
        run_peaks(TASK, ignore)


def test_a_worker_is_stopped_with_the_one_that_waits_for_it(
    worker: Callable[[str], None],
) -> None:
    worker(
        "sys.stdin.readline()\nprint(f'{{\"share\": {os.getpid()}}}', flush=True)\ntime.sleep(600)"
    )
    seen: list[int] = []

    def interrupt(number: float) -> None:
        seen.append(int(number))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_peaks(TASK, interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(seen[0], 0)


@pytest.mark.skipif(sys.platform == "win32", reason="no signals there")
def test_the_real_worker_ends_when_nobody_waits_for_it(tmp_path: Path) -> None:
    long = case(str(write_tiny(tmp_path)), steps=10, work=Work(height=2048, width=2048, steps=10))
    task = CaseTask(case=long, effort=Effort(repeats=1000, limit_s=None))
    command = [sys.executable, "-m", "sam_diffsr_cli.benchmark.worker", "case"]
    with subprocess.Popen(  # noqa: S603 - our own code
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        guard = threading.Timer(120, process.send_signal, (signal.SIGKILL,))
        guard.start()
        process.stdin.write(to_json(task).encode() + b"\n")
        process.stdin.flush()
        assert b"share" in process.stdout.readline()
        process.stdin.close()
        code = process.wait()
        guard.cancel()
    assert code == 1


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
