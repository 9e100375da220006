"""The committed pictures are what their script draws."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers import PATIENCE_S

FOLDER = Path(__file__).parent
SCRIPT = FOLDER.parent / "workshop" / "samples" / "draw_samples.py"
PNGS = ("leaves.png", "small_letters.png", "still_life.png")
MOST_LEVELS = 2
"""Versions of Pillow and numpy may round differently by so much."""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    subprocess.run(  # noqa: S603 - our own script
        [sys.executable, str(SCRIPT), str(folder)], check=True, timeout=PATIENCE_S
    )
    return folder


def read_levels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), dtype=np.int16)


@pytest.mark.slow
@pytest.mark.parametrize("name", PNGS)
def test_drawing_again_gives_the_committed_pixels(drawn: Path, name: str) -> None:
    again, committed = read_levels(drawn / name), read_levels(FOLDER / name)
    assert again.shape == committed.shape
    assert int(np.abs(again - committed).max()) <= MOST_LEVELS


@pytest.mark.slow
def test_every_picture_that_is_drawn_is_committed(drawn: Path) -> None:
    pictures = {p.name for p in FOLDER.iterdir() if p.suffix in (".png", ".jpg")}
    assert {p.name for p in drawn.iterdir()} == pictures


def test_the_pictures_are_small_files() -> None:
    pictures = [p for p in FOLDER.iterdir() if p.suffix in (".png", ".jpg")]
    assert sum(p.stat().st_size for p in pictures) < 200_000


def test_one_picture_has_odd_sides_that_differ() -> None:
    height, width, _ = read_levels(FOLDER / "small_letters.png").shape
    assert height % 2 == 1
    assert width % 2 == 1
    assert height != width
