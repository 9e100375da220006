"""JPEG XL keeps levels, bits, colours and what stands beside them; others see the same."""

import struct
import sys

import imagecodecs
import numpy as np
import pytest

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures import jxl
from sam_diffsr_cli.pictures.boxes import pack_box
from sam_diffsr_cli.pictures.colour_numbers import DISPLAY_P3
from sam_diffsr_cli.pictures.jxl_colour import with_jxl_colour
from sam_diffsr_cli.pictures.jxl_header import JxlColour, codestream_of, read_header
from sam_diffsr_cli.pictures.modes import turn_upright
from tests.pictures import heic_samples, samples
from tests.pictures.colour_judge import lab_by_profile, lab_of, mean_difference, srgb_curve
from tests.pictures.samples import levels, opened, read, saved, smooth, still, written

P3 = (0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
ADOBE = (0.640, 0.330, 0.210, 0.710, 0.150, 0.060)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_lossless_jxl_keeps_every_level(channels: int, dtype: type) -> None:
    pixels = levels(9, 7, channels, dtype=dtype)
    again = read(written(still(pixels), "JXL", lossless=True)[0]).frames[0].pixels
    assert again.dtype == dtype
    assert np.array_equal(again, pixels)


@pytest.mark.parametrize("bits", [10, 12])
def test_bits_between_8_and_16_are_read_and_kept(bits: int) -> None:
    stored = levels(9, 7, 3, dtype=np.uint16) >> (16 - bits)
    data = bytes(imagecodecs.jpegxl_encode(stored, lossless=True, bitspersample=bits))
    picture = read(data)
    assert np.array_equal(picture.frames[0].pixels, np.round(stored / (2**bits - 1) * 65535))
    again = written(picture, "JXL")[0]
    assert read_header(again).bits == bits
    assert np.array_equal(imagecodecs.jpegxl_decode(again), stored)


def test_16_bits_are_written_as_srgb_not_as_linear_light() -> None:
    # The library tags 16 bits as linear; its own round trip shows nothing of it.
    pixels = samples.levels(12, 9, 3, dtype=np.uint16)
    image = opened(written(still(pixels), "JXL")[0])
    seen = lab_by_profile(pixels / 65535, image.info["icc_profile"])
    assert mean_difference(seen, lab_of(srgb_curve(pixels / 65535), "srgb")) < 0.2


def test_a_lossy_jxl_is_close_and_smaller_with_less_quality() -> None:
    pixels = samples.photo(48, 64)
    best, worst = (written(still(pixels), "JXL", quality=q)[0] for q in (95, 40))
    assert len(worst) < len(best)
    assert np.abs(read(best).frames[0].pixels.astype(int) - pixels).mean() < 3


@pytest.mark.parametrize("gray", [True, False])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    "colour",
    [
        JxlColour(primaries=P3),
        JxlColour(transfer=16),
        JxlColour(primaries=ADOBE, gamma=256 / 563),
        JxlColour(white=(0.3, 0.31), transfer=8),
    ],
    ids=["p3", "pq", "adobe", "white"],
)
def test_a_colour_told_anew_is_read_back_and_moves_no_pixel(
    colour: JxlColour, dtype: type, gray: bool
) -> None:
    pixels = levels(9, 7, dtype=dtype) if gray else levels(9, 7, 3, dtype=dtype)
    whole = bytes(imagecodecs.jpegxl_encode(pixels, lossless=True, usecontainer=False))
    # 16 bits come in a container all the same.
    data = whole[slice(*codestream_of(whole))]
    told = with_jxl_colour(data, colour)
    found = read_header(told).colour
    assert found.white == colour.white
    assert gray or found.primaries == colour.primaries
    assert found.transfer == colour.transfer
    assert found.gamma == pytest.approx(colour.gamma, abs=1e-6)
    assert np.array_equal(imagecodecs.jpegxl_decode(told), pixels)


def test_a_profile_becomes_display_p3_and_it_is_said() -> None:
    pixels = (90 + smooth(24, 32) * 0.3).round().astype(np.uint8)
    data, notes = written(still(pixels, icc=samples.profile("adobergb")), "JXL")
    assert any("converted to Display P3" in note for note in notes)
    assert read(data).metadata.colour is not None
    assert read(data).metadata.colour.codes == DISPLAY_P3.codes  # type: ignore[union-attr]
    image = opened(data)
    seen = lab_by_profile(np.asarray(image.convert("RGB")) / 255, image.info["icc_profile"])
    assert mean_difference(seen, lab_of((pixels / 255) ** (563 / 256), "adobe")) < 0.5


def test_exif_and_xmp_stand_in_boxes_of_their_own() -> None:
    exif = samples.exif(1)
    data = written(still(smooth(9, 7), exif=exif), "JXL")[0]
    assert opened(data).getexif()[0x010F] == "Acme Optics"
    place = data.index(b"xml ")
    size = struct.unpack(">I", data[place - 4 : place])[0]
    assert b"samsr:record" in data[place : place - 4 + size]
    assert read(data).metadata.xmp == data[place + 4 : place - 4 + size]


