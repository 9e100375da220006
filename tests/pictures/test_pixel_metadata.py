"""Every row of the table of metadata that speaks of pixels, seen by readers that are not ours."""

import io
import struct
from collections.abc import Mapping
from xml.etree import ElementTree as ET

import pytest
import tifffile
from PIL import Image

from sam_diffsr_cli.pictures.change import Change
from sam_diffsr_cli.pictures.exif import upright_exif
from sam_diffsr_cli.pictures.pixel_metadata import ROWS, SPACES
from tests.pictures import samples
from tests.pictures.samples import enlarged, opened, photo, read, saved, written

WIDTH, HEIGHT = 64, 48
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
AREA = "http://ns.adobe.com/xmp/sType/Area#"
DIMENSIONS = "http://ns.adobe.com/xap/1.0/sType/Dimensions#"
PREFIXES = SPACES | {
    "rdf": RDF,
    "stArea": AREA,
    "stDim": DIMENSIONS,
    "MP": "http://ns.microsoft.com/photo/1.2/",
    "MPRI": "http://ns.microsoft.com/photo/1.2/t/RegionInfo#",
}
EXIF_IFD, INTEROPERABILITY = 0x8769, 0xA005
QUARTER = range(5, 9)


def made(turn: int, **beside: object) -> tuple[Image.Image, tuple[str, ...]]:
    """A photo of 64x48 stored with an orientation, read, enlarged twice, and written as JPEG."""
    exif = beside.pop("exif", None) or Image.Exif()
    assert isinstance(exif, Image.Exif)
    exif[0x0112] = turn
    data = saved(photo(HEIGHT, WIDTH), "JPEG", exif=exif, **beside)
    result, notes = written(enlarged(read(data)), "jpg")
    return opened(result), notes


# ---------------------------------------------------------------------------------------- EXIF


def exif_of(tags: Mapping[int, object], below: Mapping[int, object]) -> Image.Exif:
    exif = Image.Exif()
    for tag, value in tags.items():
        exif[tag] = value
    exif[EXIF_IFD] = dict(below)
    return exif


def exif_after(turn: int, tags: Mapping[int, object], below: Mapping[int, object]) -> Image.Exif:
    return made(turn, exif=exif_of(tags, below))[0].getexif()


@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_orientation(turn: int) -> None:
    assert exif_after(turn, {}, {})[0x0112] == 1


@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_sizes(turn: int) -> None:
    below = {0xA002: WIDTH, 0xA003: HEIGHT, INTEROPERABILITY: {0x1001: WIDTH, 0x1002: HEIGHT}}
    after = exif_after(turn, {0x0100: WIDTH, 0x0101: HEIGHT}, below)
    size = (96, 128) if turn in QUARTER else (128, 96)
    inner = after.get_ifd(EXIF_IFD)
    between = after.get_ifd(INTEROPERABILITY)
    assert (after[0x0100], after[0x0101]) == size
    assert (inner[0xA002], inner[0xA003]) == size
    assert (between[0x1001], between[0x1002]) == size


@pytest.mark.parametrize(
    ("turn", "expected"), [(1, (147.2, 80)), (3, (147.2, 80)), (6, (80, 147.2))]
)
def test_exif_focal_plane_resolution(turn: int, expected: tuple[float, float]) -> None:
    below = exif_after(turn, {}, {0xA20E: 73.6, 0xA20F: 40.0}).get_ifd(EXIF_IFD)
    assert (float(below[0xA20E]), float(below[0xA20F])) == pytest.approx(expected)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize(("tag", "other"), [(0xA20E, 0xA20F), (0xA20F, 0xA20E)])
