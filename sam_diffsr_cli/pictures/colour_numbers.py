"""Colour told by numbers instead of a profile: what code points and chromaticities stand for.

Code points are those of ITU-T H.273 (ISO/IEC 23091-2), which AVIF, HEIF, PNG and JPEG XL share.
"""

from dataclasses import dataclass

from sam_diffsr_cli.pictures.profiles import (
    SRGB_CURVE,
    Chromaticities,
    ToneCurve,
    make_profile,
    power_curve,
)

__all__ = [
    "ADOBE_RGB",
    "BT2020",
    "DISPLAY_P3",
    "PLAIN_CODES",
    "SRGB",
    "SRGB_COLOURS",
    "Codes",
    "Colour",
    "colour_of_codes",
    "named_codes",
    "profile_of",
    "transfer_name",
]

D65, C, E = (0.3127, 0.3290), (0.310, 0.316), (1 / 3, 1 / 3)

SRGB_COLOURS = Chromaticities(0.640, 0.330, 0.300, 0.600, 0.150, 0.060, *D65)
P3_COLOURS = Chromaticities(0.680, 0.320, 0.265, 0.690, 0.150, 0.060, *D65)
BT2020_COLOURS = Chromaticities(0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *D65)
SMPTE_170M_COLOURS = Chromaticities(0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *D65)

PRIMARIES: dict[int, Chromaticities] = {
    1: SRGB_COLOURS,
    4: Chromaticities(0.67, 0.33, 0.21, 0.71, 0.14, 0.08, *C),
    5: Chromaticities(0.64, 0.33, 0.29, 0.60, 0.15, 0.06, *D65),
    6: SMPTE_170M_COLOURS,
    7: SMPTE_170M_COLOURS,
    8: Chromaticities(0.681, 0.319, 0.243, 0.692, 0.145, 0.049, *C),
    9: BT2020_COLOURS,
    10: Chromaticities(1, 0, 0, 1, 0, 0, *E),
    11: P3_COLOURS._replace(white_x=0.314, white_y=0.351),
    12: P3_COLOURS,
    22: Chromaticities(0.630, 0.340, 0.295, 0.605, 0.155, 0.077, *D65),
}
"""H.273, table 2: BT.709, BT.470 M and BG, SMPTE 170M and 240M, film, BT.2020, XYZ, DCI P3,
Display P3, EBU 3213."""

UNSPECIFIED, MOST_CODE = 2, 255
PQ, HLG = 16, 18

CURVES: dict[int, ToneCurve] = {
    # BT.709, SMPTE 170M, xvYCC and BT.2020 are curves of cameras; screens show what was so made
    # about as they show sRGB, and pictures tagged so are mostly sRGB ones. Taken as browsers do.
    **dict.fromkeys((1, 6, 11, 14, 15, 13), SRGB_CURVE),
    4: power_curve(2.2),
    5: power_curve(2.8),
    7: ToneCurve(3, (1 / 0.45, 1 / 1.1115, 0.1115 / 1.1115, 1 / 4, 0.0912)),
    8: power_curve(1.0),
}
"""H.273, table 3, as far as a screen's curve is known and an ICC profile can hold it.

PQ and HLG are no such curves: they speak of the light of a screen, beyond any white.
"""

TRANSFER_NAMES = {9: "logarithmic", 10: "logarithmic", 12: "BT.1361", PQ: "PQ", 17: "ST 428", HLG: "HLG"}  # fmt: skip  # noqa: E501


@dataclass(frozen=True, slots=True)
class Codes:
    """Code points of H.273; ``is_narrow`` when black and white are not the ends of the range."""

    primaries: int
    transfer: int
    is_narrow: bool = False


@dataclass(frozen=True, slots=True)
class Colour:
    """What numbers in a file say of its colours.

    ``curves`` is one curve, or three; empty when no profile can say it, as of PQ and HLG.
    ``codes`` is None when it was not said by code points. ``source`` says where it stood.
    """

    chromaticities: Chromaticities
    curves: tuple[ToneCurve, ...]
    codes: Codes | None = None
    source: str = ""

    @property
    def is_srgb(self) -> bool:
        """Whether it is what pixels are taken for that say nothing."""
        is_near = all(
            abs(a - b) < 0.0015 for a, b in zip(self.chromaticities, SRGB_COLOURS, strict=True)
        )
        return is_near and set(self.curves) == {SRGB_CURVE}

    @property
    def needs_codes(self) -> bool:
        """Whether only code points can say it, no profile."""
        return not self.curves


PLAIN_CODES = (None, *(Codes(p, t) for p in (1, UNSPECIFIED) for t in (13, UNSPECIFIED)))
"""Code points of sRGB, and those that say nothing: there is nothing to keep of them."""

SRGB = Colour(SRGB_COLOURS, (SRGB_CURVE,), Codes(1, 13))
DISPLAY_P3 = Colour(P3_COLOURS, (SRGB_CURVE,), Codes(12, 13))
BT2020 = Colour(BT2020_COLOURS, (SRGB_CURVE,), Codes(9, 14))
ADOBE_RGB = Colour(
    SRGB_COLOURS._replace(green_x=0.21, green_y=0.71),
    (power_curve(563 / 256),),
    source="EXIF",
)
"""Adobe RGB (1998), 4.3.1: the power is 2 and 51/256."""


def named_codes(primaries: int, transfer: int) -> Codes:
    """Return code points that a box of two bytes each tells; what H.273 cannot name is unspecified.

    Its code points are of one byte, as in the other containers.
    """
    one, other = (code if code <= MOST_CODE else UNSPECIFIED for code in (primaries, transfer))
    return Codes(one, other)


def colour_of_codes(codes: Codes, source: str) -> Colour:
    """Return what code points stand for; what is unspecified or unknown is as in sRGB."""
    primaries = PRIMARIES.get(codes.primaries, SRGB_COLOURS)
    if codes.is_narrow or codes.transfer in TRANSFER_NAMES:
        return Colour(primaries, (), codes, source)
    return Colour(primaries, (CURVES.get(codes.transfer, SRGB_CURVE),), codes, source)


def transfer_name(codes: Codes) -> str:
    """Name a transfer that needs code points."""
    if codes.is_narrow:
        return "narrow range"
    return TRANSFER_NAMES.get(codes.transfer, f"transfer {codes.transfer}")


def profile_of(colour: Colour, *, gray: bool) -> bytes | None:
    """Make the ICC profile that says the same; None when there is none, or none is needed."""
    is_plain_gray = gray and colour.curves == (SRGB_CURVE,)
    if colour.is_srgb or is_plain_gray or not colour.curves:
        return None
    try:
        return make_profile(colour.chromaticities, colour.curves, _name(colour), gray=gray)
    except ValueError:
        return None


def _name(colour: Colour) -> str:
    for known, name in ((DISPLAY_P3, "Display P3"), (ADOBE_RGB, "Adobe RGB")):
        if (known.chromaticities, known.curves) == (colour.chromaticities, colour.curves):
            return f"{name} compatible"
    return f"RGB of the file's {colour.source or 'numbers'}"
