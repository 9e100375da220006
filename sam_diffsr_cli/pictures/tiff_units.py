"""What a TIFF says of its pixels follows them: sizes in descriptions, scales, places on the map.

Print density is kept: the picture is printed larger. A scale of pixels a micron is not.
"""

import json
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from sam_diffsr_cli.pictures.directories import Directory, Field, pack_exif, parse_exif
from sam_diffsr_cli.pictures.formats import Format
from sam_diffsr_cli.pictures.modes import SWAPPED
from sam_diffsr_cli.pictures.records import Made, Metadata, Picture, has_alpha
from sam_diffsr_cli.pictures.tiff_pages import GEO_TAGS, RESOLUTION_TAGS
from sam_diffsr_cli.pictures.updating import update_metadata

__all__ = ["follow_pages", "follow_pixels"]

DESCRIPTION = 0x010E
IMAGEJ = "ImageJ="
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = RESOLUTION_TAGS
NO_UNIT, INCH, SCALE_UNITS = 1, 2, (4, 5)
"""Of the resolution; 4 and 5 are millimetres and micrometres in some programs."""

FRACTION, MOST_PART = 5, 2**32 - 1
PIXEL_SCALE, TIE_POINTS, TRANSFORMATION, GEO_KEYS = GEO_TAGS[:4]
RASTER_TYPE, IS_POINT = 1025, 2
"""OGC GeoTIFF 1.1, 7.1.2: whether a place is that of a pixel's corner or of its middle."""


@dataclass(frozen=True, slots=True)
class _UnitChange:
    """What became of one page: ``(H, W)`` before and after, how it was turned, what it is now.

    ``moves`` says that it was turned or cut; ``times`` how many times as wide and high things are.
    """

    old: tuple[int, int]
    new: tuple[int, int]
    turned: int
    moves: bool
    pages: int
    colours: int
    has_alpha: bool
    type: str
    times: tuple[Fraction, Fraction]


def follow_pages(
    picture: Picture, metadata: Metadata, target: Format
) -> tuple[Metadata, list[str]]:
    """Bring up to date what only TIFF says, and all that its further pages say.

    Args:
        picture: The enlarged picture.
        metadata: What its first page says, brought up to date in all that other formats say too.
        target: The format to write.
    """
    if picture.format != "TIFF":
        return metadata, []
    to_tiff = target.name == "TIFF"
    new, notes = follow_pixels(picture, metadata, 0, to_tiff=to_tiff)
    pages = []
    for index, page in enumerate(metadata.pages, start=1):
        frames = (picture.frames[index],)
        old = picture.change_of(index)
        made = (Made(old.before, old.cut),)
        alone = replace(picture, frames=frames, metadata=page, read_size=old.before, made=made)
        updated, told = update_metadata(alone, target)
        updated, more = follow_pixels(picture, updated, index, to_tiff=to_tiff)
        pages.append(updated)
        notes += [note for note in told + more if note not in notes]
    return replace(new, pages=tuple(pages)), notes


def follow_pixels(
    picture: Picture, metadata: Metadata, index: int, *, to_tiff: bool
) -> tuple[Metadata, list[str]]:
    """Bring one page's sizes, scale and places up to date, or leave them out with a note.

    Args:
        picture: The enlarged picture.
        metadata: What page ``index`` says.
        index: Of the page.
        to_tiff: Whether a TIFF is written; elsewhere such descriptions mean nothing.
    """
    change = _change_of(picture, index)
    notes: list[str] = []
    described = metadata
    # ImageJ describes a stack on its first page, and gives each page the scale.
    is_imagej = (_description(picture.metadata.exif) or "").startswith(IMAGEJ)
    text = _description(metadata.exif)
    for begins, update, name in _DESCRIPTIONS:
        if text is None or not begins(text):
            continue
        new = update(text, change) if to_tiff else None
        described = replace(metadata, exif=_with_description(metadata.exif, new))
        if new is None:
            notes.append(f"its description by {name} speaks of other pixels and was left out")
    if metadata.tiff is not None and to_tiff:
        tags, more = _follow_tags(metadata.tiff, change, is_imagej=is_imagej)
        described, notes = replace(described, tiff=tags), notes + more
    return described, notes


