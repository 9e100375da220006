"""The ledger of a TIFF: every tag of every directory."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

import tifffile

from sam_diffsr_cli.pictures.colour_reading import colour_of_tiff
from sam_diffsr_cli.pictures.directories import POINTERS, Directory, read_tiff_chain
from sam_diffsr_cli.pictures.ledger import Fate, Part, credentials
from sam_diffsr_cli.pictures.records import Metadata
from sam_diffsr_cli.pictures.tiff_pages import (
    CARRIED_TAGS,
    ORIENTATION,
    PAGE_TAGS,
    PHOTOSHOP_TAG,
    PROFILE_TAG,
    RESOLUTION_TAGS,
    XMP_TAG,
    is_page,
)

__all__ = ["list_tiff_parts"]

MOST_PAGES = 10_000
CREDENTIALS_TAG = 52545
ENTRY_BYTES = 12
ONLY_TIFF = frozenset({"TIFF"})
LAYOUT_TAGS = frozenset(
    (
        *range(254, 260),
        *(262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 284, 288, 289, 292, 293, 317),
        *(320, 322, 323, 324, 325, 332, 333, 334, 336, 337, 338, 339, 340, 341, 347),
        *range(512, 522),
        *range(529, 533),
        *(32997, 32998),
    )
)
"""How the samples were stored: written anew, as is what was said of inks that were converted."""

COLOUR_TAGS = (301, 318, 319)
"""Transfer function, white and primaries, of which a profile is made where there is none."""

SUB_DIRECTORIES = 330


def list_tiff_parts(file: BinaryIO, metadata: Metadata) -> Iterator[Part]:
    """List the tags of all directories; a smaller copy or a mask is one part."""
    chain = read_tiff_chain(file, MOST_PAGES)
    has_pages = any(is_page(directory) for directory in chain)
    page = 0
    for directory in chain:
        if has_pages and not is_page(directory):
            yield Part(
                name="a reduced copy or mask of a page",
                size=_stored_bytes(directory),
                fate="removed",
                reason="it shows the page of before",
            )
            continue
        yield from _page_parts(directory, metadata.of_page(page))
        page += 1


def _stored_bytes(directory: Directory) -> int:
    """Count the bytes of a directory's pixels."""
    return sum(directory.numbers(279)) or sum(directory.numbers(325))


def _page_parts(directory: Directory, said: Metadata) -> Iterator[Part]:
    is_calibrated = said.icc is not None or _is_told(directory)
    for tag, _, _, data in directory.fields:
        name, size = _name_of(tag), ENTRY_BYTES + (len(data) if len(data) > 4 else 0)
        if tag == CREDENTIALS_TAG:
            yield credentials(size)
        elif tag in LAYOUT_TAGS or (tag in COLOUR_TAGS and is_calibrated):
            yield Part(name=name, size=size, fate="rewritten")
        elif tag == PROFILE_TAG and said.icc != data:
            reason = "its colours were converted"
            yield Part(name=name, size=size, fate="removed", reason=reason)
        elif tag in {*CARRIED_TAGS, ORIENTATION, PHOTOSHOP_TAG, PROFILE_TAG, XMP_TAG}:
            yield Part(name=name, size=size, fate="carried")
        elif tag in RESOLUTION_TAGS and (said.dpi is not None or said.tiff is None):
            yield Part(name=name, size=size, fate="rewritten")
        elif tag in PAGE_TAGS:
            is_nothing = tag in RESOLUTION_TAGS and not (said.tiff and said.tiff.data_of(tag))
            only = None if is_nothing else ONLY_TIFF
            fate: Fate = "rewritten" if is_nothing else "carried"
            yield Part(name=name, size=size, fate=fate, only_in=only)
        else:
            yield Part(name=name, size=size, fate="not carried")
    for tag in directory.children:
        yield Part(name=_name_of(tag), size=ENTRY_BYTES, fate="carried")
    for tag in directory.unread:
        reason = "damaged" if tag in POINTERS else ""
        yield Part(name=_name_of(tag), size=ENTRY_BYTES, fate="not carried", reason=reason)


def _is_told(directory: Directory) -> bool:
    try:
        return colour_of_tiff(directory) is not None
    except (ValueError, struct.error):
        return False


def _name_of(tag: int) -> str:
    """Name a tag as others do."""
    name = next(iter(tifffile.TIFF.TAGS.getall(tag, default=None) or ()), None)
    return f"tag {tag}" if name is None else str(name)
