"""From the samples of a TIFF page to gray or RGB of 8 or 16 bits, whatever they were (TIFF 6.0).

A decoder gives raw numbers: white may be zero, alpha multiplied in, a palette in between, the bits
any number, the colours inks, Lab or YCbCr.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import imagecodecs
import numpy as np

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures.channels import BT601
from sam_diffsr_cli.pictures.colour import srgb_profile
from sam_diffsr_cli.pictures.records import has_alpha, to_8_bits

__all__ = ["Layout", "Sampled", "spare_notes", "to_pixels"]

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE = 0, 1, 2, 3
CMYK, YCBCR, CIE_LAB, ICC_LAB = 5, 6, 8, 9
COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3}
COLOURS |= {CIE_LAB: 3, ICC_LAB: 3}
_WHOLE = tuple(map(np.dtype, (np.uint8, np.uint16)))
_PLAIN = (*_WHOLE, *map(np.dtype, (np.uint32, np.float16, np.float32, np.float64)))
_LAB = (*_WHOLE, *map(np.dtype, (np.int8, np.int16)))
NUMBERS = {WHITE_IS_ZERO: _PLAIN, BLACK_IS_ZERO: _PLAIN, RGB: _PLAIN, PALETTE: _WHOLE}
NUMBERS |= {CMYK: _WHOLE, YCBCR: _WHOLE[:1], CIE_LAB: _LAB, ICC_LAB: _WHOLE}
"""Which numbers are read of each kind."""

OTHER_KINDS = {
    4: "a transparency mask",
    10: "ITU L*a*b*",
    32803: "a camera's raw sensor data (CFA)",
    32844: "LogL",
    32845: "LogLuv",
    34892: "a camera's raw data (linear)",
    51177: "a depth map",
}
ASSOCIATED, STRAIGHT = 1, 2
INKS_OF_PRINT = 1

D50 = np.array((0.9642, 1.0, 0.8249))
"""White of ICC's connection space, to which Lab refers."""

XYZ_TO_SRGB = np.array(
    (
        (3.1338561, -1.6168667, -0.4906146),
        (-0.9787684, 1.9161415, 0.0334540),
        (0.0719453, -0.2289914, 1.4052427),
    )
)
"""From XYZ under D50 to linear sRGB, adapted by Bradford."""

BLACK_AND_WHITE = (0.0, 255.0, 128.0, 255.0, 128.0, 255.0)
"""TIFF 6.0, YCbCrCoefficients and ReferenceBlackWhite: the defaults."""

INK_FLAGS = int(imagecodecs.CMS.FLAGS.NOOPTIMIZE | imagecodecs.CMS.FLAGS.BLACKPOINTCOMPENSATION)
BLOCK_ROWS = 256
CONVERT = "convert to RGB or gray of 8 or 16 bits"


class Layout(NamedTuple):
    """What a page says of its samples; ``palette`` is ``(3, n)`` of 16 bits."""

    photometric: int
    bits: int
    extra: tuple[int, ...] = ()
    ink_set: int = INKS_OF_PRINT
    palette: np.ndarray | None = None
    profile: bytes | None = None
    luma: tuple[float, ...] = BT601
    black_and_white: tuple[float, ...] = BLACK_AND_WHITE


@dataclass(frozen=True, slots=True)
class Sampled:
    """Pixels ``(H, W, C)``, uint8 or uint16; what is to be said of them.

    ``profile`` is the one that they are in now, None where they are still in the file's.
    """

    pixels: np.ndarray
    notes: tuple[str, ...] = ()
    profile: bytes | None = None


def spare_notes(samples: int, photometric: int, sampled: Sampled) -> tuple[str, ...]:
    """Say how many of the ``samples`` a pixel are neither colours nor alpha."""
    spare = samples - COLOURS.get(photometric, samples) - has_alpha(sampled.pixels)
    if spare < 1:
        return ()
    what = "channel that is" if spare == 1 else "channels that are"
    return (f"{spare} {what} neither colour nor alpha left out",)


