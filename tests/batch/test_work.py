"""Who does what when workers share a plan, with workers that only pretend."""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_diffsr_cli.batch.pipeline import Outcome
from sam_diffsr_cli.batch.plan import Job
from sam_diffsr_cli.batch.sources import Source
from sam_diffsr_cli.batch.work import share_jobs
from sam_diffsr_cli.errors import (
    DiskFullError,
    InputError,
    ResourceError,
    SamsrError,
    WeightsError,
)
from sam_diffsr_cli.workers.messages import Done, Event, Idle, Lost, Refused, Task
from sam_diffsr_cli.workers.pool import MOST_AT_ONCE, MOST_DEATHS, Terms, run_pool


def plan(count: int, done: Sequence[int] = ()) -> list[Job]:
    names = [Path(f"{number}.png") for number in range(count)]
    return [Job(Source(n, n), Path("out") / n, is_done=i in done) for i, n in enumerate(names)]


@dataclass
class FakePool:
    """Workers that take turns; ``dies`` says of which task, and ``fails`` with which error."""

    size: int = 2
    dies: Callable[[Task[Job]], bool] = lambda _: False
    fails: Callable[[Task[Job]], Exception | None] = lambda _: None
    starts: Callable[[int], bool] = lambda _: True
    given: list[tuple[int, list[Task[Job]]]] = field(default_factory=list)
    restarts: list[int] = field(default_factory=list)
    closed: int = 0
    left: list[Done[Outcome]] = field(default_factory=list)
    events: deque[Event[Outcome]] = field(default_factory=deque)
    names: Sequence[str] = ()

    def __post_init__(self) -> None:
        for worker in range(self.size):
            self._start(worker)

    def _start(self, worker: int) -> None:
        self.events.append(Idle(worker) if self.starts(worker) else Lost(worker, "no start"))

    def give(self, worker: int, tasks: Sequence[Task[Job]]) -> None:
        self.given.append((worker, list(tasks)))
        for task in tasks:
            if self.dies(task):
                self.events.append(Lost(worker, "killed"))
                return
            # As it comes back from another process: a copy.
            outcome = Outcome(Job(task.item.source, task.item.target))
            error = self.fails(task)
            if error is not None:
                outcome.fail(error)  # type: ignore[arg-type]  # tests give ours
            self.events.append(Done(worker, task.index, outcome))
        self.events.append(Idle(worker))

    def wait(self) -> Event[Outcome]:
        assert self.events, "nothing can happen any more: it would wait for ever"
        return self.events.popleft()

    def restart(self, worker: int) -> None:
        self.restarts.append(worker)
        self._start(worker)

    def close(self) -> Sequence[Done[Outcome]]:
        self.closed += 1
        return self.left


def done_by(pool: FakePool) -> Counter[int]:
    return Counter(task.index for _, tasks in pool.given for task in tasks)


@given(count=st.integers(0, 200), size=st.integers(1, 9))
def test_every_job_is_done_once(count: int, size: int) -> None:
    jobs, pool = plan(count), FakePool(size)
    outcomes = list(share_jobs(jobs, pool))
    assert sorted(jobs.index(outcome.job) for outcome in outcomes) == list(range(count))
    assert all(any(outcome.job is job for job in jobs) for outcome in outcomes)
    assert done_by(pool) == Counter(range(count))
    assert pool.closed == 1


def test_what_is_there_already_is_skipped_and_given_to_nobody() -> None:
    pool = FakePool()
    outcomes = list(share_jobs(plan(5, done=[1, 3]), pool))
    assert [o.job.source.name for o in outcomes if o.status == "skipped"] == ["1.png", "3.png"]
    assert set(done_by(pool)) == {0, 2, 4}


@given(count=st.integers(1, 300), size=st.integers(1, 9))
def test_few_are_handed_out_at_once_and_one_by_one_in_the_end(count: int, size: int) -> None:
    pool = FakePool(size)
    list(share_jobs(plan(count), pool))
    sizes = [len(tasks) for _, tasks in pool.given]
    assert max(sizes) <= MOST_AT_ONCE
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 1


