"""Animated WebP without loss, by the container's specification (RFC 9649, 2.7), and the ledger.

libwebp's own encoder of animations, which Pillow uses, changes the colours of clear pixels.
"""

import io
import struct
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
from PIL import Image

from sam_diffsr_cli.pictures.ledger import Part, credentials
from sam_diffsr_cli.pictures.records import Metadata, has_alpha

__all__ = [
    "find_chunk",
    "find_packet",
    "is_lossless_webp",
    "list_webp_parts",
    "write_lossless_animation",
]

ICC, ALPHA, EXIF, XMP, MOVES = 0x20, 0x10, 0x08, 0x04, 0x02
"""Flags of ``VP8X``."""

LAYOUT_CHUNKS = (b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF")
MISNAMED_XMP = b"XMP\0"
FRAME_HEAD = 16
DO_NOT_BLEND = 2
"""A frame takes the place of what is there, clear pixels included; it stays there."""


def write_lossless_animation(
    file: BinaryIO,
    frames: Sequence[np.ndarray],
    times_ms: Sequence[int],
    plays: int,
    metadata: Metadata,
) -> None:
    """Write frames exactly; of each what differs from the one before it.

    Args:
        file: Open for writing, empty, seekable.
        frames: Each ``(H, W, C)`` uint8, of one shape.
        times_ms: How long each is shown, below 2^24.
        plays: How often; 0: for ever; at most 65,535.
        metadata: Its profile, EXIF and XMP are written.

    Raises:
        ValueError: The frames are too large, or a time too long.
    """
    height, width = frames[0].shape[:2]
    flags = MOVES | (ALPHA if any(has_alpha(pixels) for pixels in frames) else 0)
    for flag, value in ((ICC, metadata.icc), (EXIF, metadata.exif), (XMP, metadata.xmp)):
        flags |= flag if value else 0
    file.write(b"RIFF\0\0\0\0WEBP")
    file.write(_chunk(b"VP8X", bytes([flags, 0, 0, 0]) + _three(width - 1) + _three(height - 1)))
    if metadata.icc:
        file.write(_chunk(b"ICCP", metadata.icc))
    file.write(_chunk(b"ANIM", struct.pack("<IH", 0, plays)))
    before: np.ndarray | None = None
    for pixels, time in zip(frames, times_ms, strict=True):
        file.write(_chunk(b"ANMF", _frame(pixels, before, time)))
        before = pixels
    if metadata.exif:
        file.write(_chunk(b"EXIF", metadata.exif))
    if metadata.xmp:
        file.write(_chunk(b"XMP ", metadata.xmp))
    size = file.tell() - 8
    file.seek(4)
    file.write(struct.pack("<I", size))
    file.seek(0, io.SEEK_END)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def _three(value: int) -> bytes:
    return value.to_bytes(3, "little")


def _frame(pixels: np.ndarray, before: np.ndarray | None, time_ms: int) -> bytes:
    """Build the body of ``ANMF``; places are counted in twos."""
    top, left, bottom, right = 0, 0, *pixels.shape[:2]
    if before is not None:
        differs = (before != pixels).any(axis=2)
        rows, columns = (np.flatnonzero(differs.any(axis=axis)) for axis in (1, 0))
        top, bottom = (int(rows[0]) & ~1, int(rows[-1]) + 1) if len(rows) else (0, 1)
        left, right = (int(columns[0]) & ~1, int(columns[-1]) + 1) if len(columns) else (0, 1)
    part = pixels[top:bottom, left:right]
    place = [left // 2, top // 2, part.shape[1] - 1, part.shape[0] - 1, time_ms]
    data = b"".join(_chunk(kind, body) for kind, body in _image_chunks(part))
    return b"".join(map(_three, place)) + bytes([DO_NOT_BLEND]) + data


def _image_chunks(pixels: np.ndarray) -> Iterator[tuple[bytes, bytes]]:
    """Encode a still picture, and yield the chunks that hold its pixels."""
    colours = pixels.shape[2] - has_alpha(pixels)
    rgb = np.broadcast_to(pixels[..., :colours], (*pixels.shape[:2], 3))
    levels = np.concatenate([rgb, pixels[..., colours:]], axis=2)
    file = io.BytesIO()
    Image.fromarray(levels).save(file, format="WEBP", lossless=True, exact=True)
    data, place = file.getvalue(), 12
    while place < len(data):
        kind, length = struct.unpack_from("<4sI", data, place)
        if kind == b"VP8L":
            yield kind, data[place + 8 : place + 8 + length]
        place += 8 + length + length % 2


def is_lossless_webp(file: BinaryIO) -> bool:
    """Whether every picture of the file holds its pixels without loss; its place is kept."""
    place = file.tell()
    kinds = {kind for kind, _, _ in _chunks_of(file)}
    file.seek(place)
    return b"VP8L" in kinds and b"VP8 " not in kinds


def find_chunk(file: BinaryIO, wanted: bytes) -> bytes | None:
    """Return a chunk's body, whatever the flags say of it: some programs forget to set them."""
    for kind, start, size in _chunks_of(file):
        if kind == wanted:
            file.seek(start + 8)
            return file.read(size - 8) or None
    return None


def find_packet(file: BinaryIO) -> bytes | None:
    """Return the XMP packet; ImageMagick 6 ends the chunk's name with a zero for the space."""
    return find_chunk(file, b"XMP ") or find_chunk(file, MISNAMED_XMP)


def _chunks_of(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    file.seek(0)
    end = 8 + int.from_bytes(file.read(12)[4:8], "little")
    try:
        yield from _walk(file, 12, end)
    except struct.error:
        return


def list_webp_parts(file: BinaryIO, metadata: Metadata) -> Iterator[Part]:
    """List every chunk of the file, those of its frames too, and what is behind the last."""
    head = file.read(12)
    end = 8 + int.from_bytes(head[4:8], "little")
    beside = {b"ICCP": metadata.icc, b"EXIF": metadata.exif}
    beside |= {b"XMP ": metadata.xmp, MISNAMED_XMP: metadata.xmp}
    for kind, _, size in _walk(file, 12, end):
        name = kind.decode("latin-1").strip()
        if kind in beside and beside[kind] is not None:
            yield Part(name=name, size=size, fate="carried")
        elif kind in LAYOUT_CHUNKS:
            yield Part(name=name, size=size, fate="rewritten")
        elif kind == b"C2PA":
            yield credentials(size)
        else:
            yield Part(name=name, size=size, fate="not carried")
    behind = file.seek(0, io.SEEK_END) - end
    if behind > 0:
        yield Part(name="data behind the end", size=behind, fate="not carried")


def _walk(file: BinaryIO, place: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, place and size of chunks; a frame's own come after the frame."""
    while place + 8 <= end:
        file.seek(place)
        kind, length = struct.unpack("<4sI", file.read(8))
        yield kind, place, 8 + length
        if kind == b"ANMF":
            yield from _walk(file, place + 8 + FRAME_HEAD, min(place + 8 + length, end))
        place += 8 + length + length % 2
