"""Degraded crops: they follow from their seed, and their levels say what was done."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from sam_diffsr_cli import resize
from sam_diffsr_cli.degradation.levels import CLEAN, MOST_NOISE, Levels
from sam_diffsr_cli.degradation.photo import (
    GRID,
    SHRINK_SHARES,
    Degraded,
    Noise,
    add_noise,
    clean_twin,
    compress_crop,
    degrade_photo,
    shrink,
)
from sam_diffsr_cli.degradation.second_order import degrade_second_order

Degrade = Callable[[torch.Tensor, int, np.random.Generator], Degraded]
BOTH = pytest.mark.parametrize(
    "degrade", [degrade_photo, degrade_second_order], ids=["photo", "second-order"]
)


def crop(height: int = 96, width: int = 96, seed: int = 0) -> torch.Tensor:
    """A smooth picture with edges, ``(3, height, width)`` uint8."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, -(-height // 12), -(-width // 12), generator=generator) * 255
    smooth = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic")
    smooth[..., height // 2 :, : width // 3] = 240
    return smooth[0].clamp(0, 255).round().to(torch.uint8)


@BOTH
@pytest.mark.parametrize("scale", [2, 4])
def test_a_crop_follows_from_its_seed(degrade: Degrade, scale: int) -> None:
    first = [degrade(crop(), scale, np.random.default_rng(seed)) for seed in range(12)]
    again = [degrade(crop(), scale, np.random.default_rng(seed)) for seed in range(12)]
    for one, other in zip(first, again, strict=True):
        assert torch.equal(one.lr, other.lr)
        assert one.levels == other.levels
    assert len({one.lr.numpy().tobytes() for one in first}) == 12


@BOTH
@pytest.mark.parametrize("size", [(4, 4), (4, 44), (52, 68), (96, 96)])
def test_any_size_gives_whole_levels_of_that_size(degrade: Degrade, size: tuple[int, int]) -> None:
    for seed in range(20):
        found = degrade(crop(*size), 4, np.random.default_rng(seed))
        assert found.lr.shape == (3, size[0] // 4, size[1] // 4)
        assert found.lr.dtype == torch.float32
        assert torch.equal(found.lr, found.lr.round().clamp(0, 255))
        assert all(0 <= level <= 1 for level in found.levels)


def test_a_gray_crop_stays_gray() -> None:
    gray = crop()[:1].expand(3, -1, -1).contiguous()
    for seed in range(30):
        lr = degrade_photo(gray, 4, np.random.default_rng(seed)).lr
        assert torch.equal(lr[0], lr[1])
        assert torch.equal(lr[1], lr[2])


def test_a_crop_is_not_changed() -> None:
    given = crop()
    kept = given.clone()
    for seed in range(10):
        degrade_photo(given, 4, np.random.default_rng(seed))
    assert torch.equal(given, kept)


def test_the_clean_twin_is_matlabs_bicubic() -> None:
    expected = resize.downscale_uint8(crop()[None].double(), 4)[0].float()
    assert torch.equal(clean_twin(crop(), 4).lr, expected)
    assert clean_twin(crop(), 4).levels == CLEAN


def test_draws_cover_what_photos_suffer() -> None:
    found = [degrade_photo(crop(48, 48), 4, np.random.default_rng(s)).levels for s in range(300)]
    shares = Levels(*(sum(level > 0 for level in each) / 300 for each in zip(*found, strict=True)))
    assert 0.75 < shares.compression < 0.95
    assert 0.5 < shares.noise < 0.8
    assert 0.55 < shares.blur < 0.85
    assert max(levels.compression for levels in found) > 0.8
    assert max(levels.noise for levels in found) > 0.7


@pytest.mark.parametrize("sigma", [2.0, 10.0])
@pytest.mark.parametrize("is_gray", [False, True])
@pytest.mark.parametrize("grain", [0.0, 0.7])
def test_noise_has_its_strength(sigma: float, is_gray: bool, grain: float) -> None:
    flat = torch.full((1, 3, 128, 128), 128.0)
    noise = Noise(sigma=sigma, gray=is_gray, grain=grain)
    added = add_noise(flat, noise, np.random.default_rng(3)) - flat
    assert float(added.std()) == pytest.approx(sigma, rel=0.05)
    assert torch.equal(added[:, 0], added[:, 1]) is is_gray
    beside = float((added[..., 1:] * added[..., :-1]).mean()) / sigma**2
    assert (beside > 0.2) is (grain > 0)


def test_noise_of_light_grows_with_it() -> None:
    noise = Noise(sigma=10.0, poisson=True)
    for level in (16.0, 64.0, 255.0):
        flat = torch.full((1, 3, 128, 128), level)
        added = add_noise(flat, noise, np.random.default_rng(3)) - flat
        assert float(added.std()) == pytest.approx(10 * (level / 255) ** 0.5, rel=0.05)


def test_the_level_of_noise_is_what_was_added() -> None:
    flat = torch.full((3, 256, 256), 128, dtype=torch.uint8)
    for seed in range(60):
        found = degrade_photo(flat, 4, np.random.default_rng(seed))
        if found.levels.compression == 0 and 0.05 < found.levels.noise < 1:
            std = float((found.lr - 128).std())
            assert std == pytest.approx(found.levels.noise * MOST_NOISE, rel=0.1, abs=0.3)


@pytest.mark.parametrize("kind", SHRINK_SHARES)
def test_every_way_of_shrinking_keeps_a_flat_picture(kind: str) -> None:
    flat = torch.full((1, 3, 16, 24), 77.0)
    torch.testing.assert_close(shrink(flat, 4, kind), torch.full((1, 3, 4, 6), 77.0))


def test_compression_begins_its_grid_anywhere_and_leaves_the_rest() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    corners = set()
    for seed in range(200):
        packed, quality = compress_crop(pixels, np.random.default_rng(seed), is_gray=False)
        assert 15 <= quality < 98
        changed = (packed != pixels).any(axis=2)
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        assert rows[0] < GRID
        assert columns[0] < GRID
        corners.add((rows[0], columns[0]))
    assert len(corners) > 40
