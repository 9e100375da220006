"""Writing an enlarged picture in any format of the table, with everything that the format can hold.

What it cannot hold is said in notes, never dropped in silence; transparency it cannot hold is an
error. Files appear whole or not at all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, PngImagePlugin

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures import png
from sam_diffsr_cli.pictures.exif import upright_exif, without_orientation
from sam_diffsr_cli.pictures.formats import Format
from sam_diffsr_cli.pictures.records import STRIPPED, Metadata, Picture, has_alpha, to_8_bits
from sam_diffsr_cli.pictures.tiff import PHOTOSHOP_PREFIX, write_tiff
from sam_diffsr_cli.pictures.xmp import upright_xmp, with_record

__all__ = ["WriteOptions", "check_fits", "encode_picture", "prepare_metadata"]

DEFAULT_QUALITY = 95
MOST_JPEG_SEGMENT = 65_533
RECORD_MARK = b"\nsamsr: "
"""Stands before the record in a GIF's comment."""

GIF_CLEAR = 255
"""The place in a GIF's palette of what is not seen."""

KEPT_NAMES = {
    "icc": "the ICC profile",
    "exif": "EXIF",
    "xmp": "XMP and the record of how it was made",
    "dpi": "the print density",
    "comment": "the comment",
    "text": "PNG text",
    "iptc": "IPTC and Photoshop's data",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class WriteOptions:
    """How to write. ``quality`` 1 to 100 is for JPEG, WebP and AVIF."""

    quality: int = DEFAULT_QUALITY
    lossless: bool = False
    strip_metadata: bool = False


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
        InputError: It cannot hold transparency, several frames, the size, or exact pixels.
    """
    hint = "write a .png or .tif"
    if picture.has_alpha and not target.alpha:
        raise InputError(f"{name}: {target.name} cannot hold transparency", hint="write a .png")
    longest = max(max(size) for size in sizes)
    if longest > target.longest_side:
        raise InputError(f"{name}: {longest} pixels are too long for {target.name}", hint=hint)
    if picture.kind not in {"still", target.frames}:
        fitting = "WebP, PNG or GIF" if picture.kind == "animation" else "TIFF"
        raise InputError(
            f"{name}: {target.name} cannot hold {len(picture.frames)} frames ({picture.kind})",
            hint=f"write {fitting}",
        )
    if lossless and target.lossless == "never":
        raise InputError(f"{name}: {target.name} has no lossless form", hint=hint + ", or a .webp")


def prepare_metadata(
    picture: Picture, target: Format, record: str, *, strip: bool
) -> tuple[Metadata, tuple[str, ...]]:
    """Bring the metadata up to date for the enlarged ``picture`` and the format to write.

    Args:
        picture: The result, with the metadata of the source.
        target: The format to write.
        record: How the picture was made, kept in XMP (in a GIF's comment).
        strip: Drop everything.

    Returns:
        What is to be written, and a note for each thing the format has no room for.
    """
    if strip:
        return STRIPPED, ()
    old = picture.metadata
    exif = None if old.exif is None else upright_exif(old.exif, picture.size)
    xmp = None if old.xmp is None else upright_xmp(old.xmp, picture.size)
    new = replace(old, exif=exif, xmp=with_record(xmp, record))
    notes = ["EXIF is damaged and was left out"] if old.exif and exif is None else []
    if target.name == "GIF":
        new = replace(new, comment=_comment_with_record(old.comment, record))
    texts = [kind for kind, _ in old.png_chunks if kind.endswith(b"Xt")]
    beside = {
        "icc": old.icc,
        "exif": exif,
        "xmp": old.xmp if target.name == "GIF" else new.xmp,
        "dpi": old.dpi,
        "comment": old.comment,
        "text": texts or None,
        "iptc": old.photoshop,
    }
    lost = [n for n, value in beside.items() if value is not None and n not in target.keeps]
    if lost:
        notes.append(f"{target.name} has no room for {', '.join(KEPT_NAMES[n] for n in lost)}")
    if target.name == "JPEG":
        new, too_long = _fit_jpeg(new)
        notes += [f"{name} is longer than JPEG can hold and was left out" for name in too_long]
    if target.name == "GIF" and picture.has_alpha:
        notes.append("in a GIF a pixel is seen or not: half seen became one of the two")
    if picture.is_deep and not target.deep:
        notes.append(f"16 bits a channel became 8, all that {target.name} holds")
    return new, tuple(notes)


def _comment_with_record(comment: bytes | None, record: str) -> bytes:
    """Add the record to a GIF's comment, in the place of an earlier one."""
    own = comment or b""
    if RECORD_MARK in own:
        own = own.rpartition(RECORD_MARK)[0]
    return own + RECORD_MARK + record.encode()


def _fit_jpeg(metadata: Metadata) -> tuple[Metadata, list[str]]:
    """Leave out what is longer than a JPEG's segment, and name it."""
    long = [
        name
        for name in ("exif", "xmp", "comment")
        if len(getattr(metadata, name) or b"") > MOST_JPEG_SEGMENT - 40
    ]
    emptied: dict[str, Any] = dict.fromkeys(long)
    return replace(metadata, **emptied), [KEPT_NAMES[name] for name in long]


def encode_picture(
    file: BinaryIO, picture: Picture, target: Format, metadata: Metadata, options: WriteOptions
) -> None:
    """Write a picture that ``check_fits`` let pass.

    Args:
        file: Open for reading and writing, empty, seekable.
        picture: Its pixels may be mapped from a file; PNG and TIFF are written a strip at a time.
        target: The format.
        metadata: From ``prepare_metadata``.
        options: Quality, and whether pixels must be exact.

    Raises:
        InputError: The codec refuses the picture.
    """
    if target.name == "PNG" and picture.kind == "still":
        png.write_png(file, picture.frames[0].pixels, _png_chunks(metadata))
        return
    if target.name == "TIFF":
        write_tiff(file, picture.frames, metadata)
        return
    saved: dict[str, Any] = _ENCODERS[target.name](metadata, options)
    first = _to_image(picture.frames[0].pixels, target)
    if picture.kind == "animation":
        saved |= _animation_options(picture, target)
    try:
        first.save(file, format=target.name, **saved)
    except (ValueError, SyntaxError, TypeError) as error:
        raise InputError(f"cannot be written as {target.name} ({error})") from error


def _to_image(pixels: np.ndarray, target: Format) -> Image.Image:
    """Hand pixels to Pillow, 16 bits reduced to 8."""
    if pixels.dtype == np.uint16:
        pixels = to_8_bits(pixels)
    image = Image.fromarray(
        np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    )
    return _keyed(image) if target.name == "GIF" and has_alpha(pixels) else image


def _keyed(image: Image.Image) -> Image.Image:
    """Reduce to 255 colours, and one that is clear, for what is more than half so.

    Pillow's own reduction averages the clear colour with others, and loses it.
    """
    colours = image.convert("RGB").quantize(GIF_CLEAR)
    index = np.array(colours)
    index[np.asarray(image)[..., -1] < 128] = GIF_CLEAR
    keyed = Image.fromarray(index)
    palette = bytes(colours.getpalette() or ())[: 3 * GIF_CLEAR]
    keyed.putpalette(palette.ljust(3 * 256, b"\0"))
    keyed.info["transparency"] = GIF_CLEAR
    return keyed


def _png_chunks(metadata: Metadata) -> list[tuple[bytes, bytes]]:
    """Order what stands before the pixels: colour first, as the standard asks."""
    chunks = list(metadata.png_chunks)
    kinds = {kind for kind, _ in chunks}
    if metadata.icc is not None:
        chunks = [(kind, body) for kind, body in chunks if kind != b"sRGB"]
        chunks.insert(0, png.profile_chunk(metadata.icc))
    if metadata.dpi is not None and b"pHYs" not in kinds:
        chunks.append(png.density_chunk(metadata.dpi))
    if metadata.exif is not None:
        chunks.append((b"eXIf", metadata.exif))
    if metadata.xmp is not None:
        chunks.append(png.xmp_chunk(metadata.xmp))
    return chunks


def _beside(metadata: Metadata, *names: str) -> dict[str, Any]:
    """Pick Pillow's options for those of ``names`` that there are."""
    values = {
        "icc_profile": metadata.icc,
        "exif": metadata.exif and b"Exif\0\0" + metadata.exif,
        "xmp": metadata.xmp,
        "dpi": metadata.dpi,
        "comment": metadata.comment,
    }
    return {name: values[name] for name in names if values[name] is not None}


def _jpeg(metadata: Metadata, options: WriteOptions) -> dict[str, Any]:
    saved = _beside(metadata, "icc_profile", "exif", "xmp", "dpi", "comment")
    if metadata.photoshop is not None:
        saved["extra"] = b"".join(_photoshop_segments(metadata.photoshop))
    return saved | {"quality": options.quality, "subsampling": 0}


def _photoshop_segments(photoshop: bytes) -> Iterator[bytes]:
    """Spread Photoshop's resources over as many segments as they need."""
    body, room = photoshop.removeprefix(PHOTOSHOP_PREFIX), MOST_JPEG_SEGMENT - len(PHOTOSHOP_PREFIX)
    for first in range(0, max(len(body), 1), room):
        part = PHOTOSHOP_PREFIX + body[first : first + room]
        yield b"\xff\xed" + (len(part) + 2).to_bytes(2, "big") + part


def _webp(metadata: Metadata, options: WriteOptions) -> dict[str, Any]:
    saved = _beside(metadata, "icc_profile", "exif", "xmp")
    exactly = {"lossless": True, "exact": True} if options.lossless else {}
    return saved | {"quality": options.quality} | exactly


def _avif(metadata: Metadata, options: WriteOptions) -> dict[str, Any]:
    if metadata.exif is not None:
        # Pillow writes EXIF anew, and loses some, when the orientation is in it.
        metadata = replace(metadata, exif=without_orientation(metadata.exif))
    saved = _beside(metadata, "icc_profile", "exif", "xmp")
    return saved | {"quality": options.quality, "subsampling": "4:4:4"}


def _bmp(metadata: Metadata, _options: WriteOptions) -> dict[str, Any]:
    return _beside(metadata, "dpi")


def _gif(metadata: Metadata, _options: WriteOptions) -> dict[str, Any]:
    return _beside(metadata, "comment")


def _apng(metadata: Metadata, _options: WriteOptions) -> dict[str, Any]:
    saved = _beside(metadata, "icc_profile", "exif", "dpi")
    info = PngImagePlugin.PngInfo()
    for kind, body in metadata.png_chunks:
        if kind != b"pHYs" and not (kind == b"sRGB" and metadata.icc is not None):
            info.add(kind, body)
    if metadata.xmp is not None:
        info.add(*png.xmp_chunk(metadata.xmp))
    return saved | {"pnginfo": info}


_ENCODERS = {"JPEG": _jpeg, "WEBP": _webp, "AVIF": _avif, "BMP": _bmp, "GIF": _gif, "PNG": _apng}


def _animation_options(picture: Picture, target: Format) -> dict[str, Any]:
    """Frames after the first, times and repetition; each frame replaces the one before it."""
    durations = [frame.duration_ms for frame in picture.frames]
    others = (_to_image(frame.pixels, target) for frame in picture.frames[1:])
    options: dict[str, Any] = {
        "save_all": True,
        # Pillow goes through them twice for PNG.
        "append_images": list(others) if target.name == "PNG" else others,
        "duration": durations if target.name == "PNG" else [round(ms) for ms in durations],
    }
    if picture.loop is not None and target.name != "AVIF":
        options["loop"] = picture.loop
    if target.name == "PNG":
        options |= {"disposal": 0, "blend": 0}
    if target.name == "GIF" and any(has_alpha(frame.pixels) for frame in picture.frames):
        options["disposal"] = 2
    return options