def test_exif_focal_plane_resolution_of_one_axis_only(turn: int, tag: int, other: int) -> None:
    below = exif_after(turn, {}, {tag: 40.0}).get_ifd(EXIF_IFD)
    left, gone = (other, tag) if turn in QUARTER else (tag, other)
    assert float(below[left]) == pytest.approx(80)
    assert gone not in below


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize(("tag", "other"), [(0x011A, 0x011B), (0x011B, 0x011A)])
def test_exif_density_of_one_axis_only(turn: int, tag: int, other: int) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[tag] = turn, 72.0
    before = (48, 64) if turn in QUARTER else (64, 48)
    change = Change(turn, before, (2 * before[0], 2 * before[1]))
    after = Image.Exif()
    after.load(b"Exif\0\0" + (upright_exif(exif.tobytes()[6:], change) or b""))
    left, gone = (other, tag) if turn in QUARTER else (tag, other)
    assert float(after[left]) == 72
    assert gone not in after


@pytest.mark.parametrize(
    ("before", "turn", "expected"),
    [
        ((20, 10), 1, (40, 20)),
        ((20, 10, 5), 1, (40, 20, 10)),
        ((20, 10, 8, 6), 1, (40, 20, 16, 12)),
        ((20, 10, 8, 6), 2, (88, 20, 16, 12)),
        ((20, 10, 8, 6), 3, (88, 76, 16, 12)),
        ((20, 10, 8, 6), 6, (76, 40, 12, 16)),
        ((20, 10, 8, 6), 8, (20, 88, 12, 16)),
        ((20, 10, 5), 6, (76, 40, 10)),
    ],
)
def test_exif_subject_area(before: tuple[int, ...], turn: int, expected: tuple[int, ...]) -> None:
    assert exif_after(turn, {}, {0x9214: before}).get_ifd(EXIF_IFD)[0x9214] == expected


@pytest.mark.parametrize(("turn", "expected"), [(1, (40, 20)), (6, (76, 40)), (8, (20, 88))])
def test_exif_subject_location(turn: int, expected: tuple[int, int]) -> None:
    assert exif_after(turn, {}, {0xA214: (20, 10)}).get_ifd(EXIF_IFD)[0xA214] == expected


@pytest.mark.parametrize(("turn", "expected"), [(1, (300, 150)), (6, (150, 300))])
def test_exif_density_is_kept_and_turned(turn: int, expected: tuple[float, float]) -> None:
    image, _ = made(turn, exif=exif_of({0x011A: 300.0, 0x011B: 150.0}, {}), dpi=(300, 150))
    after = image.getexif()
    assert (float(after[0x011A]), float(after[0x011B])) == expected
    assert image.info["dpi"] == expected


@pytest.mark.parametrize("turn", [1, 6])
def test_exif_of_how_the_file_was_coded_goes_and_the_rest_stays(turn: int) -> None:
    tags = {0x0102: (16, 16, 16), 0x0103: 5, 0x0106: 2, 0x010F: "A", 0x0111: 8, 0x0115: 3}
    tags |= {0x0117: 99, 0x011C: 1, 0x0131: "Program", 0x0212: (2, 2), 0x013B: "B"}
    after = exif_after(turn, tags, {0x829A: 0.5, 0x9102: 4.0, 0xA002: WIDTH})
    assert {tag: after[tag] for tag in after if tag in tags} == {
        0x010F: "A",
        0x0131: "Program",
        0x013B: "B",
    }
    assert set(after.get_ifd(EXIF_IFD)) == {0x829A, 0xA002}


def test_exif_makers_notes_stay() -> None:
    note = b"MAKER\0" + bytes(range(50))
    assert exif_after(6, {}, {0x927C: note}).get_ifd(EXIF_IFD)[0x927C] == note


# ----------------------------------------------------------------------------------------- XMP


def packet(attributes: str = "", elements: str = "") -> bytes:
    declared = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in PREFIXES.items())
    return (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {declared}>'
        f'<rdf:Description rdf:about="" {attributes}>{elements}</rdf:Description>'
        "</rdf:RDF></x:xmpmeta>"
    ).encode()


def qualified(name: str) -> str:
    prefix, _, local = name.partition(":")
    return f"{{{PREFIXES[prefix]}}}{local}"


