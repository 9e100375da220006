"""Timing a case: the whole of it, or a smaller piece that tells how long the whole takes."""

from collections.abc import Iterator
from typing import NamedTuple

from sam_diffsr_cli.benchmark.records import Effort
from sam_diffsr_cli.upscaling.speed import (
    LEAST_STEPS,
    Ran,
    Report,
    Work,
    WorkRunner,
    scale_up,
    time_growing,
)

__all__ = ["Timing", "time_work"]

PILOT_SIDE, PILOT_SHARE = 64, 0.05
"""First a picture of this side is timed; then larger ones, while they take so little of the
limit."""

PILOTS = 3
"""Runs of a pilot. The fastest counts: one that was held up would make the piece too small."""

PIECE_SHARE = 0.5
"""A piece is as large as this share of the limit allows: it is scaled anyway."""

MOST_STEPS = 4
"""A piece is run with no more steps, since they all do the same work."""


class Timing(NamedTuple):
    """Seconds of the whole work by each repeat; and what was run, where that was a piece of it."""

    seconds: tuple[float, ...]
    piece: Work | None


class _Pilot(NamedTuple):
    """A piece that was run, from which other runs are predicted."""

    work: Work
    ran: Ran


def time_work(runner: WorkRunner, work: Work, effort: Effort, report: Report) -> Timing:
    """Time ``work``, within the limit of ``effort``.

    Args:
        runner: Runs it.
        work: The whole work.
        effort: How often, and for how long at most.
        report: Told how much is done.
    """
    piece = work
    if effort.limit_s is not None:
        pilot = _pilot(runner, work, effort, effort.limit_s)
        piece = _largest_that_fits(runner, work, effort, effort.limit_s, pilot)
    rounds = _repeat(runner, piece, effort.runs, report)[effort.warm_up :]
    if piece == work:
        return Timing(tuple(ran.seconds for ran in rounds), None)
    return Timing(tuple(scale_up(runner, work, piece, ran) for ran in rounds), piece)


def _repeat(runner: WorkRunner, work: Work, count: int, report: Report) -> list[Ran]:
    rounds = []
    for index in range(count):

        def tell(share: float, before: int = index) -> None:
            report((before + share) / count)

        rounds.append(runner.run(work, tell))
    return rounds


def _pilot(runner: WorkRunner, work: Work, effort: Effort, limit_s: float) -> _Pilot:
    """Time small pictures until one is large enough to tell how long the whole takes."""
    steps = min(LEAST_STEPS, work.steps)
    sizes = [size.with_steps(steps) for size in _sizes(work)]

    def time_size(size: Work, _larger: Work | None) -> _Pilot:
        return _Pilot(size, min(_repeat(runner, size, PILOTS, lambda _: None)))

    def fits(pilot: _Pilot, larger: Work) -> bool:
        is_enough = effort.runs * scale_up(runner, work, *pilot) <= limit_s
        takes_s = PILOTS * scale_up(runner, larger, *pilot)
        return not is_enough and takes_s <= PILOT_SHARE * limit_s

    return time_growing(reversed(sizes), time_size, fits)[1]


def _sizes(work: Work) -> Iterator[Work]:
    """Halve the picture from its full size down to that of the first pilot."""
    height, width = work.height, work.width
    while True:
        yield Work(height=height, width=width, steps=work.steps)
        if max(height, width) <= PILOT_SIDE:
            return
        height, width = (max(min(side, PILOT_SIDE), side // 2) for side in (height, width))


def _largest_that_fits(
    runner: WorkRunner, work: Work, effort: Effort, limit_s: float, pilot: _Pilot
) -> Work:
    """Choose what to run: the whole, else the largest picture, and then the most steps."""
    if effort.runs * scale_up(runner, work, *pilot) <= limit_s:
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
        if piece != work and effort.runs * scale_up(runner, piece, *pilot) <= PIECE_SHARE * limit_s
    )
    return next(fitting, pieces[-1])
