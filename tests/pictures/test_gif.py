"""Frames of a GIF are composed as GIF89a says, whatever each says of its disposal."""

import itertools
import struct

import numpy as np
import pytest

from tests.pictures.samples import read

CLEAR = 3
PALETTE = bytes((255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9))
SIZE = 8


def drawn(frames: list[tuple[np.ndarray, int, int, int]]) -> bytes:
    """A GIF of four colours, the last clear: of each frame indices, left, top and disposal."""
    parts = [b"GIF89a" + struct.pack("<HHBBB", SIZE, SIZE, 0x81, 0, 0) + PALETTE]
    for index, x, y, disposal in frames:
        height, width = index.shape
        parts.append(b"\x21\xf9\x04" + bytes((disposal << 2 | 1, 10, 0, CLEAR, 0)))
        parts.append(b"\x2c" + struct.pack("<HHHHB", x, y, width, height, 0))
        data = packed(index)
        parts.append(b"\x02" + bytes((len(data),)) + data + b"\0")
    return b"".join(parts) + b";"


def packed(index: np.ndarray) -> bytes:
    """LZW codes of three bits, cleared before they would grow."""
    codes = []
    for place, value in enumerate(index.ravel().tolist()):
        codes += [4, value] if place % 2 == 0 else [value]
    bits = "".join(format(code, "03b")[::-1] for code in [*codes, 5])
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[place : place + 8][::-1], 2) for place in range(0, len(bits), 8))


def composed(frames: list[tuple[np.ndarray, int, int, int]]) -> list[np.ndarray]:
    """What is seen, as indices; -1 is clear (GIF89a, 23.c.iv)."""
    canvas = np.full((SIZE, SIZE), -1)
    seen = []
    for index, x, y, disposal in frames:
        before = canvas.copy()
        place = canvas[y : y + index.shape[0], x : x + index.shape[1]]
        place[index != CLEAR] = index[index != CLEAR]
        seen.append(canvas.copy())
        if disposal == 2:
            place[...] = -1
        elif disposal == 3:
            canvas = before
    return seen


@pytest.mark.parametrize(("first", "second"), list(itertools.product(range(4), range(4))))
def test_frames_are_composed_as_the_standard_says(first: int, second: int) -> None:
    rng = np.random.default_rng(4 * first + second)
    frames = [
        (rng.integers(0, 4, (SIZE, SIZE)), 0, 0, first),
        (rng.integers(0, 4, (4, 5)), 2, 1, second),
        (rng.integers(0, 4, (5, 4)), 1, 2, 1),
    ]
    colours = np.frombuffer(PALETTE, dtype=np.uint8).reshape(4, 3)
    for frame, expected in zip(read(drawn(frames)).frames, composed(frames), strict=True):
        is_seen = expected >= 0
        pixels = frame.pixels
        alpha = pixels[..., 3] if pixels.shape[2] == 4 else np.full(is_seen.shape, 255)
        assert np.array_equal(alpha > 0, is_seen)
        assert np.array_equal(pixels[is_seen][:, :3], colours[expected[is_seen]])


@pytest.mark.parametrize("disposal", range(4))
def test_what_no_viewer_shows_of_a_frame_is_left_out(disposal: int) -> None:
    first, large = np.zeros((SIZE, SIZE), int), np.ones((SIZE, SIZE + 3), int)
    picture = read(drawn([(first, 0, 0, 1), (large, 2, 3, disposal), (first[:2, :2], 0, 0, 1)]))
    assert {frame.pixels.shape[:2] for frame in picture.frames} == {(SIZE, SIZE)}
    red, green = PALETTE[:3], PALETTE[3:6]
    assert (picture.frames[1].pixels[3:, 2:, :3] == tuple(green)).all()
    assert (picture.frames[1].pixels[:3, :, :3] == tuple(red)).all()
    (note,) = picture.notes
    assert "beyond 8x8 pixels" in note
