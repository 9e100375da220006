"""TIFF of every kind of sample and compression is read, or refused by the name of its kind."""

import io
import struct
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from sam_diffsr_cli.errors import InputError
from tests.pictures.samples import levels, profile, read, smooth, squeezed, tiff


def pixels_of(data: bytes) -> np.ndarray:
    return read(data).frames[0].pixels


def tags(data: bytes) -> dict[int, int]:
    """Where the value of each entry of the first directory of a little-endian TIFF stands."""
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    places = (first + 2 + 12 * index for index in range(count))
    return {struct.unpack_from("<H", data, place)[0]: place + 8 for place in places}


def with_tag(data: bytes, tag: int, value: int) -> bytes:
    changed = bytearray(data)
    struct.pack_into("<H", changed, tags(data)[tag], value)
    return bytes(changed)


# ------------------------------------------------------------------------------- whole numbers


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("width", [7, 8])
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_packed_bits_fill_the_range_of_16(bits: int, width: int, channels: int) -> None:
    top = 2**bits - 1
    stored = np.random.default_rng(bits).integers(0, top, (5, width, channels), dtype=np.uint16)
    stored[0, 0], stored[0, 1] = 0, top
    photometric = "rgb" if channels == 3 else "minisblack"
    data = tiff(squeezed(stored), photometric=photometric, bitspersample=bits)
    picture = read(data)
    assert picture.bits == bits
    assert np.array_equal(picture.frames[0].pixels, np.round(stored / top * 65535))


def test_6_bits_fill_the_range_of_8() -> None:
    stored = (levels(5, 7, 3) >> 2).astype(np.uint8)
    data = tiff(stored, photometric="rgb", bitspersample=6)
    assert np.array_equal(pixels_of(data), np.round(stored / 63 * 255))


