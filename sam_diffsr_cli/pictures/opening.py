"""Opening picture files: a file that is there, a codec that knows it, and errors that name it."""

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from PIL import Image, PngImagePlugin, UnidentifiedImageError

from sam_diffsr_cli.errors import InputError, SamsrError
from sam_diffsr_cli.pictures.png import MOST_CHUNK_BYTES
from sam_diffsr_cli.pictures.records import Limits

__all__ = ["TOO_LARGE", "TRUST", "open_file", "open_image", "told_as_ours"]

CODECS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "AVIF")
TOO_LARGE = "more pixels than is safe to decode"
TRUST = "raise --max-megapixels if you trust the file"


class _Bounded(io.BufferedReader):
    """An open file that makes room for no more than it has, whatever a damaged one says."""

    def __init__(self, path: Path) -> None:
        raw = io.FileIO(path)
        super().__init__(raw)
        self._size = os.fstat(raw.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """Read ``size`` bytes, or what there is."""
        if size is None or size < 0:
            return super().read()
        return super().read(min(size, max(0, self._size - self.tell())))


@contextmanager
def open_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading.

    Raises:
        InputError: It is missing, no file, empty, or cannot be read.
    """
    try:
        if path.is_dir():
            is_open = os.access(path, os.R_OK | os.X_OK)
            what = "not a picture" if is_open else "and cannot be read"
            raise InputError(f"{path}: is a folder, {what}")
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: is not a regular file")
        file = _Bounded(path)
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
def open_image(file: BinaryIO, limits: Limits) -> Iterator[Image.Image]:
    """Open with Pillow, whose own limits, globals, become ours.

    Pillow makes room for a GIF's frames while it looks for them, before they can be checked here.
    """
    Image.MAX_IMAGE_PIXELS = limits.max_pixels
    PngImagePlugin.MAX_TEXT_CHUNK = MOST_CHUNK_BYTES
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(file, formats=CODECS) as image:
            yield image


@contextmanager
def told_as_ours(name: str) -> Iterator[None]:
    """Turn whatever a decoder raises on a damaged file into an error that names the file."""
    try:
        yield
    except (SamsrError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise InputError(f"{name}: {TOO_LARGE}", hint=TRUST) from error
    except UnidentifiedImageError as error:
        raise InputError(
            f"{name}: not a picture that samsr reads",
            hint="PNG, JPEG, WebP, TIFF, BMP, GIF, AVIF and JPEG XL are read, HEIC with an extra",
        ) from error
    except Exception as error:
        raise InputError(f"{name}: damaged or unreadable ({error})") from error
