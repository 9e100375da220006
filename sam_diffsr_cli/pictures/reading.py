"""Reading a picture file of any kind: checked before it is decoded, upright, nothing dropped.

Pillow's (width, height) stays inside this folder.
"""

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import imagecodecs
import numpy as np
from PIL import Image

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures import exif as exif_module
from sam_diffsr_cli.pictures.animation import plays_of
from sam_diffsr_cli.pictures.apng import read_apng
from sam_diffsr_cli.pictures.avif import (
    crop_frames,
    depth_notes,
    read_deep_avif,
    shown_window,
    still_properties,
)
from sam_diffsr_cli.pictures.boxes import ItemProperties
from sam_diffsr_cli.pictures.channels import gray_again, same_channels
from sam_diffsr_cli.pictures.colour import srgb_levels
from sam_diffsr_cli.pictures.embedded import forget_texts, read_metadata
from sam_diffsr_cli.pictures.gif import read_loop, with_disposals, within_screen
from sam_diffsr_cli.pictures.jpeg_quality import jpeg_quality
from sam_diffsr_cli.pictures.jxl import JXL_NAME, jpeg_inside
from sam_diffsr_cli.pictures.listers import list_parts
from sam_diffsr_cli.pictures.modes import SWAPPED, frame_pixels, is_deep, turn_upright
from sam_diffsr_cli.pictures.opening import TRUST, open_file, open_image, told_as_ours
from sam_diffsr_cli.pictures.readers import Reader, called_by_name, check_size, look, reader_of
from sam_diffsr_cli.pictures.records import Frame, Kind, Limits, Metadata, Picture
from sam_diffsr_cli.pictures.tiff_reading import decode_tiff, is_tiff, tiff_size
from sam_diffsr_cli.pictures.views import read_views
from sam_diffsr_cli.pictures.webp import is_lossless_webp
from sam_diffsr_cli.pictures.xmp import orientation_in

__all__ = ["PictureHead", "decode_picture", "read_head", "read_levels", "read_picture"]

SAME_FORMAT = {"MPO": "JPEG", "DIB": "BMP"}


@dataclass(frozen=True, slots=True)
class PictureHead:
    """What the header says: the format, the upright height and width, and the number of frames."""

    format: str
    size: tuple[int, int]
    frames: int


def read_picture(path: Path, limits: Limits) -> Picture:
    """Read a picture file with all its frames and metadata.

    Raises:
        InputError: It is missing, no picture, damaged, too large, or of a kind that is not read.
    """
    with open_file(path) as file:
        return decode_picture(file, str(path), limits)


def read_levels(path: Path, limits: Limits | None = None) -> np.ndarray:
    """Read the first frame of a file as sRGB, ``(H, W, 3)`` uint8; transparency is left out.

    Raises:
        InputError: It cannot be read.
    """
    picture = read_picture(path, limits or Limits())
    return srgb_levels(picture.frames[0].pixels, picture.metadata.icc)


def read_head(path: Path, limits: Limits) -> PictureHead:
    """Read the header only.

    Raises:
        InputError: As ``read_picture``, as far as the header tells.
    """
    name = str(path)
    with open_file(path) as file, told_as_ours(name):
        kind = look(file, name)
        reader = reader_of(kind, file)
        if reader is not None:
            size = reader.size_of(file, name)
            check_size(size, name, limits)
            return PictureHead(reader.format, size, 1)
        if is_tiff(file):
            return PictureHead("TIFF", *tiff_size(file, name, limits))
        with called_by_name(kind, name, file):
            return _read_head(file, name, limits)


def _read_head(file: BinaryIO, name: str, limits: Limits) -> PictureHead:
    with open_image(file, limits) as image:
        frames = _check_limits(image, name, limits)
        width, height = image.size
        window = shown_window(_boxes_of(image, file), (height, width))
        if window is not None:
            height, width = (span.stop - span.start for span in window)
        if _orientation(read_metadata(image, file)) in SWAPPED:
            width, height = height, width
        return PictureHead(_format_name(image), (height, width), frames)


def decode_picture(file: BinaryIO, name: str, limits: Limits) -> Picture:
    """Decode an open, seekable file; ``name`` stands in messages.

    Raises:
        InputError: As ``read_picture``.
    """
    with told_as_ours(name):
        kind = look(file, name)
        reader = reader_of(kind, file)
        if reader is not None:
            return _decode_alone(reader, file, name, limits)
        if is_tiff(file):
            return decode_tiff(file, name, limits)
        is_gif = kind is not None and kind.name == "GIF"
        with called_by_name(kind, name, file):
            return _decode(with_disposals(file) if is_gif else file, name, limits)


def _decode_alone(reader: Reader, file: BinaryIO, name: str, limits: Limits) -> Picture:
    """Decode what Pillow does not open."""
    size = reader.size_of(file, name)
    check_size(size, name, limits)
    jpeg = jpeg_inside(file) if reader.format == JXL_NAME else None
    if jpeg is not None:
        inside = decode_picture(io.BytesIO(jpeg), name, limits)
        return replace(inside, format=JXL_NAME)
    picture = reader.read(file, name)
    if picture.size != size:
        raise ValueError("its pixels are not as many as it says")
    turn = 1 if reader.turns else _orientation(picture.metadata)
    pixels = turn_upright(picture.frames[0].pixels, turn)
    parts = list_parts(reader.format, file, picture.metadata)
    turned = picture.turned if reader.turns else turn
    return replace(picture, frames=(Frame(pixels),), turned=turned, parts=parts)


