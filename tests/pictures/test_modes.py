"""Every pixel mode of Pillow becomes gray or RGB without a change that is not said."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures.colour import srgb_profile
from sam_diffsr_cli.pictures.modes import frame_pixels, is_deep, turn_upright
from tests.pictures import samples
from tests.workshop.corpus.profiles import ink_colour, ink_profile

INKS = np.array([[[255, 0, 0, 0], [0, 255, 0, 0], [0, 0, 255, 0], [0, 0, 0, 255]]], dtype=np.uint8)


def pixels_of(image: Image.Image) -> np.ndarray:
    pixels, note, profile = frame_pixels(image, "sample")
    assert note is None
    assert profile is None
    return pixels


def transposed(stored: np.ndarray, orientation: int) -> np.ndarray:
    image = Image.fromarray(samples.squeezed(stored))
    image.getexif()[0x0112] = orientation
    upright = ImageOps.exif_transpose(image)
    assert upright is not None
    return np.asarray(upright).reshape(*upright.size[::-1], stored.shape[2])


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_turning_upright_is_what_pillow_does(orientation: int, channels: int) -> None:
    stored = samples.levels(5, 8, channels)
    assert np.array_equal(turn_upright(stored, orientation), transposed(stored, orientation))


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("LA", 2), ("RGB", 3), ("RGBA", 4)])
def test_plain_modes_keep_their_levels(mode: str, channels: int) -> None:
    levels = samples.levels(5, 6, channels)
    image = Image.fromarray(samples.squeezed(levels))
    assert image.mode == mode
    assert np.array_equal(pixels_of(image), levels)


def test_one_bit_becomes_black_and_white_gray() -> None:
    bits = samples.levels(5, 9, 1) > 127
    pixels = pixels_of(Image.fromarray(bits[..., 0]))
    assert np.array_equal(pixels, bits * np.uint8(255))


def palette_image(**info: object) -> Image.Image:
    image = Image.fromarray(np.array([[0, 1, 2]], dtype=np.uint8))
    image.putpalette([250, 0, 0, 0, 240, 0, 0, 0, 230])
    image.info.update(info)
    return image


def test_a_palette_becomes_its_colours() -> None:
    assert pixels_of(palette_image()).tolist() == [[[250, 0, 0], [0, 240, 0], [0, 0, 230]]]


def test_a_clear_colour_of_a_palette_becomes_alpha() -> None:
    pixels = pixels_of(palette_image(transparency=1))
    assert pixels[0, :, 3].tolist() == [255, 0, 255]
    assert pixels[0, :, :3].tolist() == [[250, 0, 0], [0, 240, 0], [0, 0, 230]]


def test_a_palette_of_many_alphas_becomes_those() -> None:
    assert pixels_of(palette_image(transparency=b"\x00\x80"))[0, :, 3].tolist() == [0, 128, 255]


def test_a_clear_level_of_gray_becomes_alpha_and_stays_gray() -> None:
    image = Image.fromarray(np.array([[10, 20]], dtype=np.uint8))
    image.info["transparency"] = 20
    assert pixels_of(image).tolist() == [[[10, 255], [20, 0]]]


def test_a_clear_colour_becomes_alpha() -> None:
    image = Image.fromarray(np.array([[[1, 2, 3], [4, 5, 6]]], dtype=np.uint8))
    image.info["transparency"] = (4, 5, 6)
    assert pixels_of(image).tolist() == [[[1, 2, 3, 255], [4, 5, 6, 0]]]


@pytest.mark.parametrize(("mode", "channels"), [("RGBa", 4), ("La", 2)])
def test_premultiplied_colours_are_divided_by_alpha(mode: str, channels: int) -> None:
    stored = Image.new(mode, (1, 1), (*[50] * (channels - 1), 100))
    assert pixels_of(stored).tolist() == [[[*[50 * 255 // 100] * (channels - 1), 100]]]


def test_ycbcr_becomes_rgb() -> None:
    gray = Image.new("YCbCr", (1, 1), (77, 128, 128))
    assert pixels_of(gray).tolist() == [[[77, 77, 77]]]


def test_pixels_can_be_changed() -> None:
    assert pixels_of(Image.fromarray(samples.levels(2, 2, 3))).flags.writeable


@pytest.mark.parametrize("mode", ["I", "F"])
def test_numbers_of_32_bits_are_refused(mode: str) -> None:
    with pytest.raises(InputError, match=f"sample: .*mode {mode}") as caught:
        frame_pixels(Image.new(mode, (1, 1)), "sample")
    assert "16 bits" in str(caught.value.hint)


# ------------------------------------------------------------------------------------- colours


def test_inks_without_a_profile_are_a_guess_and_it_is_said() -> None:
    pixels, note, profile = frame_pixels(Image.fromarray(INKS, "CMYK"), "sample")
    assert pixels.tolist() == [[[0, 255, 255], [255, 0, 255], [255, 255, 0], [0, 0, 0]]]
    assert note is not None
    assert "CMYK" in note
    assert "guess" in note
    assert profile == srgb_profile()


def test_inks_with_a_profile_go_through_it() -> None:
    image = Image.fromarray(INKS, "CMYK")
    image.info["icc_profile"] = ink_profile()
    pixels, note, profile = frame_pixels(image, "sample")
    expected = np.array([[ink_colour(*(inks / 255)) for inks in INKS[0]]]) * 255
    assert np.abs(pixels - expected).max() <= 8
    assert note is not None
    assert "through its ICC profile" in note
    assert profile == srgb_profile()


@pytest.mark.parametrize("icc", [b"junk", samples.profile("adobergb")], ids=["junk", "rgb"])
def test_inks_with_a_profile_that_does_not_work_are_a_guess(icc: bytes) -> None:
    image = Image.fromarray(INKS, "CMYK")
    image.info["icc_profile"] = icc
    pixels, note, _ = frame_pixels(image, "sample")
    assert pixels[0, 0].tolist() == [0, 255, 255]
    assert note is not None
    assert "guess" in note


@pytest.mark.parametrize(
    ("lab", "rgb"),
    [
        ((0, 0, 0), (0, 0, 0)),
        ((255, 0, 0), (255, 255, 255)),
        ((136, 0, 0), (127, 127, 127)),
        ((138, 81, 70), (255, 0, 0)),
        ((75, 68, -112), (0, 0, 255)),
    ],
    ids=["black", "white", "gray", "red", "blue"],
)
def test_lab_becomes_srgb_and_it_is_said(
    lab: tuple[int, int, int], rgb: tuple[int, int, int]
) -> None:
    """Lab of D50, as CIE and IEC 61966-2-1 define the two; Pillow keeps a and b 128 higher."""
    image = Image.new("LAB", (1, 1), (lab[0], lab[1] + 128, lab[2] + 128))
    pixels, note, profile = frame_pixels(image, "sample")
    assert np.abs(pixels[0, 0].astype(int) - rgb).max() <= 3
    assert note is not None
    assert "Lab" in note
    assert profile == srgb_profile()


# --------------------------------------------------------------------------------------- depth


def deep(data: bytes) -> bool:
    file = io.BytesIO(data)
    with Image.open(file) as image:
        return is_deep(image, file)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(("dtype", "expected"), [(np.uint8, False), (np.uint16, True)])
def test_the_depth_of_a_png_is_told(channels: int, dtype: type, *, expected: bool) -> None:
    assert deep(samples.png(samples.levels(2, 2, channels, dtype=dtype))) == expected


@pytest.mark.parametrize("image_format", ["JPEG", "WEBP", "BMP", "GIF", "AVIF"])
def test_other_formats_are_not_deep(image_format: str) -> None:
    assert not deep(samples.saved(samples.levels(4, 4, 3), image_format))
