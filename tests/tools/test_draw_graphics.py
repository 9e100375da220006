"""The drawn pages: those of a seed are always the same, and fit to be trained on."""

from pathlib import Path

import numpy as np
import pytest

from sam_diffsr_cli.training.photos import find_photos
from tests.workshop.tools.draw_graphics import draw_page, main


def test_pages_follow_from_the_seed(tmp_path: Path) -> None:
    for folder, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        assert main([str(tmp_path / folder), "--count", "2", "--side", "96", "--seed", seed]) == 0
    read = [[each.path.read_bytes() for each in find_photos([tmp_path / f])] for f in "abc"]
    assert read[0] == read[1]
    assert not set(read[0]) & set(read[2])
    assert read[0][0] != read[0][1]


@pytest.mark.parametrize("number", range(8))
def test_a_page_has_its_size_flat_ground_and_edges(number: int) -> None:
    page = np.asarray(draw_page(str(number), (), 128)).astype(int)
    assert page.shape == (128, 128, 3)
    steps = np.abs(np.diff(page, axis=1)).max(-1)
    assert (steps == 0).mean() > 0.3
    assert (steps > 48).any()


def test_text_is_written_with_the_font_that_is_asked_for() -> None:
    with pytest.raises(OSError, match="cannot open resource"):
        draw_page("0", ["missing.ttf"], 128)
