"""Numbers that show dirt, on pictures whose compression is known."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.fft import dctn
from torch import Tensor

from sam_diffsr_cli.config import EncoderConfig
from sam_diffsr_cli.errors import ConfigError
from sam_diffsr_cli.networks.dirt_features import (
    BANDS,
    GRID,
    NUM_BLOCK_FEATURES,
    NUM_FEATURES,
    block_features,
    dirt_features,
)
from sam_diffsr_cli.networks.encoders import LevelEstimator

PER_BAND = NUM_BLOCK_FEATURES // len(BANDS)
LARGEST_SHARE, MIDDLE_BAND = 2, 1


def noisy_photo(side: int = 64) -> np.ndarray:
    rng = np.random.default_rng(3)
    coarse = Image.fromarray(rng.integers(40, 216, (9, 9, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), dtype=float)
    return (smooth + rng.normal(0, 6, smooth.shape)).clip(0, 255).round().astype(np.uint8)


def compressed(pixels: np.ndarray, quality: int, place: int = 0) -> np.ndarray:
    """Compress all but ``place`` rows and columns at the top and left."""
    result = pixels.copy()
    packed = io.BytesIO()
    Image.fromarray(pixels[place:, place:]).save(packed, "JPEG", quality=quality, subsampling=0)
    result[place:, place:] = np.asarray(Image.open(packed))
    return result


def lr_of(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1


def largest_share(pixels: np.ndarray) -> float:
    """How much larger the share of small coefficients is at the best place than usually."""
    return float(block_features(lr_of(pixels))[0, MIDDLE_BAND * PER_BAND + LARGEST_SHARE])


def test_coefficients_are_those_of_the_cosine_transform_at_every_place() -> None:
    pixels = noisy_photo(24)
    luma = torch.tensor((0.299, 0.587, 0.114)).double() @ lr_of(pixels)[0].double().flatten(1) + 1
    luma = luma.reshape(24, 24) * 127.5
    shares = np.zeros((len(BANDS), GRID, GRID))
    frequency = np.add.outer(np.arange(GRID), np.arange(GRID))
    for top in range(GRID):
        for left in range(GRID):
            found = [
                abs(dctn(luma[y : y + GRID, x : x + GRID].numpy(), norm="ortho"))
                for y in (top, top + GRID)
                for x in (left, left + GRID)
            ]
            for number, (least, most) in enumerate(BANDS):
                mask = (frequency >= least) & (frequency <= most)
                shares[number, top, left] = np.mean([each[mask] < 1 for each in found])
    # 24 rows have 17 places for the top of a block, of which two whole grids are looked at.
    features = block_features(lr_of(pixels))[0]
    for number in range(len(BANDS)):
        ordered = np.sort(shares[number].ravel())
        median = float(features[number * PER_BAND + 3])
        assert median == pytest.approx(ordered[GRID**2 // 2], abs=0.01)
        highest = float(features[number * PER_BAND + LARGEST_SHARE]) + median
        assert highest == pytest.approx(ordered[-1], abs=0.01)


@pytest.mark.parametrize("place", [0, 1, 3, 7])
def test_a_grid_shows_wherever_it_lies(place: int) -> None:
    pixels = noisy_photo()
    assert largest_share(pixels) < 0.1
    assert largest_share(compressed(pixels, 40, place)) > 0.5


@pytest.mark.parametrize("quality", [90, 95, 97])
def test_a_hard_compression_shows_below_a_milder_one_at_another_place(quality: int) -> None:
    pixels = noisy_photo()
    once = compressed(pixels, quality)
    twice = compressed(compressed(pixels, 25, 3), quality)
    assert largest_share(twice) > largest_share(once) + 0.1


@pytest.mark.parametrize("size", [(16, 16), (17, 40), (128, 16)])
def test_numbers_are_as_many_and_finite_for_any_size(size: tuple[int, int]) -> None:
    lr = torch.zeros(2, 3, *size)
    for describe, count in ((dirt_features, NUM_FEATURES), (block_features, NUM_BLOCK_FEATURES)):
        assert describe(lr).shape == (2, count)
        assert bool(describe(lr).isfinite().all())


def test_an_estimator_that_sees_blocks_takes_both() -> None:
    lr = lr_of(noisy_photo(40))
    estimator = LevelEstimator(3, sees_blocks=True)
    assert estimator.linear1.in_features == NUM_FEATURES + NUM_BLOCK_FEATURES
    seen = estimator.describe(lr)
    assert torch.equal(seen, torch.cat([dirt_features(lr), block_features(lr)], dim=1))
    assert torch.equal(estimator(lr), estimator.answer(seen))
    assert torch.equal(LevelEstimator(3).describe(lr), dirt_features(lr))


def test_only_an_encoder_that_is_told_levels_sees_blocks() -> None:
    with pytest.raises(ConfigError, match="sees_blocks"):
        EncoderConfig(kind="residual", sees_blocks=True)
