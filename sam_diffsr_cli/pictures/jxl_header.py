"""The header of a JPEG XL code stream (ISO/IEC 18181-1, annex D).

The codec tells neither colours nor bits nor the turn. They stand in the first bytes, the lowest
bits first.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = [
    "CHROMATICITY",
    "CUSTOM",
    "GRAY",
    "PRIMARIES",
    "WHITES",
    "BitReader",
    "JxlColour",
    "JxlHeader",
    "codestream_of",
    "has_tone_mapping",
    "read_header",
]

SIGNATURE = 0x0AFF
MOST_EXTRA_CHANNELS = 64
Choice = int | tuple[int, int]
"""A number, or one to which so many bits are added."""

SIZES: tuple[Choice, ...] = ((1, 9), (1, 13), (1, 18), (1, 30))
RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
"""Width to height, by their number less one."""

ENUM: tuple[Choice, ...] = (0, 1, (2, 4), (18, 6))
CHROMATICITY: tuple[tuple[int, int], ...] = ((0, 19), (524288, 19), (1048576, 20), (2097152, 21))
GRAY, CUSTOM = 1, 2
WHITES: dict[int, tuple[float, ...]] = {1: (0.3127, 0.3290), 10: (1 / 3, 1 / 3), 11: (0.314, 0.351)}
PRIMARIES: dict[int, tuple[float, ...]] = {
    1: (0.640, 0.330, 0.300, 0.600, 0.150, 0.060),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
SRGB_TRANSFER = 13


@dataclass(frozen=True, kw_only=True, slots=True)
class JxlColour:
    """Colours as the header tells them: the x and y of white and primaries, and the transfer.

    ``gamma``, where given, is the power that leads from light to samples, and goes before
    ``transfer``, a code point.
    """

    white: tuple[float, ...] = WHITES[1]
    primaries: tuple[float, ...] = PRIMARIES[1]
    transfer: int = SRGB_TRANSFER
    gamma: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class JxlHeader:
    """What the header says; ``size`` is upright, ``(height, width)``.

    ``colour_bits`` are where the colours' own bits begin and end, None when they are left out.
    """

    size: tuple[int, int]
    bits: int = 8
    is_float: bool = False
    orientation: int = 1
    is_animation: bool = False
    is_lossy: bool = True
    has_icc: bool = False
    is_gray: bool = False
    colour: JxlColour = field(default_factory=JxlColour)
    colour_bits: tuple[int, int] | None = None


class BitReader:
    """Reads bits, the lowest of each byte first."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.place = 0

    def take(self, count: int) -> int:
        """Read so many bits as a number."""
        value = 0
        for index in range(count):
            byte = self._data[self.place >> 3]
            value |= (byte >> (self.place & 7) & 1) << index
            self.place += 1
        return value

    def choose(self, choices: Sequence[Choice]) -> int:
        """Read which of four, and what is added to it."""
        chosen = choices[self.take(2)]
        return chosen if isinstance(chosen, int) else chosen[0] + self.take(chosen[1])

    def numbers(self, count: int) -> tuple[float, ...]:
        """Read chromaticities: signed millionths, the sign in the lowest bit."""
        values = (self.choose(CHROMATICITY) for _ in range(count))
        return tuple((-(v // 2) - 1 if v % 2 else v // 2) / 1e6 for v in values)


def codestream_of(data: bytes) -> tuple[int, int]:
    """Return where the code stream, or its first part, begins and ends in a file.

    Raises:
        ValueError: There is none.
    """
    if data[:2] == b"\xff\x0a":
        return 0, len(data)
    place = 0
    while place + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        head = 8
        if size == 1:
            size, head = int.from_bytes(data[place + 8 : place + 16], "big"), 16
        size = size or len(data) - place
        if size < head:
            break
        if kind in (b"jxlc", b"jxlp"):
            return place + head + 4 * (kind == b"jxlp"), min(place + size, len(data))
        place += size
    raise ValueError("no code stream")


def read_header(data: bytes) -> JxlHeader:
    """Read the header of a file.

    Raises:
        ValueError: It is damaged, or says what is not read.
    """
    first, last = codestream_of(data)
    try:
        return _read(BitReader(data[first : min(last, first + 4096)]))
    except IndexError as error:
        raise ValueError("a damaged header") from error


def _read(bits: BitReader) -> JxlHeader:
    if bits.take(16) != SIGNATURE:
        raise ValueError("no code stream")
    height, width = _size(bits)
    if bits.take(1):
        return JxlHeader(size=(height, width))
    orientation, is_animation, has_extra = 1, False, bool(bits.take(1))
    if has_extra:
        orientation, is_animation = _extra_fields(bits)
    if orientation > 4:
        height, width = width, height
    depth, is_float = _depth(bits)
    bits.take(1)
    for _ in range(min(bits.choose((0, 1, (2, 4), (1, 12))), MOST_EXTRA_CHANNELS)):
        _skip_channel(bits)
    is_lossy = bool(bits.take(1))
    begin = bits.place
    has_icc, is_gray, colour = _colour(bits)
    return JxlHeader(
        size=(height, width),
        bits=depth,
        is_float=is_float,
        orientation=orientation,
        is_animation=is_animation,
        is_lossy=is_lossy,
        has_icc=has_icc,
        is_gray=is_gray,
        colour=colour,
        colour_bits=(begin, bits.place),
    )


def _size(bits: BitReader) -> tuple[int, int]:
    is_small = bool(bits.take(1))

    def side() -> int:
        return 8 * (bits.take(5) + 1) if is_small else bits.choose(SIZES)

    height, ratio = side(), bits.take(3)
    if ratio == 0:
        return height, side()
    above, below = RATIOS[ratio - 1]
    return height, height * above // below


def _extra_fields(bits: BitReader) -> tuple[int, bool]:
    orientation = bits.take(3) + 1
    if bits.take(1):
        _size(bits)
    if bits.take(1):
        raise ValueError("has a preview, which is not read")
    is_animation = bool(bits.take(1))
    if is_animation:
        bits.choose((100, 1000, (1, 10), (1, 30)))
        bits.choose((1, 1001, (1, 8), (1, 10)))
        bits.choose((0, (0, 3), (0, 16), (0, 32)))
        bits.take(1)
    return orientation, is_animation


def _depth(bits: BitReader) -> tuple[int, bool]:
    if not bits.take(1):
        return bits.choose((8, 10, 12, (1, 6))), False
    depth = bits.choose((32, 16, 24, (1, 6)))
    bits.take(4)
    return depth, True


def _skip_channel(bits: BitReader) -> None:
    if bits.take(1):
        return
    kind = bits.choose(ENUM)
    _depth(bits)
    bits.choose((0, 3, 4, (1, 3)))
    bits.take(8 * bits.choose((0, (0, 4), (16, 5), (48, 10))))
    if kind == 0:
        bits.take(1)
    elif kind != 1:
        raise ValueError(f"has a channel of kind {kind}, which is not read")


def _colour(bits: BitReader) -> tuple[bool, bool, JxlColour]:
    """Read whether there is a profile, whether it is gray, and the colours."""
    if bits.take(1):
        return False, False, JxlColour()
    has_icc = bool(bits.take(1))
    is_gray = bits.choose(ENUM) == GRAY
    if has_icc:
        return True, is_gray, JxlColour()
    white = bits.choose(ENUM)
    whites = bits.numbers(2) if white == CUSTOM else WHITES.get(white, WHITES[1])
    primaries = PRIMARIES[1]
    if not is_gray:
        number = bits.choose(ENUM)
        primaries = bits.numbers(6) if number == CUSTOM else PRIMARIES.get(number, primaries)
    gamma = bits.take(24) / 1e7 if bits.take(1) else None
    transfer = SRGB_TRANSFER if gamma is not None else bits.choose(ENUM)
    bits.choose(ENUM)
    found = JxlColour(white=whites, primaries=primaries, transfer=transfer, gamma=gamma)
    return False, is_gray, found


def has_tone_mapping(stream: bytes) -> bool:
    """Whether the extra fields are there, which tone mapping follows behind the colours."""
    bits = BitReader(stream)
    bits.take(16)
    _size(bits)
    return not bits.take(1) and bool(bits.take(1))
