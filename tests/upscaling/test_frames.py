"""One frame enlarged: sizes, depths, channels, colours and transparency."""

from collections.abc import Callable
from dataclasses import replace

import imagecodecs
import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from sam_diffsr_cli import resize
from sam_diffsr_cli.device import resolve_device
from sam_diffsr_cli.errors import InputError, ShapeError
from sam_diffsr_cli.sampling_config import SamplingConfig
from sam_diffsr_cli.upscaling.frames import UpscaleRun, enlarge_frame
from sam_diffsr_cli.upscaling.model import Upscaler, load_upscaler
from sam_diffsr_cli.upscaling.sizes import Size

Maker = Callable[[str], Upscaler]
P3_PRIMARIES = (0.680, 0.320, 1.0, 0.265, 0.690, 1.0, 0.150, 0.060, 1.0)


def noisy(height: int, width: int, channels: int = 3, dtype: type = np.uint8) -> np.ndarray:
    rng = np.random.default_rng(height * 1000 + width)
    return rng.integers(0, np.iinfo(dtype).max + 1, (height, width, channels), dtype=dtype)


def enlarge(
    upscaler: Upscaler,
    pixels: np.ndarray,
    *,
    scale: float = 4,
    steps: int = 2,
    seed: int = 0,
    tile: int = 0,
    icc: bytes | None = None,
) -> np.ndarray:
    sampling = SamplingConfig(steps=steps, seed=seed, tile=tile)
    return enlarge_frame(UpscaleRun(upscaler=upscaler, sampling=sampling, scale=scale), pixels, icc)


def p3_profile() -> bytes:
    return bytes(
        imagecodecs.cms_profile(
            "rgb", whitepoint=(0.3127, 0.3290, 1.0), primaries=P3_PRIMARIES, gamma=2.2
        )
    )


# ------------------------------------------------------------------------------------- sizes


@pytest.mark.parametrize("kind", ["folded", "full"])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 2), (13, 18)], ids=str)
def test_the_result_is_exactly_four_times_any_size(
    make_upscaler: Maker, kind: str, size: tuple[int, int]
) -> None:
    result = enlarge(make_upscaler(kind), noisy(*size))
    assert result.shape == (4 * size[0], 4 * size[1], 3)
    assert result.dtype == np.uint8


@pytest.mark.parametrize("kind", ["folded", "twice"])
@pytest.mark.parametrize("scale", [1, 1.5, 2, 3, 3.3, 4, 4.1, 5, 8, 10.7, 16])
def test_any_scale_gives_the_rounded_size(make_upscaler: Maker, kind: str, scale: float) -> None:
    result = enlarge(make_upscaler(kind), noisy(7, 5), scale=scale, steps=0)
    assert result.shape == (int(7 * scale + 0.5), int(5 * scale + 0.5), 3)


@pytest.mark.parametrize("scale", [0.5, 0, 16.5, -4, float("nan"), float("inf")])
def test_a_scale_out_of_range_is_refused(upscaler: Upscaler, scale: float) -> None:
    with pytest.raises(InputError, match="--scale"):
        enlarge(upscaler, noisy(4, 4), scale=scale)


@pytest.mark.parametrize("scale", [1, 2, 2.5, 3, 5, 6.4, 16])
def test_a_ramp_stays_the_same_ramp_at_any_scale(make_upscaler: Maker, scale: float) -> None:
    """Bicubic keeps a ramp (away from the border), so nothing is shifted or stretched."""
    ramp = np.tile(np.linspace(0, 60000, 48)[:, None, None], (1, 8, 3)).astype(np.uint16)
    result = enlarge(make_upscaler("fresh"), ramp, scale=scale, steps=0)
    # The size is rounded, and so is what a pixel spans.
    centres = (np.arange(len(result)) + 0.5) * 48 / len(result) - 0.5
    expected = np.interp(centres, np.arange(48), ramp[:, 0, 0])
    inner = (centres > 6) & (centres < 41)
    assert np.abs(result[inner, 3, 0] - expected[inner]).max() < 8


# ---------------------------------------------------------------------------------- the model


def test_same_seed_same_picture_other_seed_another(upscaler: Upscaler) -> None:
    pixels = noisy(12, 10)
    first = enlarge(upscaler, pixels, seed=5)
    np.testing.assert_array_equal(first, enlarge(upscaler, pixels, seed=5))
    assert (first != enlarge(upscaler, pixels, seed=6)).any()


