"""TIFF pages of every depth are written so that others read them, and deep ones are read whole."""

import io

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures import tiff
from sam_diffsr_cli.pictures.records import Frame, Limits, Metadata
from tests.pictures import samples
from tests.pictures.samples import read

KINDS = pytest.mark.parametrize(
    ("channels", "dtype"), [(c, d) for c in (1, 2, 3, 4) for d in (np.uint8, np.uint16)]
)
SIZES = [(1, 1), (1, 7), (13, 1), (31, 18)]


def encoded(*pages: np.ndarray, **beside: object) -> bytes:
    file = io.BytesIO()
    metadata = Metadata(**beside)  # type: ignore[arg-type]  # as the tests below give them
    tiff.write_tiff(file, [Frame(page) for page in pages], metadata)
    return file.getvalue()


def deep_page(data: bytes, index: int = 0, limits: Limits | None = None) -> np.ndarray:
    pixels = samples.read(data, limits).frames[index].pixels
    assert pixels.dtype == np.uint16
    return pixels


def exif_of(data: bytes) -> bytes | None:
    return samples.read(data).metadata.exif


# ------------------------------------------------------------------------------------- writing


@KINDS
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_tifffile_reads_back_what_was_written(
    size: tuple[int, int], channels: int, dtype: type
) -> None:
    pixels = samples.levels(*size, channels, dtype=dtype)
    back = tifffile.imread(io.BytesIO(encoded(pixels)))
    assert back.dtype == dtype
    assert np.array_equal(back.reshape(pixels.shape), pixels)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_pillow_reads_back_8_bits(size: tuple[int, int], channels: int) -> None:
    pixels = samples.levels(*size, channels)
    samples.assert_pillow_reads(encoded(pixels), pixels)


@pytest.mark.parametrize("order", ["<", ">"])
def test_pillow_reads_back_16_bits_of_gray_in_either_byte_order(order: str) -> None:
    pixels = samples.levels(9, 8, 1, dtype=np.uint16)
    data = encoded(pixels, exif=samples.exif(1, order))
    assert data[:2] == (b"II" if order == "<" else b"MM")
    with samples.opened(data) as image:
        assert np.array_equal(np.asarray(image), pixels[..., 0])


@settings(max_examples=30)
@given(samples.PIXELS, st.sampled_from("<>"))
def test_any_pixels_come_back(pixels: np.ndarray, order: str) -> None:
    back = tifffile.imread(io.BytesIO(encoded(pixels, exif=samples.exif(1, order))))
    assert np.array_equal(back.reshape(pixels.shape), pixels)


@KINDS
def test_views_that_are_not_contiguous_come_back(channels: int, dtype: type) -> None:
    whole = samples.levels(9, 16, 4, dtype=dtype)
    for view in (whole[::-1, ::2, :channels], whole.swapaxes(0, 1)[..., :channels]):
        back = tifffile.imread(io.BytesIO(encoded(view)))
        assert np.array_equal(back.reshape(view.shape), view)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_many_strips_come_back(dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff, "STRIP_BYTES", 300)
    pixels = samples.levels(101, 17, 3, dtype=dtype)
    data = encoded(pixels)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        assert len(file.pages.first.dataoffsets) > 10
        assert np.array_equal(file.pages.first.asarray(), pixels)
    if dtype == np.uint8:
        with samples.opened(data) as image:
            assert np.array_equal(np.asarray(image), pixels)


def test_the_pixels_given_are_not_changed() -> None:
    pixels = samples.levels(5, 6, 3)
    encoded(pixels)
    assert np.array_equal(pixels, samples.levels(5, 6, 3))


def test_pages_of_different_size_and_kind_come_back() -> None:
    pages = (
        samples.levels(5, 6, 3),
        samples.levels(9, 4, 1, dtype=np.uint16),
        samples.levels(2, 2, 4),
    )
    with tifffile.TiffFile(io.BytesIO(encoded(*pages))) as file:
        assert len(file.pages) == 3
        for page, pixels in zip(file.pages, pages, strict=True):
            assert np.array_equal(page.asarray().reshape(pixels.shape), pixels)


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_is_written_as_not_premultiplied(channels: int) -> None:
    with tifffile.TiffFile(io.BytesIO(encoded(samples.levels(3, 3, channels)))) as file:
        assert [int(kind) for kind in file.pages.first.extrasamples] == [2]


