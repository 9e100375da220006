"""The ledgers of files made of boxes: AVIF and HEIF with their items, and JPEG XL."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from sam_diffsr_cli.pictures.boxes import Box, children_of
from sam_diffsr_cli.pictures.ledger import Part, credentials
from sam_diffsr_cli.pictures.records import Metadata

__all__ = ["list_heif_parts", "list_jxl_parts"]

LAYOUT = frozenset(
    b"ftyp meta mdat free skip hdlr pitm iloc iinf iprp iref idat dinf moov ipco ipma".split()
)
"""Boxes that hold others, or say where they are: each writer makes its own."""

PROPERTIES = frozenset(
    b"ispe pixi av1C hvcC colr irot imir clap auxC lsel a1lx a1op hvc1 free skip".split()
)
"""Properties that are followed when pixels are read, and made anew."""

LIGHT = {b"clli": "the light level (clli)", b"mdcv": "the screen's colours (mdcv)"}
LIGHT_FORMATS = frozenset({"PNG", "AVIF"})
ALPHA_TYPES = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1")
AUXILIARY_NAMES = (
    (b"depth", "a depth map"),
    (b"hdrgainmap", "a gain map"),
    (b"matte", "a matte"),
    (b"auxid:2", "a depth map"),
)
TONE_MAPPED = b"tmap"
XMP_TYPE = b"application/rdf+xml"
C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
OF_BEFORE = "it shows the picture of before"

JXL_LAYOUT = frozenset(b"ftyp jxlc jxlp jxll jxli free skip".split()) | {b"JXL "}
JXL_CARRIED = {b"Exif": "EXIF", b"xml ": "XMP"}
REBUILDS = "it rebuilds the JPEG of before"


@dataclass(slots=True)
class _Items:
    """The items of a ``meta`` box: type, content type, size and auxiliary type of each."""

    primary: int = 0
    kinds: dict[int, bytes] = field(default_factory=dict)
    types: dict[int, bytes] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
    auxiliary: dict[int, bytes] = field(default_factory=dict)
    references: list[tuple[bytes, int, tuple[int, ...]]] = field(default_factory=list)


def list_heif_parts(file: BinaryIO, _metadata: Metadata) -> Iterator[Part]:
    """List boxes, properties and items."""
    data = file.read()
    end = 0
    for box in children_of(data):
        end = box.start + box.size
        yield _part_of_box(box)
        if box.kind == b"meta":
            yield from _parts_of_meta(box)
        elif box.kind == b"moov":
            yield from (_part_of_box(each) for each in _notable(box))
    if end < len(data):
        yield Part(name="data behind the end", size=len(data) - end, fate="not carried")


def _notable(moov: Box) -> Iterator[Box]:
    """Yield what stands in an animation beside its header and tracks."""
    for box in children_of(moov.body):
        if box.kind not in (b"mvhd", b"trak"):
            yield box


def _part_of_box(box: Box) -> Part:
    if box.kind == b"uuid":
        if box.body[:16] == C2PA_UUID:
            return credentials(box.size)
        return Part(name=f"uuid {box.body[:4].hex()}", size=box.size, fate="not carried")
    if box.kind in LAYOUT:
        return Part(name=_text(box.kind), size=box.size, fate="rewritten")
    return Part(name=_text(box.kind), size=box.size, fate="not carried")


def _parts_of_meta(meta: Box) -> Iterator[Part]:
    items = _Items()
    for box in children_of(meta.body, 4):
        yield _part_of_box(box)
        if box.kind == b"pitm":
            letter = ">I" if box.body[0] else ">H"
            (items.primary,) = struct.unpack_from(letter, box.body, 4)
        elif box.kind == b"iinf":
            _read_information(box.body, items)
        elif box.kind == b"iloc":
            _read_sizes(box.body, items)
        elif box.kind == b"iref":
            _read_references(box.body, items)
        elif box.kind == b"iprp":
            yield from _parts_of_properties(box, items)
    yield from _parts_of_items(items)


def _parts_of_properties(held: Box, items: _Items) -> Iterator[Part]:
    bodies = {box.kind: box for box in children_of(held.body)}
    every = list(children_of(bodies[b"ipco"].body))
    for box in every:
        if box.kind in LIGHT:
            name = LIGHT[box.kind]
            yield Part(name=name, size=box.size, fate="carried", only_in=LIGHT_FORMATS)
        elif box.kind in PROPERTIES or _is_square(box):
            yield Part(name=_text(box.kind), size=box.size, fate="rewritten")
        else:
            yield Part(name=f"property {_text(box.kind)}", size=box.size, fate="not carried")
    for item, indices in _associations(bodies[b"ipma"].body):
        for index in indices:
            if 0 < index <= len(every) and every[index - 1].kind == b"auxC":
                items.auxiliary[item] = every[index - 1].body[4:].partition(b"\0")[0]


def _is_square(box: Box) -> bool:
    """Whether it says that pixels are as wide as high, as all are taken to be."""
    return box.kind == b"pasp" and box.body[:4] == box.body[4:8]


def _associations(table: bytes) -> Iterator[tuple[int, list[int]]]:
    letter, step = (">I", 4) if table[0] else (">H", 2)
    wide, mask = (">H", 0x7FFF) if table[3] & 1 else (">B", 0x7F)
    (count,) = struct.unpack_from(">I", table, 4)
    place = 8
    for _ in range(count):
        (item,) = struct.unpack_from(letter, table, place)
        number = table[place + step]
        place += step + 1
        size = number * struct.calcsize(wide)
        entries = table[place : place + size]
        place += size
        yield item, [value & mask for (value,) in struct.iter_unpack(wide, entries)]


def _read_information(table: bytes, items: _Items) -> None:
    for box in children_of(table, 8 if table[0] else 6):
        if box.kind != b"infe" or box.body[0] < 2:
            continue
        letter, step = (">H", 2) if box.body[0] == 2 else (">I", 4)
        (item,) = struct.unpack_from(letter, box.body, 4)
        place = 4 + step + 2
        items.kinds[item] = box.body[place : place + 4]
        _name, _, rest = box.body[place + 4 :].partition(b"\0")
        items.types[item] = rest.partition(b"\0")[0]


def _read_sizes(table: bytes, items: _Items) -> None:
    """Add up the lengths of each item's data (14496-12, 8.11.3)."""
    version, place = table[0], 6
    widths = table[4] >> 4, table[4] & 15, table[5] >> 4, table[5] & 15 if version else 0

    def take(size: int) -> int:
        nonlocal place
        place += size
        return int.from_bytes(table[place - size : place], "big")

    count = take(4 if version == 2 else 2)
    for _ in range(count):
        if place >= len(table):
            return
        item = take(4 if version == 2 else 2)
        take(2 if version else 0)
        take(2 + widths[2])
        total = 0
        for _ in range(min(take(2), len(table))):
            take(widths[3] + widths[0])
            total += take(widths[1])
        items.sizes[item] = total