class After:
    """What a parser sees in the packet of the result."""

    def __init__(self, turn: int, attributes: str = "", elements: str = "") -> None:
        image, self.notes = made(turn, xmp=packet(attributes, elements))
        self.root = ET.fromstring(image.info["xmp"].decode())  # noqa: S314 - ours

    def values(self, name: str) -> list[str]:
        """Every value of a property, whether attribute or element."""
        key = qualified(name)
        found = [each.get(key) for each in self.root.iter()]
        found += [each.text for each in self.root.iter(key)]
        return [each for each in found if each is not None]

    def numbers(self, *names: str) -> tuple[float, ...]:
        return tuple(float(value) for name in names for value in self.values(name))

    def listed(self, name: str) -> list[str | None]:
        (holder,) = self.root.iter(qualified(name))
        return [item.text for item in holder.iter(qualified("rdf:li"))]


def forms(name: str, value: object) -> list[tuple[str, str]]:
    """A property as an attribute and as an element."""
    return [(f'{name}="{value}"', ""), ("", f"<{name}>{value}</{name}>")]


@pytest.mark.parametrize("form", [0, 1])
@pytest.mark.parametrize(
    ("name", "before", "upright", "quarter"),
    [
        ("tiff:Orientation", 6, "1", "1"),
        ("tiff:ImageWidth", 64, "128", "96"),
        ("exif:PixelXDimension", 64, "128", "96"),
        ("tiff:ImageLength", 48, "96", "128"),
        ("exif:PixelYDimension", 48, "96", "128"),
        ("exif:FocalPlaneXResolution", "736/10", "1472/10", None),
        ("exif:FocalPlaneYResolution", "40", "80", None),
        ("tiff:XResolution", "300/1", "300/1", None),
        ("tiff:NativeDigest", "256,257;ABC", None, None),
        ("tiff:Compression", 5, None, None),
        ("tiff:BitsPerSample", "16", None, None),
        ("exif:CompressedBitsPerPixel", "4/1", None, None),
        ("exif:NativeDigest", "256,257;ABC", None, None),
        ("GPano:FullPanoWidthPixels", 400, "800", None),
        ("GPano:CroppedAreaImageWidthPixels", 64, "128", None),
        ("GPano:CroppedAreaLeftPixels", 11, "22", None),
        ("GPano:FullPanoHeightPixels", 200, "400", None),
        ("GPano:CroppedAreaImageHeightPixels", 48, "96", None),
        ("GPano:CroppedAreaTopPixels", 7, "14", None),
        ("GPano:ProjectionType", "cylindrical", "cylindrical", None),
        ("GDepth:Data", "AAAA", "AAAA", None),
        ("GImage:Data", "AAAA", "AAAA", None),
    ],
)
def test_xmp_values(
    name: str, before: object, upright: str | None, quarter: str | None, form: int
) -> None:
    for turn, expected in ((1, upright), (6, quarter)):
        attributes, elements = forms(name, before)[form]
        after = After(turn, attributes, elements)
        assert after.values(name) == ([] if expected is None else [expected])


@pytest.mark.parametrize("form", [0, 1])
@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        (("exif:FocalPlaneXResolution", "exif:FocalPlaneYResolution"), ["80", "20"]),
        (("tiff:XResolution", "tiff:YResolution"), ["40", "10"]),
    ],
)
def test_xmp_values_of_two_axes_change_places(
    pair: tuple[str, str], expected: list[str], form: int
) -> None:
    made = [forms(name, value)[form] for name, value in zip(pair, (10, 40), strict=True)]
    after = After(6, " ".join(each[0] for each in made), "".join(each[1] for each in made))
    assert [after.values(name)[0] for name in pair] == expected


