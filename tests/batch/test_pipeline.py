"""The batch pipeline with stages that only pretend."""

import itertools
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from sam_diffsr_cli.batch import pipeline
from sam_diffsr_cli.batch.pipeline import WRITERS, Outcome, Stages, Written, run_batch
from sam_diffsr_cli.batch.plan import Job
from sam_diffsr_cli.batch.sources import Source
from sam_diffsr_cli.errors import DiskFullError, InputError, ResourceError, SamsrError
from sam_diffsr_cli.pictures.records import Frame, Picture
from tests.halting import shutdown_begun
from tests.helpers import PATIENCE_S


def job(name: str, *, is_done: bool = False) -> Job:
    return Job(Source(Path(name), Path(name)), Path("out", name), is_done=is_done)


def picture(side: int = 1, *, frames: int = 1) -> Picture:
    frame = Frame(np.zeros((side, side + 1, 3), dtype=np.uint8))
    return Picture(format="PNG", frames=(frame,) * frames, notes=("read",))


def nothing(_name: str) -> None:
    pass


@dataclass
class Fake:
    """Stages that note what they do; ``at`` is called as (stage, name) at each one's start."""

    at: Callable[[str, str], None] = lambda _stage, _name: None
    side: int = 1
    frames: int = 1
    done: list[tuple[str, str]] = field(default_factory=list)

    def stages(self) -> Stages:
        return Stages(read=self.read, enlarge=self.enlarge, write=self.write)

    def do(self, stage: str, job: Job) -> None:
        self.at(stage, job.source.name)
        self.done.append((stage, job.source.name))

    def read(self, job: Job) -> Picture:
        self.do("read", job)
        return picture(frames=self.frames)

    def enlarge(self, job: Job, _picture: Picture, notify: Callable[[str], None]) -> Picture:
        self.do("enlarge", job)
        notify("enlarged")
        return picture(self.side, frames=self.frames)

    def write(self, job: Job, _picture: Picture) -> Written:
        self.do("write", job)
        return Written(("written",), job.target)

    def names(self, stage: str) -> list[str]:
        return [name for each, name in self.done if each == stage]


def failing(stage: str, name: str, error: BaseException) -> Callable[[str, str], None]:
    def at(now: str, what: str) -> None:
        if (now, what) == (stage, name):
            raise error

    return at


def run(fake: Fake, *names: str) -> list[Outcome]:
    return list(run_batch([job(name) for name in names], fake.stages()))


def collect(results: Iterable[Outcome], into: list[Outcome]) -> None:
    """Keep what comes, also when an error comes after it."""
    for outcome in results:
        into.append(outcome)  # noqa: PERF402


def statuses(outcomes: list[Outcome]) -> dict[str, str]:
    return {outcome.job.source.name: outcome.status for outcome in outcomes}


def test_no_jobs_give_no_outcomes() -> None:
    assert run(Fake()) == []


def test_every_job_is_done_in_order() -> None:
    fake, names = Fake(), [str(i) for i in range(20)]
    assert list(statuses(run(fake, *names))) == names
    for stage in ("read", "enlarge"):
        assert fake.names(stage) == names
    assert sorted(fake.names("write")) == sorted(names)


def test_results_are_written_side_by_side_and_told_in_order() -> None:
    last = threading.Event()
    names = [str(i) for i in range(WRITERS)]

    def at(stage: str, name: str) -> None:
        if (stage, name) == ("write", names[-1]):
            last.set()
        elif stage == "write":
            # All others are under way, and done after it.
            assert last.wait(PATIENCE_S)

    outcomes = run(Fake(at=at), *names)
    assert [(o.job.source.name, o.status) for o in outcomes] == [(name, "done") for name in names]


def test_an_outcome_tells_sizes_frames_notes_and_times() -> None:
    (outcome,) = run(Fake(side=4, frames=3), "a")
    assert (outcome.status, outcome.error) == ("done", None)
    assert (outcome.size_in, outcome.size_out, outcome.frames) == ((1, 2), (4, 5), 3)
    assert outcome.notes == ["read", "enlarged", "written"]
    assert min(outcome.read_s, outcome.enlarge_s, outcome.write_s) > 0


def test_a_job_that_is_done_is_skipped_without_being_read() -> None:
    fake = Fake()
    jobs = [job("a"), job("b", is_done=True), job("c")]
    outcomes = list(run_batch(jobs, fake.stages()))
    assert statuses(outcomes) == {"a": "done", "b": "skipped", "c": "done"}
    assert fake.names("read") == ["a", "c"]
    assert fake.names("write") == ["a", "c"]


def test_a_batch_that_is_all_done_reads_nothing() -> None:
    fake = Fake()
    jobs = [job(name, is_done=True) for name in "abc"]
    assert set(statuses(list(run_batch(jobs, fake.stages()))).values()) == {"skipped"}
    assert fake.done == []