def _decode(file: BinaryIO, name: str, limits: Limits) -> Picture:
    with open_image(file, limits) as image:
        count = _check_limits(image, name, limits)
        forget_texts(image)
        metadata = read_metadata(image, file)
        turn = _orientation(metadata)
        plays = plays_of(image.format or "", _loop_of(image, file))
        notes: tuple[str, ...] = ()
        profile: bytes | None = None
        if image.format == "PNG" and count > 1:
            frames, plays = read_apng(file, name)
        else:
            frames, notes, profile = _read_frames(image, file, count, name)
        boxes = _boxes_of(image, file)
        if boxes is not None:
            frames = crop_frames(frames, boxes)
        elif image.format == "AVIF":
            notes += depth_notes(file)
        upright = tuple(replace(frame, pixels=turn_upright(frame.pixels, turn)) for frame in frames)
        kind: Kind = "animation" if len(upright) > 1 else "still"
        if _format_name(image) == "JPEG":
            metadata, upright = read_views(metadata, upright, turn, limits)
            kind = "views" if len(upright) > 1 else "still"
        return Picture(
            format=_format_name(image),
            frames=upright,
            kind=kind,
            plays=plays,
            metadata=metadata if profile is None else replace(metadata, icc=profile, colour=None),
            notes=notes,
            parts=list_parts(_format_name(image), file, metadata),
            turned=turn,
            bits=boxes.bits if boxes is not None and boxes.bits > 8 else None,
            quality=jpeg_quality(getattr(image, "quantization", {})),
            is_exact=_is_exact(image, file, boxes),
        )


def _boxes_of(image: Image.Image, file: BinaryIO) -> ItemProperties | None:
    """Read what an AVIF's boxes say of a still picture."""
    is_still = image.format == "AVIF" and getattr(image, "n_frames", 1) == 1
    return still_properties(file) if is_still else None


def _is_exact(image: Image.Image, file: BinaryIO, boxes: ItemProperties | None) -> bool:
    """Whether a file of a format that may lose something holds its pixels without loss."""
    if image.format == "WEBP":
        return is_lossless_webp(file)
    return boxes is not None and boxes.is_identity


def _loop_of(image: Image.Image, file: BinaryIO) -> object:
    """Return the number by which the file tells its repetition."""
    if image.format != "GIF":
        return image.info.get("loop")
    place = file.tell()
    try:
        return read_loop(file)
    except (IndexError, ValueError):
        return image.info.get("loop")
    finally:
        file.seek(place)


def _orientation(metadata: Metadata) -> int:
    """Return how the picture is turned by EXIF or, where that says nothing, by XMP."""
    found = None if metadata.exif is None else exif_module.orientation_of(metadata.exif)
    if found is None and metadata.xmp is not None:
        found = orientation_in(metadata.xmp)
    return found or 1


def _read_frames(
    image: Image.Image, file: BinaryIO, count: int, name: str
) -> tuple[list[Frame], tuple[str, ...], bytes | None]:
    """Decode every frame; also notes, and the profile when the pixels left the file's own space."""
    frames: list[Frame] = []
    notes: list[str] = []
    profile = None
    screen = image.height, image.width
    for index in range(count):
        if count > 1:
            image.seek(index)
        forget_texts(image)
        if is_deep(image, file):
            pixels = _deep_pixels(image, file)
        else:
            image.load()
            forget_texts(image)
            pixels, note, new_profile = frame_pixels(image, name)
            profile = new_profile or profile
            notes += [note] if note else []
        duration = image.info.get("duration")
        frames.append(Frame(pixels, float(duration) if isinstance(duration, (int, float)) else 0.0))
    if image.format == "GIF":
        frames, further = within_screen(frames, screen)
        frames = gray_again(frames)
        notes += further
    frames = same_channels(frames)
    return frames, tuple(dict.fromkeys(notes)), profile


def _deep_pixels(image: Image.Image, file: BinaryIO) -> np.ndarray:
    """Decode a still PNG or AVIF of more than 8 bits."""
    boxes = _boxes_of(image, file)
    if boxes is not None:
        return read_deep_avif(file, boxes.bits, (image.height, image.width))
    # Pillow first, since it checks what the codec does not: checksums and truncation.
    image.load()
    file.seek(0)
    pixels = np.asarray(imagecodecs.png_decode(file.read()))
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _format_name(image: Image.Image) -> str:
    name = image.format or ""
    return SAME_FORMAT.get(name, name)


def _check_limits(image: Image.Image, name: str, limits: Limits) -> int:
    """Refuse what is too large before it is decoded; return the number of frames to read."""
    width, height = image.size
    # Of a camera's MPO the first is the photo; other views of it are read by themselves.
    count = 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))
    if width < 1 or height < 1:
        raise InputError(f"{name}: has no pixels")
    if count > limits.max_frames:
        raise InputError(f"{name}: {count} frames are more than {limits.max_frames}")
    if width * height * count > limits.max_pixels:
        times = f", {count} times," if count > 1 else ""
        raise InputError(
            f"{name}: {width}x{height} pixels{times} are more than is safe to decode",
            hint=TRUST,
        )
    return count
