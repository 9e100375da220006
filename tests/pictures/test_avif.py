"""AVIF keeps its bits, shows what its clean aperture shows, and tints nothing."""

import io
import struct
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from sam_diffsr_cli.pictures.avif import depth_notes, still_properties
from sam_diffsr_cli.pictures.avif_items import insert_items
from sam_diffsr_cli.pictures.boxes import ItemProperties, pack_box
from sam_diffsr_cli.pictures.modes import turn_upright
from sam_diffsr_cli.pictures.reading import read_head
from sam_diffsr_cli.pictures.records import Limits, Picture
from tests.pictures import samples
from tests.pictures.samples import enlarged, levels, opened, read, rewritten, smooth, written

BITS = pytest.mark.parametrize("bits", [10, 12])


def deep(bits: int, *shape: int) -> np.ndarray:
    """Levels of so many bits."""
    return levels(*shape, dtype=np.uint16) >> (16 - bits)


def avif_of(pixels: np.ndarray, bits: int | None = None) -> bytes:
    return bytes(imagecodecs.avif_encode(pixels, level=100, bitspersample=bits))


def bits_of(data: bytes) -> int:
    """From the decoder's configuration (AV1-ISOBMFF, 2.3.3)."""
    flags = data[data.index(b"av1C") + 6]
    return 8 + 2 * bool(flags & 0x40) + 2 * bool(flags & 0x20)


@BITS
@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 3), (9, 7, 4)])
def test_every_level_of_a_deep_avif_is_read(bits: int, shape: tuple[int, ...]) -> None:
    stored = deep(bits, *shape)
    pixels = read(avif_of(stored, bits)).frames[0].pixels
    meant = np.round(stored / (2**bits - 1) * 65535)
    assert np.array_equal(pixels.reshape(shape), meant)


@BITS
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_deep_avif_keeps_its_bits(bits: int, channels: int) -> None:
    shape = (9, 7) if channels == 1 else (9, 7, channels)
    data, notes = written(enlarged(read(avif_of(deep(bits, *shape), bits))), "AVIF")
    assert bits_of(data) == bits
    assert not any("bits" in note for note in notes)


def test_the_levels_of_a_deep_avif_are_near_those_that_were_written() -> None:
    pixels = (smooth(24, 32).astype(np.uint16) * 257) + 100
    data, notes = written(samples.still(pixels), "AVIF")
    assert bits_of(data) == 12
    assert "16 bits a channel became 12, all that AVIF holds" in notes
    assert np.abs(read(data).frames[0].pixels.astype(int) - pixels).mean() < 257


def test_a_deep_avif_becomes_8_bits_with_a_note() -> None:
    picture = enlarged(read(avif_of(deep(10, 9, 7, 3), 10)))
    assert "10 bits a channel became 8, all that JPEG holds" in written(picture, "JPEG")[1]


def test_no_channel_is_shifted() -> None:
    pixels = (90 + smooth(48, 64) * 0.3).round().astype(np.uint8)
    shown = np.asarray(opened(written(samples.still(pixels), "AVIF")[0]).convert("RGB"))
    assert np.abs((shown.astype(float) - pixels).mean(axis=(0, 1))).max() < 0.3


# ---------------------------------------------------------------------------------- aperture


def clipped(data: bytes, window: tuple[int, int, int, int], size: tuple[int, int]) -> bytes:
    """The file with a clean aperture: top, left, height and width out of ``size``."""
    top, left, height, width = window
    right, down = 2 * left + width - size[1], 2 * top + height - size[0]
    body = struct.pack(">IIIIiIiI", width, 1, height, 1, right, 2, down, 2)
    made = bytearray(insert_items(data, properties=[(b"clap", body)]))
    # What crops is essential: a reader that does not know it must not show the picture.
    place = made.index(b"ipma")
    made[place - 4 + int.from_bytes(made[place - 4 : place], "big") - 1] |= 0x80
    return bytes(made)