def test_an_outcome_tells_which_worker_it_is_of() -> None:
    pool = FakePool()
    outcomes = list(share_jobs(plan(40), pool))
    of_worker = {task.index: worker for worker, tasks in pool.given for task in tasks}
    names = {o.job.source.name: o.worker for o in outcomes}
    assert names == {f"{index}.png": worker for index, worker in of_worker.items()}


def test_an_output_that_a_worker_renamed_has_that_name_in_the_plans_own_folder() -> None:
    class Renaming(FakePool):
        def give(self, worker: int, tasks: Sequence[Task[Job]]) -> None:
            super().give(worker, tasks)
            for event in self.events:
                if isinstance(event, Done) and event.index == 1:
                    event.result.is_renamed = True
                    job = event.result.job
                    # A worker has the whole path of what the plan names by a relative one.
                    whole = Path("/somewhere/out/1 (2).png")
                    event.result.job = replace(job, target=whole)

    jobs = plan(3)
    outcomes = list(share_jobs(jobs, Renaming(1)))
    found = {o.job.source.name: o.job.target for o in outcomes}
    assert found == {
        n: Path("out") / t
        for n, t in zip(("0.png", "1.png", "2.png"), ("0.png", "1 (2).png", "2.png"), strict=True)
    }


def test_what_a_dead_worker_had_is_done_by_others_alone() -> None:
    died: list[int] = []

    def dies(task: Task[Job]) -> bool:
        if task.index == 20 and not died:
            died.append(20)
            return True
        return False

    pool = FakePool(2, dies)
    told: list[str] = []
    outcomes = list(share_jobs(plan(60), pool, notify=told.append))
    assert {o.status for o in outcomes} == {"done"}
    assert len(outcomes) == 60
    assert len(pool.restarts) == 1
    assert told == [f"worker {pool.restarts[0]} died (killed); another takes its place"]
    again = [tasks for _, tasks in pool.given if any(task.is_again for task in tasks)]
    assert all(len(tasks) == 1 for tasks in again)
    assert 20 in {tasks[0].index for tasks in again}


def test_a_picture_that_workers_die_of_is_given_up_and_the_others_are_done() -> None:
    pool = FakePool(2, dies=lambda task: task.index == 7)
    outcomes = list(share_jobs(plan(50), pool))
    failed = [o for o in outcomes if o.status == "failed"]
    assert [o.job.source.name for o in failed] == ["7.png"]
    assert isinstance(failed[0].error, ResourceError)
    assert f"7.png: {MOST_DEATHS} workers died of it (killed)" in str(failed[0].error)
    assert failed[0].error.hint
    assert len(outcomes) == 50
    alone = [tasks for _, tasks in pool.given if [t.index for t in tasks] == [7]]
    assert len(alone) == MOST_DEATHS


@dataclass
class Step:
    """What became of a number."""

    number: int
    error: SamsrError | None = None


def test_what_to_do_about_a_deadly_item_depends_on_the_work() -> None:
    pool: Any = FakePool(2, dies=lambda _: True)
    terms = Terms(name=str, give_up=Step, advice="take it out", clean=lambda: None)
    (done,) = run_pool({7: 49}, pool, terms)
    assert (done.index, done.worker, done.result.number) == (7, None, 49)
    assert done.result.error is not None
    assert str(done.result.error) == f"49: {MOST_DEATHS} workers died of it (killed)"
    assert done.result.error.hint == "as when memory runs out: take it out"


def test_what_dead_workers_left_is_cleared_and_nothing_where_none_died() -> None:
    cleared: list[bool] = []
    terms = Terms(name=str, give_up=Step, advice="", clean=lambda: cleared.append(True))
    alive: Any = FakePool()
    list(run_pool({}, alive, terms))
    assert cleared == []
    dying: Any = FakePool(2, dies=lambda _: True)
    list(run_pool({0: 0}, dying, terms))
    assert cleared == [True]


