"""Files of every kind are read whole and upright, and what cannot be read is refused with why."""

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps, PngImagePlugin

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures.reading import read_head, read_picture
from sam_diffsr_cli.pictures.records import Limits, Picture
from tests.pictures import samples
from tests.pictures.samples import levels, read, saved, smooth

LOSSY_LEVELS = 6.0
"""Mean error of a smooth picture at a good quality; 1 to 2 is usual."""

EXACT = ("PNG", "TIFF", "BMP")
LOSSY = ("JPEG", "WEBP", "AVIF")
DEPTHS = pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
CHANNELS = pytest.mark.parametrize("channels", [1, 2, 3, 4])
TURNS = pytest.mark.parametrize("orientation", range(1, 9))


def pixels_of(data: bytes) -> np.ndarray:
    picture = read(data)
    assert picture.kind == "still"
    assert picture.notes == ()
    (frame,) = picture.frames
    return frame.pixels


# ------------------------------------------------------------------------------ plain pictures


@pytest.mark.parametrize("image_format", EXACT)
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (13, 1), (31, 18)], ids=str)
def test_an_exact_format_is_read_exactly(size: tuple[int, int], image_format: str) -> None:
    pixels = levels(*size, 3)
    picture = read(saved(pixels, image_format))
    assert picture.format == image_format
    assert np.array_equal(picture.frames[0].pixels, pixels)


@pytest.mark.parametrize("image_format", LOSSY)
def test_a_lossy_format_is_read_closely(image_format: str) -> None:
    pixels = smooth(40, 56)
    picture = read(saved(pixels, image_format, quality=90))
    assert picture.format == image_format
    error = picture.frames[0].pixels.astype(float) - pixels
    assert float(np.abs(error).mean()) < LOSSY_LEVELS


def test_a_gif_is_read_as_its_colours() -> None:
    pixels = np.kron(levels(2, 2, 3), np.ones((4, 4, 1), dtype=np.uint8))
    assert np.array_equal(pixels_of(saved(pixels, "GIF")), pixels)


@pytest.mark.parametrize("image_format", ["PNG", "TIFF", "BMP", "JPEG"])
def test_gray_stays_gray(image_format: str) -> None:
    assert pixels_of(saved(smooth(9, 12)[..., 0], image_format)).shape == (9, 12, 1)


@pytest.mark.parametrize("image_format", ["PNG", "TIFF", "BMP"])
def test_one_bit_is_read_as_black_and_white(image_format: str) -> None:
    bits = levels(9, 13) > 127
    pixels = pixels_of(saved(Image.fromarray(bits), image_format))
    assert np.array_equal(pixels, bits[..., None] * np.uint8(255))


@pytest.mark.parametrize("image_format", ["PNG", "TIFF"])
@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_is_read_with_the_colours_below_it(channels: int, image_format: str) -> None:
    pixels = levels(8, 9, channels)
    assert np.array_equal(pixels_of(saved(pixels, image_format)), pixels)


def test_the_alpha_of_webp_is_exact() -> None:
    pixels = np.dstack([smooth(16, 24), levels(16, 24, 1)])
    assert np.array_equal(pixels_of(saved(pixels, "WEBP"))[..., 3], pixels[..., 3])


def test_a_transparent_colour_of_a_palette_becomes_alpha() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([250, 0, 0, 0, 0, 250])
    image.putpixel((1, 0), 1)
    for image_format in ("PNG", "GIF"):
        pixels = pixels_of(saved(image, image_format, transparency=1))
        assert pixels[..., 3].tolist() == [[255, 0]]
        assert pixels[0, 0, :3].tolist() == [250, 0, 0]


@pytest.mark.parametrize("masks", [(0x7C00, 0x3E0, 0x1F), (0xF800, 0x7E0, 0x1F)], ids=str)
def test_a_bmp_of_16_bits_a_pixel_has_8_a_channel(masks: tuple[int, int, int]) -> None:
    rows = struct.pack("<HHHH", masks[0], masks[1], masks[2], 0)
    size = 14 + 40 + 12 + len(rows)
    head = struct.pack("<2sIII", b"BM", size, 0, size - len(rows))
    info = struct.pack("<IiiHHIIiiII", 40, 2, 2, 1, 16, 3, len(rows), 0, 0, 0, 0)
    pixels = pixels_of(head + info + struct.pack("<III", *masks) + rows)
    expected = [[[0, 0, 255], [0, 0, 0]], [[255, 0, 0], [0, 255, 0]]]
    assert pixels.tolist() == expected


