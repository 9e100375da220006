"""The boxes of AVIF and HEIF (ISO/IEC 14496-12 and 23008-12), as far as a still picture needs.

What decoders do not tell is read here: code points of colour, bits, the crop and the turn.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import BinaryIO, NamedTuple

from sam_diffsr_cli.pictures.colour_numbers import Codes, named_codes

__all__ = [
    "Box",
    "CleanAperture",
    "ItemProperties",
    "check_texts",
    "children_of",
    "pack_box",
    "read_properties",
]

ORIENTATIONS: dict[int | None, tuple[int, int, int, int]] = {
    None: (1, 8, 3, 6),
    0: (4, 5, 2, 7),
    1: (2, 7, 4, 5),
}
"""By the mirror, and then by the quarters of the turn before it."""

MOST_META_BYTES = 16 << 20
MOST_TOP_BOXES = 1000
MONOCHROME = 0x10
"""The bit of ``av1C`` that says it (AV1-ISOBMFF, 2.3.3)."""


class Box(NamedTuple):
    """A box: its kind, what it holds, and where it begins and how long it is, head included."""

    kind: bytes
    body: bytes
    start: int
    size: int


class CleanAperture(NamedTuple):
    """A clean aperture: its size, and how far its middle is from the picture's, in pixels."""

    width: Fraction
    height: Fraction
    right: Fraction
    down: Fraction

    def window(self, size: tuple[int, int]) -> tuple[slice, slice] | None:
        """Return rows and columns of a picture ``(h, w)``; None when it is not inside it."""
        spans = []
        for length, wanted, shift in zip(
            size, (self.height, self.width), (self.down, self.right), strict=True
        ):
            count = round(wanted)
            first = round(Fraction(length - 1, 2) + shift - Fraction(count - 1, 2))
            if count < 1 or first < 0 or first + count > length:
                return None
            spans.append(slice(first, first + count))
        return spans[0], spans[1]


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemProperties:
    """What is said of the picture that a file shows.

    ``turn`` is how many quarters it is turned against the clock, ``mirror`` 0 when top and bottom
    change places and 1 when left and right do. ``others`` are all its properties by their kind.
    """

    codes: Codes | None = None
    bits: int = 8
    is_gray: bool = False
    crop: CleanAperture | None = None
    turn: int = 0
    mirror: int | None = None
    others: Mapping[bytes, bytes] = field(default_factory=dict)

    @property
    def orientation(self) -> int:
        """The EXIF orientation that says the same as the turn and then the mirror."""
        return ORIENTATIONS[self.mirror][self.turn]


def pack_box(kind: bytes, body: bytes) -> bytes:
    """Build a box."""
    return struct.pack(">I4s", 8 + len(body), kind) + body


def children_of(data: bytes, start: int = 0) -> Iterator[Box]:
    """Yield the boxes that follow each other from ``start`` on; stops where they are damaged."""
    while start + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1 and start + 16 <= len(data):
            (size,) = struct.unpack_from(">Q", data, start + 8)
            head = 16
        elif size == 0:
            size = len(data) - start
        if size < head or start + size > len(data):
            return
        yield Box(kind, data[start + head : start + size], start, size)
        start += size


def read_meta(file: BinaryIO) -> bytes | None:
    """Return what a file's ``meta`` box holds; None when there is none."""
    file.seek(0)
    for _ in range(MOST_TOP_BOXES):
        head = file.read(8)
        if len(head) < 8:
            return None
        size, kind = struct.unpack(">I4s", head)
        if size == 1:
            (size,) = struct.unpack(">Q", file.read(8).rjust(8, b"\0"))
            size -= 8
        if size < 8:
            return None
        if kind == b"meta":
            return file.read(min(size - 8, MOST_META_BYTES))
        file.seek(size - 8, 1)
    return None


