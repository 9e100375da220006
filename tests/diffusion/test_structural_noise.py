"""Shifting noise by the encoding of masks."""

import pytest
import torch
from torch import Tensor

from sam_diffsr_cli.diffusion.structural_noise import modulate_noise
from sam_diffsr_cli.errors import ShapeError

COEFFICIENT = torch.tensor([0.5, -2.0, 4.0], dtype=torch.float64)


def drawn(channels: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, channels, 3, 4, generator=generator, dtype=torch.float64)


def test_each_value_is_shifted_by_coefficient_times_encoding() -> None:
    noise, spe, t = drawn(3, 0), drawn(1, 1), [2, 1]
    shifted = modulate_noise(noise, spe, torch.tensor(t), COEFFICIENT)
    for item, channel, y, x in torch.ones(2, 3, 3, 4).nonzero().tolist():
        shift = float(COEFFICIENT[t[item]]) * float(spe[item, 0, y, x])
        expected = float(noise[item, channel, y, x]) + shift
        assert float(shifted[item, channel, y, x]) == pytest.approx(expected, abs=1e-12)


def test_noise_is_unchanged_where_the_encoding_is_zero() -> None:
    noise, spe = drawn(3, 0), torch.zeros(2, 1, 3, 4, dtype=torch.float64)
    spe[..., 0] = 1
    shifted = modulate_noise(noise, spe, torch.tensor([0, 2]), COEFFICIENT)
    assert torch.equal(shifted[..., 1:], noise[..., 1:])
    assert not torch.equal(shifted[..., 0], noise[..., 0])


def test_noise_argument_is_not_modified() -> None:
    noise, spe = drawn(3, 0), drawn(1, 1)
    modulate_noise(noise, spe, torch.tensor([0, 1]), COEFFICIENT)
    assert torch.equal(noise, drawn(3, 0))


def test_encoding_argument_is_not_modified() -> None:
    noise, spe = drawn(3, 0), drawn(1, 1)
    modulate_noise(noise, spe, torch.tensor([0, 1]), COEFFICIENT)
    assert torch.equal(spe, drawn(1, 1))


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param((2, 3, 3, 4), id="three-channels"),
        pytest.param((1, 1, 3, 4), id="other-batch"),
        pytest.param((2, 1, 4, 3), id="transposed"),
        pytest.param((2, 3, 4), id="without-channel"),
    ],
)
def test_encoding_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="spe has shape"):
        modulate_noise(drawn(3, 0), torch.zeros(shape), torch.tensor([0, 1]), COEFFICIENT)
