"""The table of metadata that speaks of pixels: what becomes of each property, and why.

``exif``, ``xmp_pixels`` and ``photoshop`` act on it, and the documentation prints it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sam_diffsr_cli.pictures.xml_tree import Name

__all__ = [
    "ROWS",
    "SPACES",
    "MetadataRow",
    "Rule",
    "exif_rules",
    "name_of",
    "photoshop_rules",
    "xmp_rules",
]

SPACES = {
    "crs": "http://ns.adobe.com/camera-raw-settings/1.0/",
    "dcterms": "http://purl.org/dc/terms/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "GDepth": "http://ns.google.com/photos/1.0/depthmap/",
    "GImage": "http://ns.google.com/photos/1.0/image/",
    "GPano": "http://ns.google.com/photos/1.0/panorama/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "MPReg": "http://ns.microsoft.com/photo/1.2/t/Region#",
    "mwg-rs": "http://www.metadataworkinggroup.com/schemas/regions/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
}
"""The namespaces of XMP, by their usual prefixes."""

Rule = Literal[
    "upright",
    "width",
    "height",
    "across",
    "down",
    "density",
    "pixels across",
    "pixels down",
    "area",
    "place",
    "region",
    "crop",
    "remove",
    "remove if turned",
    "keep",
]
"""``across`` and ``down`` are pixels in a unit of length, which grow and change places."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MetadataRow:
    """One property, or several of one meaning.

    ``tags`` are EXIF's, or the numbers of Photoshop's resources; ``names`` are XMP's, where an
    empty local name is a whole namespace. ``noted`` says that a removal is told to the user.
    """

    block: Literal["EXIF", "XMP", "Photoshop", "file"]
    title: str
    rule: Rule
    why: str
    tags: tuple[int, ...] = ()
    names: tuple[Name, ...] = ()
    noted: bool = False


def name_of(written: str) -> Name:
    """Return the property that ``prefix:name`` is, with the usual prefix."""
    prefix, _, local = written.partition(":")
    return Name(SPACES[prefix], local)


def _exif(title: str, rule: Rule, tags: tuple[int, ...], why: str) -> MetadataRow:
    return MetadataRow(block="EXIF", title=title, rule=rule, why=why, tags=tags)


def _xmp(title: str, rule: Rule, names: str, why: str, *, noted: bool = False) -> MetadataRow:
    """Build a row of XMP; ``names`` is the title where that names the properties already."""
    listed = tuple(name_of(each) for each in (names or title.replace(",", "")).split())
    return MetadataRow(block="XMP", title=title, rule=rule, why=why, names=listed, noted=noted)


def _photoshop(
    title: str, rule: Rule, tags: tuple[int, ...], why: str, *, noted: bool = False
) -> MetadataRow:
    return MetadataRow(block="Photoshop", title=title, rule=rule, why=why, tags=tags, noted=noted)


_MIRROR = "a mirror of EXIF"
_GROWN = "the panorama has grown with its pixels"
_BEFORE = "it shows the picture of before"
_CODED = "they tell how the file of before was coded"
_STORED = "fractions of the picture as it was stored"
_LOCAL = (
    "CircularGradientBasedCorrections",
    "GradientBasedCorrections",
    "MaskGroupBasedCorrections",
    "PaintBasedCorrections",
    "RedEyeInfo",
    "RetouchAreas",
    "RetouchInfo",
)

