"""Writing an enlarged picture in any format of the table, with everything that the format can hold.

What it cannot hold is said in notes, never dropped in silence; transparency it cannot hold is an
error. Files appear whole or not at all.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import BinaryIO

from sam_diffsr_cli.choices import DEFAULT_FILE_QUALITY
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures import avif, png
from sam_diffsr_cli.pictures.animation import animation_notes
from sam_diffsr_cli.pictures.apng import write_apng
from sam_diffsr_cli.pictures.colour_writing import (
    colour_needs,
    fit_colour,
    in_told_colours,
)
from sam_diffsr_cli.pictures.density import with_density
from sam_diffsr_cli.pictures.encoders import WriteOptions, save_with_pillow
from sam_diffsr_cli.pictures.formats import Format
from sam_diffsr_cli.pictures.jpeg_fitting import fit_segments
from sam_diffsr_cli.pictures.jxl import write_jxl
from sam_diffsr_cli.pictures.ledger import ledger_note, resolve_parts
from sam_diffsr_cli.pictures.records import STRIPPED, Metadata, Picture
from sam_diffsr_cli.pictures.tiff import tiff_notes, write_tiff
from sam_diffsr_cli.pictures.tiff_pages import PHOTOSHOP_PREFIX
from sam_diffsr_cli.pictures.tiff_units import follow_pages
from sam_diffsr_cli.pictures.updating import update_metadata
from sam_diffsr_cli.pictures.views import without_views
from sam_diffsr_cli.pictures.xmp import with_record

__all__ = ["check_fits", "encode_picture", "prepare_metadata"]

RECORD_MARK = b"\nsamsr: "
"""Stands before the record in a GIF's comment."""

KEPT_NAMES = {
    "icc": "the ICC profile",
    "exif": "EXIF",
    "xmp": "XMP and the record of how it was made",
    "dpi": "the print density",
    "comment": "the comment",
    "iptc": "IPTC and Photoshop's data",
}


def check_fits(
    name: str, picture: Picture, sizes: Sequence[tuple[int, int]], target: Format, *, lossless: bool
) -> None:
    """Refuse, before any work, a format that could not hold the result.

    Args:
        name: Of the file to be written, for messages.
        picture: What was read.
        sizes: Height and width that each frame will have.
        target: The format to write.
        lossless: Whether exact pixels were asked for.

    Raises:
        InputError: It cannot hold transparency, several frames, the size, the colours, or exact
            pixels.
    """
    hint = "write a .png or .tif"
    if picture.has_alpha and not target.alpha:
        raise InputError(f"{name}: {target.name} cannot hold transparency", hint="write a .png")
    longest = max(max(size) for size in sizes)
    if longest > target.longest_side:
        raise InputError(f"{name}: {longest} pixels are too long for {target.name}", hint=hint)
    picture = without_views(picture, target)
    if picture.kind not in {"still", "views", target.frames}:
        fitting = "WebP, PNG or GIF" if picture.kind == "animation" else "TIFF"
        raise InputError(
            f"{name}: {target.name} cannot hold {len(picture.frames)} frames ({picture.kind})",
            hint=f"write {fitting}",
        )
    needed = colour_needs(picture.metadata, target)
    if needed is not None:
        raise InputError(
            f"{name}: {target.name} cannot tell its colours ({needed})",
            hint="write a .png, .avif or .jxl",
        )
    if lossless and target.lossless == "never":
        raise InputError(f"{name}: {target.name} has no lossless form", hint=hint + ", or a .webp")


def prepare_metadata(
    picture: Picture, target: Format, record: str, *, strip: bool, dpi: float | None = None
) -> tuple[Metadata, tuple[str, ...]]:
    """Bring the metadata up to date for the enlarged ``picture`` and the format to write.

    Args:
        picture: The result, with the metadata of the source.
        target: The format to write.
        record: How the picture was made, kept in XMP (in a GIF's comment).
        strip: Drop everything.
        dpi: Print density to tell, in pixels an inch, also when the rest is dropped; None for the
            source's.

    Returns:
        What is to be written, and a note for each thing the format has no room for.
    """
    if strip:
        bare = _stripped(picture, target)
        bare = bare if dpi is None else with_density(bare, dpi, target)
        return bare, tuple(animation_notes(picture, target))
    old = picture.metadata
    new, notes = update_metadata(picture, target)
    new, more = follow_pages(picture, new, target)
    notes += more
    exif = new.exif
    if dpi is not None:
        new = with_density(new, dpi, target)
    new = replace(new, xmp=with_record(new.xmp, record))
    if target.name == "GIF":
        new = replace(new, comment=_comment_with_record(old.comment, record))
    new, converted = fit_colour(picture, new, target)
    notes += converted
    texts = [png.keyword_of(body) for kind, body in new.png_chunks if kind.endswith(b"Xt")]
    beside = {
        "icc": old.icc if old.colour is None and not converted else None,
        "exif": exif,
        "xmp": old.xmp if target.name == "GIF" else new.xmp,
        "dpi": new.dpi if dpi is None or "exif" not in target.keeps else None,
        "comment": old.comment,
        "text": texts or None,
        "iptc": old.photoshop,
    }
    lost = [n for n, value in beside.items() if value is not None and n not in target.keeps]
    if lost:
        names = KEPT_NAMES | {"text": f"PNG text ({', '.join(dict.fromkeys(texts))})"}
        notes.append(f"{target.name} has no room for {', '.join(names[n] for n in lost)}")
    if target.name == "JPEG":
        new, further = fit_segments(new)
        notes += further
    notes += _coarser(picture, target)
    notes += animation_notes(picture, target)
    notes += tiff_notes(picture.frames, new) if target.name == "TIFF" else []
    left_out = ledger_note(resolve_parts(picture.parts, target.name))
    notes += [left_out] if left_out else []
    return new, tuple(notes)


