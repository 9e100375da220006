"""Colours that files tell by numbers stay the colours they are, in whatever format is written."""

import io
import struct
import zlib
from collections.abc import Callable

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures.colour import colour_path
from sam_diffsr_cli.pictures.colour_numbers import (
    ADOBE_RGB,
    BT2020,
    DISPLAY_P3,
    Codes,
    Colour,
    colour_of_codes,
    named_codes,
    profile_of,
)
from sam_diffsr_cli.pictures.formats import FORMATS, format_named
from sam_diffsr_cli.pictures.writing import check_fits
from tests.pictures import samples
from tests.pictures.colour_judge import (
    codes_of,
    lab_by_profile,
    lab_of,
    lab_shown,
    mean_difference,
    srgb_curve,
)
from tests.pictures.samples import chunk, enlarged, opened, read, rewritten, saved, written
from tests.pictures.test_ledger_formats import CALIBRATED, P3_ENDPOINTS

P3_CHRM = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
SRGB_CHRM = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
ALL = [each.name for each in FORMATS]
SEEN = 0.5
"""Mean CIEDE2000 that nobody sees."""


def colours() -> np.ndarray:
    """Soft and strong colours, 24 x 32, none outside of sRGB in a wider space."""
    picture = samples.smooth(24, 32).astype(np.float64)
    return (90 + picture * 0.3).round().astype(np.uint8)


def iccp(profile: bytes) -> bytes:
    return chunk(b"iCCP", b"a\0\0" + zlib.compress(profile))


def p3_avif() -> bytes:
    return bytes(imagecodecs.avif_encode(colours(), level=100, primaries=12, transfer=13, matrix=6))


def p3_png() -> bytes:
    return samples.png(colours(), before=chunk(b"cICP", bytes((12, 13, 0, 1))))


def linear_png() -> bytes:
    return samples.png(colours(), before=chunk(b"gAMA", struct.pack(">I", 100_000)))


def chromatic_png() -> bytes:
    before = chunk(b"gAMA", struct.pack(">I", 50_000)) + chunk(b"cHRM", P3_CHRM)
    return samples.png(colours(), before=before)


def adobe_tags() -> list[tuple[int, int, int, tuple[int, ...]]]:
    """WhitePoint and PrimaryChromaticities of Adobe RGB, as tifffile takes them."""
    white, primaries = (3127, 10000, 3290, 10000), (64, 100, 33, 100, 21, 100, 71, 100, 15, 100, 6, 100)  # fmt: skip  # noqa: E501
    return [(318, 5, 2, white), (319, 5, 6, primaries)]


def adobe_tiff() -> bytes:
    return samples.tiff(colours(), photometric="rgb", extratags=adobe_tags())


def tabled_tiff() -> bytes:
    """A transfer function alone: the power of 1.8, for all three channels."""
    table = tuple(int(v) for v in np.round(65535 * np.linspace(0, 1, 256) ** 1.8))
    return samples.tiff(colours(), photometric="rgb", extratags=[(301, 3, 768, table * 3)])


def adobe_photo() -> bytes:
    """A camera's JPEG in Adobe RGB: uncalibrated, and R03 in the interoperability directory."""
    exif = Image.Exif()
    exif.get_ifd(0x8769).update({0xA001: 65535, 0xA005: {1: "R03"}})
    return saved(colours(), "JPEG", quality=100, subsampling=0, exif=exif)


def calibrated_bmp() -> bytes:
    """Endpoints of Display P3 and a power of 2.2 in the header of version 4."""
    height, width = colours().shape[:2]
    rows = colours()[::-1, :, ::-1].tobytes()
    head = struct.pack("<IiiHHIIiiII", 108, width, height, 1, 24, 0, len(rows), 0, 0, 0, 0)
    head += bytes(16) + struct.pack("<I", CALIBRATED) + P3_ENDPOINTS
    return struct.pack("<2sIII", b"BM", 14 + 108 + len(rows), 0, 14 + 108) + head + rows


def values_of(data: bytes) -> np.ndarray:
    return np.asarray(opened(data).convert("RGB")) / 255


