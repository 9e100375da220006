"""Bicubic resizing, against MATLAB's algorithm written out in NumPy."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sam_diffsr_cli import resize
from sam_diffsr_cli.errors import ShapeError

FLOAT_ATOL = 1e-12
FLOAT32_ATOL = 1e-6

SIZES = [
    pytest.param((16, 24), id="16x24"),
    pytest.param((11, 14), id="11x14"),
    pytest.param((9, 17), id="9x17"),
]
FACTORS = [2, 3, 4, 8]
ROWS = [(1, 1), (1, 9), (9, 1)]
by_size = pytest.mark.parametrize("size", SIZES)
by_factor = pytest.mark.parametrize("factor", FACTORS, ids="x{}".format)

RESAMPLERS = [resize.upscale, resize.downscale, resize.upscale_uint8, resize.downscale_uint8]
by_resampler = pytest.mark.parametrize("resample", RESAMPLERS, ids=lambda f: f.__name__)
Resampler = Callable[[Tensor, int], Tensor]


def load_reference() -> ModuleType:
    path = Path(__file__).parent / "workshop" / "conformance" / "reference.py"
    spec = importlib.util.spec_from_file_location("samsr_conformance_reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = load_reference()


def levels(size: tuple[int, int], seed: int = 0) -> Tensor:
    """Random levels ``(1, 3, *size)``, a third of them black or white."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(-128, 384, (1, 3, *size), generator=generator)
    return drawn.clamp(0, 255).double()


def to_numpy(batch: Tensor) -> np.ndarray:
    return batch[0].permute(1, 2, 0).numpy()


def to_batch(image: np.ndarray) -> Tensor:
    return torch.from_numpy(image.astype(np.float64)).permute(2, 0, 1)[None]


@by_size
@by_factor
def test_upscale_equals_matlab(size: tuple[int, int], factor: int) -> None:
    image = levels(size) / 255
    expected = to_batch(reference.imresize(to_numpy(image), factor, 1))
    torch.testing.assert_close(resize.upscale(image, factor), expected, rtol=0, atol=FLOAT_ATOL)


@by_size
@by_factor
def test_downscale_equals_matlab(size: tuple[int, int], factor: int) -> None:
    image = levels(size) / 255
    expected = to_batch(reference.imresize(to_numpy(image), 1, factor))
    torch.testing.assert_close(resize.downscale(image, factor), expected, rtol=0, atol=FLOAT_ATOL)


@by_size
@by_factor
def test_upscaled_levels_equal_matlab_exactly(size: tuple[int, int], factor: int) -> None:
    image = levels(size)
    expected = reference.imresize_uint8(to_numpy(image).astype(np.uint8), factor, 1)
    assert torch.equal(resize.upscale_uint8(image, factor), to_batch(expected))


@by_size
@by_factor
def test_downscaled_levels_equal_matlab_exactly(size: tuple[int, int], factor: int) -> None:
    image = levels(size)
    expected = reference.imresize_uint8(to_numpy(image).astype(np.uint8), 1, factor)
    assert torch.equal(resize.downscale_uint8(image, factor), to_batch(expected))


@pytest.mark.parametrize("size", [*ROWS, (2, 20)], ids=str)
def test_picture_of_few_pixels_is_upscaled_as_in_matlab(size: tuple[int, int]) -> None:
    image = levels(size) / 255
    expected = to_batch(reference.imresize(to_numpy(image), 4, 1))
    torch.testing.assert_close(resize.upscale(image, 4), expected, rtol=0, atol=FLOAT_ATOL)


@pytest.mark.parametrize("size", [*ROWS, (3, 20), (20, 3)], ids=str)
def test_picture_of_few_pixels_is_downscaled_as_in_matlab(size: tuple[int, int]) -> None:
    image = levels(size) / 255
    expected = to_batch(reference.imresize(to_numpy(image), 1, 4))
    torch.testing.assert_close(resize.downscale(image, 4), expected, rtol=0, atol=FLOAT_ATOL)


def test_levels_are_rounded_between_height_and_width() -> None:
    image = levels((24, 24))
    once = resize.downscale(image, 4).clamp(0, 255).round()
    assert not torch.equal(resize.downscale_uint8(image, 4), once)


def test_height_is_resized_before_width() -> None:
    image = levels((40, 40))
    turned = resize.downscale_uint8(image.transpose(-1, -2), 4).transpose(-1, -2)
    assert not torch.equal(resize.downscale_uint8(image, 4), turned)


def test_float32_is_close_to_float64() -> None:
    image = levels((11, 14)) / 255
    single = resize.upscale(image.float(), 4)
    torch.testing.assert_close(single.double(), resize.upscale(image, 4), rtol=0, atol=FLOAT32_ATOL)


