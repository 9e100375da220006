"""Metadata of the file that was read, brought up to date for the picture that was made of it."""

from dataclasses import replace

from sam_diffsr_cli.pictures.change import Change
from sam_diffsr_cli.pictures.exif import upright_exif
from sam_diffsr_cli.pictures.formats import Format
from sam_diffsr_cli.pictures.generation import move_generation
from sam_diffsr_cli.pictures.jpeg_behind import MAPS, Behind, turned_behind
from sam_diffsr_cli.pictures.photoshop import upright_resources
from sam_diffsr_cli.pictures.records import Metadata, Picture
from sam_diffsr_cli.pictures.xmp import upright_xmp
from sam_diffsr_cli.pictures.xmp_container import Announced

__all__ = ["update_metadata"]


def update_metadata(picture: Picture, target: Format) -> tuple[Metadata, list[str]]:
    """Turn and enlarge what speaks of pixels; see ``pixel_metadata``.

    Args:
        picture: The result, with the metadata of the source.
        target: The format to write; only JPEG carries what lies behind the picture.

    Returns:
        The metadata, and notes on what could not be kept.
    """
    old = picture.metadata
    change = picture.change_of(0)
    exif = None if old.exif is None else upright_exif(old.exif, change)
    behind, notes = _turn(old.behind if target.name == "JPEG" else None, change)
    xmp: bytes | None = None
    told: list[str] = []
    if old.xmp is not None:
        xmp, told = upright_xmp(old.xmp, change, _announced(old.behind, behind))
    photoshop = old.photoshop
    if photoshop is not None:
        photoshop, others = upright_resources(photoshop, change)
        told += others
    dpi = old.dpi[::-1] if old.dpi is not None and change.is_quarter else old.dpi
    chunks = tuple(_turn_density(*each) if change.is_quarter else each for each in old.png_chunks)
    notes += ["EXIF is damaged and was left out"] if old.exif and exif is None else []
    notes += ["XMP is damaged and was left out"] if old.xmp and xmp is None else []
    if told:
        notes.append(f"left out, since it tells of the picture as it was: {', '.join(told)}")
    if "exif" in target.keeps and "text" not in target.keeps:
        exif, moved = move_generation(chunks, exif, target.name)
        chunks = tuple(each for each in chunks if each[1].partition(b"\0")[0] not in moved)
    new = replace(old, exif=exif, xmp=xmp, photoshop=photoshop, dpi=dpi, behind=behind)
    return replace(new, png_chunks=chunks), notes


def _turn_density(kind: bytes, body: bytes) -> tuple[bytes, bytes]:
    """Let the two densities of a pHYs chunk change places."""
    return kind, body[4:8] + body[:4] + body[8:] if kind == b"pHYs" else body


def _turn(behind: Behind | None, change: Change) -> tuple[Behind | None, list[str]]:
    """Turn the maps with the photo; one that cannot be decoded is left out, and that is said."""
    if behind is not None and change.is_cut and any(e.role in MAPS for e in behind.pictures):
        rest = Behind(trailer=behind.trailer)
        return rest, ["the maps behind the picture are of all of it and were left out with the cut"]
    if behind is None or change.turn == 1:
        return behind, []
    try:
        return turned_behind(behind, change.turn), []
    except Exception:  # noqa: BLE001 - Pillow fails in many ways on damaged pictures
        rest = Behind(trailer=behind.trailer)
        return rest, ["the maps behind the picture could not be turned with it and were left out"]


def _announced(old: Behind | None, new: Behind | None) -> Announced:
    """Tell what XMP may announce of what is carried."""
    if old is None or new is None:
        return Announced()
    sizes = zip(old.pictures, new.pictures, strict=False)
    return Announced(
        gain_map=None if new.gain_map is None else len(new.gain_map),
        has_video=bool(new.trailer),
        lengths={len(before.data): len(after.data) for before, after in sizes},
    )
