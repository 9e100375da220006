"""What a TIFF's pages say beside their pixels, and which of its directories are pages at all."""

import struct

from sam_diffsr_cli.pictures.directories import Directory, pack_exif
from sam_diffsr_cli.pictures.records import Metadata

__all__ = [
    "CARRIED_TAGS",
    "ORIENTATION",
    "PAGE_TAGS",
    "PHOTOSHOP_PREFIX",
    "PHOTOSHOP_TAG",
    "PROFILE_TAG",
    "RESOLUTION_TAGS",
    "XMP_TAG",
    "is_page",
    "page_metadata",
    "ratios",
]

ORIENTATION, XMP_TAG, PHOTOSHOP_TAG, PROFILE_TAG = 274, 700, 34377, 34675
PHOTOSHOP_PREFIX = b"Photoshop 3.0\0"
TEXT_TAGS = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x013C, 0x8298)
"""Description, make, model, software, date, artist, host computer, copyright."""

CARRIED_TAGS = (*TEXT_TAGS, 0x4746, 0x4749, 0x83BB, *range(0x9C9B, 0x9CA0))
"""Also the two ratings, IPTC, and the title, comment, author, keywords and subject of Windows."""

X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = RESOLUTION_TAGS = (282, 283, 296)
NAME_TAGS = (269, 285, 286, 287, 297)
"""Name of the document and of the page, its place on paper, and its number."""

GEO_TAGS = (33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113)
"""Pixel scale, tie points and transformation, keys, and what GDAL adds to them."""

PAGE_TAGS = (*RESOLUTION_TAGS, *NAME_TAGS, *GEO_TAGS)
"""What only a TIFF can hold; kept as it is, beside the EXIF structure."""

NEW_SUBFILE_TYPE, SUBFILE_TYPE = 254, 255
REDUCED, MASK = 1, 4
OLD_REDUCED = 2
NO_UNIT, INCH, CENTIMETRE = 1, 2, 3
RATIO_TYPES = {5: "I", 10: "i"}


def is_page(directory: Directory) -> bool:
    """Whether a directory is a picture in its own right, and no smaller copy or mask of one."""
    kind = directory.number(NEW_SUBFILE_TYPE)
    return not kind & (REDUCED | MASK) and directory.number(SUBFILE_TYPE) != OLD_REDUCED


def page_metadata(directory: Directory) -> Metadata:
    """Gather what a page says: its profile, texts, XMP, density, and what only a TIFF can hold."""
    described = directory.only((*CARRIED_TAGS, ORIENTATION))
    photoshop = directory.data_of(PHOTOSHOP_TAG)
    said_nothing = directory.number(RESOLUTION_UNIT, INCH) == NO_UNIT and all(
        ratios(directory, tag) == (1.0,) for tag in (X_RESOLUTION, Y_RESOLUTION)
    )
    own = directory.only(set(PAGE_TAGS) - set(RESOLUTION_TAGS if said_nothing else ())).fields
    return Metadata(
        icc=directory.data_of(PROFILE_TAG),
        exif=pack_exif(described) if described.fields or described.children else None,
        xmp=directory.data_of(XMP_TAG),
        dpi=_dpi(directory),
        photoshop=None if photoshop is None else PHOTOSHOP_PREFIX + photoshop,
        tiff=Directory(directory.order, own) if own else None,
    )


def _dpi(directory: Directory) -> tuple[float, float] | None:
    """Return dots per inch, (x, y); None when there are none, or no unit."""
    unit = {INCH: 1.0, CENTIMETRE: 2.54}.get(directory.number(RESOLUTION_UNIT, INCH))
    found = [ratios(directory, tag) for tag in (X_RESOLUTION, Y_RESOLUTION)]
    if unit is None or not all(found):
        return None
    x, y = (unit * values[0] for values in found)
    return (x, y) if 0 < x < 1e6 and 0 < y < 1e6 else None


def ratios(directory: Directory, tag: int) -> tuple[float, ...]:
    """Return the fractions of a field; none when it is missing, or one divides by zero."""
    found: list[tuple[int, int]] = []
    for each in directory.fields:
        if each.tag == tag and each.kind in RATIO_TYPES:
            found = list(
                struct.iter_unpack(f"{directory.order}2{RATIO_TYPES[each.kind]}", each.data)
            )
    return () if any(below == 0 for _, below in found) else tuple(a / b for a, b in found)
