"""The plan of passes and the antialiased resize between and after them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sam_diffsr_cli import resize
from sam_diffsr_cli.upscaling import passes
from sam_diffsr_cli.upscaling.passes import PassPlan, plan_passes, resize_pixels
from sam_diffsr_cli.upscaling.sizes import final_size


def allocate(shape: tuple[int, int, int]) -> np.ndarray:
    return np.empty(shape, dtype=np.uint8)


def noisy(height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(height * 1000 + width)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("scale", "plan"),
    [
        (4, PassPlan(1, None, (40, 28), (40, 28))),
        (2, PassPlan(1, None, (40, 28), (20, 14))),
        (1, PassPlan(1, None, (40, 28), (10, 7))),
        (5, PassPlan(2, (13, 9), (50, 35), (50, 35))),
        (16, PassPlan(2, None, (160, 112), (160, 112))),
    ],
)
def test_the_plan_of_a_scale(scale: float, plan: PassPlan) -> None:
    assert plan_passes((10, 7), scale, 4) == plan


@given(
    height=st.integers(1, 400),
    width=st.integers(1, 400),
    scale=st.floats(1, 16),
    native=st.sampled_from([2, 3, 4, 8]),
)
def test_the_last_pass_covers_the_final_size(
    height: int, width: int, scale: float, native: int
) -> None:
    plan = plan_passes((height, width), scale, native)
    assert native ** (plan.passes - 1) < scale or plan.passes == 1
    before = native ** (plan.passes - 1)
    size = plan.middle or (before * height, before * width)
    for length, wanted, whole in zip(size, plan.size, (height, width), strict=True):
        if plan.size != plan.cut:
            assert native * length >= wanted
        else:
            assert 0 <= native * length - wanted < native
        assert length <= before * whole


@pytest.mark.parametrize("scale", [15.5, 15.7, 15.9])
def test_just_below_the_highest_scale_the_picture_is_still_resized(scale: float) -> None:
    plan = plan_passes((10, 10), scale, 4)
    assert plan.middle is not None
    assert plan.size == final_size((10, 10), scale)


def test_the_shares_of_the_passes_follow_their_work() -> None:
    assert plan_passes((10, 10), 16, 4).shares((10, 10), 4) == pytest.approx([1 / 17, 16 / 17])
    assert plan_passes((10, 10), 4, 4).shares((10, 10), 4) == [1.0]


@given(length=st.integers(1, 3000), scale=st.floats(1, 16))
def test_the_final_size_is_the_nearest(length: int, scale: float) -> None:
    assert abs(final_size((length, 1), scale)[0] - length * scale) <= 0.5 + 1e-6


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_shrinking_by_a_whole_factor_is_matlab_bicubic(factor: int) -> None:
    pixels = noisy(24 * factor, 15 * factor)
    levels = torch.from_numpy(pixels).permute(2, 0, 1)[None].double()
    expected = resize.downscale(levels, factor)[0].permute(1, 2, 0).clamp(0, 255).numpy()
    result = resize_pixels(pixels, (24, 15), (24, 15), allocate)
    assert np.abs(result - expected).max() <= 0.501


def test_strips_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = noisy(200, 31)
    whole = resize_pixels(pixels, (73, 12), (72.5, 11.4), allocate).astype(int)
    monkeypatch.setattr(passes, "STRIP_BYTES", 4000)
    strips = resize_pixels(pixels, (73, 12), (72.5, 11.4), allocate)
    # Places within a strip are rounded in single precision, so a tie can fall the other way.
    assert np.abs(strips - whole).max() <= 1
    assert (strips == whole).mean() > 0.995


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 2)], ids=str)
def test_tiny_pictures_can_be_shrunk(size: tuple[int, int]) -> None:
    flat = np.full((4 * size[0], 4 * size[1], 2), 99, dtype=np.uint8)
    assert (resize_pixels(flat, size, size, allocate) == 99).all()