def to_pixels(samples: np.ndarray, layout: Layout, name: str) -> Sampled:
    """Interpret samples.

    Args:
        samples: ``(H, W, S)``, as they were stored.
        layout: What the page says of them.
        name: For messages.

    Raises:
        InputError: They are of a kind that is not read; the message names it.
    """
    _check(samples, layout, name)
    if layout.photometric == PALETTE:
        return Sampled(_looked_up(samples, layout))
    colours = COLOURS[layout.photometric]
    has_alpha = layout.extra[:1] in ((ASSOCIATED,), (STRAIGHT,))
    kept = samples[..., : colours + has_alpha]
    levels, notes = _to_levels(kept, layout)
    colour, alpha = levels[..., :colours], levels[..., colours:]
    if has_alpha and layout.extra[0] == ASSOCIATED:
        colour = _divided(colour, alpha)
    if layout.photometric == WHITE_IS_ZERO:
        colour = np.iinfo(levels.dtype).max - colour
    made = _converted(colour, layout)
    if made is None:
        return Sampled(np.concatenate([colour, alpha], axis=2), notes)
    colour, how, profile = made
    return Sampled(np.concatenate([colour, alpha], axis=2), (*notes, *how), profile)


def _check(samples: np.ndarray, layout: Layout, name: str) -> None:
    kind = OTHER_KINDS.get(layout.photometric)
    if layout.photometric not in COLOURS:
        what = kind or f"of photometric kind {layout.photometric}"
        raise InputError(f"{name}: a TIFF that is {what} is not supported", hint=CONVERT)
    if layout.photometric == CMYK and layout.ink_set != INKS_OF_PRINT:
        raise InputError(f"{name}: a TIFF of inks other than CMYK is not supported", hint=CONVERT)
    if samples.shape[2] < COLOURS[layout.photometric]:
        raise InputError(f"{name}: damaged or unreadable (too few samples a pixel)")
    if samples.dtype.newbyteorder("=") not in NUMBERS[layout.photometric]:
        raise InputError(
            f"{name}: a TIFF of {_number_kind(samples.dtype)} is not supported", hint=CONVERT
        )


def _number_kind(dtype: np.dtype[Any]) -> str:
    kinds = {"i": "signed numbers", "c": "complex numbers", "f": "floating-point colours"}
    return f"{kinds.get(dtype.kind, 'whole numbers')} of this kind ({dtype.name})"


def _looked_up(samples: np.ndarray, layout: Layout) -> np.ndarray:
    """Look colours up; 8 bits of them, as every picture program takes."""
    palette = layout.palette
    if palette is None or palette.shape[1] <= int(samples[..., 0].max(initial=0)):
        raise ValueError("its palette is too short")
    colours: np.ndarray = (palette.T >> 8).astype(np.uint8)[samples[..., 0]]
    return colours


def _to_levels(samples: np.ndarray, layout: Layout) -> tuple[np.ndarray, tuple[str, ...]]:
    """Bring numbers to the whole range of uint8 or uint16."""
    if samples.dtype.kind == "f":
        return _from_floats(samples)
    if samples.dtype.kind == "i":
        return samples.view(f"u{samples.dtype.itemsize}"), ()
    if samples.dtype == np.uint32:
        most = 2**layout.bits - 1
        levels = (samples / most * 65535).round().astype(np.uint16)
        return levels, (f"{layout.bits} bits a channel became 16",)
    if layout.bits in (8, 16):
        return samples, ()
    top = 255 if layout.bits < 8 else 65535
    whole = (samples.astype(np.float64) * (top / (2**layout.bits - 1))).round().clip(0, top)
    return whole.astype(np.uint8 if top == 255 else np.uint16), ()


