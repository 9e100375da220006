"""Telling the colours of a JPEG XL anew in its header, while no pixel changes.

The codec tags 16 bits as linear light whatever they are, and knows no other colours than sRGB's.
"""

from collections.abc import Mapping

from sam_diffsr_cli.pictures.jxl_header import (
    CHROMATICITY,
    CUSTOM,
    GRAY,
    PRIMARIES,
    WHITES,
    BitReader,
    JxlColour,
    has_tone_mapping,
    read_header,
)

__all__ = ["with_jxl_colour"]

RELATIVE = 1
"""The rendering intent."""


def with_jxl_colour(stream: bytes, colour: JxlColour) -> bytes:
    """Return a lossless still code stream whose header tells these colours; no pixel changes.

    Raises:
        ValueError: The header is not of the kind that the encoder writes for such a one.
    """
    header = read_header(stream)
    if header.colour_bits is None or header.is_lossy or header.has_icc:
        raise ValueError("colours that are not told apart from the pixels")
    begin, end = header.colour_bits
    tail = BitReader(stream)
    tail.place = end
    # No tone mapping, no extensions, and nothing of its own on how colours are decoded.
    is_plain = not has_tone_mapping(stream) or tail.take(1)
    if not is_plain or tail.take(2) or not tail.take(1):
        raise ValueError("a header with more than the encoder writes")
    bits = [stream[i >> 3] >> (i & 7) & 1 for i in range(begin)]
    bits += _pack(colour, is_gray=header.is_gray)
    bits += [stream[i >> 3] >> (i & 7) & 1 for i in range(end, tail.place)]
    bits += [0] * (-len(bits) % 8)
    head = bytes(
        sum(bit << k for k, bit in enumerate(bits[i : i + 8])) for i in range(0, len(bits), 8)
    )
    return head + stream[(tail.place + 7) // 8 :]


def _pack(colour: JxlColour, *, is_gray: bool) -> list[int]:
    packer = _Packer()
    packer.put(2, 0)
    packer.put_enum(GRAY if is_gray else 0)
    packer.put_known(colour.white, WHITES)
    if not is_gray:
        packer.put_known(colour.primaries, PRIMARIES)
    packer.put(1, int(colour.gamma is not None))
    if colour.gamma is not None:
        packer.put(24, round(colour.gamma * 1e7))
    else:
        packer.put_enum(colour.transfer)
    packer.put_enum(RELATIVE)
    return packer.bits


class _Packer:
    """Writes what ``BitReader`` reads."""

    def __init__(self) -> None:
        self.bits: list[int] = []

    def put(self, count: int, value: int) -> None:
        self.bits.extend(value >> i & 1 for i in range(count))

    def put_enum(self, value: int) -> None:
        if value < 2:
            self.put(2, value)
        elif value < 18:
            self.put(6, 2 | value - 2 << 2)
        else:
            self.put(8, 3 | value - 18 << 2)

    def put_known(self, values: tuple[float, ...], known: Mapping[int, tuple[float, ...]]) -> None:
        """Write the number of known chromaticities, or that they are others, and these."""
        number = next((n for n, each in known.items() if each == values), CUSTOM)
        self.put_enum(number)
        if number != CUSTOM:
            return
        for value in values:
            millionths = round(value * 1e6)
            whole = 2 * millionths if millionths >= 0 else -2 * millionths - 1
            chosen = sum(whole >= low + (1 << count) for low, count in CHROMATICITY[:3])
            low, count = CHROMATICITY[chosen]
            self.put(2, chosen)
            self.put(count, whole - low)
