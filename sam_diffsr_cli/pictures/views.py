"""Further views of a JPEG, such as the right eye's: read as frames, and written again behind it."""

import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from sam_diffsr_cli.pictures.exif import orientation_of
from sam_diffsr_cli.pictures.formats import Format
from sam_diffsr_cli.pictures.jpeg_behind import EXIF_PREFIX, Behind, recoded
from sam_diffsr_cli.pictures.modes import turn_upright
from sam_diffsr_cli.pictures.records import Frame, Limits, Metadata, Picture, rgb_levels

__all__ = ["encode_views", "read_views", "without_views"]


def read_views(
    metadata: Metadata, frames: tuple[Frame, ...], turn: int, limits: Limits
) -> tuple[Metadata, tuple[Frame, ...]]:
    """Decode the views behind a photo.

    Args:
        metadata: Of the photo.
        frames: The photo, upright.
        turn: Its orientation, which a view has that says nothing of its own.
        limits: For all views together.

    Returns:
        The metadata, without views where one cannot be read; and the photo with its views.
    """
    behind = metadata.behind
    if behind is None or not behind.views or len(frames) != 1:
        return metadata, frames
    try:
        views = [_decode(each.data, frames[0], turn) for each in behind.views]
    except Exception:  # noqa: BLE001 - Pillow fails in many ways on damaged pictures
        views = []
    pixels = (1 + len(views)) * frames[0].pixels[..., 0].size
    if not views or pixels > limits.max_pixels or len(views) >= limits.max_frames:
        return replace(metadata, behind=behind.with_views(())), frames
    return metadata, (*frames, *views)


def _decode(data: bytes, photo: Frame, turn: int) -> Frame:
    """Decode one view, with the photo's channels.

    Raises:
        ValueError: Its size is another, or it is neither gray nor RGB.
    """
    with Image.open(io.BytesIO(data), formats=("JPEG", "MPO")) as image:
        exif = image.info.get("exif", b"").removeprefix(EXIF_PREFIX)
        own = orientation_of(exif) or turn
        swapped = image.size if own >= 5 else image.size[::-1]
        if swapped != photo.pixels.shape[:2] or image.mode not in {"L", "RGB"}:
            raise ValueError("not a view of the photo")
        levels = np.array(image)
    pixels = turn_upright(levels[..., None] if levels.ndim == 2 else levels, own)
    return Frame(rgb_levels(pixels) if photo.pixels.shape[2] == 3 else pixels)


def without_views(picture: Picture, target: Format) -> Picture:
    """Leave the photo alone where a format has no room for its views."""
    if picture.kind != "views" or target.name == "JPEG":
        return picture
    return replace(picture, frames=picture.frames[:1], kind="still")


def encode_views(picture: Picture, behind: Behind, coding: Mapping[str, Any]) -> Behind:
    """Compress the enlarged views, each in the place of the one that was read.

    ``coding`` is Pillow's options of how.
    """
    if picture.kind != "views":
        return behind.with_views(())
    encoded = []
    for index, (each, frame) in enumerate(zip(behind.views, picture.frames[1:], strict=True), 1):
        channels = frame.pixels.shape[2]
        levels = np.ascontiguousarray(frame.pixels[..., 0] if channels == 1 else frame.pixels)
        encoded.append(
            recoded(each.data, Image.fromarray(levels), picture.change_of(index), coding)
        )
    return behind.with_views(encoded)