@pytest.mark.parametrize("form", [0, 1])
@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        (("exif:FocalPlaneXResolution", "exif:FocalPlaneYResolution"), "20"),
        (("tiff:XResolution", "tiff:YResolution"), "10"),
    ],
)
@pytest.mark.parametrize("turn", [1, 6])
def test_an_xmp_value_of_one_axis_only_becomes_that_of_the_other(
    pair: tuple[str, str], expected: str, form: int, turn: int
) -> None:
    for first, second in (pair, pair[::-1]):
        attributes, elements = forms(first, 10)[form]
        after = After(turn, attributes, elements)
        left, gone = (second, first) if turn == 6 else (first, second)
        assert (after.values(left), after.values(gone)) == ([expected], [])


@pytest.mark.parametrize(
    ("name", "numbers", "expected"),
    [
        ("exif:SubjectArea", (20, 10, 8, 6), ["76", "40", "12", "16"]),
        ("exif:SubjectLocation", (20, 10), ["76", "40"]),
    ],
)
def test_xmp_lists_of_pixels(name: str, numbers: tuple[int, ...], expected: list[str]) -> None:
    items = "".join(f"<rdf:li>{each}</rdf:li>" for each in numbers)
    after = After(6, "", f"<{name}><rdf:Seq>{items}</rdf:Seq></{name}>")
    assert after.listed(name) == expected


def test_xmp_thumbnails() -> None:
    after = After(1, "", "<xmp:Thumbnails><rdf:Alt><rdf:li>x</rdf:li></rdf:Alt></xmp:Thumbnails>")
    assert after.values("xmp:Thumbnails") == []
    assert after.notes == ()


def test_xmp_local_corrections_stay_unless_the_picture_is_turned() -> None:
    body = "<crs:RetouchInfo><rdf:Seq><rdf:li>centerX = 0.1</rdf:li></rdf:Seq></crs:RetouchInfo>"
    assert After(1, "", body).listed("crs:RetouchInfo") == ["centerX = 0.1"]
    turned = After(6, "", body)
    assert turned.values("crs:RetouchInfo") == []
    assert "local corrections" in turned.notes[0]


def test_xmp_that_leads_to_content_credentials() -> None:
    after = After(1, 'dcterms:provenance="https://example.org/a.c2pa"')
    assert after.values("dcterms:provenance") == []
    assert "provenance" in after.notes[0]


@pytest.mark.parametrize("name", ["GPano", "GDepth"])
def test_what_cannot_be_turned_in_xmp_is_said(name: str) -> None:
    local = {"GPano": "ProjectionType", "GDepth": "Format"}[name]
    (note,) = After(3, f'{name}:{local}="x"').notes
    assert name in note
    assert After(1, f'{name}:{local}="x"').notes == ()


REGION = {
    "attributes": '<rdf:Description mwg-rs:Name="A"><mwg-rs:Area {}/></rdf:Description>',
    "resource": "<mwg-rs:Name>A</mwg-rs:Name>"
    '<mwg-rs:Area rdf:parseType="Resource">{}</mwg-rs:Area>',
}


def regions(style: str, width: int, height: int, unit: str, **area: float) -> str:
    """A region of the Metadata Working Group, in one of the two ways RDF has for structures."""
    fields: dict[str, object] = area | {"unit": unit}
    if style == "attributes":
        body = REGION[style].format(" ".join(f'stArea:{k}="{v}"' for k, v in fields.items()))
        item = f"<rdf:li>{body}</rdf:li>"
    else:
        inner = "".join(f"<stArea:{k}>{v}</stArea:{k}>" for k, v in fields.items())
        item = f'<rdf:li rdf:parseType="Resource">{REGION[style].format(inner)}</rdf:li>'
    return (
        '<mwg-rs:Regions rdf:parseType="Resource">'
        f'<mwg-rs:AppliedToDimensions stDim:w="{width}" stDim:h="{height}" stDim:unit="pixel"/>'
        f"<mwg-rs:RegionList><rdf:Bag>{item}</rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>"
    )


