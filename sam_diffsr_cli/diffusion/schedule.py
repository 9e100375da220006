"""Noise schedules: from betas to every derived table, in float64 on the CPU.

This file decides the tables; ``gaussian`` reads them. ``respace`` shortens a chain for sampling.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from sam_diffsr_cli.chain_config import DiffusionConfig
from sam_diffsr_cli.choices import Modulation
from sam_diffsr_cli.errors import ConfigError

__all__ = [
    "Coefficients",
    "Schedule",
    "Spacing",
    "cosine_betas",
    "extract",
    "linear_betas",
    "make_schedule",
    "modulation_coefficients",
    "respace",
    "sampling_timesteps",
    "schedule_from_betas",
    "widen_posterior",
]

Spacing = Literal["trailing", "quadratic"]

MAX_BETA = 0.999
"""Nichol and Dhariwal 2021, section 3.2: keeps the last step from being singular."""

MIN_POSTERIOR_VARIANCE = 1e-20
"""The posterior variance of step 0 is zero; its logarithm is clipped here, as in the reference."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """Tables of one chain, each ``(T,)`` float64 on the CPU.

    Tables and the steps ``t`` that index them stay on the CPU; ``extract`` moves what it looks up.
    ``timesteps`` (int64) is the step of the trained chain that each row stands for: what the
    network is told. For an unshortened chain it is ``0 .. T-1``.
    """

    timesteps: Tensor
    betas: Tensor
    alphas_cumprod: Tensor
    alphas_cumprod_prev: Tensor
    sqrt_alphas_cumprod: Tensor
    sqrt_one_minus_alphas_cumprod: Tensor
    sqrt_recip_alphas_cumprod: Tensor
    sqrt_recipm1_alphas_cumprod: Tensor
    posterior_variance: Tensor
    posterior_log_variance_clipped: Tensor
    posterior_mean_coef1: Tensor
    posterior_mean_coef2: Tensor

    def __len__(self) -> int:
        """Return ``T``, the number of steps."""
        return len(self.betas)


class Coefficients(NamedTuple):
    """Shift per unit of encoding: of the noise in ``x_t``, and of the noise to be predicted."""

    forward: Tensor
    target: Tensor


def cosine_betas(num_timesteps: int, s: float) -> Tensor:
    """Betas of the cosine schedule (Nichol and Dhariwal 2021, eq. 17), clipped at 0.999.

    alphas_cumprod(u) = cos((u + s) / (1 + s) * pi / 2)^2, u = step / T
    beta_i = 1 - alphas_cumprod((i + 1) / T) / alphas_cumprod(i / T)

    Args:
        num_timesteps: ``T``, at least 1.
        s: Offset that keeps the first betas from vanishing, [0, 1).

    Returns:
        ``(T,)`` float64.
    """
    u = torch.linspace(0, 1, num_timesteps + 1, dtype=torch.float64)
    alphas_cumprod = torch.cos((u + s) / (1 + s) * math.pi / 2) ** 2
    return (1 - alphas_cumprod[1:] / alphas_cumprod[:-1]).clamp(0, MAX_BETA)


def linear_betas(num_timesteps: int, beta_end: float) -> Tensor:
    """Betas rising evenly from 1e-4 to ``beta_end`` (Ho et al. 2020), the last set to 0.999.

    The reference lifts the last beta for residual diffusion, so that the chain ends in noise.

    Args:
        num_timesteps: ``T``, at least 1.
        beta_end: Last beta before it is lifted, (0, 1).

    Returns:
        ``(T,)`` float64.
    """
    betas = torch.linspace(1e-4, beta_end, num_timesteps, dtype=torch.float64)
    betas[-1] = MAX_BETA
    return betas


def schedule_from_betas(betas: Tensor, timesteps: Tensor | None = None) -> Schedule:
    """Derive every table from ``betas`` (Ho et al. 2020, eqs. 4, 6 and 7).

    Args:
        betas: ``(T,)`` float64, each in [0, 1).
        timesteps: ``(T,)`` int64, the rows' steps in the trained chain; ``0 .. T-1`` if absent.

    Returns:
        The schedule, on the device of ``betas``.
    """
    alphas = 1 - betas
    alphas_cumprod = torch.cumprod(alphas, dim=0)
    alphas_cumprod_prev = torch.cat([alphas_cumprod.new_ones(1), alphas_cumprod[:-1]])
    one_minus = 1 - alphas_cumprod
    posterior_variance = betas * (1 - alphas_cumprod_prev) / one_minus
    return Schedule(
        timesteps=torch.arange(len(betas)) if timesteps is None else timesteps,
        betas=betas,
        alphas_cumprod=alphas_cumprod,
        alphas_cumprod_prev=alphas_cumprod_prev,
        sqrt_alphas_cumprod=alphas_cumprod.sqrt(),
        sqrt_one_minus_alphas_cumprod=one_minus.sqrt(),
        sqrt_recip_alphas_cumprod=alphas_cumprod.rsqrt(),
        sqrt_recipm1_alphas_cumprod=(1 / alphas_cumprod - 1).sqrt(),
        posterior_variance=posterior_variance,
        posterior_log_variance_clipped=posterior_variance.clamp_min(MIN_POSTERIOR_VARIANCE).log(),
        posterior_mean_coef1=betas * alphas_cumprod_prev.sqrt() / one_minus,
        posterior_mean_coef2=(1 - alphas_cumprod_prev) * alphas.sqrt() / one_minus,
    )


def make_schedule(config: DiffusionConfig) -> Schedule:
    """Build the trained chain that ``config`` describes."""
    if config.beta_schedule == "cosine":
        return schedule_from_betas(cosine_betas(config.num_timesteps, config.beta_s))
    return schedule_from_betas(linear_betas(config.num_timesteps, config.beta_end))


def sampling_timesteps(num_timesteps: int, steps: int, spacing: Spacing, start: int = 0) -> Tensor:
    """Choose ``steps`` of ``num_timesteps`` steps, the last one, or ``start``, included.

    The i-th of S ends a share of the chain: ``trailing`` (Lin et al. 2024, table 2) i / S, evenly;
    ``quadratic`` (Song et al. 2021, DDIM, section D.3) (i / S)^2, denser where the noise is low.
    The published chain starts at its last step, which is pure noise. One that starts at a lower row
    from noise of that row's strength takes the residual's mean, 0, for the residual (CCDF, Chung et
    al. 2022), and needs fewer steps.

    Args:
        num_timesteps: ``T`` of the trained chain.
        steps: How many to keep, 1..T.
        spacing: How they are spread.
        start: The row to start at, below T; 0 for the last one.

    Returns:
        ``(steps,)`` int64, strictly rising, ending in ``start`` or ``T - 1``.

    Raises:
        ConfigError: ``start`` is no row, or there are fewer rows up to it than ``steps``.
    """
    if not 0 <= start < num_timesteps:
        raise ConfigError(f"start is {start}, allowed: 0..{num_timesteps - 1}")
    if start:
        num_timesteps = start + 1
    if not 1 <= steps <= num_timesteps:
        raise ConfigError(f"steps is {steps}, allowed: 1..{num_timesteps}")
    power = 2 if spacing == "quadratic" else 1
    index = torch.arange(1, steps + 1, dtype=torch.float64)
    ends = (index**power * num_timesteps / steps**power).round()
    # Many steps crowd at the start of a quadratic grid: the i-th cannot lie before step i - 1.
    return torch.maximum(ends, index).to(torch.int64) - 1


def respace(schedule: Schedule, timesteps: Tensor) -> Schedule:
    """Shorten a chain to some of its steps (Nichol and Dhariwal 2021, eq. 19).

    beta'_i = 1 - alphas_cumprod[timesteps[i]] / alphas_cumprod[timesteps[i-1]]

    Args:
        schedule: The trained chain.
        timesteps: ``(S,)`` int64, rising rows of ``schedule``.

    Returns:
        A schedule of ``S`` steps whose ``timesteps`` name those of the trained chain.
    """
    kept = schedule.alphas_cumprod[timesteps]
    before = torch.cat([kept.new_ones(1), kept[:-1]])
    return schedule_from_betas(1 - kept / before, schedule.timesteps[timesteps])


def widen_posterior(schedule: Schedule, sigma: float) -> Schedule:
    """Add to the reverse variance what a point estimate of ``x_start`` leaves out.

    variance = posterior_variance + posterior_mean_coef1^2 * Var[x_start | x_t]
    (Bao et al. 2022, Analytic-DPM, theorem 1), and for a residual that is Gaussian around its
    mean given the photo, Var = sigma^2 * (1 - alphas_cumprod) / (alphas_cumprod * sigma^2 + 1 -
    alphas_cumprod). In a chain of many steps it hardly matters; in one of few, texture is lost
    without it.

    Args:
        schedule: The chain that is run.
        sigma: Standard deviation of the residual given the photo, >= 0; 0 changes nothing.

    Returns:
        The schedule with the variance, and its logarithm, replaced.
    """
    noise = 1 - schedule.alphas_cumprod
    uncertain = sigma**2 * noise / (schedule.alphas_cumprod * sigma**2 + noise)
    variance = schedule.posterior_variance + schedule.posterior_mean_coef1**2 * uncertain
    return replace(
        schedule,
        posterior_variance=variance,
        posterior_log_variance_clipped=variance.clamp_min(MIN_POSTERIOR_VARIANCE).log(),
    )


def modulation_coefficients(schedule: Schedule, modulation: Modulation) -> Coefficients:
    """Return the factors by which the structural encoding ``E`` shifts the noise.

    ``released`` (the authors' code): c_t = sqrt(1 - alphas_cumprod) * beta, for both.
    ``paper``: the forward process is shifted by phi_t * E, phi_t = sum_{i<=t}
    sqrt(alphas_cumprod_t * beta_i / alphas_cumprod_i), so ``forward`` is
    phi_t / sqrt(1 - alphas_cumprod); ``target`` is sqrt(1 - alphas_cumprod) / sqrt(beta).

    Args:
        schedule: The trained chain.
        modulation: Which pair; ``none`` is zeros.

    Returns:
        Both tables, ``(T,)`` float64.
    """
    if modulation == "none":
        zeros = torch.zeros_like(schedule.betas)
        return Coefficients(zeros, zeros)
    if modulation == "released":
        released = schedule.sqrt_one_minus_alphas_cumprod * schedule.betas
        return Coefficients(released, released)
    phi = schedule.sqrt_alphas_cumprod * torch.cumsum(
        (schedule.betas / schedule.alphas_cumprod).sqrt(), dim=0
    )
    return Coefficients(
        phi / schedule.sqrt_one_minus_alphas_cumprod,
        schedule.sqrt_one_minus_alphas_cumprod / schedule.betas.sqrt(),
    )


def extract(table: Tensor, t: Tensor, like: Tensor) -> Tensor:
    """Look up ``table[t]`` for each item of a batch, ready to multiply with ``like``.

    Args:
        table: ``(T,)`` float64, on the CPU.
        t: Row of each item, ``(B,)`` int64, on the CPU.
        like: ``(B, ...)``; gives device, dtype and rank.

    Returns:
        ``(B, 1, ..., 1)``.
    """
    # In this order: some devices cannot hold float64.
    rows = table[t].to(like.dtype).to(like.device)
    return rows.reshape(-1, *(1,) * (like.dim() - 1))
