"""Animated PNG: composition against one written from the specification, and what is written."""

import io
import itertools
import struct
import zlib
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures.apng import write_apng
from sam_diffsr_cli.pictures.records import Frame
from tests.pictures.samples import chunk, levels, png_chunks, read

NONE, BACKGROUND, PREVIOUS = 0, 1, 2
SOURCE, OVER = 0, 1
KINDS = {1: 0, 2: 4, 3: 2, 4: 6}
END = chunk(b"IEND", b"")


@dataclass
class Drawn:
    """A frame of a drawn file: pixels, left, top, disposal, blending, and a delay of 3/den s."""

    pixels: np.ndarray
    x: int = 0
    y: int = 0
    dispose: int = NONE
    blend: int = SOURCE
    divisor: int = 10


def apng(
    size: tuple[int, int], frames: list[Drawn], plays: int = 0, default: np.ndarray | None = None
) -> bytes:
    """An animated PNG, every row unfiltered; ``default`` is a picture that is no frame."""
    width, height = size
    first = frames[0].pixels
    head = struct.pack(
        ">IIBBBBB", width, height, 8 * first.itemsize, KINDS[first.shape[2]], 0, 0, 0
    )
    parts = [chunk(b"IHDR", head), chunk(b"acTL", struct.pack(">II", len(frames), plays))]
    if default is not None:
        parts.append(chunk(b"IDAT", deflated(default)))
    number = 0
    for frame in frames:
        h, w = frame.pixels.shape[:2]
        control = struct.pack(">IIIIIHH", number, w, h, frame.x, frame.y, 3, frame.divisor)
        parts.append(chunk(b"fcTL", control + bytes([frame.dispose, frame.blend])))
        number += 1
        data = deflated(frame.pixels)
        if default is None and frame is frames[0]:
            parts.append(chunk(b"IDAT", data))
            continue
        parts.append(chunk(b"fdAT", struct.pack(">I", number) + data))
        number += 1
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + END


def deflated(pixels: np.ndarray) -> bytes:
    wide = pixels.astype(pixels.dtype.newbyteorder(">"))
    return zlib.compress(b"".join(b"\0" + row.tobytes() for row in wide))


def composed(size: tuple[int, int], frames: list[Drawn]) -> list[list[list[list[int]]]]:
    """The frames as they are seen, pixel by pixel in exact fractions, from the specification."""
    width, height = size
    top = int(np.iinfo(frames[0].pixels.dtype).max)
    canvas = [[[0, 0, 0, 0] for _ in range(width)] for _ in range(height)]
    seen = []
    for index, frame in enumerate(frames):
        before = [[list(pixel) for pixel in row] for row in canvas]
        h, w = frame.pixels.shape[:2]
        for y, x in itertools.product(range(h), range(w)):
            new = [int(v) for v in frame.pixels[y, x]]
            old = canvas[frame.y + y][frame.x + x]
            canvas[frame.y + y][frame.x + x] = over(new, old, top) if frame.blend == OVER else new
        seen.append([[list(pixel) for pixel in row] for row in canvas])
        dispose = BACKGROUND if frame.dispose == PREVIOUS and index == 0 else frame.dispose
        for y, x in itertools.product(range(h), range(w)):
            if dispose == BACKGROUND:
                canvas[frame.y + y][frame.x + x] = [0, 0, 0, 0]
            elif dispose == PREVIOUS:
                canvas[frame.y + y][frame.x + x] = before[frame.y + y][frame.x + x]
    return seen


def over(new: list[int], old: list[int], top: int) -> list[int]:
    if new[3] == 0:
        return old
    cover, rest = Fraction(new[3], top), Fraction(old[3], top)
    alpha = cover + rest * (1 - cover)
    mixed = [(n * cover + o * rest * (1 - cover)) / alpha for n, o in zip(new, old, strict=True)]
    return [round(value) for value in mixed[:3]] + [round(alpha * top)]


def three(first: tuple[int, int], second: tuple[int, int], dtype: type) -> list[Drawn]:
    """Three frames of every kind of alpha, which lie over one another."""
    top = np.iinfo(dtype).max
    frames = [
        Drawn(levels(5, 6, 4, dtype=dtype, seed=1), 0, 0, *first),
        Drawn(levels(3, 4, 4, dtype=dtype, seed=2), 1, 1, *second),
        Drawn(levels(4, 3, 4, dtype=dtype, seed=3), 2, 1, NONE, OVER),
    ]
    for frame in frames:
        frame.pixels[..., 3][::2] = top
        frame.pixels[..., 3][:, ::3] = 0
    return frames