def _change_of(picture: Picture, index: int) -> _UnitChange:
    pixels = picture.frames[index].pixels
    change = picture.change_of(index)
    return _UnitChange(
        old=change.before,
        new=change.after,
        turned=picture.turned,
        moves=change.moves,
        pages=len(picture.frames),
        colours=pixels.shape[2] - has_alpha(pixels),
        has_alpha=has_alpha(pixels),
        type=pixels.dtype.name,
        times=change.factors,
    )


def _description(exif: bytes | None) -> str | None:
    try:
        data = None if exif is None else parse_exif(exif).data_of(DESCRIPTION)
    except ValueError:
        return None
    return None if data is None else data.rstrip(b"\0").decode("utf-8", "surrogateescape")


def _with_description(exif: bytes | None, text: str | None) -> bytes | None:
    """Write a text in the place of the description, or take it out."""
    old = parse_exif(exif or b"")
    fields = [field for field in old.fields if field.tag != DESCRIPTION]
    if text is not None:
        data = text.encode("utf-8", "surrogateescape") + b"\0"
        fields.append(Field(DESCRIPTION, 2, len(data), data))
    new = Directory(old.order, sorted(fields), old.children)
    return pack_exif(new) if fields or old.children else None


# ------------------------------------------------------------------------------- descriptions


def _ome(text: str, change: _UnitChange) -> str | None:
    """Update OME-XML with one plain set of pixels; None where it says more than can be followed."""
    if change.moves or re.search(r"<(\w+:)?(ROI|Plate|BinData|Mask)\b|FileName=", text):
        return None
    found = re.findall(r"<(?:\w+:)?Pixels\b[^>]*>", text)
    planes = 1
    for name in "CZT":
        size = re.search(rf'\bSize{name}="(\d+)"', found[0]) if len(found) == 1 else None
        planes *= int(size[1]) if size else 0
    samples = change.colours + change.has_alpha
    if planes != change.pages * samples:
        return None
    new = found[0]
    for name, value in (("SizeX", change.new[1]), ("SizeY", change.new[0]), ("Type", change.type)):
        new = re.sub(rf'\b{name}="[^"]*"', f'{name}="{value}"', new)
    new = re.sub(r'\s+SignificantBits="[^"]*"', "", new)
    for name, times in zip(("X", "Y"), change.times, strict=True):
        smaller = _divided_by(times)
        new = re.sub(rf'\b(PhysicalSize{name}=")([^"]+)(")', smaller, new)
    return text.replace(found[0], new)


def _divided_by(times: Fraction) -> Callable[[re.Match[str]], str]:
    def divide(found: re.Match[str]) -> str:
        try:
            value = float(found[2]) / float(times)
        except ValueError:
            return found[0]
        return f"{found[1]}{value:.9g}{found[3]}"

    return divide


def _imagej(text: str, change: _UnitChange) -> str | None:
    """Keep ImageJ's lines where the pages are those it counts; the range of display is dropped."""
    lines = text.splitlines()
    count = next((line[7:] for line in lines if line.startswith("images=")), "1")
    if count != str(change.pages) or change.moves:
        return None
    return "\n".join(line for line in lines if not line.startswith(("min=", "max="))) + "\n"


def _shaped(text: str, change: _UnitChange) -> str | None:
    """Update the shape that tifffile notes as JSON."""
    try:
        told = json.loads(text)
        shape = [int(side) for side in told["shape"]]
    except (ValueError, TypeError, KeyError):
        return None
    samples = change.colours + change.has_alpha
    last = [samples] if samples > 1 else []
    old = [*change.old, *last]
    pages = shape[: len(shape) - len(old)]
    count = 1
    for side in pages:
        count *= side
    if shape[len(pages) :] != old or count != change.pages or change.moves:
        return None
    return json.dumps(told | {"shape": [*pages, *change.new, *last]})


def _unknown(_text: str, _change: _UnitChange) -> None:
    """Leave out what speaks of pixels in a way that is not followed here."""


