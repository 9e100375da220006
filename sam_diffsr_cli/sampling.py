"""The reverse process, as a generator: the caller owns progress, noise and stopping."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from sam_diffsr_cli.chain_config import Sampler
from sam_diffsr_cli.diffusion.gaussian import p_mean
from sam_diffsr_cli.diffusion.schedule import Schedule
from sam_diffsr_cli.diffusion.solvers import make_solver

__all__ = ["Denoiser", "SampleStep", "reverse_process"]


class Denoiser(Protocol):
    """Predicts the noise in a residual."""

    def __call__(self, x_t: Tensor, t: Tensor) -> Tensor:
        """Map ``x_t`` ``(B, 3, H, W)`` and rows ``t`` ``(B,)`` (CPU) to ``eps``, same shape."""
        ...


@dataclass(frozen=True, slots=True)
class SampleStep:
    """State after one reverse step: ``x`` is the residual at row ``t - 1`` (clean when t is 0)."""

    t: int
    x: Tensor
    x_start: Tensor


def reverse_process(
    denoise: Denoiser,
    x_t: Tensor,
    schedule: Schedule,
    draw_noise: Callable[[int], Tensor],
    sampler: Sampler = "ancestral",
) -> Iterator[SampleStep]:
    """Run a sampler from pure noise to the clean residual.

    x_{t-1} = p_mean(x_t) + sqrt(posterior_variance[t]) * noise, without noise at t = 0
    (``ancestral``: Ho et al. 2020, algorithm 2; the others: ``diffusion.solvers``);
    the predicted clean residual is clipped to [-1, 1] at each step.

    Args:
        denoise: The noise predictor, called once a step.
        x_t: Standard normal, ``(B, 3, H, W)``; not changed.
        schedule: The chain to run, whole or respaced.
        draw_noise: Called with each row ``t`` > 0, gives standard normal noise like ``x_t``; never
            called by ``ddim``, ``dpmpp_2m`` and ``distilled``.
        sampler: How a step follows from the prediction.

    Yields:
        The state after each step, from t = T-1 to 0.
    """
    chain, correction = make_solver(schedule, sampler)
    # Plain numbers before anything else, whatever tensors are made of here (``training.estimate``).
    deviations = [math.sqrt(variance) for variance in chain.posterior_variance.tolist()]
    weights = correction.tolist()
    x, before = x_t, None
    del x_t
    for t in range(len(chain) - 1, -1, -1):
        rows = torch.full((x.shape[0],), t, dtype=torch.int64)
        x, x_start = p_mean(x, rows, denoise(x, rows), chain)
        if before is not None and weights[t]:
            x = x + weights[t] * (x_start - before)
        if t > 0 and deviations[t]:
            x = x + deviations[t] * draw_noise(t)
        before = x_start if t > 0 and weights[t - 1] else None
        step = SampleStep(t, x, x_start)
        del x_start
        yield step
        # The next prediction takes the most memory: nothing that is done with stays meanwhile.
        del step
