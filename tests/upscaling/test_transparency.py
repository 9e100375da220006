"""Clear pixels take the colour of what can be seen around them."""

import numpy as np
import pytest
import torch

from sam_diffsr_cli.upscaling import transparency
from sam_diffsr_cli.upscaling.transparency import alpha_bounds, fill_hidden, fill_levels


def plane(height: int, width: int, value: float) -> torch.Tensor:
    return torch.full((1, 1, height, width), value)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (9, 5), (16, 16)], ids=str)
def test_one_visible_pixel_colours_everything(size: tuple[int, int]) -> None:
    colour = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    alpha = plane(*size, 0.0)
    alpha[..., size[0] // 2, size[1] // 3] = 0.4
    seen = colour[..., size[0] // 2, size[1] // 3][..., None, None]
    torch.testing.assert_close(fill_hidden(colour, alpha), seen.expand_as(colour))


def test_what_can_be_seen_is_not_changed() -> None:
    generator = torch.Generator().manual_seed(0)
    colour = torch.rand(1, 3, 13, 10, generator=generator)
    alpha = (torch.rand(1, 1, 13, 10, generator=generator) - 0.5).clamp(min=0)
    visible = (alpha > 0).expand_as(colour)
    assert torch.equal(fill_hidden(colour, alpha)[visible], colour[visible])


def test_a_clear_pixel_takes_from_its_side() -> None:
    colour, alpha = torch.zeros(1, 1, 8, 32), plane(8, 32, 0.0)
    colour[..., :8], colour[..., -8:] = 0.2, 0.9
    alpha[..., :8], alpha[..., -8:] = 1.0, 1.0
    filled = fill_hidden(colour, alpha)
    assert float((filled[..., 9] - 0.2).abs().max()) < 0.05
    assert float((filled[..., 22] - 0.9).abs().max()) < 0.05


def test_nearly_clear_pixels_count_little() -> None:
    colour, alpha = torch.zeros(1, 1, 2, 2), plane(2, 2, 0.0)
    colour[..., 0, 0], alpha[..., 0, 0] = 0.5, 1.0
    colour[..., 0, 1], alpha[..., 0, 1] = 1.0, 0.01
    expected = (0.5 * 1.0 + 1.0 * 0.01) / 1.01
    assert float(fill_hidden(colour, alpha)[0, 0, 1, 1]) == pytest.approx(expected, abs=1e-6)


def test_nothing_visible_is_no_fault() -> None:
    assert bool(torch.isfinite(fill_hidden(torch.rand(1, 3, 6, 5), plane(6, 5, 0.0))).all())


def test_bounds_are_those_of_the_neighbours() -> None:
    alpha = plane(5, 5, 0.0)
    alpha[..., 2, 2] = 1.0
    lowest, highest = alpha_bounds(alpha)
    assert float(lowest.max()) == 0.0
    assert torch.equal(highest[0, 0, 1:4, 1:4], torch.ones(3, 3))
    assert float(highest.sum()) == 9.0


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("most", [1 << 22, 100, 1], ids=["whole", "squares", "one square"])
def test_levels_are_filled_at_any_size(
    dtype: type, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transparency, "FILLED_AT_ONCE", most)
    top = np.iinfo(dtype).max
    colour = np.random.default_rng(0).integers(0, top, (37, 41, 3), dtype=dtype)
    alpha: np.ndarray = np.zeros((37, 41, 1), dtype=dtype)
    alpha[10:30, 5:20] = top
    colour[10:30, 5:20] = (top, top // 2, 0)
    before = colour.copy()
    filled = fill_levels(colour, alpha)
    assert np.abs(filled.astype(int) - (top, top // 2, 0)).max() <= 1
    np.testing.assert_array_equal(colour, before)


def test_levels_that_can_be_seen_are_not_changed() -> None:
    rng = np.random.default_rng(1)
    colour = rng.integers(0, 256, (19, 23, 1), dtype=np.uint8)
    alpha = rng.integers(0, 3, (19, 23, 1), dtype=np.uint8)
    visible = alpha > 0
    np.testing.assert_array_equal(fill_levels(colour, alpha)[visible], colour[visible])
