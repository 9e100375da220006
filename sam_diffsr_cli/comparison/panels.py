"""Reading the panels of a picture, and packing them without loss."""

import io
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image

from sam_diffsr_cli.comparison.records import ComparedPicture, Page
from sam_diffsr_cli.errors import InputError, ShapeError
from sam_diffsr_cli.pictures.reading import read_levels

__all__ = ["Packed", "load_panels", "pack"]

WEBP_SIDE = 16_383
"""The longest that WebP has."""

WEBP_METHOD, WEBP_EFFORT = 4, 50
"""Three per cent larger than the most that can be had, in a quarter of the time."""


class Packed(NamedTuple):
    """A picture file in memory, which holds exact pixels."""

    kind: Literal["webp", "png"]
    data: bytes


def load_panels(picture: ComparedPicture, page: Page) -> dict[str, np.ndarray]:
    """Bring the panels of all labels into memory.

    Returns:
        ``(H, W, 3)`` uint8 arrays of one size, in the order of ``page.labels``.

    Raises:
        InputError: A panel is missing, or its file cannot be read.
        ShapeError: A panel is no such array, or they differ in size.
    """
    loaded: dict[str, np.ndarray] = {}
    names: dict[str, str] = {}
    for label in page.labels:
        panel = picture.panels.get(label)
        if panel is None:
            raise InputError(f"{picture.name}: has no panel of {label!r}")
        is_file = isinstance(panel, Path)
        names[label] = str(panel) if is_file else f"{picture.name}, {label}"
        loaded[label] = read_levels(panel) if isinstance(panel, Path) else panel
        _check(loaded[label], names[label], loaded[page.labels[0]], names[page.labels[0]])
    return loaded


def _check(pixels: np.ndarray, name: str, first: np.ndarray, first_name: str) -> None:
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:
        raise ShapeError(f"{name}: expected (H, W, 3) uint8, got {pixels.shape} {pixels.dtype}")
    if pixels.shape != first.shape:
        height, width = pixels.shape[:2]
        raise ShapeError(
            f"{name}: {width}x{height} pixels, but {first_name} has "
            f"{first.shape[1]}x{first.shape[0]}"
        )


def pack(pixels: np.ndarray) -> Packed:
    """Pack ``(H, W, 3)`` uint8 as lossless WebP or as PNG, whichever is smaller."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    png = io.BytesIO()
    image.save(png, "PNG")
    if max(image.size) > WEBP_SIDE:
        return Packed("png", png.getvalue())
    webp = io.BytesIO()
    image.save(webp, "WEBP", lossless=True, exact=True, quality=WEBP_EFFORT, method=WEBP_METHOD)
    if webp.tell() <= png.tell():
        return Packed("webp", webp.getvalue())
    return Packed("png", png.getvalue())
