"""Measures of likeness, against scikit-image, torchmetrics and numbers worked out by hand."""

import io
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from sam_diffsr_cli import resize
from sam_diffsr_cli.errors import ShapeError
from sam_diffsr_cli.metrics import detail, lr_psnr, luma, psnr, psnr_y, ssim

DRAWN = sorted((Path(__file__).parent / "samples").glob("*.png"))
ATOL_DB = 1e-4
ATOL_LEVELS = 1e-9


def random_levels(seed: int, size: tuple[int, int] = (37, 52)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def noisy(levels: np.ndarray, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, sigma, levels.shape)
    return np.clip(levels + noise, 0, 255).round().astype(np.uint8)


def opened(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def through_jpeg(levels: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def expected_psnr(sr: np.ndarray, hr: np.ndarray, shave: int) -> float:
    """What scikit-image says, by its own conversion to Y."""
    height, width = hr.shape[:2]
    one, other = (
        rgb2ycbcr(picture[shave : height - shave, shave : width - shave])[..., 0]
        for picture in (sr, hr)
    )
    return float(peak_signal_noise_ratio(other, one, data_range=255))


@pytest.mark.parametrize("shave", [0, 1, 4, 18])
@pytest.mark.parametrize("sigma", [0.5, 8, 90], ids="noise={}".format)
def test_psnr_is_that_of_scikit_image_on_random_pictures(sigma: float, shave: int) -> None:
    hr = random_levels(0)
    sr = noisy(hr, sigma)
    assert psnr_y(sr, hr, shave) == pytest.approx(expected_psnr(sr, hr, shave), abs=ATOL_DB)


@pytest.mark.parametrize("shave", [0, 4])
@pytest.mark.parametrize("quality", [5, 60, 98], ids="jpeg={}".format)
@pytest.mark.parametrize("path", DRAWN, ids=lambda path: path.stem)
def test_psnr_is_that_of_scikit_image_on_drawn_pictures(
    path: Path, quality: int, shave: int
) -> None:
    hr = opened(path)
    sr = through_jpeg(hr, quality)
    assert psnr_y(sr, hr, shave) == pytest.approx(expected_psnr(sr, hr, shave), abs=ATOL_DB)


def test_there_are_drawn_pictures() -> None:
    assert len(DRAWN) >= 3


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        ((0, 0, 0), 16.0),
        ((255, 255, 255), 235.0),
        ((255, 0, 0), 81.481),
        ((0, 255, 0), 144.553),
        ((0, 0, 255), 40.966),
    ],
    ids=["black", "white", "red", "green", "blue"],
)
def test_luma_of_plain_colours_is_that_of_bt_601(
    colour: tuple[int, int, int], expected: float
) -> None:
    y = luma(np.full((2, 3, 3), colour, dtype=np.uint8))
    np.testing.assert_allclose(y, np.full((2, 3), expected), rtol=0, atol=ATOL_LEVELS)


def test_luma_is_that_of_scikit_image() -> None:
    levels = random_levels(2)
    np.testing.assert_allclose(luma(levels), rgb2ycbcr(levels)[..., 0], rtol=0, atol=ATOL_LEVELS)


@pytest.mark.parametrize("step", [1, 10, 255])
def test_grey_levels_apart_are_as_far_as_their_luma(step: int) -> None:
    hr = np.zeros((8, 9, 3), dtype=np.uint8)
    # Y covers 219 levels where grey covers 255.
    expected = 20 * math.log10(255 / (219 * step / 255))
    assert psnr_y(hr + np.uint8(step), hr, 0) == pytest.approx(expected, abs=1e-9)


def test_equal_pictures_are_infinitely_near() -> None:
    assert psnr_y(random_levels(0), random_levels(0), 4) == math.inf


def test_result_and_truth_may_change_places() -> None:
    one, other = random_levels(0), random_levels(1)
    assert psnr_y(one, other, 3) == psnr_y(other, one, 3)


@pytest.mark.parametrize("shave", [1, 4])
def test_the_border_does_not_count(shave: int) -> None:
    black = np.zeros((20, 26, 3), dtype=np.uint8)
    frame = np.full_like(black, 255)
    frame[shave:-shave, shave:-shave] = 0
    assert psnr_y(frame, black, shave) == math.inf
    assert psnr_y(frame, black, shave - 1) < math.inf


@pytest.mark.parametrize("corner", [(4, 4), (4, 21), (15, 4), (15, 21)], ids=str)
def test_every_corner_within_the_border_counts(corner: tuple[int, int]) -> None:
    black = np.zeros((20, 26, 3), dtype=np.uint8)
    spot = black.copy()
    spot[corner] = 255
    expected = 10 * math.log10(255**2 / (219**2 / (12 * 18)))
    assert psnr_y(spot, black, 4) == pytest.approx(expected, abs=1e-9)


def test_pictures_are_not_changed() -> None:
    sr, hr = random_levels(0), random_levels(1)
    psnr_y(sr, hr, 2)
    assert np.array_equal(sr, random_levels(0))
    assert np.array_equal(hr, random_levels(1))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((8, 9, 3), (9, 8, 3)),
        ((8, 9, 3), (8, 9, 4)),
        ((8, 9, 4), (8, 9, 4)),
        ((8, 9), (8, 9)),
        ((1, 8, 9, 3), (1, 8, 9, 3)),
    ],
    ids=str,
)
def test_pictures_that_cannot_be_compared_are_refused(
    one: tuple[int, ...], other: tuple[int, ...]
) -> None:
    with pytest.raises(ShapeError, match="cannot compare"):
        psnr_y(np.zeros(one, np.uint8), np.zeros(other, np.uint8), 0)