def blocks(lab: np.ndarray, size: int) -> np.ndarray:
    """Means of squares."""
    height, width = lab.shape[0] // size, lab.shape[1] // size
    return np.asarray(lab.reshape(height, size, width, size, 3).mean(axis=(1, 3)))


SOURCES: dict[str, tuple[Callable[[], bytes], Callable[[np.ndarray], np.ndarray]]] = {
    "nclx": (p3_avif, lambda v: lab_of(srgb_curve(v), "p3")),
    "cicp": (p3_png, lambda v: lab_of(srgb_curve(v), "p3")),
    "gama": (linear_png, lambda v: lab_of(v, "srgb")),
    "chrm": (chromatic_png, lambda v: lab_of(v**2, "p3")),
    "tiff": (adobe_tiff, lambda v: lab_of(v**2.2, "adobe")),
    "tables": (tabled_tiff, lambda v: lab_of(v**1.8, "srgb")),
    "endpoints": (calibrated_bmp, lambda v: lab_of(v**2.2, "p3")),
    "exif": (adobe_photo, lambda v: lab_of(v ** (563 / 256), "adobe")),
}


@pytest.mark.parametrize("target", [name for name in ALL if name != "GIF"])
@pytest.mark.parametrize("source", SOURCES)
def test_colours_told_by_numbers_are_the_same_in_every_format(source: str, target: str) -> None:
    make, meant = SOURCES[source]
    data = make()
    shown = lab_shown(rewritten(data, target))
    # In blocks, since codecs that lose something move single pixels by more than is to be told.
    assert mean_difference(blocks(shown, 8), blocks(meant(values_of(data)), 4)) < SEEN


@pytest.mark.parametrize("source", SOURCES)
def test_colours_are_the_same_when_the_rest_is_stripped(source: str) -> None:
    make, meant = SOURCES[source]
    data = make()
    stripped = rewritten(data, "PNG", strip_metadata=True)
    assert codes_of(stripped) is None
    assert "icc_profile" not in opened(stripped).info
    assert mean_difference(lab_shown(stripped)[::2, ::2], meant(values_of(data))) < SEEN


def test_a_profile_that_the_format_has_no_room_for_is_gone_through_and_it_is_said() -> None:
    picture = samples.still(colours(), icc=samples.p3_profile())
    data, notes = written(picture, "BMP")
    assert mean_difference(lab_shown(data), lab_of((colours() / 255) ** 2.2, "p3")) < SEEN
    assert any("converted to sRGB" in note for note in notes)


@pytest.mark.parametrize(
    ("colour", "space", "power"),
    [(DISPLAY_P3, "p3", None), (BT2020, "bt2020", None), (ADOBE_RGB, "adobe", 563 / 256)],
)
def test_a_made_profile_says_the_published_matrix(
    colour: Colour, space: str, power: float | None
) -> None:
    values = samples.levels(40, 40, 3) / 255
    icc = profile_of(colour, gray=False)
    assert icc is not None
    linear = srgb_curve(values) if power is None else values**power
    assert mean_difference(lab_by_profile(values, icc), lab_of(linear, space)) < 0.05


def test_littlecms_reads_a_made_profile_as_the_published_matrix() -> None:
    # From linear P3 to linear sRGB, both of D65 (CSS Color 4, 10.12, multiplied out).
    to_srgb = np.array([[1.2249401763, -0.2249401763, 0.0], [-0.0420569547, 1.0420569547, 0.0], [-0.0196375546, -0.0786360656, 1.0982736202]])  # fmt: skip  # noqa: E501
    inside = colours()
    linear = (srgb_curve(inside / 255) @ to_srgb.T).clip(0, 1)
    meant = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    icc = profile_of(DISPLAY_P3, gray=False)
    assert icc is not None
    made = ImageCms.profileToProfile(
        Image.fromarray(inside),
        ImageCms.ImageCmsProfile(io.BytesIO(icc)),
        ImageCms.createProfile("sRGB"),
        flags=ImageCms.Flags.NOOPTIMIZE,
    )
    assert np.abs(np.asarray(made) - 255 * meant).max() < 1.5


