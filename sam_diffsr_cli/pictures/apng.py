"""Animated PNG, composed and written by the specification (PNG third edition, 13.2 and 11.3.6).

Pillow 13 draws frames that go back to the one before the last wrong, and mixes half-clear pixels
over opaque ones into half-clear ones; its 16 bits are 8.
"""

import io
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

import imagecodecs
import numpy as np
from PIL import Image

from sam_diffsr_cli.pictures.animation import delay_fraction
from sam_diffsr_cli.pictures.modes import frame_pixels
from sam_diffsr_cli.pictures.png import (
    SIGNATURE,
    chunk,
    header_chunk,
    pack_pixels,
)
from sam_diffsr_cli.pictures.records import Frame, has_alpha

__all__ = ["read_apng", "write_apng"]

KEEP, CLEAR, GO_BACK = 0, 1, 2
"""What becomes of a frame's place when its time is over (``dispose_op``)."""

REPLACE, OVER = 0, 1
"""How a frame is put on what is there (``blend_op``)."""

CONTROL = struct.Struct(">IIIIIHHBB")
"""``fcTL``: number in sequence, width, height, x, y, delay, its divisor, disposal, blending."""

USUAL_DIVISOR = 100
SHARED_KINDS = (b"PLTE", b"tRNS")


@dataclass(slots=True)
class _Part:
    """One frame as it is stored: the fields of its ``fcTL`` and its deflated pixels."""

    size: tuple[int, int]
    corner: tuple[int, int]
    duration_ms: float
    disposal: int
    blending: int
    data: list[bytes] = field(default_factory=list)

    @property
    def place(self) -> tuple[slice, slice]:
        """Rows and columns of the canvas."""
        (height, width), (top, left) = self.size, self.corner
        return slice(top, top + height), slice(left, left + width)


@dataclass(slots=True)
class _Stored:
    """What the chunks hold; ``shared`` goes before the pixels of every frame."""

    header: bytes = b""
    shared: list[bytes] = field(default_factory=list)
    count: int = 0
    plays: int = 0
    parts: list[_Part] = field(default_factory=list)


def read_apng(file: BinaryIO, name: str) -> tuple[list[Frame], int]:
    """Read the frames as they are seen, and how often they play (0: for ever).

    A default picture that is no frame is left out.

    Args:
        file: Of a size that was checked.
        name: For messages.

    Returns:
        Frames ``(H, W, C)``, uint8 or uint16, with one number of channels.

    Raises:
        ValueError: It is damaged.
    """
    stored = _parse(file)
    if len(stored.parts) < stored.count:
        raise ValueError(f"it holds {len(stored.parts)} frames of {stored.count}")
    width, height = struct.unpack_from(">II", stored.header)
    canvas: np.ndarray | None = None
    frames = []
    channels = 0
    for index, part in enumerate(stored.parts):
        pixels = _decode(stored, part, name)
        channels = pixels.shape[2]
        if canvas is None:
            colours = channels - has_alpha(pixels)
            canvas = np.zeros((height, width, colours + 1), pixels.dtype)
        before = canvas[part.place].copy()
        canvas[part.place] = _blended(before, _with_alpha(pixels), part.blending)
        frames.append(Frame(canvas.copy(), part.duration_ms))
        if part.disposal == CLEAR or (part.disposal == GO_BACK and index == 0):
            canvas[part.place] = 0
        elif part.disposal == GO_BACK:
            canvas[part.place] = before
    top = np.iinfo(frames[0].pixels.dtype).max
    if channels in (1, 3) and all((f.pixels[..., -1] == top).all() for f in frames):
        frames = [Frame(f.pixels[..., :-1], f.duration_ms) for f in frames]
    return frames, stored.plays


def _parse(file: BinaryIO) -> _Stored:
    """Sort the chunks into frames; the checksums and numbers of all that is used are verified."""
    stored, expected = _Stored(), 0
    for kind, body in _whole_chunks(file):
        if kind in (b"fcTL", b"fdAT"):
            (number,) = struct.unpack_from(">I", body)
            if number != expected:
                raise ValueError(f"chunk {number} of the animation stands where {expected} should")
            expected += 1
        if kind == b"IHDR":
            stored.header = body
        elif kind == b"acTL":
            stored.count, stored.plays = struct.unpack(">II", body)
        elif kind in SHARED_KINDS:
            stored.shared.append(chunk(kind, body))
        elif kind == b"fcTL":
            if len(stored.parts) == stored.count:
                break
            stored.parts.append(_control(body, stored.header))
        elif kind in (b"IDAT", b"fdAT") and stored.parts:
            # Pixels before the first frame's control are a default picture, which is no frame.
            stored.parts[-1].data.append(body[4:] if kind == b"fdAT" else body)
    return stored


