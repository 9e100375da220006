"""Channels: those that the frames of an animation share, and how colours become gray."""

from dataclasses import replace

import numpy as np

from sam_diffsr_cli.pictures.records import Frame

__all__ = ["BT601", "gray_again", "gray_of", "same_channels"]

BT601 = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in gray (ITU-R BT.601)."""


def gray_of(pixels: np.ndarray) -> np.ndarray:
    """Return BT.601's gray of ``(..., 3)`` pixels of any type, ``(...)`` float32 on their scale."""
    gray: np.ndarray = pixels.astype(np.float32, copy=False) @ np.array(BT601, dtype=np.float32)
    return gray


def gray_again(frames: list[Frame]) -> list[Frame]:
    """Bring a GIF whose palette is gray, and which Pillow gives in colour, back to gray."""
    coloured = [frame.pixels for frame in frames if frame.pixels.shape[2] > 2]
    if not all((pixels[..., :1] == pixels[..., 1:3]).all() for pixels in coloured):
        return frames
    return [
        replace(frame, pixels=frame.pixels[..., 2:] if frame.pixels.shape[2] > 2 else frame.pixels)
        for frame in frames
    ]


def same_channels(frames: list[Frame]) -> list[Frame]:
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