@pytest.mark.parametrize("gamma", [45_455, 45_454, 45_500])
@pytest.mark.parametrize("before", [b"", chunk(b"cHRM", SRGB_CHRM)], ids=["alone", "with-chrm"])
def test_the_gamma_of_srgb_is_srgb(gamma: int, before: bytes) -> None:
    data = samples.png(colours(), before=before + chunk(b"gAMA", struct.pack(">I", gamma)))
    assert read(data).metadata.icc is None


def test_code_points_go_before_a_profile_in_png() -> None:
    profile = iccp(samples.profile("adobergb"))
    data = samples.png(colours(), before=chunk(b"cICP", bytes((12, 13, 0, 1))) + profile)
    meant = lab_of(srgb_curve(colours() / 255), "p3")
    assert mean_difference(lab_shown(rewritten(data, "TIFF"))[::2, ::2], meant) < SEEN


@pytest.mark.parametrize("codes", [(12, 13, 0, 1), (9, 16, 0, 1), (12, 13, 7, 1)], ids=str)
def test_the_profile_beside_code_points_stays_in_png(codes: tuple[int, ...]) -> None:
    profile = samples.p3_profile()
    data = samples.png(colours(), before=chunk(b"cICP", bytes(codes)) + iccp(profile))
    again = rewritten(data, "PNG")
    assert opened(again).info["icc_profile"] == profile
    assert again.count(b"iCCP") == 1
    assert chunk(b"cICP", bytes(codes)) in again


def test_a_profile_goes_before_gamma_in_png() -> None:
    profile = samples.p3_profile()
    before = iccp(profile) + chunk(b"gAMA", struct.pack(">I", 100_000))
    assert read(samples.png(colours(), before=before)).metadata.icc == profile


@pytest.mark.parametrize(
    "before",
    [
        chunk(b"gAMA", bytes(4)),
        chunk(b"cHRM", bytes(32)),
        chunk(b"cICP", b"\x0c\x0d\x07\x01"),
    ],
)
def test_numbers_that_cannot_be_are_as_none(before: bytes) -> None:
    assert read(samples.png(colours(), before=before)).metadata.icc is None


def test_chromaticities_of_a_tiff_of_luma_and_chroma_are_read() -> None:
    points = {318: (0.3127, 0.329), 319: (0.64, 0.33, 0.21, 0.71, 0.15, 0.06)}
    image = Image.fromarray(colours()).convert("YCbCr")
    colour = read(saved(image, "TIFF", tiffinfo=points)).metadata.colour
    assert colour is not None
    assert colour.chromaticities == pytest.approx(ADOBE_RGB.chromaticities)


def test_a_tiff_that_tells_the_primaries_of_srgb_alone_is_srgb() -> None:
    # ImageMagick writes them into every TIFF of sRGB.
    told = [(318, 5, 2, (3127, 10000, 3290, 10000)), (319, 5, 6, (64, 100, 33, 100, 30, 100, 60, 100, 15, 100, 6, 100))]  # fmt: skip  # noqa: E501
    picture = read(samples.tiff(colours(), photometric="rgb", extratags=told))
    assert picture.metadata.icc is None
    assert not written(enlarged(picture), "PNG")[1]


def test_gray_with_a_gamma_gets_a_gray_profile() -> None:
    gray = colours()[..., :1]
    icc = read(samples.png(gray, before=chunk(b"gAMA", struct.pack(">I", 100_000)))).metadata.icc
    assert icc is not None
    assert icc[16:20] == b"GRAY"


@pytest.mark.parametrize("target", [name for name in ALL if name not in {"GIF", "JXL"}])
@pytest.mark.parametrize("with_profile", [True, False], ids=["profile", "gama"])
def test_gray_is_as_light_in_every_format(target: str, with_profile: bool) -> None:
    gray = colours()[..., :1]
    gamma = chunk(b"gAMA", struct.pack(">I", 100_000))
    before = iccp(samples.profile("gray", gamma=1.0)) if with_profile else gamma
    data = rewritten(samples.png(gray, before=before), target)
    again = read(data)
    channels = again.frames[0].pixels.shape[2]
    path = colour_path(again.metadata.icc, channels)
    levels = again.frames[0].pixels.astype(np.uint16) * 257
    seen = (levels if path is None else path.to_srgb(levels))[::2, ::2, 0] / 65535
    assert np.abs(srgb_curve(seen) - gray[..., 0] / 255).max() < 0.03