@pytest.mark.parametrize(("height", "width"), [(8, 20), (20, 8), (8, 8)])
def test_a_picture_of_nothing_but_border_is_refused(height: int, width: int) -> None:
    levels = random_levels(0, (height, width))
    with pytest.raises(ShapeError, match="nothing is left"):
        psnr_y(levels, levels, 4)


def test_one_pixel_within_the_border_is_enough() -> None:
    levels = random_levels(0, (9, 9))
    other = levels.copy()
    other[4, 4] ^= 255
    assert psnr_y(levels, other, 4) < math.inf


# ----------------------------------------------------------------------------- RGB and structure

ATOL_SSIM = 1e-5


@pytest.mark.parametrize("shave", [0, 4])
@pytest.mark.parametrize("path", DRAWN, ids=lambda path: path.stem)
def test_psnr_over_rgb_is_that_of_scikit_image(path: Path, shave: int) -> None:
    hr = opened(path)
    sr = through_jpeg(hr, 40)
    inner = slice(shave, -shave or None)
    expected = peak_signal_noise_ratio(hr[inner, inner], sr[inner, inner], data_range=255)
    assert psnr(sr, hr, "rgb", shave) == pytest.approx(expected, abs=ATOL_DB)


@pytest.mark.parametrize("shave", [0, 4])
@pytest.mark.parametrize("path", DRAWN, ids=lambda path: path.stem)
def test_ssim_is_that_of_scikit_image(path: Path, shave: int) -> None:
    hr = opened(path)
    sr = through_jpeg(hr, 40)
    inner = slice(shave, -shave or None)
    gaussian = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    colour = structural_similarity(
        hr[inner, inner], sr[inner, inner], channel_axis=2, data_range=255, **gaussian
    )
    gray = structural_similarity(
        luma(hr)[inner, inner], luma(sr)[inner, inner], data_range=255, **gaussian
    )
    assert ssim(sr, hr, "rgb", shave) == pytest.approx(colour, abs=ATOL_SSIM)
    assert ssim(sr, hr, "y", shave) == pytest.approx(gray, abs=ATOL_SSIM)


