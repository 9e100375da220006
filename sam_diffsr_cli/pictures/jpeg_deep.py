"""JPEG of more than 8 bits, and lossless JPEG (ITU-T T.81), which Pillow does not open."""

import io
import struct
from typing import BinaryIO, NamedTuple

import imagecodecs
import numpy as np
from PIL import Image

from sam_diffsr_cli.pictures.embedded import read_metadata
from sam_diffsr_cli.pictures.records import Frame, Picture

__all__ = [
    "JPEG_LS",
    "JpegFrame",
    "find_frame",
    "is_deep_jpeg",
    "read_deep_jpeg",
    "size_of_deep_jpeg",
]

BASELINE, EXTENDED, LOSSLESS = 0xC0, 0xC1, 0xC3
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
JPEG_LS = 0xF7
STANDALONE = frozenset((0x01, *range(0xD0, 0xD9)))
SCAN, END = 0xDA, 0xD9
END_OF_IMAGE = b"\xff\xd9"
MODES = {1: "L", 3: "RGB"}


class JpegFrame(NamedTuple):
    """The frame header: its marker's second byte, its place, and what it says."""

    marker: int
    place: int
    bits: int
    height: int
    width: int
    channels: int


def find_frame(file: BinaryIO) -> JpegFrame | None:
    """Find the frame header; None when there is none before the first scan."""
    file.seek(2)
    while True:
        head = file.read(2)
        if len(head) < 2 or head[0] != 0xFF:
            return None
        marker = head[1]
        if marker == 0xFF:
            file.seek(-1, io.SEEK_CUR)
            continue
        if marker in STANDALONE:
            continue
        length = int.from_bytes(file.read(2), "big")
        if marker in (SCAN, END) or length < 2:
            return None
        place = file.tell()
        if marker in FRAMES or marker == JPEG_LS:
            body = file.read(6)
            if len(body) < 6:
                return None
            bits, height, width, channels = struct.unpack(">BHHB", body)
            return JpegFrame(marker, place, bits, height, width, channels)
        file.seek(place + length - 2)


def is_deep_jpeg(file: BinaryIO) -> bool:
    """Whether a JPEG is one that is read here."""
    frame = find_frame(file)
    if frame is None or frame.marker == JPEG_LS:
        return False
    return frame.bits != 8 or frame.marker == LOSSLESS


def size_of_deep_jpeg(file: BinaryIO, _name: str) -> tuple[int, int]:
    """Read height and width, not yet turned.

    Raises:
        ValueError: There is no frame.
    """
    frame = find_frame(file)
    if frame is None:
        raise ValueError("no frame")
    return frame.height, frame.width


def read_deep_jpeg(file: BinaryIO, _name: str) -> Picture:
    """Read gray or RGB, not yet turned.

    Raises:
        ValueError: It is damaged, or of a kind that the codec does not know.
    """
    frame = find_frame(file)
    if frame is None or frame.channels not in MODES:
        raise ValueError(f"a JPEG of {frame.bits if frame else 0} bits of this kind is not read")
    file.seek(0)
    data = file.read()
    # The codec fills up what is missing, and says so to nobody.
    if data.find(END_OF_IMAGE, frame.place) < 0:
        raise ValueError("it is truncated")
    try:
        levels = np.asarray(imagecodecs.jpeg_decode(data))
    except RuntimeError as error:
        kind = "lossless JPEG" if frame.marker == LOSSLESS else f"JPEG of {frame.bits} bits"
        raise ValueError(f"a {kind}, which the codec does not read: {error}") from error
    pixels = levels[..., None] if levels.ndim == 2 else levels
    if pixels.dtype == np.uint16:
        top = 2**frame.bits - 1
        whole = pixels.astype(np.uint32).clip(0, top)
        pixels = ((whole * 65535 + top // 2) // top).astype(np.uint16)
    # To Pillow, which reads what stands beside the pixels, it is as one of 8 bits.
    plain = bytearray(data)
    plain[frame.place] = 8
    plain[frame.place - 3] = EXTENDED
    with Image.open(io.BytesIO(bytes(plain)), formats=("JPEG",)) as image:
        metadata = read_metadata(image, io.BytesIO(bytes(plain)))
    return Picture(
        format="JPEG",
        frames=(Frame(pixels),),
        metadata=metadata,
        bits=frame.bits if 8 < frame.bits < 16 else None,
    )
