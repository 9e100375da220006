"""The summary page: everything in one file, true to the journal, and nothing from outside."""

import errno
import os
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sam_diffsr_cli import __version__
from sam_diffsr_cli.errors import DiskFullError, InputError
from sam_diffsr_cli.recipes.records import Stage
from sam_diffsr_cli.training import summary
from sam_diffsr_cli.training.journal import (
    JOURNAL_NAME,
    Entry,
    EventEntry,
    Journal,
    StepEntry,
    ValidationEntry,
)
from sam_diffsr_cli.training.summary import SUMMARY_NAME, write_summary

EVIL = "</td><script>alert('&\"')</script>"
FREE = {"meta", "input", "img", "br"}
"""Elements of HTML that have no end."""

CELLS = {"th", "td", "dt", "dd"}
"""What a row of a table, or a fact, is made of."""


class Page(HTMLParser):
    """The elements of a page, its text, its rows and facts, and whether its tags are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self.is_closed = True
        self._open: list[str] = []
        self.feed(text)
        self.is_closed &= not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag in {"tr", "dt"}:
            self.rows.append([])
        if tag in CELLS:
            self.rows[-1].append("")
        if tag not in FREE:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        self.is_closed &= self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if CELLS & set(self._open[-1:]):
            self.rows[-1][-1] += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def fact(self, name: str) -> str | None:
        return next((row[1] for row in self.rows if row[0] == name), None)


def step_entry(step: int, stage: Stage = "encoder", **fields: Any) -> StepEntry:
    values = {
        "loss": 1 / step,
        "mean_loss": 2 / step,
        "learning_rate": 1e-4,
        "gradient_norm": 0.5,
        "images_per_s": 10.0,
        "wait_share": 0.125,
        "memory_mib": None,
        "skipped": 0,
        "elapsed_s": 3.0 * step,
    } | fields
    return StepEntry(stage=stage, step=step, **values)


def validation(step: int, stage: Stage = "encoder", **fields: Any) -> ValidationEntry:
    values: dict[str, Any] = {"psnr_y": 27.5, "loss": 0.1, "seconds": 1.5}
    values |= {"is_best": False, "sample": ""} | fields
    return ValidationEntry(stage=stage, step=step, **values)


def summarize(
    folder: Path, *entries: Entry, title: str = "run", facts: tuple[tuple[str, str], ...] = ()
) -> Page:
    with Journal(folder, tensorboard=False) as journal:
        for entry in entries:
            journal.write(entry)
    return Page(write_summary(folder, title, facts).read_text(encoding="utf-8"))


def charts(folder: Path) -> dict[str, ET.Element]:
    """Each chart of the page by its title."""
    text = (folder / SUMMARY_NAME).read_text(encoding="utf-8")
    found = [ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", text)]  # noqa: S314 - ours
    return {svg.findtext("title") or "": svg for svg in found}


def full_run(folder: Path) -> Page:
    (folder / "samples").mkdir()
    for step in (2, 4):
        Image.new("RGB", (8, 6), (step, 0, 0)).save(folder / f"samples/{step}.png")
    return summarize(
        folder,
        EventEntry("encoder", 0, "started"),
        *(step_entry(step) for step in range(1, 5)),
        validation(2, psnr_y=26.0, is_best=True, sample="samples/2.png"),
        validation(4, psnr_y=28.25, is_best=True, sample="samples/4.png"),
        EventEntry("encoder", 4, "finished"),
        *(step_entry(step, "diffusion") for step in range(1, 4)),
        validation(3, "diffusion", sample="samples/2.png"),
        title="portraits",
        facts=(("Device", "cpu"), ("Data", "12 photos")),
    )


def test_the_page_is_the_file_that_is_returned(tmp_path: Path) -> None:
    full_run(tmp_path)
    assert write_summary(tmp_path, "run", ()) == tmp_path / SUMMARY_NAME
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        JOURNAL_NAME,
        "samples",
        SUMMARY_NAME,
    ]


def test_every_tag_is_closed_in_order(tmp_path: Path) -> None:
    assert full_run(tmp_path).is_closed


def test_title_facts_and_version_are_told(tmp_path: Path) -> None:
    page = full_run(tmp_path)
    assert page.text.count("portraits") == 2
    assert (page.fact("Device"), page.fact("Data")) == ("cpu", "12 photos")
    assert f"Written by samsr {__version__}" in page.text


def test_nothing_is_loaded_and_nothing_runs(tmp_path: Path) -> None:
    page = full_run(tmp_path)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "iframe", "a", "base", "object"}
    for _, attributes in page.elements:
        assert attributes.get("src", "data:").startswith("data:")
        assert not any(name == "href" or name.startswith("on") for name in attributes)
    policy = next(m for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy["content"].startswith("default-src 'none'")
    assert not re.search(r"url\(|@import|https?:", (tmp_path / SUMMARY_NAME).read_text())


def test_text_is_escaped(tmp_path: Path) -> None:
    page = summarize(
        tmp_path, EventEntry("encoder", 0, EVIL), title=EVIL, facts=((EVIL, f"{EVIL}!"),)
    )
    assert page.is_closed
    assert not page.all("script")
    assert page.fact(EVIL) == f"{EVIL}!"
    assert any(row[-1] == EVIL for row in page.rows)


def test_ids_are_unique(tmp_path: Path) -> None:
    ids = [attributes["id"] for _, attributes in full_run(tmp_path).elements if "id" in attributes]
    assert len(ids) == len(set(ids)) > 4


def test_stages_come_in_the_order_of_training(tmp_path: Path) -> None:
    page = summarize(tmp_path, step_entry(1, "diffusion"), step_entry(1))
    assert [heading["id"] for heading in page.all("h2")] == ["encoder", "diffusion"]


def test_a_stage_that_has_not_begun_is_not_shown(tmp_path: Path) -> None:
    page = summarize(tmp_path, step_entry(1))
    assert [heading["id"] for heading in page.all("h2")] == ["encoder"]


def test_an_empty_journal_makes_a_page_that_says_so(tmp_path: Path) -> None:
    page = summarize(tmp_path, facts=(("Device", "cpu"),))
    assert "Nothing is written in the journal yet" in page.text
    assert page.fact("Device") == "cpu"


def test_a_run_that_only_began_makes_a_page(tmp_path: Path) -> None:
    page = summarize(tmp_path, EventEntry("encoder", 0, "started"))
    assert page.fact("Steps") == "0"
    assert charts(tmp_path) == {}


def test_the_numbers_of_a_stage_are_told(tmp_path: Path) -> None:
    entries: list[Entry] = [
        step_entry(10, images_per_s=10.0, wait_share=0.0, memory_mib=900.0),
        step_entry(20, images_per_s=30.0, wait_share=0.5, memory_mib=2048.4),
        step_entry(12_000, images_per_s=20.0, wait_share=0.1, mean_loss=0.012345, elapsed_s=7384.0),
        validation(20, psnr_y=27.0, is_best=True),
        validation(12_000, psnr_y=26.5),
    ]
    page = summarize(tmp_path, *entries)
    told = {name: page.fact(name) for name, *_ in page.rows if page.fact(name)}
    assert (
        told
        | {
            "Steps": "12,000",
            "Time": "2 h 3 min",
            "Mean loss": "0.01235",
            "Best validation": "step 20, PSNR-Y 27.000 dB",
            "Images per second": "20 (median)",
            "Waiting for data": "20.0 % of the time",
            "Memory": "2,048 MiB",
            "Skipped steps": "none",
        }
        == told
    )


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3600, "1 h 0 min")]
)
def test_a_time_is_told_in_its_units(tmp_path: Path, seconds: float, text: str) -> None:
    assert summarize(tmp_path, step_entry(1, elapsed_s=seconds)).fact("Time") == text


def test_unknown_numbers_are_left_out(tmp_path: Path) -> None:
    names = ("images_per_s", "wait_share", "memory_mib", "mean_loss", "elapsed_s")
    nothing: dict[str, Any] = dict.fromkeys(names)
    page = summarize(tmp_path, step_entry(1, **nothing))
    assert [row[0] for row in page.rows] == ["Steps", "Skipped steps"]
    assert set(charts(tmp_path)) == {"Loss", "Learning rate", "Gradient norm"}


def test_skipped_steps_are_counted_and_named(tmp_path: Path) -> None:
    entries = [step_entry(10), step_entry(20, skipped=2, loss=None), step_entry(1030, skipped=1)]
    page = summarize(tmp_path, *entries)
    assert page.fact("Skipped steps") == "3 (reported at step 20, 1,030)"


def test_of_very_many_skipped_steps_the_first_are_named(tmp_path: Path) -> None:
    page = summarize(tmp_path, *(step_entry(step, skipped=1) for step in range(1, 61)))
    told = page.fact("Skipped steps") or ""
    assert told.startswith("60 (reported at step 1, 2,")
    assert told.endswith("49, 50 and 10 more)")


def test_each_kind_of_number_has_its_chart(tmp_path: Path) -> None:
    full_run(tmp_path)
    assert list(charts(tmp_path)) == [
        "Loss",
        "Validation PSNR-Y",
        "Validation loss",
        "Learning rate",
        "Gradient norm",
        "Speed",
        "Waiting for data",
    ]


def test_a_chart_shows_the_numbers_of_the_journal(tmp_path: Path) -> None:
    summarize(tmp_path, step_entry(10), step_entry(20), validation(10), validation(20, psnr_y=29.5))
    told = {title: svg.findtext("desc") or "" for title, svg in charts(tmp_path).items()}
    assert told["Loss"].startswith("loss: 0.1 at step 10 to 0.05 at step 20,")
    assert "running mean: 0.2 at step 10 to 0.1 at step 20," in told["Loss"]
    assert told["Validation PSNR-Y"].startswith("PSNR-Y: 27.5 at step 10 to 29.5 at step 20,")
    assert told["Learning rate"].startswith("learning rate: 0.0001 at step 10")
    assert told["Waiting for data"].startswith("share: 12.5 at step 10")


def test_the_best_validation_is_marked_in_table_and_charts(tmp_path: Path) -> None:
    page = summarize(
        tmp_path,
        validation(1, psnr_y=26.0, loss=0.3, is_best=True),
        validation(2, psnr_y=28.0, loss=0.2, is_best=True),
        validation(3, psnr_y=27.0, loss=0.1),
    )
    assert [row for row in page.rows if row[-1] == "best"] == [
        ["2", "28.000", "0.2", "1.5", "best"]
    ]
    for title, text in (("Validation PSNR-Y", "best 28"), ("Validation loss", "best 0.2")):
        svg = charts(tmp_path)[title]
        assert len(list(svg.iter("circle"))) == 1
        assert svg.findtext("{*}text[@class='note']") == text


def test_a_validation_without_psnr_is_a_dash(tmp_path: Path) -> None:
    page = summarize(tmp_path, validation(5, psnr_y=None, loss=0.25, is_best=True))
    assert ["5", "-", "0.25", "1.5", "best"] in page.rows
    assert page.fact("Best validation") == "step 5"
    assert "Validation PSNR-Y" not in charts(tmp_path)


def test_events_are_listed_with_their_time(tmp_path: Path) -> None:
    page = summarize(tmp_path, EventEntry("encoder", 1234, "resumed", "2026-01-02T03:04:05Z"))
    assert ["2026-01-02 03:04:05", "1,234", "resumed"] in page.rows


@pytest.mark.parametrize(("count", "is_folded"), [(20, False), (21, True)])
def test_a_long_table_is_folded(tmp_path: Path, count: int, is_folded: bool) -> None:
    page = summarize(tmp_path, *(validation(step) for step in range(count)))
    assert bool(page.all("details")) == is_folded
    assert len([row for row in page.rows if len(row) == 5]) == count + 1


def test_the_samples_of_each_stage_are_shown(tmp_path: Path) -> None:
    page = full_run(tmp_path)
    names = [button["name"] for button in page.all("input")]
    assert names == ["encoder-sample", "encoder-sample", "diffusion-sample"]
    assert all(image["src"].startswith("data:image/png;") for image in page.all("img"))


def test_missing_samples_leave_a_page_without_them(tmp_path: Path) -> None:
    page = summarize(tmp_path, step_entry(1), validation(1, sample="samples/gone.png"))
    assert page.is_closed
    assert "Samples" not in page.text


def test_all_samples_together_keep_within_their_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summary, "PICTURE_BYTES", 60_000)
    pixels = np.random.default_rng(0).integers(0, 256, (150, 200, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "s.png")
    stages: tuple[Stage, ...] = ("encoder", "diffusion")
    entries = [validation(i, stage, sample="s.png") for stage in stages for i in range(4)]
    page = summarize(tmp_path, *entries)
    assert len(page.all("img")) == 8
    assert sum(len(image["src"]) for image in page.all("img")) < 60_000 * 4 / 3 + 8 * 40


def test_light_and_dark_follow_the_reader(tmp_path: Path) -> None:
    page = full_run(tmp_path)
    assert {"name": "color-scheme", "content": "light dark"} in page.all("meta")
    assert "color-scheme: light dark" in page.text
    assert "light-dark(" in page.text


def test_text_that_is_no_unicode_is_written_all_the_same(tmp_path: Path) -> None:
    assert "\\udcff" in summarize(tmp_path, title="run\udcff").text


def test_a_missing_journal_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"metrics\.jsonl: cannot be read"):
        write_summary(tmp_path, "run", ())


def test_a_full_disk_leaves_the_page_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_run(tmp_path)
    before = (tmp_path / SUMMARY_NAME).read_bytes()

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(DiskFullError, match=r"summary\.html: no space left"):
        write_summary(tmp_path, "another", ())
    assert (tmp_path / SUMMARY_NAME).read_bytes() == before