def test_packed_boxes_are_read() -> None:
    packet = b"<x:xmpmeta>" + b"a" * 100 + b"</x:xmpmeta>"
    body = b"xml " + bytes(imagecodecs.brotli_encode(packet))
    box = struct.pack(">I4s", 8 + len(body), b"brob") + body
    data = written(still(smooth(9, 7)), "JXL", strip_metadata=True)[0]
    stream = data.index(b"jxlc") - 4
    assert read(data[:stream] + box + data[stream:]).metadata.xmp == packet


def test_a_jxl_made_of_a_jpeg_is_read_as_that_jpeg() -> None:
    jpeg = saved(
        samples.photo(48, 64), "JPEG", quality=90, exif=samples.with_prefix(samples.exif(6))
    )
    data = bytes(imagecodecs.jpegxl_encode_jpeg(jpeg))
    picture, meant = read(data), read(jpeg)
    assert picture.format == "JXL"
    assert np.array_equal(picture.frames[0].pixels, meant.frames[0].pixels)
    assert picture.metadata.exif == meant.metadata.exif
    assert picture.turned == 6


def test_the_first_frame_of_an_animated_jxl_is_read_and_it_is_said() -> None:
    frames = levels(3, 9, 7, 3)
    picture = read(bytes(imagecodecs.jpegxl_encode(frames, lossless=True)))
    assert np.array_equal(picture.frames[0].pixels, frames[0])
    assert any("first frame" in note for note in picture.notes)


def test_float_light_is_clipped_and_it_is_said() -> None:
    light = np.linspace(-0.5, 2, 63 * 3, dtype=np.float32).reshape(9, 7, 3)
    picture = read(bytes(imagecodecs.jpegxl_encode(light, lossless=True)))
    meant = (light.clip(0, 1) * 65535).round()
    assert np.abs(picture.frames[0].pixels - meant).max() <= 1
    assert any("clipped" in note for note in picture.notes)
    assert picture.metadata.icc is not None


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
@pytest.mark.parametrize("container", [True, False])
def test_a_jxl_cut_short_is_refused(container: bool, share: float) -> None:
    data = bytes(
        imagecodecs.jpegxl_encode(samples.photo(48, 64), lossless=True, usecontainer=container)
    )
    with pytest.raises(InputError, match=r"sample: (damaged|not a picture)"):
        read(data[: int(share * len(data))])


@pytest.mark.parametrize("data", [heic_samples.JXL_EXACT, heic_samples.JXL_LOSSY], ids=len)
def test_the_profile_of_a_jxl_is_read_with_the_pixels_that_belong_to_it(data: bytes) -> None:
    picture = read(data)
    assert picture.metadata.icc is not None
    seen = lab_by_profile(picture.frames[0].pixels / 255, picture.metadata.icc)
    meant = lab_of((heic_samples.drawn() / 255) ** 2.2, "p3")
    assert mean_difference(seen, meant) < 1.5


def test_a_lossy_jxl_with_a_profile_comes_coarse_and_it_is_said() -> None:
    assert any("linear light" in note for note in read(heic_samples.JXL_LOSSY).notes)
    assert not read(heic_samples.JXL_EXACT).notes


def test_a_profile_in_a_jxl_needs_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    with pytest.raises(InputError, match="sample: is JPEG XL with an ICC profile") as caught:
        read(heic_samples.JXL_EXACT)
    assert "pip install pillow-jxl-plugin" in str(caught.value.hint)


def test_a_code_stream_in_parts_is_joined() -> None:
    pixels = levels(9, 7, 3)
    stream = bytes(imagecodecs.jpegxl_encode(pixels, lossless=True, usecontainer=False))
    parts = [(0).to_bytes(4, "big") + stream[:60], (1 << 31 | 1).to_bytes(4, "big") + stream[60:]]
    data = jxl.CONTAINER + b"".join(pack_box(b"jxlp", part) for part in parts)
    assert np.array_equal(read(data).frames[0].pixels, pixels)
    assert jxl._stream_of(data) == stream


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jxl_is_read_upright_and_says_how_it_lay(orientation: int) -> None:
    frames = levels(2, 9, 7, 3)
    data = bytearray(imagecodecs.jpegxl_encode(frames, lossless=True))
    first, _ = codestream_of(bytes(data))
    # Behind the size, in the header of an animation (ISO/IEC 18181-1, table D.2).
    for index in range(3):
        place = 44 + index
        if orientation - 1 >> index & 1:
            data[first + (place >> 3)] |= 1 << (place & 7)
    picture = read(bytes(data))
    assert np.array_equal(picture.frames[0].pixels, turn_upright(frames[0], orientation))
    assert picture.turned == orientation
    assert read_header(bytes(data)).size == picture.size


@pytest.mark.parametrize(
    "size", [(1, 1), (8, 8), (256, 256), (90, 160), (30, 40), (64, 128), (101, 120), (3, 2000)]
)
def test_any_size_is_read_from_the_header_and_written_exactly(size: tuple[int, int]) -> None:
    # Small multiples of 8 and usual ratios have forms of their own (ISO/IEC 18181-1, D.3.2).
    pixels = levels(*size, 3, dtype=np.uint16)
    data = written(still(pixels), "JXL")[0]
    assert read_header(data).size == size
    assert np.array_equal(read(data).frames[0].pixels, pixels)
