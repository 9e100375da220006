"""The training objective: from a clean residual to the pair (noisy input, noise to predict)."""

from typing import Literal, NamedTuple

from torch import Tensor

from sam_diffsr_cli.diffusion.gaussian import q_sample
from sam_diffsr_cli.diffusion.preconditioning import precondition
from sam_diffsr_cli.diffusion.schedule import Coefficients, Schedule, extract
from sam_diffsr_cli.diffusion.structural_noise import modulate_noise

__all__ = ["NoisyPair", "distance", "noise_error", "noisy_pair"]


class NoisyPair(NamedTuple):
    """What the network sees and what it should answer, both ``(B, 3, H, W)``."""

    x_t: Tensor
    target: Tensor


def noisy_pair(  # noqa: PLR0913, PLR0917 - those of the formula
    x_start: Tensor,
    t: Tensor,
    noise: Tensor,
    spe: Tensor,
    schedule: Schedule,
    coefficients: Coefficients,
) -> NoisyPair:
    """Diffuse ``x_start`` with structure-modulated noise (SAM-DiffSR, section 3).

    x_t = q_sample(x_start, t, noise + forward[t] * spe), target = noise + target[t] * spe

    Args:
        x_start: Clean residual, ``(B, 3, H, W)``, in [-1, 1].
        t: Step of each item, ``(B,)``, int64 on the CPU.
        noise: Standard normal, same shape as ``x_start``.
        spe: Structural position encoding, ``(B, 1, H, W)``.
        schedule: The trained chain.
        coefficients: Its modulation.

    Returns:
        The noisy input and the noise to predict.
    """
    forward_noise = modulate_noise(noise, spe, t, coefficients.forward)
    target = modulate_noise(noise, spe, t, coefficients.target)
    return NoisyPair(q_sample(x_start, t, forward_noise, schedule), target)


def noise_error(
    eps: Tensor, target: Tensor, t: Tensor, schedule: Schedule, sigma_data: float | None
) -> Tensor:
    """Return the error of each predicted noise value, in the units that training weighs.

    Without preconditioning that is ``eps - target`` (the paper's loss is its mean absolute
    value); with it, the error of the inner network ``F``: (eps - target) / b_t.

    Args:
        eps: Predicted noise, ``(B, 3, H, W)``.
        target: Noise to predict, same shape.
        t: Step of each item, ``(B,)``, int64 on the CPU.
        schedule: The trained chain.
        sigma_data: As in ``precondition``; absent without preconditioning.

    Returns:
        The error, same shape as ``eps``.
    """
    error = eps - target
    if sigma_data is None:
        return error
    return error / extract(precondition(schedule.alphas_cumprod, sigma_data).out, t, error)


def distance(error: Tensor, kind: Literal["l1", "l2"]) -> Tensor:
    """Return the mean absolute (``l1``) or mean squared (``l2``) error, a scalar."""
    return error.abs().mean() if kind == "l1" else error.square().mean()
