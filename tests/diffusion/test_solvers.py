"""Tables of the samplers, against the marginals they must keep and loops in plain Python."""

import math
from typing import get_args

import pytest
import torch

from sam_diffsr_cli.chain_config import DiffusionConfig, Sampler
from sam_diffsr_cli.diffusion.schedule import Schedule, make_schedule, respace
from sam_diffsr_cli.diffusion.solvers import (
    ddim_posterior,
    make_solver,
    multistep_weights,
)

COSINE = make_schedule(DiffusionConfig())
LINEAR = make_schedule(DiffusionConfig(beta_schedule="linear"))

by_whole = pytest.mark.parametrize(
    "whole", [pytest.param(COSINE, id="cosine"), pytest.param(LINEAR, id="linear")]
)


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0], ids="eta={}".format)
@by_whole
def test_replaced_posterior_keeps_the_marginals(whole: Schedule, eta: float) -> None:
    """What x_t says of x_start, and how much noise there is, fits the level of x_{t-1}."""
    chain = ddim_posterior(whole, eta)
    signal, noise = whole.sqrt_alphas_cumprod, 1 - whole.alphas_cumprod
    before = whole.alphas_cumprod_prev
    mean = chain.posterior_mean_coef1 + chain.posterior_mean_coef2 * signal
    variance = chain.posterior_mean_coef2**2 * noise + chain.posterior_variance
    torch.testing.assert_close(mean, before.sqrt(), rtol=0, atol=1e-12)
    torch.testing.assert_close(variance, 1 - before, rtol=0, atol=1e-12)
    scaled = eta**2 * whole.posterior_variance
    torch.testing.assert_close(chain.posterior_variance, scaled, rtol=1e-12, atol=0)
    logarithm = scaled.clamp_min(1e-20).log()
    torch.testing.assert_close(chain.posterior_log_variance_clipped, logarithm, rtol=1e-12, atol=0)


@by_whole
def test_multistep_weights_follow_the_distances_between_rows(whole: Schedule) -> None:
    chain = respace(whole, torch.tensor([0, 9, 30, 66, 99]))
    ratios = [math.sqrt(level / (1 - level)) for level in chain.alphas_cumprod.tolist()]
    h = [math.nan] + [math.log(ratios[t - 1] / ratios[t]) for t in (1, 2, 3, 4)]
    expected = [0.0, *(h[t] / (2 * h[t + 1]) for t in (1, 2, 3)), 0.0]
    weights = multistep_weights(chain)
    torch.testing.assert_close(weights, weights.new_tensor(expected), rtol=1e-7, atol=0)


@pytest.mark.parametrize("rows", [[99], [40, 99]])
@pytest.mark.parametrize("sampler", get_args(Sampler))
def test_chains_of_one_and_two_steps_need_no_correction(sampler: Sampler, rows: list[int]) -> None:
    correction = make_solver(respace(COSINE, torch.tensor(rows)), sampler).correction
    assert correction.tolist() == [0.0] * len(rows)


def test_first_order_samplers_need_no_correction() -> None:
    first: tuple[Sampler, ...] = ("ancestral", "ddim", "ddim_eta1")
    assert all(not make_solver(COSINE, sampler).correction.any() for sampler in first)


def test_ancestral_sampler_keeps_the_chain() -> None:
    assert make_solver(COSINE, "ancestral").schedule is COSINE


def test_chain_is_not_modified() -> None:
    kept = {name: getattr(COSINE, name).clone() for name in Schedule.__slots__}
    for sampler in get_args(Sampler):
        make_solver(COSINE, sampler)
    assert all(torch.equal(getattr(COSINE, name), table) for name, table in kept.items())
