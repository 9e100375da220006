"""What a person has in a file is in the larger file too, or it is said what is not."""

import io
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageSequence, JpegImagePlugin, PngImagePlugin

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures.change import Change
from sam_diffsr_cli.pictures.encoders import WriteOptions
from sam_diffsr_cli.pictures.exif import orientation_of, upright_exif
from sam_diffsr_cli.pictures.formats import FORMATS, format_named
from sam_diffsr_cli.pictures.records import STRIPPED, Frame, Metadata, Picture
from sam_diffsr_cli.pictures.writing import (
    check_fits,
    encode_picture,
    prepare_metadata,
)
from sam_diffsr_cli.pictures.xmp import record_of, upright_xmp, with_record
from tests.pictures import samples
from tests.pictures.samples import (
    RECORD,
    enlarged,
    levels,
    opened,
    photo,
    read,
    rewritten,
    saved,
    smooth,
    still,
    written,
)

LOSSY_LEVELS = 6.0
"""Mean error of a smooth picture at a good quality; 1 to 2 is usual."""

ALL = [each.name for each in FORMATS]
WITH_ICC = [each.name for each in FORMATS if "icc" in each.keeps]
WITH_EXIF = [each.name for each in FORMATS if "exif" in each.keeps]
WITH_XMP = [each.name for each in FORMATS if "xmp" in each.keeps]
AS_BYTES = ["PNG", "JPEG", "WEBP", "AVIF"]
"""The formats in which EXIF is a block of bytes."""

DEPTHS = pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
CHANNELS = pytest.mark.parametrize("channels", [1, 2, 3, 4])


def notes_of(picture: Picture, name: str) -> str:
    return "; ".join(prepare_metadata(picture, format_named(name), RECORD, strip=False)[1])


def back(picture: Picture, name: str, **options: Any) -> Picture:
    return read(written(picture, name, **options)[0])


# -------------------------------------------------------------------------------------- pixels


@DEPTHS
@CHANNELS
@pytest.mark.parametrize("name", ["PNG", "TIFF"])
def test_exact_formats_keep_every_level(name: str, channels: int, dtype: type) -> None:
    pixels = levels(9, 7, channels, dtype=dtype)
    again = back(still(pixels), name)
    assert again.frames[0].pixels.dtype == dtype
    assert np.array_equal(again.frames[0].pixels, pixels)


@pytest.mark.parametrize("channels", [1, 3])
def test_bmp_keeps_every_level(channels: int) -> None:
    pixels = levels(9, 7, channels)
    assert np.array_equal(back(still(pixels), "BMP").frames[0].pixels, pixels)


@pytest.mark.parametrize("channels", [3, 4])
def test_lossless_webp_keeps_every_level(channels: int) -> None:
    pixels = levels(9, 7, channels)
    assert np.array_equal(back(still(pixels), "WEBP", lossless=True).frames[0].pixels, pixels)


@pytest.mark.parametrize("name", ["JPEG", "WEBP", "AVIF"])
def test_lossy_formats_are_close(name: str) -> None:
    error = back(still(smooth(40, 56)), name).frames[0].pixels.astype(float) - smooth(40, 56)
    assert float(np.abs(error).mean()) < LOSSY_LEVELS


def exact_files() -> dict[str, tuple[bytes, Callable[[bytes], Any]]]:
    pixels, deep = photo(16, 20), photo(16, 20).astype(np.uint16) * 4
    avif, jxl = imagecodecs.avif_encode, imagecodecs.jpegxl_encode
    p3: dict[str, Any] = {"primaries": 12, "transfer": 13}
    return {
        "WEBP": (saved(pixels, "WEBP", lossless=True), lambda d: opened(d).convert("RGB")),
        "JXL": (bytes(jxl(pixels, lossless=True)), imagecodecs.jpegxl_decode),
        "AVIF": (bytes(avif(pixels, level=100)), imagecodecs.avif_decode),
        "AVIF deep": (bytes(avif(deep, level=100, bitspersample=10)), imagecodecs.avif_decode),
        "AVIF P3": (bytes(avif(pixels, level=100, **p3)), imagecodecs.avif_decode),
    }


