"""Tiles do not show, memory that runs out and numbers that overflow do not end the work."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from sam_diffsr_cli.device import resolve_device
from sam_diffsr_cli.errors import ResourceError, WeightsError
from sam_diffsr_cli.sampling_config import SamplingConfig
from sam_diffsr_cli.tiling import plan_tiles
from sam_diffsr_cli.upscaling import tiles
from sam_diffsr_cli.upscaling.frames import UpscaleRun, enlarge_frame
from sam_diffsr_cli.upscaling.model import Upscaler, load_upscaler

Maker = Callable[[str], Upscaler]
SIDES = (24, 40, 64)


def noisy(height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(height * 1000 + width)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def enlarge(
    upscaler: Upscaler, pixels: np.ndarray, steps: int, tile: int, told: list[str] | None = None
) -> np.ndarray:
    run = UpscaleRun(
        upscaler=upscaler,
        sampling=SamplingConfig(steps=steps, tile=tile),
        scale=4,
        notify=(told if told is not None else []).append,
    )
    return enlarge_frame(run, pixels)


# --------------------------------------------------------------------------------------- seams


@pytest.mark.parametrize("steps", [0, 3])
@pytest.mark.parametrize("side", SIDES)
def test_tiles_give_what_one_piece_gives(upscaler: Upscaler, steps: int, side: int) -> None:
    pixels = noisy(70, 90)
    whole = enlarge(upscaler, pixels, steps, 0).astype(int)
    tiled = enlarge(upscaler, pixels, steps, side).astype(int)
    assert np.abs(whole - tiled).max() <= 1
    assert (whole == tiled).mean() > 0.9999


@pytest.fixture(scope="module")
def bundled() -> Upscaler:
    return load_upscaler(None, resolve_device("cpu"))


def largest_step(picture: np.ndarray, borders: np.ndarray) -> tuple[float, float]:
    """Largest step between rows that meet at a border of tiles, and between other rows."""
    steps = np.abs(np.diff(picture.astype(np.int32), axis=0)).max(axis=(1, 2))
    at_border = np.isin(np.arange(1, len(picture)), borders)
    return float(steps[at_border].max()), float(steps[~at_border].max())


def tall(picture: str) -> np.ndarray:
    """Draw a picture that has several borders, and costs little, since it is narrow."""
    if picture == "gradient":
        ramp = np.linspace(100, 140, 160).round().astype(np.uint8)
        return np.tile(ramp[:, None, None], (1, 16, 3))
    return np.random.default_rng(3).integers(90, 166, (160, 16, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def whole_of(bundled: Upscaler) -> Callable[[str, int], np.ndarray]:
    """What a tall picture becomes in one piece, with so many steps."""
    return cache(lambda picture, steps: enlarge(bundled, tall(picture), steps, 0).astype(int))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("steps", "side"),
    [
        (0, 32),
        (0, 48),
        (0, 80),
        (6, 80),
        pytest.param(6, 32, marks=pytest.mark.slow),
        pytest.param(6, 48, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("picture", ["gradient", "noise"])
def test_no_border_of_tiles_can_be_found(
    bundled: Upscaler,
    whole_of: Callable[[str, int], np.ndarray],
    side: int,
    steps: int,
    picture: str,
) -> None:
    plan = plan_tiles((160, 16), side, tiles.context_margin(steps), 4)
    borders = np.array([4 * tile.rows.start for tile in plan if tile.rows.start])
    assert len(borders) >= 1
    whole = whole_of(picture, steps)
    tiled = enlarge(bundled, tall(picture), steps, side).astype(int)
    assert np.abs(whole - tiled).max() <= 1
    at_border, elsewhere = largest_step(tiled, borders)
    of_itself, _ = largest_step(whole, borders)
    # The largest step of noise may lie there by chance; then tiles must not have made it larger.
    assert at_border <= (elsewhere if picture == "gradient" else of_itself)


# -------------------------------------------------------------------------------------- memory


def starve(monkeypatch: pytest.MonkeyPatch, most: int) -> list[int]:
    """Let tiles of more than ``most`` pixels with their context run out of memory."""
    real: Any = tiles._tile_image
    sides: list[int] = []

    def hungry(upscaler: Upscaler, lr: torch.Tensor, *rest: Any) -> torch.Tensor:
        sides.append(max(lr.shape[-2:]))
        if max(lr.shape[-2:]) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        result: torch.Tensor = real(upscaler, lr, *rest)
        return result

    monkeypatch.setattr(tiles, "_tile_image", hungry)
    return sides


def test_when_memory_runs_out_tiles_are_halved_and_the_user_is_told(
    upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = noisy(256, 20)
    expected = enlarge(upscaler, pixels, 0, 0)
    sides = starve(monkeypatch, 150)
    told: list[str] = []
    np.testing.assert_array_equal(enlarge(upscaler, pixels, 0, 0, told), expected)
    assert told == [
        "memory ran out with tiles of 256 pixels; going on with 128",
        "memory ran out with tiles of 128 pixels; going on with 64",
    ]
    assert sum(side > 150 for side in sides) == 2


def test_when_even_small_tiles_do_not_fit_it_is_an_error(
    upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides = starve(monkeypatch, 0)
    with pytest.raises(ResourceError, match="out of memory"):
        enlarge(upscaler, noisy(256, 20), 0, 0)
    assert len(sides) <= 5


@pytest.mark.parametrize(
    ("free", "tile"),
    [(64 << 30, 256), (2 << 30, 256), (1 << 29, 128), (1 << 20, 64), (None, 256)],
    ids=["plenty", "enough", "little", "none", "unknown"],
)
def test_on_the_cpu_the_tile_follows_free_memory_only_where_it_is_short(
    free: int | None, tile: int, bundled: Upscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiles, "free_memory", lambda _device: free)
    assert tiles.choose_tile(bundled, 6) == tile


def test_workers_that_share_enough_memory_take_the_tile_of_one_process(
    bundled: Upscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiles, "free_memory", lambda _device: 8 << 30)
    for steps in (0, 6, 10, 100):
        assert {tiles.choose_tile(bundled, steps, workers) for workers in (1, 2, 4)} == {256}


def test_context_grows_with_the_number_of_steps() -> None:
    margins = [tiles.context_margin(steps) for steps in (0, 1, 6, 20, 100)]
    assert margins == sorted(margins)
    assert margins[0] < margins[-1]


# -------------------------------------------------------------------------------------- numbers


def overflowing(upscaler: Upscaler, *, always: bool) -> Upscaler:
    """Let a model give infinities in half precision only, as a real overflow does, or always."""
    from copy import deepcopy

    model = deepcopy(upscaler.model)
    network = model.denoise_fn
    inner: Callable[..., torch.Tensor] = network.predict  # type: ignore[assignment]  # a method

    def predict(*arguments: torch.Tensor) -> torch.Tensor:
        result = inner(*arguments)
        is_half = torch.is_autocast_enabled("cpu")
        return torch.full_like(result, float("inf")) if is_half or always else result

    network.predict = predict  # type: ignore[assignment]  # in the place of the method
    return Upscaler(model=model, device=upscaler.device, precision="bf16")


def test_a_tile_that_overflows_is_computed_again_in_fp32(upscaler: Upscaler) -> None:
    pixels = noisy(8, 8)
    expected = enlarge(upscaler, pixels, 2, 0)
    result = enlarge(overflowing(upscaler, always=False), pixels, 2, 0)
    np.testing.assert_array_equal(result, expected)


def test_a_model_that_is_never_finite_is_an_error(upscaler: Upscaler) -> None:
    with pytest.raises(WeightsError, match="not finite"):
        enlarge(overflowing(upscaler, always=True), noisy(8, 8), 2, 0)


def test_bf16_is_close_to_fp32(bundled: Upscaler) -> None:
    half = Upscaler(model=bundled.model, device=bundled.device, precision="bf16")
    pixels = np.kron(noisy(6, 6), np.ones((6, 6, 1), dtype=np.uint8))
    whole = enlarge(bundled, pixels, 2, 0).astype(int)
    assert np.abs(whole - enlarge(half, pixels, 2, 0)).max() <= 4
