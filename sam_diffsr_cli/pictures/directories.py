"""The directories of TIFF and EXIF: read and written as bytes, no value taken for what it is not.

A library's way through numbers and text and back changes types and damages text that is not ASCII.
"""

import io
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import BinaryIO, Literal, NamedTuple

__all__ = [
    "Directory",
    "Field",
    "Order",
    "pack_directory",
    "pack_exif",
    "parse_exif",
    "read_tiff_chain",
    "read_tiff_directory",
]

POINTERS = frozenset({0x8769, 0x8825, 0xA005})
"""EXIF and GPS below the first directory, and interoperability below EXIF."""

Order = Literal["<", ">"]
"""Little or big endian, as ``struct`` writes it."""

ITEM_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Bytes of one value of each type."""

BIG_ITEM_BYTES = ITEM_BYTES | {16: 8, 17: 8, 18: 8}
"""Also of BigTIFF's own types; none of them is in a field that is carried."""

WHOLE = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
"""Types of whole numbers, as ``struct`` writes them."""

BIG_TIFF = 43
MOST_FIELDS = 1000
MOST_FIELD_BYTES = 64 << 20
DEEPEST = 2


class Field(NamedTuple):
    """A tag, the type and number of its values, and their bytes."""

    tag: int
    kind: int
    number: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Directory:
    """Fields, and the directories that pointers lead to, each by the pointer's tag.

    ``unread`` are the tags of fields and pointers that are damaged, or of an unknown type.
    """

    order: Order
    fields: list[Field] = field(default_factory=list)
    children: dict[int, "Directory"] = field(default_factory=dict)
    unread: list[int] = field(default_factory=list, compare=False)

    def only(self, tags: Iterable[int]) -> "Directory":
        """Return it with those fields alone, and all children."""
        kept = frozenset(tags)
        return Directory(self.order, [f for f in self.fields if f.tag in kept], self.children)

    def data_of(self, tag: int) -> bytes | None:
        """Return the bytes of a field, None when there is none."""
        return next((f.data for f in self.fields if f.tag == tag), None)

    def numbers(self, tag: int) -> tuple[int, ...]:
        """Return the whole numbers of a field; none when it is missing or holds something else."""
        found = next((f for f in self.fields if f.tag == tag), None)
        letter = None if found is None else WHOLE.get(found.kind)
        if found is None or letter is None:
            return ()
        number = len(found.data) // struct.calcsize("=" + letter)
        return struct.unpack(f"{self.order}{number}{letter}", found.data)

    def number(self, tag: int, otherwise: int = 0) -> int:
        """Return the first whole number of a field, or ``otherwise`` when there is none."""
        return next(iter(self.numbers(tag)), otherwise)


def parse_exif(exif: bytes) -> Directory:
    """Read an EXIF structure.

    Raises:
        ValueError: It is damaged.
    """
    return read_tiff_directory(io.BytesIO(exif))


def read_tiff_directory(file: BinaryIO) -> Directory:
    """Read the first directory of a TIFF or BigTIFF, and those below it.

    Raises:
        ValueError: It is damaged.
    """
    try:
        order, first, is_big = _read_head(file)
        return _read(file, order, first, _Reading(is_big, DEEPEST))[0]
    except (struct.error, OverflowError, OSError) as error:
        raise ValueError("a damaged directory") from error


def read_tiff_chain(file: BinaryIO, most: int) -> list[Directory]:
    """Read the directories of a TIFF's pages, at most one more than ``most``; a ring of them ends.

    A directory below a page's that is damaged is left out.

    Raises:
        ValueError: One of the pages' is damaged.
    """
    pages: list[Directory] = []
    try:
        order, place, is_big = _read_head(file)
        seen: set[int] = set()
        while place and place not in seen and len(pages) <= most:
            seen.add(place)
            page, place = _read(file, order, place, _Reading(is_big, DEEPEST, is_lenient=True))
            pages.append(page)
    except (struct.error, OverflowError, OSError) as error:
        raise ValueError("a damaged directory") from error
    return pages


