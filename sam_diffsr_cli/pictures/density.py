"""How large a picture is printed, set anew wherever a file tells it."""

import struct
from dataclasses import replace
from fractions import Fraction

from sam_diffsr_cli.pictures.directories import Directory, Field
from sam_diffsr_cli.pictures.formats import Format
from sam_diffsr_cli.pictures.photoshop import with_resolution
from sam_diffsr_cli.pictures.pixel_metadata import name_of
from sam_diffsr_cli.pictures.records import Metadata
from sam_diffsr_cli.pictures.tiff_pages import RESOLUTION_TAGS
from sam_diffsr_cli.pictures.xmp import parse_packet, write_packet

__all__ = ["with_density"]

SHORT, RATIONAL, INCH = 3, 5, 2
_XMP_VALUES = tuple(map(name_of, ("tiff:XResolution", "tiff:YResolution")))
_XMP_UNIT = name_of("tiff:ResolutionUnit")


def with_density(metadata: Metadata, dpi: float, target: Format) -> Metadata:
    """Give a picture a print density.

    Args:
        metadata: What is written beside the pixels.
        dpi: Pixels an inch, both ways.
        target: The format to write; where it has no field of its own for it, EXIF tells it.
    """
    fraction = Fraction(dpi).limit_denominator(1000)
    exif = metadata.exif
    if "exif" in target.keeps and (exif is not None or "dpi" not in target.keeps):
        exif = _in_exif(exif, fraction)
    xmp, photoshop = metadata.xmp, metadata.photoshop
    return replace(
        metadata,
        dpi=(dpi, dpi),
        exif=exif,
        xmp=None if xmp is None else _in_xmp(xmp, fraction),
        photoshop=None if photoshop is None else with_resolution(photoshop, dpi),
        png_chunks=tuple(each for each in metadata.png_chunks if each[0] != b"pHYs"),
        tiff=None if metadata.tiff is None else _in_tiff(metadata.tiff, fraction),
        pages=tuple(with_density(page, dpi, target) for page in metadata.pages),
    )


def _in_exif(exif: bytes | None, dpi: Fraction) -> bytes:
    """Write the first directory anew behind all that is there, so that no offset changes."""
    data = bytearray(exif or b"II*\0" + struct.pack("<IHI", 8, 0, 0))
    order = "<" if data[:2] == b"II" else ">"
    try:
        (first,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, first)
        end = first + 2 + 12 * count
        entries = [bytes(data[place : place + 12]) for place in range(first + 2, end, 12)]
        following = bytes(data[end : end + 4]).ljust(4, b"\0")
        tags = [struct.unpack(f"{order}H", entry[:2])[0] for entry in entries]
    except struct.error:
        return bytes(data)
    kept = {tag: e for tag, e in zip(tags, entries, strict=True) if tag not in RESOLUTION_TAGS}
    data += bytes(len(data) % 2)
    value = len(data)
    data += struct.pack(f"{order}2I", dpi.numerator, dpi.denominator)
    across, down, unit = RESOLUTION_TAGS
    kept |= {tag: struct.pack(f"{order}HHII", tag, RATIONAL, 1, value) for tag in (across, down)}
    kept[unit] = struct.pack(f"{order}HHIHH", unit, SHORT, 1, INCH, 0)
    struct.pack_into(f"{order}I", data, 4, len(data))
    data += struct.pack(f"{order}H", len(kept)) + b"".join(kept[tag] for tag in sorted(kept))
    return bytes(data + following)


def _in_xmp(xmp: bytes, dpi: Fraction) -> bytes:
    """Change the density in a packet that tells one; a damaged one stays as it is."""
    if b"Resolution" not in xmp:
        return xmp
    try:
        root = parse_packet(xmp)
    except ValueError:
        return xmp
    told = f"{dpi.numerator}/{dpi.denominator}"
    values = {**dict.fromkeys(_XMP_VALUES, told), _XMP_UNIT: str(INCH)}
    for element in root.walk():
        for name, value in values.items():
            if name in element.attributes:
                element.attributes[name] = value
            if element.name == name:
                element.children = [value]
    return write_packet(root)


def _in_tiff(tags: Directory, dpi: Fraction) -> Directory:
    fraction = struct.pack(f"{tags.order}2I", dpi.numerator, dpi.denominator)
    unit = struct.pack(f"{tags.order}H", INCH)
    across, down, told = RESOLUTION_TAGS
    new = [Field(tag, RATIONAL, 1, fraction) for tag in (across, down)]
    kept = [field for field in tags.fields if field.tag not in RESOLUTION_TAGS]
    return replace(tags, fields=sorted([*kept, *new, Field(told, SHORT, 1, unit)]))