@pytest.mark.parametrize("kind", ["WEBP", "JXL", "AVIF", "AVIF deep", "AVIF P3"])
def test_what_was_stored_without_loss_is_so_again(kind: str) -> None:
    data, decoded = exact_files()[kind]
    again = rewritten(data, kind.partition(" ")[0])
    assert np.array_equal(np.asarray(decoded(again))[::2, ::2], np.asarray(decoded(data)))


@pytest.mark.parametrize("kind", ["WEBP", "JXL", "AVIF"])
def test_a_quality_goes_before_what_was_stored_without_loss(kind: str) -> None:
    data, decoded = exact_files()[kind]
    again = rewritten(data, kind, quality=60)
    assert not np.array_equal(np.asarray(decoded(again))[::2, ::2], np.asarray(decoded(data)))


@pytest.mark.parametrize("kind", ["WEBP", "AVIF", "JXL"])
def test_what_was_stored_with_loss_is_so_again(kind: str) -> None:
    source = rewritten(saved(photo(16, 20), "PNG"), kind)
    again = rewritten(source, kind)
    assert len(again) < len(rewritten(exact_files()[kind][0], kind)) * 3
    assert not read(again).is_exact


def test_an_animation_that_was_stored_without_loss_is_so_again() -> None:
    frames = [Image.fromarray(np.roll(photo(16, 20), 3 * k, axis=1)) for k in range(3)]
    options: dict[str, Any] = {"save_all": True, "append_images": frames[1:], "duration": 50}
    again = opened(rewritten(saved(frames[0], "WEBP", lossless=True, **options), "WEBP"))
    for frame, after in zip(frames, ImageSequence.Iterator(again), strict=True):
        assert np.array_equal(np.asarray(after.convert("RGB"))[::2, ::2], np.asarray(frame))


@pytest.mark.parametrize("name", ["JPEG", "WEBP", "AVIF"])
def test_less_quality_is_a_smaller_file(name: str) -> None:
    picture = still(photo(64, 64))
    assert len(written(picture, name, quality=30)[0]) < len(written(picture, name, quality=95)[0])


def test_jpeg_keeps_colour_at_full_resolution() -> None:
    with opened(written(still(levels(16, 16, 3)), "JPEG")[0]) as image:
        assert JpegImagePlugin.get_sampling(image) == 0


@pytest.mark.parametrize("name", ["JPEG", "WEBP", "BMP", "GIF"])
def test_16_bits_become_8_and_it_is_said(name: str) -> None:
    pixels = smooth(24, 24).astype(np.uint16) * 257
    data, notes = written(still(pixels), name)
    error = read(data).frames[0].pixels[..., :3].astype(float) - smooth(24, 24)
    assert float(np.abs(error).mean()) < LOSSY_LEVELS
    assert any("16 bits" in note for note in notes)


@pytest.mark.parametrize("name", ["WEBP", "AVIF", "GIF"])
@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_is_kept(name: str, channels: int) -> None:
    pixels = np.full((8, 8, channels), 200, dtype=np.uint8)
    pixels[..., -1] = 255
    pixels[:, 4:, -1] = 0
    got = back(still(pixels), name).frames[0].pixels
    assert np.abs(got[..., -1].astype(int) - pixels[..., -1]).max() <= 2
    assert np.abs(got[:, :4, :-1].astype(int) - 200).max() <= 4


@pytest.mark.parametrize("name", ALL)
def test_views_that_are_not_contiguous_are_written(name: str) -> None:
    whole = smooth(16, 24)
    view = whole[::-1, ::2]
    assert back(still(view), name).size == (16, 12)


@pytest.mark.parametrize("name", ALL)
def test_one_pixel_is_written(name: str) -> None:
    got = back(still(np.full((1, 1, 3), 120, dtype=np.uint8)), name).frames[0].pixels
    assert np.abs(got[..., :3].astype(int) - 120).max() <= 4


