"""Textures: a picture that repeats, whose result repeats too."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from sam_diffsr_cli.degradation.levels import CLEAN
from sam_diffsr_cli.noise import noise_window
from sam_diffsr_cli.sampling_config import SamplingConfig
from sam_diffsr_cli.tiling import Tile, plan_tiles
from sam_diffsr_cli.upscaling import tiles
from sam_diffsr_cli.upscaling.frames import UpscaleRun, enlarge_frame
from sam_diffsr_cli.upscaling.model import Upscaler
from sam_diffsr_cli.upscaling.passes import plan_passes, resize_pixels
from sam_diffsr_cli.upscaling.sizes import Size


def texture(height: int, width: int, channels: int = 3) -> np.ndarray:
    rng = np.random.default_rng(height * 1000 + width)
    return rng.integers(0, 256, (height, width, channels), dtype=np.uint8)


def enlarged(
    upscaler: Upscaler,
    pixels: np.ndarray,
    *,
    steps: int = 0,
    tile: int = 0,
    size: Size | None = None,
) -> np.ndarray:
    sampling = SamplingConfig(steps=steps, tile=tile, wrap=True)
    return enlarge_frame(
        UpscaleRun(upscaler=upscaler, sampling=sampling, levels=CLEAN, size=size), pixels
    )


def difference(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.abs(a.astype(int) - b.astype(int)).max())


@pytest.mark.parametrize("shape", [(32, 48, 3), (64, 16, 1), (32, 32, 4)])
@pytest.mark.parametrize("tile", [0, 16])
def test_rolling_the_input_rolls_the_result(
    upscaler: Upscaler, shape: tuple[int, int, int], tile: int
) -> None:
    pixels = texture(*shape)
    whole = enlarged(upscaler, pixels, tile=tile)
    rolled = enlarged(upscaler, np.roll(pixels, (8, 4), (0, 1)), tile=tile)
    # Sums are made in another order where tiles lie elsewhere.
    assert difference(np.roll(whole, (32, 16), (0, 1)), rolled) <= 1
    # Without, the borders are mirrored, and it does not hold.
    sampling = SamplingConfig(steps=0, tile=tile)
    run = UpscaleRun(upscaler=upscaler, sampling=sampling, levels=CLEAN)
    plain = enlarge_frame(run, pixels)
    moved = enlarge_frame(run, np.roll(pixels, (8, 4), (0, 1)))
    assert difference(np.roll(plain, (32, 16), (0, 1)), moved) > 8


@pytest.mark.parametrize("tile", [0, 16])
def test_with_steps_the_noise_is_rolled_too(
    upscaler: Upscaler, tile: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = texture(32, 48)
    whole = enlarged(upscaler, pixels, steps=2, tile=tile)

    def rolled_noise(
        seed: int,
        step: int,
        rows: tuple[int, int],
        columns: tuple[int, int],
        period: tuple[int, int],
    ) -> Tensor:
        height, width = period
        field = torch.roll(noise_window(seed, step, (0, height), (0, width)), (32, 16), (2, 3))
        down, across = (torch.arange(*span) for span in (rows, columns))
        return field[:, :, (down % height)[:, None], across % width]

    monkeypatch.setattr(tiles, "noise_window", rolled_noise)
    rolled = enlarged(upscaler, np.roll(pixels, (8, 4), (0, 1)), steps=2, tile=tile)
    assert difference(np.roll(whole, (32, 16), (0, 1)), rolled) <= 1


def test_the_noise_repeats_after_its_period() -> None:
    field = noise_window(3, 1, (0, 300), (0, 270), (300, 270))
    assert torch.equal(field, noise_window(3, 1, (0, 300), (0, 270)))
    beyond = noise_window(3, 1, (-20, 620), (-300, 10), (300, 270))
    assert beyond.shape == (1, 3, 640, 310)
    down, across = torch.arange(-20, 620) % 300, torch.arange(-300, 10) % 270
    assert torch.equal(beyond, field[:, :, down[:, None], across])


@pytest.mark.parametrize("side", [0, 16, 64])
def test_tiles_of_a_texture_have_context_on_all_sides(side: int) -> None:
    for tile in plan_tiles((64, 96), side, 10, 4, wrap=True):
        for span in tile:
            assert (span.start - span.first, span.last - span.stop) == (12, 12)
    # Their cores are those of the same picture without.
    plain = plan_tiles((64, 96), side, 10, 4)
    wrapped = plan_tiles((64, 96), side, 10, 4, wrap=True)
    cores: Callable[[Tile], object] = lambda t: [(s.start, s.stop) for s in t]  # noqa: E731
    assert [cores(t) for t in plain] == [cores(t) for t in wrapped]


@pytest.mark.parametrize("size", [Size(scale=6), Size(width=99), Size(scale=2.5), Size(scale=1)])
def test_any_size_of_a_texture_tiles(make_upscaler: Callable[[str], Upscaler], size: Size) -> None:
    """Of a picture that repeats itself, both halves come out alike: rounding does not bend it."""
    # Bicubic by itself, so that the network's own grid is not seen where sizes are no multiples.
    upscaler = make_upscaler("fresh")
    half = texture(16, 12)
    both = np.concatenate([half, half], axis=1)
    asked = size if size.width is None else replace(size, width=2 * size.width)
    result = enlarged(upscaler, both, size=asked)
    middle = result.shape[1] // 2
    assert result.shape[1] == 2 * middle
    assert difference(result[:, :middle], result[:, middle:]) <= 1
    assert difference(result[:, :middle], enlarged(upscaler, half, size=size)) <= 1


def test_the_whole_of_a_texture_is_the_whole_of_the_result() -> None:
    plan = plan_passes((10, 7), 5.1, 4, wrap=True)
    assert plan.middle == (13, 9)
    assert plan.cut == (52, 36)
    assert plan.size == (51, 36)


def test_a_resize_that_wraps_is_that_of_the_repeated_picture() -> None:
    pixels = texture(9, 11)

    def allocate(shape: tuple[int, int, int]) -> np.ndarray:
        return np.empty(shape, dtype=np.uint8)

    alone = resize_pixels(pixels, (20, 7), (20, 7), allocate, wrap=True)
    tiled = resize_pixels(np.tile(pixels, (3, 3, 1)), (60, 21), (60, 21), allocate)
    assert difference(alone, tiled[20:40, 7:14]) <= 1
