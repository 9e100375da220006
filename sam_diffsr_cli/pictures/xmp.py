"""XMP after enlarging: upright, its pixels those of the result, and the record of how it was made.

The packet is parsed, edited as a tree, and written again with the prefixes that it had.
"""

import re
from xml.sax.saxutils import quoteattr, unescape

from sam_diffsr_cli.pictures.change import Change
from sam_diffsr_cli.pictures.pixel_metadata import name_of
from sam_diffsr_cli.pictures.xml_tree import Element, parse_xml, write_xml
from sam_diffsr_cli.pictures.xmp_container import Announced, announce
from sam_diffsr_cli.pictures.xmp_pixels import update_pixels

__all__ = [
    "NAMESPACE",
    "orientation_in",
    "parse_packet",
    "record_of",
    "upright_xmp",
    "with_record",
    "write_packet",
]

NAMESPACE = "urn:samsr:1"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_BEGIN = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
_END = '<?xpacket end="w"?>'
_PACKET = (
    f"{_BEGIN}"
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    f'<rdf:RDF xmlns:rdf="{_RDF}">'
    "</rdf:RDF></x:xmpmeta>"
    f"{_END}"
)
_OLD_RECORD = re.compile(rb'<rdf:Description[^<>]*xmlns:samsr="urn:samsr:1"[^<>]*/>')
_RECORD = re.compile(r'samsr:record=("[^"]*"|\'[^\']*\')')
_ENTITIES = {"&quot;": '"', "&apos;": "'", "&#9;": "\t", "&#10;": "\n", "&#13;": "\r"}
NOTHING = Announced()
_ORIENTATION = name_of("tiff:Orientation")


def parse_packet(xmp: bytes) -> Element:
    """Read a packet.

    Raises:
        ValueError: It is not well-formed XML, or has a document type.
    """
    return parse_xml(xmp.strip(b"\0 \t\r\n"))


def write_packet(root: Element) -> bytes:
    """Write a packet, marked as one that may be edited."""
    return f"{_BEGIN}{write_xml(root)}{_END}".encode()


def orientation_in(xmp: bytes) -> int | None:
    """Read the orientation, 1 (upright) to 8; None when there is none."""
    if b"Orientation" not in xmp:
        return None
    try:
        root = parse_packet(xmp)
    except ValueError:
        return None
    for element in root.walk():
        text = element.text if element.name == _ORIENTATION else None
        text = element.attributes.get(_ORIENTATION, text)
        if text is not None:
            return int(text) if text.strip() in set("12345678") else None
    return None


def upright_xmp(
    xmp: bytes, change: Change, carried: Announced = NOTHING
) -> tuple[bytes | None, list[str]]:
    """Bring what speaks of pixels up to date, by the table of ``pixel_metadata``.

    Args:
        xmp: The packet.
        change: What happened to the pixels.
        carried: What will lie behind the picture; nothing else is announced any more.

    Returns:
        The packet, None when it is damaged; and a name for each thing removed that is told.
    """
    try:
        root = parse_packet(xmp)
    except ValueError:
        return None, []
    told = update_pixels(root, change)
    announce(root, carried)
    return write_packet(root), told


def with_record(xmp: bytes | None, record: str) -> bytes:
    """Add ``record`` to a packet, in the place of an earlier one; make a packet if there is none.

    A packet without an ``rdf:RDF`` element is not XMP, and is replaced.
    """
    packet = _PACKET.encode() if xmp is None or b"</rdf:RDF>" not in xmp else xmp
    quoted = quoteattr(record)
    element = f'<rdf:Description rdf:about="" xmlns:samsr="{NAMESPACE}" samsr:record={quoted}/>'
    head, _, tail = _OLD_RECORD.sub(b"", packet).rpartition(b"</rdf:RDF>")
    return head + element.encode() + b"</rdf:RDF>" + tail


def record_of(xmp: bytes) -> str | None:
    """Read back what ``with_record`` added; None when there is nothing."""
    # The last is ours: another program may have moved an earlier one into its own element.
    found = _RECORD.findall(xmp.decode("utf-8", "replace"))
    return unescape(found[-1][1:-1], _ENTITIES) if found else None
