"""What the stages refuse before any work, seen from the command line."""

from pathlib import Path

import pytest
from PIL import Image

from tests.helpers import samsr


def upscale(weights: Path, *arguments: object) -> tuple[int, str]:
    """Return the exit code, and stderr on one line."""
    ran = samsr("upscale", "--device", "cpu", *arguments, "--weights", weights)
    return ran.exit_code, ran.stderr


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Make two pictures of one name in two folders."""
    for folder, colour in (("x", "red"), ("y", "blue")):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (5, 4), colour).save(tmp_path / folder / "a.png")
    return tmp_path / "x" / "a.png", tmp_path / "y" / "a.png"


def test_no_input_is_overwritten_neither_its_own_nor_another(
    pair: tuple[Path, Path], weights: Path
) -> None:
    before = [path.read_bytes() for path in pair]
    code, stderr = upscale(weights, *pair, pair[1].parent, "--on-exists", "overwrite")
    assert [path.read_bytes() for path in pair] == before
    assert code == 6
    assert f"{pair[1]}: is the input itself, or another" in stderr


def test_an_input_is_not_taken_for_an_output_that_is_there(
    pair: tuple[Path, Path], weights: Path
) -> None:
    code, stderr = upscale(weights, pair[0], pair[1], pair[1].parent, "--on-exists", "skip")
    assert code == 6
    assert "there already" not in stderr


def test_an_output_name_that_no_disk_can_hold_is_told_before_work(
    pair: tuple[Path, Path], weights: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    code, stderr = upscale(weights, pair[0], out, "--suffix", "x" * 300)
    assert code == 3
    assert "cannot be written" in stderr
    assert list(out.iterdir()) == []


def test_an_output_below_a_file_is_told_and_the_file_stays(
    pair: tuple[Path, Path], weights: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("precious")
    code, stderr = upscale(weights, pair[0], tmp_path / "file" / "out.png")
    assert code == 3
    assert "cannot be a folder" in stderr
    assert (tmp_path / "file").read_text() == "precious"