@pytest.mark.parametrize("name", ALL)
def test_writing_does_not_change_the_picture(name: str) -> None:
    pixels = levels(6, 6, 3)
    written(still(pixels), name)
    assert np.array_equal(pixels, levels(6, 6, 3))


@settings(max_examples=40, deadline=None)
@given(samples.PIXELS, st.sampled_from(["PNG", "TIFF"]))
def test_any_pixels_come_back(pixels: np.ndarray, name: str) -> None:
    assert np.array_equal(back(still(pixels), name).frames[0].pixels, pixels)


def test_what_the_codec_refuses_is_our_error() -> None:
    too_long = Metadata(exif=b"II*\0" + bytes(70_000))
    with pytest.raises(InputError, match="cannot be written as JPEG"):
        samples.encoded(still(smooth(4, 4)), "JPEG", too_long)


# -------------------------------------------------------------------------------------- frames

DURATIONS = (70.0, 130.0, 200.0)


def moving(channels: int = 3, plays: int = 3, **beside: Any) -> Picture:
    blocks = np.ones((8, 8, 1), dtype=np.uint8)
    frames = []
    for k, duration in enumerate(DURATIONS):
        colours = levels(2, 3, channels, seed=k)
        if channels in (2, 4):
            colours[..., -1] = np.where(colours[..., -1] > 127, 255, 0)
        frames.append(Frame(np.kron(colours, blocks), duration))
    return Picture(
        format="GIF",
        frames=tuple(frames),
        kind="animation",
        plays=plays,
        metadata=Metadata(**beside),
    )


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(
    ("name", "options"), [("PNG", {}), ("GIF", {}), ("WEBP", {"lossless": True})]
)
def test_an_animation_keeps_frames_times_and_repetition(
    name: str, options: dict[str, Any], channels: int
) -> None:
    picture = moving(channels)
    again = back(picture, name, **options)
    assert (again.kind, again.plays) == ("animation", 3)
    assert [frame.duration_ms for frame in again.frames] == list(DURATIONS)
    for old, new in zip(picture.frames, again.frames, strict=True):
        expected = np.broadcast_to(old.pixels, new.pixels.shape) if channels == 1 else old.pixels
        if channels == 4:
            seen = expected[..., 3] == 255
            assert np.array_equal(new.pixels[..., 3], expected[..., 3])
            assert np.array_equal(new.pixels[seen], expected[seen])
        else:
            assert np.array_equal(new.pixels, expected)


def test_an_avif_animation_keeps_frames_and_times() -> None:
    again = back(moving(), "AVIF")
    assert [frame.duration_ms for frame in again.frames] == list(DURATIONS)


def test_other_viewers_see_the_same_frames() -> None:
    with opened(written(moving(4), "GIF")[0]) as image:
        shown = [np.array(frame.convert("RGBA")) for frame in ImageSequence.Iterator(image)]
    for frame, expected in zip(shown, moving(4).frames, strict=True):
        assert np.array_equal(frame[..., 3], expected.pixels[..., 3])


@pytest.mark.parametrize("plays", [0, 1])
def test_a_gif_that_plays_for_ever_differs_from_one_that_plays_once(plays: int) -> None:
    assert back(moving(plays=plays), "GIF").plays == plays


def test_an_animated_png_keeps_what_stands_beside_it() -> None:
    beside: dict[str, Any] = {
        "icc": samples.profile("adobergb"),
        "exif": samples.exif(1),
        "xmp": samples.xmp(1),
        "png_chunks": ((b"gAMA", struct.pack(">I", 45455)), (b"tEXt", b"Title\0A")),
    }
    picture = moving(**beside)
    again = back(picture, "PNG").metadata
    assert again.icc == beside["icc"]
    change = Change(1, picture.size, picture.size)
    assert again.exif == upright_exif(beside["exif"], change)
    assert again.xmp == with_record(upright_xmp(beside["xmp"], change)[0], RECORD)
    assert set(beside["png_chunks"]) <= set(again.png_chunks)


