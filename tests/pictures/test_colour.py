"""Colours of wide spaces reach sRGB and come back; what is not wide is left alone."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from sam_diffsr_cli.pictures.colour import (
    ColourPath,
    colour_path,
    srgb_levels,
    srgb_profile,
)
from sam_diffsr_cli.pictures.reading import read_levels
from tests.pictures import samples

GRAY_GAMMA = samples.profile("gray", gamma=1.8)
WIDE = {"adobe": samples.profile("adobergb"), "p3": samples.p3_profile()}
WIDE_SPACES = pytest.mark.parametrize("icc", WIDE.values(), ids=list(WIDE))
LEVEL = 257
"""One 8-bit level, in 16."""


def path_of(icc: bytes, channels: int = 3) -> ColourPath:
    path = colour_path(icc, channels)
    assert path is not None
    return path


def in_gamut(count: int = 2000) -> np.ndarray:
    """Levels of sRGB, which every wider space holds."""
    return samples.levels(count // 50, 50, 3, dtype=np.uint16)


def by_pillow(pixels: np.ndarray, source: bytes, target: bytes, mode: str = "RGB") -> np.ndarray:
    image = Image.fromarray(pixels)
    result = ImageCms.profileToProfile(
        image,
        ImageCms.ImageCmsProfile(io.BytesIO(source)),
        ImageCms.ImageCmsProfile(io.BytesIO(target)),
        outputMode=mode,
        flags=ImageCms.Flags.NOOPTIMIZE,
    )
    assert result is not None
    return np.asarray(result)


@WIDE_SPACES
def test_levels_of_srgb_survive_the_way_to_a_wide_space_and_back(icc: bytes) -> None:
    path, levels = path_of(icc), in_gamut()
    back = path.to_srgb(path.from_srgb(levels))
    assert np.abs(back.astype(int) - levels).max() <= LEVEL


@WIDE_SPACES
def test_levels_of_a_wide_space_within_srgb_survive(icc: bytes) -> None:
    path = path_of(icc)
    native = path.from_srgb(in_gamut())
    back = path.from_srgb(path.to_srgb(native))
    assert np.abs(back.astype(int) - native).max() <= LEVEL


@WIDE_SPACES
def test_the_way_to_srgb_is_that_of_pillow(icc: bytes) -> None:
    levels = samples.levels(20, 50, 3)
    ours = path_of(icc).to_srgb(levels.astype(np.uint16) * 257)
    theirs = by_pillow(levels, icc, srgb_profile())
    assert np.abs(ours / 257 - theirs).max() <= 0.6


@WIDE_SPACES
def test_the_way_from_srgb_is_that_of_pillow(icc: bytes) -> None:
    levels = samples.levels(20, 50, 3)
    ours = path_of(icc).from_srgb(levels.astype(np.uint16) * 257)
    theirs = by_pillow(levels, srgb_profile(), icc)
    assert np.abs(ours / 257 - theirs).max() <= 0.6


@WIDE_SPACES
def test_black_and_white_stay(icc: bytes) -> None:
    ends = np.array([[[0, 0, 0], [65535, 65535, 65535]]], dtype=np.uint16)
    assert np.abs(path_of(icc).to_srgb(ends).astype(int) - ends).max() <= LEVEL


def test_a_green_of_adobe_rgb_is_clipped_in_srgb() -> None:
    green = np.array([[[0, 65535, 0]]], dtype=np.uint16)
    red, full, _ = path_of(WIDE["adobe"]).to_srgb(green)[0, 0]
    assert red == 0
    assert full == 65535


def test_gray_reaches_srgb_as_equal_channels_by_its_gamma() -> None:
    ramp = np.linspace(0, 65535, 64).round().astype(np.uint16)[None, :, None]
    srgb = path_of(GRAY_GAMMA, 1).to_srgb(ramp)
    linear = (ramp[..., 0] / 65535) ** 1.8
    expected = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert srgb.shape == (1, 64, 3)
    assert np.abs(srgb / 65535 - expected[..., None]).max() <= 1 / 255


def test_gray_survives_the_way_to_srgb_and_back() -> None:
    path = path_of(GRAY_GAMMA, 1)
    ramp = np.arange(0, 65536, 257, dtype=np.uint16)[None, :, None]
    back = path.from_srgb(path.to_srgb(ramp))
    assert back.shape == ramp.shape
    assert np.abs(back.astype(int) - ramp).max() <= LEVEL


@pytest.mark.parametrize(("icc", "channels"), [(WIDE["adobe"], 3), (GRAY_GAMMA, 1)])
def test_views_that_are_not_contiguous_are_transformed_alike(icc: bytes, channels: int) -> None:
    path = path_of(icc, channels)
    whole = samples.levels(8, 10, 4, dtype=np.uint16)
    view = whole[::-1, ::2, :channels]
    assert np.array_equal(path.to_srgb(view), path.to_srgb(view.copy()))


def test_one_pixel_is_transformed() -> None:
    path = path_of(WIDE["adobe"])
    one = np.array([[[1000, 30_000, 50_000]]], dtype=np.uint16)
    assert path.from_srgb(path.to_srgb(one)).shape == (1, 1, 3)


NOTHING_TO_DO: dict[str, tuple[bytes | None, int]] = {
    "none": (None, 3),
    "empty": (b"", 3),
    "srgb": (srgb_profile(), 3),
    "pillows-srgb": (ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), 3),
    "junk": (b"junk" * 100, 3),
    "header-only": (WIDE["adobe"][:128], 3),
    "half": (WIDE["adobe"][: len(WIDE["adobe"]) // 2], 3),
    "tags-wiped": (WIDE["adobe"][:128] + bytes(len(WIDE["adobe"]) - 128), 3),
    "rgb-for-gray": (WIDE["adobe"], 1),
    "gray-for-rgb": (GRAY_GAMMA, 3),
    "inks-for-rgb": (WIDE["adobe"][:16] + b"CMYK" + WIDE["adobe"][20:], 3),
    "lab-for-rgb": (WIDE["adobe"][:16] + b"Lab " + WIDE["adobe"][20:], 3),
}


@pytest.mark.parametrize("name", NOTHING_TO_DO)
def test_a_profile_that_is_srgb_or_of_no_use_needs_no_way(name: str) -> None:
    assert colour_path(*NOTHING_TO_DO[name]) is None


def test_the_srgb_profile_is_the_same_every_time_and_pillow_takes_it() -> None:
    made = srgb_profile()
    assert made == srgb_profile()
    opened = ImageCms.ImageCmsProfile(io.BytesIO(made))
    levels = samples.levels(5, 6, 3)
    again = ImageCms.profileToProfile(
        Image.fromarray(levels), opened, ImageCms.createProfile("sRGB")
    )
    assert again is not None
    assert np.abs(np.asarray(again).astype(int) - levels).max() <= 1


# ------------------------------------------------------------------------------- for a network


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_levels_for_a_network_are_in_srgb(dtype: type) -> None:
    icc = samples.p3_profile()
    pixels = samples.smooth(8, 8) // 2 + 60
    deep = dtype is np.uint16
    stored = pixels.astype(np.uint16) * 257 if deep else pixels
    made = ImageCms.profileToProfile(
        Image.fromarray(pixels),
        ImageCms.ImageCmsProfile(io.BytesIO(icc)),
        ImageCms.createProfile("sRGB"),
        flags=ImageCms.Flags.NOOPTIMIZE,
    )
    assert made is not None
    got = srgb_levels(stored, icc)
    assert np.abs(got.astype(int) - np.asarray(made)).max() <= 1
    assert np.abs(got.astype(int) - pixels).max() > 5


def test_levels_without_a_profile_are_as_they_are() -> None:
    pixels = samples.levels(4, 5, 4)
    assert np.array_equal(srgb_levels(pixels, None), pixels[..., :3])


def test_gray_levels_go_through_their_profile() -> None:
    icc = samples.profile("gray", gamma=1.0)
    pixels = np.full((2, 2, 1), 128, dtype=np.uint8)
    got = srgb_levels(pixels, icc)
    assert got.shape == (2, 2, 3)
    assert abs(int(got[0, 0, 0]) - 188) <= 2


def test_a_file_is_read_for_a_network_in_srgb(tmp_path: Path) -> None:
    pixels, icc = samples.smooth(8, 8) // 2 + 60, samples.p3_profile()
    path = tmp_path / "a.png"
    path.write_bytes(samples.saved(pixels, "PNG", icc_profile=icc))
    assert np.array_equal(read_levels(path), srgb_levels(pixels, icc))
