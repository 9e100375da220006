"""Reading a picture file of any kind: checked before it is decoded, upright, nothing dropped.

The only place that opens picture files. Pillow's (width, height) stays inside this folder.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal

import imagecodecs
import numpy as np
from PIL import Image, UnidentifiedImageError

from sam_diffsr_cli.errors import InputError, SamsrError
from sam_diffsr_cli.pictures import exif as exif_module
from sam_diffsr_cli.pictures import tiff
from sam_diffsr_cli.pictures.embedded import read_metadata
from sam_diffsr_cli.pictures.modes import SWAPPED, frame_pixels, is_deep, turn_upright
from sam_diffsr_cli.pictures.records import Frame, Limits, Picture

__all__ = ["PictureHead", "decode_picture", "read_head", "read_picture"]

CODECS = ("PNG", "JPEG", "MPO", "WEBP", "TIFF", "BMP", "DIB", "GIF", "AVIF")
SAME_FORMAT = {"MPO": "JPEG", "DIB": "BMP"}
PAGED = ("TIFF",)


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
    with _open_file(path) as file:
        return decode_picture(file, str(path), limits)


def read_head(path: Path, limits: Limits) -> PictureHead:
    """Read the header only.

    Raises:
        InputError: As ``read_picture``, as far as the header tells.
    """
    with _open_file(path) as file, _told_as_ours(str(path)), _open_image(file) as image:
        frames = _check_limits(image, str(path), limits)
        width, height = image.size
        metadata = read_metadata(image, file)
        if _turn(image, metadata.exif) in SWAPPED:
            width, height = height, width
        return PictureHead(_format_name(image), (height, width), frames)


def decode_picture(file: BinaryIO, name: str, limits: Limits) -> Picture:
    """Decode an open, seekable file; ``name`` stands in messages.

    Raises:
        InputError: As ``read_picture``.
    """
    with _told_as_ours(name), _open_image(file) as image:
        count = _check_limits(image, name, limits)
        metadata = read_metadata(image, file)
        turn = _turn(image, metadata.exif)
        frames, notes, profile = _read_frames(image, file, count, (name, limits))
        upright = tuple(replace(frame, pixels=turn_upright(frame.pixels, turn)) for frame in frames)
        name_of_format = _format_name(image)
        several: Literal["pages", "animation"] = (
            "pages" if name_of_format in PAGED else "animation"
        )
        return Picture(
            format=name_of_format,
            frames=upright,
            kind=several if len(upright) > 1 else "still",
            loop=image.info.get("loop"),
            metadata=metadata if profile is None else replace(metadata, icc=profile),
            notes=notes,
        )


def _turn(image: Image.Image, exif: bytes | None) -> int:
    """Return the EXIF orientation still to be applied; Pillow applies TIFF's own by itself."""
    return 1 if image.format == "TIFF" or exif is None else exif_module.orientation_of(exif)


def _read_frames(
    image: Image.Image, file: BinaryIO, count: int, source: tuple[str, Limits]
) -> tuple[list[Frame], tuple[str, ...], bytes | None]:
    """Decode every frame; also notes, and the profile when the pixels left the file's own space."""
    name, limits = source
    frames: list[Frame] = []
    notes: list[str] = []
    profile = None
    # A PNG's default picture that is no part of the animation is left out.
    first = 1 if count > 1 and image.info.get("default_image") else 0
    for index in range(first, count):
        if count > 1:
            image.seek(index)
        if is_deep(image):
            pixels = _deep_pixels(image, file, index, (name, limits))
        else:
            image.load()
            pixels, note, new_profile = frame_pixels(image, name)
            profile = new_profile or profile
            if note and note not in notes:
                notes.append(note)
        frames.append(Frame(pixels, float(image.info.get("duration") or 0.0)))
    if image.format in PAGED:
        return frames, tuple(notes), profile
    return _same_channels(frames), tuple(notes), profile


def _deep_pixels(
    image: Image.Image, file: BinaryIO, index: int, source: tuple[str, Limits]
) -> np.ndarray:
    name, limits = source
    if image.format == "TIFF":
        orientation = image.getexif().get(exif_module.ORIENTATION, 1)
        pixels = tiff.read_deep_page(file, index, name, limits)
        return turn_upright(pixels, orientation if orientation in range(1, 9) else 1)
    # Pillow first, since it checks what the codec does not: checksums and truncation.
    image.load()
    file.seek(0)
    pixels = np.asarray(imagecodecs.png_decode(file.read()))
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _same_channels(frames: list[Frame]) -> list[Frame]:
    """Give all frames of an animation the channels of the richest."""
    most = max(frame.pixels.shape[2] for frame in frames)
    has_alpha = any(frame.pixels.shape[2] in (2, 4) for frame in frames)
    wanted = (3 if most > 2 else 1) + has_alpha
    return [replace(frame, pixels=_widen(frame.pixels, wanted)) for frame in frames]


def _widen(pixels: np.ndarray, channels: int) -> np.ndarray:
    if pixels.shape[2] == channels:
        return pixels
    colours = 3 if pixels.shape[2] > 2 else 1
    colour, alpha = pixels[..., :colours], pixels[..., colours:]
    if channels > 2 and colours == 1:
        colour = np.repeat(colour, 3, axis=2)
    if channels in (2, 4) and alpha.shape[2] == 0:
        alpha = np.full_like(colour[..., :1], np.iinfo(pixels.dtype).max)
    return np.concatenate([colour, alpha], axis=2)


def _format_name(image: Image.Image) -> str:
    name = image.format or ""
    return SAME_FORMAT.get(name, name)


def _check_limits(image: Image.Image, name: str, limits: Limits) -> int:
    """Refuse what is too large before it is decoded; return the number of frames to read."""
    width, height = image.size
    # A camera's MPO is a JPEG whose further pictures are previews; the first is the photo.
    count = 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))
    if width < 1 or height < 1:
        raise InputError(f"{name}: has no pixels")
    if count > limits.max_frames:
        raise InputError(f"{name}: {count} frames are more than {limits.max_frames}")
    if width * height * count > limits.max_pixels:
        raise InputError(
            f"{name}: {width}x{height} pixels, {count} times, are more than is safe to decode"
            if count > 1
            else f"{name}: {width}x{height} pixels are more than is safe to decode",
            hint="raise --max-megapixels if you trust the file",
        )
    return count


@contextmanager
def _open_file(path: Path) -> Iterator[BinaryIO]:
    try:
        if path.is_dir():
            raise InputError(f"{path}: is a folder, not a picture")
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: is not a regular file")
        file = path.open("rb")
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({reason})") from error
    with file:
        if file.seek(0, io.SEEK_END) == 0:
            raise InputError(f"{path}: is empty")
        file.seek(0)
        yield file


@contextmanager
def _open_image(file: BinaryIO) -> Iterator[Image.Image]:
    """Open with Pillow, whose own limit on pixels, a global, gives way to ``Limits``."""
    Image.MAX_IMAGE_PIXELS = None
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(file, formats=CODECS) as image:
            yield image


@contextmanager
def _told_as_ours(name: str) -> Iterator[None]:
    """Turn whatever a decoder raises on a damaged file into an error that names the file."""
    try:
        yield
    except (SamsrError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise InputError(
            f"{name}: not a picture that samsr reads",
            hint="PNG, JPEG, WebP, TIFF, BMP, GIF and AVIF are read",
        ) from error
    except Exception as error:
        raise InputError(f"{name}: damaged or unreadable ({error})") from error
