"""The ledger of a JPEG: every segment, every picture behind it, and the rest."""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import BinaryIO

from sam_diffsr_cli.pictures.jpeg_behind import (
    EXIF_PREFIX,
    FRAMES,
    ISO_PREFIX,
    find_behind,
)
from sam_diffsr_cli.pictures.jpeg_structure import APP1, COMMENT, MPF_PREFIX, Segment, marker_name
from sam_diffsr_cli.pictures.ledger import Fate, Part, credentials
from sam_diffsr_cli.pictures.records import Metadata
from sam_diffsr_cli.pictures.tiff_pages import PHOTOSHOP_PREFIX
from sam_diffsr_cli.pictures.xmp_extended import EXTENSION_PREFIX, XMP_PREFIX, join_packet

__all__ = ["list_jpeg_parts"]

EXTENDED = "extended XMP"
JPEG_ONLY = frozenset({"JPEG"})
ICC_PREFIX = b"ICC_PROFILE\0"
CODING = FRAMES | {0xC4, 0xC8, 0xCC, 0xDA, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF}
"""What every encoder makes anew: frame, tables, restarts and scans."""

JFIF_PREFIX = b"JFIF\0"
REWRITTEN = {
    (0xE0, JFIF_PREFIX): "JFIF",
    (0xE0, b"JFXX\0"): "the thumbnail of JFIF",
    (0xE2, MPF_PREFIX): "the index of pictures (MPF)",
    (0xEE, b"Adobe"): "Adobe's colour transform",
}
NAMED = {
    "gain map": "the gain map (HDR)",
    "depth map": "the depth map",
    "view": "another view",
    "preview": "a preview picture",
    "picture": "a further picture",
}


def list_jpeg_parts(file: BinaryIO, metadata: Metadata) -> Iterator[Part]:
    """List the parts of a JPEG.

    Raises:
        ValueError: It is damaged.
    """
    found = find_behind(file.read())
    seen: set[str] = set()
    for segment in found.segments:
        part = _segment_part(segment, metadata, seen)
        seen.add(part.name)
        is_lost = part.name == EXTENDED and not _is_whole(found.segments)
        yield replace(part, fate="not carried") if is_lost else part
    for picture in found.pictures:
        name, size = NAMED[picture.role], len(picture.data)
        if picture.role == "preview":
            yield Part(name=name, size=size, fate="removed", reason="it shows the photo of before")
        else:
            carried = () if metadata.behind is None else metadata.behind.pictures
            fate: Fate = "carried" if picture in carried else "not carried"
            yield Part(name=name, size=size, fate=fate, only_in=JPEG_ONLY)
    if found.trailer:
        is_video = b"ftyp" in found.trailer[:64] or b"MotionPhoto_Data" in found.trailer
        name = "the video of a motion photo" if is_video else "data behind the picture"
        yield Part(name=name, size=len(found.trailer), fate="carried", only_in=JPEG_ONLY)


def _segment_part(segment: Segment, metadata: Metadata, seen: set[str]) -> Part:
    marker, _, size, body = segment
    if marker in CODING:
        return Part(name=marker_name(marker), size=size, fate="rewritten")
    if marker == 0xE0 and body.startswith(JFIF_PREFIX) and _aspect(body) is not None:
        return Part(name=f"pixels of {_aspect(body)} (JFIF)", size=size, fate="not carried")
    for (its_marker, prefix), name in REWRITTEN.items():
        if marker == its_marker and body.startswith(prefix):
            return Part(name=name, size=size, fate="rewritten")
    if marker == 0xEB and b"jumb" in body[:64] and b"c2pa" in body[:128]:
        return credentials(size)
    if marker == 0xEB and body.startswith(b"JP") and credentials(0).name in seen:
        return credentials(size)
    name, is_carried, only_in = _kept(segment, metadata, seen)
    fate: Fate = "carried" if is_carried else "not carried"
    return Part(name=name, size=size, fate=fate, only_in=only_in)


def _aspect(body: bytes) -> str | None:
    """Return the shape of pixels that are not square, which JFIF tells in a density's place."""
    unit, across, down = struct.unpack_from(">BHH", body.ljust(12, b"\0"), 7)
    return f"{across}:{down}" if unit == 0 and across != down and across and down else None


def _kept(
    segment: Segment, metadata: Metadata, seen: set[str]
) -> tuple[str, bool, frozenset[str] | None]:
    """Name a segment that tells something, and say whether it is carried, and where."""
    marker, _, _, body = segment
    for its_marker, prefix, name, is_carried in _CARRIERS:
        if marker == its_marker and body.startswith(prefix):
            only_in = JPEG_ONLY if prefix == ISO_PREFIX else None
            is_first = name != "XMP" or name not in seen
            return name, is_first and is_carried(body, metadata), only_in
    word = body[:32].partition(b"\0")[0].decode("ascii", "replace")
    shown = f" ({word})" if word.isprintable() and word.isascii() and len(word) > 2 else ""
    return f"{marker_name(marker)}{shown}", False, None


def _has_map(_body: bytes, metadata: Metadata) -> bool:
    return metadata.behind is not None and metadata.behind.gain_map is not None


def _is_whole(segments: Sequence[Segment]) -> bool:
    """Whether the extension of the packet could be joined to it."""
    bodies = [each.body for each in segments if each.marker == APP1]
    mains = [body.removeprefix(XMP_PREFIX) for body in bodies if body.startswith(XMP_PREFIX)]
    extensions = [body for body in bodies if body.startswith(EXTENSION_PREFIX)]
    return bool(mains) and join_packet(mains[0], extensions)[1]


_CARRIERS: tuple[tuple[int, bytes, str, Callable[[bytes, Metadata], bool]], ...] = (
    (0xE1, EXIF_PREFIX, "EXIF", lambda body, kept: body[6:] in (kept.exif or b"")),
    (0xE1, XMP_PREFIX, "XMP", lambda _, kept: kept.xmp is not None),
    (0xE1, EXTENSION_PREFIX, EXTENDED, lambda _, kept: kept.xmp is not None),
    (0xE2, ICC_PREFIX, "the ICC profile", lambda _, kept: kept.icc is not None),
    (0xE2, ISO_PREFIX, "the mark of a gain map (ISO 21496-1)", _has_map),
    (0xED, PHOTOSHOP_PREFIX, "Photoshop's data", lambda _, kept: kept.photoshop is not None),
    (COMMENT, b"", "a comment", lambda body, kept: body == kept.comment),
)
"""Marker and first bytes of what is carried, what it is called, and whether it was taken."""
