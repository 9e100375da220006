"""What the header of a BMP tells beside the pixels (Windows' BITMAPV4HEADER and V5), the ledger."""

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO

from sam_diffsr_cli.pictures.colour_numbers import Colour
from sam_diffsr_cli.pictures.ledger import Fate, Part
from sam_diffsr_cli.pictures.profiles import Chromaticities, power_curve
from sam_diffsr_cli.pictures.records import Metadata

__all__ = ["list_bmp_parts", "read_bmp_colour", "read_bmp_profile"]

HEADER_AT, V4_BYTES, V5_BYTES = 14, 108, 124
COLOUR_SPACE_AT, ENDPOINTS_AT, PROFILE_AT = 56, 60, 112
CALIBRATED, EMBEDDED, LINKED = 0, 0x4D424544, 0x4C494E4B
MOST_PROFILE = 64 << 20
XYZ_UNIT, GAMMA_UNIT = 1 << 30, 1 << 16
"""Of endpoints (2 bits before the point, 30 behind it) and of gamma (16 and 16)."""


def _header(file: BinaryIO) -> bytes:
    file.seek(HEADER_AT)
    size = file.read(4)
    if len(size) < 4:
        return b""
    return size + file.read(min(struct.unpack("<I", size)[0], V5_BYTES) - 4)


def _profile_place(header: bytes) -> tuple[int, int]:
    """Return where the profile stands in the file, and its length."""
    if len(header) < V5_BYTES:
        return 0, 0
    place, length = struct.unpack_from("<II", header, PROFILE_AT)
    return HEADER_AT + place, length


def read_bmp_profile(file: BinaryIO) -> bytes | None:
    """Return the ICC profile that a V5 header embeds, or None."""
    header = _header(file)
    place, length = _profile_place(header)
    if not 0 < length <= MOST_PROFILE or _space(header) != EMBEDDED:
        return None
    file.seek(place)
    profile = file.read(length)
    return profile if len(profile) == length else None


def read_bmp_colour(file: BinaryIO) -> Colour | None:
    """Return what endpoints and gamma say of the colours; None where they say nothing that can be.

    The endpoints are the XYZ of full red, green and blue; together they are white.
    """
    header = _header(file)
    if _space(header) != CALIBRATED:
        return None
    numbers = struct.unpack_from("<9i3I", header, ENDPOINTS_AT)
    primaries = [numbers[first : first + 3] for first in (0, 3, 6)]
    white = tuple(map(sum, zip(*primaries, strict=True)))
    powers = [number / GAMMA_UNIT for number in numbers[9:]]
    is_light = all(sum(xyz) > 0 and max(xyz) <= 2 * XYZ_UNIT for xyz in primaries)
    if not is_light or not all(0.1 <= power <= 10 for power in powers):
        return None
    points = [part / sum(xyz) for xyz in (*primaries, white) for part in xyz[:2]]
    curves = tuple(power_curve(power) for power in powers)
    curves = curves[:1] if len(set(curves)) == 1 else curves
    return Colour(Chromaticities(*points), curves, None, "endpoints and gamma")


def _space(header: bytes) -> int | None:
    if len(header) < V4_BYTES:
        return None
    (space,) = struct.unpack_from("<I", header, COLOUR_SPACE_AT)
    return int(space)


def list_bmp_parts(file: BinaryIO, metadata: Metadata) -> Iterator[Part]:
    """List the header, the colours that it tells, the pixels, and what lies behind them."""
    file.seek(0)
    head = file.read(HEADER_AT)
    size, pixels_at = struct.unpack_from("<I4xI", head, 2)
    header = _header(file)
    end = file.seek(0, io.SEEK_END)
    yield Part(name="header", size=HEADER_AT + len(header), fate="rewritten")
    yield Part(name="pixels", size=max(min(size, end) - pixels_at, 0), fate="rewritten")
    space, (place, length) = _space(header), _profile_place(header)
    if space == CALIBRATED and any(header[ENDPOINTS_AT:V4_BYTES]):
        told: Fate = "rewritten" if metadata.colour is not None else "not carried"
        yield Part(name="colour endpoints and gamma", size=48, fate=told)
    if space == EMBEDDED and length:
        fate: Fate = "carried" if metadata.icc is not None else "not carried"
        yield Part(name="ICC profile", size=length, fate=fate)
    if space == LINKED and length:
        yield Part(name="the name of an ICC profile", size=length, fate="not carried")
    last = max(size, place + length if space in (EMBEDDED, LINKED) else 0)
    if 0 < last < end:
        yield Part(name="data behind the end", size=end - last, fate="not carried")
