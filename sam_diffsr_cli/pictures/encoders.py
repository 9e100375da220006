"""The formats that Pillow writes, and what is to be said to it for each."""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from sam_diffsr_cli.choices import DEFAULT_FILE_QUALITY, Subsampling
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures.animation import loop_number, written_times
from sam_diffsr_cli.pictures.avif import tag_frames
from sam_diffsr_cli.pictures.exif import without_orientation
from sam_diffsr_cli.pictures.formats import Format
from sam_diffsr_cli.pictures.records import Metadata, Picture, has_alpha, to_8_bits
from sam_diffsr_cli.pictures.tiff_pages import PHOTOSHOP_PREFIX
from sam_diffsr_cli.pictures.views import encode_views
from sam_diffsr_cli.pictures.webp import write_lossless_animation

__all__ = [
    "MOST_JPEG_SEGMENT",
    "SUBSAMPLINGS",
    "WriteOptions",
    "save_with_pillow",
]

MOST_JPEG_SEGMENT = 65_533
GIF_CLEAR = 255
"""The place in a GIF's palette of what is not seen."""

TIMED_BOXES = (b"mvhd", b"tkhd", b"mdhd")
"""Boxes of an animated AVIF that hold when they were written."""


SUBSAMPLINGS: dict[Subsampling, int] = {"444": 0, "422": 1, "420": 2}
"""Pillow's numbers for how many pixels share a colour in a JPEG."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WriteOptions:
    """How to write. ``quality`` 1 to 100 is for JPEG, WebP, AVIF and JPEG XL.

    ``subsampling`` of the colours and ``progressive`` are for JPEG; ``dpi`` is the print density
    that is told, None for that of the picture that was read.
    """

    quality: int = DEFAULT_FILE_QUALITY
    lossless: bool = False
    strip_metadata: bool = False
    subsampling: Subsampling = "444"
    progressive: bool = False
    dpi: float | None = None


def save_with_pillow(
    file: BinaryIO, picture: Picture, target: Format, metadata: Metadata, options: WriteOptions
) -> None:
    """Write a picture; see ``encode_picture``.

    Raises:
        InputError: The codec refuses the picture.
    """
    if target.name == "WEBP" and picture.kind == "animation" and options.lossless:
        _save_exact_webp(file, picture, target, metadata)
        return
    saved: dict[str, Any] = _ENCODERS[target.name](metadata, options)
    first = _to_image(picture.frames[0].pixels, target)
    if picture.kind == "animation":
        saved |= _animation_options(picture, target)
    behind = metadata.behind
    if behind is not None and behind.gain_map is not None:
        # Readers of gain maps know no gray photo.
        first = first.convert("RGB")
    try:
        if behind is None:
            first.save(file, format=target.name, **saved)
        else:
            base = io.BytesIO()
            first.save(base, format=target.name, **saved)
            behind = encode_views(picture, behind, _jpeg_coding(options))
            file.write(behind.write(base.getvalue()))
    except (ArithmeticError, RuntimeError, TypeError, ValueError, struct.error) as error:
        raise InputError(f"cannot be written as {target.name} ({error})") from error
    if target.name == "AVIF" and picture.kind == "animation":
        _forget_times(file)
        if metadata.colour is not None and metadata.colour.codes is not None:
            tag_frames(file, metadata.colour.codes)


def _save_exact_webp(file: BinaryIO, picture: Picture, target: Format, metadata: Metadata) -> None:
    frames = [
        f.pixels if f.pixels.dtype == np.uint8 else to_8_bits(f.pixels) for f in picture.frames
    ]
    times = written_times([frame.duration_ms for frame in picture.frames], target)
    plays = loop_number(target, picture.plays) or 0
    write_lossless_animation(file, frames, times, plays, metadata)


def _forget_times(file: BinaryIO) -> None:
    """Put zero in the place of the times in an AVIF, so that the same picture is the same file."""
    file.seek(0)
    data = file.read()
    end = data.index(b"mdat") if data.find(b"mdat") > data.find(b"moov") else len(data)
    for kind in TIMED_BOXES:
        place = data.find(kind)
        while 0 <= place < end:
            # Version 1 has two times of 8 bytes, version 0 of 4; a byte of version and 3 of flags.
            size = 16 if data[place + 4] else 8
            file.seek(place + 8)
            file.write(bytes(size))
            place = data.find(kind, place + 4)
    file.seek(0, io.SEEK_END)


def _to_image(pixels: np.ndarray, target: Format) -> Image.Image:
    """Hand pixels to Pillow, 16 bits reduced to 8."""
    if pixels.dtype == np.uint16:
        pixels = to_8_bits(pixels)
    image = Image.fromarray(
        np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    )
    return _keyed(image) if target.name == "GIF" and has_alpha(pixels) else image


def _keyed(image: Image.Image) -> Image.Image:
    """Reduce to 255 colours, and one that is clear, for what is more than half so.

    Pillow's own reduction averages the clear colour with others, and loses it.
    """
    colours = image.convert("RGB").quantize(GIF_CLEAR)
    index = np.array(colours)
    index[np.asarray(image)[..., -1] < 128] = GIF_CLEAR
    keyed = Image.fromarray(index)
    palette = bytes(colours.getpalette() or ())[: 3 * GIF_CLEAR]
    keyed.putpalette(palette.ljust(3 * 256, b"\0"))
    keyed.info["transparency"] = GIF_CLEAR
    return keyed


def _beside(metadata: Metadata, *names: str) -> dict[str, Any]:
    """Pick Pillow's options for those of ``names`` that there are."""
    values = {
        "icc_profile": metadata.icc,
        "exif": metadata.exif and b"Exif\0\0" + metadata.exif,
        "xmp": metadata.xmp,
        "dpi": metadata.dpi,
        "comment": metadata.comment,
    }
    return {name: values[name] for name in names if values[name] is not None}


