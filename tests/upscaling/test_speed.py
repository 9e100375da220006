"""The time that is told before the work: one disturbed run does not decide it."""

from typing import TYPE_CHECKING

import pytest

from sam_diffsr_cli.sampling_config import SamplingConfig
from sam_diffsr_cli.upscaling import speed
from sam_diffsr_cli.upscaling.frames import UpscaleRun
from sam_diffsr_cli.upscaling.model import Upscaler

if TYPE_CHECKING:
    from collections.abc import Iterator


def pretend(monkeypatch: pytest.MonkeyPatch, seconds: dict[int, list[float]]) -> None:
    """Let the runs with so many steps take these seconds, one after another."""
    now = [0.0]
    waiting: dict[int, Iterator[float]] = {steps: iter(each) for steps, each in seconds.items()}

    def enlarge(run: UpscaleRun, _pixels: object) -> None:
        now[0] += next(waiting[run.sampling.steps])

    monkeypatch.setattr(speed, "enlarge_frame", enlarge)
    monkeypatch.setattr("time.perf_counter", lambda: now[0])


@pytest.mark.parametrize("held_up", [0, 1, 2, 3])
def test_a_run_that_was_held_up_does_not_count(
    upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch, held_up: int
) -> None:
    still, stepped = [1.0] * 4, [3.0] * 4
    still[held_up] = stepped[held_up] = 50.0
    pretend(monkeypatch, {0: still, 1: stepped})
    found = speed.seconds_per_megapixel(upscaler, SamplingConfig(steps=5, tile=0), 4.0, 64)
    assert found == pytest.approx((1 + 5 * 2) / (64 * 64 * 16 / 1e6))


def test_without_steps_none_is_timed(upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, {0: [9.0, 1.0, 1.0, 1.0]})
    found = speed.seconds_per_megapixel(upscaler, SamplingConfig(steps=0, tile=0), 4.0, 64)
    assert found == pytest.approx(1 / (64 * 64 * 16 / 1e6))
