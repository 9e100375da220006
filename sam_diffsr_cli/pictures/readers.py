"""The readers of what Pillow does not open, and the refusal of what nothing here reads, by name."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple

from PIL import UnidentifiedImageError

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures.heif import HEIF_NAME, read_heif, size_of_heif
from sam_diffsr_cli.pictures.jpeg_deep import (
    JPEG_LS,
    find_frame,
    is_deep_jpeg,
    read_deep_jpeg,
    size_of_deep_jpeg,
)
from sam_diffsr_cli.pictures.jxl import JXL_NAME, read_jxl, size_of_jxl
from sam_diffsr_cli.pictures.kinds import CONVERT, HEAD_BYTES, Kind, can_read_heif, kind_of
from sam_diffsr_cli.pictures.opening import TRUST
from sam_diffsr_cli.pictures.records import Limits, Picture

__all__ = ["Reader", "called_by_name", "check_size", "look", "reader_of"]

HEIF_KINDS = ("HEIC", "HEIF")


class Reader(NamedTuple):
    """How a kind of file is read; ``turns`` when its pixels come out upright.

    ``size_of`` and ``read`` take the open file and its name.
    """

    format: str
    size_of: Callable[[BinaryIO, str], tuple[int, int]]
    read: Callable[[BinaryIO, str], Picture]
    turns: bool = True


def look(file: BinaryIO, name: str) -> Kind | None:
    """Tell what a file is by its first bytes; None when it has no name.

    Raises:
        InputError: It has a name, and is not read.
    """
    file.seek(0)
    kind = kind_of(file.read(HEAD_BYTES), file)
    file.seek(0)
    is_heif = kind is not None and kind.name in HEIF_KINDS
    if kind is not None and kind.hint is not None and not (is_heif and can_read_heif()):
        raise InputError(f"{name}: is {kind.name}", hint=kind.hint)
    return kind


def reader_of(kind: Kind | None, file: BinaryIO) -> Reader | None:
    """Return the reader of a file that Pillow does not open; None for all others."""
    if kind is None:
        return None
    if kind.name in HEIF_KINDS:
        return Reader(HEIF_NAME, size_of_heif, read_heif)
    if kind.name == "JPEG XL":
        return Reader(JXL_NAME, size_of_jxl, read_jxl)
    if kind.name == "JPEG" and is_deep_jpeg(file):
        return Reader("JPEG", size_of_deep_jpeg, read_deep_jpeg, turns=False)
    file.seek(0, io.SEEK_SET)
    return None


def check_size(size: tuple[int, int], name: str, limits: Limits) -> None:
    """Refuse what is too large before it is decoded.

    Raises:
        InputError: It has no pixels, or too many.
    """
    height, width = size
    if height < 1 or width < 1:
        raise InputError(f"{name}: has no pixels")
    if height * width > limits.max_pixels:
        raise InputError(
            f"{name}: {width}x{height} pixels are more than is safe to decode", hint=TRUST
        )


@contextmanager
def called_by_name(kind: Kind | None, name: str, file: BinaryIO) -> Iterator[None]:
    """Call what Pillow does not know by the name that its first bytes give it.

    Raises:
        InputError: It has such a name.
    """
    try:
        yield
    except UnidentifiedImageError as error:
        if kind is None:
            raise
        frame = find_frame(file) if kind.name == "JPEG" else None
        if frame is not None and frame.marker == JPEG_LS:
            raise InputError(f"{name}: is JPEG-LS", hint=CONVERT) from error
        raise InputError(f"{name}: damaged, or a kind of {kind.name} that is not read") from error
