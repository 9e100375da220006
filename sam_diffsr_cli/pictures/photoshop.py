"""Photoshop's resources after enlarging: those that show or tell the picture of before are out."""

import struct
from typing import NamedTuple

from sam_diffsr_cli.pictures.change import Change
from sam_diffsr_cli.pictures.pixel_metadata import photoshop_rules
from sam_diffsr_cli.pictures.tiff_pages import PHOTOSHOP_PREFIX

__all__ = ["upright_resources", "with_resolution"]

SIGNATURES = (b"8BIM", b"MeSa", b"AgHg", b"PHUT", b"DCSR")
RESOLUTION, RESOLUTION_BYTES = 1005, 16
MOST_WHOLE = 65_535
"""Resolutions are numbers of 16 bits before the point, and 16 behind it."""


class _Resource(NamedTuple):
    """A resource: its number, all its bytes, and where its data begin in them."""

    number: int
    whole: bytes
    data: int


def _split(body: bytes) -> tuple[list[_Resource], bytes]:
    """Take resources apart, and what stands behind the last that can be read."""
    found, place = [], 0
    while body[place : place + 4] in SIGNATURES:
        try:
            (number, name) = struct.unpack_from(">HB", body, place + 4)
            data = place + 6 + (name + 2) // 2 * 2
            (size,) = struct.unpack_from(">I", body, data)
        except struct.error:
            break
        end = data + 4 + size
        if end > len(body):
            break
        # The last may lack its byte of padding.
        end = min(end + size % 2, len(body))
        found.append(_Resource(number, body[place:end], data + 4 - place))
        place = end
    return found, body[place:]


def upright_resources(photoshop: bytes, change: Change) -> tuple[bytes, list[str]]:
    """Act on the table of ``pixel_metadata``.

    Args:
        photoshop: The body of a JPEG's APP13 segment.
        change: What happened to the pixels.

    Returns:
        The same without what is removed, and a name for each thing that the user is told of.
    """
    rules = photoshop_rules()
    resources, rest = _split(photoshop.removeprefix(PHOTOSHOP_PREFIX))
    kept: list[bytes] = []
    told: list[str] = []
    for each in resources:
        row = rules.get(each.number)
        if row is None or (row.rule == "remove if turned" and not change.moves):
            kept.append(each.whole)
        elif row.rule == "density":
            kept.append(_swapped(each) if change.is_quarter else each.whole)
        elif row.noted:
            told.append(f"Photoshop's {row.title}")
    return PHOTOSHOP_PREFIX + b"".join(kept) + rest, list(dict.fromkeys(told))


def with_resolution(photoshop: bytes, dpi: float) -> bytes:
    """Set the print density, in pixels an inch, where the resources tell one."""
    resources, rest = _split(photoshop.removeprefix(PHOTOSHOP_PREFIX))
    fixed = struct.pack(">I", round(min(dpi, MOST_WHOLE) * 65536))
    kept = []
    for number, whole, place in resources:
        if number == RESOLUTION and len(whole) - place >= RESOLUTION_BYTES:
            data = whole[place:]
            # A number, its unit (1 is an inch) and that of the side; twice.
            new = fixed + b"\0\1" + data[6:8] + fixed + b"\0\1" + data[14:]
            kept.append(whole[:place] + new)
        else:
            kept.append(whole)
    return PHOTOSHOP_PREFIX + b"".join(kept) + rest


def _swapped(resource: _Resource) -> bytes:
    """Let the horizontal and the vertical resolution change places; each has 8 bytes."""
    whole, place = resource.whole, resource.data
    if len(whole) - place < RESOLUTION_BYTES:
        return whole
    head, data = whole[:place], whole[place:]
    return head + data[8:16] + data[:8] + data[16:]
