"""What tells of places, in a picture of which a part was cut off."""

from fractions import Fraction

import numpy as np
import pytest
from PIL.Image import Exif

from sam_diffsr_cli.pictures.change import Change, Cut, Point, Rectangle
from sam_diffsr_cli.pictures.exif import upright_exif
from sam_diffsr_cli.pictures.modes import turn_upright
from sam_diffsr_cli.pictures.xmp import upright_xmp
from sam_diffsr_cli.upscaling.sizes import Size
from tests.pictures import samples

STORED = (30, 50)
SUBJECT = 0x9214


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_place_is_where_its_pixel_is_after_the_cut(turn: int) -> None:
    mask = np.zeros((*STORED, 1), dtype=bool)
    mask[13:17, 20:32] = True
    upright = turn_upright(mask, turn)
    height, width = upright.shape[:2]
    top, left, tall, wide = 5, 8, height - 10, width - 12
    cut = Cut(*map(Fraction, (top, left, tall, wide)))
    change = Change(turn, (height, width), (2 * tall, 3 * wide), cut)
    part = upright[top : top + tall, left : left + wide].repeat(2, 0).repeat(3, 1)
    rows, columns = np.nonzero(part[..., 0])
    area = Rectangle(26 / 50, 15 / 30, 12 / 50, 4 / 30)
    moved = change.rectangle(area)
    assert moved.x * part.shape[1] == pytest.approx((columns.min() + columns.max() + 1) / 2)
    assert moved.y * part.shape[0] == pytest.approx((rows.min() + rows.max() + 1) / 2)
    assert moved.width * part.shape[1] == pytest.approx(columns.max() + 1 - columns.min())
    assert moved.height * part.shape[0] == pytest.approx(rows.max() + 1 - rows.min())
    assert [*change.factors] == [3, 2]
    assert change.shows(26, 15)


def test_fill_tells_where_each_pixel_of_the_result_is_from() -> None:
    target = Size(fill=(40, 40)).resolve((10, 30))
    change = Change(1, target.before, target.size, Cut(*target.kept))
    assert [*change.factors] == [4, 4]
    # 10 of 30 columns are kept, from the middle.
    assert change.point(Point(10 / 30, 0)) == pytest.approx((0, 0))
    assert change.point(Point(20 / 30, 1)) == pytest.approx((1, 1))


def subject(*numbers: int) -> bytes:
    exif = Exif()
    exif.get_ifd(0x8769)[SUBJECT] = numbers
    return bytes(exif.tobytes()[6:])


def subject_in(data: bytes) -> tuple[int, ...] | None:
    exif = Exif()
    exif.load(b"Exif\0\0" + data)
    found = exif.get_ifd(0x8769).get(SUBJECT)
    return None if found is None else tuple(found)


def test_a_subject_moves_with_the_cut_and_goes_with_what_is_cut_off() -> None:
    change = Change(1, (30, 50), (60, 60), Cut(*map(Fraction, (0, 10, 30, 30))))
    assert subject_in(upright_exif(subject(25, 15), change) or b"") == (30, 30)
    assert subject_in(upright_exif(subject(5, 15), change) or b"") is None
    whole = Change(1, (30, 50), (60, 100))
    assert subject_in(upright_exif(subject(5, 15), whole) or b"") == (10, 30)


REGIONS = (
    ' xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/"'
    ' xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/" crs:CropTop="0.1" crs:HasCrop="True"'
)


def test_regions_and_crops_are_left_out_with_a_cut_and_named() -> None:
    packet = samples.xmp(1).replace(b' rdf:about=""', b' rdf:about=""' + REGIONS.encode())
    packet = packet.replace(
        b"<exif:PixelYDimension>", b"<mwg-rs:Regions>face</mwg-rs:Regions><exif:PixelYDimension>"
    )
    cut = Change(1, (30, 40), (60, 60), Cut(*map(Fraction, (0, 5, 30, 30))))
    after, told = upright_xmp(packet, cut)
    assert b"mwg-rs:Regions>" not in (after or b"")
    assert b"CropTop" not in (after or b"")
    assert any("Regions" in name or "regions" in name for name in told)
    assert b"<tiff:ImageWidth>60</tiff:ImageWidth>" in (after or b"")
    whole, told = upright_xmp(packet, Change(1, (30, 40), (60, 80)))
    assert b"<mwg-rs:Regions>face</mwg-rs:Regions>" in (whole or b"")
    assert told == []