@settings(deadline=None, max_examples=40)
@given(height=st.integers(1, 30), width=st.integers(1, 30), factor=st.sampled_from(FACTORS))
def test_result_has_the_rounded_up_size(height: int, width: int, factor: int) -> None:
    image = torch.zeros(1, 1, height, width)
    up, down = resize.upscale(image, factor), resize.downscale(image, factor)
    assert tuple(up.shape) == (1, 1, height * factor, width * factor)
    assert tuple(down.shape) == (1, 1, -(-height // factor), -(-width // factor))


@by_resampler
@by_size
def test_flat_picture_stays_flat(resample: Resampler, size: tuple[int, int]) -> None:
    flat = resample(torch.full((1, 3, *size), 77.0, dtype=torch.float64), 4)
    torch.testing.assert_close(flat, torch.full_like(flat, 77), rtol=0, atol=1e-10)


@by_resampler
@pytest.mark.parametrize("size", [(9, 10), (9, 1)], ids=["9x10", "9x1"])
def test_pictures_of_a_batch_do_not_mix(resample: Resampler, size: tuple[int, int]) -> None:
    first, second = levels(size, 0), levels(size, 1)
    together = resample(torch.cat([first, second]), 2)
    assert torch.equal(together, torch.cat([resample(first, 2), resample(second, 2)]))


@by_resampler
def test_argument_is_not_modified(resample: Resampler) -> None:
    image = levels((9, 10))
    resample(image, 2)
    assert torch.equal(image, levels((9, 10)))


@by_resampler
@pytest.mark.parametrize(
    "image",
    [
        pytest.param(torch.zeros(3, 8, 8), id="without-batch"),
        pytest.param(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), id="uint8"),
        pytest.param(torch.zeros(1, 3, 0, 8), id="empty"),
    ],
)
def test_unfit_tensor_is_refused(resample: Resampler, image: Tensor) -> None:
    with pytest.raises(ShapeError, match="expected a float tensor"):
        resample(image, 2)


def test_halves_are_rounded_to_even() -> None:
    halves = torch.tensor([0.5, 1.5, 2.5, 254.5], dtype=torch.float64)
    assert resize._round_levels(halves).tolist() == [0, 2, 2, 254]


def test_overshoot_saturates() -> None:
    edge = torch.tensor([0.0, 0, 0, 255, 255, 255], dtype=torch.float64).reshape(1, 1, 1, 6)
    assert float(resize.upscale(edge, 4).min()) < -5
    assert float(resize.upscale_uint8(edge, 4).min()) == 0
    assert float(resize.upscale_uint8(edge, 4).max()) == 255


# The dense matrices that stand in where torch has no antialiased kernel.


@by_size
@by_factor
def test_matrix_product_equals_interpolation_up(size: tuple[int, int], factor: int) -> None:
    image = levels(size) / 255
    rows, columns = resize._weights(size[0], factor, 1), resize._weights(size[1], factor, 1)
    dense = rows @ image @ columns.T
    torch.testing.assert_close(dense, resize.upscale(image, factor), rtol=0, atol=FLOAT_ATOL)


@by_size
@by_factor
def test_matrix_product_equals_interpolation_down(size: tuple[int, int], factor: int) -> None:
    image = levels(size) / 255
    rows, columns = resize._weights(size[0], 1, factor), resize._weights(size[1], 1, factor)
    dense = rows @ image @ columns.T
    torch.testing.assert_close(dense, resize.downscale(image, factor), rtol=0, atol=FLOAT_ATOL)


# Mirroring.


def test_row_is_extended_with_its_edge_pixel_repeated() -> None:
    assert resize.mirror_indices(3, 2, 2).tolist() == [1, 0, 0, 1, 2, 2, 1]


def test_margin_may_be_longer_than_the_row() -> None:
    assert resize.mirror_indices(2, 5, 4).tolist() == [0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1]


def test_row_of_one_pixel_is_repeated() -> None:
    assert resize.mirror_indices(1, 3, 4).tolist() == [0] * 8


@settings(deadline=None)
@given(
    length=st.integers(1, 12),
    before=st.integers(0, 40),
    after=st.integers(0, 40),
)
def test_mirrored_indices_fold_back_step_by_step(length: int, before: int, after: int) -> None:
    expected = [reference.mirrored(i, length) for i in range(-before, length + after)]
    assert resize.mirror_indices(length, before, after).tolist() == expected


def test_margins_are_added_on_the_side_asked_for() -> None:
    image = torch.arange(6.0).reshape(1, 1, 2, 3)
    padded = resize.mirror_pad(image, (1, 0), (0, 2))
    expected = [[0.0, 1, 2, 2, 1], [0, 1, 2, 2, 1], [3, 4, 5, 5, 4]]
    assert padded[0, 0].tolist() == expected


def test_padding_is_symmetric_padding_of_numpy() -> None:
    image = levels((4, 5))
    padded = resize.mirror_pad(image, (7, 9), (6, 11))
    expected = np.pad(image.numpy(), ((0, 0), (0, 0), (7, 9), (6, 11)), mode="symmetric")
    assert torch.equal(padded, torch.from_numpy(expected))


def test_padding_leaves_the_picture_unchanged() -> None:
    image = levels((4, 5))
    resize.mirror_pad(image, (1, 2), (3, 4))
    assert torch.equal(image, levels((4, 5)))