@pytest.mark.parametrize("style", REGION)
@pytest.mark.parametrize(
    ("turn", "expected", "size"),
    [
        (1, (0.225, 0.275, 0.25, 0.35), (128, 96)),
        (2, (0.775, 0.275, 0.25, 0.35), (128, 96)),
        (3, (0.775, 0.725, 0.25, 0.35), (128, 96)),
        (4, (0.225, 0.725, 0.25, 0.35), (128, 96)),
        (5, (0.275, 0.225, 0.35, 0.25), (96, 128)),
        (6, (0.725, 0.225, 0.35, 0.25), (96, 128)),
        (7, (0.725, 0.775, 0.35, 0.25), (96, 128)),
        (8, (0.275, 0.775, 0.35, 0.25), (96, 128)),
    ],
)
def test_xmp_regions_are_turned(
    style: str, turn: int, expected: tuple[float, ...], size: tuple[int, int]
) -> None:
    body = regions(style, 64, 48, "normalized", x=0.225, y=0.275, w=0.25, h=0.35)
    after = After(turn, "", body)
    assert after.numbers(*("stArea:" + key for key in "xywh")) == pytest.approx(expected)
    assert after.numbers("stDim:w", "stDim:h") == size
    assert after.values("mwg-rs:Name") == ["A"]


def test_xmp_regions_of_the_upright_picture_are_not_turned_again() -> None:
    after = After(6, "", regions("resource", 48, 64, "normalized", x=0.2, y=0.3, w=0.1, h=0.4))
    assert after.numbers(*("stArea:" + key for key in "xywh")) == (0.2, 0.3, 0.1, 0.4)
    assert after.numbers("stDim:w", "stDim:h") == (96, 128)


def test_xmp_regions_in_pixels_grow() -> None:
    after = After(6, "", regions("attributes", 64, 48, "pixel", x=20, y=10, w=8, h=6))
    assert after.numbers(*("stArea:" + key for key in "xywh")) == (76, 40, 12, 16)


def test_xmp_circles_keep_their_diameter_as_a_fraction() -> None:
    after = After(3, "", regions("attributes", 64, 48, "normalized", x=0.25, y=0.25, d=0.1))
    assert after.numbers("stArea:x", "stArea:y", "stArea:d") == (0.75, 0.75, 0.1)


@pytest.mark.parametrize(
    ("turn", "expected"),
    [(1, "0.1, 0.2, 0.3, 0.4"), (2, "0.6, 0.2, 0.3, 0.4"), (6, "0.4, 0.1, 0.4, 0.3")],
)
def test_xmp_rectangles_of_microsoft(turn: int, expected: str) -> None:
    body = (
        '<MP:RegionInfo rdf:parseType="Resource"><MPRI:Regions><rdf:Bag>'
        '<rdf:li MPReg:Rectangle="0.1, 0.2, 0.3, 0.4" MPReg:PersonDisplayName="A"/>'
        "</rdf:Bag></MPRI:Regions></MP:RegionInfo>"
    )
    assert After(turn, "", body).values("MPReg:Rectangle") == [expected]


def boundary(inner: str, **fields: object) -> str:
    attributes = " ".join(f'Iptc4xmpExt:{key}="{value}"' for key, value in fields.items())
    return f"<Iptc4xmpExt:RegionBoundary {attributes}>{inner}</Iptc4xmpExt:RegionBoundary>"


def test_xmp_rectangles_of_the_iptc() -> None:
    body = boundary("", rbShape="rectangle", rbUnit="relative", rbX=0.1, rbY=0.2, rbW=0.3, rbH=0.4)
    names = ("Iptc4xmpExt:rbX", "Iptc4xmpExt:rbY", "Iptc4xmpExt:rbW", "Iptc4xmpExt:rbH")
    assert After(6, "", body).numbers(*names) == pytest.approx((0.4, 0.1, 0.4, 0.3))