def test_a_photo_is_at_most_a_tenth_larger_than_pillows() -> None:
    pixels = samples.photo(256, 256)
    theirs = samples.saved(pixels, "TIFF", compression="tiff_adobe_deflate", tiffinfo={317: 2})
    assert len(encoded(pixels)) <= 1.1 * len(theirs)


def test_a_file_too_large_for_tiff_is_bigtiff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff, "CLASSIC_LIMIT", 10)
    pixels = samples.levels(5, 6, 3)
    data = encoded(pixels, exif=samples.exif(), icc=b"profile", xmp=samples.xmp())
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        assert file.is_bigtiff
        assert np.array_equal(page.asarray(), pixels)
        assert page.tags[271].value == "Acme Optics"
        assert page.tags[700].value == samples.xmp()


def test_what_a_file_too_large_for_tiff_has_no_room_for_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    picture = samples.still(samples.levels(5, 6, 3), exif=samples.exif(1))
    assert not [note for note in samples.written(picture, "TIFF")[1] if "4 GiB" in note]
    monkeypatch.setattr(tiff, "CLASSIC_LIMIT", 10)
    assert [note for note in samples.written(picture, "TIFF")[1] if "EXIF and GPS" in note]


def test_damaged_exif_does_not_cost_the_picture() -> None:
    pixels = samples.levels(5, 6, 3)
    back = tifffile.imread(io.BytesIO(encoded(pixels, exif=b"II*\0\xff\xff\xff\xff")))
    assert np.array_equal(back, pixels)


# ------------------------------------------------------------------------------------ metadata


@pytest.mark.parametrize("order", ["<", ">"])
def test_pillow_finds_exif_and_gps(order: str) -> None:
    with samples.opened(encoded(samples.levels(5, 6, 3), exif=samples.exif(1, order))) as image:
        found = image.getexif()
        below = found.get_ifd(0x8769)
        assert found[0x010F] == "Acme Optics"
        assert below[0x927C] == samples.MAKER_NOTE
        assert below[0x9201] == -3.5
        assert found.get_ifd(0x8825) == {1: "N", 5: b"\1"}


@pytest.mark.parametrize("order", ["<", ">"])
def test_texts_keep_their_bytes(order: str) -> None:
    data = encoded(samples.levels(5, 6, 3), exif=samples.exif(1, order))
    assert "Zoë Müller\0".encode() in data


def test_other_pages_carry_the_profile_but_not_the_texts() -> None:
    page = samples.levels(5, 6, 3)
    data = encoded(page, page, exif=samples.exif(), icc=b"a profile", dpi=(300.0, 150.0))
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        first, second = (file.pages[k].aspage().tags for k in (0, 1))
        assert first[34675].value == second[34675].value == b"a profile"
        assert second[282].value == (300, 1)
        assert 271 in first
        assert 271 not in second
        assert 34665 not in second


@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_comes_back_through_tiff_field_by_field(order: str) -> None:
    data = encoded(samples.levels(5, 6, 3), exif=samples.exif(1, order))
    again = exif_of(data)
    assert again is not None
    assert exif_of(encoded(samples.levels(5, 6, 3), exif=again)) == again
    assert samples.MAKER_NOTE in again
    assert "Zoë Müller\0".encode() in again


def test_a_tiff_without_texts_has_no_exif() -> None:
    assert exif_of(encoded(samples.levels(5, 6, 3))) is None


def test_exif_is_read_out_of_bigtiff() -> None:
    data = samples.tiff(samples.levels(5, 6, 3), bigtiff=True, photometric="rgb", software="Acme 1")
    exif = exif_of(data)
    assert exif is not None
    assert exif[:4] == b"II*\0"
    assert b"Acme 1\0" in exif


