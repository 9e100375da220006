"""Putting a profile, EXIF, XMP and properties into a still AVIF that an encoder made without them.

The ``meta`` box is built anew, and what it says of places in the file is moved by as much as it
grew (ISO/IEC 14496-12, 8.11, and 23008-12, 9.3).
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sam_diffsr_cli.pictures.boxes import Box, children_of, pack_box

__all__ = ["insert_items"]

XMP_TYPE = b"application/rdf+xml\0"
TIFF_OFFSET = bytes(4)
"""Before EXIF stands how far its TIFF header is away."""


class _Item(NamedTuple):
    """One item and the places of its data, each a beginning and a length."""

    number: int
    extents: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class _Added:
    """One item to be added: its number, type, what follows its name, and its data."""

    number: int
    kind: bytes
    rest: bytes
    data: bytes


def insert_items(
    data: bytes,
    *,
    exif: bytes | None = None,
    xmp: bytes | None = None,
    properties: Sequence[tuple[bytes, bytes]] = (),
) -> bytes:
    """Return the file with EXIF, XMP, and further properties of its picture.

    Args:
        data: A still AVIF whose ``meta`` box lies before the data, as encoders write it.
        exif: A TIFF structure.
        xmp: A packet.
        properties: The kind and body of each box to be said of the primary item.

    Raises:
        ValueError: The file is laid out otherwise.
    """
    if exif is None and xmp is None and not properties:
        return data
    try:
        return _insert(data, exif, xmp, properties)
    except (KeyError, IndexError, struct.error) as error:
        raise ValueError("not an AVIF as its encoder writes it") from error


def _insert(
    data: bytes, exif: bytes | None, xmp: bytes | None, properties: Sequence[tuple[bytes, bytes]]
) -> bytes:
    meta = next(box for box in children_of(data) if box.kind == b"meta")
    parts = list(children_of(meta.body, 4))
    bodies = {box.kind: box.body for box in parts}
    (primary,) = struct.unpack_from(">H", bodies[b"pitm"], 4)
    items = _read_places(bodies[b"iloc"])
    added = _list_added(max(item.number for item in items) + 1, exif, xmp)
    changed = {
        b"iinf": _add_information(bodies[b"iinf"], added),
        b"iref": _add_references(bodies.get(b"iref", bytes(4)), added, primary),
        b"iprp": _add_properties(bodies[b"iprp"], properties, primary),
    }
    if any(place <= meta.start for item in items for place, _ in item.extents):
        raise ValueError("the data lie before what is said of them")

    def build(shift: int) -> bytes:
        place = len(data) + shift + 8
        moved = [
            _Item(item.number, tuple((begin + shift, size) for begin, size in item.extents))
            for item in items
        ]
        for each in added:
            moved.append(_Item(each.number, ((place, len(each.data)),)))
            place += len(each.data)
        return _pack_meta(meta.body[:4], parts, changed | {b"iloc": _pack_places(moved)})

    shift = len(build(0)) - meta.size
    payload = b"".join(each.data for each in added)
    tail = pack_box(b"mdat", payload) if payload else b""
    return data[: meta.start] + build(shift) + data[meta.start + meta.size :] + tail


def _list_added(number: int, exif: bytes | None, xmp: bytes | None) -> list[_Added]:
    added = []
    if exif is not None:
        added.append(_Added(number, b"Exif", b"", TIFF_OFFSET + exif))
    if xmp is not None:
        added.append(_Added(number + len(added), b"mime", XMP_TYPE, xmp))
    return added


def _pack_meta(head: bytes, parts: Sequence[Box], changed: dict[bytes, bytes]) -> bytes:
    """Build ``meta``: its parts in their order, references behind the items' information."""
    body = bytearray(head)
    has_references = any(box.kind == b"iref" for box in parts)
    for box in parts:
        body += pack_box(box.kind, changed.get(box.kind, box.body))
        if box.kind == b"iinf" and not has_references and len(changed[b"iref"]) > 4:
            body += pack_box(b"iref", changed[b"iref"])
    return pack_box(b"meta", bytes(body))


def _read_places(table: bytes) -> list[_Item]:
    """Read ``iloc``, whose offsets count from the file's beginning."""
    version, sizes, more = table[0], table[4], table[5]
    if version > 1:
        raise ValueError("places of a kind that is not written by encoders")
    offset_size, length_size, base_size = sizes >> 4, sizes & 15, more >> 4
    index_size = more & 15 if version else 0
    (count,) = struct.unpack_from(">H", table, 6)
    place, items = 8, []

    def take(size: int) -> int:
        nonlocal place
        place += size
        return int.from_bytes(table[place - size : place], "big")

    for _ in range(count):
        number = take(2)
        if version and take(2) & 15:
            raise ValueError("data that are not in the file itself")
        take(2)
        base, extents = take(base_size), []
        for _ in range(take(2)):
            take(index_size)
            begin = base + take(offset_size)
            extents.append((begin, take(length_size)))
        items.append(_Item(number, tuple(extents)))
    return items


def _pack_places(items: Sequence[_Item]) -> bytes:
    table = bytearray(bytes(4) + b"\x44\0" + struct.pack(">H", len(items)))
    for item in items:
        table += struct.pack(">HHH", item.number, 0, len(item.extents))
        for extent in item.extents:
            table += struct.pack(">II", *extent)
    return bytes(table)


def _add_information(table: bytes, added: Sequence[_Added]) -> bytes:
    if table[0]:
        raise ValueError("more items than an encoder writes")
    (count,) = struct.unpack_from(">H", table, 4)
    entries = b"".join(
        pack_box(
            b"infe", b"\2\0\0\1" + struct.pack(">HH4sx", each.number, 0, each.kind) + each.rest
        )
        for each in added
    )
    return table[:4] + struct.pack(">H", count + len(added)) + table[6:] + entries


def _add_references(table: bytes, added: Sequence[_Added], primary: int) -> bytes:
    """Say of each added item that it describes the primary one."""
    if table[0]:
        raise ValueError("references of a kind that is not written by encoders")
    return table + b"".join(
        pack_box(b"cdsc", struct.pack(">HHH", each.number, 1, primary)) for each in added
    )


def _add_properties(held: bytes, properties: Sequence[tuple[bytes, bytes]], primary: int) -> bytes:
    bodies = {box.kind: box.body for box in children_of(held)}
    container, table = bodies[b"ipco"], bodies[b"ipma"]
    first = len(list(children_of(container))) + 1
    if table[0] or table[3] & 1 or first + len(properties) > 128:
        raise ValueError("properties of a kind that is not written by encoders")
    container += b"".join(pack_box(kind, body) for kind, body in properties)
    own = bytes(range(first, first + len(properties)))
    (count,) = struct.unpack_from(">I", table, 4)
    place, result = 8, bytearray(table[:8])
    for _ in range(count):
        item, number = struct.unpack_from(">HB", table, place)
        entries = table[place + 3 : place + 3 + number]
        place += 3 + number
        if item == primary:
            entries += own
        result += struct.pack(">HB", item, len(entries)) + entries
    return pack_box(b"ipco", container) + pack_box(b"ipma", bytes(result))