_Update = Callable[[str, _UnitChange], str | None]
_DESCRIPTIONS: tuple[tuple[Callable[[str], bool], _Update, str], ...] = (
    (lambda text: re.match(r"\s*<", text) is not None and "<OME" in text, _ome, "OME"),
    (lambda text: text.startswith(IMAGEJ), _imagej, "ImageJ"),
    (lambda text: text.startswith('{"shape"'), _shaped, "tifffile"),
    (lambda text: text.startswith("SCIFIO="), _unknown, "SCIFIO"),
    (lambda text: text.startswith("Aperio"), _unknown, "Aperio"),
)
"""How each begins, and what is done to it."""


# --------------------------------------------------------------------------------------- tags


def _follow_tags(
    tags: Directory, change: _UnitChange, *, is_imagej: bool
) -> tuple[Directory, list[str]]:
    fields = {field.tag: field for field in tags.fields}
    notes = []
    unit = tags.number(RESOLUTION_UNIT, INCH)
    grows = unit in SCALE_UNITS or (is_imagej and unit == NO_UNIT)
    if change.turned in SWAPPED:
        x, y = fields.pop(X_RESOLUTION, None), fields.pop(Y_RESOLUTION, None)
        fields |= {} if y is None else {X_RESOLUTION: y._replace(tag=X_RESOLUTION)}
        fields |= {} if x is None else {Y_RESOLUTION: x._replace(tag=Y_RESOLUTION)}
    for tag, times in zip((X_RESOLUTION, Y_RESOLUTION), change.times, strict=True):
        if grows and tag in fields and fields[tag].kind == FRACTION:
            fields[tag] = _times_as_much(fields[tag], tags.order, times)
    is_placed = any(tag in fields for tag in (PIXEL_SCALE, TIE_POINTS, TRANSFORMATION))
    if is_placed and change.moves:
        fields = {tag: field for tag, field in fields.items() if tag not in GEO_TAGS}
        notes.append("its place on the map (GeoTIFF) was left out, since it was turned or cut")
    elif is_placed:
        fields |= _placed(fields, tags, change.times)
    return Directory(tags.order, [fields[tag] for tag in sorted(fields)]), notes


def _times_as_much(field: Field, order: str, times: Fraction) -> Field:
    above, below = struct.unpack(f"{order}2I", field.data[:8])
    if not below:
        return field
    new = (Fraction(above, below) * times).limit_denominator(1_000_000)
    parts = min(new.numerator, MOST_PART), new.denominator
    return field._replace(number=1, data=struct.pack(f"{order}2I", *parts))


def _placed(
    fields: dict[int, Field], tags: Directory, times: tuple[Fraction, Fraction]
) -> dict[int, Field]:
    """Update what ties pixels to the map (OGC GeoTIFF 1.1, annex B.6)."""
    across, down = map(float, times)
    keys = tags.numbers(GEO_KEYS)
    entries = [keys[place : place + 4] for place in range(4, len(keys) - 3, 4)]
    is_point = any(entry[0] == RASTER_TYPE and entry[3] == IS_POINT for entry in entries)
    # The middle of the first pixel is no longer where it was; the corner is.
    shift = (across / 2 - 0.5, down / 2 - 0.5) if is_point else (0.0, 0.0)
    new = {}
    for tag in (PIXEL_SCALE, TIE_POINTS, TRANSFORMATION):
        if tag not in fields:
            continue
        count = len(fields[tag].data) // 8
        values = list(struct.unpack(f"{tags.order}{count}d", fields[tag].data[: 8 * count]))
        if tag == PIXEL_SCALE and count >= 2:
            values[:2] = values[0] / across, values[1] / down
        elif tag == TIE_POINTS:
            for place in range(0, count - 5, 6):
                values[place] = values[place] * across + shift[0]
                values[place + 1] = values[place + 1] * down + shift[1]
        elif tag == TRANSFORMATION and count == 16:
            for row in range(0, 12, 4):
                values[row], values[row + 1] = values[row] / across, values[row + 1] / down
                values[row + 3] -= values[row] * shift[0] + values[row + 1] * shift[1]
        new[tag] = fields[tag]._replace(data=struct.pack(f"{tags.order}{count}d", *values))
    return new
