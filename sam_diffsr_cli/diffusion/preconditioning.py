"""Preconditioning of the noise predictor, after Karras et al. 2022 (EDM), for this chain.

eps = a_t * x_t + b_t * F(c_t * x_t): ``a_t x_t`` is the best linear guess of the noise when the
residual has standard deviation ``sigma_data``, ``b_t`` the standard deviation of its error, and
``c_t`` brings the input to unit variance. The network ``F`` then has a unit-variance target at
every step and need not copy the noise through its narrowest layer.
"""

from typing import NamedTuple

from torch import Tensor

__all__ = ["Preconditioning", "precondition"]


class Preconditioning(NamedTuple):
    """The factors ``a_t`` (skip), ``b_t`` (out) and ``c_t`` (in), one per step."""

    skip: Tensor
    out: Tensor
    scale_in: Tensor


def precondition(alphas_cumprod: Tensor, sigma_data: float) -> Preconditioning:
    """Compute the factors for each noise level.

    With s = sqrt(alphas_cumprod), n = sqrt(1 - alphas_cumprod), v = s^2 sigma_data^2 + n^2:
    a = n / v, b = s * sigma_data / sqrt(v), c = 1 / sqrt(v).

    Args:
        alphas_cumprod: Any shape, in (0, 1).
        sigma_data: Standard deviation of the clean residual, > 0.

    Returns:
        Factors of the same shape.
    """
    signal, noise = alphas_cumprod.sqrt(), (1 - alphas_cumprod).sqrt()
    variance = alphas_cumprod * sigma_data**2 + 1 - alphas_cumprod
    return Preconditioning(
        skip=noise / variance, out=signal * sigma_data * variance.rsqrt(), scale_in=variance.rsqrt()
    )
