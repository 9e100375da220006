"""The chain that one run goes down, from what the model and the user say; and what is refused."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sam_diffsr_cli.chain_config import Sampler
from sam_diffsr_cli.config import ModelConfig
from sam_diffsr_cli.degradation.levels import CLEAN, Levels
from sam_diffsr_cli.diffusion.schedule import (
    Schedule,
    make_schedule,
    respace,
    sampling_timesteps,
    widen_posterior,
)
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.sampling_config import SamplingConfig

__all__ = ["Chain", "check_steps", "make_chain"]


@dataclass(frozen=True, slots=True)
class Chain:
    """The reverse chain of one run; ``schedule`` is None for the encoder's own answer.

    ``deviation`` is that of the noise it starts from. ``levels`` ``(1, 3)`` is what the encoder is
    told of the photo. ``period`` is the height and width after which the photo repeats, None where
    it does not. ``share`` of the residual that is drawn is put on the base, and ``chroma`` of that
    in colour, beside the luma. ``ensemble`` is how many orientations the encoder answers to.
    """

    schedule: Schedule | None
    seed: int
    sampler: Sampler
    deviation: float
    levels: Tensor
    period: tuple[int, int] | None = None
    share: float = 1.0
    chroma: float = 1.0
    ensemble: int = 1


def check_steps(
    config: ModelConfig, steps: int, start: int = 0, sampler: Sampler = "ancestral"
) -> None:
    """Refuse more steps than the model's chain has, and any of an encoder that was trained alone.

    ``start`` is the row at which the chain begins, 0 for its last.

    Raises:
        InputError: There are too many, or they are not those of the distilled network.
    """
    if steps and not config.diffusion.sampling_steps:
        raise InputError(
            f"--steps {steps}: these weights are of an encoder alone, whose diffusion is untrained",
            hint="use --steps 0, or train the diffusion stage",
        )
    longest = config.diffusion.num_timesteps
    if steps > longest:
        raise InputError(f"--steps {steps}: this model has at most {longest}")
    if start and steps > start + 1:
        raise InputError(
            f"--steps {steps}: a chain that starts at row {start} has at most {start + 1}",
            hint="raise --detail, or take fewer steps",
        )
    if steps and sampler == "distilled":
        _check_distilled(config, steps, start)


def _check_distilled(config: ModelConfig, steps: int, start: int) -> None:
    chain = config.diffusion
    if not chain.distilled_steps:
        raise InputError(
            "--sampler distilled: this model has no distilled network", hint="use another sampler"
        )
    if steps != chain.distilled_steps:
        raise InputError(
            f"--steps {steps}: the distilled network takes {chain.distilled_steps}",
            hint="leave --sampler or --steps out",
        )
    if not chain.is_distilled_start(start):
        least, most = (
            chain.detail_of(chain.least_distilled_start),
            chain.detail_of(chain.last_start),
        )
        raise InputError(
            f"the distilled network cannot start at row {start or chain.num_timesteps - 1}",
            hint=f"use --detail {least} to {most}, or leave --sampler out",
        )


def make_chain(
    config: ModelConfig,
    sampling: SamplingConfig,
    levels: Levels,
    period: tuple[int, int] | None = None,
) -> Chain:
    """Make the chain of a run, for a photo that is as dirty as ``levels`` say.

    ``period`` is the height and width after which the photo repeats; None where it does not.

    Raises:
        InputError: The model has no such chain.
    """
    is_clean = levels == CLEAN
    start, share = sampling.start_for(is_clean=is_clean), sampling.share_for(is_clean=is_clean)
    check_steps(config, sampling.steps, start, sampling.sampler)
    told = torch.tensor([levels], dtype=torch.float32)
    if sampling.steps == 0:
        return Chain(
            None, sampling.seed, sampling.sampler, 1.0, told, period, ensemble=sampling.ensemble
        )
    diffusion = config.diffusion
    timesteps = sampling_timesteps(
        diffusion.num_timesteps, sampling.steps, diffusion.sampling_spacing, start
    )
    schedule = respace(make_schedule(diffusion), timesteps)
    deviation = float(schedule.sqrt_one_minus_alphas_cumprod[-1]) if start else 1.0
    schedule = widen_posterior(schedule, diffusion.sampling_sigma)
    return Chain(
        schedule,
        sampling.seed,
        sampling.sampler,
        deviation,
        told,
        period,
        share=share,
        chroma=diffusion.chroma_of(sampling.sampler),
        ensemble=sampling.ensemble,
    )