def test_pages_keep_size_kind_and_depth() -> None:
    pages = (levels(5, 6, 3), levels(9, 4, 1, dtype=np.uint16), levels(3, 3, 4))
    picture = Picture(format="TIFF", frames=tuple(map(Frame, pages)), kind="pages")
    again = back(picture, "TIFF")
    assert again.kind == "pages"
    for frame, page in zip(again.frames, pages, strict=True):
        assert frame.pixels.dtype == page.dtype
        assert np.array_equal(frame.pixels, page)


# ------------------------------------------------------------------------------------ EXIF


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("target", AS_BYTES)
@pytest.mark.parametrize("source", ["PNG", "JPEG", "WEBP"])
def test_exif_is_as_it_was_but_upright_and_of_the_new_size(
    source: str, target: str, order: str
) -> None:
    exif = samples.exif(6, order)
    data = saved(smooth(6, 8), source, exif=samples.with_prefix(exif))
    again = read(rewritten(data, target)).metadata.exif
    assert again is not None
    expected = upright_exif(exif, Change(6, (8, 6), (16, 12)))
    assert expected is not None
    if target == "AVIF":
        assert orientation_of(again) in (None, 1)
        assert again[8 + 2 + 12 * 8 + 4 :] == expected[8 + 2 + 12 * 8 + 4 :]
    else:
        assert again == expected
    assert again.index(samples.MAKER_NOTE) == exif.index(samples.MAKER_NOTE)


@pytest.mark.parametrize("name", WITH_EXIF)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(orientation: int, name: str) -> None:
    blocks = np.kron(levels(2, 3, 3), np.ones((8, 8, 1), dtype=np.uint8))
    exif = samples.with_prefix(samples.exif(orientation))
    once = enlarged(read(saved(blocks, "PNG", exif=exif)))
    again = back(once, name, lossless=name == "JXL")
    assert again.size == once.size
    error = again.frames[0].pixels.astype(int) - once.frames[0].pixels
    assert np.abs(error)[8::16, 8::16].max() <= 12


@pytest.mark.parametrize("name", WITH_EXIF)
def test_others_see_the_picture_upright(name: str) -> None:
    exif = samples.with_prefix(samples.exif(6))
    with opened(rewritten(saved(smooth(6, 8), "JPEG", exif=exif), name)) as image:
        assert image.getexif().get(0x0112, 1) == 1
        assert image.getexif()[0x010F] == "Acme Optics"
        assert image.size == (12, 16)


def test_damaged_exif_is_left_out_and_it_is_said() -> None:
    damaged = b"II*\0\xff\xff\xff\xff" + bytes(40)
    data, notes = written(still(smooth(6, 8), exif=damaged), "PNG")
    assert read(data).metadata.exif is None
    assert any("EXIF is damaged" in note for note in notes)


@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_of_a_jpeg_reaches_tiff_and_comes_back_to_jpeg(order: str) -> None:
    exif = samples.exif(6, order)
    jpeg = saved(smooth(6, 8), "JPEG", exif=samples.with_prefix(exif))
    tiff = rewritten(jpeg, "TIFF")
    with tifffile.TiffFile(io.BytesIO(tiff)) as file:
        tags = file.pages.first.tags
        assert tags["Make"].value == "Acme Optics"
        assert tags["GPSTag"].value["GPSLatitudeRef"] == "N"
        assert tags["ExifTag"].value["MakerNote"] == samples.MAKER_NOTE
    with opened(rewritten(tiff, "JPEG")) as image:
        found = image.getexif()
        below = found.get_ifd(0x8769)
        assert found[0x010F] == "Acme Optics"
        assert found[0x4746] == 5
        assert below[0x927C] == samples.MAKER_NOTE
        assert below[0x9201] == -3.5
        assert (below[0xA002], below[0xA003]) == (24, 32)
        assert found.get_ifd(0x8825) == {1: "N", 5: b"\1"}


@pytest.mark.parametrize("path", [["TIFF"], ["TIFF", "PNG"], ["TIFF", "TIFF", "JPEG"]], ids=str)
def test_texts_that_are_not_ascii_keep_their_bytes(path: list[str]) -> None:
    data = saved(smooth(6, 8), "JPEG", exif=samples.with_prefix(samples.exif()))
    for name in path:
        data = rewritten(data, name)
    assert "Zoë Müller\0".encode() in data


