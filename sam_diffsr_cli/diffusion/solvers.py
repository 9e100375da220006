"""Ways down the chain: the ancestral one, and those that need fewer steps or no noise.

A step of each is ``p_mean`` of a chain with a posterior of its own, to which the second-order ones
add a share of how far the predicted ``x_start`` has moved since the step before. This file decides
the tables, from ``alphas_cumprod`` of the chain that is run; ``sampling`` runs them.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from sam_diffsr_cli.chain_config import Sampler
from sam_diffsr_cli.diffusion.schedule import MIN_POSTERIOR_VARIANCE, Schedule

__all__ = ["Solver", "ddim_posterior", "make_solver", "multistep_weights"]


class SolverMethod(NamedTuple):
    """``eta`` scales the noise of a step; ``order`` is that of the solver, 1 or 2."""

    eta: float
    order: Literal[1, 2]


METHODS: Mapping[Sampler, SolverMethod | None] = {
    "ancestral": None,
    "ddim": SolverMethod(0.0, 1),
    "ddim_eta1": SolverMethod(1.0, 1),
    "dpmpp_2m": SolverMethod(0.0, 2),
    "sde_dpmpp_2m": SolverMethod(1.0, 2),
    "distilled": SolverMethod(0.0, 1),
}
"""None: the posterior of the chain as it is given."""


class Solver(NamedTuple):
    """What the steps of a sampler need.

    x_{t-1} = p_mean(x_t) + correction[t] * (x_start - x_start of the step before)
    + sqrt(posterior_variance[t]) * noise, with the posterior of ``schedule``. ``correction`` is
    ``(T,)`` float64 on the CPU, 0 in the first step, which has none before it, and in the last.
    """

    schedule: Schedule
    correction: Tensor


def make_solver(schedule: Schedule, sampler: Sampler) -> Solver:
    """Compute the tables of a sampler.

    ``ancestral`` takes the posterior of ``schedule``, widened or not. The others replace it, and
    with it any widening: that mends the variance of first-order steps, and would be too much where
    the second-order term has mended it already. So ``ddim_eta1`` is ``ancestral`` unwidened.

    At order 1, DPM-Solver++ is DDIM with eta 0 and SDE-DPM-Solver++ is DDIM with eta 1 (Lu et al.
    2022, DPM-Solver++). At order 2 a step of theirs is the same with ``x_start`` extrapolated by
    ``multistep_weights``.

    ``distilled`` is DDIM with the ``x_start`` of a network that was trained for these steps
    (``diffusion.distillation``).

    Args:
        schedule: The chain to run, whole or respaced.
        sampler: Which.

    Returns:
        The tables for every step.
    """
    method = METHODS[sampler]
    if method is None:
        return Solver(schedule, torch.zeros_like(schedule.betas))
    chain = ddim_posterior(schedule, method.eta)
    if method.order == 1:
        return Solver(chain, torch.zeros_like(schedule.betas))
    return Solver(chain, chain.posterior_mean_coef1 * multistep_weights(schedule))


def ddim_posterior(schedule: Schedule, eta: float) -> Schedule:
    """Replace the posterior by one of the family of DDIM, with the same marginals.

    variance = eta^2 * (1 - alphas_cumprod_prev) / (1 - alphas_cumprod) * beta (Song et al. 2021,
    eq. 16), mean = sqrt(alphas_cumprod_prev) * x_start + sqrt(1 - alphas_cumprod_prev - variance)
    * eps (eq. 12), where eps is what leads from ``x_start`` to ``x_t`` (eq. 7). Read from
    ``x_start`` once this is clipped, it keeps ``x_{t-1}`` on the line between the two.

    Args:
        schedule: The chain that is run.
        eta: 0 for no noise, 1 for the posterior of Ho et al. 2020.

    Returns:
        The schedule with every table of its posterior replaced.
    """
    before, noise = schedule.alphas_cumprod_prev, 1 - schedule.alphas_cumprod
    variance = eta**2 * schedule.betas * (1 - before) / noise
    coef2 = ((1 - before - variance) / noise).sqrt()
    return replace(
        schedule,
        posterior_variance=variance,
        posterior_log_variance_clipped=variance.clamp_min(MIN_POSTERIOR_VARIANCE).log(),
        posterior_mean_coef1=before.sqrt() - coef2 * schedule.sqrt_alphas_cumprod,
        posterior_mean_coef2=coef2,
    )


def multistep_weights(schedule: Schedule) -> Tensor:
    """Weights that extrapolate ``x_start`` to the middle of each step, from the step before.

    D = x_start + (x_start - x_start of the step before) / (2 r), r = h of the step before / h,
    where h is by how much a step raises lambda = log(sqrt(alphas_cumprod) /
    sqrt(1 - alphas_cumprod)) (Lu et al. 2022, DPM-Solver++, algorithm 2; the same for its SDE).

    Args:
        schedule: The chain that is run.

    Returns:
        1 / (2 r), ``(T,)`` float64. 0 in the first step, t = T-1, for want of one before; and in
        the last, t = 0, where lambda rises to infinity.
    """
    # The logit is 2 lambda; only ratios of its differences count.
    gaps = torch.logit(schedule.alphas_cumprod).diff()
    weights = torch.zeros_like(schedule.betas)
    weights[1:-1] = gaps[:-1] / (2 * gaps[1:])
    return weights
