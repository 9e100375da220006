"""A worker: it loads what it needs once, and does the tasks that come through its pipe."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Sequence
from multiprocessing import connection
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any, Protocol, Self, TypeVar, runtime_checkable

import torch

from sam_diffsr_cli.device import resolve_device
from sam_diffsr_cli.errors import SamsrError
from sam_diffsr_cli.workers.messages import ItemResult, Task

__all__ = [
    "MovableConfig",
    "ReportingWorker",
    "Worker",
    "WorkerConfig",
    "WorkerTrace",
    "portable",
    "serve",
]

Made_co = TypeVar("Made_co", bound=ItemResult, covariant=True)


class Worker(Protocol[Made_co]):
    """Does tasks with what it has loaded.

    ``late`` are the results of what was still written when it was stopped.
    """

    @property
    def late(self) -> Sequence[tuple[int, Made_co]]:
        """The index and the result of each."""
        ...

    def do(self, tasks: Sequence[Task[Any]]) -> Generator[tuple[int, Made_co], None, None]:
        """Do tasks in order, and yield the index and the result of each."""
        ...


@runtime_checkable
class ReportingWorker(Protocol):
    """A worker that tells the share of the task at hand that is done, in [0, 1], to ``report``."""

    report: Callable[[float], None]


class WorkerConfig(Protocol[Made_co]):
    """What workers are told to do, which is sent to their processes."""

    def start(self, device: torch.device) -> Worker[Made_co]:
        """Load what the work needs.

        Raises:
            SamsrError: No worker can start.
        """
        ...


class MovableConfig(WorkerConfig[Made_co], Protocol[Made_co]):
    """What workers of other machines are told, which may lack the files that it names.

    Its items have a method ``absolute``, which names their files so that any folder finds them.
    """

    def pack(self) -> bytes:
        """Return the content of what they need."""
        ...

    def unpack(self, content: bytes, folder: Path) -> Self:
        """Put the content into a folder, which is gone once the worker has started."""
        ...


class WorkerTrace(Exception):  # noqa: N818 - it stands for an error of another process
    """The trace of a bug as text: what it was raised with cannot leave its process."""


def portable(error: SamsrError | None) -> None:
    """Replace what a bug was raised with by its text, which alone can leave the process."""
    if error is not None and error.__cause__ is not None:
        text = "".join(traceback.format_exception(error.__cause__))
        error.__cause__ = None
        error.add_note(text)


def serve(pipe: Connection, config: WorkerConfig[Any], device: str, threads: int | None) -> None:
    """Work until the pipe is closed, or ``None`` comes through it: a process's main function.

    What it sends: an error when it cannot start; ``None`` when it has nothing to do; the share of
    a task that is done; the index and the result of a task.
    """
    with contextlib.suppress(KeyboardInterrupt, EOFError, OSError):
        # Ctrl-C reaches all processes of a terminal: the main one decides what it means.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, _stop)
        threading.Thread(target=_follow_parent, daemon=True).start()
        if threads is not None:
            torch.set_num_threads(threads)
        try:
            worker = config.start(resolve_device(device))
        except SamsrError as error:
            pipe.send(error)
            return
        try:
            _work(pipe, worker)
        finally:
            for each in worker.late:
                _send(pipe, each)


def _work(pipe: Connection, worker: Worker[Any]) -> None:
    if isinstance(worker, ReportingWorker):
        worker.report = lambda share: _send(pipe, float(share))
    pipe.send(None)
    while (tasks := pipe.recv()) is not None:
        with contextlib.closing(worker.do(tasks)) as done:
            for each in done:
                _send(pipe, each)
        _send(pipe, None)


def _send(pipe: Connection, message: object) -> None:
    """Send a message whole, whatever signal comes meanwhile."""
    if sys.platform == "win32":
        pipe.send(message)
        return
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        pipe.send(message)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _stop(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _follow_parent() -> None:
    """End with the process that started this one, however it ends."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
