"""Reading, enlarging and writing side by side, in order, with little in memory at a time.

One picture is read ahead while another is enlarged, and results are written while the next are
enlarged. A picture that fails is an outcome, not an end; running out of disk space is the end.
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, TypeVar

from sam_diffsr_cli.batch.plan import Job
from sam_diffsr_cli.batch.remote import Place
from sam_diffsr_cli.device import memory_errors
from sam_diffsr_cli.errors import DiskFullError, SamsrError, os_error
from sam_diffsr_cli.pictures.ledger import Part, is_left_out
from sam_diffsr_cli.pictures.records import Picture

__all__ = ["MOST_WAITING_BYTES", "WRITERS", "Outcome", "Stages", "Written", "run_batch"]

Result = TypeVar("Result")
MOST_WAITING_BYTES = 512 << 20
"""Results that wait to be written; beyond it the next picture waits."""

WRITERS = 6
"""Files written at once: a GPU enlarges a picture in a fraction of the time that PNG takes."""

Notify = Callable[[str], None]


class Written(NamedTuple):
    """What was written for a job: its notes, and its place; ``is_skipped`` when nothing was."""

    notes: tuple[str, ...]
    target: Place | None
    is_skipped: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Stages:
    """The three parts of a job. Each may raise ``SamsrError``.

    ``read`` gives None of a picture whose output has come to be there, where such are skipped, and
    ``enlarge`` of one that is left out.
    """

    read: Callable[[Job], Picture | None]
    enlarge: Callable[[Job, Picture, Notify], Picture | None]
    write: Callable[[Job, Picture], Written]


@dataclass(slots=True)
class Outcome:
    """What became of a job; seconds are those of its own reading, enlarging and writing.

    The status ``left_out`` is of a picture that does not grow, where only those that do are wanted.
    ``worker`` is the number of the one that did it, None without workers. ``levels`` is how dirty
    the picture was taken for, None where the model is not told; ``estimate`` is how dirty it was
    estimated to be, None where that was not asked. ``is_renamed`` says that the output
    has another name than was planned, since that one came to be there.
    """

    job: Job
    status: Literal["planned", "done", "skipped", "left_out", "failed"] = "done"
    error: SamsrError | None = None
    notes: list[str] = field(default_factory=list)
    left_out: tuple[Part, ...] = ()
    levels: Mapping[str, float] | None = None
    estimate: Mapping[str, float] | None = None
    size_in: tuple[int, int] | None = None
    size_out: tuple[int, int] | None = None
    frames: int = 1
    read_s: float = 0.0
    enlarge_s: float = 0.0
    write_s: float = 0.0
    worker: int | None = None
    is_renamed: bool = False

    def fail(self, error: SamsrError) -> None:
        """Note the failure."""
        self.status, self.error = "failed", error


@dataclass(frozen=True, slots=True)
class _Writing:
    """A result on its way to the disk."""

    outcome: Outcome
    future: "Future[None]"
    size: int


def run_batch(
    jobs: Sequence[Job], stages: Stages, late: list[Outcome] | None = None
) -> Generator[Outcome, None, None]:
    """Do every job.

    Args:
        jobs: In the order in which they are done.
        stages: What to do; ``enlarge`` runs in the calling thread, the others in their own.
        late: Filled with the outcomes of what was still written when the run was stopped, and
            maybe again with the last one that was yielded, of which it cannot be known whether it
            arrived.

    Yields:
        The outcome of each job, in order. Closing the generator, or an exception in it, waits for
        the files being written and leaves the others untouched.

    Raises:
        DiskFullError: No space is left; it is also the error of the last outcome.
    """
    reader = ThreadPoolExecutor(1, "samsr-read")
    writers = ThreadPoolExecutor(WRITERS, "samsr-write")
    waiting: deque[_Writing] = deque()
    try:
        for outcome, reading in _read_ahead(jobs, stages, reader):
            result = _enlarge(outcome, reading, stages)
            if result is None:
                yield from _finished(waiting, most=-1)
                yield outcome
                _stop_when_full(outcome)
                continue
            size = sum(frame.pixels.nbytes for frame in result.frames)
            waiting.append(_Writing(outcome, writers.submit(_write, outcome, result, stages), size))
            del result
            yield from _finished(waiting, most=MOST_WAITING_BYTES)
        yield from _finished(waiting, most=-1)
    finally:
        reader.shutdown(wait=False, cancel_futures=True)
        writers.shutdown(wait=True, cancel_futures=True)
        if late is not None:
            late += [writing.outcome for writing in waiting if not writing.future.cancelled()]


def _read_ahead(
    jobs: Sequence[Job], stages: Stages, reader: ThreadPoolExecutor
) -> Iterator[tuple[Outcome, "Future[Picture | None] | None"]]:
    """Start reading the next picture before the one at hand is handed on."""
    ahead: deque[tuple[Outcome, Future[Picture | None] | None]] = deque()
    for job in jobs:
        outcome = Outcome(job)
        ahead.append((outcome, None if job.is_done else reader.submit(_read, outcome, stages)))
        if len(ahead) > 1:
            yield ahead.popleft()
    yield from ahead


def _finished(waiting: deque[_Writing], *, most: int) -> Iterator[Outcome]:
    """Yield what is written; wait while more than ``most`` bytes are not."""
    while waiting and (waiting[0].future.done() or sum(w.size for w in waiting) > most):
        first = waiting[0]
        first.future.result()
        yield first.outcome
        # Not before it has arrived: an interrupt may come at any moment.
        waiting.popleft()
        _stop_when_full(first.outcome)


def _stop_when_full(outcome: Outcome) -> None:
    if isinstance(outcome.error, DiskFullError):
        raise outcome.error


def _attempt(outcome: Outcome, work: Callable[[], Result]) -> tuple[Result | None, float]:
    """Run one stage; whatever it raises becomes the outcome's error. Also the seconds it took."""
    began = time.perf_counter()
    try:
        with memory_errors("use a smaller --tile, or enlarge fewer pictures at once"):
            return work(), time.perf_counter() - began
    except SamsrError as error:
        outcome.fail(error)
    except OSError as error:
        place = outcome.job.target or outcome.job.source.name
        outcome.fail(os_error(place, error, "cannot be made"))
    except Exception as error:  # noqa: BLE001 - one picture must not end the batch
        bug = SamsrError(f"{outcome.job.source.name}: {type(error).__name__}: {error}")
        bug.__cause__ = error
        outcome.fail(bug)
    return None, time.perf_counter() - began


