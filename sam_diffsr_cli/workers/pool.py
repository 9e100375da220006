"""Who does which item when several workers share a list, and what follows when one dies.

Items are dispatched a few at a time, as workers ask for them, so that no more is under way than
there are workers for. Where workers live is left to a ``WorkerPool``, and what an item is to those
who use one.
"""

from collections import deque
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sam_diffsr_cli.errors import DiskFullError, ResourceError, SamsrError
from sam_diffsr_cli.workers.messages import (
    Done,
    Event,
    Idle,
    ItemResult,
    Lost,
    Progress,
    Refused,
    Task,
    WorkerPool,
)

__all__ = ["Terms", "run_pool"]

MOST_AT_ONCE = 32
"""Items dispatched together: a worker reads and writes beside its work only within them."""

SHARE_AT_ONCE = 4
"""No dispatch takes more than one part in so many of a worker's even share of what is left."""

MOST_DEATHS = 3
"""Workers that die of one item, or at their start, before it is given up."""

Item = TypeVar("Item")
Made = TypeVar("Made", bound=ItemResult)


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms(Generic[Item, Made]):
    """What is to be known of a kind of work.

    Attributes:
        name: What to call an item in messages.
        give_up: Makes the result of an item that workers die of, from the error.
        advice: What to do about such an item, as when memory runs out.
        clean: Removes what workers that died have left half written.
    """

    name: Callable[[Item], str]
    give_up: Callable[[Item, SamsrError], Made]
    advice: str
    clean: Callable[[], None]


@dataclass(slots=True)
class _Scheduler(Generic[Item, Made]):
    """What is still to do, who does what, and how often workers died of what.

    ``false_starts`` counts, for each worker, deaths since one in its place last had nothing to do.
    ``unacknowledged`` was yielded last, and it cannot be known whether it arrived.
    """

    items: Mapping[int, Item]
    pool: WorkerPool[Item, Made]
    terms: Terms[Item, Made]
    waiting: deque[int] = field(default_factory=deque)
    alone: deque[int] = field(default_factory=deque)
    busy: dict[int, deque[int]] = field(default_factory=dict)
    idle: list[int] = field(default_factory=list)
    deaths: dict[int, int] = field(default_factory=dict)
    false_starts: dict[int, int] = field(default_factory=dict)
    started: set[int] = field(default_factory=set)
    has_lost: bool = False
    unacknowledged: Done[Made] | None = None

    @property
    def is_done(self) -> bool:
        return not (self.waiting or self.alone or any(self.busy.values()))

    def mark_idle(self, worker: int) -> None:
        """Note that a worker has nothing to do."""
        self.started.add(worker)
        self.false_starts.pop(worker, None)
        self.busy.pop(worker, None)
        self.idle.append(worker)

    def dispatch(self) -> None:
        """Give every idle worker something, as long as there is any."""
        while self.idle and (self.alone or self.waiting):
            worker = self.idle.pop(0)
            if self.alone:
                # Whatever a worker died with is tried by itself, to know what it died of.
                taken = [self.alone.popleft()]
            else:
                fair = len(self.waiting) // (SHARE_AT_ONCE * self.pool.size)
                count = min(len(self.waiting), max(1, min(MOST_AT_ONCE, fair)))
                taken = [self.waiting.popleft() for _ in range(count)]
            self.busy[worker] = deque(taken)
            tasks = [Task(i, self.items[i], is_again=i in self.deaths) for i in taken]
            self.pool.give(worker, tasks)

    def on_lost(self, lost: Lost) -> Done[Made] | None:
        """Take back what a lost worker had, and start another in its place.

        Returns:
            The result of the item that it was the last try of, if there is one.

        Raises:
            ResourceError: No worker is left that starts.
        """
        self.has_lost = True
        left = self.busy.pop(lost.worker, deque())
        if lost.worker in self.idle:
            self.idle.remove(lost.worker)
        given_up = None
        if len(left) == 1:
            self.deaths[left[0]] = self.deaths.get(left[0], 0) + 1
            if self.deaths[left[0]] >= MOST_DEATHS:
                given_up = left.pop()
        for index in left:
            self.deaths.setdefault(index, 0)
            self.alone.append(index)
        self._replace(lost)
        return None if given_up is None else self._give_up(given_up, lost.reason)

    def _give_up(self, index: int, reason: str) -> Done[Made]:
        item = self.items[index]
        error = ResourceError(
            f"{self.terms.name(item)}: {MOST_DEATHS} workers died of it ({reason})",
            hint=f"as when memory runs out: {self.terms.advice}",
        )
        return Done(None, index, self.terms.give_up(item, error))

    def _replace(self, lost: Lost) -> None:
        worker = lost.worker
        if worker not in self.started:
            self.false_starts[worker] = self.false_starts.get(worker, 0) + 1
        self.started.discard(worker)
        if self.false_starts.get(worker, 0) < MOST_DEATHS:
            self.pool.restart(worker)
        elif sum(count >= MOST_DEATHS for count in self.false_starts.values()) == self.pool.size:
            raise ResourceError(
                f"workers die as they start ({lost.reason})",
                hint="as when memory runs out: use fewer workers",
            )