@pytest.mark.parametrize("stage", ["read", "enlarge", "write"])
@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_our_error_in_a_stage_fails_that_job_alone_and_in_its_place(stage: str, name: str) -> None:
    error = InputError("bad", hint="do this")
    outcomes = run(Fake(at=failing(stage, name, error)), "a", "b", "c")
    assert statuses(outcomes) == dict.fromkeys("abc", "done") | {name: "failed"}
    assert list(statuses(outcomes)) == ["a", "b", "c"]
    assert outcomes["abc".index(name)].error is error


@pytest.mark.parametrize("stage", ["read", "enlarge", "write"])
def test_a_bug_in_a_stage_fails_that_job_alone_and_keeps_its_cause(stage: str) -> None:
    bug = KeyError("oops")
    outcomes = run(Fake(at=failing(stage, "b", bug)), "a", "b", "c")
    assert statuses(outcomes) == {"a": "done", "b": "failed", "c": "done"}
    error = outcomes[1].error
    assert error is not None
    assert (error.exit_code, error.__cause__) == (1, bug)
    assert str(error) == "b: KeyError: 'oops'"


@pytest.mark.parametrize("stage", ["read", "enlarge", "write"])
def test_running_out_of_memory_fails_that_job_as_a_resource(stage: str) -> None:
    outcomes = run(Fake(at=failing(stage, "b", MemoryError())), "a", "b", "c")
    assert statuses(outcomes) == {"a": "done", "b": "failed", "c": "done"}
    assert isinstance(outcomes[1].error, ResourceError)


def test_a_job_that_cannot_be_read_is_neither_enlarged_nor_written() -> None:
    fake = Fake(at=failing("read", "a", InputError("bad")))
    (outcome,) = run(fake, "a")
    assert fake.done == []
    assert (outcome.size_in, outcome.size_out) == (None, None)


def test_a_job_that_cannot_be_enlarged_is_not_written() -> None:
    fake = Fake(at=failing("enlarge", "a", InputError("bad")))
    (outcome,) = run(fake, "a")
    assert fake.names("write") == []
    assert (outcome.size_in, outcome.size_out) == ((1, 2), None)


def test_the_next_picture_is_read_while_one_is_enlarged() -> None:
    begun = threading.Event()

    def at(stage: str, name: str) -> None:
        if (stage, name) == ("read", "b"):
            begun.set()
        if (stage, name) == ("enlarge", "a"):
            assert begun.wait(PATIENCE_S)

    assert statuses(run(Fake(at=at), "a", "b")) == {"a": "done", "b": "done"}


def test_no_more_than_one_picture_is_read_ahead() -> None:
    reads, seen = threading.Semaphore(0), list[bool]()

    def at(stage: str, name: str) -> None:
        if stage == "read":
            reads.release()
        elif (stage, name) == ("enlarge", "a"):
            seen.extend(reads.acquire(timeout=wait) for wait in (PATIENCE_S, PATIENCE_S, 0.1))

    run(Fake(at=at), "a", "b", "c", "d")
    assert seen == [True, True, False]


def test_one_picture_is_written_while_the_next_is_enlarged() -> None:
    enlarging = threading.Event()

    def at(stage: str, name: str) -> None:
        if (stage, name) == ("enlarge", "b"):
            enlarging.set()
        if (stage, name) == ("write", "a"):
            assert enlarging.wait(PATIENCE_S)

    assert statuses(run(Fake(at=at), "a", "b")) == {"a": "done", "b": "done"}


def test_enlarging_is_in_the_callers_thread_and_the_others_are_not() -> None:
    threads: dict[str, int] = {}
    run(Fake(at=lambda stage, _name: threads.update({stage: threading.get_ident()})), "a")
    here = threading.get_ident()
    assert threads["enlarge"] == here
    assert here not in (threads["read"], threads["write"])


def test_results_that_wait_for_the_disk_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    side = 10
    size = side * (side + 1) * 3
    monkeypatch.setattr(pipeline, "MOST_WAITING_BYTES", 2 * size)
    lock, enlarged, written, most = threading.Lock(), 0, 0, 0

    def at(stage: str, name: str) -> None:
        nonlocal enlarged, written, most
        if (stage, name) == ("write", "0"):
            # Time enough to run ahead, if nothing held it back.
            threading.Event().wait(0.1)
        with lock:
            enlarged += stage == "enlarge"
            written += stage == "write"
            most = max(most, enlarged - written)

    run(Fake(at=at, side=side), *(str(i) for i in range(8)))
    # Two wait, one is being written, one is being enlarged.
    assert 2 <= most <= 4


def test_outcomes_come_while_later_pictures_are_still_to_do() -> None:
    fake = Fake()
    results = run_batch([job(str(i)) for i in range(50)], fake.stages())
    with closing(results):
        assert next(results).job.source.name == "0"
        assert len(fake.names("enlarge")) < 50