def test_xmp_circles_of_the_iptc_in_pixels() -> None:
    body = boundary("", rbShape="circle", rbUnit="pixel", rbX=20, rbY=10, rbRx=5)
    names = ("Iptc4xmpExt:rbX", "Iptc4xmpExt:rbY", "Iptc4xmpExt:rbRx")
    assert After(6, "", body).numbers(*names) == pytest.approx((76, 40, 10))


def test_xmp_polygons_of_the_iptc() -> None:
    corners = ((0.1, 0.2), (0.5, 0.2), (0.5, 0.6))
    items = "".join(f'<rdf:li Iptc4xmpExt:rbX="{x}" Iptc4xmpExt:rbY="{y}"/>' for x, y in corners)
    inner = f"<Iptc4xmpExt:rbVertices><rdf:Seq>{items}</rdf:Seq></Iptc4xmpExt:rbVertices>"
    after = After(6, "", boundary(inner, rbShape="polygon", rbUnit="relative"))
    assert after.numbers("Iptc4xmpExt:rbX") == pytest.approx((0.8, 0.8, 0.4))
    assert after.numbers("Iptc4xmpExt:rbY") == pytest.approx((0.1, 0.5, 0.5))


CROP = ["crs:CropTop", "crs:CropLeft", "crs:CropBottom", "crs:CropRight"]


@pytest.mark.parametrize(
    ("turn", "expected"),
    [(1, (0.1, 0.2, 0.7, 0.9)), (6, (0.2, 0.3, 0.9, 0.9)), (3, (0.3, 0.1, 0.9, 0.8))],
)
def test_xmp_crops_to_be_done_are_turned(turn: int, expected: tuple[float, ...]) -> None:
    edges = 'crs:CropTop="0.1" crs:CropLeft="0.2" crs:CropBottom="0.7" crs:CropRight="0.9"'
    assert After(turn, f'crs:HasCrop="True" {edges}').numbers(*CROP) == pytest.approx(expected)


def test_xmp_crops_of_one_edge_are_turned() -> None:
    after = After(6, 'crs:HasCrop="True" crs:CropTop="0.1"')
    assert after.numbers(*CROP) == pytest.approx((0, 0, 1, 0.9))


def test_xmp_crops_that_were_done_are_kept() -> None:
    after = After(6, 'crs:HasCrop="True" crs:AlreadyApplied="True" crs:CropTop="0.1"')
    assert after.numbers("crs:CropTop") == (0.1,)


@pytest.mark.parametrize(("turn", "angle"), [(3, 2.5), (2, -2.5)])
def test_the_angle_of_a_crop_is_mirrored(turn: int, angle: float) -> None:
    assert After(turn, 'crs:HasCrop="True" crs:CropAngle="2.5"').numbers("crs:CropAngle") == (
        angle,
    )


@pytest.mark.parametrize(("units", "expected"), [(0, (80, 120)), (1, (40, 60))])
def test_xmp_crop_sizes_grow_in_pixels_only(units: int, expected: tuple[int, int]) -> None:
    sizes = f'crs:CropUnits="{units}" crs:CropWidth="60" crs:CropHeight="40"'
    after = After(6, f'crs:HasCrop="True" {sizes}')
    assert after.numbers("crs:CropWidth", "crs:CropHeight") == expected


# ----------------------------------------------------------------------------------- Photoshop


def resource(number: int, data: bytes, name: bytes = b"") -> bytes:
    padded = bytes([len(name)]) + name + bytes((len(name) + 1) % 2)
    head = b"8BIM" + struct.pack(">H", number) + padded + struct.pack(">I", len(data))
    return head + data + bytes(len(data) % 2)


def resources_after(turn: int, *resources: bytes) -> tuple[dict[int, object], str]:
    """What Pillow finds, and the notes."""
    body = b"Photoshop 3.0\0" + b"".join(resources)
    segment = b"\xff\xed" + struct.pack(">H", len(body) + 2) + body
    image, notes = made(turn, extra=segment)
    return image.info.get("photoshop", {}), " ".join(notes)


