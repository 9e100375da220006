"""Extended XMP: a packet too long for one segment of a JPEG, in two parts (XMP part 3, 1.1.3.1)."""

import hashlib
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from sam_diffsr_cli.pictures.xml_tree import Element, Name, write_xml
from sam_diffsr_cli.pictures.xmp import parse_packet, write_packet

__all__ = [
    "EXTENSION_PREFIX",
    "MOST_PACKET",
    "XMP_PREFIX",
    "SplitPacket",
    "join_packet",
    "split_packet",
]

XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"
EXTENSION_PREFIX = b"http://ns.adobe.com/xmp/extension/\0"
MOST_PACKET = 65_502
"""Bytes of a plain packet in a segment, behind the name of its kind."""

MOST_PART = 65_400
_HEAD = struct.Struct(">32sII")
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DESCRIPTION = Name(_RDF, "Description")
_NOTE = "http://ns.adobe.com/xmp/note/"
_EXTENDED = Name(_NOTE, "HasExtendedXMP")
_SPARE = 200
"""Bytes that the pointer to the extension takes."""


class SplitPacket(NamedTuple):
    """The packet that fits, and the bodies of the segments that hold the rest."""

    main: bytes
    extensions: tuple[bytes, ...]


def join_packet(main: bytes, bodies: Iterable[bytes]) -> tuple[bytes, bool]:
    """Put the properties of an extension into the main packet.

    Args:
        main: The packet of the first segment.
        bodies: The bodies of segments that begin with ``EXTENSION_PREFIX``.

    Returns:
        The packet, without a pointer to an extension; and whether that was whole.
    """
    if b"HasExtendedXMP" not in main:
        return main, False
    try:
        root = parse_packet(main)
    except ValueError:
        return main, False
    guid = _take_pointer(root)
    try:
        further = parse_packet(_collect(guid, bodies))
    except (ValueError, struct.error):
        return write_packet(root), False
    holder = next((each for each in root.walk() if each.name == Name(_RDF, "RDF")), None)
    if holder is None:
        return main, False
    _declare_all(further)
    holder.children += [each for each in further.walk() if each.name == _DESCRIPTION]
    return write_packet(root), True


def _take_pointer(root: Element) -> str:
    guid = ""
    for element in root.walk():
        guid = element.attributes.pop(_EXTENDED, guid)
        for child in element.elements:
            if child.name == _EXTENDED:
                guid = child.text
        element.remove(lambda child: child.name == _EXTENDED)
    return guid.strip()


def _collect(guid: str, bodies: Iterable[bytes]) -> bytes:
    """Join the parts of one extension by their offsets.

    Raises:
        ValueError: A byte is missing.
    """
    parts: dict[int, bytes] = {}
    length = 0
    for body in bodies:
        name, length_here, offset = _HEAD.unpack_from(body, len(EXTENSION_PREFIX))
        if name == guid.encode():
            parts[offset] = body[len(EXTENSION_PREFIX) + _HEAD.size :]
            length = length_here
    joined = b""
    for offset in sorted(parts):
        if offset != len(joined):
            raise ValueError("a part of the extension is missing")
        joined += parts[offset]
    if not guid or len(joined) != length:
        raise ValueError("a part of the extension is missing")
    return joined


def _declare_all(root: Element) -> None:
    """Let each description declare the prefixes it needs, so that it can stand elsewhere."""
    in_scope: dict[str, str] = {}
    for element in root.walk():
        if element.name != _DESCRIPTION:
            in_scope |= element.declared
        else:
            element.declared = in_scope | element.declared


def split_packet(packet: bytes) -> SplitPacket:
    """Move the longest properties into an extension until the rest fits a segment.

    Raises:
        ValueError: It is no XML, or cannot be divided.
    """
    if len(packet) <= MOST_PACKET:
        return SplitPacket(packet, ())
    root = parse_packet(packet)
    holder = next((each for each in root.walk() if each.name == Name(_RDF, "RDF")), None)
    if holder is None:
        raise ValueError("no RDF")
    moved = _move_longest(root, holder)
    if not moved.children or len(write_packet(root)) > MOST_PACKET - _SPARE:
        raise ValueError("cannot be divided")
    extension = write_packet(_wrapped(root, holder, moved))
    guid = hashlib.md5(extension, usedforsecurity=False).hexdigest().upper()
    _point(holder, guid)
    return SplitPacket(write_packet(root), tuple(_parts(extension, guid)))


def _move_longest(root: Element, holder: Element) -> Element:
    """Take the longest properties out of a packet until it fits; return them in an RDF element."""
    descriptions, excess = holder.elements, len(write_packet(root)) - (MOST_PACKET - _SPARE)
    chosen: list[set[Name]] = [set() for _ in descriptions]
    for size, index, name in sorted(_properties(descriptions), reverse=True):
        if excess <= 0 or size < _SPARE:
            break
        chosen[index].add(name)
        excess -= size
    cut = [_cut(each, names) for each, names in zip(descriptions, chosen, strict=True) if names]
    return Element(holder.name, holder.written, dict(holder.declared), {}, list(cut))


def _properties(descriptions: Sequence[Element]) -> Iterator[tuple[int, int, Name]]:
    """Yield the length of each property, the number of its description, and its name."""
    for index, description in enumerate(descriptions):
        for name, value in description.attributes.items():
            if name.space != _RDF:
                yield len(value.encode()), index, name
        for child in description.elements:
            yield len(write_xml(child).encode()), index, child.name


def _cut(description: Element, names: set[Name]) -> Element:
    """Take properties out of a description, into one of the same subject and prefixes."""
    about = Name(_RDF, "about")
    attributes = description.attributes
    moved = {key: value for key, value in attributes.items() if key in names or key == about}
    description.attributes = {key: attributes[key] for key in attributes if key not in names}
    children: list[Element | str] = [each for each in description.elements if each.name in names]
    description.remove(lambda child: child.name in names)
    declared = dict(description.declared)
    return Element(description.name, description.written, declared, moved, children)


def _wrapped(root: Element, holder: Element, moved: Element) -> Element:
    """Put the moved properties into a packet like the one they came from."""
    if root is holder:
        return moved
    return Element(root.name, root.written, dict(root.declared), {}, [moved])


def _point(holder: Element, guid: str) -> None:
    """Add the pointer to the extension, in a description of its own."""
    about = Name(_RDF, "about")
    prefix = holder.written[holder.name].partition(":")[0]
    written = {
        _DESCRIPTION: f"{prefix}:Description",
        about: f"{prefix}:about",
        _EXTENDED: "xmpNote:HasExtendedXMP",
    }
    attributes = {about: "", _EXTENDED: guid}
    holder.children.append(Element(_DESCRIPTION, written, {"xmpNote": _NOTE}, attributes))


def _parts(extension: bytes, guid: str) -> Iterator[bytes]:
    for offset in range(0, len(extension), MOST_PART):
        head = _HEAD.pack(guid.encode(), len(extension), offset)
        yield EXTENSION_PREFIX + head + extension[offset : offset + MOST_PART]
