"""XMP after enlarging: upright, with the new size, and with the record of how it was made.

The packet is text that other programs wrote; it is edited, never parsed and written anew.
"""

import re
from xml.sax.saxutils import quoteattr, unescape

__all__ = ["NAMESPACE", "orientation_in", "record_of", "upright_xmp", "with_record"]

NAMESPACE = "urn:samsr:1"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    f'<rdf:RDF xmlns:rdf="{_RDF}">'
    "</rdf:RDF></x:xmpmeta>"
    '<?xpacket end="w"?>'
)
_OLD_RECORD = re.compile(rb'<rdf:Description[^<>]*xmlns:samsr="urn:samsr:1"[^<>]*/>')
_RECORD = re.compile(r'samsr:record=("[^"]*"|\'[^\']*\')')
_ENTITIES = {"&quot;": '"', "&apos;": "'", "&#9;": "\t", "&#10;": "\n", "&#13;": "\r"}
_ORIENTATION = re.compile(rb"\btiff:Orientation(?:\s*=\s*[\"']|>)\s*([1-8])\b")
_TAGS = ("tiff:Orientation", "tiff:ImageWidth", "tiff:ImageLength")
_EXIF_TAGS = ("exif:PixelXDimension", "exif:PixelYDimension")


def orientation_in(xmp: bytes) -> int | None:
    """Read the orientation, 1 (upright) to 8; None when there is none."""
    found = _ORIENTATION.search(xmp)
    return None if found is None else int(found[1])


def upright_xmp(xmp: bytes, size: tuple[int, int]) -> bytes:
    """Set orientation to upright and the size properties to ``size`` ``(H, W)``, where present."""
    height, width = size
    values = dict(zip((*_TAGS, *_EXIF_TAGS), (1, width, height, width, height), strict=True))
    for tag, value in values.items():
        name, number = re.escape(tag.encode()), str(value).encode()
        xmp = re.sub(rb"(\b" + name + rb"\s*=\s*[\"'])\d+", rb"\g<1>" + number, xmp)
        xmp = re.sub(rb"(<" + name + rb">)\d+", rb"\g<1>" + number, xmp)
    return xmp


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