def test_pixels_that_were_read_can_be_changed() -> None:
    for data in (saved(levels(4, 4, 4), "PNG"), samples.png(levels(4, 4, 4, dtype=np.uint16))):
        assert read(data).frames[0].pixels.flags.writeable


# --------------------------------------------------------------------------------- deep pictures


@DEPTHS
@CHANNELS
def test_a_png_of_either_depth_is_read_exactly(channels: int, dtype: type) -> None:
    pixels = levels(5, 7, channels, dtype=dtype)
    assert np.array_equal(pixels_of(samples.png(pixels)), pixels)


@DEPTHS
@CHANNELS
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (17, 21)], ids=str)
def test_an_interlaced_png_is_read_exactly(
    size: tuple[int, int], channels: int, dtype: type
) -> None:
    pixels = levels(*size, channels, dtype=dtype)
    assert np.array_equal(pixels_of(samples.interlaced_png(pixels)), pixels)


@DEPTHS
@pytest.mark.parametrize("channels", [1, 3])
def test_the_clear_colour_of_a_png_becomes_alpha(channels: int, dtype: type) -> None:
    pixels = levels(5, 7, channels, dtype=dtype)
    key = samples.chunk(b"tRNS", pixels[2, 3].astype(">u2").tobytes())
    is_clear = (pixels == pixels[2, 3]).all(axis=-1)
    read_pixels = pixels_of(samples.png(pixels, before=key))
    assert np.array_equal(read_pixels[..., :channels], pixels)
    assert np.array_equal(
        read_pixels[..., channels], np.where(is_clear, 0, samples.TOP[np.dtype(dtype)])
    )


def test_a_deep_png_with_exif_is_still_deep() -> None:
    pixels = levels(5, 7, 3, dtype=np.uint16)
    data = samples.png(pixels, after=samples.chunk(b"eXIf", samples.exif(1)))
    assert np.array_equal(pixels_of(data), pixels)


TIFF_LAYOUTS: dict[str, dict[str, Any]] = {
    "strips": {"rowsperstrip": 5},
    "tiles": {"tile": (16, 16)},
    "planar": {"planarconfig": "separate"},
    "planar-tiles": {"planarconfig": "separate", "tile": (16, 16)},
    "lzw": {"compression": "lzw"},
    "lzw-predictor": {"compression": "lzw", "predictor": True},
    "deflate-predictor": {"compression": "zlib", "predictor": True},
    "packbits": {"compression": "packbits"},
    "big-endian": {"byteorder": ">"},
    "big-endian-deflate": {"byteorder": ">", "compression": "zlib", "predictor": True},
    "bigtiff": {"bigtiff": True},
}


@DEPTHS
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("layout", TIFF_LAYOUTS)
def test_a_tiff_of_any_layout_is_read_exactly(layout: str, channels: int, dtype: type) -> None:
    options = dict(TIFF_LAYOUTS[layout])
    pixels = levels(37, 40, channels, dtype=dtype)
    stored = samples.squeezed(pixels)
    if options.get("planarconfig") and channels == 1:
        del options["planarconfig"]
    elif options.get("planarconfig"):
        stored = np.ascontiguousarray(np.moveaxis(pixels, -1, 0))
    data = samples.tiff(
        stored,
        photometric="rgb" if channels > 1 else "minisblack",
        extrasamples=["unassalpha"] if channels == 4 else None,
        **options,
    )
    assert np.array_equal(pixels_of(data), pixels)


@DEPTHS
def test_a_tiff_whose_white_is_zero_is_read_with_white_at_the_top(dtype: type) -> None:
    pixels = levels(5, 7, dtype=dtype)
    data = samples.tiff(pixels, photometric="miniswhite")
    assert np.array_equal(pixels_of(data)[..., 0], samples.TOP[np.dtype(dtype)] - pixels)


