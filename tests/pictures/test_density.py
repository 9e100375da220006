"""Print density that is asked for, as other readers find it in each format."""

import io
import struct
from dataclasses import replace
from fractions import Fraction

import pytest
import tifffile
from PIL import ExifTags, Image

from sam_diffsr_cli.pictures.density import with_density
from sam_diffsr_cli.pictures.formats import format_named
from sam_diffsr_cli.pictures.records import Metadata, Picture
from sam_diffsr_cli.pictures.writing import prepare_metadata
from tests.pictures import samples

DPI = 254.0
PAIR = (ExifTags.Base.XResolution, ExifTags.Base.YResolution)


def written(picture: Picture, name: str, *, strip: bool = False) -> tuple[bytes, tuple[str, ...]]:
    metadata, notes = prepare_metadata(picture, format_named(name), "{}", strip=strip, dpi=DPI)
    return samples.encoded(picture, name, metadata), notes


def in_exif(data: bytes) -> tuple[float, ...]:
    with samples.opened(data) as image:
        exif = image.getexif()
    assert exif[ExifTags.Base.ResolutionUnit] == 2
    return tuple(float(exif[tag]) for tag in PAIR)


@pytest.mark.parametrize("strip", [False, True])
@pytest.mark.parametrize("name", ["jpg", "png", "tif", "bmp", "webp", "avif"])
@pytest.mark.parametrize("beside", [{}, {"exif": samples.exif(1), "dpi": (72.0, 72.0)}])
def test_every_format_that_can_tell_it_does(
    name: str, beside: dict[str, object], *, strip: bool
) -> None:
    data, notes = written(samples.still(samples.levels(6, 8, 3), **beside), name, strip=strip)
    assert not any("density" in note for note in notes)
    with samples.opened(data) as image:
        told = image.info.get("dpi")
    if name in {"webp", "avif"}:
        assert in_exif(data) == (DPI, DPI)
    else:
        assert told == pytest.approx((DPI, DPI), abs=0.01)
        if beside and name in {"jpg", "png"} and not strip:
            assert in_exif(data) == (DPI, DPI)


def test_a_gif_has_no_room_for_it_and_says_so() -> None:
    _, notes = written(samples.still(samples.levels(6, 8, 3)), "gif")
    assert "GIF has no room for the print density" in " ".join(notes)


@pytest.mark.parametrize("order", ["<", ">"])
def test_in_exif_nothing_else_moves(order: str) -> None:
    before = samples.exif(1, order)
    changed = with_density(Metadata(exif=before), DPI, format_named("jpg")).exif or b""
    # The header points at the new directory; all other bytes are where they were.
    assert changed[: len(before)][:4] == before[:4]
    assert changed[8 : len(before)] == before[8:]
    old, new = Image.Exif(), Image.Exif()
    old.load(samples.with_prefix(before))
    new.load(samples.with_prefix(changed))
    assert {tag: value for tag, value in new.items() if tag not in (*PAIR, 0x0128)} == dict(old)
    assert new.get_ifd(0x8769) == old.get_ifd(0x8769)
    twice = with_density(Metadata(exif=changed), 72.5, format_named("jpg")).exif or b""
    new.load(samples.with_prefix(twice))
    assert [float(new[tag]) for tag in PAIR] == [72.5, 72.5]


def test_damaged_exif_stays_as_it_is() -> None:
    for damaged in (b"II*\0", b"II*\0\xff\xff\xff\xff"):
        assert with_density(Metadata(exif=damaged), DPI, format_named("jpg")).exif == damaged


def test_xmp_and_photoshop_follow_where_they_tell_one() -> None:
    packet = samples.xmp(1).replace(
        b' dc:format="', b' tiff:XResolution="72/1" tiff:ResolutionUnit="3" dc:format="'
    )
    packet = packet.replace(b"<exif:", b"<tiff:YResolution>72/1</tiff:YResolution><exif:", 1)
    resource = b"8BIM\x03\xed\0\0" + struct.pack(">IIHHIHH", 16, 72 << 16, 2, 2, 72 << 16, 2, 2)
    metadata = Metadata(xmp=packet, photoshop=b"Photoshop 3.0\0" + resource)
    new = with_density(metadata, 254.5, format_named("jpg"))
    told = (new.xmp or b"").decode()
    assert 'tiff:XResolution="509/2"' in told
    assert "<tiff:YResolution>509/2</tiff:YResolution>" in told
    assert 'tiff:ResolutionUnit="2"' in told
    fixed = round(254.5 * 65536)
    expected = struct.pack(">IHHIHH", fixed, 1, 2, fixed, 1, 2)
    assert (new.photoshop or b"").endswith(expected)
    assert with_density(Metadata(xmp=samples.xmp(1)), DPI, format_named("jpg")).xmp == samples.xmp(
        1
    )


def test_every_page_of_a_tiff_has_it() -> None:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for unit in ("INCH", "CENTIMETER"):
            writer.write(samples.levels(5, 7), resolution=(100, 90), resolutionunit=unit)
    data, _ = written(samples.read(file.getvalue()), "tif")
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        for page in tiff.pages:
            tags = {tag.name: tag.value for tag in page.aspage().tags}
            assert [Fraction(*tags[n]) for n in ("XResolution", "YResolution")] == [254, 254]
            assert int(tags["ResolutionUnit"]) == 2


def test_without_it_a_picture_keeps_its_own() -> None:
    picture = samples.still(samples.levels(6, 8, 3), dpi=(72.0, 72.0))
    metadata, _ = prepare_metadata(picture, format_named("png"), "{}", strip=False)
    assert metadata.dpi == (72.0, 72.0)
    assert replace(metadata, xmp=None) == replace(picture.metadata, xmp=None)