def _coarser(picture: Picture, target: Format) -> list[str]:
    """Say what the pixels lose of their depth."""
    notes = []
    if target.name == "GIF" and picture.has_alpha:
        notes.append("in a GIF a pixel is seen or not: half seen became one of the two")
    bits, most = picture.bits or 16, _most_bits(picture, target)
    if picture.is_deep and bits > most:
        notes.append(f"{bits} bits a channel became {most}, all that {target.name} holds")
    return notes


def _stripped(picture: Picture, target: Format) -> Metadata:
    """Keep nothing but colours that only code points can tell; others are converted to sRGB.

    So no colour changes, and there is nothing to say of it. Further views are pixels.
    """
    colour, behind = picture.metadata.colour, picture.metadata.behind
    if picture.kind == "views" and target.name == "JPEG" and behind is not None:
        return replace(STRIPPED, behind=behind.only_views())
    if colour is not None and colour.needs_codes:
        return fit_colour(picture, replace(STRIPPED, colour=colour), target)[0]
    return STRIPPED


def _most_bits(picture: Picture, target: Format) -> int:
    """Return how many bits a channel of the picture the format takes."""
    return 8 if target.name == "AVIF" and picture.kind != "still" else target.bits


def _comment_with_record(comment: bytes | None, record: str) -> bytes:
    """Add the record to a GIF's comment, in the place of an earlier one."""
    own = comment or b""
    if RECORD_MARK in own:
        own = own.rpartition(RECORD_MARK)[0]
    return own + RECORD_MARK + record.encode()


def encode_picture(
    file: BinaryIO, picture: Picture, target: Format, metadata: Metadata, options: WriteOptions
) -> None:
    """Write a picture that ``check_fits`` let pass.

    Args:
        file: Open for reading and writing, empty, seekable.
        picture: Its pixels may be mapped from a file; PNG and TIFF are written a strip at a time.
        target: The format.
        metadata: From ``prepare_metadata``.
        options: Quality, and whether pixels must be exact; they are also where those of the source
            were, unless a quality is asked for.

    Raises:
        InputError: The codec refuses the picture.
    """
    if (
        picture.is_exact
        and picture.format == target.name
        and options.quality == DEFAULT_FILE_QUALITY
    ):
        options = replace(options, lossless=True)
    picture = in_told_colours(picture, metadata)
    picture = without_views(picture, target)
    if target.name == "PNG" and picture.kind == "still":
        png.write_png(file, picture.frames[0].pixels, _png_chunks(metadata))
        return
    if target.name == "PNG":
        write_apng(file, picture.frames, picture.plays, _png_chunks(metadata))
        return
    if target.name == "TIFF":
        write_tiff(file, picture.frames, metadata)
        return
    if target.name == "JXL":
        _write_jxl(file, picture, metadata, options)
        return
    if target.name == "AVIF" and picture.kind == "still" and _needs_codec(picture, metadata):
        _write_avif(file, picture, metadata, None if options.lossless else options.quality)
        return
    save_with_pillow(file, picture, target, metadata, options)


def _needs_codec(picture: Picture, metadata: Metadata) -> bool:
    """Whether Pillow would write an AVIF with fewer bits, other colours or less beside them."""
    has_light = any(kind in (b"cLLI", b"mDCV") for kind, _ in metadata.png_chunks)
    is_colour = picture.frames[0].pixels.shape[2] > 2
    is_told = metadata.colour is not None or metadata.icc is not None
    return is_colour or picture.is_deep or is_told or has_light


def _write_avif(file: BinaryIO, picture: Picture, metadata: Metadata, quality: int | None) -> None:
    bits = 10 if picture.bits is not None and picture.bits <= 10 else avif.MOST_BITS
    try:
        avif.write_avif(file, picture.frames[0].pixels, metadata, quality, bits)
    except (RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"cannot be written as AVIF ({error})") from error


def _write_jxl(file: BinaryIO, picture: Picture, metadata: Metadata, options: WriteOptions) -> None:
    try:
        write_jxl(file, picture, metadata, options.quality, lossless=options.lossless)
    except (RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"cannot be written as JXL ({error})") from error


def _png_chunks(metadata: Metadata) -> list[tuple[bytes, bytes]]:
    """Order what stands before the pixels: colour first, as the standard asks."""
    chunks = list(metadata.png_chunks)
    kinds = {kind for kind, _ in chunks}
    if metadata.icc is not None:
        chunks = [(kind, body) for kind, body in chunks if kind not in (b"sRGB", b"iCCP")]
        chunks.insert(0, png.profile_chunk(metadata.icc))
    if metadata.dpi is not None and b"pHYs" not in kinds:
        chunks.append(png.density_chunk(metadata.dpi))
    if metadata.exif is not None:
        chunks.append((b"eXIf", metadata.exif))
    if metadata.xmp is not None:
        chunks.append(png.xmp_chunk(metadata.xmp))
    if metadata.photoshop is not None:
        chunks.append(png.resources_chunk(metadata.photoshop.removeprefix(PHOTOSHOP_PREFIX)))
    return chunks
