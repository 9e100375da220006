"""Workers as processes of this machine: real ones, with a small model."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from sam_diffsr_cli.batch.pipeline import Outcome, run_batch
from sam_diffsr_cli.batch.plan import Job, Naming, plan_jobs
from sam_diffsr_cli.batch.sources import gather_sources
from sam_diffsr_cli.batch.stages import BatchSettings, make_stages
from sam_diffsr_cli.batch.work import EnlargeConfig, config_of, load_settings, share_jobs
from sam_diffsr_cli.errors import SamsrError, WeightsError
from sam_diffsr_cli.pictures.encoders import WriteOptions
from sam_diffsr_cli.pictures.records import Limits
from sam_diffsr_cli.sampling_config import SamplingConfig
from sam_diffsr_cli.upscaling.model import load_upscaler
from sam_diffsr_cli.upscaling.sizes import Size
from sam_diffsr_cli.workers.messages import Done, Idle, Lost, Refused, Task
from sam_diffsr_cli.workers.processes import LocalPool
from tests.halting import go_on
from tests.helpers import PATIENCE_S
from tests.workshop.tools import kill_batch as tool

pytestmark = pytest.mark.slow

PICTURES = 10
NEEDS_SIGNALS = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tool.make_place(tmp_path_factory.mktemp("workers"), PICTURES)


def settings_into(place: Any, out: Path) -> BatchSettings:
    return BatchSettings(
        upscaler=load_upscaler(place.weights, torch.device("cpu")),
        sampling=SamplingConfig(steps=2, tile=64),
        size=Size(scale=4.0),
        naming=Naming(folder=out),
        limits=Limits(),
        options=WriteOptions(),
    )


def jobs_into(place: Any, out: Path) -> list[Job]:
    sources = gather_sources([str(place.photos)], recursive=True, leave_out=out)
    return plan_jobs(sources, Naming(folder=out))


@pytest.fixture(scope="module")
def whole(place: Any) -> dict[str, bytes | None]:
    """Return what this process makes by itself."""
    out = place.root / "whole"
    stages = make_stages(settings_into(place, out), lambda *_: None)
    assert {o.status for o in run_batch(jobs_into(place, out), stages)} == {"done"}
    found: dict[str, bytes | None] = tool.content(out)
    return found


def config_into(place: Any, out: Path) -> EnlargeConfig:
    return config_of(settings_into(place, out))


def pids(pool: LocalPool[Outcome]) -> list[int]:
    return [process.pid or 0 for process in pool._processes if process is not None]


def test_what_a_worker_is_sent_makes_the_settings_again(place: Any, tmp_path: Path) -> None:
    settings = settings_into(place, tmp_path)
    settings = replace(settings, upscaler=replace(settings.upscaler, name="org/name@1234"))
    again = load_settings(config_of(settings), torch.device("cpu"))
    plain = replace(settings, upscaler=again.upscaler)
    assert again == plain
    assert (again.upscaler.name, again.upscaler.digest) == (
        "org/name@1234",
        settings.upscaler.digest,
    )


def test_a_model_that_was_replaced_meanwhile_is_refused(place: Any, tmp_path: Path) -> None:
    order = replace(config_into(place, tmp_path), digest="0" * 64)
    with pytest.raises(WeightsError, match="was replaced"):
        load_settings(order, torch.device("cpu"))


def test_two_workers_write_what_one_process_does(
    place: Any, whole: dict[str, bytes | None], tmp_path: Path
) -> None:
    pool = LocalPool(config_into(place, tmp_path / "out"), ["cpu", "cpu"])
    outcomes = list(share_jobs(jobs_into(place, tmp_path / "out"), pool))
    assert {o.worker for o in outcomes} == {0, 1}
    assert tool.content(tmp_path / "out") == whole
    assert pids(pool) == []


@NEEDS_SIGNALS
def test_what_a_killed_worker_had_is_done_by_another(
    place: Any, whole: dict[str, bytes | None], tmp_path: Path
) -> None:
    pool = LocalPool(config_into(place, tmp_path / "out"), ["cpu", "cpu"])
    told: list[str] = []
    outcomes: list[Outcome] = []
    with closing(share_jobs(jobs_into(place, tmp_path / "out"), pool, notify=told.append)) as done:
        for outcome in done:
            outcomes.append(outcome)
            if len(outcomes) == 2:
                os.kill(pids(pool)[0], signal.SIGKILL)
    assert {o.status for o in outcomes} == {"done"}
    assert len(outcomes) == PICTURES
    assert tool.content(tmp_path / "out") == whole
    assert any("killed by signal 9" in text for text in told)


def test_what_is_told_as_ctrl_c_comes_is_not_lost(
    place: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = LocalPool(config_into(place, tmp_path / "out"), ["cpu"])
    wait, told = pool.wait, list[int]()

    def cut_off() -> Any:
        event = wait()
        if isinstance(event, Done):
            told.append(event.index)
            if len(told) == 2:
                raise KeyboardInterrupt
        return event

    monkeypatch.setattr(pool, "wait", cut_off)
    outcomes, late = list[Outcome](), list[Outcome]()
    with pytest.raises(KeyboardInterrupt):
        outcomes.extend(share_jobs(jobs_into(place, tmp_path / "out"), pool, late))
    names = {outcome.job.target for outcome in outcomes + late}
    assert names == set(tool.outputs(tmp_path / "out"))
    assert len(names) >= 2


@pytest.fixture
def one(place: Any, tmp_path: Path) -> Iterator[LocalPool[Outcome]]:
    """One worker that has started."""
    pool = LocalPool(config_into(place, tmp_path / "out"), ["cpu"])
    assert pool.wait() == Idle(0)
    yield pool
    pool.close()


def test_a_picture_that_was_begun_before_is_made_again(
    one: LocalPool[Outcome], place: Any, tmp_path: Path
) -> None:
    job = jobs_into(place, tmp_path / "out")[0]
    statuses = []
    for is_again in (False, False, True):
        one.give(0, [Task(5, job, is_again)])
        done = one.wait()
        assert isinstance(done, Done)
        assert (done.index, one.wait()) == (5, Idle(0))
        statuses.append((done.result.status, str(done.result.error or "")))
    assert [status for status, _ in statuses] == ["done", "failed", "done"]
    assert "exists already" in statuses[1][1]


def test_what_was_there_before_the_batch_is_not_lost_when_a_worker_dies(
    one: LocalPool[Outcome], place: Any, tmp_path: Path
) -> None:
    job = jobs_into(place, tmp_path / "out")[0]
    assert isinstance(job.target, Path)
    job.target.parent.mkdir(parents=True)
    job.target.write_bytes(b"mine")
    job = jobs_into(place, tmp_path / "out")[0]
    one.give(0, [Task(0, job, is_again=True)])
    done = one.wait()
    assert isinstance(done, Done)
    assert done.result.status == "failed"
    assert "exists already" in str(done.result.error)
    assert Path(str(job.target)).read_bytes() == b"mine"


def test_a_name_that_came_to_be_there_is_renamed_by_the_worker_and_told(
    place: Any, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    settings = settings_into(place, out)
    naming = replace(settings.naming, on_exists="rename")
    jobs = plan_jobs(gather_sources([str(place.photos)], recursive=True, leave_out=out), naming)
    taken = Path(str(jobs[0].target))
    taken.parent.mkdir(parents=True)
    taken.write_bytes(b"somebody's")
    pool = LocalPool(config_of(replace(settings, naming=naming)), ["cpu"])
    outcomes = {o.job.source.name: o for o in share_jobs(jobs[:2], pool)}
    renamed = outcomes[jobs[0].source.name]
    assert renamed.is_renamed
    assert renamed.job.target == taken.with_name(f"{taken.stem} (2){taken.suffix}")
    assert Path(str(renamed.job.target)).is_file()
    assert taken.read_bytes() == b"somebody's"
    assert outcomes[jobs[1].source.name].job.target == jobs[1].target


def test_an_error_comes_back_with_its_hint(
    one: LocalPool[Outcome], place: Any, tmp_path: Path
) -> None:
    job = jobs_into(place, tmp_path / "out")[0]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / job.source.inside).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "out" / job.source.inside).write_bytes(b"mine")
    one.give(0, [Task(0, job)])
    done = one.wait()
    assert isinstance(done, Done)
    error = done.result.error
    assert isinstance(error, SamsrError)
    assert (error.exit_code, "--on-exists" in (error.hint or "")) == (3, True)


def test_a_model_that_cannot_be_loaded_refuses_the_batch(place: Any, tmp_path: Path) -> None:
    order = replace(config_into(place, tmp_path), weights=tmp_path / "gone.safetensors")
    pool = LocalPool(order, ["cpu"])
    event = pool.wait()
    assert isinstance(event, Refused)
    assert isinstance(event.error, WeightsError)
    pool.close()


@NEEDS_SIGNALS
def test_a_worker_that_dies_is_told_and_can_be_replaced(one: LocalPool[Outcome]) -> None:
    os.kill(pids(one)[0], signal.SIGKILL)
    assert one.wait() == Lost(0, "killed by signal 9")
    one.restart(0)
    assert one.wait() == Idle(0)


@NEEDS_SIGNALS
def test_workers_end_when_the_batch_is_killed(place: Any, tmp_path: Path) -> None:
    halt = tool.halt_at(place, tmp_path / "out", 1)
    process = replace(place, more=("--workers", "2")).start(tmp_path / "out", halt=halt)
    halted = halt.wait(process)
    workers = tool.workers_of(process)
    process.kill()
    go_on(halted)
    assert len(workers) == 2
    gone, alive = psutil.wait_procs(workers, timeout=PATIENCE_S)
    assert (len(gone), alive) == (2, [])
    process.communicate()


@NEEDS_SIGNALS
def test_a_killed_batch_with_workers_is_finished_to_the_same_bytes(
    place: Any, tmp_path: Path
) -> None:
    assert tool.finish(place, tmp_path / "whole") == 0
    two = replace(place, more=("--workers", "2"))
    assert tool.kill_at(two, tmp_path / "out", 2)
    assert tool.finish(two, tmp_path / "out", "--on-exists", "skip") == 0
    assert tool.content(tmp_path / "out") == tool.content(tmp_path / "whole")


@NEEDS_SIGNALS
def test_ctrl_c_ends_workers_and_leaves_whole_files(place: Any, tmp_path: Path) -> None:
    code, _, stderr = tool.interrupt_at(place, tmp_path / "out", 2, "--workers", "2")
    assert code == 130
    done = len(tool.outputs(tmp_path / "out"))
    assert f"interrupted; {done} of {PICTURES} pictures done" in " ".join(stderr.split())
    assert "Traceback" not in stderr
    assert not [path for path in (tmp_path / "out").rglob(".*") if path.is_file()]