def test_both_are_those_of_torchmetrics() -> None:
    from torchmetrics.functional.image import (
        peak_signal_noise_ratio as torch_psnr,
    )
    from torchmetrics.functional.image import (
        structural_similarity_index_measure as torch_ssim,
    )

    hr = opened(DRAWN[0])
    sr = through_jpeg(hr, 30)
    first, second = (torch.from_numpy(p.copy()).permute(2, 0, 1)[None].double() for p in (sr, hr))
    expected = float(torch_psnr(first, second, data_range=255.0))
    assert psnr(sr, hr, "rgb", 0) == pytest.approx(expected, abs=ATOL_DB)
    # Its own mean takes in a border that it pads by reflection; ours is over the inside.
    _, everywhere = torch_ssim(first, second, data_range=255.0, return_full_image=True)
    found = float(everywhere[..., 5:-5, 5:-5].mean())
    assert ssim(sr, hr, "rgb", 0) == pytest.approx(found, abs=ATOL_SSIM)


def test_ssim_of_equal_pictures_is_one_and_of_small_ones_refused() -> None:
    hr = random_levels(0)
    assert ssim(hr, hr, "rgb", 4) == 1.0
    assert ssim(hr[:19, :19], hr[:19, :19], "y", 4) == 1.0
    with pytest.raises(ShapeError, match="10x11, which 4 pixels of border leave of 18x19, are too"):
        ssim(hr[:19, :18], hr[:19, :18], "y", 4)
    with pytest.raises(ShapeError, match="pictures of 12x10 are too small for the window of 11x11"):
        ssim(hr[:10, :12], hr[:10, :12], "y", 0)


# --------------------------------------------------------------------------- consistency, detail


def test_lr_psnr_compares_the_shrunk_result_with_the_input() -> None:
    sr = random_levels(1, (32, 40))
    levels = torch.from_numpy(sr).permute(2, 0, 1)[None].double()
    shrunk = resize.downscale_uint8(levels, 4)[0].permute(1, 2, 0).to(torch.uint8).numpy()
    assert lr_psnr(sr, shrunk, 4) == math.inf
    off = np.where(shrunk < 255, shrunk + 1, shrunk - 1).astype(np.uint8)
    assert lr_psnr(sr, off, 4) == pytest.approx(20 * math.log10(255), abs=ATOL_DB)


def waves(cycles: float, amplitude: float = 50.0, size: int = 64) -> np.ndarray:
    """A gray picture of waves across, so many a picture."""
    across = 128 + amplitude * np.sin(2 * np.pi * cycles * np.arange(size) / size)
    gray = np.broadcast_to(across[None, :, None], (size, size, 3))
    return gray.round().astype(np.uint8)


def test_detail_is_energy_beyond_the_inputs_resolution() -> None:
    # At a scale of 4 the input holds 8 cycles of 64 pixels: 16 are beyond, 4 are not.
    truth = waves(16)
    assert detail(truth, truth, 4) == pytest.approx(1.0, abs=1e-12)
    assert detail(waves(16, 25.0), truth, 4) == pytest.approx(0.25, rel=0.02)
    assert detail(waves(4), truth, 4) < 1e-3
    assert detail(truth, waves(4), 4) > 1e3


def test_detail_sees_waves_down_the_picture_too() -> None:
    truth = waves(16).transpose(1, 0, 2).copy()
    assert detail(waves(16, 25.0).transpose(1, 0, 2).copy(), truth, 4) == pytest.approx(
        0.25, rel=0.02
    )


def test_blur_lowers_detail_and_noise_raises_it() -> None:
    hr = opened(DRAWN[0])
    height, width = hr.shape[:2]
    small = Image.fromarray(hr).resize((width // 4, height // 4), Image.Resampling.BICUBIC)
    blurred = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))
    assert detail(blurred, hr, 4) < 0.5
    assert detail(noisy(hr, 20), hr, 4) > 1


def test_flat_pictures_have_equal_detail() -> None:
    flat = np.full((16, 16, 3), 100, np.uint8)
    assert detail(flat, flat, 4) == 1.0
    assert detail(random_levels(0, (16, 16)), flat, 4) == math.inf