def test_a_thumbnail_is_not_shown_any_more() -> None:
    exif = samples.with_prefix(samples.exif())
    with opened(rewritten(saved(smooth(6, 8), "JPEG", exif=exif), "JPEG")) as image:
        assert not image.getexif().get_ifd(-1)


# ------------------------------------------------------------------------------------ profiles


@pytest.mark.parametrize("target", WITH_ICC)
@pytest.mark.parametrize("source", WITH_ICC)
def test_the_profile_is_the_same_bytes(source: str, target: str) -> None:
    icc = samples.profile("adobergb")
    data = rewritten(saved(smooth(6, 8), source, icc_profile=icc), target)
    assert read(data).metadata.icc == icc
    with opened(data) as image:
        assert image.info["icc_profile"] == icc


def test_a_profile_longer_than_a_segment_fits_into_jpeg() -> None:
    icc = samples.profile("adobergb") + np.random.default_rng(0).bytes(200_000)
    assert back(still(smooth(6, 8), icc=icc), "JPEG").metadata.icc == icc


def test_a_gray_picture_keeps_its_profile() -> None:
    icc = samples.profile("gray", gamma=1.8)
    for name in ("PNG", "TIFF", "JPEG"):
        assert back(still(levels(6, 8, 1), icc=icc), name).metadata.icc == icc


# ----------------------------------------------------------------------------------------- XMP


@pytest.mark.parametrize("name", WITH_XMP)
def test_xmp_is_as_it_was_but_upright_of_the_new_size_and_with_the_record(name: str) -> None:
    again = back(still(smooth(60, 80), xmp=samples.xmp(6)), name).metadata.xmp
    upright, _ = upright_xmp(samples.xmp(6), Change(1, (60, 80), (60, 80)))
    assert again == with_record(upright, RECORD)


@pytest.mark.parametrize("name", [name for name in WITH_XMP if name != "JXL"])
def test_others_find_the_record(name: str) -> None:
    with opened(written(still(smooth(6, 8)), name)[0]) as image:
        assert record_of(image.info["xmp"]) == RECORD


@pytest.mark.parametrize("name", WITH_XMP)
def test_a_second_pass_leaves_one_record(name: str) -> None:
    once = back(still(smooth(6, 8)), name, record="first")
    twice = back(once, name, record="second").metadata.xmp
    assert twice is not None
    assert record_of(twice) == "second"
    assert twice.count(b"samsr:record") == 1


def test_the_record_of_a_gif_is_in_its_comment() -> None:
    once = back(still(smooth(6, 8), comment=b"hello"), "GIF").metadata.comment
    assert once is not None
    assert once.startswith(b"hello")
    assert once.endswith(RECORD.encode())


def test_a_second_pass_leaves_one_record_in_a_gif() -> None:
    once = back(still(smooth(6, 8), comment=b"hello"), "GIF", record="first")
    twice = back(once, "GIF", record="second").metadata.comment
    assert twice is not None
    assert twice.startswith(b"hello")
    assert b"first" not in twice
    assert twice.endswith(b"second")


# --------------------------------------------------------------------------- everything else


@pytest.mark.parametrize("target", ["PNG", "JPEG", "TIFF", "BMP"])
@pytest.mark.parametrize("source", ["PNG", "JPEG", "TIFF", "BMP"])
def test_the_density_is_kept(source: str, target: str) -> None:
    data = rewritten(saved(smooth(6, 8), source, dpi=(300, 150)), target)
    with opened(data) as image:
        assert image.info["dpi"] == pytest.approx((300, 150), abs=0.5)


def text_chunks() -> tuple[tuple[bytes, bytes], ...]:
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "A")
    info.add_text("Workflow", "x" * 3000, zip=True)
    info.add_itxt("Author", "Zoë", "de", "Autorin")
    info.add_itxt("Notes", "y" * 3000, zip=True)
    with_texts = saved(smooth(6, 8), "PNG", pnginfo=info)
    return tuple(c for c in samples.png_chunks(with_texts) if c[0].endswith(b"Xt"))


