"""How colours are told in a file to be written: by a profile, by code points, or as plain sRGB."""

from dataclasses import replace

import numpy as np

from sam_diffsr_cli.pictures.colour import ColourPath, colour_path
from sam_diffsr_cli.pictures.colour_numbers import Codes, transfer_name
from sam_diffsr_cli.pictures.formats import Format
from sam_diffsr_cli.pictures.records import Metadata, Picture

__all__ = ["colour_needs", "fit_colour", "in_told_colours"]

COLOUR_CHUNKS = frozenset((b"cICP", b"gAMA", b"cHRM", b"sRGB"))
ROWS = 256
"""Rows that are converted at a time."""


def colour_needs(metadata: Metadata, target: Format) -> str | None:
    """Name the colours that ``target`` cannot tell, and that no profile could; None when it can."""
    colour = metadata.colour
    if colour is None or colour.codes is None or not colour.needs_codes:
        return None
    is_told = "codes" in target.keeps and (target.name == "PNG" or not colour.codes.is_narrow)
    return None if is_told else transfer_name(colour.codes)


def fit_colour(picture: Picture, metadata: Metadata, target: Format) -> tuple[Metadata, list[str]]:
    """Let ``metadata`` tell the colours of ``picture`` as the format can.

    Returns:
        What is to be written, and a note when nothing in it tells them, so that the pixels are to
        be converted; see ``in_told_colours``.
    """
    colour = metadata.colour
    is_coded = colour is not None and colour.codes is not None and "codes" in target.keeps
    if target.name == "PNG" and colour is not None:
        return _fit_png(metadata, colour.codes), []
    if is_coded:
        return replace(metadata, icc=None), []
    if "icc" in target.keeps or metadata.icc is None:
        return replace(metadata, colour=None), []
    notes = []
    if _path_to_srgb(picture) is not None:
        notes.append(f"{target.name} holds no ICC profile: its colours were converted to sRGB")
    return replace(metadata, icc=None, colour=None), notes


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
    """Convert the pixels to sRGB when the ``metadata`` to be written tells no other colours."""
    if metadata.icc is not None or metadata.colour is not None:
        return picture
    path = _path_to_srgb(picture)
    if path is None:
        return picture
    frames = [replace(frame, pixels=_to_srgb(frame.pixels, path)) for frame in picture.frames]
    return replace(picture, frames=tuple(frames))


def _to_srgb(pixels: np.ndarray, path: ColourPath) -> np.ndarray:
    """Convert ``(H, W, C)`` of either depth, alpha left as it is; gray stays gray."""
    colours = 3 if pixels.shape[2] > 2 else 1
    unit = 1 if pixels.dtype == np.uint16 else 257
    result = pixels.copy()
    for first in range(0, len(pixels), ROWS):
        levels = pixels[first : first + ROWS, :, :colours].astype(np.uint16) * np.uint16(unit)
        there = path.to_srgb(levels)[..., :colours].astype(np.uint32)
        result[first : first + ROWS, :, :colours] = (there + unit // 2) // unit
    return result
