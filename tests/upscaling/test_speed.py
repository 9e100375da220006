"""The time that is told before the work: one disturbed run does not decide it."""

from collections.abc import Sequence

import pytest

from sam_diffsr_cli.sampling_config import SamplingConfig
from sam_diffsr_cli.upscaling import speed
from sam_diffsr_cli.upscaling.frames import UpscaleRun
from sam_diffsr_cli.upscaling.model import Upscaler

STILL_S, STEP_S = 1.0, 2.0
ROUNDS = 4


def pretend(monkeypatch: pytest.MonkeyPatch, held_up: Sequence[float] = (1.0,) * ROUNDS) -> None:
    """Let each run take as many times as long as is told."""
    now = [0.0]
    factors = iter(held_up)

    def enlarge(run: UpscaleRun, _pixels: object) -> None:
        factor = next(factors)
        now[0] += factor * STILL_S
        for step in range(run.sampling.steps):
            now[0] += factor * STEP_S
            run.progress((step + 1) / run.sampling.steps)

    monkeypatch.setattr(speed, "enlarge_frame", enlarge)
    monkeypatch.setattr("time.perf_counter", lambda: now[0])


@pytest.mark.parametrize("held_up", range(ROUNDS))
@pytest.mark.parametrize("steps", [0, 1, 2, 5])
def test_a_run_that_was_held_up_does_not_count(
    upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch, held_up: int, steps: int
) -> None:
    pretend(monkeypatch, [50.0 if index == held_up else 1.0 for index in range(ROUNDS)])
    sampling = SamplingConfig(steps=steps, tile=0)
    found = speed.seconds_per_megapixel(upscaler, sampling, 4.0, 64)
    assert found == pytest.approx((STILL_S + steps * STEP_S) / (64 * 64 * 16 / 1e6))


def test_a_megapixel_of_a_larger_scale_takes_less(
    upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, (1.0,) * (2 * ROUNDS))
    sampling = SamplingConfig(steps=2, tile=0)
    by_two, by_four = (
        speed.seconds_per_megapixel(upscaler, sampling, scale, 64) for scale in (2.0, 4.0)
    )
    assert by_two == pytest.approx(4 * by_four)


@pytest.mark.parametrize(("left", "expected"), [(0, 1), (3, 4), (9, 8)])
def test_pieces_grow_while_the_next_one_fits(left: int, expected: int) -> None:
    seen = []

    def time_piece(piece: int, larger: int | None) -> int:
        seen.append((piece, larger))
        return 10 * piece

    def fits(_taken: int, larger: int) -> bool:
        return larger <= left + 1

    assert speed.time_growing((1, 2, 4, 8), time_piece, fits) == (expected, 10 * expected)
    assert seen == [(1, 2), (2, 4), (4, 8), (8, None)][: (1, 2, 4, 8).index(expected) + 1]