@pytest.mark.parametrize("place", ["before", "after"])
def test_texts_of_a_png_are_the_same_bytes(place: str) -> None:
    chunks = text_chunks()
    raw = b"".join(samples.chunk(*each) for each in chunks)
    data = rewritten(samples.png(levels(6, 8, 3), **{place: raw}), "PNG")
    texts = [each for each in samples.png_chunks(data) if each[0].endswith(b"Xt")]
    assert tuple(texts[: len(chunks)]) == chunks
    assert len(chunks) == 4


def test_colour_chunks_of_a_png_are_kept_before_the_pixels() -> None:
    chunks = [
        (b"gAMA", struct.pack(">I", 45455)),
        (b"cHRM", struct.pack(">8I", *[31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000])),
        (b"cICP", bytes([12, 13, 0, 1])),
        (b"tIME", bytes([7, 200, 1, 2, 3, 4, 5])),
    ]
    raw = b"".join(samples.chunk(*each) for each in chunks)
    found = samples.png_chunks(rewritten(samples.png(levels(6, 8, 3), before=raw), "PNG"))
    kinds = [kind for kind, _ in found]
    assert all(each in found[: kinds.index(b"IDAT")] for each in chunks)


def test_a_profile_and_the_srgb_chunk_do_not_stand_together() -> None:
    icc = samples.profile("adobergb")
    picture = still(levels(6, 8, 3), icc=icc, png_chunks=((b"sRGB", b"\0"),))
    kinds = [kind for kind, _ in samples.png_chunks(written(picture, "PNG")[0])]
    assert b"iCCP" in kinds
    assert b"sRGB" not in kinds


def test_the_density_of_a_png_is_not_written_twice() -> None:
    data = rewritten(saved(smooth(6, 8), "PNG", dpi=(300, 150)), "PNG")
    assert [kind for kind, _ in samples.png_chunks(data)].count(b"pHYs") == 1


def test_exif_in_hexadecimal_becomes_a_chunk_of_its_own() -> None:
    exif = samples.with_prefix(samples.exif(6))
    text = b"Raw profile type exif\0" + b"\nexif\n%8d\n" % len(exif) + exif.hex().encode()
    data = rewritten(samples.png(levels(6, 8, 3), before=samples.chunk(b"tEXt", text)), "PNG")
    chunks = dict(samples.png_chunks(data))
    assert chunks[b"eXIf"] == upright_exif(samples.exif(6), Change(6, (8, 6), (16, 12)))
    assert b"tEXt" not in chunks


def test_the_comment_of_a_jpeg_is_kept() -> None:
    data = rewritten(saved(smooth(6, 8), "JPEG", comment="Zoë".encode()), "JPEG")
    with opened(data) as image:
        assert image.info["comment"] == "Zoë".encode()


@pytest.mark.parametrize("size", [10, 65_000, 200_000])
def test_iptc_of_a_jpeg_is_kept_whole(size: int) -> None:
    body = samples.photoshop(np.random.default_rng(0).bytes(size))
    assert back(still(smooth(6, 8), photoshop=body), "JPEG").metadata.photoshop == body


def test_others_find_the_iptc_of_a_jpeg() -> None:
    data = saved(smooth(6, 8), "JPEG", extra=samples.app13(samples.photoshop(b"caption!")))
    with opened(rewritten(data, "JPEG")) as image:
        assert image.info["photoshop"] == {0x0404: b"caption!"}


@pytest.mark.parametrize("path", [["TIFF"], ["TIFF", "JPEG"], ["TIFF", "TIFF", "JPEG"]], ids=str)
def test_iptc_of_a_jpeg_is_kept_in_tiff(path: list[str]) -> None:
    data = saved(smooth(6, 8), "JPEG", extra=samples.app13(samples.photoshop()))
    for name in path:
        data = rewritten(data, name)
    assert read(data).metadata.photoshop == samples.photoshop()


# --------------------------------------------------------------------------------------- strip

