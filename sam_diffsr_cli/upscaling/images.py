"""Images in memory, enlarged: Pillow's and arrays, each given back as what it was."""

import numpy as np
from PIL import Image

from sam_diffsr_cli.errors import ShapeError
from sam_diffsr_cli.pictures.modes import frame_pixels
from sam_diffsr_cli.upscaling.frames import UpscaleRun, enlarge_frame

__all__ = ["enlarge_array", "enlarge_image"]

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
"""Pillow's name for so many channels."""


def enlarge_array(run: UpscaleRun, pixels: np.ndarray) -> np.ndarray:
    """Enlarge an array of sRGB levels.

    Args:
        run: Model, sampling and scale.
        pixels: ``(h, w)`` or ``(h, w, 1 to 4)``: gray, gray and alpha, RGB, or RGB and alpha, uint8
            or uint16, alpha not premultiplied; not changed.

    Returns:
        ``(H, W)`` or ``(H, W, C)``, as many axes, channels and bits.

    Raises:
        ShapeError: It is not such an array.
        InputError: The scale is out of range.
        ResourceError: Memory or disk space ran out.
    """
    if pixels.ndim not in (2, 3):
        raise ShapeError(f"expected pixels (h, w) or (h, w, 1 to 4), got {pixels.shape}")
    if pixels.ndim == 2:
        return enlarge_frame(run, pixels[..., None])[..., 0]
    return enlarge_frame(run, pixels)


def enlarge_image(run: UpscaleRun, image: Image.Image) -> Image.Image:
    """Enlarge the frame at hand of a Pillow image, through its ICC profile where it has one.

    Args:
        run: Model, sampling and scale.
        image: Of 8 bits in any mode, or of 16 bits in gray; not changed. EXIF does not turn it.

    Returns:
        Gray or RGB with or without alpha: ``L``, ``LA``, ``RGB`` or ``RGBA``, or ``I;16``. Its
        ``info`` holds the ICC profile that its pixels are in, and nothing else.

    Raises:
        InputError: The mode has floats or 32 bits, or the scale is out of range.
        ResourceError: Memory or disk space ran out.
    """
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I;16"):
        levels = np.asarray(image).astype(np.uint16)
        large = Image.fromarray(enlarge_array(run, levels))
    else:
        pixels, _, converted = frame_pixels(image, "the image")
        profile = converted or profile
        levels = enlarge_frame(run, pixels, profile)
        mode = MODES[levels.shape[2]]
        large = Image.fromarray(np.ascontiguousarray(levels[..., 0] if mode == "L" else levels))
    if profile:
        large.info["icc_profile"] = profile
    return large
