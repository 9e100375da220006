"""Who does which picture when several workers share a plan, and what follows when one dies.

Pictures are handed out a few at a time, as workers ask for them, so that no more is under way than
there are workers for. Where workers live is left to a ``Crew``.
"""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sam_diffsr_cli.atomic import remove_leftovers
from sam_diffsr_cli.batch.pipeline import Outcome
from sam_diffsr_cli.batch.plan import Job, local_folders
from sam_diffsr_cli.errors import DiskFullError, ResourceError, SamsrError

__all__ = ["Crew", "Done", "Event", "Idle", "Lost", "Refused", "Task", "run_crew"]

MOST_AT_ONCE = 32
"""Pictures handed out together: a worker reads and writes beside its work only within them."""

SHARE_AT_ONCE = 4
"""No hand-out takes more than one part in so many of a worker's even share of what is left."""

MOST_DEATHS = 3
"""Workers that die of one picture, or at their start, before it is given up."""

ADVICE = "use a smaller --tile, or fewer workers"
"""Where workers die of a picture, as when memory runs out."""


@dataclass(frozen=True, slots=True)
class Task:
    """A job and its place in the plan; ``is_again`` when a worker died that may have begun it."""

    index: int
    job: Job
    is_again: bool = False


@dataclass(frozen=True, slots=True)
class Idle:
    """A worker has nothing to do; the first one says that it has started."""

    worker: int


@dataclass(frozen=True, slots=True)
class Done:
    """A worker is through with a task, well or not."""

    worker: int
    index: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker died, for a reason in a few words."""

    worker: int
    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A worker cannot start, and no other could."""

    worker: int
    error: SamsrError


Event = Idle | Done | Lost | Refused


class Crew(Protocol):
    """Workers that are numbered from 0, each with what it needs loaded once.

    ``names`` says for each what it runs on.
    """

    size: int
    names: Sequence[str]

    def give(self, worker: int, tasks: Sequence[Task]) -> None:
        """Hand tasks to an idle worker; it answers ``Done`` for each in order, then ``Idle``."""
        ...

    def wait(self) -> Event:
        """Wait for the next thing that happens."""
        ...

    def restart(self, worker: int) -> None:
        """Start another in the place of one that was lost."""
        ...

    def close(self) -> Sequence[Done]:
        """Stop all; files that are being written are finished, and told."""
        ...


@dataclass(slots=True)
class _Roster:
    """What is still to do, who does what, and how often workers died of what.

    ``false_starts`` counts, for each worker, deaths since one in its place last had nothing to do.
    ``unsure`` is the last outcome, of which it cannot be known whether it was told.
    """

    jobs: Sequence[Job]
    crew: Crew
    advice: str
    waiting: deque[int] = field(default_factory=deque)
    alone: deque[int] = field(default_factory=deque)
    busy: dict[int, deque[int]] = field(default_factory=dict)
    resting: list[int] = field(default_factory=list)
    deaths: dict[int, int] = field(default_factory=dict)
    false_starts: dict[int, int] = field(default_factory=dict)
    started: set[int] = field(default_factory=set)
    has_lost: bool = False
    unsure: Outcome | None = None

    @property
    def is_done(self) -> bool:
        return not (self.waiting or self.alone or any(self.busy.values()))

    def rest(self, worker: int) -> None:
        """Note that a worker has nothing to do."""
        self.started.add(worker)
        self.false_starts.pop(worker, None)
        self.busy.pop(worker, None)
        self.resting.append(worker)

    def hand_out(self) -> None:
        """Give every idle worker something, as long as there is any."""
        while self.resting and (self.alone or self.waiting):
            worker = self.resting.pop(0)
            if self.alone:
                # Whatever a worker died with is tried by itself, to know what it died of.
                taken = [self.alone.popleft()]
            else:
                fair = len(self.waiting) // (SHARE_AT_ONCE * self.crew.size)
                count = min(len(self.waiting), max(1, min(MOST_AT_ONCE, fair)))
                taken = [self.waiting.popleft() for _ in range(count)]
            self.busy[worker] = deque(taken)
            tasks = [Task(i, self.jobs[i], is_again=i in self.deaths) for i in taken]
            self.crew.give(worker, tasks)

    def bury(self, lost: Lost) -> Outcome | None:
        """Take back what a lost worker had, and start another in its place.

        Returns:
            The outcome of the job that it was the last try of, if there is one.

        Raises:
            ResourceError: No worker is left that starts.
        """
        self.has_lost = True
        left = self.busy.pop(lost.worker, deque())
        if lost.worker in self.resting:
            self.resting.remove(lost.worker)
        given_up = None
        if len(left) == 1:
            self.deaths[left[0]] = self.deaths.get(left[0], 0) + 1
            if self.deaths[left[0]] >= MOST_DEATHS:
                given_up = left.pop()
        for index in left:
            self.deaths.setdefault(index, 0)
            self.alone.append(index)
        self._replace(lost)
        return None if given_up is None else self._give_up(self.jobs[given_up], lost.reason)

    def _give_up(self, job: Job, reason: str) -> Outcome:
        outcome = Outcome(job)
        outcome.fail(
            ResourceError(
                f"{job.source.name}: {MOST_DEATHS} workers died of it ({reason})",
                hint=f"as when memory runs out: {self.advice}",
            )
        )
        return outcome

    def _replace(self, lost: Lost) -> None:
        worker = lost.worker
        if worker not in self.started:
            self.false_starts[worker] = self.false_starts.get(worker, 0) + 1
        self.started.discard(worker)
        if self.false_starts.get(worker, 0) < MOST_DEATHS:
            self.crew.restart(worker)
        elif sum(count >= MOST_DEATHS for count in self.false_starts.values()) == self.crew.size:
            raise ResourceError(
                f"workers die as they start ({lost.reason})",
                hint="as when memory runs out: use fewer workers",
            )


