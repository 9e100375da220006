"""JPEG below the level of Pillow: its segments, what lies behind it, and the index of pictures.

ITU-T T.81 for the segments, CIPA DC-007 for the Multi-Picture Format (MPF).
"""

import re
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

__all__ = [
    "APP1",
    "APP2",
    "COMMENT",
    "MPF_PREFIX",
    "PRIMARY",
    "Further",
    "Segment",
    "insert_segments",
    "join_pictures",
    "marker_name",
    "read_index",
    "read_segments",
    "segment_bytes",
]

START, END, SCAN = 0xD8, 0xD9, 0xDA
APP0, APP1, APP2, APP15, COMMENT = 0xE0, 0xE1, 0xE2, 0xEF, 0xFE
BARE = frozenset((0x01, START, *range(0xD0, 0xD8)))
"""Markers with no length behind them."""

MPF_PREFIX = b"MPF\0"
PRIMARY = 0x03_0000
"""The type of a baseline primary picture."""

FORMAT = 0x0700_0000
"""Bits of the attributes that are 0 for JPEG; there is no other format."""

MPF_ENTRY = ">IIIHH"
_NAMES = {0xC4: "DHT", 0xC8: "JPG", 0xCC: "DAC", 0xDA: "SOS", 0xDB: "DQT", 0xDC: "DNL", 0xDD: "DRI"}
_NAMES |= {0xDE: "DHP", 0xDF: "EXP", COMMENT: "COM"}
_FRAMES = range(0xC0, 0xD0)
# In the scan 0xFF is data before 0, and a restart before 0xD0 to 0xD7.
_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


class Segment(NamedTuple):
    """A marker with its place in the file, the bytes it takes, and its body without the length.

    A scan's size counts the compressed data behind it.
    """

    marker: int
    place: int
    size: int
    body: bytes


class Further(NamedTuple):
    """A picture that an index of pictures names: attributes, first byte, and length.

    The lower 24 bits of the attributes are its type; the first picture's own place is 0.
    """

    kind: int
    place: int
    size: int


def marker_name(marker: int) -> str:
    """Name a marker as the standard does."""
    if APP0 <= marker <= APP15:
        return f"APP{marker - APP0}"
    if marker in _FRAMES and marker not in _NAMES:
        return f"SOF{marker - 0xC0}"
    return _NAMES.get(marker, f"segment {marker:02X}")


def read_segments(data: bytes, start: int = 0) -> tuple[list[Segment], int]:
    """Walk one JPEG from its first byte.

    Returns:
        Its segments, and where the first byte behind it is.

    Raises:
        ValueError: There is no whole JPEG.
    """
    if data[start : start + 2] != b"\xff\xd8":
        raise ValueError("no JPEG")
    found: list[Segment] = []
    place = start + 2
    while True:
        while data[place : place + 2] == b"\xff\xff":
            place += 1
        if len(data) < place + 2 or data[place] != 0xFF:
            raise ValueError("a JPEG that is cut short or damaged")
        marker = data[place + 1]
        if marker == END:
            return found, place + 2
        if marker in BARE:
            place += 2
            continue
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        body = data[place + 4 : end]
        if marker == SCAN:
            stop = _SCAN_END.search(data, end)
            end = len(data) if stop is None else stop.start()
        if end > len(data):
            raise ValueError("a JPEG that is cut short")
        found.append(Segment(marker, place, end - place, body))
        place = end


def read_index(segments: Sequence[Segment]) -> list[Further]:
    """List the pictures that a JPEG's MPF names, itself among them; none where it has none."""
    for segment in segments:
        if segment.marker == APP2 and segment.body.startswith(MPF_PREFIX):
            try:
                return list(_index_entries(segment.body[4:], segment.place + 8))
            except struct.error:
                return []
    return []


def _index_entries(body: bytes, origin: int) -> Iterator[Further]:
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(body[:4])
    if order is None:
        return
    (first,) = struct.unpack_from(f"{order}I", body, 4)
    (count,) = struct.unpack_from(f"{order}H", body, first)
    for number in range(count):
        entry = struct.unpack_from(f"{order}HHII", body, first + 2 + 12 * number)
        if entry[0] != 0xB002:
            continue
        for place in range(entry[3], entry[3] + entry[2], 16):
            kind, size, offset, _, _ = struct.unpack_from(order + MPF_ENTRY[1:], body, place)
            yield Further(kind & ~FORMAT, origin + offset if offset else 0, size)


def segment_bytes(marker: int, body: bytes) -> bytes:
    """Build a segment.

    Raises:
        ValueError: The body is longer than a segment can hold.
    """
    if len(body) > 65_533:
        raise ValueError("too long for a segment")
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body


def insert_segments(data: bytes, added: bytes) -> bytes:
    """Put segments behind those that tell of the picture, before those that code it."""
    segments, _ = read_segments(data)
    beside = (*range(APP0, APP15 + 1), COMMENT)
    place = next(each.place for each in segments if each.marker not in beside)
    return data[:place] + added + data[place:]


def join_pictures(base: bytes, further: Sequence[tuple[int, bytes]], kind: int = PRIMARY) -> bytes:
    """Put pictures behind a JPEG and write the MPF that names them.

    Args:
        base: A JPEG without an MPF.
        further: The MPF attributes and the bytes of each.
        kind: The MPF attributes of the first.
    """
    segments, _ = read_segments(base)
    beside = (*range(APP0, APP15 + 1), COMMENT)
    # What stands behind it moves offsets, what stands before does not: it comes last.
    place = next(each.place for each in segments if each.marker not in beside)
    count = 1 + len(further)
    length = len(base) + len(_index_segment([(0, 0, 0)] * count))
    entries, offset = [(kind, length, 0)], length - (place + 8)
    for its_kind, data in further:
        entries.append((its_kind, len(data), offset))
        offset += len(data)
    index = _index_segment(entries)
    return base[:place] + index + base[place:] + b"".join(data for _, data in further)


def _index_segment(entries: Sequence[tuple[int, int, int]]) -> bytes:
    """Build an MPF of one directory: version, number of pictures, and their entries."""
    fields = [
        struct.pack(">HHI4s", 0xB000, 7, 4, b"0100"),
        struct.pack(">HHII", 0xB001, 4, 1, len(entries)),
        struct.pack(">HHII", 0xB002, 7, 16 * len(entries), 8 + 2 + 3 * 12 + 4),
    ]
    head = b"MM\0*" + struct.pack(">IH", 8, len(fields))
    packed = [struct.pack(MPF_ENTRY, *entry, 0, 0) for entry in entries]
    return segment_bytes(APP2, MPF_PREFIX + head + b"".join(fields) + bytes(4) + b"".join(packed))
