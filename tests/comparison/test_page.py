"""The comparison page as a file: everything in it, nothing from outside, whole or not there."""

import base64
import gc
import hashlib
import io
import json
import math
import re
import weakref
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sam_diffsr_cli.comparison.page import folder_beside, write_page
from sam_diffsr_cli.comparison.records import PSNR_Y, ComparedPicture, MetricRow
from sam_diffsr_cli.errors import InputError, ShapeError
from tests.comparison import samples

EVIL = "</script><script>alert('&\"')</script>"
FREE = {"meta", "input", "br"}
"""Elements of HTML that have no end."""


class Parsed(HTMLParser):
    """The elements of a page with their text, and the rows of its tables."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str], list[str]]] = []
        self.rows: list[list[str]] = []
        self._open: list[tuple[str, dict[str, str], list[str]]] = []
        self.feed(path.read_text(encoding="utf-8"))
        assert [tag for tag, _, _ in self._open] == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = (tag, {name: value or "" for name, value in attrs}, list[str]())
        self.elements.append(element)
        if tag == "tr":
            self.rows.append([])
        if tag in {"th", "td"}:
            self.rows[-1].append("")
        if tag not in FREE:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self._open[-1][2].append(data)
        if any(tag in {"th", "td"} for tag, _, _ in self._open):
            self.rows[-1][-1] += data

    def all(self, tag: str, name: str = "", value: str = "") -> list[tuple[dict[str, str], str]]:
        return [
            (attrs, "".join(texts))
            for found, attrs, texts in self.elements
            if found == tag and (not name or value in attrs.get(name, "\0").split())
        ]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return samples.write(tmp_path_factory.mktemp("page") / "page.html")


@pytest.fixture(scope="module")
def page(path: Path) -> Parsed:
    return Parsed(path)


def panels_of(page: Parsed) -> list[np.ndarray]:
    found = []
    for attrs, text in page.all("script"):
        if attrs.get("type", "").startswith("image/"):
            with Image.open(io.BytesIO(base64.b64decode(text, validate=True))) as image:
                assert attrs["type"] == f"image/{(image.format or '').lower()}"
                found.append(np.asarray(image.convert("RGB")))
    return found


def test_every_pixel_is_in_the_page(page: Parsed) -> None:
    expected = [
        picture.panels[label]
        for picture in samples.pictures()
        for label in (*samples.METHODS, samples.TRUTH)
    ]
    found = panels_of(page)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_page_names_no_address(page: Parsed) -> None:
    sources = [attrs for _, attrs, _ in page.elements if {"src", "srcset", "data"} & set(attrs)]
    links = [attrs["href"] for _, attrs, _ in page.elements if "href" in attrs]
    (style,) = page.all("style")
    assert sources == []
    assert all(link.startswith("#") for link in links)
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_the_policy_lets_only_the_pages_own_script_run(page: Parsed) -> None:
    ((meta, _),) = [e for e in page.all("meta") if "http-equiv" in e[0]]
    (script,) = [text for attrs, text in page.all("script") if not attrs]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert meta["content"] == (
        "default-src 'none'; style-src 'unsafe-inline'; img-src blob:; "
        f"script-src 'sha256-{digest}'"
    )


def test_facts_stand_at_the_top(page: Parsed) -> None:
    names = [text for _, text in page.all("dt")]
    values = [text for _, text in page.all("dd")]
    assert list(zip(names, values, strict=True))[:2] == [
        ("Protocol", "PSNR-Y, shave 4"),
        ("Model", "3856c0" * 10),
    ]


def test_means_are_in_the_first_table_with_the_best_marked(page: Parsed) -> None:
    assert page.rows[:4] == [
        ["Method", "PSNR-Y dB, higher is better", "LPIPS lower is better"],
        ["bicubic", "27.00", "0.400"],
        ["steps 0", "30.00", "0.300"],
        ["default", "33.00 best", "0.200 best"],
    ]


def test_each_metric_has_a_table_of_every_picture(page: Parsed) -> None:
    heads = [row for row in page.rows if row[0] == "Picture"]
    assert heads == [["Picture", *samples.METHODS]] * 2
    assert ["baby", "27.00", "30.00", "33.00 best"] in page.rows
    assert ["baby", "0.400", "0.300", "0.200 best"] in page.rows


def test_errors_missing_and_infinite_values_are_told(tmp_path: Path) -> None:
    rows = [
        MetricRow("bicubic", None, {PSNR_Y.name: 27.0}, {PSNR_Y.name: 0.25}),
        MetricRow("steps 0", None, {PSNR_Y.name: math.inf}),
        MetricRow("default", None, {PSNR_Y.name: math.nan}),
    ]
    page = Parsed(samples.write(tmp_path / "page.html", rows=rows))
    assert [row[1] for row in page.rows[1:4]] == [
        "27.00 \N{PLUS-MINUS SIGN} 0.25",
        "\N{INFINITY} best",
        "none-",
    ]


def test_places_lie_inside_their_picture_and_the_first_where_it_differs(page: Parsed) -> None:
    top, left, side = samples.SPOT
    for attrs, _ in page.all("article"):
        crops = json.loads(attrs["data-crops"])
        assert all(x >= 0 and x + w <= 192 and y >= 0 and y + h <= 128 for x, y, w, h in crops)
        x, y, width, height = crops[0]
        assert x <= left
        assert y <= top
        assert x + width >= left + side
        assert y + height >= top + side


def test_there_is_a_chart_for_each_metric_with_curves(page: Parsed) -> None:
    assert len(page.all("svg", "class", "chart")) == 2


def test_without_numbers_and_curves_there_are_no_sections_for_them(tmp_path: Path) -> None:
    page = Parsed(samples.write(tmp_path / "page.html", rows=(), curves=(), facts=()))
    assert page.all("table") == []
    assert [attrs["id"] for attrs, _ in page.all("section")] == ["pictures"]


def test_text_from_outside_is_escaped(tmp_path: Path) -> None:
    shown = [
        ComparedPicture(EVIL, dict(zip((EVIL, "b"), samples.panels(0).values(), strict=False)))
    ]
    page = Parsed(
        samples.write(
            tmp_path / "page.html",
            title=EVIL,
            methods=(EVIL, "b"),
            truth=None,
            pictures=shown,
            facts=[(EVIL, EVIL)],
            rows=[MetricRow(EVIL, EVIL, {PSNR_Y.name: 1.0})],
            curves=(),
        )
    )
    runs = [attrs for attrs, _ in page.all("script") if not attrs.get("type")]
    assert len(runs) == 1
    ((_, labels),) = page.all("script", "id", "labels")
    assert json.loads(labels)[0] == {"label": EVIL, "isTruth": False}
    assert page.all("h1")[0][1] == EVIL
    assert page.all("article")[0][0]["data-name"] == EVIL


def test_a_name_that_is_no_text_can_be_written(tmp_path: Path) -> None:
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    shown = [ComparedPicture(name, samples.panels(0))]
    page = Parsed(samples.write(tmp_path / "page.html", pictures=shown, rows=()))
    assert page.all("article")[0][0]["data-name"] == r"caf\udce9"


def test_beside_keeps_pictures_as_files(tmp_path: Path) -> None:
    path = samples.write(tmp_path / "my page.html", beside=True)
    page = Parsed(path)
    sources = [attrs["data-source"] for attrs, _ in page.all("script") if "data-source" in attrs]
    files = sorted(folder_beside(path).iterdir())
    assert sources == [f"my%20page_files/{file.name}" for file in files]
    with Image.open(files[3]) as image:
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), samples.panels(0)["truth"])


def test_the_size_returned_is_that_of_all_files(tmp_path: Path) -> None:
    size = write_page(samples.make_page(), tmp_path / "page.html", beside=True)
    files = [tmp_path / "page.html", *(tmp_path / "page_files").iterdir()]
    assert size == sum(file.stat().st_size for file in files)


def test_beside_removes_what_an_earlier_page_kept_and_nothing_else(tmp_path: Path) -> None:
    path = samples.write(tmp_path / "page.html", beside=True)
    own = folder_beside(path) / "notes.txt"
    own.write_text("mine", encoding="utf-8")
    samples.write(path, beside=True, pictures=samples.pictures(1))
    assert own.read_text(encoding="utf-8") == "mine"
    assert len(list(folder_beside(path).iterdir())) == 1 + 4


@pytest.mark.parametrize("beside", [False, True])
def test_a_page_that_fails_leaves_the_earlier_one_whole(tmp_path: Path, beside: bool) -> None:
    path = samples.write(tmp_path / "page.html", beside=beside)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}

    def fail() -> Iterator[ComparedPicture]:
        yield ComparedPicture("new", samples.panels(7))
        yield ComparedPicture("odd", {**samples.panels(0), "default": samples.pixels(0, (8, 8))})

    with pytest.raises(ShapeError, match="odd, default: 8x8 pixels, but odd, bicubic"):
        samples.write(path, beside=beside, pictures=fail())
    assert {file: file.read_bytes() for file in before} == before
    assert not list(tmp_path.glob(".samsr-*"))


def test_a_first_page_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least one picture"):
        samples.write(tmp_path / "page.html", beside=True, pictures=())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_one_picture_is_in_memory_at_a_time(tmp_path: Path) -> None:
    alive: list[weakref.ref[np.ndarray]] = []
    counts = []

    def make() -> Iterator[ComparedPicture]:
        for seed in range(4):
            gc.collect()
            counts.append(sum(each() is not None for each in alive))
            made = samples.panels(seed)
            alive.extend(map(weakref.ref, made.values()))
            shown = ComparedPicture(f"{seed}", made)
            del made
            yield shown
            del shown

    samples.write(tmp_path / "page.html", pictures=make(), rows=())
    assert counts == [0, 0, 0, 0]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=re.escape(str(tmp_path / "no" / "page.html"))):
        samples.write(tmp_path / "no" / "page.html")


def test_a_place_for_pictures_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "page_files").touch()
    with pytest.raises(InputError, match="page_files: cannot be made"):
        samples.write(tmp_path / "page.html", beside=True)
