"""A worker: it loads what it needs once, and does the tasks that come through its pipe."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing import connection
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Protocol

import torch

from sam_diffsr_cli.batch.crew import Task
from sam_diffsr_cli.batch.pipeline import Outcome, run_batch
from sam_diffsr_cli.batch.plan import Job
from sam_diffsr_cli.batch.stages import Settings, make_stages
from sam_diffsr_cli.device import resolve_device
from sam_diffsr_cli.errors import DiskFullError, SamsrError
from sam_diffsr_cli.masks.build import MaskJob, build_mask
from sam_diffsr_cli.masks.segmenters import Segmenter
from sam_diffsr_cli.pictures.records import Limits

__all__ = [
    "Hand",
    "MaskHand",
    "MaskOutcome",
    "WorkOrder",
    "Worker",
    "WorkerTrace",
    "serve",
]


class Worker(Protocol):
    """Does tasks with what it has loaded.

    ``late`` are the outcomes of what was still written when it was stopped.
    """

    @property
    def late(self) -> Sequence[tuple[int, Outcome]]:
        """The index and the outcome of each."""
        ...

    def do(self, tasks: Sequence[Task]) -> Generator[tuple[int, Outcome], None, None]:
        """Do tasks in order, and yield the index and the outcome of each."""
        ...


class WorkOrder(Protocol):
    """What workers are told to do, which is sent to their processes."""

    def start(self, device: torch.device) -> Worker:
        """Load what the work needs.

        Raises:
            SamsrError: No worker can start.
        """
        ...


class WorkerTrace(Exception):  # noqa: N818 - it stands for an error of another process
    """The trace of a bug as text: what it was raised with cannot leave its process."""


@dataclass(slots=True)
class Hand:
    """Does tasks with a model that is loaded.

    ``late`` are the outcomes of what was still written when it was stopped.
    """

    settings: Settings
    late: list[tuple[int, Outcome]] = field(default_factory=list)

    def do(self, tasks: Sequence[Task]) -> Generator[tuple[int, Outcome], None, None]:
        """Do tasks in order, reading and writing beside the work.

        Yields:
            The index and the outcome of each.
        """
        naming = self.settings.naming
        if any(task.is_again for task in tasks):
            # What is there of a task that was begun before is this batch's own.
            naming = replace(naming, on_exists="overwrite")
        stages = make_stages(replace(self.settings, naming=naming), _ignore)
        index_of = {id(task.job): task.index for task in tasks}
        late: list[Outcome] = []
        try:
            with contextlib.closing(
                run_batch([task.job for task in tasks], stages, late)
            ) as outcomes:
                for outcome in outcomes:
                    yield index_of[id(outcome.job)], _portable(outcome)
        except DiskFullError:
            # It is the error of the last outcome, which ends the batch.
            return
        finally:
            self.late += [(index_of[id(o.job)], _portable(o)) for o in late]


@dataclass(slots=True)
class MaskOutcome(Outcome):
    """What became of a photo that was cut into ``regions``, in ``enlarge_s``."""

    regions: int = 0


@dataclass(slots=True)
class MaskHand:
    """Cuts photos into regions with a segmenter that is loaded; nothing of it is ever late."""

    segmenter: Segmenter
    limits: Limits
    late: tuple[tuple[int, Outcome], ...] = ()

    def do(self, tasks: Sequence[Task]) -> Generator[tuple[int, Outcome], None, None]:
        """Write the masks of each task's picture into its target.

        Yields:
            The index and the outcome of each.
        """
        for task in tasks:
            yield task.index, self._cut(task.job)

    def _cut(self, job: Job) -> MaskOutcome:
        outcome = MaskOutcome(job)
        assert isinstance(job.source.path, Path)  # noqa: S101 - photos are files
        assert isinstance(job.target, Path)  # noqa: S101 - and so are masks
        try:
            step = build_mask(MaskJob(job.source.path, job.target), self.segmenter, self.limits)
        except DiskFullError as error:
            outcome.fail(error)
            return outcome
        if step.error is not None:
            outcome.fail(step.error)
        outcome.regions, outcome.enlarge_s = step.regions, step.seconds
        outcome.size_in = outcome.size_out = step.size
        return outcome


def _ignore(_job: Job, _share: float) -> None:
    """Take no note of the share of a picture that is done."""


def _portable(outcome: Outcome) -> Outcome:
    """Replace what a bug was raised with by its text."""
    error = outcome.error
    if error is not None and error.__cause__ is not None:
        text = "".join(traceback.format_exception(error.__cause__))
        error.__cause__ = None
        error.add_note(text)
    return outcome


def serve(pipe: Connection, order: WorkOrder, device: str, threads: int | None) -> None:
    """Work until the pipe is closed, or ``None`` comes through it: a process's main function.

    What it sends: an error when it cannot start; ``None`` when it has nothing to do; the index and
    the outcome of a task.
    """
    with contextlib.suppress(KeyboardInterrupt, EOFError, OSError):
        # Ctrl-C reaches all processes of a terminal: the main one decides what it means.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, _stop)
        threading.Thread(target=_follow_parent, daemon=True).start()
        if threads is not None:
            torch.set_num_threads(threads)
        try:
            worker = order.start(resolve_device(device))
        except SamsrError as error:
            pipe.send(error)
            return
        try:
            _work(pipe, worker)
        finally:
            for each in worker.late:
                _send(pipe, each)


def _work(pipe: Connection, worker: Worker) -> None:
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
