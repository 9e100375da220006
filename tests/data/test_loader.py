"""Items are made ahead, come in order, not too many of them, and end with their reader."""

import threading
import time
from collections.abc import Generator, Iterator
from itertools import islice

import pytest

from sam_diffsr_cli.data.loader import AHEAD, prefetch
from tests.halting import shutdown_begun
from tests.helpers import PATIENCE_S

NAME = "samsr-loader"
by_workers = pytest.mark.parametrize("workers", [0, 1, 2, 5], ids="workers={}".format)


class BadStepError(Exception):
    """What making an item may raise."""


class Maker:
    """Makes squares, remembers which and by whom, and waits at a gate if there is one."""

    def __init__(self, *, fails_at: int | None = None, gate: threading.Event | None = None) -> None:
        self.fails_at, self.gate = fails_at, gate
        self.made: list[int] = []
        self.threads: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, step: int) -> int:
        with self._lock:
            self.made.append(step)
            self.threads.add(threading.current_thread().name)
        if self.gate is not None:
            assert self.gate.wait(PATIENCE_S)
        if step == self.fails_at:
            raise BadStepError(f"step {step}")
        return step * step


def loader_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(NAME)]


def wait_for(maker: Maker, number: int) -> None:
    """Wait until so many items are made, then a little, so that more of them would be seen."""
    end = time.monotonic() + PATIENCE_S
    while len(maker.made) < number and time.monotonic() < end:
        time.sleep(0.001)
    time.sleep(0.05)


def close(items: Iterator[int]) -> None:
    assert isinstance(items, Generator)
    items.close()


@by_workers
def test_items_come_in_the_order_of_their_steps(workers: int) -> None:
    def make(step: int) -> int:
        time.sleep(0.002 * (step % 3))
        return step * step

    assert list(prefetch(make, range(5, 40), workers)) == [step**2 for step in range(5, 40)]


@by_workers
def test_each_item_is_made_once(workers: int) -> None:
    maker = Maker()
    list(prefetch(maker, range(30), workers))
    assert sorted(maker.made) == list(range(30))


@by_workers
def test_no_steps_give_no_items(workers: int) -> None:
    assert list(prefetch(Maker(), [], workers)) == []


@by_workers
def test_fewer_steps_than_could_be_ahead_all_come(workers: int) -> None:
    assert list(prefetch(Maker(), [3], workers)) == [9]


@by_workers
def test_steps_are_taken_as_they_are_needed(workers: int) -> None:
    taken: list[int] = []

    def steps() -> Iterator[int]:
        for step in range(10_000):
            taken.append(step)
            yield step

    items = prefetch(Maker(), steps(), workers)
    assert list(islice(items, 4)) == [0, 1, 4, 9]
    assert len(taken) <= 4 + AHEAD * workers
    close(items)


def test_nothing_is_made_before_the_first_item_is_asked_for() -> None:
    maker = Maker()
    prefetch(maker, range(5), 2)
    assert maker.made == []


def test_without_workers_each_item_is_made_by_its_reader_when_it_is_asked_for() -> None:
    maker = Maker()
    items = prefetch(maker, range(5), 0)
    assert next(items) == 0
    assert maker.made == [0]
    assert next(items) == 1
    assert maker.made == [0, 1]
    assert maker.threads == {threading.current_thread().name}


@pytest.mark.parametrize("workers", [1, 3], ids="workers={}".format)
def test_items_are_made_by_as_many_threads_as_told(workers: int) -> None:
    gate = threading.Event()
    maker = Maker(gate=gate)
    items = prefetch(maker, range(20), workers)
    reader = threading.Thread(target=lambda: list(items))
    reader.start()
    wait_for(maker, workers)
    # All of them wait at the gate: one item each.
    assert sorted(maker.made) == list(range(workers))
    assert len(loader_threads()) == workers
    gate.set()
    reader.join(PATIENCE_S)
    assert len(maker.threads) <= workers
    assert sorted(maker.made) == list(range(20))


@pytest.mark.parametrize("workers", [1, 2, 4], ids="workers={}".format)
def test_no_more_items_are_made_ahead_than_told(workers: int) -> None:
    maker = Maker()
    items = prefetch(maker, range(10_000), workers)
    for taken in range(1, 6):
        next(items)
        # One was taken; all others that could be ahead are made while the reader is busy.
        most = taken + AHEAD * workers - 1
        wait_for(maker, most)
        assert sorted(maker.made) == list(range(most))
    close(items)


@by_workers
def test_an_exception_comes_in_the_place_of_its_item(workers: int) -> None:
    items = prefetch(Maker(fails_at=7), range(20), workers)
    assert list(islice(items, 7)) == [step**2 for step in range(7)]
    with pytest.raises(BadStepError, match="step 7"):
        next(items)


@pytest.mark.parametrize("workers", [1, 3], ids="workers={}".format)
def test_after_an_exception_no_thread_is_left(workers: int) -> None:
    with pytest.raises(BadStepError):
        list(prefetch(Maker(fails_at=2), range(20), workers))
    assert loader_threads() == []


@pytest.mark.parametrize("workers", [1, 3], ids="workers={}".format)
def test_at_the_end_no_thread_is_left(workers: int) -> None:
    assert len(list(prefetch(Maker(), range(20), workers))) == 20
    assert loader_threads() == []


@pytest.mark.parametrize("workers", [1, 3], ids="workers={}".format)
def test_closing_early_stops_the_threads_and_what_is_not_begun(workers: int) -> None:
    maker = Maker()
    items = prefetch(maker, range(1000), workers)
    next(items)
    assert loader_threads() != []
    close(items)
    assert loader_threads() == []
    made = len(maker.made)
    assert made <= AHEAD * workers
    time.sleep(0.05)
    assert len(maker.made) == made


def test_closing_early_leaves_out_what_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    workers, gate = 3, shutdown_begun(monkeypatch, NAME)
    made: list[int] = []

    def make(step: int) -> int:
        made.append(step)
        assert step == 0 or gate.wait(PATIENCE_S)
        return step

    items = prefetch(make, range(1000), workers)
    next(items)
    # Its thread is free for one more; the other two are at the gate, and two items wait for them.
    close(items)
    assert sorted(made) == list(range(len(made)))
    assert len(made) <= workers + 1 < AHEAD * workers


def test_closing_waits_for_what_is_being_made() -> None:
    """A thread that went on would use what its reader has put away."""
    done: list[int] = []

    def make(step: int) -> int:
        time.sleep(0.05 if step else 0)
        done.append(step)
        return step

    items = prefetch(make, range(10), 1)
    next(items)
    time.sleep(0.01)
    close(items)
    finished = list(done)
    time.sleep(0.1)
    assert done == finished


def test_a_reader_that_fails_leaves_no_thread() -> None:
    def read(items: Iterator[int]) -> None:
        for item in items:
            if item == 4:
                raise BadStepError("the reader")

    with pytest.raises(BadStepError, match="the reader"):
        read(prefetch(Maker(), range(100), 2))
    assert loader_threads() == []


def test_steps_that_fail_are_told_and_leave_no_thread() -> None:
    def steps() -> Iterator[int]:
        yield from range(6)
        raise BadStepError("no more steps")

    with pytest.raises(BadStepError, match="no more steps"):
        list(prefetch(Maker(), steps(), 2))
    assert loader_threads() == []
