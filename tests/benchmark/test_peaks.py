"""The best of several, on a made-up clock."""

from collections.abc import Iterator

import pytest
import torch

from sam_diffsr_cli.benchmark import peaks
from sam_diffsr_cli.benchmark.peaks import _best_seconds, measure_peaks
from sam_diffsr_cli.choices import Precision

CPU = torch.device("cpu")


class FakeClock:
    """Goes on only when the work that it times is done."""

    def __init__(self, durations: Iterator[float]) -> None:
        self.now = 0.0
        self.calls = 0
        self._durations = durations

    def work(self) -> torch.Tensor:
        self.calls += 1
        self.now += next(self._durations)
        return torch.zeros(())

    def __call__(self) -> float:
        return self.now


def endless(*first: float, then: float) -> Iterator[float]:
    yield from first
    while True:
        yield then


def test_the_fastest_sample_counts() -> None:
    clock = FakeClock(endless(9.0, 0.3, 0.2, 0.1, 0.4, then=0.3))
    assert _best_seconds(clock.work, CPU, clock) == pytest.approx(0.1)


def test_the_first_call_does_not_count() -> None:
    clock = FakeClock(endless(0.01, then=0.5))
    assert _best_seconds(clock.work, CPU, clock) == pytest.approx(0.5)


def test_short_calls_are_timed_many_at_a_time() -> None:
    clock = FakeClock(endless(then=0.001))
    assert _best_seconds(clock.work, CPU, clock) == pytest.approx(0.001)
    assert clock.calls == 2 + peaks.SAMPLES * 20


def test_long_calls_stop_once_the_time_is_over() -> None:
    clock = FakeClock(endless(then=1.0))
    _best_seconds(clock.work, CPU, clock)
    assert clock.calls == 3


@pytest.fixture
def known_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everything take a second, and be run once."""

    def take_a_second(call: object, _device: torch.device) -> float:
        assert callable(call)
        call()
        return 1.0

    monkeypatch.setattr(peaks, "_best_seconds", take_a_second)
    monkeypatch.setattr(peaks, "CONVOLUTIONS", ((4, 16), (8, 8)))
    monkeypatch.setattr(peaks, "MATRIX_SIDES", {"cpu": 32})
    monkeypatch.setattr(peaks, "COPIED_BYTES", 4096)
    monkeypatch.setattr(torch, "set_float32_matmul_precision", lambda _: None)


@pytest.mark.usefixtures("known_times")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_peaks_are_the_work_done_in_the_time(precision: Precision) -> None:
    found = measure_peaks(CPU, precision)
    assert found.matmul == 2 * 32**3
    assert found.convolution == 2 * 9 * max(4 * 4 * 16 * 16, 8 * 8 * 8 * 8)
    assert found.bandwidth == 2 * 4096
    assert (found.device, found.precision) == ("cpu", precision)
