"""Workers as processes of this machine, each with a pipe of its own."""

import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from multiprocessing import connection, resource_tracker
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from sam_diffsr_cli.errors import SamsrError
from sam_diffsr_cli.process import quiet_children
from sam_diffsr_cli.workers.messages import (
    Done,
    Event,
    Idle,
    ItemResult,
    Lost,
    Progress,
    Refused,
    Task,
)
from sam_diffsr_cli.workers.worker import WorkerConfig, serve

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

__all__ = ["LocalPool"]

Made = TypeVar("Made", bound=ItemResult)

PATIENCE_S = 60.0
"""For the files that are being written when all is stopped."""


_LOST = object()
"""In the place of a message from a worker that is no more."""


@contextmanager
def _held() -> Iterator[None]:
    """Let signals that come meanwhile count afterwards."""
    came: list[int] = []

    def keep(number: int, _: object) -> None:
        came.append(number)

    before = {each: signal.signal(each, keep) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        for number in came:
            signal.raise_signal(number)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Start a process whole, and deaf to Ctrl-C, which reaches all processes of a terminal."""
    with _held():
        # With the first process this one is started too, and would lift the mask.
        resource_tracker.ensure_running()
        # The mask is handed down, as handlers are not.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)


class LocalPool(Generic[Made]):
    """A process for each device that is named; a device may be named several times.

    They are started afresh rather than forked: a fork of a process with threads may hang.
    """

    def __init__(self, config: WorkerConfig[Made], devices: Sequence[str]) -> None:
        """Start the processes; each says when it is ready."""
        self.size = len(devices)
        self.names: Sequence[str] = tuple(devices)
        self._config, self._devices = config, devices
        self._context = multiprocessing.get_context("spawn")
        self._processes: list[SpawnProcess | None] = [None] * self.size
        self._pipes: list[Connection | None] = [None] * self.size
        self._received: deque[tuple[int, object]] = deque()
        self._told: tuple[int, object] | None = None
        self._busy: set[int] = set()
        for worker in range(self.size):
            self.restart(worker)

    def give(self, worker: int, tasks: Sequence[Task[Any]]) -> None:
        """Hand tasks to an idle worker."""
        pipe = self._pipes[worker]
        self._busy.add(worker)
        try:
            if pipe is not None:
                pipe.send(list(tasks))
        except OSError:
            # It has died meanwhile, as its pipe will tell.
            return

    def wait(self) -> Event[Made]:
        """Wait for the next thing that happens."""
        while not self._received:
            pipes = {pipe: n for n, pipe in enumerate(self._pipes) if pipe is not None}
            for pipe in connection.wait(list(pipes)):
                self._receive(pipes[pipe])  # type: ignore[index]  # they are of the kind that was given
        # Kept: a signal may come before the caller has taken note of it.
        self._told = self._received[0]
        return self._tell(*self._received.popleft())

    def _receive(self, worker: int) -> None:
        """Take a message whole, whatever signal comes meanwhile."""
        pipe = self._pipes[worker]
        assert pipe is not None  # noqa: S101 - only what is open gets ready
        with _held():
            try:
                message = pipe.recv()
            except (EOFError, OSError):
                message = _LOST
            self._received.append((worker, message))

    def _tell(self, worker: int, message: object) -> Event[Made]:
        """Say what a message means."""
        if message is _LOST:
            return Lost(worker, self._end(worker))
        if message is None:
            self._busy.discard(worker)
            return Idle(worker)
        if isinstance(message, float):
            return Progress(worker, message)
        if isinstance(message, SamsrError):
            return Refused(worker, message)
        return Done(worker, *cast("tuple[int, Made]", message))

    def _end(self, worker: int) -> str:
        """Part with a process that has died; return how."""
        pipe, process = self._pipes[worker], self._processes[worker]
        self._pipes[worker] = self._processes[worker] = None
        self._busy.discard(worker)
        if pipe is not None:
            pipe.close()
        if process is None:
            return "it was not there"
        process.join()
        code = process.exitcode or 0
        return f"killed by signal {-code}" if code < 0 else f"it ended with {code}"

    def restart(self, worker: int) -> None:
        """Start a process where there is none."""
        ours, theirs = self._context.Pipe()
        cores = os.cpu_count() or 1
        is_shared = self._devices[worker] == "cpu" and self.size > 1
        threads = max(1, cores // self.size) if is_shared else None
        process = self._context.Process(
            target=serve,
            args=(theirs, self._config, self._devices[worker], threads),
            name=f"samsr-worker-{worker}",
            # Where it is not closed, its processes are stopped rather than waited for.
            daemon=True,
        )
        undisturbed = _undisturbed() if sys.platform != "win32" else nullcontext()
        quiet = quiet_children() if is_shared else nullcontext()
        with undisturbed, quiet:
            process.start()
        theirs.close()
        self._pipes[worker], self._processes[worker] = ours, process
        # Starting takes as long as some pictures do.
        self._busy.add(worker)

    def close(self) -> list[Done[Made]]:
        """Stop all; files that are being written are finished, and told.

        The item that was told last is told again, as that may have been cut off.
        """
        for worker, process in enumerate(self._processes):
            pipe = self._pipes[worker]
            if process is None or pipe is None:
                continue
            if worker in self._busy:
                process.terminate()
            else:
                try:
                    pipe.send(None)
                except OSError:
                    continue
        until = time.monotonic() + PATIENCE_S
        if self._told is not None and isinstance(self._told[1], tuple):
            self._received.appendleft(self._told)
        events = [self._tell(*each) for each in self._received]
        late = [event for event in events if isinstance(event, Done)]
        self._received.clear()
        for worker in range(self.size):
            late += self._drain(worker, until)
        return late

    def _drain(self, worker: int, until: float) -> list[Done[Made]]:
        """Take what a worker still tells before it ends; kill it when the time is over."""
        pipe, process = self._pipes[worker], self._processes[worker]
        late: list[Done[Made]] = []
        while pipe is not None and pipe.poll(max(0.0, until - time.monotonic())):
            self._receive(worker)
            event = self._tell(*self._received.popleft())
            if isinstance(event, Lost):
                return late
            if isinstance(event, Done):
                late.append(event)
        if process is not None:
            process.kill()
            self._end(worker)
        return late
