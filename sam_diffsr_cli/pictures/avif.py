"""AVIF beyond Pillow: more than 8 bits, colour by code points, and the clean aperture.

Stills only: of animations the codec gives no times, and Pillow reads and writes them.
"""

import struct
from collections.abc import Iterable
from dataclasses import replace
from typing import BinaryIO

import imagecodecs
import numpy as np

from sam_diffsr_cli.pictures.avif_items import insert_items
from sam_diffsr_cli.pictures.boxes import ItemProperties, children_of, read_properties
from sam_diffsr_cli.pictures.colour_numbers import Codes
from sam_diffsr_cli.pictures.records import Frame, Metadata

__all__ = [
    "MOST_BITS",
    "crop_frames",
    "depth_notes",
    "light_chunks",
    "properties_of",
    "read_deep_avif",
    "shown_window",
    "still_properties",
    "tag_frames",
    "write_avif",
]

MOST_BITS = 12
SPEED = 6
"""As Pillow's encoder has it."""

EXACT = 100
"""Of quality: without loss where no matrix is asked for, since green, blue and red stay apart."""

THREADS = 8
"""More than one on every machine: the same picture is the same file then, whatever the number."""

SRGB_CODES, UNSPECIFIED_CODES = Codes(1, 13), Codes(2, 2)
MATRIX, BT2020_MATRIX, BT2020_PRIMARIES = 1, 9, 9
"""How light is told apart from colour in the file: BT.709's way, but BT.2020's own.

Not BT.601's, which Pillow takes: its quick way through 8 bits shifts every picture by more than
half a level to green.
"""

PNG_LIGHT, BOX_LIGHT = 10_000, 1
"""How many units make a candela per square metre in ``cLLI`` and in ``clli``."""


def properties_of(file: BinaryIO) -> ItemProperties | None:
    """Read what the boxes say of the picture, and leave the file where it stood."""
    place = file.tell()
    found = read_properties(file)
    file.seek(place)
    return found


def still_properties(file: BinaryIO) -> ItemProperties | None:
    """As ``properties_of``; None for an animation."""
    place = file.tell()
    file.seek(0)
    brands = next(iter(children_of(file.read(64))), None)
    file.seek(place)
    is_moving = brands is not None and brands.body[:4] == b"avis"
    return None if is_moving else properties_of(file)


def read_deep_avif(file: BinaryIO, bits: int, size: tuple[int, int]) -> np.ndarray:
    """Decode 10 or 12 bits, not yet turned, as ``(*size, C)`` uint16, their top at 65535.

    Raises:
        ValueError: The pixels are not what the boxes say.
    """
    file.seek(0)
    levels = np.asarray(imagecodecs.avif_decode(file.read()))
    top = 2**bits - 1
    if levels.ndim not in (2, 3) or levels.shape[:2] != size:
        raise ValueError("its pixels are not as many as it says")
    if levels.dtype != np.uint16 or levels.max() > top:
        raise ValueError("not the bits a channel that it says")
    whole = levels.astype(np.uint32) * 65535 + top // 2
    pixels: np.ndarray = (whole // top).astype(np.uint16)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def light_chunks(properties: ItemProperties) -> Iterable[tuple[bytes, bytes]]:
    """Yield what the boxes say of a screen's light, as the chunks of PNG that say the same."""
    level = properties.others.get(b"clli", b"")
    if len(level) >= 4:
        most, mean = struct.unpack(">HH", level[:4])
        yield b"cLLI", struct.pack(">II", most * PNG_LIGHT, mean * PNG_LIGHT)
    screen = properties.others.get(b"mdcv", b"")
    if len(screen) >= 24:
        # Green, blue and red come in this order in the box.
        yield b"mDCV", screen[8:12] + screen[:8] + screen[12:24]


def _light_boxes(chunks: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[bytes, bytes]]:
    for kind, body in chunks:
        if kind == b"cLLI" and len(body) == 8:
            levels = (min(round(v / PNG_LIGHT), 65535) for v in struct.unpack(">II", body))
            yield b"clli", struct.pack(">HH", *levels)
        elif kind == b"mDCV" and len(body) == 24:
            yield b"mdcv", body[4:12] + body[:4] + body[12:]


def write_avif(
    file: BinaryIO, pixels: np.ndarray, metadata: Metadata, quality: int | None, bits: int
) -> None:
    """Write a still with its colours' code points.

    Args:
        file: Written from where it stands.
        pixels: ``(H, W, C)``, uint8 or uint16.
        metadata: Its ``colour`` gives the code points.
        quality: 1 to 100; None for exact pixels, of as many bits.
        bits: A channel, 10 or 12, where the pixels are uint16.

    Raises:
        ValueError: The encoder refuses the picture.
    """
    codes = UNSPECIFIED_CODES if metadata.icc is not None else SRGB_CODES
    if metadata.colour is not None and metadata.colour.codes is not None:
        codes = metadata.colour.codes
    levels = pixels
    if pixels.dtype == np.uint16:
        top = 2**bits - 1
        levels = ((pixels.astype(np.uint32) * top + 32767) // 65535).astype(np.uint16)
    matrix = BT2020_MATRIX if codes.primaries == BT2020_PRIMARIES else MATRIX
    data = imagecodecs.avif_encode(
        np.ascontiguousarray(levels[..., 0] if levels.shape[2] == 1 else levels),
        level=EXACT if quality is None else quality,
        speed=SPEED,
        numthreads=THREADS,
        bitspersample=bits if pixels.dtype == np.uint16 else None,
        primaries=codes.primaries,
        transfer=codes.transfer,
        matrix=matrix if quality is not None else None,
    )
    properties = list(_light_boxes(metadata.png_chunks))
    if metadata.icc is not None:
        properties.append((b"colr", b"prof" + metadata.icc))
    file.write(
        insert_items(bytes(data), exif=metadata.exif, xmp=metadata.xmp, properties=properties)
    )


def tag_frames(file: BinaryIO, codes: Codes) -> None:
    """Put other code points in the place of those that Pillow wrote into an animation."""
    file.seek(0)
    data = file.read()
    mark = b"colrnclx"
    place = data.find(mark)
    while place >= 0:
        file.seek(place + len(mark))
        file.write(struct.pack(">HH", codes.primaries, codes.transfer))
        place = data.find(mark, place + 1)
    file.seek(len(data))


def shown_window(boxes: ItemProperties | None, size: tuple[int, int]) -> tuple[slice, slice] | None:
    """Return the rows and columns that are to be seen, before turning; None for all."""
    return None if boxes is None or boxes.crop is None else boxes.crop.window(size)


def crop_frames(frames: list[Frame], boxes: ItemProperties) -> list[Frame]:
    """Leave of frames what is to be seen, before turning, and gray of what is gray."""
    if boxes.is_gray:
        # Pillow gives it in three channels, all the same.
        kept = [
            replace(f, pixels=f.pixels[..., 2:] if f.pixels.shape[2] == 4 else f.pixels[..., :1])
            for f in frames
            if f.pixels.shape[2] > 2
        ]
        frames = kept or frames
    height, width = frames[0].pixels.shape[:2]
    window = shown_window(boxes, (height, width))
    if window is None:
        return frames
    return [replace(frame, pixels=frame.pixels[window]) for frame in frames]


def depth_notes(file: BinaryIO) -> tuple[str, ...]:
    """Say that an animation has more bits than are read of it."""
    boxes = properties_of(file)
    if boxes is None or boxes.bits == 8:
        return ()
    return (f"{boxes.bits} bits a channel became 8, all that is read of an animated AVIF",)
