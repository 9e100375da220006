"""The forward process and its posterior, against Gaussian algebra."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sam_diffsr_cli.chain_config import DiffusionConfig
from sam_diffsr_cli.diffusion.gaussian import (
    p_mean,
    predict_x_start,
    q_posterior_mean,
    q_sample,
)
from sam_diffsr_cli.diffusion.schedule import make_schedule
from sam_diffsr_cli.errors import ShapeError

SCHEDULE = make_schedule(DiffusionConfig())
EXACT_ATOL = 1e-12

STEPS = st.integers(0, len(SCHEDULE) - 1)
VALUES = st.floats(-4, 4)

OPERATIONS = [
    pytest.param(lambda a, b, t: q_sample(a, t, b, SCHEDULE), id="q_sample"),
    pytest.param(lambda a, b, t: predict_x_start(a, t, b, SCHEDULE), id="predict_x_start"),
    pytest.param(lambda a, b, t: q_posterior_mean(a, b, t, SCHEDULE), id="q_posterior_mean"),
    pytest.param(lambda a, b, t: p_mean(a, t, b, SCHEDULE)[0], id="p_mean"),
]
Operation = Callable[[Tensor, Tensor, Tensor], Tensor]


def scalar(value: float) -> Tensor:
    return torch.full((1, 3, 1, 1), value, dtype=torch.float64)


def drawn(batch: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 3, 4, 5, generator=generator, dtype=torch.float64)


@settings(deadline=None)
@given(x_start=VALUES, noise=VALUES, t=STEPS)
def test_q_sample_mixes_datum_and_noise_by_the_level(x_start: float, noise: float, t: int) -> None:
    level = math.prod(1 - beta for beta in SCHEDULE.betas[: t + 1].tolist())
    expected = scalar(math.sqrt(level) * x_start + math.sqrt(1 - level) * noise)
    actual = q_sample(scalar(x_start), torch.tensor([t]), scalar(noise), SCHEDULE)
    torch.testing.assert_close(actual, expected, rtol=0, atol=EXACT_ATOL)


@settings(deadline=None)
@given(x_start=VALUES, noise=VALUES, t=STEPS)
def test_predict_x_start_inverts_q_sample(x_start: float, noise: float, t: int) -> None:
    rows = torch.tensor([t])
    x_t = q_sample(scalar(x_start), rows, scalar(noise), SCHEDULE)
    recovered = predict_x_start(x_t, rows, scalar(noise), SCHEDULE)
    torch.testing.assert_close(recovered, scalar(x_start), rtol=0, atol=1e-9)


@settings(deadline=None)
@given(x_start=VALUES, x_t=VALUES, t=st.integers(1, len(SCHEDULE) - 1))
def test_posterior_is_the_product_of_two_gaussians(x_start: float, x_t: float, t: int) -> None:
    """q(x_{t-1} | x_t, x_0) is proportional to q(x_t | x_{t-1}) * q(x_{t-1} | x_0)."""
    beta = float(SCHEDULE.betas[t])
    before = math.prod(1 - b for b in SCHEDULE.betas[:t].tolist())
    of_step, step_mean = (1 - beta) / beta, x_t / math.sqrt(1 - beta)
    of_datum, datum_mean = 1 / (1 - before), math.sqrt(before) * x_start
    precision = of_step + of_datum
    expected = scalar((of_step * step_mean + of_datum * datum_mean) / precision)
    mean = q_posterior_mean(scalar(x_start), scalar(x_t), torch.tensor([t]), SCHEDULE)
    torch.testing.assert_close(mean, expected, rtol=0, atol=EXACT_ATOL)
    assert float(SCHEDULE.posterior_variance[t]) == pytest.approx(1 / precision, rel=1e-9)


def test_posterior_of_the_first_step_is_the_datum() -> None:
    x_start, x_t = drawn(1, 0), drawn(1, 1)
    mean = q_posterior_mean(x_start, x_t, torch.tensor([0]), SCHEDULE)
    torch.testing.assert_close(mean, x_start, rtol=0, atol=EXACT_ATOL)


@pytest.mark.parametrize("t", [0, 50, 99])
def test_reverse_mean_rests_on_the_clipped_prediction(t: int) -> None:
    x_t, eps, rows = drawn(1, 0), drawn(1, 1), torch.tensor([t])
    clipped = predict_x_start(x_t, rows, eps, SCHEDULE).clamp(-1, 1)
    mean, x_start = p_mean(x_t, rows, eps, SCHEDULE)
    assert torch.equal(x_start, clipped)
    assert torch.equal(mean, q_posterior_mean(clipped, x_t, rows, SCHEDULE))


def test_predicted_x_start_is_not_clipped() -> None:
    x_start = predict_x_start(scalar(3), torch.tensor([0]), scalar(0), SCHEDULE)
    assert float(x_start.min()) > 3


@pytest.mark.parametrize("operation", OPERATIONS)
def test_arguments_are_not_modified(operation: Operation) -> None:
    a, b, t = drawn(2, 0), drawn(2, 1), torch.tensor([3, 80])
    kept = [tensor.clone() for tensor in (a, b, t)]
    operation(a, b, t)
    assert all(torch.equal(x, y) for x, y in zip((a, b, t), kept, strict=True))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_batch_equals_its_items_one_by_one(operation: Operation) -> None:
    a, b, t = drawn(3, 0), drawn(3, 1), torch.tensor([99, 0, 41])
    singles = [operation(a[i : i + 1], b[i : i + 1], t[i : i + 1]) for i in range(3)]
    assert torch.equal(operation(a, b, t), torch.cat(singles))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_tensors_of_two_shapes_are_refused(operation: Operation) -> None:
    with pytest.raises(ShapeError, match="differ in shape"):
        operation(drawn(1, 0), drawn(1, 1)[..., :-1], torch.tensor([5]))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_float32_stays_float32(operation: Operation) -> None:
    assert operation(drawn(1, 0).float(), drawn(1, 1).float(), torch.tensor([5])).dtype == (
        torch.float32
    )