def _from_floats(samples: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Take 0 to 1 for black to white; what lies outside is clipped, and the range is said."""
    known = np.nan_to_num(samples.astype(np.float64), nan=0.0, posinf=np.inf, neginf=-np.inf)
    notes = [f"floating point of {8 * samples.dtype.itemsize} bits became 16 bits a channel"]
    lowest, highest = float(known.min()), float(known.max())
    if lowest < 0 or highest > 1:
        notes.append(f"values from {lowest:.4g} to {highest:.4g} were clipped to 0 to 1")
    missing = int(np.isnan(samples).sum())
    if missing:
        notes.append(f"{missing} values that are no numbers became 0")
    return (known.clip(0, 1) * 65535).round().astype(np.uint16), tuple(notes)


def _divided(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Take the alpha out of colours that were multiplied by it."""
    top = np.iinfo(colour.dtype).max
    straight = colour * (top / np.maximum(alpha.astype(np.float64), 1))
    return np.clip(straight, 0, top).round().astype(colour.dtype)


def _converted(
    colour: np.ndarray, layout: Layout
) -> tuple[np.ndarray, tuple[str, ...], bytes | None] | None:
    """Convert what is no gray or RGB; None where it is."""
    if layout.photometric == CMYK:
        pixels, how = _from_inks(colour, layout.profile)
        return pixels, (f"CMYK was converted to sRGB {how}",), srgb_profile()
    if layout.photometric in (CIE_LAB, ICC_LAB):
        pixels = _by_rows(colour, lambda rows: _from_lab(rows, layout.photometric))
        return pixels, ("LAB was converted to sRGB from CIE Lab",), srgb_profile()
    if layout.photometric == YCBCR:
        return _by_rows(colour, lambda rows: _from_ycbcr(rows, layout)), (), None
    return None


def _by_rows(levels: np.ndarray, convert: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Convert some rows at a time, since the numbers in between take much room."""
    made = np.empty((*levels.shape[:2], 3), levels.dtype)
    for first in range(0, len(levels), BLOCK_ROWS):
        made[first : first + BLOCK_ROWS] = convert(levels[first : first + BLOCK_ROWS])
    return made


def _from_inks(inks: np.ndarray, profile: bytes | None) -> tuple[np.ndarray, str]:
    """Convert CMYK, the more the darker, to sRGB; through the profile where one works."""
    wide = inks.astype(np.uint16) * 257 if inks.dtype == np.uint8 else inks
    if profile is not None and profile[16:20] == b"CMYK":
        try:
            made = imagecodecs.cms_transform(
                np.ascontiguousarray(wide),
                profile,
                srgb_profile(),
                colorspace="cmyk",
                outcolorspace="rgb",
                outdtype="u2",
                intent=imagecodecs.CMS.INTENT.RELATIVE_COLORIMETRIC,
                flags=INK_FLAGS,
            )
        except Exception:  # noqa: BLE001 - the library fails in many ways on damaged profiles
            made = None
        if made is not None:
            levels = np.asarray(made)
            return to_8_bits(
                levels
            ) if inks.dtype == np.uint8 else levels, "through its ICC profile"
    top = np.iinfo(inks.dtype).max
    light = (top - inks.astype(np.float64)) / top
    levels = (light[..., :3] * light[..., 3:] * top).round().astype(inks.dtype)
    return levels, "without a usable ICC profile, so its colours are a guess"


def _from_lab(levels: np.ndarray, photometric: int) -> np.ndarray:
    """Convert L*a*b* under D50 to sRGB of as many bits (CIE 15, 8.2.1).

    TIFF's own a* and b* are signed, in units of 1 (of 1/256 with 16 bits); ICC's have an offset.
    """
    unit = 1 if levels.dtype == np.uint8 else 256
    top = np.iinfo(levels.dtype).max
    whole = levels.astype(np.int64)
    lightness = whole[..., 0] * (100 / top)
    if photometric == CIE_LAB:
        ab = np.where(whole[..., 1:] > top // 2, whole[..., 1:] - top - 1, whole[..., 1:])
    else:
        ab = whole[..., 1:] - 128 * unit
    fy = (lightness + 16) / 116
    f = np.stack([fy + ab[..., 0] / unit / 500, fy, fy - ab[..., 1] / unit / 200], axis=-1)
    xyz = D50 * np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    linear = (xyz @ XYZ_TO_SRGB.T).clip(0, 1)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    made: np.ndarray = (curved * top).round().astype(levels.dtype)
    return made


def _from_ycbcr(levels: np.ndarray, layout: Layout) -> np.ndarray:
    """Convert to RGB (TIFF 6.0, section 21), with the file's own range and weights."""
    black, white = layout.black_and_white[::2], layout.black_and_white[1::2]
    scales = (255, 127, 127)
    y, cb, cr = (
        (levels[..., k].astype(np.float64) - black[k]) * scales[k] / ((white[k] - black[k]) or 1)
        for k in range(3)
    )
    red_weight, green_weight, blue_weight = layout.luma
    red = y + cr * (2 - 2 * red_weight)
    blue = y + cb * (2 - 2 * blue_weight)
    green = (y - red_weight * red - blue_weight * blue) / (green_weight or 1)
    made: np.ndarray = np.stack([red, green, blue], axis=-1).round().clip(0, 255)
    return made.astype(np.uint8)
