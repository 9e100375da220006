"""From Pillow's many pixel modes to ours: gray or RGB, with or without alpha, 8 or 16 bits."""

import io
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageCms

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures.avif import still_properties
from sam_diffsr_cli.pictures.colour import srgb_profile
from sam_diffsr_cli.pictures.png import bit_depth
from sam_diffsr_cli.pictures.records import to_8_bits

__all__ = ["SWAPPED", "frame_pixels", "is_deep", "turn_upright"]

GRAY_MODES = ("1", "L", "LA")
EXACT = ImageCms.Flags.NOOPTIMIZE
"""As in ``colour``."""

SWAPPED = (5, 6, 7, 8)
"""EXIF orientations in which rows are columns."""


def is_deep(image: Image.Image, file: BinaryIO) -> bool:
    """Whether the frame at hand has more than 8 bits a channel, whatever Pillow makes of it."""
    if image.format == "AVIF":
        boxes = still_properties(file)
        return boxes is not None and boxes.bits > 8
    # Pillow reads 16-bit colour as 8 bits; what it decoded may be gone by now, so the file is
    # asked. Its frames beyond the first have no other decoder than Pillow.
    is_still_png = image.format == "PNG" and getattr(image, "n_frames", 1) == 1
    return is_still_png and bit_depth(file) == 16


def frame_pixels(image: Image.Image, name: str) -> tuple[np.ndarray, str | None, bytes | None]:
    """Convert a loaded frame to 8 bits.

    Returns:
        Pixels ``(H, W, C)`` uint8; a note for the user when colours were converted; and then the
        profile that the pixels are in now.

    Raises:
        InputError: The mode has more than 16 bits, or other than whole numbers.
    """
    if image.mode == "I;16" and image.format == "PNG":
        return to_8_bits(np.asarray(image)[..., None]), None, None
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        raise InputError(
            f"{name}: pixels of this kind (mode {image.mode}) are not supported",
            hint="convert to 8 or 16 bits a channel",
        )
    if image.mode == "La":
        image = image.convert("LA")
    if image.mode in ("CMYK", "LAB"):
        converted, how = _to_srgb(image)
        note = f"{image.mode} was converted to sRGB {how}"
        return _as_pixels(converted), note, srgb_profile()
    if image.has_transparency_data:
        is_gray = image.mode in GRAY_MODES
        return _as_pixels(image.convert("RGBA"), gray=is_gray), None, None
    return _as_pixels(image.convert("L" if image.mode in GRAY_MODES else "RGB")), None, None


def _as_pixels(image: Image.Image, *, gray: bool = False) -> np.ndarray:
    levels = np.array(image)
    if levels.ndim == 2:
        return levels[..., None]
    return levels[..., 2:] if gray and levels.shape[2] == 4 else levels


def _to_srgb(image: Image.Image) -> tuple[Image.Image, str]:
    """Convert inks or Lab to sRGB; through the profile where there is one that works."""
    if image.mode == "LAB":
        source = ImageCms.createProfile("LAB")
        target = ImageCms.createProfile("sRGB")
        made = ImageCms.profileToProfile(image, source, target, outputMode="RGB", flags=EXACT)
        return made or image.convert("RGB"), "from CIE Lab"
    profile = image.info.get("icc_profile")
    if profile:
        try:
            made = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION | EXACT,
            )
        except (ImageCms.PyCMSError, OSError, ValueError):
            made = None
        if made is not None:
            return made, "through its ICC profile"
    return image.convert("RGB"), "without a usable ICC profile, so its colours are a guess"


def turn_upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Apply an EXIF orientation, 1 to 8, to ``(H, W, C)``; a view, or the pixels themselves."""
    if orientation in SWAPPED:
        pixels = pixels[::-1, ::-1] if orientation == 7 else pixels
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6):
        pixels = pixels[:, ::-1]
    return pixels[::-1] if orientation in (3, 4, 8) else pixels
