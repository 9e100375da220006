"""What a TIFF says of its pixels follows them, and other readers take it without a warning."""

import io
import json
import struct
import warnings
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import tifffile

from sam_diffsr_cli.pictures.records import Picture
from tests.pictures import samples
from tests.pictures.samples import enlarged, levels, read, rewritten, saved, tiff, written


def drawn(*pages: tuple[np.ndarray, dict[str, Any]], **options: Any) -> bytes:
    file = io.BytesIO()
    with tifffile.TiffWriter(file, **options) as writer:
        for pixels, each in pages:
            writer.write(pixels, **({"metadata": None} | each))
    return file.getvalue()


def tags(data: bytes, page: int = 0) -> dict[str, Any]:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        return {tag.name: tag.value for tag in file.pages[page].aspage().tags}


def resolution(data: bytes, page: int = 0) -> tuple[object, ...]:
    found = tags(data, page)
    x, y = (Fraction(*found[name]) for name in ("XResolution", "YResolution"))
    return x, y, int(found["ResolutionUnit"])


def quietly(data: bytes) -> tifffile.TiffFile:
    """Open with tifffile, whose warnings are errors here."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        file = tifffile.TiffFile(io.BytesIO(data))
        assert all(series.asarray().size for series in file.series)
        return file


# --------------------------------------------------------------------------------------- pages

PAGES = (
    (levels(8, 6, 3), {"photometric": "rgb", "resolution": (200, 100), "description": "one"}),
    (levels(5, 7), {"resolution": (300, 300), "description": "two"}),
    (
        levels(4, 4, 3, dtype=np.uint16),
        {
            "photometric": "rgb",
            "resolution": (72, 72),
            "resolutionunit": "CENTIMETER",
            "description": "three",
            "extratags": [(285, 2, 4, b"sky\0", True), (297, 3, 2, (2, 3), True)],
        },
    ),
)


def test_each_page_keeps_its_own_density_texts_name_and_number() -> None:
    data = rewritten(drawn(*PAGES), "TIFF")
    assert [resolution(data, k) for k in range(3)] == [(200, 100, 2), (300, 300, 2), (72, 72, 3)]
    assert [tags(data, k)["ImageDescription"] for k in range(3)] == ["one", "two", "three"]
    third = tags(data, 2)
    assert (third["PageName"], third["PageNumber"]) == ("sky", (2, 3))
    assert "PageName" not in tags(data, 1)


@pytest.mark.parametrize("order", ["<", ">"])
def test_each_page_keeps_its_own_profile_xmp_and_photoshop(order: str) -> None:
    profiles = samples.profile("adobergb"), samples.p3_profile()
    pages = [
        (
            levels(4, 4 + k, 3),
            {
                "photometric": "rgb",
                "iccprofile": icc,
                "extratags": [
                    (700, 1, len(samples.xmp(1)), samples.xmp(1), True),
                    (34377, 1, 3, bytes([k]) * 3, True),
                ],
            },
        )
        for k, icc in enumerate(profiles)
    ]
    again = read(rewritten(drawn(*pages, byteorder=order), "TIFF"))
    for k, icc in enumerate(profiles):
        page = again.metadata.of_page(k)
        assert page.icc == icc
        assert page.photoshop is not None
        assert page.xmp is not None
        assert f"<tiff:ImageWidth>{2 * (4 + k)}<".encode() in page.xmp


@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_and_gps_of_every_page_come_back(order: str) -> None:
    file = samples.still(levels(4, 4, 3), exif=samples.exif(1, order))
    one = written(file, "TIFF")[0]
    metadata = read(one).metadata
    picture = Picture(
        format="TIFF",
        frames=(*file.frames, *file.frames, *file.frames),
        kind="pages",
        metadata=replace(metadata, pages=(replace(metadata, exif=None), metadata)),
    )
    again = read(written(picture, "TIFF")[0]).metadata
    assert [again.of_page(k).exif is not None for k in range(3)] == [True, False, True]
    for k in (0, 2):
        assert samples.MAKER_NOTE in (again.of_page(k).exif or b"")


def test_names_that_other_formats_have_no_room_for_are_noted() -> None:
    _, notes = written(enlarged(read(drawn(PAGES[2]))), "PNG")
    assert any("PageName" in note for note in notes)


# ----------------------------------------------------------------------------------- densities


def test_a_density_in_no_unit_is_kept_as_it_is() -> None:
    data = drawn((levels(4, 4), {"resolution": (2, 3), "resolutionunit": "NONE"}))
    assert resolution(rewritten(data, "TIFF")) == (2, 3, 1)


@pytest.mark.parametrize("unit", [4, 5])
def test_a_scale_in_metric_units_grows_with_the_pixels(unit: int) -> None:
    data = bytearray(drawn((levels(4, 4), {"resolution": (2, 3), "resolutionunit": "INCH"})))
    place = data.index(struct.pack("<HHI", 296, 3, 1))
    struct.pack_into("<H", data, place + 8, unit)
    assert resolution(rewritten(bytes(data), "TIFF")) == (4, 6, unit)


def test_the_density_of_a_page_on_its_side_is_turned() -> None:
    option = {"resolution": (300, 200), "extratags": [(274, 3, 1, 6, True)]}
    assert resolution(rewritten(drawn((levels(4, 6), option)), "TIFF")) == (200, 300, 2)


@pytest.mark.parametrize("turn", [1, 6])
@pytest.mark.parametrize("tag", [282, 283])
def test_a_density_of_one_axis_only_is_kept(tag: int, turn: int) -> None:
    """A TIFF has to have both."""
    data = bytearray(tiff(levels(4, 6), resolution=(300, 300), extratags=[(274, 3, 1, turn, True)]))
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        lost = file.pages[0].aspage().tags[565 - tag]
    # Of a private tag, which nothing reads.
    struct.pack_into("<H", data, lost.offset, 65000)
    assert resolution(rewritten(bytes(data), "TIFF")) == (300, 300, 2)


# -------------------------------------------------------------------------------- descriptions


def imagej(count: int = 1) -> bytes:
    file = io.BytesIO()
    pixels = levels(count, 8, 6) if count > 1 else levels(8, 6)
    tifffile.imwrite(
        file,
        pixels,
        imagej=True,
        resolution=(2.0, 2.0),
        metadata={"unit": "um", "spacing": 1.5, "min": 3.0, "max": 9.0},
    )
    return file.getvalue()


@pytest.mark.parametrize("count", [1, 3])
def test_the_pixels_per_micron_of_imagej_grow_with_the_pixels(count: int) -> None:
    data = rewritten(imagej(count), "TIFF")
    assert [resolution(data, page) for page in range(count)] == [(4, 4, 1)] * count
    file = quietly(data)
    assert file.is_imagej
    told = file.imagej_metadata or {}
    assert (told["unit"], told["spacing"]) == ("um", 1.5)
    assert "min" not in told
    assert file.series[0].shape == ((3, 16, 12) if count == 3 else (16, 12))


def ome(pixels: np.ndarray, **metadata: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(
        file,
        pixels,
        ome=True,
        photometric="rgb" if pixels.shape[-1] == 3 else "minisblack",
        metadata={"PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "um", "PhysicalSizeY": 0.25}
        | metadata,
    )
    return file.getvalue()


@pytest.mark.parametrize("shape", [(8, 6), (3, 8, 6), (8, 6, 3)])
def test_the_size_in_ome_follows_the_pixels(shape: tuple[int, ...]) -> None:
    data = rewritten(ome(levels(*shape)), "TIFF")
    file = quietly(data)
    assert file.is_ome
    told = file.ome_metadata or ""
    for wanted in ('SizeX="12"', 'SizeY="16"', 'PhysicalSizeX="0.25"', 'PhysicalSizeY="0.125"'):
        assert wanted in told
    assert file.asarray().shape == tuple(2 * n if n > 3 else n for n in shape)


def test_the_type_in_ome_follows_the_pixels() -> None:
    data = rewritten(ome(np.linspace(0, 1, 48, dtype=np.float32).reshape(8, 6)), "TIFF")
    assert quietly(data).asarray().dtype == np.uint16


@pytest.mark.parametrize("what", ["ROI", "Plate", "BinData"])
def test_ome_that_cannot_be_followed_is_left_out_with_a_note(what: str) -> None:
    text = f'<?xml version="1.0"?><OME><{what}/><Pixels SizeX="6" SizeY="8"/></OME>'
    data = drawn((levels(8, 6), {"description": text}))
    result, notes = written(enlarged(read(data)), "TIFF")
    assert "ImageDescription" not in tags(result)
    assert "its description by OME speaks of other pixels and was left out" in notes


@pytest.mark.parametrize("shape", [(8, 6), (8, 6, 3), (3, 8, 6), (2, 2, 8, 6)])
def test_the_shape_that_tifffile_notes_follows_the_pixels(shape: tuple[int, ...]) -> None:
    file = io.BytesIO()
    photometric = "rgb" if shape[-1] == 3 else "minisblack"
    tifffile.imwrite(file, levels(*shape), photometric=photometric, metadata={"a": 1})
    data = rewritten(file.getvalue(), "TIFF")
    told = json.loads(tags(data)["ImageDescription"])
    expected = [2 * n if n in (8, 6) else n for n in shape]
    assert (told["shape"], told["a"]) == (expected, 1)
    assert list(quietly(data).series[0].shape) == expected


def test_a_shape_that_does_not_fit_is_left_out_with_a_note() -> None:
    data = drawn((levels(8, 6), {"description": '{"shape": [99, 6]}'}))
    result, notes = written(enlarged(read(data)), "TIFF")
    assert "ImageDescription" not in tags(result)
    assert "its description by tifffile speaks of other pixels and was left out" in notes


@pytest.mark.parametrize("begins", ["SCIFIO=0.41\naxes=X,Y", "Aperio Image Library v1\n6x8"])
def test_descriptions_of_other_programs_that_tell_sizes_are_left_out(begins: str) -> None:
    data = drawn((levels(8, 6), {"description": begins}))
    result, notes = written(enlarged(read(data)), "TIFF")
    assert "ImageDescription" not in tags(result)
    assert any("speaks of other pixels" in note for note in notes)


@pytest.mark.parametrize("data", [imagej(), ome(levels(8, 6))], ids=["imagej", "ome"])
def test_no_other_format_takes_a_description_of_a_tiffs_pixels(data: bytes) -> None:
    result, notes = written(enlarged(read(data)), "JPEG")
    exif = read(result).metadata.exif or b""
    assert b"ImageJ" not in exif
    assert b"OME" not in exif
    assert any("speaks of other pixels" in note for note in notes)


def test_a_description_of_the_photo_is_kept() -> None:
    data = drawn((levels(8, 6), {"description": "A gull. ImageJ=no"}))
    assert tags(rewritten(data, "TIFF"))["ImageDescription"] == "A gull. ImageJ=no"


# --------------------------------------------------------------------------------------- places


def geo(raster_type: int, **options: Any) -> bytes:
    keys = (1, 1, 0, 1, 1025, 0, 1, raster_type)
    extra = [
        (33550, 12, 3, (0.5, 0.25, 0.0), True),
        (33922, 12, 6, (2.0, 4.0, 0.0, 100.0, 200.0, 0.0), True),
        (34735, 3, len(keys), keys, True),
        *options.pop("more", []),
    ]
    return drawn((levels(8, 6), {"extratags": extra} | options))


def place_of(
    found: dict[str, Any], column: float, row: float, *, is_point: bool
) -> tuple[float, ...]:
    """Where a corner of the picture lies on the map; corners have whole numbers."""
    shift = 0.5 if is_point else 0.0
    scale, tie = found["ModelPixelScaleTag"], found["ModelTiepointTag"]
    return (
        tie[3] + (column - shift - tie[0]) * scale[0],
        tie[4] - (row - shift - tie[1]) * scale[1],
    )


@pytest.mark.parametrize("is_point", [False, True])
def test_the_corners_stay_where_they_were_on_the_map(*, is_point: bool) -> None:
    data = geo(2 if is_point else 1)
    before, after = tags(data), tags(rewritten(data, "TIFF"))
    assert after["ModelPixelScaleTag"] == (0.25, 0.125, 0.0)
    for column, row in ((0, 0), (6, 8), (3, 1)):
        old = place_of(before, column, row, is_point=is_point)
        new = place_of(after, 2 * column, 2 * row, is_point=is_point)
        assert new == pytest.approx(old)
    assert after["GeoKeyDirectoryTag"] == before["GeoKeyDirectoryTag"]


@pytest.mark.parametrize("is_point", [False, True])
def test_a_transformation_leads_to_the_same_places(*, is_point: bool) -> None:
    matrix = (0.5, 0.1, 0.0, 10.0, -0.2, 0.25, 0.0, 20.0, *[0.0] * 7, 1.0)
    data = geo(2 if is_point else 1, more=[(34264, 12, 16, matrix, True)])
    after = tags(rewritten(data, "TIFF"))["ModelTransformationTag"]
    shift = 0.5 if is_point else 0.0
    for column, row in ((0.0, 0.0), (6.0, 8.0)):
        for line in (0, 4):
            old = matrix[line : line + 4]
            new = after[line : line + 4]
            was = old[0] * (column - shift) + old[1] * (row - shift) + old[3]
            now = new[0] * (2 * column - shift) + new[1] * (2 * row - shift) + new[3]
            assert now == pytest.approx(was)


def test_the_place_of_what_was_turned_is_left_out_with_a_note() -> None:
    data = geo(1, more=[(274, 3, 1, 6, True)])
    result, notes = written(enlarged(read(data)), "TIFF")
    assert "ModelPixelScaleTag" not in tags(result)
    assert any("GeoTIFF" in note for note in notes)


def test_a_place_on_the_map_that_other_formats_have_no_room_for_is_noted() -> None:
    _, notes = written(enlarged(read(geo(1))), "PNG")
    assert any("ModelPixelScale" in note for note in notes)


def test_pictures_of_other_formats_have_no_such_tags() -> None:
    metadata = read(saved(levels(4, 4, 3), "PNG")).metadata
    assert metadata.tiff is None
    assert metadata.pages == ()


def test_a_tiff_that_says_no_density_gets_none() -> None:
    assert read(rewritten(tiff(levels(4, 4)), "TIFF")).metadata.dpi is None


@pytest.mark.parametrize(
    ("tag", "field"),
    [
        (296, (296, 3, 1, 128)),
        (282, (282, 3, 1, 72)),
        (283, (283, 5, 0, 0)),
    ],
    ids=["unit", "whole number", "empty"],
)
def test_a_damaged_density_does_not_cost_the_picture(tag: int, field: tuple[int, ...]) -> None:
    data = bytearray(drawn((levels(4, 4), {"resolution": (2, 3), "resolutionunit": "INCH"})))
    place = data.index(struct.pack("<H", tag) + struct.pack("<H", 3 if tag == 296 else 5))
    struct.pack_into("<HHII", data, place, *field)
    assert read(rewritten(bytes(data), "TIFF")).frames[0].pixels.shape == (8, 8, 1)