def _read(outcome: Outcome, stages: Stages) -> Picture | None:
    picture, outcome.read_s = _attempt(outcome, lambda: stages.read(outcome.job))
    return picture


def _enlarge(
    outcome: Outcome, reading: "Future[Picture | None] | None", stages: Stages
) -> Picture | None:
    if reading is None:
        outcome.status = "skipped"
        return None
    picture = reading.result()
    if picture is None:
        outcome.status = "skipped" if outcome.error is None else "failed"
        return None
    outcome.size_in, outcome.frames = picture.size, len(picture.frames)
    outcome.notes += picture.notes
    result, outcome.enlarge_s = _attempt(
        outcome, lambda: stages.enlarge(outcome.job, picture, outcome.notes.append)
    )
    if result is None and outcome.error is None:
        outcome.status = "left_out"
    if result is not None:
        outcome.size_out = result.size
        outcome.levels, outcome.estimate = result.levels, result.estimate
        outcome.left_out = tuple(part for part in result.parts if is_left_out(part))
    return result


def _write(outcome: Outcome, picture: Picture, stages: Stages) -> None:
    written, outcome.write_s = _attempt(outcome, lambda: stages.write(outcome.job, picture))
    if written is None:
        return
    outcome.notes += written.notes
    if written.is_skipped:
        outcome.status = "skipped"
    elif written.target != outcome.job.target:
        outcome.job, outcome.is_renamed = replace(outcome.job, target=written.target), True
