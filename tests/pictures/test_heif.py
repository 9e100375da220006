"""HEIC is read with its bits, colours and what stands beside them."""

import numpy as np
import pytest

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures.formats import format_kept
from tests.pictures import heic_samples as heic
from tests.pictures import samples
from tests.pictures.samples import enlarged, opened, read, written


def error_of(pixels: np.ndarray, unit: int = 1) -> float:
    return float(np.abs(pixels[..., :3] / unit - heic.drawn()).mean())


def test_heic_is_read_closely() -> None:
    pixels = read(heic.PLAIN).frames[0].pixels
    assert pixels.dtype == np.uint8
    assert error_of(pixels) < 1


def test_10_bits_of_heic_are_kept() -> None:
    picture = read(heic.DEEP)
    assert picture.frames[0].pixels.dtype == np.uint16
    assert picture.bits == 10
    assert error_of(picture.frames[0].pixels, 257) < 0.5


def test_the_profile_of_heic_is_kept() -> None:
    icc = read(heic.WITH_PROFILE).metadata.icc
    assert icc is not None
    # The time of its making stands before.
    assert icc[36:] == samples.p3_profile()[36:]


def test_the_alpha_of_heic_is_kept() -> None:
    alpha = read(heic.ALPHA).frames[0].pixels[..., 3].astype(int)
    assert np.abs(alpha[:, :31] - 255).max() <= 2
    assert np.abs(alpha[:, 33:] - 128).max() <= 2


def test_heic_is_not_turned_by_exif_and_not_called_turned() -> None:
    picture = read(heic.WITH_EXIF)
    assert picture.size == (48, 64)
    image = opened(written(enlarged(picture), "JPEG")[0])
    assert image.getexif().get(0x0112, 1) == 1
    assert image.getexif()[0x010F] == "Acme"


def test_heic_is_written_as_png_unless_another_format_is_named() -> None:
    assert format_kept(read(heic.PLAIN).format).name == "PNG"


def test_a_heic_whose_items_are_called_by_no_text_is_refused() -> None:
    # The decoder would take the process with it.
    data = heic.PLAIN.replace(b"\0Exif\0", b"\0\xff\xffif\0", 1)
    assert data != heic.PLAIN
    with pytest.raises(InputError, match="sample: damaged"):
        read(data)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 0.9])
def test_a_heic_cut_short_is_refused(share: float) -> None:
    with pytest.raises(Exception, match=r"sample: (damaged|is |not a picture)"):
        read(heic.PLAIN[: int(share * len(heic.PLAIN))])
