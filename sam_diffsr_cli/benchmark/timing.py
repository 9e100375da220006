"""Timing a case: the whole of it, or a smaller piece that tells how long the whole takes.

Time grows with the area that is computed, and by the same amount with each step. So a piece is a
smaller picture, or fewer steps, one of which is timed by itself.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from sam_diffsr_cli.benchmark.records import Effort, Work

__all__ = ["Ran", "Report", "Timing", "WorkRunner", "time_work"]

Report = Callable[[float], None]
"""Told the share done, in [0, 1]."""

PILOT_SIDE, PILOT_SHARE = 64, 0.05
"""First a picture of this side is timed; then larger ones, while they take so little of the
limit."""

PILOTS = 3
"""Runs of a pilot. The fastest counts: one that was held up would make the piece too small."""

PIECE_SHARE = 0.5
"""A piece is as large as this share of the limit allows: it is scaled anyway."""

LEAST_STEPS, MOST_STEPS = 2, 4
"""A piece is run with so many steps, since they all do the same work, and the first cannot be
told from what comes before it."""


class Ran(NamedTuple):
    """Seconds of a run, and of each of its steps but the first; 0 where there are no others."""

    seconds: float
    step: float


class WorkRunner(Protocol):
    """Runs work, and knows how much of it there is."""

    def run(self, work: Work, report: Report) -> Ran:
        """Do ``work`` once."""
        ...

    def area(self, work: Work) -> int:
        """Return the input pixels that are computed, the context of tiles included."""
        ...


class Timing(NamedTuple):
    """Seconds of the whole work by each repeat; and what was run, where that was a piece of it."""

    seconds: tuple[float, ...]
    piece: Work | None


class _Pilot(NamedTuple):
    """A piece that was run, from which other runs are predicted."""

    work: Work
    ran: Ran


def time_work(machine: WorkRunner, work: Work, effort: Effort, report: Report) -> Timing:
    """Time ``work``, within the limit of ``effort``.

    Args:
        machine: Runs it.
        work: The whole work.
        effort: How often, and for how long at most.
        report: Told how much is done.
    """
    piece = work
    if effort.limit_s is not None:
        pilot = _pilot(machine, work, effort, effort.limit_s)
        piece = _largest_that_fits(machine, work, effort, effort.limit_s, pilot)
    rounds = _repeat(machine, piece, effort.runs, report)[effort.warm_up :]
    if piece == work:
        return Timing(tuple(ran.seconds for ran in rounds), None)
    return Timing(tuple(_predict(machine, work, _Pilot(piece, ran)) for ran in rounds), piece)


def _predict(machine: WorkRunner, work: Work, pilot: _Pilot) -> float:
    """Scale a run to other work, by its area and steps."""
    of_area = machine.area(work) / machine.area(pilot.work)
    return of_area * (pilot.ran.seconds + (work.steps - pilot.work.steps) * pilot.ran.step)


def _repeat(machine: WorkRunner, work: Work, count: int, report: Report) -> list[Ran]:
    rounds = []
    for index in range(count):

        def tell(share: float, before: int = index) -> None:
            report((before + share) / count)

        rounds.append(machine.run(work, tell))
    return rounds


def _pilot(machine: WorkRunner, work: Work, effort: Effort, limit_s: float) -> _Pilot:
    """Time small pictures until one is large enough to tell how long the whole takes."""
    steps = min(LEAST_STEPS, work.steps)
    sizes = [size.with_steps(steps) for size in _sizes(work)]
    while True:
        size = sizes.pop()
        pilot = _Pilot(size, min(_repeat(machine, size, PILOTS, lambda _: None)))
        if not sizes or effort.runs * _predict(machine, work, pilot) <= limit_s:
            return pilot
        if PILOTS * _predict(machine, sizes[-1], pilot) > PILOT_SHARE * limit_s:
            return pilot


def _sizes(work: Work) -> Iterator[Work]:
    """Halve the picture from its full size down to that of the first pilot."""
    height, width = work.height, work.width
    while True:
        yield Work(height=height, width=width, steps=work.steps)
        if max(height, width) <= PILOT_SIDE:
            return
        height, width = (max(min(side, PILOT_SIDE), side // 2) for side in (height, width))


def _largest_that_fits(
    machine: WorkRunner, work: Work, effort: Effort, limit_s: float, pilot: _Pilot
) -> Work:
    """Choose what to run: the whole, else the largest picture, and then the most steps."""
    if effort.runs * _predict(machine, work, pilot) <= limit_s:
        return work
    few = min(LEAST_STEPS, work.steps)
    pieces = [
        size.with_steps(steps)
        for size in _sizes(work)
        for steps in range(min(MOST_STEPS, work.steps), few - 1, -1)
    ]
    fitting = (
        piece
        for piece in pieces
        if piece != work and effort.runs * _predict(machine, piece, pilot) <= PIECE_SHARE * limit_s
    )
    return next(fitting, pieces[-1])
