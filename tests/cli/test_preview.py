"""``samsr preview`` on the command line."""

from pathlib import Path

import pytest

from tests.helpers import draw_photos, loaded_by, samsr, write_weights


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return write_weights(tmp_path / "tiny.safetensors")


def test_the_page_is_called_by_the_picture_and_its_path_goes_to_stdout(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    draw_photos(tmp_path / "in", ["cat.png"])
    ran = samsr("preview", "in/cat.png", "--model", weights)
    assert ran.exit_code == 0, ran.stderr
    assert ran.stdout == "cat-preview.html\n"
    assert "samsr upscale in/cat.png in/cat-x4.png" in Path("cat-preview.html").read_text("utf-8")


def test_a_page_that_is_there_is_not_replaced_unless_it_is_asked_for(
    tmp_path: Path, weights: Path
) -> None:
    photo = draw_photos(tmp_path / "in", ["cat.png"]) / "cat.png"
    page = tmp_path / "page.html"
    page.write_text("mine")
    ran = samsr("preview", photo, "-o", page, "--model", weights)
    assert (ran.exit_code, page.read_text()) == (3, "mine")
    assert "--overwrite replaces it" in ran.stderr
    assert samsr("preview", photo, "-o", page, "--model", weights, "--overwrite").exit_code == 0
    assert page.read_text("utf-8") != "mine"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("none.png",), "none.png"),
        (("in/cat.png", "-o", "page.png"), "page.png: the page is an .html file"),
        (("in/cat.png", "-o", "nowhere/page.html"), "there is no folder nowhere"),
        (("in/cat.png", "--scale", "99"), "--scale 99: allowed are 1 to 16"),
        (("in/cat.png", "--device", "toaster"), "--device toaster"),
    ],
)
def test_what_cannot_be_used_is_an_error(
    arguments: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    weights = write_weights(tmp_path / "tiny.safetensors")
    draw_photos(tmp_path / "in", ["cat.png"])
    ran = samsr("preview", *arguments, "--model", weights)
    assert ran.exit_code == 3
    assert told in ran.stderr
    assert not list(tmp_path.glob("*.html"))


def test_a_place_that_cannot_be_is_told_before_anything_heavy_is_loaded(tmp_path: Path) -> None:
    page = tmp_path / "nowhere" / "page.html"
    _, loaded = loaded_by("preview", "cat.jpg", "-o", str(page), code=3)
    assert "torch" not in loaded


def test_help_of_the_preview_loads_nothing_heavy() -> None:
    text, loaded = loaded_by("preview", "--help")
    assert "samsr preview cat.jpg" in text
    assert not loaded & {"torch", "numpy", "PIL"}
