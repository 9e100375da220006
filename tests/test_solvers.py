"""Every sampler: against ``diffusers``, and where the answer is known exactly."""

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import get_args

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler
from torch import Tensor

from sam_diffsr_cli.chain_config import DiffusionConfig, Sampler
from sam_diffsr_cli.diffusion.gaussian import predict_x_start, q_posterior_mean
from sam_diffsr_cli.diffusion.schedule import (
    Schedule,
    Spacing,
    make_schedule,
    respace,
    sampling_timesteps,
    schedule_from_betas,
    widen_posterior,
)
from sam_diffsr_cli.sampling import Denoiser, SampleStep, reverse_process

SHAPE = (2, 3, 4, 5)
ORACLE_ATOL = 1e-9
DPM_ORACLE_ATOL = 5e-6
"""The DPM-Solver of ``diffusers`` rounds its state to float32 at each step."""

COSINE = make_schedule(DiffusionConfig())
LINEAR = make_schedule(DiffusionConfig(beta_schedule="linear"))
SHORT = respace(COSINE, sampling_timesteps(100, 6, "quadratic"))
ONE = respace(COSINE, torch.tensor([99]))

SAMPLERS: tuple[Sampler, ...] = get_args(Sampler)
by_sampler = pytest.mark.parametrize("sampler", SAMPLERS)
by_silent_sampler = pytest.mark.parametrize("sampler", ["ddim", "dpmpp_2m", "distilled"])
by_noisy_sampler = pytest.mark.parametrize("sampler", ["ancestral", "ddim_eta1", "sde_dpmpp_2m"])
by_whole = pytest.mark.parametrize(
    "whole", [pytest.param(COSINE, id="cosine"), pytest.param(LINEAR, id="linear")]
)
by_steps = pytest.mark.parametrize("steps", [2, 4, 6, 10, 25, 50, 100])