def test_the_second_pass_has_noise_of_its_own(upscaler: Upscaler) -> None:
    """The first pass on the same picture must not be what the second repeats."""
    once = enlarge(upscaler, np.full((4, 4, 3), 128, dtype=np.uint8), scale=4)
    twice = enlarge(upscaler, np.full((1, 1, 3), 128, dtype=np.uint8), scale=16)
    assert (once != twice).any()


def test_without_steps_the_encoder_answers(upscaler: Upscaler) -> None:
    pixels = noisy(8, 8)
    lr = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.inference_mode():
        sr = upscaler.model.rrdb(lr).sr.clamp(-1, 1)
    expected = ((sr[0].permute(1, 2, 0) + 1) * 127.5).numpy()
    assert np.abs(enlarge(upscaler, pixels, steps=0) - expected).max() <= 0.501


def test_an_untrained_lite_encoder_is_bicubic(make_upscaler: Maker) -> None:
    pixels = noisy(8, 12)
    levels = torch.from_numpy(pixels).permute(2, 0, 1)[None].double()
    expected = resize.upscale(levels, 4).clamp(0, 255)[0].permute(1, 2, 0).numpy()
    result = enlarge(make_upscaler("fresh"), pixels, steps=0)
    assert np.abs(result - expected).max() <= 0.501


def test_more_steps_than_the_chain_has_are_refused(upscaler: Upscaler) -> None:
    with pytest.raises(InputError, match="--steps 11"):
        enlarge(upscaler, noisy(4, 4), steps=11)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4, 3), dtype=np.float32),
        np.zeros((4, 4), dtype=np.uint8),
        np.zeros((4, 4, 5), dtype=np.uint8),
        np.zeros((0, 4, 3), dtype=np.uint8),
    ],
    ids=["float", "flat", "five channels", "empty"],
)
def test_pixels_of_another_kind_are_refused(upscaler: Upscaler, pixels: np.ndarray) -> None:
    with pytest.raises(ShapeError, match="expected"):
        enlarge(upscaler, pixels)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pixels_are_not_changed(upscaler: Upscaler, channels: int, dtype: type) -> None:
    pixels = noisy(9, 9, channels, dtype)
    before = pixels.copy()
    result = enlarge(upscaler, pixels)
    np.testing.assert_array_equal(pixels, before)
    assert result.shape == (36, 36, channels)
    assert result.dtype == dtype


def test_progress_rises_to_one(upscaler: Upscaler) -> None:
    shares: list[float] = []
    sampling = SamplingConfig(steps=2, tile=16)
    run = UpscaleRun(upscaler=upscaler, sampling=sampling, scale=4, progress=shares.append)
    enlarge_frame(run, noisy(40, 20, 4))
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)


# ------------------------------------------------------------------------------ depth and gray


def test_sixteen_bits_hold_what_eight_bits_round(upscaler: Upscaler) -> None:
    pixels = noisy(12, 9)
    shallow = enlarge(upscaler, pixels).astype(np.float64)
    deep = enlarge(upscaler, pixels.astype(np.uint16) * 257).astype(np.float64) / 257
    assert np.abs(deep - shallow).max() <= 0.502
    assert len(np.unique(deep)) > 256


def test_gray_is_the_luma_of_the_same_picture_in_colour(upscaler: Upscaler) -> None:
    gray = noisy(10, 11, 1)
    colour = enlarge(upscaler, np.repeat(gray, 3, axis=2).astype(np.uint16) * 257)
    luma = colour.astype(np.float64) / 257 @ np.array([0.299, 0.587, 0.114])
    assert np.abs(enlarge(upscaler, gray)[..., 0] - luma).max() <= 0.51


# -------------------------------------------------------------------------------- transparency


def test_opaque_and_clear_pictures_stay_so(upscaler: Upscaler) -> None:
    for alpha in (0, 77, 255):
        pixels = noisy(8, 8, 4)
        pixels[..., 3] = alpha
        assert (enlarge(upscaler, pixels)[..., 3] == alpha).all()