def _read_head(file: BinaryIO) -> tuple[Order, int, bool]:
    """Return the byte order, where the first directory is, and whether it is BigTIFF."""
    file.seek(0)
    head = file.read(16)
    orders: dict[bytes, Order] = {b"II": "<", b"MM": ">"}
    order = orders.get(head[:2])
    if order is None:
        raise ValueError("not a TIFF structure")
    (version,) = struct.unpack_from(f"{order}H", head, 2)
    if version not in (42, BIG_TIFF):
        raise ValueError("not a TIFF structure")
    is_big = version == BIG_TIFF
    pointer = f"{order}Q" if is_big else f"{order}I"
    (first,) = struct.unpack_from(pointer, head, 8 if is_big else 4)
    return order, first, is_big


class _Reading(NamedTuple):
    """How to read a directory: of BigTIFF or not, how many may lie below it, damaged or not."""

    is_big: bool
    deeper: int
    is_lenient: bool = False


def _read(file: BinaryIO, order: Order, offset: int, reading: _Reading) -> tuple[Directory, int]:
    """Read one directory, and where the next one is."""
    is_big = reading.is_big
    counting, entry = (f"{order}Q", f"{order}HHQ8s") if is_big else (f"{order}H", f"{order}HHI4s")
    pointer = order + ("Q" if is_big else "I")
    file.seek(offset)
    (count,) = struct.unpack(counting, file.read(struct.calcsize(counting)))
    if count > MOST_FIELDS:
        raise ValueError("too many fields")
    entries = file.read(count * struct.calcsize(entry))
    following = file.read(struct.calcsize(pointer))
    found = Directory(order)
    item_bytes = BIG_ITEM_BYTES if is_big else ITEM_BYTES
    for tag, type_, number, inline in struct.iter_unpack(entry, entries):
        data = _value_bytes(file, order, inline, item_bytes.get(type_, 0) * number)
        if tag in POINTERS:
            if reading.deeper and data and len(data) <= len(inline):
                _add_child(file, found, (tag, *struct.unpack(pointer, inline)), reading)
        elif data is not None:
            found.fields.append(Field(tag, type_, number, data))
        else:
            found.unread.append(tag)
    is_whole = len(following) == struct.calcsize(pointer)
    return found, struct.unpack(pointer, following)[0] if is_whole else 0


def _add_child(
    file: BinaryIO, directory: Directory, at: tuple[int, int], reading: _Reading
) -> None:
    tag, place = at
    below = reading._replace(deeper=reading.deeper - 1)
    try:
        directory.children[tag] = _read(file, directory.order, place, below)[0]
    except (struct.error, OverflowError, OSError, ValueError):
        if not reading.is_lenient:
            raise
        directory.unread.append(tag)


def _value_bytes(file: BinaryIO, order: str, inline: bytes, size: int) -> bytes | None:
    """Return the bytes of a field's values; None when it has none that can be read."""
    if not 0 < size <= MOST_FIELD_BYTES:
        return None
    if size <= len(inline):
        return inline[:size]
    (place,) = struct.unpack(order + ("I" if len(inline) == 4 else "Q"), inline)
    file.seek(place)
    data = file.read(size)
    return data if len(data) == size else None


def pack_directory(directory: Directory, offset: int) -> bytes:
    """Lay out a directory that will stand at an even ``offset``, its values and those below it."""
    order = directory.order
    fields = directory.fields + [Field(tag, 4, 1, bytes(4)) for tag in directory.children]
    entries, values, places = bytearray(), bytearray(), {}
    beginning = offset + 2 + 12 * len(fields) + 4
    for tag, kind, number, data in sorted(fields):
        if tag in directory.children:
            places[tag] = 2 + len(entries) + 8
        inline = data.ljust(4, b"\0")
        if len(data) > 4:
            inline = struct.pack(f"{order}I", beginning + len(values))
            values += data + bytes(len(data) % 2)
        entries += struct.pack(f"{order}HHI", tag, kind, number) + inline
    packed = bytearray(struct.pack(f"{order}H", len(fields)) + entries + bytes(4) + values)
    for tag, child in directory.children.items():
        place = offset + len(packed)
        struct.pack_into(f"{order}I", packed, places[tag], place)
        packed += pack_directory(child, place)
    return bytes(packed)


def pack_exif(directory: Directory) -> bytes:
    """Build an EXIF structure whose first directory this is."""
    head = b"II*\0" if directory.order == "<" else b"MM\0*"
    return head + struct.pack(f"{directory.order}I", 8) + pack_directory(directory, 8)
