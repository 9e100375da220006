"""The rule by which a long case is measured, on a machine whose clock is made up."""

from dataclasses import dataclass, field

import pytest

from sam_diffsr_cli.benchmark.records import Effort
from sam_diffsr_cli.benchmark.timing import time_work
from sam_diffsr_cli.upscaling.speed import Ran, Report, Work

CONDITION_S, STEP_S = 2**-12, 2**-13
"""Seconds for a pixel; powers of two, so that sums are exact."""


@dataclass
class Steady:
    """Takes exactly ``area * (condition + steps * step)``; a border is computed as well."""

    border: int = 0
    done: list[Work] = field(default_factory=list)

    def area(self, work: Work) -> int:
        return (work.height + self.border) * (work.width + self.border)

    def seconds(self, work: Work) -> float:
        return self.area(work) * (CONDITION_S + work.steps * STEP_S)

    def run(self, work: Work, report: Report) -> Ran:
        self.done.append(work)
        report(0.5)
        step_s = self.area(work) * STEP_S if work.steps > 1 else 0.0
        return Ran(self.seconds(work), step_s)

    @property
    def took(self) -> float:
        return sum(map(self.seconds, self.done))


@dataclass
class Slowing(Steady):
    """Takes once, twice, three times as long: the clock of a machine that others use."""

    def run(self, work: Work, report: Report) -> Ran:
        ran = super().run(work, report)
        return Ran(ran.seconds * len(self.done), ran.step * len(self.done))


def ignore(_share: float) -> None:
    pass


LARGE = Work(height=512, width=256, steps=100)


@pytest.mark.parametrize("border", [0, 32], ids=["one-piece", "tiles"])
@pytest.mark.parametrize("limit_s", [0.1, 10.0, 500.0, 2000.0])
@pytest.mark.parametrize("steps", [0, 1, 3, 100])
def test_scaling_is_exact_where_time_grows_with_area_and_steps(
    border: int, limit_s: float, steps: int
) -> None:
    machine = Steady(border)
    work = Work(height=512, width=256, steps=steps)
    timing = time_work(machine, work, Effort(limit_s=limit_s), ignore)
    assert timing.seconds == pytest.approx([machine.seconds(work)] * 3, rel=1e-12)


def test_what_fits_is_run_whole() -> None:
    machine = Steady()
    timing = time_work(machine, LARGE, Effort(limit_s=1e6), ignore)
    assert timing.piece is None
    assert machine.done[-4:] == [LARGE] * 4


def test_what_does_not_fit_is_not_run() -> None:
    machine = Steady()
    timing = time_work(machine, LARGE, Effort(limit_s=500.0), ignore)
    assert timing.piece is not None
    assert LARGE not in machine.done


def test_without_a_limit_only_the_whole_is_run() -> None:
    machine = Steady()
    timing = time_work(machine, LARGE, Effort(repeats=2, warm_up=1, limit_s=None), ignore)
    assert timing.piece is None
    assert machine.done == [LARGE] * 3


@pytest.mark.parametrize("limit_s", [25.0, 100.0, 500.0, 2000.0])
def test_the_limit_holds_but_for_the_pilots(limit_s: float) -> None:
    machine = Steady()
    timing = time_work(machine, LARGE, Effort(limit_s=limit_s), ignore)
    assert timing.piece is not None
    assert machine.done[-4:] == [timing.piece] * 4
    assert 4 * machine.seconds(timing.piece) <= limit_s / 2
    first = 3 * machine.seconds(Work(height=64, width=64, steps=2))
    assert machine.took <= limit_s / 2 + 0.1 * limit_s + first


def test_the_largest_picture_that_fits_is_taken_before_more_steps() -> None:
    # Of the whole picture the condition takes 32 s and a step 16: 4 * (32 + 2 * 16) = 256, and a
    # piece has half of the limit.
    timing = time_work(Steady(), LARGE, Effort(limit_s=512.0), ignore)
    assert timing.piece == Work(height=512, width=256, steps=2)


def test_more_steps_are_taken_where_they_fit() -> None:
    timing = time_work(Steady(), LARGE, Effort(limit_s=768.0), ignore)
    assert timing.piece == Work(height=512, width=256, steps=4)


def test_a_case_of_one_step_is_scaled_from_one_step() -> None:
    work = Work(height=512, width=256, steps=1)
    timing = time_work(Steady(), work, Effort(limit_s=1e-6), ignore)
    assert timing.piece == Work(height=64, width=64, steps=1)


def test_a_case_without_steps_is_scaled_from_a_smaller_picture() -> None:
    work = Work(height=512, width=256, steps=0)
    timing = time_work(Steady(), work, Effort(limit_s=100.0), ignore)
    assert timing.piece == Work(height=256, width=128, steps=0)


def test_a_case_that_never_fits_is_scaled_from_two_steps_of_the_smallest_picture() -> None:
    timing = time_work(Steady(), LARGE, Effort(limit_s=1e-6), ignore)
    assert timing.piece == Work(height=64, width=64, steps=2)


def test_a_small_case_that_does_not_fit_is_run_whole_when_nothing_is_smaller() -> None:
    timing = time_work(Steady(), Work(height=20, width=30, steps=1), Effort(limit_s=1e-6), ignore)
    assert timing.piece is None


def test_a_narrow_picture_is_not_cut_below_its_own_width() -> None:
    timing = time_work(Steady(), Work(height=4096, width=20, steps=0), Effort(limit_s=1e-6), ignore)
    assert timing.piece == Work(height=64, width=20, steps=0)


def test_warm_up_runs_do_not_count() -> None:
    machine = Slowing()
    work = Work(height=64, width=64, steps=2)
    timing = time_work(machine, work, Effort(repeats=3, warm_up=2, limit_s=None), ignore)
    assert [s / machine.seconds(work) for s in timing.seconds] == [3, 4, 5]


def test_each_repeat_is_scaled_by_itself() -> None:
    machine = Slowing()
    timing = time_work(machine, LARGE, Effort(repeats=3, warm_up=0, limit_s=1e-6), ignore)
    factors = [seconds / machine.seconds(LARGE) for seconds in timing.seconds]
    # Three runs of the pilot come first.
    assert factors == pytest.approx([4, 5, 6])


def test_a_pilot_that_was_held_up_does_not_make_the_piece_smaller() -> None:
    class HeldUp(Steady):
        def run(self, work: Work, report: Report) -> Ran:
            seconds, step = super().run(work, report)
            late = 100 if len(self.done) in (1, 3) else 1
            return Ran(seconds * late, step * late)

    effort = Effort(limit_s=512.0)
    pieces = [time_work(machine, LARGE, effort, ignore).piece for machine in (Steady(), HeldUp())]
    assert pieces[0] == pieces[1]


def test_progress_rises_and_stays_within_one() -> None:
    told: list[float] = []
    time_work(Steady(), LARGE, Effort(limit_s=500.0), told.append)
    assert told == [0.125, 0.375, 0.625, 0.875]