def test_an_opaque_picture_is_the_same_with_and_without_alpha(upscaler: Upscaler) -> None:
    pixels = noisy(8, 8, 4)
    pixels[..., 3] = 255
    np.testing.assert_array_equal(
        enlarge(upscaler, pixels)[..., :3], enlarge(upscaler, pixels[..., :3])
    )


def test_hidden_colours_have_no_effect(upscaler: Upscaler) -> None:
    pixels = noisy(16, 16, 4)
    pixels[..., 3] = np.where(np.hypot(*np.mgrid[-8:8, -8:8]) < 6, 255, 0)
    other = pixels.copy()
    other[pixels[..., 3] == 0, :3] = (0, 255, 0)
    np.testing.assert_array_equal(enlarge(upscaler, pixels), enlarge(upscaler, other))


def test_alpha_stays_between_its_neighbours(upscaler: Upscaler) -> None:
    pixels = noisy(9, 9, 2)
    result = enlarge(upscaler, pixels)[..., 1]
    padded = np.pad(pixels[..., 1], 1, mode="edge")
    around = np.stack([padded[y : y + 9, x : x + 9] for y in range(3) for x in range(3)])
    lowest, highest = (np.kron(f(around, axis=0), np.ones((4, 4))) for f in (np.min, np.max))
    assert (result >= lowest).all()
    assert (result <= highest).all()


# -------------------------------------------------------------------------------------- colour


def test_a_wide_gamut_colour_beyond_srgb_survives(make_upscaler: Maker) -> None:
    pixels = np.zeros((8, 8, 3), dtype=np.uint8)
    pixels[...] = (255, 0, 0)
    result = enlarge(make_upscaler("fresh"), pixels, steps=0, icc=p3_profile())
    assert np.abs(result.astype(int) - (255, 0, 0)).max() <= 1


def test_a_profile_changes_what_the_network_sees(upscaler: Upscaler) -> None:
    pixels = noisy(8, 8)
    assert (enlarge(upscaler, pixels) != enlarge(upscaler, pixels, icc=p3_profile())).any()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colours_come_back_into_their_own_space(make_upscaler: Maker, dtype: type) -> None:
    """Smooth pixels in a wide space through an untrained encoder: bicubic in that space."""
    y, x = np.mgrid[0:24, 0:24] / 23
    unit = np.stack([0.2 + 0.6 * y, 0.3 + 0.4 * x, 0.5 + 0 * x], axis=-1)
    top = np.iinfo(dtype).max
    pixels: np.ndarray = (unit * top).round().astype(dtype)
    upscaler = make_upscaler("fresh")
    plain = enlarge(upscaler, pixels, steps=0).astype(np.float64) / top
    managed = enlarge(upscaler, pixels, steps=0, icc=p3_profile()).astype(np.float64) / top
    assert np.abs(plain - managed).max() < 1.5 / 255


def test_a_gray_profile_is_carried_through(make_upscaler: Maker) -> None:
    profile = bytes(imagecodecs.cms_profile("gray", gamma=1.0))
    pixels = np.full((6, 6, 1), 60, dtype=np.uint8)
    result = enlarge(make_upscaler("fresh"), pixels, steps=0, icc=profile)
    assert np.abs(result.astype(int) - 60).max() <= 1


# ------------------------------------------------------------------------------- bundled model


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


@pytest.mark.parametrize(
    ("size", "box"), [((60, 100), (240, 240)), ((100, 37), (148, 148)), ((50, 90), (150, 100))]
)
def test_fill_is_the_middle_of_the_whole(
    upscaler: Upscaler, size: tuple[int, int], box: tuple[int, int]
) -> None:
    pixels = np.random.default_rng(0).integers(256, size=(*size, 3), dtype=np.uint8)
    # Smooth, as photos are.
    pixels = np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(1.5)))
    sampling = SamplingConfig(steps=0, tile=0)
    run = UpscaleRun(upscaler=upscaler, sampling=sampling, size=Size(fill=box))
    filled = enlarge_frame(run, pixels)
    factor = max(box[1] / size[0], box[0] / size[1])
    whole = enlarge_frame(replace(run, size=None, scale=factor), pixels)
    top, left = ((whole.shape[axis] - box[1 - axis]) // 2 for axis in (0, 1))
    middle = whole[top : top + box[1], left : left + box[0]]
    assert filled.shape == middle.shape
    assert np.abs(filled.astype(int) - middle.astype(int)).max() <= 1