@pytest.mark.parametrize(
    "window", [(0, 0, 24, 32), (12, 16, 24, 32), (5, 3, 11, 13), (47, 63, 1, 1)]
)
@pytest.mark.parametrize("bits", [None, 10])
def test_only_the_clean_aperture_is_read(
    window: tuple[int, int, int, int], bits: int | None, tmp_path: Path
) -> None:
    pixels = levels(48, 64, 3) if bits is None else deep(bits, 48, 64, 3)
    data = avif_of(pixels, bits)
    top, left, height, width = window
    whole, shown = (read(each).frames[0].pixels for each in (data, clipped(data, window, (48, 64))))
    assert np.array_equal(shown, whole[top : top + height, left : left + width])
    path = tmp_path / "a.avif"
    path.write_bytes(clipped(data, window, (48, 64)))
    assert read_head(path, Limits()).size == (height, width)


def test_a_clean_aperture_beyond_the_picture_is_as_none() -> None:
    data = clipped(avif_of(levels(48, 64, 3)), (40, 0, 20, 20), (48, 64))
    assert read(data).size == (48, 64)


def test_the_result_has_no_clean_aperture() -> None:
    data = clipped(avif_of(levels(48, 64, 3)), (12, 16, 24, 32), (48, 64))
    again = rewritten(data, "AVIF")
    assert opened(again).size == (64, 48)
    assert b"clap" not in again


# ------------------------------------------------------------------------------------- items


def test_exif_xmp_and_profile_are_put_into_a_deep_avif() -> None:
    exif, icc = samples.exif(1), samples.p3_profile()
    known = Image.Exif()
    known.load(exif)
    make = known[0x010F]
    picture = samples.still(levels(9, 7, 3, dtype=np.uint16), exif=exif, icc=icc)
    image = opened(written(picture, "AVIF")[0])
    assert image.info["icc_profile"] == icc
    assert image.getexif()[0x010F] == make
    assert b"samsr" in image.info["xmp"]


def test_pixels_stay_what_they_are_when_items_are_added() -> None:
    pixels = deep(10, 9, 7, 3)
    data = insert_items(avif_of(pixels, 10), exif=samples.exif(1), xmp=b"<x/>")
    assert np.array_equal(
        imagecodecs.avif_decode(data), imagecodecs.avif_decode(avif_of(pixels, 10))
    )


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.6])
def test_boxes_cut_short_tell_nothing_or_what_is_there(share: float) -> None:
    data = avif_of(levels(9, 7, 3))
    cut = io.BytesIO(data[: int(len(data) * share)])
    found = still_properties(cut)
    assert found is None or found.bits == 8


def test_a_box_says_its_own_length() -> None:
    assert pack_box(b"free", b"abc") == b"\0\0\0\x0bfreeabc"


def test_a_picture_says_how_many_bits_mean_something() -> None:
    picture: Picture = read(avif_of(deep(12, 9, 7, 3), 12))
    assert picture.bits == 12


def test_an_animated_avif_of_10_bits_is_read_as_8_and_it_is_said() -> None:
    frames = [Image.fromarray(levels(24, 32, 3, seed=k)) for k in range(2)]
    data = samples.saved(frames[0], "AVIF", save_all=True, append_images=frames[1:], duration=50)
    # Only the boxes of the file say so; its pixels are left as they are.
    place = data.index(b"av1C") + 6
    deep = data[:place] + bytes([data[place] | 0x40]) + data[place + 1 :]
    assert depth_notes(io.BytesIO(data)) == ()
    assert "10 bits a channel became 8" in depth_notes(io.BytesIO(deep))[0]


@pytest.mark.parametrize(
    ("bits", "written_bits"), [(9, 10), (10, 10), (11, 12), (14, 12), (None, 12)]
)
def test_bits_that_avif_has_not_become_the_next(bits: int | None, written_bits: int) -> None:
    picture = replace(samples.still(levels(9, 7, 3, dtype=np.uint16)), bits=bits)
    assert bits_of(written(picture, "AVIF")[0]) == written_bits


@pytest.mark.parametrize("turn", range(4))
@pytest.mark.parametrize("mirror", [None, 0, 1])
def test_turn_and_mirror_of_boxes_are_an_orientation(turn: int, mirror: int | None) -> None:
    pixels = levels(3, 5, 3)
    turned = np.rot90(pixels, turn)
    # 0: top and bottom change places; 1: left and right (ISO/IEC 23008-12, 6.5.12).
    shown = {None: turned, 0: turned[::-1], 1: turned[:, ::-1]}[mirror]
    properties = ItemProperties(turn=turn, mirror=mirror)
    assert np.array_equal(turn_upright(pixels, properties.orientation), shown)
