"""From a clean residual to the loss."""

import math
from typing import Literal

import pytest
import torch
from torch import Tensor

from sam_diffsr_cli.chain_config import DiffusionConfig
from sam_diffsr_cli.diffusion.loss import distance, noise_error, noisy_pair
from sam_diffsr_cli.diffusion.preconditioning import precondition
from sam_diffsr_cli.diffusion.schedule import make_schedule, modulation_coefficients

SCHEDULE = make_schedule(DiffusionConfig())
T = torch.tensor([7, 60])
ATOL = 1e-12


def drawn(channels: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, channels, 3, 4, generator=generator, dtype=torch.float64)


def levels() -> list[float]:
    return [math.prod(1 - b for b in SCHEDULE.betas[: int(t) + 1].tolist()) for t in T]


@pytest.mark.parametrize("modulation", ["none", "released", "paper"])
def test_target_is_the_noise_shifted_by_the_target_coefficient(
    modulation: Literal["none", "released", "paper"],
) -> None:
    coefficients = modulation_coefficients(SCHEDULE, modulation)
    pair = noisy_pair(drawn(3, 0), T, drawn(3, 1), drawn(1, 2), SCHEDULE, coefficients)
    for item, t in enumerate(T.tolist()):
        expected = drawn(3, 1)[item] + float(coefficients.target[t]) * drawn(1, 2)[item]
        torch.testing.assert_close(pair.target[item], expected, rtol=0, atol=ATOL)


@pytest.mark.parametrize("modulation", ["none", "released", "paper"])
def test_input_is_diffused_with_noise_shifted_by_the_forward_coefficient(
    modulation: Literal["none", "released", "paper"],
) -> None:
    coefficients = modulation_coefficients(SCHEDULE, modulation)
    pair = noisy_pair(drawn(3, 0), T, drawn(3, 1), drawn(1, 2), SCHEDULE, coefficients)
    for item, (t, level) in enumerate(zip(T.tolist(), levels(), strict=True)):
        noise = drawn(3, 1)[item] + float(coefficients.forward[t]) * drawn(1, 2)[item]
        expected = math.sqrt(level) * drawn(3, 0)[item] + math.sqrt(1 - level) * noise
        torch.testing.assert_close(pair.x_t[item], expected, rtol=0, atol=ATOL)


def test_arguments_of_the_noisy_pair_are_not_modified() -> None:
    x_start, noise, spe = drawn(3, 0), drawn(3, 1), drawn(1, 2)
    noisy_pair(x_start, T, noise, spe, SCHEDULE, modulation_coefficients(SCHEDULE, "paper"))
    assert torch.equal(x_start, drawn(3, 0))
    assert torch.equal(noise, drawn(3, 1))
    assert torch.equal(spe, drawn(1, 2))


def test_error_without_preconditioning_is_the_difference() -> None:
    eps, target = drawn(3, 0), drawn(3, 1)
    error = noise_error(eps, target, T, SCHEDULE, None)
    assert torch.equal(error, eps - target)


def test_error_with_preconditioning_is_that_of_the_inner_network() -> None:
    sigma, inner, wanted, x_t = 0.33, drawn(3, 0), drawn(3, 1), drawn(3, 2)
    skip, out, _ = (f[T].reshape(2, 1, 1, 1) for f in precondition(SCHEDULE.alphas_cumprod, sigma))
    eps, target = skip * x_t + out * inner, skip * x_t + out * wanted
    error = noise_error(eps, target, T, SCHEDULE, sigma)
    torch.testing.assert_close(error, inner - wanted, rtol=0, atol=1e-9)


def test_l1_distance_is_the_mean_absolute_error() -> None:
    assert float(distance(torch.tensor([1.0, -2.0, 0.0, 5.0]), "l1")) == 2.0


def test_l2_distance_is_the_mean_squared_error() -> None:
    assert float(distance(torch.tensor([1.0, -2.0, 0.0, 5.0]), "l2")) == 7.5