@DEPTHS
@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("kind", ["assocalpha", "unassalpha"])
def test_the_alpha_of_a_tiff_is_not_premultiplied_when_read(
    kind: str, channels: int, dtype: type
) -> None:
    top = samples.TOP[np.dtype(dtype)]
    pixels: np.ndarray = np.full((3, 4, channels), top // 4, dtype=dtype)
    pixels[..., -1] = top // 2
    data = samples.tiff(
        pixels,
        photometric="rgb" if channels == 4 else "minisblack",
        planarconfig="contig",
        extrasamples=[kind],
    )
    colour = (top // 4) * top / (top // 2) if kind == "assocalpha" else top // 4
    got = pixels_of(data)
    assert got.dtype == dtype
    assert (got[..., -1] == top // 2).all()
    assert np.abs(got[..., :-1] - colour).max() <= 1


# ------------------------------------------------------------------------------------- colours


def test_inks_become_srgb_with_its_profile_and_it_is_said() -> None:
    picture = read(saved(Image.new("CMYK", (8, 6), (255, 0, 0, 0)), "TIFF"))
    assert picture.frames[0].pixels[0, 0].tolist() == [0, 255, 255]
    (note,) = picture.notes
    assert "CMYK" in note
    assert picture.metadata.icc is not None
    assert picture.metadata.icc[16:20] == b"RGB "


def test_a_profile_of_something_else_is_dropped_with_the_inks() -> None:
    other = samples.profile("adobergb")
    picture = read(saved(Image.new("CMYK", (8, 8)), "JPEG", icc_profile=other))
    assert picture.metadata.icc != other


def test_a_lab_tiff_becomes_srgb_and_it_is_said() -> None:
    """The red of sRGB in CIE Lab of D50: 54.3, 80.8, 69.9; TIFF stores a and b signed."""
    lab = np.tile(np.array([138, 81, 70], dtype=np.uint8), (4, 4, 1))
    picture = read(samples.tiff(lab, photometric="cielab"))
    assert np.abs(picture.frames[0].pixels[0, 0].astype(int) - [255, 0, 0]).max() <= 3
    (note,) = picture.notes
    assert "Lab" in note


# --------------------------------------------------------------------------------- orientation


def transposed(stored: np.ndarray, orientation: int) -> np.ndarray:
    image = Image.fromarray(stored)
    image.getexif()[0x0112] = orientation
    upright = ImageOps.exif_transpose(image)
    assert upright is not None
    return np.asarray(upright)


def turned(image_format: str, stored: np.ndarray, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if image_format == "WEBP" else {"quality": 100}
    return saved(stored, image_format, exif=exif, **options)


def head_of(data: bytes, folder: Path) -> tuple[int, int]:
    path = folder / "sample"
    path.write_bytes(data)
    return read_head(path, Limits()).size


@TURNS
@pytest.mark.parametrize("image_format", ["PNG", "WEBP", "JPEG", "TIFF", "AVIF"])
def test_orientation_is_applied_once(image_format: str, orientation: int, tmp_path: Path) -> None:
    stored = np.kron(levels(2, 3, 3), np.ones((16, 16, 1), dtype=np.uint8))
    data = turned(image_format, stored, orientation)
    pixels = pixels_of(data)
    expected = transposed(stored, orientation)
    assert pixels.shape == expected.shape
    most = 0 if image_format in ("PNG", "WEBP", "TIFF") else 12
    assert np.abs(pixels.astype(int) - expected)[8::16, 8::16].max() <= most
    assert head_of(data, tmp_path) == expected.shape[:2]


def rows_of_tiff(orientation: int, dtype: type) -> tuple[np.ndarray, bytes]:
    stored = levels(5, 8, 3, dtype=dtype)
    extra = [(274, 3, 1, orientation, True)]
    return stored, samples.tiff(stored, photometric="rgb", extratags=extra)


@TURNS
@DEPTHS
def test_the_orientation_of_a_tiff_is_applied_once_at_either_depth(
    orientation: int, dtype: type, tmp_path: Path
) -> None:
    stored, data = rows_of_tiff(orientation, dtype)
    planes = [transposed(stored[..., k].astype(np.int32), orientation) for k in range(3)]
    expected = np.stack(planes, axis=-1)
    assert np.array_equal(pixels_of(data), expected)
    assert head_of(data, tmp_path) == expected.shape[:2]


@TURNS
@pytest.mark.parametrize("place", ["before", "after"])
def test_the_exif_of_a_png_is_found_before_and_after_the_pixels(
    orientation: int, place: str, tmp_path: Path
) -> None:
    stored = levels(5, 8, 3, dtype=np.uint16)
    data = samples.png(stored, **{place: samples.chunk(b"eXIf", samples.exif(orientation))})
    expected = transposed(stored[..., 0].astype(np.int32), orientation)
    assert np.array_equal(pixels_of(data)[..., 0], expected)
    assert head_of(data, tmp_path) == expected.shape


def xmp_only(image_format: str, stored: np.ndarray) -> bytes:
    if image_format == "PNG":
        text = b"XML:com.adobe.xmp\0\0\0\0\0" + samples.xmp(6)
        return samples.png(stored, after=samples.chunk(b"iTXt", text))
    packet = samples.xmp(6)
    extra = [(700, 1, len(packet), packet, True)]
    return samples.tiff(stored, photometric="rgb", extratags=extra)


@DEPTHS
@pytest.mark.parametrize("image_format", ["PNG", "TIFF"])
def test_the_orientation_of_xmp_counts_where_exif_has_none(
    image_format: str, dtype: type, tmp_path: Path
) -> None:
    stored = levels(5, 8, 3, dtype=dtype)
    data = xmp_only(image_format, stored)
    expected = np.rot90(stored, -1)
    assert np.array_equal(pixels_of(data), expected)
    assert head_of(data, tmp_path) == expected.shape[:2]


def test_the_orientation_of_exif_goes_before_that_of_xmp() -> None:
    stored = smooth(5, 8)
    exif = samples.with_prefix(samples.exif(1))
    data = saved(stored, "JPEG", exif=exif, xmp=samples.xmp(6))
    assert pixels_of(data).shape == (5, 8, 3)


@DEPTHS
def test_pages_are_each_turned_by_their_own_orientation(dtype: type) -> None:
    file, turns = io.BytesIO(), (6, 1, 3)
    pages = [levels(5, 8, 3, dtype=dtype, seed=k) for k in range(3)]
    with tifffile.TiffWriter(file) as writer:
        for page, orientation in zip(pages, turns, strict=True):
            extra = [(274, 3, 1, orientation, True)]
            writer.write(page, photometric="rgb", metadata=None, extratags=extra)
    frames = read(file.getvalue()).frames
    for frame, page, orientation in zip(frames, pages, turns, strict=True):
        expected = {6: np.rot90(page, -1), 1: page, 3: np.rot90(page, 2)}[orientation]
        assert np.array_equal(frame.pixels, expected)


RESOLUTION, ARTIST, BYTE, SHORT, FLOAT = 0x011A, 0x013B, 1, 3, 11
TURNED = (0x0112, SHORT, b"\6\0\0\0")


@pytest.mark.parametrize(
    ("tags", "size"),
    [
        ([(RESOLUTION, BYTE, bytes(4))], (6, 8)),
        ([(ARTIST, FLOAT, bytes(4))], (6, 8)),
        ([TURNED, (ARTIST, FLOAT, bytes(4))], (8, 6)),
    ],
    ids=["resolution-of-bytes", "artist-a-number", "artist-a-number-and-turned"],
)
def test_a_photo_with_mistyped_exif_is_read_upright(
    tags: list[tuple[int, int, bytes]], size: tuple[int, int]
) -> None:
    entries = b"".join(struct.pack("<HHI4s", tag, kind, 1, value) for tag, kind, value in tags)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)
    assert pixels_of(saved(smooth(6, 8), "JPEG", exif=exif)).shape[:2] == size


# ------------------------------------------------------------------------------------- frames

DURATIONS = (70, 130, 200)


def animation(image_format: str, **options: Any) -> bytes:
    blocks = np.ones((8, 8, 1), dtype=np.uint8)
    frames = [Image.fromarray(np.kron(levels(2, 3, 3, seed=k), blocks)) for k in range(3)]
    return saved(
        frames[0],
        image_format,
        save_all=True,
        append_images=frames[1:],
        duration=list(DURATIONS),
        **options,
    )


@pytest.mark.parametrize(
    ("image_format", "options", "plays"),
    [
        ("GIF", {"loop": 3}, 4),
        ("WEBP", {"loop": 3, "lossless": True}, 3),
        ("PNG", {"loop": 3}, 3),
    ],
)
def test_every_frame_of_an_animation_is_read_with_its_time(
    image_format: str, options: dict[str, Any], plays: int
) -> None:
    picture = read(animation(image_format, **options))
    assert (picture.kind, picture.plays) == ("animation", plays)
    assert [frame.duration_ms for frame in picture.frames] == list(DURATIONS)
    for k, frame in enumerate(picture.frames):
        assert np.array_equal(frame.pixels[4::8, 4::8], levels(2, 3, 3, seed=k))


def test_every_frame_of_an_avif_is_read_with_its_time() -> None:
    picture = read(animation("AVIF", quality=100))
    assert picture.kind == "animation"
    assert [frame.duration_ms for frame in picture.frames] == list(DURATIONS)


@pytest.mark.parametrize(("loop", "expected"), [({"loop": 0}, 0), ({}, 1)])
def test_a_gif_that_plays_for_ever_differs_from_one_that_does_not_say(
    loop: dict[str, int], expected: int
) -> None:
    assert read(animation("GIF", **loop)).plays == expected


def test_the_default_picture_of_an_animated_png_is_no_frame() -> None:
    frames = [Image.fromarray(levels(4, 4, 3, seed=k)) for k in range(3)]
    data = saved(frames[0], "PNG", save_all=True, append_images=frames[1:], default_image=True)
    picture = read(data)
    assert len(picture.frames) == 2
    assert np.array_equal(picture.frames[0].pixels, levels(4, 4, 3, seed=1))


def test_an_animated_png_of_16_bits_keeps_them() -> None:
    deep = [levels(4, 5, 1, dtype=np.uint16, seed=k)[..., 0] for k in range(2)]
    images = [Image.fromarray(frame) for frame in deep]
    picture = read(saved(images[0], "PNG", save_all=True, append_images=images[1:]))
    assert len(picture.frames) == 2
    for frame, stored in zip(picture.frames, deep, strict=True):
        assert np.array_equal(frame.pixels[..., 0], stored)


def test_frames_of_an_animation_share_their_channels() -> None:
    gray = Image.fromarray(levels(4, 4))
    colour = Image.fromarray(np.array([[[200, 10, 20], [30, 40, 250]]], dtype=np.uint8))
    data = saved(gray, "GIF", save_all=True, append_images=[colour.resize((4, 4))], duration=100)
    picture = read(data)
    assert {frame.pixels.shape for frame in picture.frames} == {(4, 4, 3)}
    assert np.array_equal(picture.frames[0].pixels, np.dstack([levels(4, 4)] * 3))


def test_opaque_frames_beside_a_clear_one_are_opaque() -> None:
    opaque = np.full((4, 4, 4), (200, 10, 20, 255), dtype=np.uint8)
    clear = opaque.copy()
    clear[:, 2:] = 0
    images = [Image.fromarray(pixels) for pixels in (opaque, clear)]
    data = saved(
        images[0], "GIF", save_all=True, append_images=images[1:], disposal=2, optimize=False
    )
    first, second = (frame.pixels for frame in read(data).frames)
    assert np.array_equal(first, opaque)
    assert np.array_equal(second[..., 3], clear[..., 3])


def test_pages_of_different_size_and_kind_are_read() -> None:
    file = io.BytesIO()
    pages = (levels(5, 6, 3), levels(9, 4, 1, dtype=np.uint16), levels(3, 3, 4))
    with tifffile.TiffWriter(file) as writer:
        for page in pages:
            photometric = "minisblack" if page.shape[2] == 1 else "rgb"
            writer.write(samples.squeezed(page), photometric=photometric, metadata=None)
    picture = read(file.getvalue())
    assert picture.kind == "pages"
    for frame, page in zip(picture.frames, pages, strict=True):
        assert frame.pixels.dtype == page.dtype
        assert np.array_equal(
            frame.pixels[..., : page.shape[2]], page[..., : frame.pixels.shape[2]]
        )


def test_each_page_keeps_its_own_profile() -> None:
    file = io.BytesIO()
    profiles = (samples.profile("adobergb"), samples.p3_profile())
    with tifffile.TiffWriter(file) as writer:
        for icc in profiles:
            writer.write(levels(4, 4, 3), photometric="rgb", metadata=None, iccprofile=icc)
    picture = read(file.getvalue())
    assert tuple(picture.metadata.of_page(index).icc for index in (0, 1)) == profiles
    assert picture.notes == ()


def test_the_first_picture_of_a_camera_mpo_is_the_photo() -> None:
    first, preview = Image.new("RGB", (16, 12), (200, 40, 40)), Image.new("RGB", (8, 6))
    data = saved(first, "MPO", save_all=True, append_images=[preview])
    picture = read(data)
    assert (picture.format, picture.kind) == ("JPEG", "still")
    assert picture.frames[0].pixels.shape == (12, 16, 3)
    assert abs(int(picture.frames[0].pixels[..., 0].mean()) - 200) <= 3


def test_the_head_tells_format_size_and_frames(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    path.write_bytes(animation("GIF"))
    head = read_head(path, Limits())
    assert (head.format, head.size, head.frames) == ("GIF", (16, 24), 3)


# ------------------------------------------------------------------------------ beside the pixels


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_exif_is_read_as_the_bytes_it_is(image_format: str, order: str) -> None:
    # Pillow keeps the bytes in AVIF when there is no orientation.
    exif = samples.exif(1, order).replace(struct.pack(f"{order}H", 0x0112), b"\xff\xff", 1)
    data = saved(smooth(8, 8), image_format, exif=samples.with_prefix(exif))
    assert read(data).metadata.exif == exif


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_the_profile_is_read_as_the_bytes_it_is(image_format: str) -> None:
    icc = samples.profile("adobergb")
    assert read(saved(smooth(8, 8), image_format, icc_profile=icc)).metadata.icc == icc


def test_a_profile_longer_than_pillows_texts_is_read_out_of_a_png() -> None:
    icc = samples.profile("adobergb") + np.random.default_rng(0).bytes(2_000_000)
    body = b"big\0\0" + zlib.compress(icc, 1)
    data = samples.png(levels(3, 3, 3), before=samples.chunk(b"iCCP", body))
    assert read(data).metadata.icc == icc


@pytest.mark.parametrize("image_format", ["JPEG", "WEBP", "AVIF"])
def test_xmp_is_read_as_the_bytes_it_is(image_format: str) -> None:
    assert read(saved(smooth(8, 8), image_format, xmp=samples.xmp(1))).metadata.xmp == samples.xmp(
        1
    )


def test_segments_of_photoshops_data_are_joined() -> None:
    first, second = samples.photoshop(b"a" * 30), samples.photoshop(b"b" * 30)
    extra = samples.app13(first) + samples.app13(b"Adobe_CM") + samples.app13(second)
    joined = first + second.removeprefix(b"Photoshop 3.0\0")
    assert read(saved(smooth(8, 8), "JPEG", extra=extra)).metadata.photoshop == joined


def test_a_comment_is_read() -> None:
    for image_format in ("JPEG", "GIF"):
        assert read(saved(smooth(8, 8), image_format, comment=b"hi")).metadata.comment == b"hi"


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "TIFF", "BMP"])
def test_the_density_is_read(image_format: str) -> None:
    dpi = read(saved(smooth(8, 8), image_format, dpi=(300, 150))).metadata.dpi
    assert dpi == pytest.approx((300, 150), abs=0.02)


@pytest.mark.parametrize("value", [(0, 0), (-1, 72)])
def test_a_density_that_cannot_be_is_none(value: tuple[int, int]) -> None:
    body = struct.pack(">iiB", *value, 1)
    data = samples.png(levels(3, 3, 3), before=samples.chunk(b"pHYs", body))
    assert read(data).metadata.dpi is None


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize(
    "key",
    ["duration", "loop", "transparency", "dpi", "icc_profile", "exif", "xmp", "comment", "gamma",
     "default_image", "Raw profile type exif", "Title"],
)  # fmt: skip
def test_a_text_of_a_png_is_nothing_but_a_text(key: str, place: str) -> None:
    chunk = samples.chunk(b"tEXt", key.encode() + b"\0" + b"72")
    picture = read(samples.png(levels(3, 3, 3), **{place: chunk}))
    assert np.array_equal(picture.frames[0].pixels, levels(3, 3, 3))
    assert picture.frames[0].duration_ms == 0
    beside = picture.metadata
    assert (beside.icc, beside.exif, beside.xmp, beside.dpi, beside.comment) == (None,) * 5


# --------------------------------------------------------------------------- what cannot be read


def make_empty(path: Path) -> None:
    path.touch()


def make_text(path: Path) -> None:
    path.write_text("not a picture at all")


def make_svg(path: Path) -> None:
    path.write_text("<svg/>")


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


UNUSABLE: dict[str, tuple[Callable[[Path], None], str]] = {
    "gone.png": (lambda _: None, "no such file"),
    "empty.png": (make_empty, "is empty"),
    "text.jpg": (make_text, "not a picture"),
    "svg.svg": (make_svg, "is SVG"),
    "folder.png": (Path.mkdir, "is a folder"),
    "pipe.png": (make_fifo, "not a regular file"),
}


@pytest.mark.parametrize("call", [read_picture, read_head])
@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_file_is_refused_with_its_name_and_the_reason(
    tmp_path: Path, name: str, call: Callable[[Path, Limits], object]
) -> None:
    make, reason = UNUSABLE[name]
    make(tmp_path / name)
    with pytest.raises(InputError, match=reason) as caught:
        call(tmp_path / name, Limits())
    assert name in str(caught.value)


def test_a_name_with_a_zero_byte_is_refused() -> None:
    with pytest.raises(InputError, match=r"cannot be read|no such file"):
        read_picture(Path("a\0b.png"), Limits())


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("image_format", [*EXACT, *LOSSY, "GIF"])
def test_a_file_cut_short_is_refused(image_format: str, share: float) -> None:
    data = saved(samples.photo(64, 64), image_format)
    with pytest.raises(InputError, match=r"sample: (damaged|not a picture)"):
        read(data[: int(len(data) * share)])


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
@CHANNELS
def test_a_deep_png_cut_short_is_refused(channels: int, share: float) -> None:
    data = samples.png(levels(32, 32, channels, dtype=np.uint16))
    with pytest.raises(InputError, match="damaged"):
        read(data[: int(len(data) * share)])


@DEPTHS
def test_a_png_with_a_wrong_checksum_is_refused(dtype: type) -> None:
    data = bytearray(samples.png(levels(8, 8, 3, dtype=dtype)))
    data[data.index(b"IDAT") + 20] ^= 255
    with pytest.raises(InputError, match="damaged"):
        read(bytes(data))


# --------------------------------------------------------------------------------------- limits


def huge(image_format: str) -> bytes:
    """A small file that says it is 16,000 pixels or more on a side."""
    side = 16_000
    if image_format == "PNG":
        header = struct.pack(">IIBBBBB", 2 * side, side, 8, 2, 0, 0, 0)
        rows = samples.chunk(b"IDAT", zlib.compress(bytes(100)))
        return b"\x89PNG\r\n\x1a\n" + samples.chunk(b"IHDR", header) + rows + samples.END
    options = {"lossless": True} if image_format == "WEBP" else {}
    data = bytearray(saved(levels(4, 4, 3), image_format, **options))
    if image_format == "BMP":
        struct.pack_into("<ii", data, 18, side, side)
    elif image_format == "GIF":
        struct.pack_into("<HH", data, 6, side, side)
    elif image_format == "JPEG":
        struct.pack_into(">HH", data, data.index(b"\xff\xc0") + 5, side, side)
    elif image_format == "WEBP":
        struct.pack_into("<I", data, 21, (side - 1) | (side - 1) << 14)
    elif image_format == "TIFF":
        for tag in (256, 257):
            place = data.index(struct.pack("<HH", tag, 4))
            struct.pack_into("<I", data, place + 8, side)
    return bytes(data)


@pytest.mark.parametrize("image_format", ["PNG", "BMP", "GIF", "JPEG", "WEBP", "TIFF"])
def test_an_absurd_size_is_refused_before_decoding(image_format: str) -> None:
    with pytest.raises(InputError, match="than is safe to decode") as caught:
        read(huge(image_format))
    assert "--max-megapixels" in str(caught.value.hint)


def test_an_absurd_second_page_is_refused_before_decoding() -> None:
    pages = [Image.fromarray(levels(4, 4, 3))] * 2
    data = bytearray(saved(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    for tag in (256, 257):
        place = data.rindex(struct.pack("<HH", tag, 4))
        struct.pack_into("<I", data, place + 8, 16_000)
    with pytest.raises(InputError, match="than is safe to decode"):
        read(bytes(data))


@pytest.mark.parametrize("most", [20 * 30, 20 * 30 - 1])
def test_the_limit_on_pixels_is_the_last_that_passes(most: int) -> None:
    data = saved(levels(20, 30, 3), "PNG")
    if most == 600:
        assert read(data, Limits(max_pixels=most)).size == (20, 30)
        return
    with pytest.raises(InputError, match="30x20 pixels"):
        read(data, Limits(max_pixels=most))


def test_the_limit_on_pixels_counts_all_frames() -> None:
    data = animation("GIF")
    assert len(read(data, Limits(max_pixels=3 * 16 * 24)).frames) == 3
    with pytest.raises(InputError, match="3 times"):
        read(data, Limits(max_pixels=3 * 16 * 24 - 1))


def test_the_limit_on_pixels_counts_all_pages() -> None:
    pages = [Image.fromarray(levels(4, 5 + k, 1)[..., 0]) for k in range(3)]
    data = saved(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    assert len(read(data, Limits(max_pixels=4 * (5 + 6 + 7))).frames) == 3
    with pytest.raises(InputError, match="3 times"):
        read(data, Limits(max_pixels=4 * (5 + 6 + 7) - 1))


def test_an_absurd_second_frame_of_a_gif_is_refused_before_decoding() -> None:
    data = bytearray(animation("GIF"))
    second = data.rindex(b"\x2c\0\0\0\0")
    struct.pack_into("<HH", data, second + 5, 60_000, 60_000)
    with pytest.raises(InputError, match="than is safe to decode"):
        read(bytes(data))


@pytest.mark.parametrize("image_format", ["GIF", "WEBP", "PNG"])
def test_more_frames_than_the_limit_are_refused(image_format: str) -> None:
    data = animation(image_format)
    assert len(read(data, Limits(max_frames=3)).frames) == 3
    with pytest.raises(InputError, match="3 frames"):
        read(data, Limits(max_frames=2))


def test_a_limit_can_be_raised() -> None:
    most = Image.MAX_IMAGE_PIXELS
    picture: Picture = read(saved(levels(40, 40, 1), "PNG"), Limits(max_pixels=10**9))
    assert picture.size == (40, 40)
    Image.MAX_IMAGE_PIXELS = most


def test_a_png_without_pixels_is_refused() -> None:
    header = struct.pack(">IIBBBBB", 0, 5, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + samples.chunk(b"IHDR", header) + samples.END
    with pytest.raises(InputError, match="sample"):
        read(data)


def test_pages_in_a_ring_end() -> None:
    data = bytearray(saved(levels(4, 4, 3), "TIFF"))
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    struct.pack_into("<I", data, first + 2 + 12 * count, first)
    assert len(read(bytes(data)).frames) == 1


def test_a_packed_text_that_grows_without_end_does_not_cost_the_picture() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "x" * 5_000_000, zip=True)
    assert read(saved(levels(4, 4, 3), "PNG", pnginfo=info)).size == (4, 4)
