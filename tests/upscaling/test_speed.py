"""The time that is told before the work: one disturbed run does not decide it."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from sam_diffsr_cli.config import distilled
from sam_diffsr_cli.sampling_config import SamplingConfig
from sam_diffsr_cli.upscaling import speed
from sam_diffsr_cli.upscaling.frames import UpscaleRun
from sam_diffsr_cli.upscaling.model import Upscaler
from tests.helpers import TINY, shaken

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
    found = speed.seconds_per_megapixel(upscaler, sampling, 4.0, [(64, 64)])
    assert found == pytest.approx((STILL_S + steps * STEP_S) / (64 * 64 * 16 / 1e6))


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (2, (2, "distilled", 7)),
        (3, (3, "dpmpp_2m", 7)),
        (7, (7, "dpmpp_2m", 7)),
        (10, (10, "dpmpp_2m", 0)),
        (0, (0, "dpmpp_2m", 7)),
    ],
    ids=str,
)
def test_what_is_timed_is_what_the_model_does_by_default(
    steps: int, expected: tuple[int, str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[SamplingConfig] = []
    monkeypatch.setattr(speed, "enlarge_frame", lambda run, _pixels: ran.append(run.sampling))
    chain = replace(TINY.diffusion, sampling_start=7, sampling_spacing="quadratic")
    few = shaken(distilled(replace(TINY, diffusion=chain), steps=2))
    work = speed.Work(height=16, width=16, steps=steps)
    speed.Enlarging(few, 64).run(work, lambda _: None)
    assert [(one.steps, one.sampler, one.start, one.tile) for one in ran] == [(*expected, 64)]


def test_every_number_of_steps_that_a_model_has_can_be_timed() -> None:
    chain = replace(TINY.diffusion, sampling_start=7, sampling_spacing="quadratic")
    few = shaken(distilled(replace(TINY, diffusion=chain), steps=2))
    for steps in range(chain.num_timesteps + 1):
        work = speed.Work(height=16, width=16, steps=steps)
        assert speed.Enlarging(few, 0).run(work, lambda _: None).seconds > 0


def test_the_orientations_are_timed_and_a_model_that_cleans_cleans(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ran: list[SamplingConfig] = []

    def enlarge(run: UpscaleRun, _pixels: object) -> None:
        ran.append(run.sampling)
        run.progress(1.0)

    monkeypatch.setattr(speed, "enlarge_frame", enlarge)
    told = shaken(replace(TINY, encoder=replace(TINY.encoder, num_levels=3)))
    for model, clean in ((told, 100), (shaken(TINY), None)):
        ran.clear()
        sampling = SamplingConfig(steps=0, tile=0, ensemble=4)
        speed.seconds_per_megapixel(model, sampling, 4.0, [])
        assert {(each.ensemble, each.clean) for each in ran} == {(4, clean)}


def test_a_megapixel_of_a_larger_scale_takes_less(
    upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, (1.0,) * (2 * ROUNDS))
    sampling = SamplingConfig(steps=2, tile=0)
    by_two, by_four = (
        speed.seconds_per_megapixel(upscaler, sampling, scale, [(64, 64)]) for scale in (2.0, 4.0)
    )
    assert by_two == pytest.approx(4 * by_four)


def test_what_tiles_compute_twice_is_that_of_each_picture(
    upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A square has more context than 256x384 pixels, which are cut along one axis alone."""
    sampling = SamplingConfig(steps=0, tile=256)
    runner = speed.Enlarging(upscaler, 256, 4.0)
    sizes = [(256, 384), (256, 384), (64, 64)]
    areas = [runner.area(speed.Work(height=h, width=w, steps=0)) for h, w in sizes]
    pretend(monkeypatch, (1.0,) * ROUNDS)
    found = speed.seconds_per_megapixel(upscaler, sampling, 4.0, sizes)
    megapixels = sum(h * w for h, w in sizes) * 16 / 1e6
    assert found == pytest.approx(sum(areas) / 64**2 / megapixels)
    pretend(monkeypatch, (1.0,) * ROUNDS)
    square = speed.seconds_per_megapixel(upscaler, sampling, 4.0, [(314, 314)])
    assert square > 1.2 * found


def test_without_pictures_the_piece_is_the_measure(
    upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampling = SamplingConfig(steps=0, tile=256)
    pretend(monkeypatch, (1.0,) * ROUNDS)
    found = speed.seconds_per_megapixel(upscaler, sampling, 4.0, [])
    assert found == pytest.approx(1e6 / (64 * 64 * 16))


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
