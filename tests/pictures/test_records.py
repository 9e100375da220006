"""A picture in memory tells its size, depth and transparency, and reduces to 8-bit RGB."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_diffsr_cli.pictures.records import (
    STRIPPED,
    Frame,
    Metadata,
    Picture,
    has_alpha,
    rgb_levels,
    to_8_bits,
)
from tests.pictures.samples import levels


@pytest.mark.parametrize(("channels", "expected"), [(1, False), (2, True), (3, False), (4, True)])
def test_an_even_number_of_channels_has_alpha(channels: int, *, expected: bool) -> None:
    assert has_alpha(levels(2, 2, channels)) == expected


@given(st.integers(0, 65535))
def test_16_bits_become_the_nearest_8_bits(level: int) -> None:
    got = int(to_8_bits(np.array([level], dtype=np.uint16))[0])
    assert abs(level / 257 - got) <= 0.5


def test_every_8_bit_level_survives_16_bits() -> None:
    every = np.arange(256, dtype=np.uint8)
    assert np.array_equal(to_8_bits(every.astype(np.uint16) * 257), every)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2])
def test_gray_becomes_three_equal_channels(channels: int, dtype: type) -> None:
    rgb = rgb_levels(levels(3, 4, channels, dtype=dtype))
    assert rgb.shape == (3, 4, 3)
    assert rgb.dtype == np.uint8
    assert np.array_equal(rgb[..., 0], rgb[..., 1])
    assert np.array_equal(rgb[..., 0], rgb[..., 2])


@pytest.mark.parametrize("channels", [3, 4])
def test_colour_is_kept_and_alpha_left_out(channels: int) -> None:
    pixels = levels(3, 4, channels)
    assert np.array_equal(rgb_levels(pixels), pixels[..., :3])


def test_size_is_height_and_width_of_the_first_frame() -> None:
    frames = Frame(levels(3, 4, 1)), Frame(levels(9, 9, 1))
    assert Picture(format="TIFF", frames=frames, kind="pages").size == (3, 4)


def test_one_deep_frame_makes_a_deep_picture() -> None:
    shallow, deep = Frame(levels(3, 4, 1)), Frame(levels(3, 4, 1, dtype=np.uint16))
    assert Picture(format="TIFF", frames=(shallow, deep)).is_deep
    assert not Picture(format="TIFF", frames=(shallow,)).is_deep


def test_one_frame_with_alpha_makes_a_picture_with_alpha() -> None:
    opaque, clear = Frame(levels(3, 4, 3)), Frame(levels(3, 4, 4))
    assert Picture(format="TIFF", frames=(opaque, clear)).has_alpha
    assert not Picture(format="TIFF", frames=(opaque,)).has_alpha


def test_other_frames_leave_all_else_but_the_size_it_had() -> None:
    old = Picture(
        format="GIF",
        frames=(Frame(levels(3, 4, 1)),),
        kind="animation",
        plays=3,
        metadata=Metadata(comment=b"c"),
        notes=("n",),
    )
    new = (Frame(levels(6, 8, 1)),)
    assert old.with_frames(new) == dataclasses.replace(old, frames=new, read_size=(3, 4))
    assert old.with_frames(new).with_frames(new).read_size == (3, 4)


def test_stripped_has_nothing() -> None:
    assert not any(getattr(STRIPPED, field.name) for field in dataclasses.fields(STRIPPED))
