"""How colours are told in a file to be written: by a profile, by code points, or as plain sRGB."""

from dataclasses import replace

import numpy as np

from sam_diffsr_cli.pictures.colour import ColourPath, colour_path
from sam_diffsr_cli.pictures.colour_numbers import (
    DISPLAY_P3,
    Codes,
    Colour,
    profile_of,
    transfer_name,
)
from sam_diffsr_cli.pictures.formats import Format
from sam_diffsr_cli.pictures.jxl import JXL_NAME, can_tell
from sam_diffsr_cli.pictures.records import Metadata, Picture

__all__ = ["colour_needs", "fit_colour", "in_told_colours"]

COLOUR_CHUNKS = frozenset((b"cICP", b"gAMA", b"cHRM", b"sRGB"))
NO_GRAY = "WEBP"
"""The one format with room for profiles and none for gray."""

ROWS = 256
"""Rows that are converted at a time."""


def colour_needs(metadata: Metadata, target: Format) -> str | None:
    """Name the colours that ``target`` cannot tell, and that no profile could; None when it can."""
    colour = metadata.colour
    if colour is None or colour.codes is None or not colour.needs_codes:
        return None
    return None if _is_coded(colour, target) else transfer_name(colour.codes)


def _is_coded(colour: Colour, target: Format) -> bool:
    """Whether the format tells these colours without a profile."""
    if target.name == JXL_NAME:
        return can_tell(colour)
    is_narrow = colour.codes is not None and colour.codes.is_narrow
    has_codes = colour.codes is not None and "codes" in target.keeps
    return has_codes and (target.name == "PNG" or not is_narrow)


def fit_colour(picture: Picture, metadata: Metadata, target: Format) -> tuple[Metadata, list[str]]:
    """Let ``metadata`` tell the colours of ``picture`` as the format can.

    Returns:
        What is to be written, and a note when nothing in it tells them, so that the pixels are to
        be converted; see ``in_told_colours``.
    """
    colour = metadata.colour
    if target.name == "PNG" and colour is not None:
        return _fit_png(metadata, colour.codes), []
    if colour is not None and _is_coded(colour, target):
        return replace(metadata, icc=None), []
    if target.name == NO_GRAY and _is_gray(picture) and metadata.icc is not None:
        return _fit_gray(metadata)
    if "icc" in target.keeps or metadata.icc is None:
        return replace(metadata, colour=None), []
    return _without_profile(picture, metadata, target)


def _without_profile(
    picture: Picture, metadata: Metadata, target: Format
) -> tuple[Metadata, list[str]]:
    """Leave the profile out; pixels that would mean other colours then are to be converted."""
    plain = replace(metadata, icc=None, colour=None)
    if _path_to_srgb(picture) is None:
        return plain, []
    is_wide = target.name == JXL_NAME and not _is_gray(picture)
    colour = metadata.colour
    what = "the ICC profile: its colours"
    if colour is not None:
        what = f"what tells its colours ({colour.source}): they"
    note = f"{target.name} has no room for {what} were converted to "
    if is_wide:
        return replace(plain, colour=DISPLAY_P3), [note + "Display P3"]
    return plain, [note + "sRGB"]


def _is_gray(picture: Picture) -> bool:
    return bool(picture.frames[0].pixels.shape[2] < 3)


def _fit_gray(metadata: Metadata) -> tuple[Metadata, list[str]]:
    """Tell gray in a format that has none: a profile of gray would not fit its three channels."""
    if metadata.colour is not None:
        icc = profile_of(metadata.colour, gray=False)
        return replace(metadata, icc=icc, colour=None), []
    note = f"{NO_GRAY} has no room for the profile of gray: it was converted to that of sRGB"
    return replace(metadata, icc=None), [note]


def _fit_png(metadata: Metadata, codes: Codes | None) -> Metadata:
    """Leave chunks that tell the colours as they are; else tell them by both ways there are."""
    if any(kind in COLOUR_CHUNKS for kind, _ in metadata.png_chunks):
        return replace(metadata, icc=None)
    if codes is None:
        return metadata
    body = bytes((codes.primaries, codes.transfer, 0, not codes.is_narrow))
    return replace(metadata, png_chunks=((b"cICP", body), *metadata.png_chunks))


def _path_to_srgb(picture: Picture) -> ColourPath | None:
    channels = picture.frames[0].pixels.shape[2]
    return colour_path(picture.metadata.icc, 1 if channels < 3 else 3)


def in_told_colours(picture: Picture, metadata: Metadata) -> Picture:
    """Convert the pixels when the ``metadata`` to be written tells other colours than theirs."""
    source, colour = picture.metadata, metadata.colour
    if metadata.icc is not None or (colour is not None and colour == source.colour):
        return picture
    path = _path_to_srgb(picture)
    if path is None:
        return picture
    wanted = None if colour is None else profile_of(colour, gray=False)
    path = path if wanted is None else replace(path, srgb=wanted)
    frames = [replace(frame, pixels=_convert(frame.pixels, path)) for frame in picture.frames]
    return replace(picture, frames=tuple(frames))


def _convert(pixels: np.ndarray, path: ColourPath) -> np.ndarray:
    """Take ``(H, W, C)`` of either depth along the path; alpha is left, and gray stays gray."""
    colours = 3 if pixels.shape[2] > 2 else 1
    unit = 1 if pixels.dtype == np.uint16 else 257
    result = pixels.copy()
    for first in range(0, len(pixels), ROWS):
        levels = pixels[first : first + ROWS, :, :colours].astype(np.uint16) * np.uint16(unit)
        there = path.to_srgb(levels)[..., :colours].astype(np.uint32)
        result[first : first + ROWS, :, :colours] = (there + unit // 2) // unit
    return result
