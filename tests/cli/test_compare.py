"""``samsr compare``: what it writes, prints and exits with."""

import json
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sam_diffsr_cli.pictures.xmp import with_record
from tests.helpers import samsr as run_samsr

samsr = partial(run_samsr, "compare")
RECORD = '{"tool":"samsr 0.1.0","model":"lite","sha256":"3856c0"}'


def pixels(seed: int, size: tuple[int, int] = (24, 32)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)


def save(path: Path, content: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(content).save(path, xmp=with_record(None, RECORD))
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Holds two folders of results and one of the truth, of three pictures; is entered."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("cat", "dog", "fox")):
        save(tmp_path / "hr" / f"{name}.png", pixels(seed))
        save(tmp_path / "a" / f"{name}.webp", pixels(seed) // 2)
        save(tmp_path / "b" / f"{name}_x4.webp", pixels(10 + seed))
    return tmp_path


def shown(page: Path) -> list[str]:
    return re.findall(r'data-name="([^"]*)"', page.read_text(encoding="utf-8"))


def labels(page: Path) -> Mapping[str, bool]:
    (text,) = re.findall(r'id="labels">(.*?)</script>', page.read_text(encoding="utf-8"))
    return {each["label"]: each["isTruth"] for each in json.loads(text)}


def test_a_page_is_written_and_named_on_stdout(folder: Path) -> None:
    result = samsr("a", "b", "-o", "page.html")
    assert (result.exit_code, result.stdout) == (0, "page.html\n")
    assert shown(folder / "page.html") == ["cat", "dog", "fox"]
    assert labels(folder / "page.html") == {"a": False, "b": False}
    assert "pictures: 3, panels of each: 2, " in result.stderr


def test_a_truth_is_measured_against(folder: Path) -> None:
    assert samsr("a", "b", "--truth", "hr", "-o", "page.html").exit_code == 0
    text = (folder / "page.html").read_text(encoding="utf-8")
    assert labels(folder / "page.html") == {"a": False, "b": False, "truth": True}
    assert "Mean over all pictures" in text
    assert "4 pixels of border left out" in text


def test_the_border_left_out_can_be_set(folder: Path) -> None:
    assert samsr("a", "b", "--truth", "hr", "--shave", "2", "-o", "two.html").exit_code == 0
    assert samsr("a", "b", "--truth", "hr", "-o", "four.html").exit_code == 0
    values = [
        re.findall(r'data-value="([^"]*)"', (folder / name).read_text(encoding="utf-8"))
        for name in ("two.html", "four.html")
    ]
    assert "2 pixels of border" in (folder / "two.html").read_text(encoding="utf-8")
    assert len(values[0]) == len(values[1])
    assert values[0] != values[1]


def test_title_and_labels_can_be_given(folder: Path) -> None:
    result = samsr("old=a", "new=b", "--title", "Old & new", "-o", "page.html")
    text = (folder / "page.html").read_text(encoding="utf-8")
    assert result.exit_code == 0
    assert "<h1>Old &amp; new</h1>" in text
    assert list(labels(folder / "page.html")) == ["old", "new"]


def test_what_the_files_say_made_them_is_on_the_page(folder: Path) -> None:
    samsr("a", "b", "-o", "page.html")
    told = "tool samsr 0.1.0, model lite, sha256 3856c0"
    assert (folder / "page.html").read_text(encoding="utf-8").count(told) == 2


def test_the_first_pictures_can_be_taken(folder: Path) -> None:
    assert samsr("a", "b", "--limit", "2", "-o", "page.html").exit_code == 0
    assert shown(folder / "page.html") == ["cat", "dog"]


def test_single_pictures_are_compared(folder: Path) -> None:
    result = samsr("a/cat.webp", "b/dog_x4.webp", "--truth", "hr/cat.png", "-o", "page.html")
    assert result.exit_code == 0
    assert list(labels(folder / "page.html")) == ["cat", "dog_x4", "truth"]


def test_pictures_can_lie_beside_the_page(folder: Path) -> None:
    assert samsr("a", "b", "--beside", "-o", "page.html").exit_code == 0
    assert len(list((folder / "page_files").iterdir())) == 6


def test_pictures_that_are_not_in_all_are_left_out_and_told(folder: Path) -> None:
    (folder / "b" / "dog_x4.webp").unlink()
    result = samsr("a", "b", "-o", "page.html")
    assert result.exit_code == 0
    assert shown(folder / "page.html") == ["cat", "fox"]
    assert f"{Path('a/dog.webp')} (a): left out" in result.stderr


def test_a_picture_that_cannot_be_read_is_left_out_with_exit_code_6(folder: Path) -> None:
    whole = (folder / "a" / "dog.webp").read_bytes()
    (folder / "a" / "dog.webp").write_bytes(whole[: len(whole) // 2])
    (folder / "b" / "fox_x4.webp").write_bytes(b"no picture")
    result = samsr("a", "b", "--truth", "hr", "-o", "page.html")
    assert result.exit_code == 6
    assert shown(folder / "page.html") == ["cat"]
    assert "dog.webp" in result.stderr
    assert "fox_x4.webp" in result.stderr
    assert "2 of 3 pictures cannot be read and are left out" in result.stderr


def test_nothing_is_written_when_no_picture_can_be_read(folder: Path) -> None:
    for path in (folder / "a").iterdir():
        path.write_bytes(b"no picture")
    result = samsr("a", "b", "-o", "page.html")
    assert (result.exit_code, (folder / "page.html").exists()) == (3, False)


def test_sizes_that_differ_are_an_error_that_names_both(folder: Path) -> None:
    save(folder / "b" / "dog_x4.webp", pixels(1, (24, 30)))
    result = samsr("a", "b", "-o", "page.html")
    assert result.exit_code == 3
    assert f"{Path('b/dog_x4.webp')} has 30x24 pixels" in result.stderr
    assert f"{Path('a/dog.webp')} has 32x24" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a", "-o", "page.html"), "at least two methods"),
        (("a", "nowhere", "-o", "page.html"), "nowhere: no such file"),
        (("a", "b", "-o", "page.txt"), "page.txt: the page is an .html file"),
        (("a", "b", "-o", "nowhere/page.html"), "there is no folder nowhere"),
        (("a", "b", "--truth", "other", "-o", "page.html"), "no picture is in all of"),
    ],
)
def test_what_cannot_be_done_is_told(
    folder: Path, arguments: tuple[str, ...], message: str
) -> None:
    save(folder / "other" / "owl.png", pixels(0))
    result = samsr(*arguments)
    assert result.exit_code == 3
    assert message in result.stderr


@pytest.mark.parametrize("there", ["page.html", "page_files"])
def test_nothing_is_overwritten_unless_asked_to(folder: Path, there: str) -> None:
    (folder / there).mkdir() if there == "page_files" else (folder / there).touch()
    refused = samsr("a", "b", "--beside", "-o", "page.html")
    assert (refused.exit_code, shown_bytes(folder)) == (3, 0)
    assert f"{there}: is there already" in refused.stderr
    assert samsr("a", "b", "--beside", "--overwrite", "-o", "page.html").exit_code == 0


def shown_bytes(folder: Path) -> int:
    page = folder / "page.html"
    return page.stat().st_size if page.exists() else 0


def test_the_help_has_an_example() -> None:
    assert "Example: samsr compare a/ b/ -o page.html" in samsr("--help").stdout


def test_a_picture_as_output_is_a_strip(folder: Path) -> None:
    result = samsr("a", "b", "--truth", "hr", "-o", "strip.png")
    assert result.exit_code == 0, result.stderr
    with Image.open(folder / "strip.png") as strip:
        assert strip.format == "PNG"
    assert result.stdout == "strip.png\n"
    assert samsr("a", "b", "-o", "other.png", "--beside").exit_code == 3
