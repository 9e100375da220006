"""Metadata of the file that was read, brought up to date for the picture that was made of it."""

from dataclasses import replace

from sam_diffsr_cli.pictures.change import Change
from sam_diffsr_cli.pictures.exif import upright_exif
from sam_diffsr_cli.pictures.photoshop import upright_resources
from sam_diffsr_cli.pictures.records import Metadata, Picture
from sam_diffsr_cli.pictures.xmp import upright_xmp

__all__ = ["update_metadata"]


def update_metadata(picture: Picture) -> tuple[Metadata, list[str]]:
    """Turn and enlarge what speaks of pixels; see ``pixel_metadata``.

    Args:
        picture: The result, with the metadata of the source.

    Returns:
        The metadata, and notes on what could not be kept.
    """
    old = picture.metadata
    change = Change(picture.turned, picture.read_size or picture.size, picture.size)
    exif = None if old.exif is None else upright_exif(old.exif, change)
    xmp, told = (None, []) if old.xmp is None else upright_xmp(old.xmp, change)
    photoshop = old.photoshop
    if photoshop is not None:
        photoshop, others = upright_resources(photoshop, change)
        told += others
    dpi = old.dpi[::-1] if old.dpi is not None and change.is_quarter else old.dpi
    notes = ["EXIF is damaged and was left out"] if old.exif and exif is None else []
    notes += ["XMP is damaged and was left out"] if old.xmp and xmp is None else []
    notes += [f"{', '.join(told)} would not fit the new pixels and was left out"] if told else []
    return replace(old, exif=exif, xmp=xmp, photoshop=photoshop, dpi=dpi), notes