def run_pool(
    items: Mapping[int, Item],
    pool: WorkerPool[Item, Made],
    terms: Terms[Item, Made],
    late: list[Done[Made]] | None = None,
    notify: Callable[[str], None] = lambda _: None,
) -> Generator[Done[Made], None, None]:
    """Do every item with a pool, which is closed at the end.

    Args:
        items: What is to be done, by its index.
        pool: Who does it; none of its workers has anything to do yet.
        terms: What is to be known of this kind of work.
        late: Filled with what was still written when the generator was closed or interrupted, and
            maybe again with what was yielded last.
        notify: Told of workers that die.

    Yields:
        The result of each item, as they come. An item whose worker died is given to another, alone;
        after ``MOST_DEATHS`` it has failed.

    Raises:
        DiskFullError: No space is left; it is also the error of the last result.
        ResourceError: Workers die as they start.
        SamsrError: What a worker refused to start with.
    """
    scheduler = _Scheduler(items, pool, terms, deque(items))
    try:
        while not scheduler.is_done:
            event = pool.wait()
            if isinstance(event, Lost):
                notify(f"worker {event.worker} died ({event.reason}); another takes its place")
            done = _take(scheduler, event)
            scheduler.dispatch()
            if done is not None:
                yield done
                scheduler.unacknowledged = None
                if isinstance(done.result.error, DiskFullError):
                    raise done.result.error
    finally:
        _end(scheduler, late)


def _end(scheduler: _Scheduler[Item, Made], late: list[Done[Made]] | None) -> None:
    """Close the pool, and take what it still tells."""
    left = scheduler.pool.close()
    if scheduler.has_lost:
        scheduler.terms.clean()
    if late is None:
        return
    if scheduler.unacknowledged is not None:
        late.append(scheduler.unacknowledged)
    for done in left:
        tasks = scheduler.busy.get(-1 if done.worker is None else done.worker, deque())
        if done.index in tasks:
            # It may come twice: as it was done, and among what was still written.
            tasks.remove(done.index)
            late.append(done)


def _take(scheduler: _Scheduler[Item, Made], event: Event[Made]) -> Done[Made] | None:
    """Take note of what happened; return the result of an item that it ended."""
    if isinstance(event, Done):
        if event.worker is not None:
            scheduler.busy[event.worker].remove(event.index)
        scheduler.unacknowledged = event
        return event
    if isinstance(event, Idle):
        scheduler.mark_idle(event.worker)
    elif isinstance(event, Refused):
        raise event.error
    elif not isinstance(event, Progress):
        return scheduler.on_lost(event)
    return None
