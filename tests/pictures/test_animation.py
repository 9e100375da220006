"""What an animation's times and repetition become in each format."""

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sam_diffsr_cli.pictures.animation import delay_fraction, plays_of, written_times
from sam_diffsr_cli.pictures.formats import format_named
from sam_diffsr_cli.pictures.records import Frame, Metadata, Picture
from sam_diffsr_cli.pictures.webp import write_lossless_animation
from tests.pictures.samples import levels, opened, read, saved, written

TIMES = st.lists(st.floats(0, 5000), min_size=1, max_size=40)
STEPS = {"GIF": 10, "WEBP": 1, "AVIF": 1}


def moving(*times: float, plays: int = 0, channels: int = 3) -> Picture:
    frames = tuple(Frame(levels(8, 8, channels, seed=k), time) for k, time in enumerate(times))
    return Picture(format="PNG", frames=frames, kind="animation", plays=plays)


@pytest.mark.parametrize(
    ("name", "loop", "plays"),
    [
        ("GIF", None, 1),
        ("GIF", 0, 0),
        ("GIF", 1, 2),
        ("GIF", 3, 4),
        ("WEBP", 0, 0),
        ("WEBP", 1, 1),
        ("PNG", 3, 3),
        ("AVIF", None, 0),
    ],
)
def test_the_number_in_a_file_means_plays(name: str, loop: int | None, plays: int) -> None:
    assert plays_of(name, loop) == plays


@pytest.mark.parametrize("source", ["GIF", "WEBP", "PNG"])
@pytest.mark.parametrize("target", ["GIF", "WEBP", "PNG"])
@pytest.mark.parametrize("plays", [0, 1, 2, 5])
def test_plays_are_kept_between_formats(source: str, target: str, plays: int) -> None:
    first = read(written(moving(100, 100, plays=plays), source)[0])
    assert read(written(first, target)[0]).plays == plays


def test_a_gif_without_a_loop_block_does_not_play_for_ever_as_webp() -> None:
    images = [Image.fromarray(levels(8, 8, 3, seed=k)) for k in range(2)]
    gif = saved(images[0], "GIF", save_all=True, append_images=images[1:], duration=100)
    assert b"NETSCAPE" not in gif
    with opened(written(read(gif), "WEBP")[0]) as image:
        assert image.info["loop"] == 1


def test_a_gif_that_plays_once_has_no_loop_block() -> None:
    assert b"NETSCAPE" not in written(moving(100, 100, plays=1), "GIF")[0]


def test_plays_that_avif_cannot_hold_are_said() -> None:
    notes = written(moving(100, 100, plays=3), "AVIF")[1]
    assert "AVIF plays for ever, not 3 times" in notes


def test_more_plays_than_a_format_counts_are_said() -> None:
    data, notes = written(moving(100, 100, plays=70_000), "WEBP")
    assert read(data).plays == 65_535
    assert "it plays 65535 times, the most for WEBP" in notes


@pytest.mark.parametrize("name", STEPS)
@given(times=TIMES)
def test_the_whole_of_the_times_stays_right(name: str, times: list[float]) -> None:
    new = written_times(times, format_named(name))
    assert abs(sum(new) - sum(times)) <= STEPS[name] / 2 + 1e-6
    assert all(time % STEPS[name] == 0 for time in new)


@pytest.mark.parametrize("name", STEPS)
@given(times=TIMES)
def test_a_time_moves_by_less_than_a_step(name: str, times: list[float]) -> None:
    new = written_times(times, format_named(name))
    assert max(abs(a - b) for a, b in zip(new, times, strict=True)) <= STEPS[name] + 1e-6


def test_three_frames_of_33_ms_are_100_ms_in_a_gif() -> None:
    data, notes = written(moving(100 / 3, 100 / 3, 100 / 3), "GIF")
    times = [frame.duration_ms for frame in read(data).frames]
    assert times == [30, 40, 30]
    (note,) = (each for each in notes if "counts times" in each)
    assert "up to 6.67 ms, the whole is as long" in note


def test_times_that_fit_are_not_mentioned() -> None:
    _, notes = written(moving(70, 130, 200), "GIF")
    assert not [note for note in notes if "time" in note]


def test_times_that_viewers_of_a_gif_slow_down_are_said() -> None:
    _, notes = written(moving(10, 10), "GIF")
    assert [note for note in notes if "more slowly" in note]


@given(time=st.floats(0, 70_000_000))
def test_a_delay_is_the_nearest_fraction_of_16_bits(time: float) -> None:
    numerator, denominator = delay_fraction(time)
    assert 0 <= numerator <= 65_535
    assert 1 <= denominator <= 65_535
    seconds = min(time / 1000, 65_535)
    assert abs(numerator / denominator - seconds) <= 1 / (2 * denominator)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_hidden_colours_of_a_lossless_animated_webp_come_back(channels: int) -> None:
    picture = moving(40, 50, 60, channels=channels)
    for frame in picture.frames:
        if channels in (2, 4):
            frame.pixels[..., -1] = np.where(frame.pixels[..., -1] > 100, 255, 0)
    again = read(written(picture, "WEBP", lossless=True)[0])
    assert [frame.duration_ms for frame in again.frames] == [40, 50, 60]
    for old, new in zip(picture.frames, again.frames, strict=True):
        wanted = old.pixels
        if channels < 3:
            wanted = np.concatenate([np.repeat(wanted[..., :1], 3, 2), wanted[..., 1:]], axis=2)
        assert np.array_equal(new.pixels[..., : wanted.shape[2]], wanted)


def test_only_what_changed_of_a_lossless_webp_is_written() -> None:
    first = levels(64, 64, 4)
    second = first.copy()
    second[11:13, 21:25, :3] ^= 255
    frames = (Frame(first, 40.0), Frame(second, 40.0), Frame(second, 40.0))
    picture = Picture(format="PNG", frames=frames, kind="animation")
    data = written(picture, "WEBP", lossless=True)[0]
    still = written(picture.with_frames(frames[:1]), "WEBP", lossless=True)[0]
    assert len(data) < len(still) + 1500
    for frame, wanted in zip(read(data).frames, frames, strict=True):
        assert np.array_equal(frame.pixels, wanted.pixels)


def test_a_lossless_animated_webp_keeps_what_stands_beside_it() -> None:
    beside: dict[str, Any] = {"icc": b"i" * 33, "exif": b"II*\0\x08\0\0\0\0\0\0\0\0\0"}
    file = io.BytesIO()
    frames = [frame.pixels for frame in moving(40, 50).frames]
    write_lossless_animation(file, frames, [40, 50], 3, Metadata(**beside, xmp=b"<x/>"))
    with opened(file.getvalue()) as image:
        assert image.info["icc_profile"] == beside["icc"]
        assert image.info["exif"] == beside["exif"]
        assert image.info["xmp"] == b"<x/>"
        assert image.info["loop"] == 3
