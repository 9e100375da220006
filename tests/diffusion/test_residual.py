"""Between images and residuals."""

import pytest
import torch
from torch import Tensor

from sam_diffsr_cli.diffusion.residual import (
    detail_weights,
    fade_chroma,
    image_to_residual,
    residual_to_image,
)


def image(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).reshape(1, 1, 1, -1)


def test_residual_is_the_scaled_difference_clipped() -> None:
    residual = image_to_residual(image(0.5, 1, -1, 0.25), image(0.25, 0, 0.5, 0.5), 2.0)
    assert torch.equal(residual, image(0.5, 1, -1, -0.5))


def test_image_is_the_base_plus_the_clipped_residual_scaled_back() -> None:
    result = residual_to_image(image(0.5, -3, 2), image(0.25, 0.5, -1), 4.0)
    assert torch.equal(result, image(0.375, 0.25, -0.75))


@pytest.mark.parametrize("scale", [1.0, 2.0, 4.0, 2.5])
def test_small_residuals_come_back_as_the_image(scale: float) -> None:
    generator = torch.Generator().manual_seed(0)
    base = torch.rand(1, 3, 4, 5, generator=generator, dtype=torch.float64)
    hr = base + (torch.rand(1, 3, 4, 5, generator=generator, dtype=torch.float64) - 0.5) / scale
    back = residual_to_image(image_to_residual(hr, base, scale), base, scale)
    torch.testing.assert_close(back, hr, rtol=0, atol=1e-12)


def test_result_is_not_clipped_to_the_range_of_images() -> None:
    assert float(residual_to_image(image(1), image(1), 2.0)) == 1.5


def test_arguments_are_not_modified() -> None:
    hr, base = image(1, -1), image(-1, 0.5)
    image_to_residual(hr, base, 2.0)
    residual_to_image(hr, base, 2.0)
    assert torch.equal(hr, image(1, -1))
    assert torch.equal(base, image(-1, 0.5))


def test_the_luma_of_a_residual_is_kept_and_its_colours_fade() -> None:
    residual = torch.tensor([1.0, 0.0, -0.5], dtype=torch.float64).reshape(1, 3, 1, 1)
    luma = 0.299 - 0.5 * 0.114
    for chroma in (0.0, 0.25, 1.0):
        expected = torch.tensor([luma + chroma * (value - luma) for value in (1.0, 0.0, -0.5)])
        found = fade_chroma(residual, chroma)
        assert found.shape == residual.shape
        assert torch.allclose(found.flatten().float(), expected)
        assert float((found.flatten() * torch.tensor([0.299, 0.587, 0.114])).sum()) == (
            pytest.approx(luma)
        )


def test_detail_is_drawn_where_the_photo_has_any() -> None:
    lr = torch.zeros(1, 3, 24, 24)
    lr[..., 12:, :] = 0.5
    weights = detail_weights(lr, 2.0, 4)
    assert weights.shape == (1, 1, 96, 96)
    # The square reaches two pixels, and the enlarging one more.
    assert float(weights[..., 44:52, :].min()) == 1
    assert float(weights[..., :36, :].max()) == float(weights[..., 60:, :].max()) == 0


@pytest.mark.parametrize(("levels", "weight"), [(0.9, 0.0), (1.5, 0.5), (2.0, 1.0), (9.0, 1.0)])
def test_detail_fades_in_from_half_of_the_levels_to_all(levels: float, weight: float) -> None:
    lr = torch.zeros(1, 3, 9, 9)
    lr[:, 1, ::2, ::2] = levels / 127.5
    assert float(detail_weights(lr, 2.0, 2)[0, 0, 9, 9]) == pytest.approx(weight, abs=1e-5)
