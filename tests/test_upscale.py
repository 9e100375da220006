"""One photo in, one photo out: sizes, seeds, tiles, and what travels beside the pixels."""

import numpy as np
import pytest
import torch

from sam_diffsr_cli import resize
from sam_diffsr_cli.config import (
    DiffusionConfig,
    EncoderConfig,
    ModelConfig,
    SamplingConfig,
    UNetConfig,
)
from sam_diffsr_cli.data.images import Photo
from sam_diffsr_cli.device import resolve_device
from sam_diffsr_cli.errors import InputError, ShapeError
from sam_diffsr_cli.models.model import SuperResolver, build_model
from sam_diffsr_cli.upscale import Upscaler, load_upscaler, upscale_photo, upscale_pixels

LITE = ModelConfig(
    encoder=EncoderConfig(kind="residual", num_feat=8, num_block=2),
    unet=UNetConfig(kind="folded", widths=(8, 8)),
    diffusion=DiffusionConfig(
        num_timesteps=10, base="encoder", residual_scale=4.0, sigma_data=0.33, sampling_steps=2
    ),
)
FULL = ModelConfig(
    encoder=EncoderConfig(kind="rrdb", num_feat=8, num_block=2),
    unet=UNetConfig(kind="full", widths=(8, 8, 8, 8)),
    diffusion=DiffusionConfig(num_timesteps=10, sampling_steps=2),
    lr_divisor=256,
)


def shaken(config: ModelConfig) -> SuperResolver:
    """Build a model none of whose layers is zero, so that every path has an effect."""
    model = build_model(config)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.03)
    return model.eval()


def small_upscaler(config: ModelConfig = LITE) -> Upscaler:
    return Upscaler(shaken(config), torch.device("cpu"))


def noisy_pixels(height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(height * 1000 + width)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def silent(share: float) -> None:
    """Take progress and do nothing with it."""


def enlarge(
    upscaler: Upscaler, pixels: np.ndarray, *, steps: int = 2, seed: int = 0, tile: int = 0
) -> np.ndarray:
    sampling = SamplingConfig(steps=steps, seed=seed, tile=tile)
    return upscale_pixels(upscaler, pixels, sampling, silent)


@pytest.mark.parametrize("config", [LITE, FULL], ids=["folded", "full"])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 2), (13, 18)], ids=str)
def test_the_result_is_exactly_four_times_any_size(
    config: ModelConfig, size: tuple[int, int]
) -> None:
    result = enlarge(small_upscaler(config), noisy_pixels(*size))
    assert result.shape == (4 * size[0], 4 * size[1], 3)
    assert result.dtype == np.uint8


def test_same_seed_same_picture_other_seed_another() -> None:
    upscaler, pixels = small_upscaler(), noisy_pixels(12, 10)
    first = enlarge(upscaler, pixels, seed=5)
    np.testing.assert_array_equal(first, enlarge(upscaler, pixels, seed=5))
    assert (first != enlarge(upscaler, pixels, seed=6)).any()


@pytest.mark.parametrize("steps", [0, 3])
def test_tiles_give_what_one_piece_gives(steps: int) -> None:
    upscaler, pixels = small_upscaler(), noisy_pixels(70, 90)
    whole = enlarge(upscaler, pixels, steps=steps).astype(int)
    tiled = enlarge(upscaler, pixels, steps=steps, tile=24).astype(int)
    assert np.abs(whole - tiled).max() <= 1


def test_without_steps_the_encoder_answers() -> None:
    upscaler, pixels = small_upscaler(), noisy_pixels(8, 8)
    lr = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.inference_mode():
        sr = upscaler.model.rrdb(lr).sr.clamp(-1, 1)
    expected = ((sr[0].permute(1, 2, 0) + 1) * 127.5).round().to(torch.uint8).numpy()
    np.testing.assert_array_equal(enlarge(upscaler, pixels, steps=0), expected)


def test_an_untrained_lite_encoder_is_bicubic() -> None:
    upscaler = Upscaler(build_model(LITE).eval(), torch.device("cpu"))
    pixels = noisy_pixels(8, 12)
    levels = torch.from_numpy(pixels).permute(2, 0, 1)[None].double()
    expected = resize.upscale(levels, 4).clamp(0, 255)[0].permute(1, 2, 0).numpy()
    assert np.abs(enlarge(upscaler, pixels, steps=0) - expected).max() <= 0.501


def test_progress_rises_to_one() -> None:
    shares: list[float] = []
    sampling = SamplingConfig(steps=2, tile=16, halo=4)
    upscale_pixels(small_upscaler(), noisy_pixels(40, 20), sampling, shares.append)
    assert shares == sorted(shares)
    assert len(shares) == 2 * 3 * 2
    assert shares[-1] == pytest.approx(1.0)


def test_more_steps_than_the_chain_has_are_refused() -> None:
    with pytest.raises(InputError, match="--steps 11"):
        enlarge(small_upscaler(), noisy_pixels(4, 4), steps=11)


def test_pixels_of_another_type_are_refused() -> None:
    with pytest.raises(ShapeError, match="uint8"):
        enlarge(small_upscaler(), np.zeros((4, 4, 3), dtype=np.float32))


def test_what_travels_beside_the_pixels_is_kept() -> None:
    alpha = np.full((5, 6), 77, dtype=np.uint8)
    photo = Photo(noisy_pixels(5, 6), alpha, is_gray=True, icc_profile=b"icc", exif=b"exif")
    result = upscale_photo(small_upscaler(), photo, SamplingConfig(steps=0), silent)
    assert result.alpha is not None
    np.testing.assert_array_equal(result.alpha, np.full((20, 24), 77, dtype=np.uint8))
    assert (result.is_gray, result.icc_profile, result.exif) == (True, b"icc", b"exif")


def test_the_photo_is_not_changed() -> None:
    pixels = noisy_pixels(9, 9)
    before = pixels.copy()
    enlarge(small_upscaler(), pixels)
    np.testing.assert_array_equal(pixels, before)


def test_the_bundled_model_beats_bicubic_on_a_drawn_edge() -> None:
    """A dark disc on a light ground: the shipped weights must bring its edge nearer the truth."""
    y, x = np.mgrid[0:128, 0:128]
    edge = np.clip((np.hypot(x - 60.0, y - 66.0) - 40) + 0.5, 0, 1)
    hr = np.repeat((40 + 170 * edge)[..., None], 3, axis=2).round().astype(np.uint8)
    levels = torch.from_numpy(hr).permute(2, 0, 1)[None].double()
    low = resize.downscale_uint8(levels, 4)
    lr = low[0].permute(1, 2, 0).to(torch.uint8).numpy()
    bicubic = resize.upscale_uint8(low, 4)[0].permute(1, 2, 0).numpy()
    upscaler = load_upscaler(None, resolve_device("cpu"))
    bicubic_error = np.square(bicubic - hr).mean()
    for steps in (0, upscaler.config.diffusion.sampling_steps):
        sr = enlarge(upscaler, lr, steps=steps).astype(float)
        assert np.square(sr - hr).mean() < 0.5 * bicubic_error
