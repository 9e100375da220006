"""Which lister tells the parts of a file of each format; see ``ledger``."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import BinaryIO

from sam_diffsr_cli.pictures.bmp import list_bmp_parts
from sam_diffsr_cli.pictures.box_parts import list_heif_parts, list_jxl_parts
from sam_diffsr_cli.pictures.gif import list_gif_parts
from sam_diffsr_cli.pictures.jpeg_parts import list_jpeg_parts
from sam_diffsr_cli.pictures.ledger import Part
from sam_diffsr_cli.pictures.png_parts import list_png_parts
from sam_diffsr_cli.pictures.records import Metadata
from sam_diffsr_cli.pictures.tiff_parts import list_tiff_parts
from sam_diffsr_cli.pictures.webp import list_webp_parts

__all__ = ["Lister", "list_parts"]

Lister = Callable[[BinaryIO, Metadata], Iterable[Part]]
"""Takes an open, seekable file and what was read of it; raises what it likes on a damaged one."""

_LISTERS: dict[str, Lister] = {
    "AVIF": list_heif_parts,
    "BMP": list_bmp_parts,
    "GIF": list_gif_parts,
    "HEIF": list_heif_parts,
    "JPEG": list_jpeg_parts,
    "JXL": list_jxl_parts,
    "PNG": list_png_parts,
    "TIFF": list_tiff_parts,
    "WEBP": list_webp_parts,
}
"""By the name that the table of formats has."""


def list_parts(format_name: str, file: BinaryIO, metadata: Metadata) -> tuple[Part, ...]:
    """List the parts of a file, and leave it where it stood; of a damaged one those before it."""
    lister = _LISTERS.get(format_name)
    if lister is None:
        return ()
    place, found = file.tell(), []
    file.seek(0)
    # What reads the pixels judges a damaged file; what was found before the damage is kept.
    with suppress(Exception):
        for part in lister(file, metadata):
            found.append(part)  # noqa: PERF402
    file.seek(place)
    return tuple(found)
