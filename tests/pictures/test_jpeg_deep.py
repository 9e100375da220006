"""JPEG of 12 bits and lossless JPEG are read, with what stands beside their pixels."""

import struct

import imagecodecs
import numpy as np
import pytest

from sam_diffsr_cli.errors import InputError
from tests.pictures import samples
from tests.pictures.samples import levels, opened, read, rewritten, written


def deep_photo(channels: int = 3) -> np.ndarray:
    """Soft shapes of 12 bits."""
    y, x = np.mgrid[:48, :64]
    planes = [400 + 40 * x, 300 + 60 * y, 3000 - 30 * x]
    return np.stack(planes[:channels], axis=-1).astype(np.uint16)


def encoded(pixels: np.ndarray) -> bytes:
    plain = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    return bytes(imagecodecs.jpeg_encode(plain, level=98, bitspersample=12))


def with_segments(data: bytes) -> bytes:
    """Put EXIF with an orientation, and a profile, behind the start of the file."""
    exif = samples.with_prefix(samples.exif(6))
    icc = b"ICC_PROFILE\0\1\1" + samples.p3_profile()
    segments = [(0xE1, exif), (0xE2, icc), (0xFE, b"hello")]
    made = b"".join(struct.pack(">BBH", 0xFF, m, len(b) + 2) + b for m, b in segments)
    return data[:2] + made + data[2:]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_jpeg_of_12_bits_is_read_closely(channels: int) -> None:
    pixels = deep_photo(channels)
    picture = read(encoded(pixels))
    assert picture.bits == 12
    assert picture.format == "JPEG"
    error = picture.frames[0].pixels * (4095 / 65535) - pixels
    assert np.abs(error).mean() < 8


def test_what_stands_beside_12_bits_is_carried_and_the_photo_is_turned() -> None:
    data = with_segments(encoded(deep_photo()))
    picture = read(data)
    assert picture.size == (64, 48)
    assert picture.metadata.icc is not None
    image = opened(rewritten(data, "PNG"))
    assert image.getexif()[0x010F] == "Acme Optics"
    assert image.size == (96, 128)


def test_12_bits_become_8_in_jpeg_and_it_is_said() -> None:
    assert (
        "12 bits a channel became 8, all that JPEG holds"
        in written(read(encoded(deep_photo())), "JPEG")[1]
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_lossless_jpeg_is_read_exactly(dtype: type) -> None:
    pixels = levels(12, 9, dtype=dtype)
    data = bytes(imagecodecs.ljpeg_encode(pixels))
    assert np.array_equal(read(data).frames[0].pixels[..., 0], pixels)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.8])
def test_a_12_bit_jpeg_cut_short_is_refused_by_its_kind(share: float) -> None:
    data = encoded(deep_photo())
    with pytest.raises(InputError, match=r"sample: (damaged|not a picture)"):
        read(data[: int(share * len(data))])