def _read_references(table: bytes, items: _Items) -> None:
    letter, step = (">I", 4) if table[0] else (">H", 2)
    for box in children_of(table, 4):
        (source,) = struct.unpack_from(letter, box.body)
        targets = box.body[step + 2 :]
        whole = targets[: len(targets) // step * step]
        items.references.append(
            (box.kind, source, tuple(to for (to,) in struct.iter_unpack(letter, whole)))
        )


def _parts_of_items(items: _Items) -> Iterator[Part]:
    """Tell what becomes of each item: those that make up the picture are decoded."""
    shown = {items.primary}
    for _ in range(2):
        for kind, source, targets in items.references:
            is_alpha = items.auxiliary.get(source, b"").startswith(ALPHA_TYPES)
            if kind == b"dimg" and source in shown:
                shown.update(targets)
            elif kind == b"auxl" and is_alpha and shown.intersection(targets):
                shown.add(source)
    role = {source: kind for kind, source, _ in items.references}
    for item, kind in items.kinds.items():
        size = items.sizes.get(item, 0)
        if item in shown:
            yield Part(name="the picture", size=size, fate="rewritten")
        elif kind == b"Exif":
            yield Part(name="EXIF", size=size, fate="carried")
        elif kind == b"mime" and items.types.get(item, b"") == XMP_TYPE:
            yield Part(name="XMP", size=size, fate="carried")
        elif role.get(item) == b"thmb":
            yield Part(name="the thumbnail", size=size, fate="removed", reason=OF_BEFORE)
        else:
            yield Part(name=_name_of(item, kind, items), size=size, fate="not carried")


def _name_of(item: int, kind: bytes, items: _Items) -> str:
    auxiliary = items.auxiliary.get(item)
    if auxiliary is not None:
        named = (name for mark, name in AUXILIARY_NAMES if mark in auxiliary)
        return next(named, f"an auxiliary picture ({_text(auxiliary[-40:])})")
    if kind == TONE_MAPPED:
        return "the recipe of its HDR picture (tmap)"
    if kind in (b"av01", b"hvc1", b"grid", b"iden", b"iovl", b"jpeg"):
        return "another picture"
    kinds = items.types.get(item)
    return f"an item of type {_text(kinds or kind)}"


def list_jxl_parts(file: BinaryIO, _metadata: Metadata) -> Iterator[Part]:
    """List the boxes of a JPEG XL; a bare code stream is one part."""
    data = file.read()
    if data[:2] == b"\xff\x0a":
        yield Part(name="the picture", size=len(data), fate="rewritten")
        return
    end = 0
    for box in children_of(data):
        end = box.start + box.size
        kind = box.body[:4] if box.kind == b"brob" else box.kind
        if kind in JXL_LAYOUT:
            yield Part(name=_text(kind), size=box.size, fate="rewritten")
        elif kind in JXL_CARRIED:
            yield Part(name=JXL_CARRIED[kind], size=box.size, fate="carried")
        elif kind == b"jbrd":
            yield Part(name="jbrd", size=box.size, fate="removed", reason=REBUILDS)
        elif kind == b"jumb":
            yield credentials(box.size)
        elif kind == b"jhgm":
            yield Part(name="a gain map", size=box.size, fate="not carried")
        else:
            yield Part(name=_text(kind), size=box.size, fate="not carried")
    if end < len(data):
        yield Part(name="data behind the end", size=len(data) - end, fate="not carried")


def _text(kind: bytes) -> str:
    return kind.decode("latin-1").strip()