# --------------------------------------------------------------------------------------- HDR

PQ, HLG = (9, 16), (9, 18)
HDR = pytest.mark.parametrize("codes", [PQ, HLG], ids=["pq", "hlg"])


def hdr_avif(codes: tuple[int, int]) -> bytes:
    levels = (colours().astype(np.uint16) * 4).astype(np.uint16)
    return bytes(
        imagecodecs.avif_encode(
            levels, level=100, bitspersample=10, primaries=codes[0], transfer=codes[1], matrix=9
        )
    )


@HDR
@pytest.mark.parametrize("target", ["PNG", "AVIF"])
def test_hdr_keeps_its_numbers_and_its_code_points(codes: tuple[int, int], target: str) -> None:
    data = hdr_avif(codes)
    again = rewritten(data, target)
    assert codes_of(again) == codes
    assert b"iCCP" not in again
    before, after = (read(each).frames[0].pixels.astype(int) for each in (data, again))
    assert np.abs(after[::2, ::2] - before).mean() < 65535 / 255


@HDR
def test_hdr_keeps_its_code_points_when_the_rest_is_stripped(codes: tuple[int, int]) -> None:
    assert codes_of(rewritten(hdr_avif(codes), "PNG", strip_metadata=True)) == codes


@HDR
@pytest.mark.parametrize("target", ["JPEG", "WEBP", "TIFF", "BMP"])
def test_hdr_is_refused_where_it_could_only_be_mistaken(
    codes: tuple[int, int], target: str
) -> None:
    picture = enlarged(read(hdr_avif(codes)))
    with pytest.raises(InputError, match=r"cannot tell its colours \((PQ|HLG)\)"):
        check_fits("a", picture, [picture.size], format_named(target), lossless=False)


def test_the_light_of_a_screen_is_carried_between_png_and_avif() -> None:
    level = struct.pack(">II", 10_000_000, 4_000_000)
    screen = struct.pack(">8HII", *range(100, 900, 100), 10_000_000, 50)
    before = chunk(b"cICP", bytes((9, 16, 0, 1))) + chunk(b"mDCV", screen) + chunk(b"cLLI", level)
    avif = rewritten(samples.png(colours(), before=before), "AVIF")
    # Green, blue, red, then white (ISO/IEC 14496-12, 12.1.7).
    box = struct.pack(">8HII", 300, 400, 500, 600, 100, 200, 700, 800, 10_000_000, 50)
    assert b"mdcv" + box in avif
    assert b"clli" + struct.pack(">HH", 1000, 400) in avif
    again = rewritten(avif, "PNG")
    assert b"mDCV" + screen in again
    assert b"cLLI" + level in again


def test_an_animated_avif_keeps_its_code_points() -> None:
    frames = [Image.fromarray(colours()), Image.fromarray(255 - colours())]
    plain = saved(frames[0], "AVIF", save_all=True, append_images=frames[1:], duration=100)
    data = plain.replace(b"colrnclx\0\1\0\x0d", b"colrnclx\0\x0c\0\x0d")
    assert codes_of(data) == (12, 13)
    assert codes_of(rewritten(data, "AVIF")) == (12, 13)


def test_unspecified_code_points_are_srgb() -> None:
    assert colour_of_codes(Codes(2, 2), "nclx").is_srgb


@pytest.mark.parametrize("target", ["PNG", "AVIF"])
def test_code_points_that_name_nothing_are_taken_for_unspecified(target: str) -> None:
    plain = saved(Image.fromarray(colours()), "AVIF")
    data = plain.replace(b"colrnclx\0\1\0\x0d", b"colrnclx\x01\x0c\0\x0d")
    assert data != plain
    assert b"cICP\x01\x0c" not in rewritten(data, target)
    assert named_codes(268, 13) == Codes(2, 13)
