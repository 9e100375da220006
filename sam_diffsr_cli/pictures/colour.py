"""Colour management: from the space of a photo's ICC profile to the network's sRGB, and back.

Transforms work on 16-bit levels through LittleCMS. sRGB cannot hold every colour of a wider space;
``upscaling.frames`` adds back what was clipped, so nothing is lost on the way.
"""

from dataclasses import dataclass

import imagecodecs
import numpy as np

from sam_diffsr_cli.pictures.records import has_alpha, rgb_levels, to_8_bits

__all__ = ["ColourPath", "colour_path", "srgb_levels", "srgb_profile"]

DATE = bytes.fromhex("07d0 0001 0001 0000 0000 0000")
EXACT = int(imagecodecs.CMS.FLAGS.NOOPTIMIZE)
"""Else a table of 33 steps an axis takes the formula's place, up to 21 8-bit levels off."""

NEAR_SRGB = 2 * 257
"""A profile within two 8-bit levels of sRGB everywhere needs no transform."""


def srgb_profile() -> bytes:
    """Build an sRGB profile, the same bytes every time."""
    made = bytes(imagecodecs.cms_profile("srgb"))
    # The library puts the time of day into the header.
    return made[:24] + DATE + made[36:]


@dataclass(frozen=True, slots=True)
class ColourPath:
    """The way from a profile's space (``gray`` or ``rgb``) to sRGB and back, on uint16 levels."""

    profile: bytes
    srgb: bytes
    space: str

    def to_srgb(self, levels: np.ndarray) -> np.ndarray:
        """Transform ``(h, w, 1 or 3)`` uint16 to sRGB ``(h, w, 3)`` uint16, clipped."""
        source = levels[..., 0] if self.space == "gray" else levels
        result = imagecodecs.cms_transform(
            np.ascontiguousarray(source),
            self.profile,
            self.srgb,
            colorspace=self.space,
            outcolorspace="rgb",
            outdtype="u2",
            flags=EXACT,
        )
        return np.asarray(result)

    def from_srgb(self, levels: np.ndarray) -> np.ndarray:
        """Transform sRGB ``(h, w, 3)`` uint16 to the profile's ``(h, w, 1 or 3)`` uint16."""
        result = np.asarray(
            imagecodecs.cms_transform(
                np.ascontiguousarray(levels),
                self.srgb,
                self.profile,
                colorspace="rgb",
                outcolorspace=self.space,
                outdtype="u2",
                flags=EXACT,
            )
        )
        return result.reshape(*levels.shape[:2], 1 if self.space == "gray" else 3)


def colour_path(profile: bytes | None, channels: int) -> ColourPath | None:
    """Choose how pixels of ``channels`` (1 or 3) with this profile reach sRGB.

    Returns:
        None when nothing is to be done: there is no profile, it is sRGB or nearly so, it is
        damaged, or it is of another kind of pixels.
    """
    if profile is None or profile[16:20] != (b"GRAY" if channels == 1 else b"RGB "):
        return None
    path = ColourPath(profile, srgb_profile(), "gray" if channels == 1 else "rgb")
    steps = np.linspace(0, 65535, 9).round().astype(np.uint16)
    axes = [steps] * channels
    probe = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(1, -1, channels)
    try:
        there = path.to_srgb(probe).astype(np.int32)
        path.from_srgb(there.astype(np.uint16))
    except Exception:  # noqa: BLE001 - the library fails in many ways on damaged profiles
        return None
    return None if np.abs(there - probe).max() <= NEAR_SRGB else path


def srgb_levels(pixels: np.ndarray, profile: bytes | None) -> np.ndarray:
    """Reduce pixels with this profile to sRGB of 8 bits, ``(H, W, 3)``, as a network sees them.

    Args:
        pixels: ``(H, W, 1 to 4)``, uint8 or uint16; alpha is left out.
        profile: What they are in; None is sRGB.
    """
    colour = pixels[..., : pixels.shape[2] - has_alpha(pixels)]
    path = colour_path(profile, colour.shape[2])
    if path is None:
        return rgb_levels(pixels)
    wide = colour if colour.dtype == np.uint16 else colour.astype(np.uint16) * 257
    return to_8_bits(path.to_srgb(wide))
