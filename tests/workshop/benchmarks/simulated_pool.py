"""A pool that only pretends to work, by discrete events.

Dispatches, deaths and retries are those of ``workers.pool``, whose own code waits for this one.
What a worker does with a dispatch follows ``batch.pipeline``: one thread reads a picture ahead, one
enlarges, and several write behind. Shared are the storage, the driver, and each GPU with its
processors; all of them serve in the order in which they are asked.
"""

import heapq
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Self

from sam_diffsr_cli.batch.pipeline import MOST_WAITING_BYTES, WRITERS, Outcome
from sam_diffsr_cli.batch.plan import Job
from sam_diffsr_cli.batch.sources import Source
from sam_diffsr_cli.workers.messages import Done, Event, Idle, Lost, Task
from tests.workshop.benchmarks.assumptions import Cluster, Times

__all__ = ["JOB", "SimulatedPool"]

BYTES_OF_A_PIXEL = 3
JOB = Job(Source(Path("any"), Path("any")), None)
"""Stands for every picture: what becomes of it is told by its place in the plan."""


@dataclass(slots=True)
class _Server:
    """Serves one after the other, in the order in which it is asked."""

    free: float = 0.0
    busy_s: float = 0.0

    def serve(self, now: float, seconds: float) -> float:
        """Return when it is through."""
        self.free = max(now, self.free) + seconds
        self.busy_s += seconds
        return self.free

    def busy_until(self, end_s: float) -> float:
        """Return for how long it was busy; what it was asked for last may go on after the end."""
        return self.busy_s - max(0.0, self.free - end_s)


class _Cores:
    """As ``_Server``, of so many processors."""

    def __init__(self, count: int) -> None:
        self._free = [0.0] * count
        self.busy_s = 0.0

    def serve(self, now: float, seconds: float) -> float:
        """Return when one of them is through."""
        end = max(now, self._free[0]) + seconds
        heapq.heapreplace(self._free, end)
        self.busy_s += seconds
        return end

    def busy_until(self, end_s: float) -> float:
        """As of ``_Server``, of all together."""
        return self.busy_s - sum(max(0.0, free - end_s) for free in self._free)


@dataclass(slots=True)
class _Worker:
    """A process at work on a dispatch; ``life`` counts the deaths in its place.

    ``asked``, ``read``, ``enlarged``, ``written`` and ``told`` are how many pictures of the
    dispatch have come so far, ``written`` without a gap; ``begun`` went to a writer. ``wants``
    says what the main thread waits for.
    """

    gpu: _Server
    cores: _Cores
    pace: float = 1.0
    life: int = 0
    is_dead: bool = True
    sizes: Sequence[float] = ()
    tasks: Sequence[Task[Job]] = ()
    asked: int = 0
    read: int = 0
    enlarged: int = 0
    begun: int = 0
    stored: set[int] = field(default_factory=set)
    written: int = 0
    told: int = 0
    unwritten: float = 0.0
    is_reading: bool = False
    writers: int = 0
    wants: str = ""


Step = Callable[[int, float], None]


