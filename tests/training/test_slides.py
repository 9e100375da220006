"""Samples in a page: which are chosen, what is embedded, and that the keyboard reaches them."""

import base64
import io
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sam_diffsr_cli.training.journal import ValidationEntry
from sam_diffsr_cli.training.slides import draw_slides, find_samples

PLENTY = 1 << 20


def noise(path: Path, height: int = 60, width: int = 80) -> Path:
    """A PNG that hardly compresses."""
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def validation(step: int, sample: str = "s.png", *, is_best: bool = False) -> ValidationEntry:
    return ValidationEntry("encoder", step, 27.5, None, 1.0, is_best, sample)


class Page(HTMLParser):
    """Elements of a page with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def embedded(page: Page, index: int = 0) -> tuple[str, bytes]:
    kind, _, data = page.all("img")[index]["src"].partition(";base64,")
    return kind, base64.b64decode(data, validate=True)


def test_a_small_png_is_embedded_as_it_is(tmp_path: Path) -> None:
    png = noise(tmp_path / "s.png").read_bytes()
    page = Page(draw_slides([validation(1)], tmp_path, "encoder", len(png)))
    assert embedded(page) == ("data:image/png", png)


def test_a_large_png_is_compressed_within_its_bytes(tmp_path: Path) -> None:
    png = noise(tmp_path / "s.png").read_bytes()
    page = Page(draw_slides([validation(1)], tmp_path, "encoder", len(png) - 1))
    kind, data = embedded(page)
    assert kind == "data:image/webp"
    assert len(data) < len(png)
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (80, 60)


def test_a_picture_is_made_smaller_where_compression_is_not_enough(tmp_path: Path) -> None:
    noise(tmp_path / "s.png")
    page = Page(draw_slides([validation(1)], tmp_path, "encoder", 1500))
    _, data = embedded(page)
    assert len(data) <= 1500
    with Image.open(io.BytesIO(data)) as image:
        assert image.width < 80
    assert (page.all("img")[0]["width"], page.all("img")[0]["height"]) == ("80", "60")


def test_a_picture_that_fits_in_no_way_is_left_out(tmp_path: Path) -> None:
    noise(tmp_path / "s.png")
    assert draw_slides([validation(1)], tmp_path, "encoder", 10) == ""


def test_a_compressed_picture_looks_like_its_png(tmp_path: Path) -> None:
    y, x = np.mgrid[0:120, 0:160]
    pixels = np.stack([x, y, (x + y) // 2], axis=-1).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "s.png", compress_level=0)
    page = Page(draw_slides([validation(1)], tmp_path, "encoder", 20_000))
    with Image.open(io.BytesIO(embedded(page)[1])) as image:
        difference = np.abs(np.asarray(image.convert("RGB")).astype(int) - pixels)
    assert difference.mean() < 2


def test_a_picture_too_long_for_the_compressed_format_is_made_smaller(tmp_path: Path) -> None:
    Image.new("RGB", (20_000, 4)).save(tmp_path / "s.png", compress_level=0)
    page = Page(draw_slides([validation(1)], tmp_path, "encoder", 20_000))
    with Image.open(io.BytesIO(embedded(page)[1])) as image:
        assert image.width == 10_000


@pytest.mark.parametrize("content", [None, b"", b"\x89PNG\r\n\x1a\n damaged", b"text"])
def test_a_missing_or_damaged_picture_is_skipped(tmp_path: Path, content: bytes | None) -> None:
    noise(tmp_path / "s.png")
    if content is not None:
        (tmp_path / "bad.png").write_bytes(content)
    page = Page(draw_slides([validation(1, "bad.png"), validation(2)], tmp_path, "e", PLENTY))
    assert len(page.all("img")) == 1
    assert "after step 2," in page.text


def test_a_picture_cut_short_is_skipped(tmp_path: Path) -> None:
    path = noise(tmp_path / "s.png")
    path.write_bytes(path.read_bytes()[:200])
    assert draw_slides([validation(1)], tmp_path, "encoder", PLENTY) == ""


def test_every_picture_says_what_it_shows(tmp_path: Path) -> None:
    noise(tmp_path / "s.png")
    page = Page(draw_slides([validation(12_000, is_best=True)], tmp_path, "encoder", PLENTY))
    text = "Input, encoder after step 12,000, and truth, PSNR-Y 27.500 dB, best so far"
    assert page.all("img")[0]["alt"] == text
    assert text in page.text


def test_the_keyboard_reaches_every_picture(tmp_path: Path) -> None:
    noise(tmp_path / "s.png")
    page = Page(draw_slides([validation(i) for i in (1, 2, 3)], tmp_path, "encoder", PLENTY))
    buttons = page.all("input")
    assert {(button["type"], button["name"]) for button in buttons} == {("radio", "encoder-sample")}
    assert [label["for"] for label in page.all("label")] == [button["id"] for button in buttons]
    # The style shows the figure that follows the checked button and its label.
    order = [tag for tag, _ in page.elements if tag in {"input", "label", "figure"}]
    assert order == ["input", "label", "figure"] * 3


def test_the_last_picture_is_shown_first(tmp_path: Path) -> None:
    noise(tmp_path / "s.png")
    page = Page(draw_slides([validation(i) for i in (1, 2, 3)], tmp_path, "encoder", PLENTY))
    assert ["checked" in button for button in page.all("input")] == [False, False, True]


def test_a_few_samples_are_all_chosen(tmp_path: Path) -> None:
    noise(tmp_path / "s.png")
    validations = [validation(step) for step in range(12)]
    assert find_samples(validations, tmp_path) == validations


@pytest.mark.parametrize("count", [13, 24, 100, 1000])
def test_of_many_samples_twelve_are_chosen_evenly_with_both_ends(
    tmp_path: Path, count: int
) -> None:
    noise(tmp_path / "s.png")
    chosen = find_samples([validation(step) for step in range(count)], tmp_path)
    steps = [entry.step for entry in chosen]
    distances = np.diff(steps)
    assert len(steps) == 12
    assert (steps[0], steps[-1]) == (0, count - 1)
    assert distances.max() - distances.min() <= 1


def test_validations_without_a_picture_are_not_chosen(tmp_path: Path) -> None:
    noise(tmp_path / "s.png")
    (tmp_path / "folder.png").mkdir()
    names = ("", "gone.png", "folder.png", "s.png")
    validations = [validation(step, name) for step, name in enumerate(names)]
    assert find_samples(validations, tmp_path) == validations[3:]