PAIRS = list(itertools.product((NONE, BACKGROUND, PREVIOUS), (SOURCE, OVER)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("second", PAIRS)
@pytest.mark.parametrize("first", PAIRS)
def test_frames_are_composed_as_the_specification_says(
    first: tuple[int, int], second: tuple[int, int], dtype: type
) -> None:
    frames = three(first, second, dtype)
    picture = read(apng((6, 5), frames))
    for frame, expected in zip(picture.frames, composed((6, 5), frames), strict=True):
        assert frame.pixels.dtype == dtype
        # A half is rounded up or to even: the fraction's own rounding may differ by one.
        assert np.abs(frame.pixels.astype(int) - np.array(expected)).max() <= 1


def test_a_half_clear_pixel_over_an_opaque_one_is_opaque() -> None:
    back = np.full((2, 2, 4), (200, 0, 0, 255), dtype=np.uint8)
    half = np.full((2, 2, 4), (0, 0, 200, 128), dtype=np.uint8)
    picture = read(apng((2, 2), [Drawn(back), Drawn(half, blend=OVER)]))
    assert picture.frames[1].pixels[0, 0].tolist() == [100, 0, 100, 255]


def test_opaque_frames_without_alpha_have_none() -> None:
    picture = read(apng((4, 4), [Drawn(levels(4, 4, 3)), Drawn(levels(2, 2, 3, seed=1), 1, 1)]))
    assert {frame.pixels.shape for frame in picture.frames} == {(4, 4, 3)}


def test_what_no_frame_covers_is_clear() -> None:
    picture = read(
        apng(
            (4, 4), [Drawn(levels(2, 2, 3), 1, 1), Drawn(levels(1, 1, 3))], default=levels(4, 4, 3)
        )
    )
    assert picture.frames[0].pixels.shape == (4, 4, 4)
    assert picture.frames[0].pixels[0, 0].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(("divisor", "expected"), [(10, 300.0), (0, 30.0), (1000, 3.0)])
def test_a_delay_is_a_fraction_of_a_second(divisor: int, expected: float) -> None:
    frames = [Drawn(levels(2, 2, 3, seed=k), divisor=divisor) for k in range(2)]
    assert [frame.duration_ms for frame in read(apng((2, 2), frames)).frames] == [expected] * 2


@pytest.mark.parametrize("plays", [0, 1, 7])
def test_plays_are_read(plays: int) -> None:
    frames = [Drawn(levels(2, 2, 3, seed=k)) for k in range(2)]
    assert read(apng((2, 2), frames, plays)).plays == plays


def test_a_frame_outside_the_picture_is_refused() -> None:
    frames = [Drawn(levels(4, 4, 3)), Drawn(levels(2, 2, 3), 3, 3)]
    with pytest.raises(InputError, match="outside the picture"):
        read(apng((4, 4), frames))


def test_a_file_with_fewer_frames_than_it_says_is_refused() -> None:
    data = apng((4, 4), [Drawn(levels(4, 4, 3, seed=k)) for k in range(3)])
    cut = data[: data.rindex(b"fcTL") - 4] + END
    with pytest.raises(InputError, match="2 frames of 3"):
        read(cut)


def test_a_wrong_checksum_in_a_frame_is_refused() -> None:
    data = bytearray(apng((4, 4), [Drawn(levels(4, 4, 3, seed=k)) for k in range(2)]))
    place = data.rindex(b"fdAT")
    data[place + 10] ^= 1
    with pytest.raises(InputError, match="checksum"):
        read(bytes(data))


# ----------------------------------------------------------------------------------- writing


def written(frames: list[Frame], plays: int = 0) -> bytes:
    file = io.BytesIO()
    write_apng(file, frames, plays, [])
    return file.getvalue()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_level_comes_back(channels: int, dtype: type) -> None:
    frames = [Frame(levels(5, 7, channels, dtype=dtype, seed=k), 40.0 * k) for k in range(3)]
    again = read(written(frames, 2))
    assert again.plays == 2
    for old, new in zip(frames, again.frames, strict=True):
        assert new.duration_ms == old.duration_ms
        assert np.array_equal(new.pixels, old.pixels)


def test_pillow_sees_the_frames_that_were_written() -> None:
    frames = [Frame(levels(5, 7, 3, seed=k), 50.0) for k in range(3)]
    with Image.open(io.BytesIO(written(frames, 4))) as image:
        assert (image.n_frames, image.info["loop"]) == (3, 4)  # type: ignore[attr-defined]
        for index, frame in enumerate(frames):
            image.seek(index)
            assert np.array_equal(np.asarray(image.convert("RGB")), frame.pixels)
            assert image.info["duration"] == 50.0


def test_only_what_changed_is_written() -> None:
    first = levels(64, 64, 3)
    second = first.copy()
    second[10:12, 20:25] ^= 255
    controls = [b for k, b in png_chunks(written([Frame(first), Frame(second)])) if k == b"fcTL"]
    assert struct.unpack_from(">IIIII", controls[1])[1:] == (5, 2, 20, 10)


def test_frames_that_are_the_same_stay_frames() -> None:
    same = Frame(levels(4, 4, 3), 100.0)
    assert len(read(written([same, same, same])).frames) == 3


def test_the_numbers_of_the_chunks_follow_one_another() -> None:
    data = written([Frame(levels(4, 4, 3, seed=k)) for k in range(3)])
    numbers = [
        struct.unpack_from(">I", body)[0]
        for kind, body in png_chunks(data)
        if kind in (b"fcTL", b"fdAT")
    ]
    assert numbers == list(range(len(numbers)))