def test_photoshops_data_comes_back() -> None:
    data = encoded(samples.levels(5, 6, 3), photoshop=samples.photoshop())
    assert samples.read(data).metadata.photoshop == samples.photoshop()
    with samples.opened(data) as image:
        assert getattr(image, "tag_v2")[34377] == samples.photoshop()[14:]  # noqa: B009 - TIFF only


# ------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
@pytest.mark.parametrize("extra", [None, "unassalpha"])
def test_deep_gray_has_white_at_the_top(photometric: str, extra: str | None) -> None:
    pixels = samples.levels(5, 6, 2 if extra else 1, dtype=np.uint16)
    data = samples.tiff(
        samples.squeezed(pixels),
        photometric=photometric,
        planarconfig="contig",
        extrasamples=[extra] if extra else None,
    )
    expected = pixels.copy()
    if photometric == "miniswhite":
        expected[..., 0] = 65535 - expected[..., 0]
    assert np.array_equal(deep_page(data), expected)


@pytest.mark.parametrize("extra", ["unspecified", 0])
def test_a_channel_that_is_no_alpha_is_left_out(extra: object) -> None:
    pixels = samples.levels(5, 6, 4, dtype=np.uint16)
    data = samples.tiff(pixels, photometric="rgb", extrasamples=[extra])
    assert np.array_equal(deep_page(data), pixels[..., :3])
    assert any("1 channel that is neither colour nor alpha" in note for note in read(data).notes)


def test_channels_beside_alpha_are_said() -> None:
    pixels = samples.levels(5, 6, 6)
    tags = ["unassalpha", "unspecified", "unspecified"]
    picture = read(
        samples.tiff(pixels, photometric="rgb", planarconfig="contig", extrasamples=tags)
    )
    assert np.array_equal(picture.frames[0].pixels, pixels[..., :4])
    assert any("2 channels that are neither" in note for note in picture.notes)
    assert not read(samples.tiff(pixels[..., :4], photometric="rgb", extrasamples=tags[:1])).notes


def test_premultiplied_colours_are_divided_by_alpha() -> None:
    alpha = np.array([0, 1, 257, 20_000, 65_535], dtype=np.uint16)
    straight = np.array([0, 65_535, 30_000, 40_000, 12_345], dtype=np.float64)
    stored = np.round(straight * alpha / 65535).astype(np.uint16)
    pixels = np.stack([stored, stored, stored, alpha], axis=-1)[None]
    data = samples.tiff(pixels, photometric="rgb", extrasamples=["assocalpha"])
    back = deep_page(data)
    assert np.array_equal(back[..., 3], alpha[None])
    error = np.abs(back[0, 1:, 0].astype(float) - straight[1:])
    assert (error <= 0.5 * 65535 / alpha[1:] + 1).all()


def test_colours_brighter_than_their_alpha_become_the_top() -> None:
    pixels = np.array([[[50_000, 0, 0, 100]]], dtype=np.uint16)
    data = samples.tiff(pixels, photometric="rgb", extrasamples=["assocalpha"])
    assert deep_page(data).tolist() == [[[65535, 0, 0, 100]]]


def test_each_page_is_read_by_its_number() -> None:
    pages = [samples.levels(5, 6 + k, 3, dtype=np.uint16, seed=k) for k in range(3)]
    data = encoded(*pages)
    for index, page in enumerate(pages):
        assert np.array_equal(deep_page(data, index), page)


def test_a_page_beyond_the_limit_is_refused() -> None:
    data = samples.tiff(np.zeros((40, 40), dtype=np.uint16), photometric="minisblack")
    with pytest.raises(InputError, match="safe to decode"):
        deep_page(data, limits=Limits(max_pixels=100))


@pytest.mark.parametrize("compression", [None, "lzw", "zlib"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_a_page_cut_short_is_refused(compression: str | None, share: float) -> None:
    data = samples.tiff(
        samples.levels(40, 40, 3, dtype=np.uint16), photometric="rgb", compression=compression
    )
    with pytest.raises(InputError, match="damaged"):
        deep_page(data[: int(len(data) * share)])