@dataclass(slots=True)
class SimulatedPool:
    """The pool whose workers pretend; the driver that waits for them has a clock of its own.

    ``heard`` are the pictures that the driver heard of, ``reading_s`` and ``writing_s`` what the
    threads of all workers took, but for waiting in turn for processors and storage.
    """

    cluster: Cluster
    sizes: Sequence[float]
    size: int
    times: Times
    groups: list[tuple[_Server, _Cores]]
    workers: list[_Worker]
    names: Sequence[str] = ()
    driver: _Server = field(default_factory=_Server)
    storage: _Server = field(default_factory=_Server)
    reading_s: float = 0.0
    writing_s: float = 0.0
    written: int = 0
    deaths: int = 0
    heard: list[int] = field(default_factory=list)
    _future: list[tuple[float, int, Step, int, int]] = field(default_factory=list)
    _number: int = 0
    _messages: deque[tuple[float, Event[Outcome]]] = field(default_factory=deque)
    _dice: random.Random = field(default_factory=random.Random)

    @classmethod
    def start(cls, cluster: Cluster, sizes: Sequence[float]) -> Self:
        """Start all workers at once, some of them slow."""
        groups = [(_Server(), _Cores(cluster.cores_per_gpu)) for _ in range(cluster.gpus)]
        workers = [_Worker(*groups[n % cluster.gpus]) for n in range(cluster.workers)]
        pool = cls(cluster, sizes, len(workers), Times.of(cluster), groups, workers)
        pool._dice.seed(cluster.seed + 1)
        for slow in pool._dice.sample(workers, round(cluster.slow_share * pool.size)):
            slow.pace = cluster.slowdown
        for worker in range(pool.size):
            pool._at(cluster.start_s, pool._get_ready, worker)
        return pool

    def shares(self, span_s: float) -> dict[str, float]:
        """Return for which share of so many seconds each part was busy, on average."""
        gpu_s = sum(gpu.busy_until(span_s) for gpu, _ in self.groups) / self.cluster.gpus
        core_s = sum(cores.busy_until(span_s) for _, cores in self.groups) / self.cluster.gpus
        seconds = {
            "GPU": gpu_s,
            "reader": self.reading_s / self.size,
            "writers": self.writing_s / (self.size * WRITERS),
            "cores": core_s / self.cluster.cores_per_gpu,
            "storage": self.storage.busy_until(span_s),
            "driver": self.driver.busy_until(span_s),
        }
        return {name: busy_s / span_s for name, busy_s in seconds.items()}

    def give(self, worker: int, tasks: Sequence[Task[Job]]) -> None:
        """Hand tasks to an idle worker, from where the driver's clock stands."""
        own = self.workers[worker]
        if own.is_dead:
            # Nobody has heard of it yet.
            return
        own.tasks, own.sizes = tasks, [self.sizes[task.index] for task in tasks]
        own.asked = own.read = own.enlarged = own.begun = own.written = own.told = 0
        own.stored, own.unwritten = set(), 0.0
        self._at(self.driver.free, self._begin, worker)

    def wait(self) -> Event[Outcome]:
        """Let time pass until the driver hears of something, and has dealt with it."""
        while not self._messages:
            now, _, step, worker, life = heapq.heappop(self._future)
            if life == self.workers[worker].life:
                step(worker, now)
        heard, event = self._messages.popleft()
        if isinstance(event, Done):
            self.driver.serve(heard, self.times.driver)
            self.heard.append(event.index)
        else:
            self.driver.serve(heard, 0.0)
        return event

    def restart(self, worker: int) -> None:
        """Start another in the place of one that was lost."""
        self._at(self.driver.free + self.cluster.restart_s, self._get_ready, worker)

    def close(self) -> Sequence[Done[Outcome]]:
        """Stop; all is done by then."""
        self._future.clear()
        return ()

    def _at(self, when: float, step: Step, worker: int) -> None:
        self._number += 1
        heapq.heappush(self._future, (when, self._number, step, worker, self.workers[worker].life))

    def _get_ready(self, worker: int, now: float) -> None:
        self.workers[worker].is_dead = False
        self._messages.append((now, Idle(worker)))
        if self.cluster.deaths_per_hour > 0:
            lives_s = self._dice.expovariate(self.cluster.deaths_per_hour / 3600)
            self._at(now + lives_s, self._die, worker)

    def _die(self, worker: int, now: float) -> None:
        """Lose a worker; what its GPU, its processors and the storage were at is lost work."""
        old = self.workers[worker]
        self.workers[worker] = _Worker(old.gpu, old.cores, old.pace, old.life + 1)
        self.deaths += 1
        self._messages.append((now, Lost(worker, "simulated")))

    # ------------------------------------------------------------------ the thread that reads

    def _begin(self, worker: int, now: float) -> None:
        own = self.workers[worker]
        own.asked, own.wants = min(2, len(own.tasks)), "picture"
        self._fetch(worker, now)

    def _fetch(self, worker: int, now: float) -> None:
        own, times = self.workers[worker], self.times
        own.is_reading = True
        seconds = own.sizes[own.read] * times.fetch
        self.reading_s += seconds + times.fetch_wait
        self._at(self.storage.serve(now, seconds) + times.fetch_wait, self._decode, worker)

    def _decode(self, worker: int, now: float) -> None:
        own = self.workers[worker]
        seconds = own.sizes[own.read] * self.times.decode * own.pace
        self.reading_s += seconds
        self._at(own.cores.serve(now, seconds), self._have_read, worker)

    def _have_read(self, worker: int, now: float) -> None:
        own = self.workers[worker]
        own.read, own.is_reading = own.read + 1, False
        if own.read < own.asked:
            self._fetch(worker, now)
        if own.wants == "picture":
            self._enlarge(worker, now)

    # ------------------------------------------------------------------ the main thread

    def _enlarge(self, worker: int, now: float) -> None:
        own = self.workers[worker]
        own.wants = ""
        seconds = own.sizes[own.enlarged] * self.times.enlarge * own.pace
        self._at(own.gpu.serve(now, seconds), self._have_enlarged, worker)

    def _have_enlarged(self, worker: int, now: float) -> None:
        own = self.workers[worker]
        own.unwritten += self._result_bytes(own.sizes[own.enlarged])
        own.enlarged += 1
        if own.writers < WRITERS:
            self._encode(worker, now)
        self._go_on(worker, now)

    def _result_bytes(self, size: float) -> float:
        return size * self.cluster.scale**2 * 1e6 * BYTES_OF_A_PIXEL

    def _go_on(self, worker: int, now: float) -> None:
        """Tell what is written, then take the next picture unless too much waits."""
        own = self.workers[worker]
        while own.told < own.written:
            own.unwritten -= self._result_bytes(own.sizes[own.told])
            self._messages.append((now, Done(worker, own.tasks[own.told].index, Outcome(JOB))))
            own.told += 1
        count = len(own.tasks)
        if own.enlarged == count or own.unwritten > MOST_WAITING_BYTES:
            own.wants = "space"
            if own.told == count:
                own.wants = ""
                self._messages.append((now, Idle(worker)))
            return
        own.asked, own.wants = min(count, own.enlarged + 2), "picture"
        if own.read < own.asked and not own.is_reading:
            self._fetch(worker, now)
        if own.read > own.enlarged:
            self._enlarge(worker, now)

    # ------------------------------------------------------------------ the threads that write

    def _encode(self, worker: int, now: float) -> None:
        own = self.workers[worker]
        index, own.begun, own.writers = own.begun, own.begun + 1, own.writers + 1
        seconds = own.sizes[index] * self.times.encode * own.pace
        self.writing_s += seconds
        self._at(own.cores.serve(now, seconds), partial(self._store, index), worker)

    def _store(self, index: int, worker: int, now: float) -> None:
        own, times = self.workers[worker], self.times
        seconds = own.sizes[index] * times.store
        self.writing_s += seconds + times.store_wait
        end = self.storage.serve(now, seconds) + times.store_wait
        self._at(end, partial(self._have_written, index), worker)

    def _have_written(self, index: int, worker: int, now: float) -> None:
        own = self.workers[worker]
        own.writers -= 1
        own.stored.add(index)
        while own.written in own.stored:
            own.written += 1
        self.written += 1
        if own.begun < own.enlarged:
            self._encode(worker, now)
        if own.wants == "space":
            self._go_on(worker, now)
