"""Panels: packed without loss, and all of one size."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sam_diffsr_cli.comparison import panels
from sam_diffsr_cli.comparison.panels import load_panels, pack
from sam_diffsr_cli.comparison.records import ComparedPicture, Page
from sam_diffsr_cli.errors import InputError, ShapeError
from tests.comparison.samples import pixels

PAGE = Page(title="", methods=("a", "b"), pictures=())


@pytest.mark.parametrize(
    "content",
    [
        pixels(0),
        np.zeros((1, 1, 3), dtype=np.uint8),
        np.random.default_rng(0).integers(0, 256, (40, 30, 3)).astype(np.uint8),
        pixels(1)[:, ::-1],
    ],
    ids=["smooth", "one pixel", "noise", "not contiguous"],
)
def test_packing_keeps_every_pixel(content: np.ndarray) -> None:
    packed = pack(content)
    with Image.open(io.BytesIO(packed.data)) as image:
        assert image.format == packed.kind.upper()
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), content)


def test_the_smaller_of_two_formats_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    webp = pack(pixels(0))
    monkeypatch.setattr(panels, "WEBP_SIDE", 0)
    png = pack(pixels(0))
    assert (webp.kind, png.kind) == ("webp", "png")
    assert len(webp.data) < len(png.data)


def test_what_is_longer_than_webp_can_be_is_png() -> None:
    assert pack(np.zeros((1, 16_384, 3), dtype=np.uint8)).kind == "png"


def test_files_and_arrays_can_be_panels(tmp_path: Path) -> None:
    Image.fromarray(pixels(1)).save(tmp_path / "b.png")
    loaded = load_panels(ComparedPicture("cat", {"a": pixels(0), "b": tmp_path / "b.png"}), PAGE)
    np.testing.assert_array_equal(loaded["a"], pixels(0))
    np.testing.assert_array_equal(loaded["b"], pixels(1))


def test_panels_of_two_sizes_are_refused_by_name(tmp_path: Path) -> None:
    Image.fromarray(pixels(0)[:50, :70]).save(tmp_path / "b.png")
    picture = ComparedPicture("cat", {"a": pixels(0), "b": tmp_path / "b.png"})
    with pytest.raises(ShapeError, match=r"b\.png: 70x50 pixels, but cat, a has 192x128"):
        load_panels(picture, PAGE)


@pytest.mark.parametrize(
    "wrong",
    [pixels(0)[..., 0], pixels(0).astype(np.float32), pixels(0)[..., :2], pixels(0)[:0]],
    ids=["gray", "float", "two channels", "empty"],
)
def test_other_arrays_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ShapeError, match=r"cat, b: expected \(H, W, 3\) uint8"):
        load_panels(ComparedPicture("cat", {"a": pixels(0), "b": wrong}), PAGE)


def test_a_missing_panel_is_named() -> None:
    with pytest.raises(InputError, match="cat: has no panel of 'b'"):
        load_panels(ComparedPicture("cat", {"a": pixels(0)}), PAGE)


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "b.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"b\.png"):
        load_panels(ComparedPicture("cat", {"a": pixels(0), "b": tmp_path / "b.png"}), PAGE)