def test_32_bits_become_16_and_it_is_said() -> None:
    stored = levels(5, 7, 3, dtype=np.uint16).astype(np.uint32) * 65537
    picture = read(tiff(stored, photometric="rgb"))
    assert np.array_equal(picture.frames[0].pixels, stored // 65537)
    assert picture.notes == ("32 bits a channel became 16",)


# -------------------------------------------------------------------------------------- floats


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_from_0_to_1_are_black_to_white(dtype: type) -> None:
    stored: np.ndarray = np.linspace(0, 1, 35).reshape(5, 7).astype(dtype)
    picture = read(tiff(stored, photometric="minisblack"))
    assert np.abs(picture.frames[0].pixels[..., 0] - stored.astype(float) * 65535).max() <= 0.5
    assert picture.notes == (
        f"floating point of {8 * stored.itemsize} bits became 16 bits a channel",
    )


def test_the_range_of_floats_that_were_clipped_is_said() -> None:
    stored = np.array([[-0.5, 0.25], [1.0, 7.5]], dtype=np.float32)
    picture = read(tiff(stored, photometric="minisblack"))
    assert picture.frames[0].pixels[..., 0].tolist() == [[0, 16384], [65535, 65535]]
    assert "values from -0.5 to 7.5 were clipped to 0 to 1" in picture.notes


def test_what_is_no_number_becomes_black_and_is_counted() -> None:
    stored = np.array([[np.nan, 0.5], [np.inf, 1.0]], dtype=np.float32)
    picture = read(tiff(stored, photometric="minisblack"))
    assert picture.frames[0].pixels[..., 0].tolist() == [[0, 32768], [65535, 65535]]
    assert "1 values that are no numbers became 0" in picture.notes


def test_white_of_floats_may_be_zero() -> None:
    stored = np.array([[0.0, 1.0]], dtype=np.float32)
    assert pixels_of(tiff(stored, photometric="miniswhite")).ravel().tolist() == [65535, 0]


# ------------------------------------------------------------------------------------- colours


def test_inks_of_16_bits_keep_them() -> None:
    stored = levels(5, 7, 4, dtype=np.uint16)
    picture = read(tiff(stored, photometric="separated"))
    light = (65535 - stored.astype(float)) / 65535
    expected = np.round(light[..., :3] * light[..., 3:] * 65535)
    assert np.abs(picture.frames[0].pixels - expected).max() <= 1
    assert "CMYK was converted to sRGB without a usable" in picture.notes[0]
    assert picture.metadata.icc is not None


def test_inks_of_8_bits_agree_with_pillow_however_they_are_compressed() -> None:
    stored = levels(5, 7, 4)
    plain, packed = (
        pixels_of(tiff(stored, photometric="separated", compression=kind))
        for kind in (None, "zstd")
    )
    assert np.abs(plain.astype(int) - packed).max() <= 1


def lab_of(rgb: np.ndarray) -> np.ndarray:
    """CIE Lab of D50 by LittleCMS: L in 0..255 and a, b with an offset of 128."""
    image = ImageCms.profileToProfile(
        Image.fromarray(rgb),
        ImageCms.createProfile("sRGB"),
        ImageCms.createProfile("LAB", 5000),
        outputMode="LAB",
    )
    assert image is not None
    signed = np.asarray(image)
    return np.dstack([signed[..., :1], signed[..., 1:] ^ 128])


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("photometric", ["cielab", "icclab"])
def test_lab_of_either_kind_and_depth_becomes_the_same_srgb(
    photometric: str, *, wide: bool
) -> None:
    rgb = smooth(8, 8) // 2 + 64
    stored = lab_of(rgb).astype(np.uint16)
    if wide:
        stored[..., 0] *= 257
        stored[..., 1:] *= 256
    if photometric == "cielab":
        stored[..., 1:] ^= 0x8000 if wide else 0x80
    data = tiff(stored if wide else stored.astype(np.uint8), photometric=photometric)
    picture = read(data)
    got = picture.frames[0].pixels / (257 if wide else 1)
    # The Lab of 8 bits that it is made from is coarse: a step of b is up to three levels of blue.
    assert np.abs(got - rgb).max() <= 3
    assert np.abs(got - rgb).mean() <= 1
    assert picture.is_deep == wide
    assert "LAB was converted to sRGB" in picture.notes[0]


def ycbcr_tiff(rgb: np.ndarray, across: int, down: int) -> bytes:
    """YCbCr without compression, in units of across x down pixels (TIFF 6.0, section 21)."""
    values = np.asarray(Image.fromarray(rgb).convert("YCbCr"))
    h, w = values.shape[:2]
    units = bytearray()
    for top in range(0, h, down):
        for left in range(0, w, across):
            block = values[top : top + down, left : left + across]
            luma = np.pad(block[..., 0], ((0, down - len(block)), (0, across - block.shape[1])))
            units += (
                luma.tobytes()
                + block[..., 1:].reshape(-1, 2).mean(axis=0).astype(np.uint8).tobytes()
            )
    entries = [
        (256, 3, 1, w),
        (257, 3, 1, h),
        (258, 3, 3, 0),
        (259, 3, 1, 1),
        (262, 3, 1, 6),
        (273, 4, 1, 0),
        (277, 3, 1, 3),
        (278, 3, 1, h),
        (279, 4, 1, len(units)),
        (530, 3, 2, across | down << 16),
    ]
    bits = 8 + 2 + 12 * len(entries) + 4
    places = {258: bits, 273: bits + 6}
    packed = [
        struct.pack("<HHII", tag, kind, number, places.get(tag, value))
        for tag, kind, number, value in entries
    ]
    head = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
    return head + b"".join(packed) + bytes(4) + struct.pack("<3H", 8, 8, 8) + bytes(units)


@pytest.mark.parametrize(("across", "down"), [(1, 1), (2, 1), (2, 2), (4, 2)])
@pytest.mark.parametrize("size", [(8, 8), (7, 9)])
def test_ycbcr_without_compression_is_read(size: tuple[int, int], across: int, down: int) -> None:
    flat = np.tile(np.array((180, 90, 40), dtype=np.uint8), (*size, 1))
    flat[:4] = 40, 60, 200
    got = pixels_of(ycbcr_tiff(flat, across, down))
    assert got.shape == flat.shape
    assert np.abs(got.astype(int) - flat).max() <= 2


def test_a_palette_is_looked_up_however_it_is_compressed() -> None:
    index = levels(5, 7) & 15
    palette = levels(3, 256, dtype=np.uint16)
    data = tiff(index, photometric="palette", colormap=palette, compression="zstd")
    assert np.array_equal(pixels_of(data), (palette.T >> 8).astype(np.uint8)[index])


# --------------------------------------------------------------------------------- compression

LOSSLESS: dict[str, dict[str, Any]] = {
    "zstd": {"compression": "zstd"},
    "zstd-predictor": {"compression": "zstd", "predictor": True},
    "lzma": {"compression": "lzma"},
    "jpeg2000": {"compression": "jpeg2000", "compressionargs": {"level": 0}},
    "webp": {"compression": "webp", "compressionargs": {"lossless": True}},
    "lerc": {"compression": "lerc"},
    "jpegxl": {"compression": "jpegxl", "compressionargs": {"lossless": True}},
    "png": {"compression": "png"},
}


@pytest.mark.parametrize("kind", LOSSLESS)
def test_a_lossless_compression_is_read_exactly(kind: str) -> None:
    pixels = smooth(24, 32)
    assert np.array_equal(pixels_of(tiff(pixels, photometric="rgb", **LOSSLESS[kind])), pixels)


@pytest.mark.parametrize("kind", ["jpeg", "webp", "jpegxl", "jpeg2000"])
def test_a_lossy_compression_is_read_closely(kind: str) -> None:
    pixels = smooth(24, 32)
    data = tiff(pixels, photometric="rgb", compression=kind)
    assert np.abs(pixels_of(data).astype(int) - pixels).mean() <= 3


@pytest.mark.parametrize("kind", [1, 8, 50000, 34712])
def test_libraries_print_nothing_of_their_own(kind: int, capfd: pytest.CaptureFixture[str]) -> None:
    names = {1: None, 8: "zlib", 50000: "zstd", 34712: "jpeg2000"}
    data = tiff(smooth(24, 32), photometric="rgb", compression=names[kind])
    read(data)
    with pytest.raises(InputError):
        read(with_tag(data, 262, 4))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("compression", ["lzw", "zlib", "zstd"])
def test_of_a_file_cut_short_only_our_error_is_told(
    compression: str, capfd: pytest.CaptureFixture[str]
) -> None:
    data = tiff(levels(24, 32, 3), photometric="rgb", compression=compression)
    with pytest.raises(InputError, match="damaged"):
        read(data[: len(data) * 2 // 3])
    assert capfd.readouterr() == ("", "")


# ------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("dtype", "named"),
    [(np.int16, "signed numbers"), (np.complex64, "complex numbers"), (np.uint64, "uint64")],
)
def test_another_kind_of_number_is_refused_by_its_name(dtype: type, named: str) -> None:
    with pytest.raises(InputError, match=named) as caught:
        read(tiff(np.zeros((4, 4), dtype=dtype), photometric="minisblack"))
    assert "16 bits" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("photometric", "named"),
    [(4, "a transparency mask"), (32803, "raw photo"), (32845, "LogLuv"), (999, "kind 999")],
)
def test_another_kind_of_colour_is_refused_by_its_name(photometric: int, named: str) -> None:
    data = with_tag(tiff(levels(4, 4, 3), photometric="rgb"), 262, photometric)
    with pytest.raises(InputError, match=named):
        read(data)


def test_inks_other_than_those_of_print_are_refused() -> None:
    data = tiff(levels(4, 4, 4), photometric="separated", extratags=[(332, 3, 1, 2, True)])
    with pytest.raises(InputError, match="inks other than CMYK"):
        read(data)


def test_a_page_without_pixels_is_refused() -> None:
    with pytest.raises(InputError, match="no pixels"):
        read(with_tag(tiff(levels(4, 4)), 256, 0))


# --------------------------------------------------------------------------------------- pages


def chain(*pages: tuple[np.ndarray, dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for pixels, options in pages:
            writer.write(pixels, metadata=None, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", [1, 4, 5])
def test_a_reduced_copy_or_a_mask_is_no_page(kind: int) -> None:
    whole, half = levels(8, 8), levels(4, 4)
    data = bytearray(chain((whole, {}), (half, {"subfiletype": 1})))
    second = data.rindex(struct.pack("<HHI", 254, 4, 1))
    data[second + 8] = kind
    picture = read(bytes(data))
    assert picture.kind == "still"
    assert np.array_equal(picture.frames[0].pixels[..., 0], whole)


def test_a_page_of_several_is_one() -> None:
    data = chain((levels(8, 8), {"subfiletype": 2}), (levels(4, 4), {"subfiletype": 2}))
    assert len(read(data).frames) == 2


def test_a_reduced_copy_alone_is_the_picture() -> None:
    assert len(read(chain((levels(8, 8), {"subfiletype": 1}))).frames) == 1


def test_inks_go_through_the_profile_of_their_own_page() -> None:
    icc = profile("adobergb")
    data = chain(
        (levels(4, 4, 3), {"photometric": "rgb", "iccprofile": icc}),
        (levels(4, 4, 4), {"photometric": "separated"}),
    )
    metadata = read(data).metadata
    assert metadata.of_page(0).icc == icc
    assert metadata.of_page(1).icc not in (icc, None)
