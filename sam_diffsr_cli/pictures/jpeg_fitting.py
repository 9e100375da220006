"""Metadata made to fit the segments of a JPEG, none of which holds more than 64 kB."""

from dataclasses import replace

from sam_diffsr_cli.pictures.directories import Directory, pack_exif, parse_exif
from sam_diffsr_cli.pictures.encoders import MOST_JPEG_SEGMENT
from sam_diffsr_cli.pictures.jpeg_behind import EXIF_PREFIX, Behind
from sam_diffsr_cli.pictures.jpeg_structure import APP1, segment_bytes
from sam_diffsr_cli.pictures.records import Metadata
from sam_diffsr_cli.pictures.xmp_extended import split_packet

__all__ = ["fit_segments"]

MOST_EXIF = MOST_JPEG_SEGMENT - len(EXIF_PREFIX)
EXIF_IFD, MAKER_NOTE = 0x8769, 0x927C


def fit_segments(metadata: Metadata) -> tuple[Metadata, list[str]]:
    """Divide what can be divided, leave out what is too long, and say what that was."""
    notes: list[str] = []
    if metadata.exif is not None and len(metadata.exif) > MOST_EXIF:
        exif = _without_maker_note(metadata.exif)
        what = "EXIF" if exif is None else "EXIF's MakerNote"
        notes.append(f"{what} is longer than JPEG can hold and was left out")
        metadata = replace(metadata, exif=exif)
    if metadata.comment is not None and len(metadata.comment) > MOST_JPEG_SEGMENT:
        notes.append("the comment is longer than JPEG can hold and was left out")
        metadata = replace(metadata, comment=None)
    if metadata.xmp is None:
        return metadata, notes
    try:
        main, extensions = split_packet(metadata.xmp)
    except ValueError:
        notes.append("XMP and the record are longer than JPEG can hold and were left out")
        return replace(metadata, xmp=None), notes
    if not extensions:
        return metadata, notes
    behind = metadata.behind or Behind()
    segments = tuple(segment_bytes(APP1, body) for body in extensions)
    behind = replace(behind, segments=segments + behind.segments)
    return replace(metadata, xmp=main, behind=behind), notes


def _without_maker_note(exif: bytes) -> bytes | None:
    """Write EXIF anew without what only its maker reads; None where it is still too long."""
    try:
        packed = pack_exif(_without(parse_exif(exif)))
    except ValueError:
        return None
    return packed if len(packed) <= MOST_EXIF else None


def _without(directory: Directory) -> Directory:
    children = {
        tag: Directory(
            child.order,
            [field for field in child.fields if (tag, field.tag) != (EXIF_IFD, MAKER_NOTE)],
            child.children,
        )
        for tag, child in directory.children.items()
    }
    return Directory(directory.order, directory.fields, children)