def run_crew(
    jobs: Sequence[Job],
    crew: Crew,
    late: list[Outcome] | None = None,
    notify: Callable[[str], None] = lambda _: None,
    advice: str = ADVICE,
) -> Generator[Outcome, None, None]:
    """Do every job with a crew, which is closed at the end.

    Args:
        jobs: The plan.
        crew: Who does it; none of its workers has anything to do yet.
        late: Filled as by ``run_batch``.
        notify: Told of workers that die.
        advice: What to do about a picture that workers die of.

    Yields:
        The outcome of each job, as they come. A job whose worker died is given to another, alone;
        after ``MOST_DEATHS`` it has failed.

    Raises:
        DiskFullError: No space is left; it is also the error of the last outcome.
        ResourceError: Workers die as they start.
        SamsrError: What a worker refused to start with.
    """
    roster = _Roster(jobs, crew, advice)
    try:
        for index, job in enumerate(jobs):
            if job.is_done:
                yield Outcome(job, "skipped")
            else:
                roster.waiting.append(index)
        while not roster.is_done:
            event = crew.wait()
            if isinstance(event, Lost):
                notify(f"worker {event.worker} died ({event.reason}); another takes its place")
            outcome = _take(roster, event)
            roster.hand_out()
            if outcome is not None:
                yield outcome
                roster.unsure = None
                if isinstance(outcome.error, DiskFullError):
                    raise outcome.error
    finally:
        _end(roster, late)


def _end(roster: _Roster, late: list[Outcome] | None) -> None:
    """Close the crew, and take what it still tells."""
    left = roster.crew.close()
    if roster.has_lost:
        _clear(roster.jobs)
    if late is None:
        return
    if roster.unsure is not None:
        late.append(roster.unsure)
    for done in left:
        tasks = roster.busy.get(done.worker, deque())
        if done.index in tasks:
            # It may come twice: as it was done, and among what was still written.
            tasks.remove(done.index)
            done.outcome.job, done.outcome.worker = roster.jobs[done.index], done.worker
            late.append(done.outcome)


def _clear(jobs: Sequence[Job]) -> None:
    """Remove what dead workers left half written."""
    for folder in local_folders(jobs):
        remove_leftovers(folder)


def _take(roster: _Roster, event: Event) -> Outcome | None:
    """Take note of what happened; return the outcome of a job that it ended."""
    match event:
        case Done(worker, index, outcome):
            roster.busy[worker].remove(index)
            # The plan's own record in the place of the copy that came back.
            outcome.job, outcome.worker = roster.jobs[index], worker
            roster.unsure = outcome
            return outcome
        case Idle(worker):
            roster.rest(worker)
        case Refused(_, error):
            raise error
        case Lost():
            return roster.bury(event)
    return None