EVERYTHING: dict[str, Any] = {
    "icc": samples.profile("adobergb"),
    "exif": samples.exif(),
    "xmp": samples.xmp(),
    "dpi": (300.0, 150.0),
    "comment": b"hello",
    "photoshop": samples.photoshop(),
    "png_chunks": ((b"tEXt", b"Title\0A"), (b"gAMA", struct.pack(">I", 45455))),
}


@pytest.mark.parametrize("name", ALL)
def test_strip_drops_everything_and_says_nothing(name: str) -> None:
    data, notes = written(still(smooth(6, 8), **EVERYTHING), name, strip_metadata=True)
    beside = read(data).metadata
    assert replace(beside, dpi=None, exif=None) == STRIPPED
    assert notes == ()
    for trace in (b"samsr", b"Acme", b"hello", b"Title", b"8BIM", b"adobe"):
        assert trace not in data


def test_strip_drops_everything_from_an_animation() -> None:
    for name in ("GIF", "PNG", "WEBP", "AVIF"):
        data = written(moving(**EVERYTHING), name, strip_metadata=True)[0]
        assert not any(trace in data for trace in (b"samsr", b"Acme", b"hello", b"Title"))


# --------------------------------------------------------------------------------------- notes

LOST: dict[str, tuple[dict[str, Any], str]] = {
    "icc": ({"icc": samples.profile("adobergb")}, "ICC profile"),
    "exif": ({"exif": samples.exif()}, "EXIF"),
    "xmp": ({"xmp": samples.xmp()}, "XMP"),
    "dpi": ({"dpi": (300.0, 150.0)}, "density"),
    "comment": ({"comment": b"hello"}, "comment"),
    "text": ({"png_chunks": ((b"tEXt", b"Title\0A"),)}, "text"),
    "iptc": ({"photoshop": samples.photoshop()}, "IPTC"),
}


@pytest.mark.parametrize("each", FORMATS, ids=lambda each: each.name)
@pytest.mark.parametrize("kind", LOST)
def test_what_a_format_has_no_room_for_is_said_and_nothing_else(kind: str, each: Any) -> None:
    beside, word = LOST[kind]
    assert (word in notes_of(still(smooth(6, 8), **beside), each.name)) == (kind not in each.keeps)


@pytest.mark.parametrize("name", WITH_XMP)
def test_nothing_is_said_where_nothing_is_lost(name: str) -> None:
    assert notes_of(still(smooth(6, 8)), name) == ""


def test_the_record_that_bmp_cannot_hold_is_said() -> None:
    assert "record" in notes_of(still(smooth(6, 8)), "BMP")


@pytest.mark.parametrize(
    ("beside", "word"),
    [
        ({"exif": samples.exif() + bytes(70_000)}, "EXIF"),
        ({"comment": b"c" * 70_000}, "comment"),
    ],
    ids=["exif", "comment"],
)
def test_what_is_longer_than_a_segment_of_jpeg_is_left_out_and_said(
    beside: dict[str, Any], word: str
) -> None:
    data, notes = written(still(smooth(6, 8), **beside), "JPEG")
    assert read(data).size == (6, 8)
    assert any(word in note and "longer" in note for note in notes)


@pytest.mark.parametrize("length", [65_400, 65_480, 65_493, 65_494, 65_504, 65_530, 65_540])
@pytest.mark.parametrize("kind", ["exif", "comment"])
def test_lengths_about_a_segment_are_written_or_left_out(kind: str, length: int) -> None:
    body = b"c" * length if kind == "comment" else samples.exif().ljust(length, b"\0")
    data, notes = written(still(smooth(6, 8), **{kind: body}), "JPEG")
    kept = getattr(read(data).metadata, kind) or b""
    assert (len(kept) != length) == any("longer" in note for note in notes)
    assert len(kept) in {0, length} or (kind == "exif" and samples.MAKER_NOTE not in kept)


# ----------------------------------------------------------------------------------- what fits


def fits(
    picture: Picture,
    name: str,
    sizes: list[tuple[int, int]] | None = None,
    *,
    lossless: bool = False,
) -> None:
    wanted = sizes or [frame.pixels.shape[:2] for frame in picture.frames]
    check_fits(f"out.{name}", picture, wanted, format_named(name), lossless=lossless)