ROWS = (
    _exif("Orientation", "upright", (0x0112,), "the pixels are written upright"),
    _exif(
        "ImageWidth, PixelXDimension, RelatedImageWidth",
        "width",
        (0x0100, 0xA002, 0x1001),
        "they tell the width of the file",
    ),
    _exif(
        "ImageLength, PixelYDimension, RelatedImageLength",
        "height",
        (0x0101, 0xA003, 0x1002),
        "they tell the height of the file",
    ),
    _exif("FocalPlaneXResolution", "across", (0xA20E,), "more pixels now show the same sensor"),
    _exif("FocalPlaneYResolution", "down", (0xA20F,), "more pixels now show the same sensor"),
    _exif("SubjectArea", "area", (0x9214,), "a point, circle or rectangle in pixels"),
    _exif("SubjectLocation", "place", (0xA214,), "a point in pixels"),
    _exif(
        "XResolution, YResolution",
        "density",
        (0x011A, 0x011B),
        "print density: a picture of more pixels is printed larger",
    ),
    _exif(
        "BitsPerSample, Compression, PhotometricInterpretation, SamplesPerPixel,"
        " PlanarConfiguration, YCbCrSubSampling, strips, CompressedBitsPerPixel",
        "remove",
        (0x0102, 0x0103, 0x0106, 0x0111, 0x0115, 0x0116, 0x0117, 0x011C, 0x0212, 0x9102),
        _CODED,
    ),
    _exif("the thumbnail (second directory)", "remove", (), _BEFORE),
    _exif(
        "MakerNote",
        "keep",
        (0x927C,),
        "only the maker knows what it says; pixels in it are those of the camera's picture",
    ),
    _xmp("tiff:Orientation", "upright", "", "the pixels are written upright"),
    _xmp("tiff:ImageWidth, exif:PixelXDimension", "width", "", _MIRROR),
    _xmp("tiff:ImageLength, exif:PixelYDimension", "height", "", _MIRROR),
    _xmp("exif:FocalPlaneXResolution", "across", "", _MIRROR),
    _xmp("exif:FocalPlaneYResolution", "down", "", _MIRROR),
    _xmp("exif:SubjectArea", "area", "", _MIRROR),
    _xmp("exif:SubjectLocation", "place", "", _MIRROR),
    _xmp("tiff:XResolution, tiff:YResolution", "density", "", _MIRROR),
    _xmp(
        "tiff:NativeDigest, exif:NativeDigest",
        "remove",
        "",
        "a checksum of values that are other ones now",
    ),
    _xmp(
        "tiff:BitsPerSample, tiff:Compression, tiff:PhotometricInterpretation,"
        " tiff:SamplesPerPixel, tiff:PlanarConfiguration, tiff:YCbCrSubSampling,"
        " exif:CompressedBitsPerPixel",
        "remove",
        "",
        _CODED,
    ),
    _xmp("xmp:Thumbnails", "remove", "", _BEFORE),
    _xmp(
        "widths and lefts of GPano",
        "pixels across",
        "GPano:CroppedAreaImageWidthPixels GPano:FullPanoWidthPixels GPano:CroppedAreaLeftPixels"
        " GPano:LargestValidInteriorRectLeft GPano:LargestValidInteriorRectWidth",
        _GROWN,
    ),
    _xmp(
        "heights and tops of GPano",
        "pixels down",
        "GPano:CroppedAreaImageHeightPixels GPano:FullPanoHeightPixels GPano:CroppedAreaTopPixels"
        " GPano:LargestValidInteriorRectTop GPano:LargestValidInteriorRectHeight",
        _GROWN,
    ),
    _xmp(
        "GPano",
        "remove if turned",
        "GPano:",
        "its terms do not describe a panorama that was stored on its side",
        noted=True,
    ),
    _xmp(
        "GDepth, GImage",
        "remove if turned",
        "GDepth: GImage:",
        "the pictures in it lie beside the photo as that was stored",
        noted=True,
    ),
    _xmp("mwg-rs:Regions", "region", "", f"{_STORED}, or pixels; AppliedToDimensions is its size"),
    _xmp("MPReg:Rectangle", "region", "", f"{_STORED}, from a corner"),
    _xmp("Iptc4xmpExt:RegionBoundary", "region", "", f"{_STORED}, or pixels"),
    _xmp(
        "crs:CropTop, crs:CropLeft, crs:CropBottom, crs:CropRight, crs:CropAngle",
        "crop",
        "",
        f"{_STORED}; kept where crs:AlreadyApplied says that it was done",
    ),
    _xmp(
        "crs:CropWidth, crs:CropHeight",
        "crop",
        "",
        "pixels where crs:CropUnits is 0, else a length, which is kept",
    ),
    _xmp(
        "local corrections of crs",
        "remove if turned",
        " ".join(f"crs:{name}" for name in _LOCAL),
        f"drawn in {_STORED}",
        noted=True,
    ),
    _xmp(
        "dcterms:provenance",
        "remove",
        "",
        "it leads to content credentials, which vouch for the file as it was",
        noted=True,
    ),
    _photoshop("thumbnails (1033, 1036)", "remove", (1033, 1036), _BEFORE),
    _photoshop(
        "EXIF and XMP (1058, 1059, 1060)",
        "remove",
        (1058, 1059, 1060),
        "copies, as they were before, of what is carried by itself",
    ),
    _photoshop("resolution (1005)", "density", (1005,), "print density, as in EXIF"),
    _photoshop(
        "guides and slices (1032, 1050)",
        "remove",
        (1032, 1050),
        "lines in pixels, which only the program that drew them places",
        noted=True,
    ),
    _photoshop(
        "paths (2000 to 2998)",
        "remove if turned",
        tuple(range(2000, 2999)),
        "fractions of the picture, which hold unless it is turned",
        noted=True,
    ),
    MetadataRow(
        block="file",
        title="density of JFIF, pHYs, BMP and TIFF",
        rule="density",
        why="print density, as in EXIF",
    ),
)


def _rows(block: str) -> Iterator[MetadataRow]:
    return (row for row in ROWS if row.block == block)


def exif_rules() -> dict[int, Rule]:
    """What to do with each tag."""
    return {tag: row.rule for row in _rows("EXIF") for tag in row.tags}


def xmp_rules() -> dict[Name, MetadataRow]:
    """What to do with each property."""
    return {name: row for row in _rows("XMP") for name in row.names}


def photoshop_rules() -> dict[int, MetadataRow]:
    """What to do with each resource."""
    return {tag: row for row in _rows("Photoshop") for tag in row.tags}