def _jpeg(metadata: Metadata, options: WriteOptions) -> dict[str, Any]:
    saved = _beside(metadata, "icc_profile", "exif", "xmp", "dpi", "comment")
    if metadata.photoshop is not None:
        saved["extra"] = b"".join(_photoshop_segments(metadata.photoshop))
    return saved | _jpeg_coding(options)


def _jpeg_coding(options: WriteOptions) -> dict[str, Any]:
    return {
        "quality": options.quality,
        "subsampling": SUBSAMPLINGS[options.subsampling],
        "progressive": options.progressive,
    }


def _photoshop_segments(photoshop: bytes) -> Iterator[bytes]:
    """Spread Photoshop's resources over as many segments as they need."""
    body, room = photoshop.removeprefix(PHOTOSHOP_PREFIX), MOST_JPEG_SEGMENT - len(PHOTOSHOP_PREFIX)
    for first in range(0, max(len(body), 1), room):
        part = PHOTOSHOP_PREFIX + body[first : first + room]
        yield b"\xff\xed" + (len(part) + 2).to_bytes(2, "big") + part


def _webp(metadata: Metadata, options: WriteOptions) -> dict[str, Any]:
    saved = _beside(metadata, "icc_profile", "exif", "xmp")
    exactly = {"lossless": True, "exact": True} if options.lossless else {}
    return saved | {"quality": options.quality} | exactly


def _avif(metadata: Metadata, options: WriteOptions) -> dict[str, Any]:
    if metadata.exif is not None:
        # Pillow writes EXIF anew, and loses some, when the orientation is in it.
        metadata = replace(metadata, exif=without_orientation(metadata.exif))
    saved = _beside(metadata, "icc_profile", "exif", "xmp")
    return saved | {"quality": options.quality, "subsampling": "4:4:4"}


def _bmp(metadata: Metadata, _options: WriteOptions) -> dict[str, Any]:
    return _beside(metadata, "dpi")


def _gif(metadata: Metadata, _options: WriteOptions) -> dict[str, Any]:
    return _beside(metadata, "comment")


_ENCODERS = {"JPEG": _jpeg, "WEBP": _webp, "AVIF": _avif, "BMP": _bmp, "GIF": _gif}


def _animation_options(picture: Picture, target: Format) -> dict[str, Any]:
    """Frames after the first, times and repetition; each frame replaces the one before it."""
    others = (_to_image(frame.pixels, target) for frame in picture.frames[1:])
    options: dict[str, Any] = {
        "save_all": True,
        "append_images": others,
        "duration": written_times([frame.duration_ms for frame in picture.frames], target),
    }
    loop = loop_number(target, picture.plays)
    if loop is not None:
        options["loop"] = loop
    if target.name == "GIF" and any(has_alpha(frame.pixels) for frame in picture.frames):
        options["disposal"] = 2
    return options
