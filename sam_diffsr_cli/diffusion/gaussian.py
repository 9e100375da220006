"""The Gaussian forward process and its posterior (Ho et al. 2020).

One function, one equation. ``schedule`` decides the numbers, ``sampling`` the order of calls.
"""

from torch import Tensor

from sam_diffsr_cli.diffusion.schedule import Schedule, extract
from sam_diffsr_cli.errors import ShapeError

__all__ = ["p_mean", "predict_x_start", "q_posterior_mean", "q_sample", "require_same_shape"]


def require_same_shape(a: Tensor, b: Tensor, names: str) -> None:
    """Raise ``ShapeError`` unless both have the same shape; ``names`` are theirs."""
    if a.shape != b.shape:
        raise ShapeError(f"{names} differ in shape: {tuple(a.shape)} and {tuple(b.shape)}")


def q_sample(x_start: Tensor, t: Tensor, noise: Tensor, schedule: Schedule) -> Tensor:
    """Diffuse clean residuals to step ``t``.

    x_t = sqrt(alphas_cumprod[t]) * x_start + sqrt(1 - alphas_cumprod[t]) * noise
    (Ho et al. 2020, eq. 4)

    Args:
        x_start: Clean residual, ``(B, 3, H, W)``, float, in [-1, 1].
        t: Step of each item, ``(B,)``, int64 on the CPU, 0 <= t < T (0 is the least noise).
        noise: Standard normal, or modulated, same shape as ``x_start``; not changed.
        schedule: The chain.

    Returns:
        ``x_t``, same shape, dtype and device as ``x_start``.

    Raises:
        ShapeError: ``noise`` and ``x_start`` differ in shape.
    """
    require_same_shape(x_start, noise, "x_start and noise")
    signal = extract(schedule.sqrt_alphas_cumprod, t, x_start)
    return signal * x_start + extract(schedule.sqrt_one_minus_alphas_cumprod, t, x_start) * noise


def predict_x_start(x_t: Tensor, t: Tensor, eps: Tensor, schedule: Schedule) -> Tensor:
    """Solve ``q_sample`` for the clean residual.

    x_start = (x_t - sqrt(1 - alphas_cumprod[t]) * eps) / sqrt(alphas_cumprod[t])

    Args:
        x_t: Noisy residual, ``(B, 3, H, W)``, float.
        t: Step of each item, ``(B,)``, int64 on the CPU.
        eps: Predicted noise, same shape as ``x_t``.
        schedule: The chain.

    Returns:
        ``x_start``, not clipped; same shape as ``x_t``.

    Raises:
        ShapeError: ``x_t`` and ``eps`` differ in shape.
    """
    require_same_shape(x_t, eps, "x_t and eps")
    recip = extract(schedule.sqrt_recip_alphas_cumprod, t, x_t)
    return recip * x_t - extract(schedule.sqrt_recipm1_alphas_cumprod, t, x_t) * eps


def q_posterior_mean(x_start: Tensor, x_t: Tensor, t: Tensor, schedule: Schedule) -> Tensor:
    """Mean of ``q(x_{t-1} | x_t, x_start)`` (Ho et al. 2020, eq. 7).

    Args:
        x_start: Clean residual, ``(B, 3, H, W)``.
        x_t: Noisy residual, same shape.
        t: Step of each item, ``(B,)``, int64 on the CPU.
        schedule: The chain.

    Returns:
        The mean, same shape. Its variance is ``schedule.posterior_variance[t]``.

    Raises:
        ShapeError: ``x_start`` and ``x_t`` differ in shape.
    """
    require_same_shape(x_start, x_t, "x_start and x_t")
    coef1 = extract(schedule.posterior_mean_coef1, t, x_t)
    return coef1 * x_start + extract(schedule.posterior_mean_coef2, t, x_t) * x_t


def p_mean(x_t: Tensor, t: Tensor, eps: Tensor, schedule: Schedule) -> tuple[Tensor, Tensor]:
    """Mean of the reverse step ``p(x_{t-1} | x_t)``, with the clean residual clipped.

    Args:
        x_t: Noisy residual, ``(B, 3, H, W)``.
        t: Step of each item, ``(B,)``, int64 on the CPU.
        eps: Predicted noise, same shape.
        schedule: The chain.

    Returns:
        The mean, and the prediction of ``x_start`` clipped to [-1, 1] that it rests on.
    """
    x_start = predict_x_start(x_t, t, eps, schedule).clamp(-1, 1)
    return q_posterior_mean(x_start, x_t, t, schedule), x_start