def test_a_full_disk_ends_the_batch_with_the_last_outcome() -> None:
    error, outcomes = DiskFullError("full"), list[Outcome]()
    fake = Fake(at=failing("write", "b", error))
    with pytest.raises(DiskFullError) as caught:
        collect(run_batch([job(name) for name in "abcdef"], fake.stages()), outcomes)
    assert caught.value is error
    assert statuses(outcomes) == {"a": "done", "b": "failed"}
    assert outcomes[-1].error is error


def test_a_full_disk_while_enlarging_ends_the_batch_too() -> None:
    fake, outcomes = Fake(at=failing("enlarge", "b", DiskFullError("full"))), list[Outcome]()
    with pytest.raises(DiskFullError):
        collect(run_batch([job(name) for name in "abc"], fake.stages()), outcomes)
    assert statuses(outcomes) == {"a": "done", "b": "failed"}
    assert "c" not in fake.names("enlarge")


def test_closing_early_waits_for_the_file_being_written(monkeypatch: pytest.MonkeyPatch) -> None:
    writing, closing = threading.Event(), shutdown_begun(monkeypatch, "samsr-write")

    def at(stage: str, name: str) -> None:
        if (stage, name) == ("write", "b"):
            writing.set()
            assert closing.wait(PATIENCE_S)
            # Time for a pipeline that would not wait to come to its end.
            threading.Event().wait(0.05)
        if (stage, name) == ("enlarge", "c"):
            assert writing.wait(PATIENCE_S)
            raise KeyboardInterrupt

    fake, late = Fake(at=at), list[Outcome]()
    with pytest.raises(KeyboardInterrupt):
        list(run_batch([job(name) for name in "abc"], fake.stages(), late))
    assert fake.names("write") == ["a", "b"]


def test_what_was_written_after_the_stop_is_told() -> None:
    fake, late = Fake(at=failing("enlarge", "c", KeyboardInterrupt())), list[Outcome]()
    seen = list[Outcome]()
    with pytest.raises(KeyboardInterrupt):
        collect(run_batch([job(name) for name in "abc"], fake.stages(), late), seen)
    told = [outcome.job.source.name for outcome in seen + late]
    assert told == sorted(fake.names("write"))


def test_closing_early_does_not_begin_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "WRITERS", 1)
    writing, closing = threading.Event(), shutdown_begun(monkeypatch, "samsr-write")

    def at(stage: str, name: str) -> None:
        if (stage, name) == ("write", "a"):
            writing.set()
            assert closing.wait(PATIENCE_S)
        if (stage, name) == ("enlarge", "c"):
            assert writing.wait(PATIENCE_S)
            raise KeyboardInterrupt

    fake, late = Fake(at=at), list[Outcome]()
    with pytest.raises(KeyboardInterrupt):
        list(run_batch([job(name) for name in "abcdef"], fake.stages(), late))
    assert fake.names("write") == ["a"]
    assert [outcome.job.source.name for outcome in late] == ["a"]
    assert "d" not in fake.names("enlarge")


def test_what_is_written_when_the_interrupt_comes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    # Not by a signal: where a shell started this in the background, interrupts are ignored.
    result, waits, writing = Future.result, itertools.count(), threading.Event()
    closing = shutdown_begun(monkeypatch, "samsr-write")

    def interrupted(future: "Future[object]", timeout: float | None = None) -> object:
        if next(waits) == 0:
            return result(future, timeout)
        # Once for what was read; now the caller waits for this very file.
        assert writing.wait(PATIENCE_S)
        raise KeyboardInterrupt

    monkeypatch.setattr(Future, "result", interrupted)

    def at(stage: str, _name: str) -> None:
        if stage == "write":
            writing.set()
            assert closing.wait(PATIENCE_S)

    fake, late = Fake(at=at), list[Outcome]()
    with pytest.raises(KeyboardInterrupt):
        collect(run_batch([job("a")], fake.stages(), late), [])
    assert fake.names("write") == ["a"]
    assert statuses(late) == {"a": "done"}


def test_closing_before_the_start_does_nothing() -> None:
    fake = Fake()
    run_batch([job("a")], fake.stages()).close()
    assert fake.done == []


def test_threads_end_with_the_batch() -> None:
    run(Fake(), "a", "b")
    left = [thread for thread in threading.enumerate() if thread.name.startswith("samsr-")]
    for thread in left:
        thread.join(PATIENCE_S)
    assert not any(thread.is_alive() for thread in left)


def test_a_failure_is_a_samsr_error_whatever_was_raised() -> None:
    outcomes = run(Fake(at=failing("read", "a", RuntimeError("odd"))), "a")
    assert isinstance(outcomes[0].error, SamsrError)
