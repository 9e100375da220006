"""Every file that has a name is called by it, whatever its suffix says."""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures import formats, kinds, readers
from sam_diffsr_cli.pictures.kinds import kind_of
from sam_diffsr_cli.pictures.reading import read_head, read_picture
from sam_diffsr_cli.pictures.records import Limits
from tests.pictures import samples
from tests.pictures.heic_samples import PLAIN
from tests.pictures.samples import levels, saved, smooth

HEADS = {
    b"II*\0\x10\0\0\0CR\2\0": "a raw photo (CR2 of Canon)",
    b"FUJIFILMCCD-RAW 0201FF": "a raw photo (RAF of Fujifilm)",
    b"IIRO\x08\0\0\0": "a raw photo (ORF of Olympus)",
    b"IIU\0\x18\0\0\0": "a raw photo (RW2 of Panasonic or Leica)",
    b"\0\0\0\x18ftypcrx \0\0\0\1crx isom": "a raw photo (CR3 of Canon)",
    b"\0\0\0\x18ftypqt  \0\0\0\0qt  ": "a video (QuickTime)",
    b"\0\0\0\x18ftypisom\0\0\0\0isommp41": "a video (MP4)",
    b"RIFF\0\0\0\0AVI LIST": "a video (AVI)",
    b"\0\0\0\x0cjP  \r\n\x87\n": "JPEG 2000",
    b"\xff\xd8\xff\xf7\0\x0b": "JPEG-LS",
    b"8BPS\0\1\0\0": "a Photoshop document (PSD)",
    b"\x76\x2f\x31\x01\2\0\0\0": "OpenEXR",
    b"%PDF-1.7\n": "PDF",
    b"\xef\xbb\xbf<?xml version='1.0'?>\n<svg xmlns='a'/>": "SVG",
    b"<!DOCTYPE html><html>": "a web page (HTML)",
    b"P6 3 2 255\n": "PNM (PBM, PGM, PPM, PAM or PFM)",
    b"qoif\0\0\0\1": "QOI",
}


def refusal(data: bytes, name: str, tmp_path: Path) -> InputError:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        read_picture(path, Limits())
    with pytest.raises(InputError, match=str(caught.value).split("(")[0]):
        read_head(path, Limits())
    return caught.value


@pytest.mark.parametrize(("head", "name"), HEADS.items(), ids=list(HEADS.values()))
def test_what_is_not_read_is_refused_by_its_own_name(
    head: bytes, name: str, tmp_path: Path
) -> None:
    error = refusal(head + bytes(64), "photo.jpg", tmp_path)
    assert f"photo.jpg: is {name}" in str(error)
    assert error.hint


def raw_tiff(*, make: str, sub: bool) -> bytes:
    """A raw photo as cameras lay it out: a small preview, and the mosaic below it or beside it.

    What tells the mosaic lies behind the preview, beyond the first 64 kB.
    """
    file = io.BytesIO()
    extra: list[Any] = [(271, 2, 0, make, True)] if make else []
    mosaic = levels(16, 16, dtype=np.uint16)
    with tifffile.TiffWriter(file) as writer:
        writer.write(
            levels(200, 200, 3), photometric="rgb", metadata=None, extratags=extra, subifds=int(sub)
        )
        writer.write(
            mosaic, photometric=32803, metadata=None, extratags=[(33421, 3, 2, (2, 2), True)]
        )
    return file.getvalue()


@pytest.mark.parametrize("sub", [True, False], ids=["below", "beside"])
@pytest.mark.parametrize(
    ("make", "name"),
    [("NIKON CORPORATION", "NEF of Nikon"), ("SONY", "ARW of Sony"), ("", "of a camera")],
)
def test_the_preview_of_a_raw_photo_is_not_taken_for_the_photo(
    make: str, name: str, sub: bool, tmp_path: Path
) -> None:
    error = refusal(raw_tiff(make=make, sub=sub), "a.tif", tmp_path)
    assert f"is a raw photo ({name})" in str(error)
    assert "develop it first" in str(error.hint)


def test_a_dng_is_named(tmp_path: Path) -> None:
    data = samples.tiff(levels(8, 8, 3), photometric="rgb", extratags=[(50706, 1, 4, (1, 4, 0, 0))])
    assert "is a raw photo (DNG)" in str(refusal(data, "a.tif", tmp_path))


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF"])
def test_what_is_read_is_known_by_its_first_bytes(name: str) -> None:
    kind = kind_of(saved(smooth(8, 8), name))
    assert kind is not None
    assert kind == (name, None)


def test_a_photo_with_a_makers_name_is_no_raw_photo() -> None:
    exif = Image.Exif()
    exif[0x010F] = "NIKON CORPORATION"
    kind = kind_of(saved(smooth(8, 8), "TIFF", exif=exif))
    assert kind is not None
    assert kind.name == "TIFF"


@pytest.mark.parametrize(
    "data", [b"x", b"", b"\0" * 64, b"hello world", b"II*\0", b"\0\0\0\x18ftyp"]
)
def test_what_has_no_name_has_none(data: bytes) -> None:
    kind = kind_of(data)
    assert kind is None or kind.name == "TIFF"


def test_directories_in_a_ring_end() -> None:
    head = b"II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 330, 4, 1, 8, 8)
    assert kind_of(head) == kinds.TIFF


# ------------------------------------------------------------------------------ without extras


@pytest.mark.parametrize("name", ["IMG_1.HEIC", "iphone.jpg"])
def test_heic_without_its_extra_is_refused_with_what_to_install(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "can_read_heif", lambda: False)
    error = refusal(PLAIN, name, tmp_path)
    assert f"{name}: is HEIC" in str(error)
    assert "pip install pi-heif" in str(error.hint)


def test_folders_offer_heic_only_where_it_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert formats.is_readable_name(Path("a.HEIC"))
    monkeypatch.setattr(formats, "can_read_heif", lambda: False)
    assert not formats.is_readable_name(Path("a.HEIC"))


def test_heic_cannot_be_named_for_writing() -> None:
    with pytest.raises(InputError, match="unknown format"):
        formats.format_of(Path("a.heic"))
    assert formats.format_kept("HEIF").name == "PNG"