def read_properties(file: BinaryIO) -> ItemProperties | None:
    """Read what is said of the primary item; None when the boxes are damaged, or there are none."""
    try:
        meta = read_meta(file)
        if meta is None:
            return None
        parts = {box.kind: box.body for box in children_of(meta, 4)}
        version, primary = parts[b"pitm"][0], parts[b"pitm"][4:]
        (item,) = struct.unpack_from(">I" if version else ">H", primary)
        held = {box.kind: box.body for box in children_of(parts[b"iprp"])}
        every = list(children_of(held[b"ipco"]))
        own = [every[i - 1] for i in _indices(held[b"ipma"], item) if 0 < i <= len(every)]
        return _describe(own, every)
    except (KeyError, IndexError, struct.error, ZeroDivisionError, OverflowError):
        return None


def _indices(table: bytes, wanted: int) -> list[int]:
    """Return the places of an item's properties, counted from 1 (23008-12, 9.3)."""
    is_long, is_wide = table[0] > 0, bool(table[3] & 1)
    (count,) = struct.unpack_from(">I", table, 4)
    place = 8
    for _ in range(count):
        (item,) = struct.unpack_from(">I" if is_long else ">H", table, place)
        place += 4 if is_long else 2
        number, width = table[place], 2 if is_wide else 1
        entries = table[place + 1 : place + 1 + number * width]
        place += 1 + number * width
        if item == wanted:
            letter, mask = (">H", 0x7FFF) if is_wide else (">B", 0x7F)
            return [value & mask for (value,) in struct.iter_unpack(letter, entries)]
    return []


def _describe(own: list[Box], every: list[Box]) -> ItemProperties:
    others: dict[bytes, bytes] = {}
    codes = None
    for box in own:
        if box.kind == b"colr" and box.body[:4] == b"nclx" and len(box.body) >= 11:
            primaries, transfer, _ = struct.unpack_from(">HHH", box.body, 4)
            # The decoder brings a narrow range to the whole one.
            codes = named_codes(primaries, transfer)
        else:
            others.setdefault(box.kind, box.body)
    turn, mirror = others.get(b"irot", b""), others.get(b"imir", b"")
    # The tiles of a grid have the decoder's configuration, the grid has not.
    every_kind = {box.kind: box.body for box in reversed(every)} | others
    av1 = every_kind.get(b"av1C", b"")
    return ItemProperties(
        codes=codes,
        bits=_bits(every_kind),
        is_gray=len(av1) > 2 and bool(av1[2] & MONOCHROME),
        crop=_crop(others.get(b"clap", b"")),
        turn=turn[0] & 3 if turn else 0,
        mirror=mirror[0] & 1 if mirror else None,
        others=others,
    )


def _bits(properties: Mapping[bytes, bytes]) -> int:
    """Read the bits a channel from the decoder's configuration, else from ``pixi``."""
    av1, hevc = properties.get(b"av1C", b""), properties.get(b"hvcC", b"")
    if len(av1) > 2:
        return 8 if not av1[2] & 0x40 else 12 if av1[2] & 0x20 else 10
    if len(hevc) > 17:
        return 8 + (hevc[17] & 7)
    channels = properties.get(b"pixi", b"")
    return max(channels[5:], default=8)


def _crop(body: bytes) -> CleanAperture | None:
    if len(body) < 32:
        return None
    numbers = struct.unpack(">IIIIiIiI", body[:32])
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    return CleanAperture(*(Fraction(above, below) for above, below in pairs))


def check_texts(file: BinaryIO) -> None:
    """Refuse a file whose items are called by what is no text, which decoders take for granted.

    Raises:
        ValueError: A type, a name or a kind of content is none, or stops short.
    """
    meta = read_meta(file)
    for box in children_of(meta or b"", 4):
        if box.kind == b"iinf":
            entries = children_of(box.body, 8 if box.body[:1] > b"\0" else 6)
            texts = [each.body[8 if each.body[:1] < b"\3" else 10 :] for each in entries]
        elif box.kind == b"iprp":
            held = (each.body for each in children_of(box.body) if each.kind == b"ipco")
            texts = [e.body[4:] for body in held for e in children_of(body) if e.kind == b"auxC"]
            # Behind the type stand bytes of other kinds.
            texts = [text.partition(b"\0")[0] for text in texts]
        else:
            continue
        if not all(_is_text(text) for text in texts):
            raise ValueError("a box that should hold text does not")


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
