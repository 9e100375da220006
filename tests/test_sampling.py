"""The reverse process, against ``diffusers`` and against a denoiser that knows the answer."""

import weakref
from collections.abc import Callable

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler
from torch import Tensor

from sam_diffsr_cli.chain_config import DiffusionConfig, Sampler
from sam_diffsr_cli.diffusion.schedule import (
    Schedule,
    make_schedule,
    respace,
    sampling_timesteps,
)
from sam_diffsr_cli.sampling import Denoiser, SampleStep, reverse_process

SHAPE = (2, 3, 4, 5)

WHOLE = make_schedule(DiffusionConfig())
LINEAR = make_schedule(DiffusionConfig(beta_schedule="linear"))
SHORT = respace(WHOLE, sampling_timesteps(100, 4, "trailing"))
ONE = respace(WHOLE, sampling_timesteps(100, 1, "trailing"))

by_chain = pytest.mark.parametrize(
    "schedule",
    [
        pytest.param(WHOLE, id="cosine-100"),
        pytest.param(LINEAR, id="linear-100"),
        pytest.param(SHORT, id="respaced-4"),
        pytest.param(ONE, id="respaced-1"),
    ],
)


def drawn(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(SHAPE, generator=generator, dtype=torch.float64)


def source(seed: int) -> Callable[[int], Tensor]:
    """Fresh noise at each call, from one generator."""
    generator = torch.Generator().manual_seed(seed)
    return lambda _: torch.randn(SHAPE, generator=generator, dtype=torch.float64)


def ideal(datum: Tensor, schedule: Schedule) -> Denoiser:
    """Answers with the noise that leads from ``datum`` to ``x_t``."""

    def denoise(x_t: Tensor, t: Tensor) -> Tensor:
        level = schedule.alphas_cumprod[t].reshape(-1, 1, 1, 1)
        return (x_t - level.sqrt() * datum) / (1 - level).sqrt()

    return denoise


def some_denoiser(x_t: Tensor, t: Tensor) -> Tensor:
    """Nothing sensible, but smooth, and different at each step."""
    return (x_t * 0.9 + 0.1 * t.reshape(-1, 1, 1, 1) / 100).tanh()


def run(schedule: Schedule, x_t: Tensor, seed: int = 7) -> list[SampleStep]:
    return list(reverse_process(some_denoiser, x_t, schedule, source(seed)))


@by_chain
def test_ideal_denoiser_leads_to_the_datum(schedule: Schedule) -> None:
    datum = drawn(0).clamp(-1, 1)
    *_, last = reverse_process(ideal(datum, schedule), drawn(1), schedule, source(2))
    torch.testing.assert_close(last.x, datum, rtol=0, atol=1e-9)


@by_chain
def test_each_step_agrees_with_diffusers(schedule: Schedule) -> None:
    oracle = DDPMScheduler(
        num_train_timesteps=len(schedule),
        trained_betas=schedule.betas.numpy(),
        variance_type="fixed_small",
        clip_sample=True,
    )
    # Its tables are float32; formulas are compared more sharply on float64 ones.
    oracle.alphas_cumprod = torch.from_numpy(np.cumprod(1 - schedule.betas.numpy()))
    generator = torch.Generator().manual_seed(7)
    x = drawn(1)
    for step in run(schedule, drawn(1)):
        eps = some_denoiser(x, torch.full((SHAPE[0],), step.t))
        answer = oracle.step(eps, step.t, x, generator=generator)
        torch.testing.assert_close(step.x, answer.prev_sample, rtol=0, atol=1e-9)
        torch.testing.assert_close(step.x_start, answer.pred_original_sample, rtol=0, atol=1e-9)
        x = answer.prev_sample


@by_chain
def test_steps_run_from_the_last_to_the_first(schedule: Schedule) -> None:
    assert [step.t for step in run(schedule, drawn(1))] == list(range(len(schedule)))[::-1]


@by_chain
def test_noise_is_drawn_for_every_step_but_the_last(schedule: Schedule) -> None:
    asked: list[int] = []

    def draw(t: int) -> Tensor:
        asked.append(t)
        return torch.zeros(SHAPE, dtype=torch.float64)

    list(reverse_process(some_denoiser, drawn(1), schedule, draw))
    assert asked == list(range(1, len(schedule)))[::-1]


def test_noise_is_scaled_by_the_posterior_deviation() -> None:
    def first(noise: Tensor) -> Tensor:
        return next(reverse_process(some_denoiser, drawn(1), SHORT, lambda _: noise)).x

    added = first(drawn(2)) - first(torch.zeros(SHAPE, dtype=torch.float64))
    beta, before = float(SHORT.betas[3]), float(SHORT.alphas_cumprod[2])
    deviation = (beta * (1 - before) / (1 - before * (1 - beta))) ** 0.5
    torch.testing.assert_close(added, deviation * drawn(2), rtol=0, atol=1e-12)


@by_chain
def test_predicted_residual_stays_within_its_range(schedule: Schedule) -> None:
    steps = run(schedule, 10 * drawn(1))
    assert max(float(step.x_start.abs().max()) for step in steps) == 1


@by_chain
def test_result_is_the_prediction_of_the_last_step(schedule: Schedule) -> None:
    last = run(schedule, drawn(1))[-1]
    torch.testing.assert_close(last.x, last.x_start, rtol=0, atol=1e-12)


def test_starting_noise_is_not_modified() -> None:
    x_t = drawn(1)
    run(WHOLE, x_t)
    assert torch.equal(x_t, drawn(1))


def test_drawn_noise_is_not_modified() -> None:
    noise = drawn(2)
    list(reverse_process(some_denoiser, drawn(1), SHORT, lambda _: noise))
    assert torch.equal(noise, drawn(2))


def test_earlier_states_are_not_overwritten() -> None:
    steps = reverse_process(some_denoiser, drawn(1), SHORT, source(7))
    first = next(steps)
    kept = first.x.clone()
    list(steps)
    assert torch.equal(first.x, kept)


def test_nothing_is_computed_before_a_step_is_asked_for() -> None:
    calls: list[int] = []

    def denoise(x_t: Tensor, t: Tensor) -> Tensor:
        calls.append(int(t[0]))
        return x_t

    steps = reverse_process(denoise, drawn(1), WHOLE, source(0))
    next(steps)
    assert calls == [99]


def test_items_of_a_batch_do_not_mix() -> None:
    def halves(part: slice) -> Tensor:
        noise = source(7)
        steps = reverse_process(some_denoiser, drawn(1)[part], SHORT, lambda t: noise(t)[part])
        return list(steps)[-1].x

    together = halves(slice(0, 2))
    apart = torch.cat([halves(slice(0, 1)), halves(slice(1, 2))])
    torch.testing.assert_close(together, apart, rtol=0, atol=1e-12)


def living_at_each_prediction(sampler: Sampler) -> list[int]:
    """Count the tensors of before that are still there as each of four predictions begins.

    They are the noise of the beginning, every residual, and every clean one that was predicted.
    """
    made: list[weakref.ref[Tensor]] = []
    counts = []

    def begin() -> Tensor:
        noise = drawn(1)
        made.append(weakref.ref(noise))
        return noise

    def denoise(x_t: Tensor, t: Tensor) -> Tensor:
        counts.append(sum(ref() is not None for ref in made))
        return some_denoiser(x_t, t)

    for step in reverse_process(denoise, begin(), SHORT, source(7), sampler):
        made += [weakref.ref(step.x), weakref.ref(step.x_start)]
        del step
    return counts


@pytest.mark.parametrize(
    ("sampler", "counts"),
    [
        ("distilled", [1, 1, 1, 1]),
        ("ancestral", [1, 1, 1, 1]),
        ("dpmpp_2m", [1, 2, 2, 1]),
    ],
)
def test_what_is_done_with_is_let_go_before_the_next_prediction(
    sampler: Sampler, counts: list[int]
) -> None:
    """The residual stays; of the second order also what the next step is corrected by."""
    assert living_at_each_prediction(sampler) == counts