CAPTION = resource(0x0404, b"a caption")


@pytest.mark.parametrize("number", [1033, 1036, 1058, 1059, 1060, 1032, 1050])
def test_stale_resources_go_and_others_stay(number: int) -> None:
    named = resource(1061, b"d" * 16, b"odd")
    found, notes = resources_after(1, CAPTION, resource(number, b"stale!!"), named)
    assert set(found) == {0x0404, 1061}
    assert ("Photoshop" in notes) == (number in {1032, 1050})


def data_set(number: int, data: bytes, *, is_long: bool = False) -> bytes:
    """One of IPTC's (IIM 4.2, 1.5), with its length in two bytes or in four more."""
    length = struct.pack(">HI", 0x8004, len(data)) if is_long else struct.pack(">H", len(data))
    return bytes((0x1C, 2, number)) + length + data


@pytest.mark.parametrize("is_long", [False, True])
def test_the_preview_in_iptc_goes_and_its_digest(*, is_long: bool) -> None:
    preview = b"".join(data_set(n, b"old", is_long=is_long) for n in (200, 201, 202))
    told, more = data_set(120, b"a caption"), data_set(25, b"gull")
    found, _ = resources_after(
        1, resource(0x0404, told + preview + more), resource(1061, b"d" * 16)
    )
    assert found == {0x0404: told + more}


def test_iptc_without_a_preview_keeps_its_digest() -> None:
    told = data_set(120, b"a caption")
    found, _ = resources_after(1, resource(0x0404, told), resource(1061, b"d" * 16))
    assert found == {0x0404: told, 1061: b"d" * 16}


def test_the_preview_in_the_iptc_of_a_tiff_goes() -> None:
    told, preview = data_set(120, b"a caption"), data_set(202, b"old")
    tags = [(33723, 7, len(told + preview), told + preview)]
    data = samples.tiff(photo(8, 8), photometric="rgb", extratags=tags)
    again = samples.rewritten(data, "TIFF")
    with tifffile.TiffFile(io.BytesIO(again)) as file:
        page = file.pages.first
        assert bytes(page.tags[33723].value) == told


@pytest.mark.parametrize("turn", [1, 6])
def test_paths_stay_unless_the_picture_is_turned(turn: int) -> None:
    found, notes = resources_after(turn, CAPTION, resource(2000, b"p" * 26))
    assert (2000 in found) == (turn == 1)
    assert ("path" in notes) == (turn != 1)


@pytest.mark.parametrize(("turn", "expected"), [(1, (300, 150)), (6, (150, 300))])
def test_the_resolution_of_photoshop_is_kept_and_turned(
    turn: int, expected: tuple[int, int]
) -> None:
    data = struct.pack(">IHHIHH", 300 << 16, 1, 1, 150 << 16, 1, 1)
    found, _ = resources_after(turn, CAPTION, resource(1005, data))
    told = found[1005]
    assert isinstance(told, dict)
    assert (told["XResolution"], told["YResolution"]) == expected


# ------------------------------------------------------------------------------------- the table


def test_the_table_holds_each_property_once() -> None:
    for key in ("tags", "names"):
        listed = [(row.block, each) for row in ROWS for each in getattr(row, key)]
        assert len(listed) == len(set(listed))


def test_the_density_of_pages_and_chunks_is_turned_too() -> None:
    for source, target in (("PNG", "png"), ("TIFF", "tif"), ("JPEG", "png")):
        exif = Image.Exif()
        exif[0x0112] = 6
        file = io.BytesIO()
        Image.fromarray(photo(HEIGHT, WIDTH)).save(file, format=source, exif=exif, dpi=(300, 150))
        result, _ = written(enlarged(read(file.getvalue())), target)
        found = tuple(float(value) for value in opened(result).info["dpi"])
        assert found == pytest.approx((150, 300), abs=0.1)
