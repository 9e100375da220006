"""What a pool and its workers tell each other, and what a pool of any kind can do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from sam_diffsr_cli.errors import SamsrError

__all__ = [
    "Done",
    "Event",
    "Idle",
    "ItemResult",
    "Lost",
    "Progress",
    "Refused",
    "Task",
    "WorkDone",
    "WorkerPool",
    "describe_workers",
]


class ItemResult(Protocol):
    """What became of an item; ``error`` is None where all went well."""

    @property
    def error(self) -> SamsrError | None:
        """What it failed with."""
        ...


Item = TypeVar("Item")
Made = TypeVar("Made", bound=ItemResult)


@dataclass(frozen=True, slots=True)
class Task(Generic[Item]):
    """An item and its index; ``is_again`` when a worker died that may have begun it."""

    index: int
    item: Item
    is_again: bool = False


@dataclass(frozen=True, slots=True)
class Idle:
    """A worker has nothing to do; the first one says that it has started."""

    worker: int


@dataclass(frozen=True, slots=True)
class Done(Generic[Made]):
    """A worker is through with a task, well or not; the worker that gave an item up did nothing."""

    worker: int | None
    index: int
    result: Made


@dataclass(frozen=True, slots=True)
class Progress:
    """A worker has done a share of the task at hand, in [0, 1]; few kinds of workers tell it."""

    worker: int
    share: float


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


Event = Idle | Progress | Done[Made] | Lost | Refused


@dataclass(frozen=True, slots=True)
class WorkDone:
    """A share of the work: so many megapixels by a worker in so many seconds, or a failure."""

    worker: int | None
    megapixels: float
    seconds: float
    has_failed: bool


def describe_workers(shares: Sequence[WorkDone], names: Sequence[str]) -> list[str]:
    """Say for each worker what it did, and how fast, while it had something to do."""
    lines = []
    for worker, device in enumerate(names):
        own = [share for share in shares if share.worker == worker]
        megapixels, seconds = sum(s.megapixels for s in own), sum(s.seconds for s in own)
        speed = f", {seconds / megapixels:.2f} s/MP" if megapixels else ""
        failed = sum(share.has_failed for share in own)
        bad = f", {failed} failed" if failed else ""
        noun = "picture" if len(own) == 1 else "pictures"
        lines.append(
            f"worker {worker} on {device}: {len(own)} {noun}, "
            f"{megapixels:.1f} megapixels{speed}{bad}"
        )
    return lines


class WorkerPool(Protocol[Item, Made]):
    """Workers that are numbered from 0, each with what it needs loaded once.

    ``names`` says for each what it runs on.
    """

    size: int
    names: Sequence[str]

    def give(self, worker: int, tasks: Sequence[Task[Item]]) -> None:
        """Hand tasks to an idle worker; it answers ``Done`` for each in order, then ``Idle``."""
        ...

    def wait(self) -> Event[Made]:
        """Wait for the next thing that happens."""
        ...

    def restart(self, worker: int) -> None:
        """Start another in the place of one that was lost."""
        ...

    def close(self) -> Sequence[Done[Made]]:
        """Stop all; files that are being written are finished, and told.

        The item that was told last is told again, as that may have been cut off.
        """
        ...