@given(deadly=st.sets(st.integers(0, 29), max_size=12), size=st.integers(1, 4))
def test_whatever_workers_die_of_each_job_has_one_outcome(deadly: set[int], size: int) -> None:
    jobs = plan(30)
    pool = FakePool(size, dies=lambda task: task.index in deadly)
    outcomes = list(share_jobs(jobs, pool))
    assert sorted(jobs.index(o.job) for o in outcomes) == list(range(30))
    assert {jobs.index(o.job) for o in outcomes if o.status == "failed"} == deadly


def test_a_worker_that_never_starts_leaves_the_work_to_the_others() -> None:
    pool = FakePool(2, starts=lambda worker: worker == 1)
    assert len(list(share_jobs(plan(9), pool))) == 9
    assert pool.restarts == [0] * (MOST_DEATHS - 1)
    assert {worker for worker, _ in pool.given} == {1}


def test_workers_none_of_which_start_end_the_batch() -> None:
    pool = FakePool(2, starts=lambda _: False)
    with pytest.raises(ResourceError, match=r"die as they start \(no start\)"):
        list(share_jobs(plan(9), pool))
    assert pool.closed == 1
    assert len(pool.restarts) == 2 * (MOST_DEATHS - 1)


def test_what_a_worker_refuses_to_start_with_ends_the_batch() -> None:
    pool = FakePool()
    pool.events.appendleft(Refused(0, WeightsError("model.safetensors: damaged")))
    with pytest.raises(WeightsError, match="damaged"):
        list(share_jobs(plan(3), pool))
    assert pool.closed == 1


def test_a_failure_of_one_is_an_outcome() -> None:
    pool = FakePool(fails=lambda task: InputError("bad") if task.index == 1 else None)
    outcomes = list(share_jobs(plan(4), pool))
    assert Counter(o.status for o in outcomes) == Counter(done=3, failed=1)


def test_a_full_disk_ends_the_batch() -> None:
    pool = FakePool(fails=lambda task: DiskFullError("full") if task.index == 3 else None)
    outcomes: list[Outcome] = []
    with pytest.raises(DiskFullError, match="full"):
        outcomes.extend(share_jobs(plan(500), pool))
    assert len(done_by(pool)) < 500
    assert pool.closed == 1


@pytest.mark.parametrize("times", [1, 2])
def test_a_batch_that_is_stopped_closes_its_pool_and_keeps_what_was_still_written(
    times: int,
) -> None:
    jobs, pool = plan(300), FakePool()
    late: list[Outcome] = []
    with closing(share_jobs(jobs, pool, late)) as outcomes:
        first = next(outcomes)
        busy, index = next((n, tasks[-1].index) for n, tasks in pool.given if n == 1)
        # A worker may tell it twice: as done, and among what was still written.
        pool.left = [Done(busy, index, Outcome(Job(jobs[index].source, None)))] * times
    assert pool.closed == 1
    assert late[0] is first
    assert [(o.job is jobs[index], o.worker) for o in late[1:]] == [(True, 1)]


def test_an_outcome_of_which_it_cannot_be_known_whether_it_arrived_comes_late() -> None:
    """An interrupt may come between the yield and whoever asked."""
    late: list[Outcome] = []
    pool = FakePool()
    with closing(share_jobs(plan(9), pool, late)) as outcomes:
        next(outcomes)
        second = next(outcomes)
    assert [id(outcome) for outcome in late] == [id(second)]


def test_what_a_worker_tells_twice_is_told_once() -> None:
    late: list[Outcome] = []
    pool = FakePool(size=1)
    jobs = plan(9)
    with closing(share_jobs(jobs, pool, late)) as outcomes:
        first = next(outcomes)
        index = jobs.index(first.job)
        waiting = next(t.index for _, tasks in pool.given for t in tasks if t.index != index)
        pool.left = [Done(0, index, Outcome(first.job)), Done(0, waiting, Outcome(jobs[waiting]))]
    assert [outcome.job for outcome in late] == [first.job, jobs[waiting]]


def test_nothing_comes_late_of_a_pool_that_is_through() -> None:
    late: list[Outcome] = []
    list(share_jobs(plan(9), FakePool(), late))
    assert late == []
