"""Reading the numbers by which files tell their colours when they hold no ICC profile.

In PNG the order is that of the third edition, 4.3: cICP, iCCP, sRGB, then gAMA and cHRM.
"""

import struct
from collections.abc import Iterable

from sam_diffsr_cli.pictures.colour_numbers import (
    ADOBE_RGB,
    SRGB_COLOURS,
    Codes,
    Colour,
    colour_of_codes,
)
from sam_diffsr_cli.pictures.directories import Directory
from sam_diffsr_cli.pictures.profiles import SRGB_CURVE, Chromaticities, ToneCurve, power_curve

__all__ = ["colour_of_exif", "colour_of_png", "colour_of_tiff"]

TRANSFER_FUNCTION, WHITE_POINT, PRIMARY_CHROMATICITIES = 0x012D, 0x013E, 0x013F
EXIF_IFD, INTEROPERABILITY_IFD = 0x8769, 0xA005
COLOUR_SPACE, GAMMA = 0xA001, 0xA500
PHOTOMETRIC, WHITE_IS_ZERO, GRAY_AND_RGB = 0x0106, 0, (0, 1, 2, 3, 6)
SRGB_SPACE, ADOBE_SPACE = 1, 2
"""EXIF's colour space; 2 is no number of the standard's, but some cameras write it."""

TIFF_GAMMA = 2.2
"""TIFF 6.0 on TransferFunction: the default is NTSC's power of 2.2."""

SRGB_GAMMA, GAMMA_UNIT = 45_455, 100_000
GAMMA_SLACK = 100
"""A gAMA this near to 1/2.2 stands for the sRGB curve, which writers of sRGB tell so."""


def colour_of_png(chunks: Iterable[tuple[bytes, bytes]]) -> Colour | None:
    """Return what the chunks before the pixels say; None when that is a profile, sRGB or nothing.

    A chunk that is damaged is as none.
    """
    found: dict[bytes, bytes] = {}
    for kind, body in chunks:
        if kind == b"IDAT":
            break
        found.setdefault(kind, body)
    codes = found.get(b"cICP", b"")
    if len(codes) == 4 and codes[2] == 0 and codes[3] in (0, 1):
        return colour_of_codes(Codes(codes[0], codes[1], codes[3] == 0), "cICP")
    if b"iCCP" in found or b"sRGB" in found:
        return None
    colours, curve = _chrm(found.get(b"cHRM", b"")), _gama(found.get(b"gAMA", b""))
    if colours is None and curve is None:
        return None
    told = [name for name, value in (("gAMA", curve), ("cHRM", colours)) if value is not None]
    return Colour(colours or SRGB_COLOURS, (curve or SRGB_CURVE,), None, " and ".join(told))


def _gama(body: bytes) -> ToneCurve | None:
    gamma = int.from_bytes(body, "big") if len(body) == 4 else 0
    if not GAMMA_UNIT // 10 <= gamma <= GAMMA_UNIT * 10:
        return None
    return SRGB_CURVE if abs(gamma - SRGB_GAMMA) <= GAMMA_SLACK else power_curve(GAMMA_UNIT / gamma)


def _chrm(body: bytes) -> Chromaticities | None:
    if len(body) != 32:
        return None
    numbers = [value / 100_000 for value in struct.unpack(">8I", body)]
    # White stands first.
    return Chromaticities(*numbers[2:], *numbers[:2])


def colour_of_tiff(directory: Directory) -> Colour | None:
    """Return what a TIFF's own tags say of gray, RGB, palettes or YCbCr; None for nothing."""
    kind = _whole(directory, PHOTOMETRIC)
    if kind not in GRAY_AND_RGB:
        return None
    return _colour_of_tags(directory, is_reversed=kind == WHITE_IS_ZERO)


def colour_of_exif(directory: Directory) -> Colour | None:
    """Return what EXIF says of a photo's colours; None when that is sRGB or nothing.

    Cameras tell Adobe RGB by chromaticities and a gamma, by the interoperability index R03 (DCF
    2.0), or by a colour space of 2.
    """
    exif = directory.children.get(EXIF_IFD)
    space = None if exif is None else _whole(exif, COLOUR_SPACE)
    if space == SRGB_SPACE:
        return None
    found = _colour_of_tags(directory, is_reversed=False)
    if found is not None:
        return found
    interoperability = None if exif is None else exif.children.get(INTEROPERABILITY_IFD)
    index = None if interoperability is None else interoperability.data_of(1)
    is_adobe = space == ADOBE_SPACE or (index or b"").startswith(b"R03")
    return ADOBE_RGB if is_adobe else None


def _colour_of_tags(directory: Directory, *, is_reversed: bool) -> Colour | None:
    primaries = _rationals(directory, PRIMARY_CHROMATICITIES, 6)
    white = _rationals(directory, WHITE_POINT, 2) or SRGB_COLOURS[6:]
    curves = _tables(directory, is_reversed=is_reversed)
    if primaries is None and not curves:
        return None
    exif = directory.children.get(EXIF_IFD)
    gamma = None if exif is None else _rationals(exif, GAMMA, 1)
    if not curves:
        power = gamma[0] if gamma and 0.1 <= gamma[0] <= 10 else TIFF_GAMMA
        curves = (power_curve(power),)
    colours = SRGB_COLOURS if primaries is None else Chromaticities(*primaries, *white)
    return Colour(colours, curves, None, "tags")


def _tables(directory: Directory, *, is_reversed: bool) -> tuple[ToneCurve, ...]:
    """Read the transfer function: one table for all channels, or three."""
    data = directory.data_of(TRANSFER_FUNCTION) or b""
    values = struct.unpack(f"{directory.order}{len(data) // 2}H", data[: len(data) // 2 * 2])
    number = 3 if len(values) % 3 == 0 else 1
    length = len(values) // number
    if length < 2 or length & (length - 1):
        return ()
    step = -1 if is_reversed else 1
    parts = (values[first : first + length][::step] for first in range(0, len(values), length))
    curves = tuple(ToneCurve(table=table) for table in parts)
    return curves if all(curve.table[-1] > curve.table[0] for curve in curves) else ()


def _whole(directory: Directory, tag: int) -> int | None:
    """Read a SHORT or LONG."""
    data = directory.data_of(tag) or b""
    letter = {2: "H", 4: "I"}.get(len(data))
    if letter is None:
        return None
    (value,) = struct.unpack(directory.order + letter, data)
    return int(value)


def _rationals(directory: Directory, tag: int, number: int) -> tuple[float, ...] | None:
    """Read so many RATIONALs; None unless there are as many, none of them a division by zero."""
    data = directory.data_of(tag) or b""
    if len(data) != 8 * number:
        return None
    pairs = list(struct.iter_unpack(f"{directory.order}II", data))
    return None if any(below == 0 for _, below in pairs) else tuple(a / b for a, b in pairs)