def _whole_chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Yield chunks up to the end; what is cut short is missed by whoever needs it."""
    file.seek(len(SIGNATURE))
    kind = b""
    while kind != b"IEND":
        head = file.read(8)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head)
        body, check = file.read(length), file.read(4)
        if len(body) < length or len(check) < 4:
            return
        if struct.unpack(">I", check)[0] != zlib.crc32(kind + body):
            raise ValueError(f"the checksum of {kind!r} is wrong")
        yield kind, body


def _control(body: bytes, header: bytes) -> _Part:
    width, height = struct.unpack_from(">II", header)
    _, w, h, x, y, delay, divisor, disposal, blending = CONTROL.unpack(body)
    if not (w and h and x + w <= width and y + h <= height and disposal <= 2 and blending <= 1):
        raise ValueError("a frame lies outside the picture, or is put there in an unknown way")
    seconds = delay / (divisor or USUAL_DIVISOR)
    return _Part((h, w), (y, x), 1000 * seconds, disposal, blending)


def _decode(stored: _Stored, part: _Part, name: str) -> np.ndarray:
    """Decode one frame's pixels, ``(h, w, C)``, as the PNG of its own that they could be."""
    height, width = part.size
    header = struct.pack(">II", width, height) + stored.header[8:]
    data = b"".join(
        [
            SIGNATURE,
            chunk(b"IHDR", header),
            *stored.shared,
            chunk(b"IDAT", b"".join(part.data)),
            chunk(b"IEND", b""),
        ]
    )
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        image.load()
        if stored.header[8] < 16:
            return frame_pixels(image, name)[0]
    pixels = np.asarray(imagecodecs.png_decode(data))
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _with_alpha(pixels: np.ndarray) -> np.ndarray:
    if has_alpha(pixels):
        return pixels
    return np.concatenate(
        [pixels, np.full_like(pixels[..., :1], np.iinfo(pixels.dtype).max)], axis=2
    )


def _blended(below: np.ndarray, above: np.ndarray, blending: int) -> np.ndarray:
    """Put ``above`` in the place of ``below``, or over it; alpha last, not premultiplied.

    a = a1 + a0 (1 - a1);  c = (c1 a1 + c0 a0 (1 - a1)) / a  (PNG third edition, 13.16)
    """
    if blending == REPLACE:
        return above
    top = np.iinfo(above.dtype).max
    cover = above[..., -1:] / top
    rest = below[..., -1:] / top * (1 - cover)
    alpha = cover + rest
    mixed = (above * cover + below * rest) / np.where(alpha > 0, alpha, 1)
    mixed[..., -1:] = alpha * top
    levels = mixed.round().astype(above.dtype)
    levels = np.where(cover == 1, above, levels)
    return np.where(cover == 0, below, levels)


def write_apng(
    file: BinaryIO, frames: Sequence[Frame], plays: int, chunks: Iterable[tuple[bytes, bytes]]
) -> None:
    """Write an animation; of each frame what differs from the one before it.

    Args:
        file: Written from where it stands.
        frames: Each ``(H, W, C)``, of one shape and type, uint8 or uint16.
        plays: How often it plays; 0: for ever.
        chunks: As of ``png.write_png``.
    """
    first = frames[0].pixels
    file.write(SIGNATURE + header_chunk(first))
    file.writelines(chunk(kind, body) for kind, body in chunks)
    file.write(chunk(b"acTL", struct.pack(">II", len(frames), plays)))
    number, before = 0, None
    for frame in frames:
        rows, columns = _changed(before, frame.pixels)
        part = frame.pixels[rows, columns]
        control = (part.shape[1], part.shape[0], columns.start, rows.start)
        delay = delay_fraction(frame.duration_ms)
        file.write(chunk(b"fcTL", CONTROL.pack(number, *control, *delay, KEEP, REPLACE)))
        number += 1
        for data in pack_pixels(part):
            if before is None:
                file.write(chunk(b"IDAT", data))
                continue
            file.write(chunk(b"fdAT", struct.pack(">I", number) + data))
            number += 1
        before = frame.pixels
    file.write(chunk(b"IEND", b""))


def _changed(before: np.ndarray | None, pixels: np.ndarray) -> tuple[slice, slice]:
    """Return the rows and columns outside of which nothing changed; at least one pixel."""
    if before is None:
        return slice(0, pixels.shape[0]), slice(0, pixels.shape[1])
    differs = (before != pixels).any(axis=2)
    places = []
    for axis in (1, 0):
        found = np.flatnonzero(differs.any(axis=axis))
        places.append(slice(int(found[0]), int(found[-1]) + 1) if len(found) else slice(0, 1))
    return places[0], places[1]