def drawn(seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(SHAPE, generator=generator, dtype=torch.float64).to(dtype)


def some_denoiser(x_t: Tensor, t: Tensor) -> Tensor:
    """Nothing sensible, but smooth, and different at each step; its predictions get clipped."""
    return (x_t * 0.9 + 0.1 * t.reshape(-1, 1, 1, 1) / 100).tanh()


def no_noise(t: int) -> Tensor:
    raise AssertionError(f"noise was drawn for row {t}")


def run(schedule: Schedule, sampler: Sampler) -> list[SampleStep]:
    return list(reverse_process(some_denoiser, drawn(1000), schedule, drawn, sampler))


# Against diffusers.

Steps = Iterator[Tensor]


def eps_at(x: Tensor, row: int) -> Tensor:
    return some_denoiser(x, torch.full((SHAPE[0],), row))


def ancestral_oracle(levels: Tensor) -> Steps:
    oracle = DDPMScheduler(len(levels), variance_type="fixed_small", clip_sample=True)
    oracle.alphas_cumprod = levels
    x = drawn(1000)
    for t in reversed(range(len(levels))):
        generator = torch.Generator().manual_seed(t)
        x = oracle.step(eps_at(x, t), t, x, generator=generator).prev_sample
        yield x


def ddim_oracle(levels: Tensor, eta: float) -> Steps:
    oracle = DDIMScheduler(len(levels), clip_sample=True, set_alpha_to_one=True)
    oracle.set_timesteps(len(levels))
    oracle.alphas_cumprod = levels
    x = drawn(1000)
    for t in reversed(range(len(levels))):
        x = oracle.step(
            eps_at(x, t), t, x, eta=eta, use_clipped_model_output=True, variance_noise=drawn(t)
        ).prev_sample
        yield x


def dpm_oracle(levels: Tensor, algorithm: str) -> Steps:
    oracle = DPMSolverMultistepScheduler(
        len(levels),
        algorithm_type=algorithm,
        solver_order=2,
        solver_type="midpoint",
        thresholding=True,
        sample_max_value=1.0,
        final_sigmas_type="zero",
    )
    oracle.num_inference_steps = len(levels)
    oracle.timesteps = torch.arange(len(levels)).flip(0)
    oracle.sigmas = torch.cat([((1 - levels) / levels).sqrt().flip(0), levels.new_zeros(1)])
    x = drawn(1000)
    for t in oracle.timesteps.tolist():
        x = oracle.step(eps_at(x, t), t, x, variance_noise=drawn(t)).prev_sample
        yield x


ORACLES: dict[Sampler, Callable[[Tensor], Steps]] = {
    "ancestral": ancestral_oracle,
    "ddim": lambda levels: ddim_oracle(levels, 0.0),
    "ddim_eta1": lambda levels: ddim_oracle(levels, 1.0),
    "distilled": lambda levels: ddim_oracle(levels, 0.0),
    "dpmpp_2m": lambda levels: dpm_oracle(levels, "dpmsolver++"),
    "sde_dpmpp_2m": lambda levels: dpm_oracle(levels, "sde-dpmsolver++"),
}


@by_steps
@pytest.mark.parametrize("spacing", ["trailing", "quadratic"])
@by_whole
@by_sampler
def test_each_step_agrees_with_diffusers(
    sampler: Sampler, whole: Schedule, spacing: Spacing, steps: int
) -> None:
    timesteps = sampling_timesteps(100, steps, spacing)
    levels = torch.cumprod(1 - whole.betas, dim=0)[timesteps]
    atol = DPM_ORACLE_ATOL if "dpmpp" in sampler else ORACLE_ATOL
    ours = run(respace(whole, timesteps), sampler)
    for step, x in zip(ours, ORACLES[sampler](levels), strict=True):
        torch.testing.assert_close(step.x, x, rtol=0, atol=atol)


def test_ancestral_steps_are_bit_for_bit_the_posterior_and_its_noise() -> None:
    schedule = widen_posterior(SHORT, 0.04)
    x = drawn(1000, torch.float32)
    steps = reverse_process(some_denoiser, x, schedule, lambda t: drawn(t, torch.float32))
    for step in steps:
        rows = torch.full((SHAPE[0],), step.t)
        x_start = predict_x_start(x, rows, some_denoiser(x, rows), schedule).clamp(-1, 1)
        x = q_posterior_mean(x_start, x, rows, schedule)
        if step.t > 0:
            deviation = float(schedule.posterior_variance[step.t].sqrt())
            x = x + deviation * drawn(step.t, torch.float32)
        assert torch.equal(step.x, x)
        assert torch.equal(step.x_start, x_start)


# Where the answer is known.


def knows(datum: Tensor, schedule: Schedule) -> Denoiser:
    """Answers for data that are ``datum`` and nothing else."""

    def denoise(x_t: Tensor, t: Tensor) -> Tensor:
        level = schedule.alphas_cumprod[t].reshape(-1, 1, 1, 1)
        return (x_t - level.sqrt() * datum) / (1 - level).sqrt()

    return denoise


@by_steps
@by_whole
@by_sampler
def test_single_datum_is_found(sampler: Sampler, whole: Schedule, steps: int) -> None:
    schedule = respace(whole, sampling_timesteps(100, steps, "quadratic"))
    datum = drawn(0).clamp(-1, 1)
    *_, last = reverse_process(knows(datum, schedule), drawn(1000), schedule, drawn, sampler)
    torch.testing.assert_close(last.x, datum, rtol=0, atol=1e-9)


@by_silent_sampler
def test_path_to_a_single_datum_keeps_its_noise(sampler: Sampler) -> None:
    datum, x_t, level = drawn(0).clamp(-1, 1), drawn(1000), float(SHORT.alphas_cumprod[-1])
    eps = (x_t - math.sqrt(level) * datum) / math.sqrt(1 - level)
    for step in reverse_process(knows(datum, SHORT), x_t, SHORT, no_noise, sampler):
        before = float(SHORT.alphas_cumprod_prev[step.t])
        expected = math.sqrt(before) * datum + math.sqrt(1 - before) * eps
        torch.testing.assert_close(step.x, expected, rtol=0, atol=1e-9)


SIGMA = 0.5
"""Standard deviation of the Gaussian data below."""


def fine_chain(steps: int) -> Schedule:
    """Rows at equal distances of log(signal / noise), from 2.5 to -2.5."""
    levels = torch.sigmoid(torch.linspace(5, -5, steps + 1, dtype=torch.float64))
    return schedule_from_betas(1 - levels / torch.cat([levels.new_ones(1), levels[:-1]]))


def marginal_deviation(schedule: Schedule, row: int) -> float:
    level = float(schedule.alphas_cumprod[row])
    return math.sqrt(level * SIGMA**2 + 1 - level)


def knows_gaussian(schedule: Schedule) -> Denoiser:
    """Answers for data that are normal with deviation ``SIGMA``."""

    def denoise(x_t: Tensor, t: Tensor) -> Tensor:
        level = schedule.alphas_cumprod[t].reshape(-1, 1, 1, 1)
        return (1 - level).sqrt() * x_t / (level * SIGMA**2 + 1 - level)

    return denoise


def deviation_error(sampler: Sampler, steps: int) -> float:
    """Relative error of the deviation at row 0, all sources of randomness taken together.

    Everything is linear here, so each item of the batch follows one source: the noise of its row,
    or the start for the last. Small, so that nothing is clipped.
    """
    schedule, size = fine_chain(steps), 0.1
    sources = size * torch.eye(steps + 2, dtype=torch.float64)[..., None, None].expand(-1, -1, 3, 1)
    start = marginal_deviation(schedule, -1) * sources[-1][..., None]
    x = start
    for step in reverse_process(
        knows_gaussian(schedule), start, schedule, lambda t: sources[t][..., None], sampler
    ):
        if step.t == 1:
            x = step.x
    found = float(x[:, 0].square().sum().sqrt()) / size
    return abs(found / marginal_deviation(schedule, 0) - 1)


@pytest.mark.parametrize(
    ("sampler", "order"),
    [("ancestral", 1), ("ddim", 1), ("ddim_eta1", 1), ("dpmpp_2m", 2), ("sde_dpmpp_2m", 2)],
)
def test_error_for_gaussian_data_falls_with_the_order(sampler: Sampler, order: int) -> None:
    errors = [deviation_error(sampler, steps) for steps in (64, 128, 256)]
    for coarse, fine in pairwise(errors):
        assert math.log2(coarse / fine) == pytest.approx(order, abs=0.08)


@by_sampler
def test_one_step_gives_the_predicted_residual(sampler: Sampler) -> None:
    rows = torch.zeros(SHAPE[0], dtype=torch.int64)
    (step,) = reverse_process(some_denoiser, drawn(1000), ONE, no_noise, sampler)
    predicted = predict_x_start(drawn(1000), rows, some_denoiser(drawn(1000), rows), ONE)
    torch.testing.assert_close(step.x, predicted.clamp(-1, 1), rtol=0, atol=1e-12)


# What they ask for and give.


@by_silent_sampler
def test_silent_samplers_draw_no_noise(sampler: Sampler) -> None:
    steps = list(reverse_process(some_denoiser, drawn(1000), SHORT, no_noise, sampler))
    assert len(steps) == len(SHORT)


@by_noisy_sampler
def test_noisy_samplers_draw_the_noise_of_every_row_but_the_first(sampler: Sampler) -> None:
    asked: list[int] = []

    def draw(t: int) -> Tensor:
        asked.append(t)
        return drawn(t)

    list(reverse_process(some_denoiser, drawn(1000), SHORT, draw, sampler))
    assert asked == [5, 4, 3, 2, 1]


@by_steps
@by_sampler
def test_float32_stays_close_to_float64_from_almost_pure_noise(
    sampler: Sampler, steps: int
) -> None:
    schedule = respace(COSINE, sampling_timesteps(100, steps, "trailing"))
    assert float(schedule.alphas_cumprod[-1]) < 1e-6
    single = reverse_process(
        some_denoiser,
        drawn(1000, torch.float32),
        schedule,
        lambda t: drawn(t, torch.float32),
        sampler,
    )
    for step, exact in zip(single, run(schedule, sampler), strict=True):
        assert step.x.dtype == torch.float32
        torch.testing.assert_close(step.x.double(), exact.x, rtol=0, atol=1e-5)


@by_sampler
def test_predicted_residual_stays_within_its_range(sampler: Sampler) -> None:
    assert max(float(step.x_start.abs().max()) for step in run(SHORT, sampler)) == 1


@by_sampler
def test_noise_is_not_modified(sampler: Sampler) -> None:
    x_t, noise = drawn(1000), drawn(0)
    list(reverse_process(some_denoiser, x_t, SHORT, lambda _: noise, sampler))
    assert torch.equal(x_t, drawn(1000))
    assert torch.equal(noise, drawn(0))


@pytest.mark.parametrize("sampler", sorted(set(SAMPLERS) - {"ancestral"}))
def test_widening_is_left_to_the_ancestral_sampler(sampler: Sampler) -> None:
    plain, wide = run(SHORT, sampler)[-1], run(widen_posterior(SHORT, 0.3), sampler)[-1]
    assert torch.equal(plain.x, wide.x)


def test_first_order_with_all_noise_is_ancestral_sampling() -> None:
    for eta1, ancestral in zip(run(SHORT, "ddim_eta1"), run(SHORT, "ancestral"), strict=True):
        torch.testing.assert_close(eta1.x, ancestral.x, rtol=0, atol=1e-11)
