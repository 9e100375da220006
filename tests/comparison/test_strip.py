"""A strip shows the pixels of each method at the places that differ most."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sam_diffsr_cli.comparison.records import ComparedPicture, Page
from sam_diffsr_cli.comparison.strip import GAP, LINE, PER_PICTURE, ZOOM, write_strip
from sam_diffsr_cli.errors import InputError, ShapeError


def panels() -> dict[str, np.ndarray]:
    """Two results of 100x120 that differ in one square of 64 pixels alone."""
    one = np.random.default_rng(0).integers(0, 256, (100, 120, 3), dtype=np.uint8)
    other = one.copy()
    other[20:84, 40:104] = 255 - other[20:84, 40:104]
    return {"one": one, "other": other}


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_the_crops_are_those_pixels_three_times_as_large(tmp_path: Path, suffix: str) -> None:
    shown = panels()
    page = Page(title="t", methods=list(shown), pictures=[ComparedPicture("cat", shown)])
    path = tmp_path / f"strip{suffix}"
    size = write_strip(page, path)
    assert size == path.stat().st_size
    strip = np.asarray(Image.open(path).convert("RGB"))
    side = 64 * ZOOM
    top = LINE + GAP + LINE
    for column, panel in enumerate(shown.values()):
        left = GAP + column * (side + GAP)
        crop = strip[top : top + side, left : left + side]
        assert np.array_equal(crop[::ZOOM, ::ZOOM], panel[20:84, 40:104])
        assert np.array_equal(crop[1::ZOOM, 2::ZOOM], panel[20:84, 40:104])


def test_there_are_as_many_rows_as_places_and_pictures(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    pictures = [
        ComparedPicture(
            name, {m: generator.integers(0, 256, (200, 200, 3), dtype=np.uint8) for m in "ab"}
        )
        for name in ("cat", "dog")
    ]
    write_strip(Page(title="t", methods=["a", "b"], pictures=pictures), tmp_path / "s.png")
    with Image.open(tmp_path / "s.png") as strip:
        rows = 2 * PER_PICTURE
        assert strip.height == LINE + GAP + rows * (LINE + 64 * ZOOM + GAP)
        assert strip.width == 2 * (64 * ZOOM + GAP) + GAP


def test_equal_results_have_nothing_to_show(tmp_path: Path) -> None:
    one = panels()["one"]
    page = Page(
        title="t", methods=["a", "b"], pictures=[ComparedPicture("cat", {"a": one, "b": one})]
    )
    with pytest.raises(InputError, match="nothing to show"):
        write_strip(page, tmp_path / "s.png")
    assert list(tmp_path.iterdir()) == []


def test_panels_of_two_sizes_are_refused(tmp_path: Path) -> None:
    one = panels()["one"]
    page = Page(
        title="t", methods=["a", "b"], pictures=[ComparedPicture("cat", {"a": one, "b": one[:50]})]
    )
    with pytest.raises(ShapeError, match="cat, b"):
        write_strip(page, tmp_path / "s.png")
