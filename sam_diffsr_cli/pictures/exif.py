"""EXIF after enlarging: upright, with the new size, and otherwise byte for byte as it was.

The TIFF structure is patched in place rather than written anew, since a maker's notes hold offsets
into it that no other writer knows.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["orientation_of", "upright_exif", "without_orientation"]

IMAGE_WIDTH, IMAGE_LENGTH, ORIENTATION, EXIF_IFD = 0x0100, 0x0101, 0x0112, 0x8769
PIXEL_X, PIXEL_Y = 0xA002, 0xA003
SHORT, LONG, IFD = 3, 4, 13
MOST_ENTRIES = 1000
"""No real directory has as many."""


class _Entry(NamedTuple):
    """One 12-byte directory entry: where it lies, and its fields."""

    offset: int
    tag: int
    kind: int
    number: int


def _byte_order(exif: bytes) -> str:
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(exif[:4]))
    if order is None:
        raise ValueError("not a TIFF structure")
    return order


def _entries(exif: bytes, order: str, offset: int) -> Iterator[_Entry]:
    (count,) = struct.unpack_from(f"{order}H", exif, offset)
    if count > MOST_ENTRIES:
        raise ValueError("too many entries")
    for index in range(count):
        place = offset + 2 + 12 * index
        yield _Entry(place, *struct.unpack_from(f"{order}HHI", exif, place))


def _value(exif: bytes, order: str, entry: _Entry) -> int:
    """Read a single SHORT or LONG."""
    letter = {SHORT: "H", LONG: "I", IFD: "I"}.get(entry.kind)
    if letter is None or entry.number != 1:
        raise ValueError("not a whole number")
    (value,) = struct.unpack_from(order + letter, exif, entry.offset + 8)
    return int(value)


def orientation_of(exif: bytes) -> int | None:
    """Read the orientation, 1 (upright) to 8; None when there is none or it is damaged."""
    try:
        order = _byte_order(exif)
        (first,) = struct.unpack_from(f"{order}I", exif, 4)
        for entry in _entries(exif, order, first):
            if entry.tag == ORIENTATION:
                value = _value(exif, order, entry)
                return value if 1 <= value <= 8 else None
    except (struct.error, ValueError):
        pass
    return None


def upright_exif(exif: bytes, size: tuple[int, int]) -> bytes | None:
    """Set orientation to upright and the size tags to ``size`` ``(H, W)``; drop the thumbnail.

    Returns:
        The patched bytes, as long as they were; None when they are damaged.
    """
    patched = bytearray(exif)
    height, width = size
    sizes = {IMAGE_WIDTH: width, IMAGE_LENGTH: height, PIXEL_X: width, PIXEL_Y: height}
    try:
        order = _byte_order(exif)
        (first,) = struct.unpack_from(f"{order}I", exif, 4)
        directories = [first]
        for entry in _entries(exif, order, first):
            if entry.tag == EXIF_IFD:
                directories.append(_value(exif, order, entry))
            elif entry.tag == ORIENTATION:
                _put(patched, order, entry, 1, SHORT)
        for directory in directories:
            for entry in _entries(exif, order, directory):
                if entry.tag in sizes:
                    _put(patched, order, entry, sizes[entry.tag], LONG)
        # The next directory is the thumbnail: small, and turned as the photo was.
        (count,) = struct.unpack_from(f"{order}H", exif, first)
        end = first + 2 + 12 * count
        patched[end : end + 4] = bytes(len(patched[end : end + 4]))
    except (struct.error, ValueError):
        return None
    return bytes(patched)


def without_orientation(exif: bytes) -> bytes:
    """Take the orientation out: the entries behind it move up, and nothing else moves."""
    try:
        order = _byte_order(exif)
        (first,) = struct.unpack_from(f"{order}I", exif, 4)
        entries = list(_entries(exif, order, first))
    except (struct.error, ValueError):
        return exif
    patched, end = bytearray(exif), first + 2 + 12 * len(entries) + 4
    for place in [entry.offset for entry in entries if entry.tag == ORIENTATION][:1]:
        patched[place:end] = exif[place + 12 : end] + bytes(12)
        struct.pack_into(f"{order}H", patched, first, len(entries) - 1)
    return bytes(patched)


def _put(exif: bytearray, order: str, entry: _Entry, value: int, kind: int) -> None:
    """Write one number into an entry's own value field."""
    struct.pack_into(f"{order}HHII", exif, entry.offset, entry.tag, kind, 1, 0)
    struct.pack_into(order + ("H" if kind == SHORT else "I"), exif, entry.offset + 8, value)