CLEAR = still(levels(4, 4, 4))
PAGES = Picture(format="TIFF", frames=(Frame(levels(4, 4, 3)),) * 2, kind="pages")

REFUSED: dict[str, tuple[Callable[[], None], str]] = {
    "alpha-jpg": (lambda: fits(CLEAR, "jpg"), "cannot hold transparency"),
    "alpha-bmp": (lambda: fits(CLEAR, "bmp"), "cannot hold transparency"),
    "alpha-gray": (lambda: fits(still(levels(4, 4, 2)), "jpg"), "cannot hold transparency"),
    "frames-jpg": (lambda: fits(moving(), "jpg"), "3 frames"),
    "frames-bmp": (lambda: fits(moving(), "bmp"), "3 frames"),
    "frames-tif": (lambda: fits(moving(), "tif"), "3 frames"),
    "pages-png": (lambda: fits(PAGES, "png"), "2 frames"),
    "pages-gif": (lambda: fits(PAGES, "gif"), "2 frames"),
    "lossless-jpg": (lambda: fits(still(levels(4, 4, 3)), "jpg", lossless=True), "no lossless"),
    "lossless-avif": (lambda: fits(still(levels(4, 4, 3)), "avif", lossless=True), "no lossless"),
    "lossless-gif": (lambda: fits(still(levels(4, 4, 3)), "gif", lossless=True), "no lossless"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_format_cannot_hold_is_refused_with_a_way_out(case: str) -> None:
    call, reason = REFUSED[case]
    with pytest.raises(InputError, match=rf"out\.\w+: .*{reason}") as caught:
        call()
    assert "write" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("name", "lossless"), [("png", True), ("tif", True), ("bmp", True), ("webp", True)]
)
def test_exact_formats_are_lossless(name: str, *, lossless: bool) -> None:
    fits(still(levels(4, 4, 3)), name, lossless=lossless)


@pytest.mark.parametrize("name", ["png", "tif", "webp", "avif", "gif"])
def test_formats_with_alpha_take_it(name: str) -> None:
    fits(CLEAR, name)


@pytest.mark.parametrize("name", ["png", "webp", "avif", "gif"])
def test_formats_that_move_take_animations(name: str) -> None:
    fits(moving(), name)


def test_tiff_takes_pages() -> None:
    fits(PAGES, "tif")


@pytest.mark.parametrize("each", FORMATS, ids=lambda each: each.name)
def test_the_longest_side_of_a_format_fits_and_one_more_does_not(each: Any) -> None:
    picture, name = still(levels(4, 4, 3)), each.suffixes[0][1:]
    fits(picture, name, [(1, each.longest_side)])
    for size in ((1, each.longest_side + 1), (each.longest_side + 1, 1)):
        with pytest.raises(InputError, match=f"{each.longest_side + 1} pixels"):
            fits(picture, name, [(4, 4), size])


@pytest.mark.parametrize("name", ["JPEG", "WEBP", "GIF"])
def test_the_longest_side_is_one_that_the_encoder_takes(name: str) -> None:
    longest = format_named(name).longest_side
    line = np.zeros((1, longest, 1), dtype=np.uint8)
    assert back(still(line), name).size == (1, longest)


def test_an_animated_avif_does_not_hold_the_time(tmp_path: Path) -> None:
    frames = tuple(
        Frame(np.full((16, 20, 3), level, dtype=np.uint8), duration_ms=100) for level in (9, 200)
    )
    picture = Picture(format="AVIF", frames=frames, kind="animation")
    path = tmp_path / "a.avif"
    with path.open("w+b") as file:
        encode_picture(file, picture, format_named("avif"), STRIPPED, WriteOptions())
    data = path.read_bytes()
    for kind in (b"mvhd", b"tkhd", b"mdhd"):
        place = data.index(kind)
        size = 16 if data[place + 4] else 8
        assert data[place + 8 : place + 8 + size] == bytes(size)
    with Image.open(path) as image:
        assert getattr(image, "n_frames", 1) == 2
