"""The factors of preconditioning are what least squares finds in samples."""

import pytest
import torch
from torch import Tensor

from sam_diffsr_cli.diffusion.preconditioning import precondition

LEVELS = [2.4e-7, 0.01, 0.5, 0.9, 0.9994]
SIGMAS = [0.1, 0.33, 1.0, 2.0]

RTOL = 1e-9

by_level = pytest.mark.parametrize("level", LEVELS, ids="level={}".format)
by_sigma = pytest.mark.parametrize("sigma", SIGMAS, ids="sigma={}".format)


def orthogonal_samples(level: float, sigma: float) -> tuple[Tensor, Tensor]:
    """Noise of unit variance, and the noisy residual, from samples without any correlation."""
    noise = torch.tensor([1.0, 1.0, -1.0, -1.0], dtype=torch.float64)
    residual = sigma * torch.tensor([1.0, -1.0, 1.0, -1.0], dtype=torch.float64)
    return noise, level**0.5 * residual + (1 - level) ** 0.5 * noise


def factors(level: float, sigma: float) -> tuple[float, float, float]:
    skip, out, scale_in = precondition(torch.tensor(level, dtype=torch.float64), sigma)
    return float(skip), float(out), float(scale_in)


@by_level
@by_sigma
def test_skip_is_the_least_squares_coefficient(level: float, sigma: float) -> None:
    noise, x_t = orthogonal_samples(level, sigma)
    solution = torch.linalg.lstsq(x_t[:, None], noise[:, None]).solution
    assert factors(level, sigma)[0] == pytest.approx(float(solution), rel=RTOL)


@by_level
@by_sigma
def test_out_is_the_deviation_of_the_remaining_error(level: float, sigma: float) -> None:
    noise, x_t = orthogonal_samples(level, sigma)
    skip, out, _ = factors(level, sigma)
    # Near pure noise the error is a difference of almost equal numbers.
    assert out == pytest.approx(float((noise - skip * x_t).square().mean().sqrt()), rel=1e-6)


@by_level
@by_sigma
def test_scaled_input_has_unit_variance(level: float, sigma: float) -> None:
    _, x_t = orthogonal_samples(level, sigma)
    scale_in = factors(level, sigma)[2]
    assert float((scale_in * x_t).square().mean()) == pytest.approx(1, rel=RTOL)


def test_error_that_remains_is_not_correlated_with_the_input() -> None:
    generator = torch.Generator().manual_seed(0)
    noise, residual = torch.randn(2, 100_000, generator=generator, dtype=torch.float64)
    x_t = 0.6**0.5 * 0.33 * residual + 0.4**0.5 * noise
    error = noise - factors(0.6, 0.33)[0] * x_t
    assert float((error * x_t).mean()) == pytest.approx(0, abs=0.01)


def test_factors_have_the_shape_of_the_levels() -> None:
    shapes = {tuple(factor.shape) for factor in precondition(torch.full((2, 3), 0.5), 0.33)}
    assert shapes == {(2, 3)}


def test_levels_are_not_modified() -> None:
    levels = torch.tensor(LEVELS)
    precondition(levels, 0.33)
    assert torch.equal(levels, torch.tensor(LEVELS))
