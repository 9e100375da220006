"""XMP after enlarging: upright, with the new size, and with the record of how it was made.

The packet is text that other programs wrote; it is edited, never parsed and written anew.
"""

import re
from xml.sax.saxutils import quoteattr

__all__ = ["NAMESPACE", "record_of", "upright_xmp", "with_record"]

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
_TAGS = ("tiff:Orientation", "tiff:ImageWidth", "tiff:ImageLength")
_EXIF_TAGS = ("exif:PixelXDimension", "exif:PixelYDimension")


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
    quoted = quoteattr(record, {"\n": "&#10;"})
    element = f'<rdf:Description rdf:about="" xmlns:samsr="{NAMESPACE}" samsr:record={quoted}/>'
    head, _, tail = _OLD_RECORD.sub(b"", packet).rpartition(b"</rdf:RDF>")
    return head + element.encode() + b"</rdf:RDF>" + tail


def record_of(xmp: bytes) -> str | None:
    """Read back what ``with_record`` added; None when there is nothing."""
    found = _RECORD.search(xmp.decode("utf-8", "replace"))
    if found is None:
        return None
    text = found[1][1:-1]
    for entity, letter in (("&quot;", '"'), ("&apos;", "'"), ("&lt;", "<"), ("&gt;", ">")):
        text = text.replace(entity, letter)
    return text.replace("&#10;", "\n").replace("&amp;", "&")
