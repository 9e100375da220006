"""The report of a batch: places, likeness, and what was made up."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from sam_diffsr_cli.batch.options import BatchOptions
from sam_diffsr_cli.batch.pipeline import Outcome
from sam_diffsr_cli.batch.request import BatchPlan, plan_batch
from sam_diffsr_cli.batch.run import run
from sam_diffsr_cli.comparison.records import Page
from sam_diffsr_cli.degradation.levels import CLEAN
from sam_diffsr_cli.device import derive_seed
from sam_diffsr_cli.errors import DiskFullError
from sam_diffsr_cli.preview import report
from sam_diffsr_cli.preview.places import Place
from sam_diffsr_cli.preview.report import made_up_map, write_report
from sam_diffsr_cli.sampling_config import SamplingOptions
from sam_diffsr_cli.upscaling.frames import UpscaleRun, enlarge_frame
from sam_diffsr_cli.upscaling.sizes import Size
from tests.helpers import draw_photos, samsr, write_weights
from tests.preview.pages import panels_of

if TYPE_CHECKING:
    from sam_diffsr_cli.errors import SamsrError


def enlarge(tmp_path: Path, names: Sequence[str], steps: int) -> tuple[BatchPlan, list[Outcome]]:
    draw_photos(tmp_path / "in", names, (80, 130))
    options = BatchOptions(
        model=str(write_weights(tmp_path / "tiny.safetensors")),
        sampling=SamplingOptions(steps=steps, tile=0),
        device="cpu",
    )
    plan = plan_batch([str(tmp_path / "in")], str(tmp_path / "out"), options)
    return plan, list(run(plan))


def test_each_place_shows_before_after_and_what_was_made_up(tmp_path: Path) -> None:
    plan, outcomes = enlarge(tmp_path, ["a.png", "b.png"], steps=2)
    told: list[str] = []
    page = tmp_path / "page.html"
    assert write_report(plan.settings, outcomes, page, lambda name, _: told.append(name)) == 2
    assert [Path(name).name for name in told] == ["a.png", "b.png"]
    shown = panels_of(page)
    assert {name.partition(" (")[0] for name in shown} == {"a.png", "b.png"}
    for name, (before, made_up, after) in shown.items():
        left, top = map(int, name.rpartition("(")[2].rstrip(")").split(", "))
        with Image.open(tmp_path / "out" / name.partition(" (")[0]) as image:
            whole = np.asarray(image)
        rows, columns = 4 * top + 32 * (top > 0), 4 * left + 32 * (left > 0)
        height, width = after.shape[:2]
        expected = whole[rows : rows + height, columns : columns + width]
        np.testing.assert_array_equal(after, expected)
        assert before.shape == after.shape == made_up.shape


def test_the_page_says_how_near_the_result_stays_and_what_it_was_taken_for(tmp_path: Path) -> None:
    plan, outcomes = enlarge(tmp_path, ["a.png"], steps=0)
    outcomes[0].levels = {"compression": 0.25, "noise": 0.0, "blur": 0.0}
    page = tmp_path / "page.html"
    write_report(plan.settings, outcomes, page)
    text = page.read_text("utf-8")
    assert "a JPEG of quality 75" in text
    assert "130 x 80 to 520 x 320" in text
    decibels = float(text.partition("<dt>LR-PSNR</dt><dd>")[2].partition(" dB")[0].split(">")[-1])
    with Image.open(tmp_path / "in" / "a.png") as lr, Image.open(tmp_path / "out/a.png") as sr:
        small = np.asarray(sr.resize(lr.size, Image.Resampling.BICUBIC)).astype(float)
        error = ((small - np.asarray(lr)) ** 2).mean()
    assert decibels == pytest.approx(10 * math.log10(255**2 / error), abs=0.3)


def test_without_steps_nothing_is_made_up(tmp_path: Path) -> None:
    plan, outcomes = enlarge(tmp_path, ["a.png"], steps=0)
    page = tmp_path / "page.html"
    write_report(plan.settings, outcomes, page)
    assert "nothing: no steps were run" in page.read_text("utf-8")
    for _, made_up, after in panels_of(page).values():
        assert (made_up[..., 0] == made_up[..., 1]).all()
        assert np.abs(made_up[..., 0] - after @ np.array([0.299, 0.587, 0.114])).max() <= 0.51


def test_a_picture_that_is_gone_is_told_and_the_others_are_shown(tmp_path: Path) -> None:
    plan, outcomes = enlarge(tmp_path, ["a.png", "b.png"], steps=0)
    (tmp_path / "out" / "a.png").unlink()
    errors: list[SamsrError] = []
    page = tmp_path / "page.html"
    write_report(
        plan.settings, outcomes, page, lambda _, error: errors.append(error) if error else None
    )
    assert len(errors) == 1
    assert all("b.png" in name for name in panels_of(page))


def test_pictures_are_read_one_by_one_as_the_page_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, outcomes = enlarge(tmp_path, ["a.png", "b.png", "c.png"], steps=0)
    told: list[str] = []
    written: list[int] = []

    def write_page(page: Page, _path: Path, *, beside: bool) -> int:
        written.extend(len(told) for _ in page.pictures)
        assert not beside
        return 0

    monkeypatch.setattr(report, "write_page", write_page)
    write_report(plan.settings, outcomes, tmp_path / "p.html", lambda n, _: told.append(n))
    assert written[0] == 1
    assert written[-1] == 3


def test_a_report_of_many_keeps_its_pictures_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, outcomes = enlarge(tmp_path, ["a.png", "b.png"], steps=0)
    monkeypatch.setattr(report, "MOST_EMBEDDED", 1)
    write_report(plan.settings, outcomes, tmp_path / "page.html")
    assert len(list((tmp_path / "page_files").iterdir())) >= 6


def test_the_map_is_gray_where_draws_agree_and_orange_where_they_do_not() -> None:
    after = np.full((4, 6, 3), (40, 90, 200), dtype=np.uint8)
    spread = np.zeros((4, 6))
    spread[0, 0], spread[1, 1] = report.MOST_SPREAD, report.MOST_SPREAD / 2
    painted = made_up_map(after, spread).astype(int)
    gray = round(0.299 * 40 + 0.587 * 90 + 0.114 * 200)
    assert (painted[3, 5] == gray).all()
    assert tuple(painted[0, 0]) == (255, 120, 0)
    assert np.abs(painted[1, 1] - (np.array([255, 120, 0]) + gray) / 2).max() <= 1


def test_what_is_made_up_is_what_seeds_disagree_on(tmp_path: Path) -> None:
    """Of draws that are given, the standard deviation; found by asking the same places again."""
    plan, outcomes = enlarge(tmp_path, ["a.png"], steps=2)
    page = tmp_path / "page.html"
    write_report(plan.settings, outcomes, page)
    painted = [panels[1] for panels in panels_of(page).values()]
    assert any((one[..., 0].astype(int) - one[..., 2]).max() > 0 for one in painted)


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    draw_photos(tmp_path / "in", ["a.png"])
    weights = write_weights(tmp_path / "tiny.safetensors")
    page = tmp_path / "page.html"
    options = ("--model", weights, "--quality", "fast", "--report", page)
    ran = samsr("upscale", tmp_path / "in", tmp_path / "out", *options)
    assert ran.exit_code == 0, ran.stderr
    assert f"report: {page}" in ran.stderr
    assert ran.stdout.splitlines() == [str(tmp_path / "out" / "a.png")]
    assert page.is_file()
    again = samsr("upscale", tmp_path / "in", tmp_path / "other", *options)
    assert again.exit_code == 3
    assert "page.html: is there already" in again.stderr
    assert not (tmp_path / "other").exists()


def errors_of(plan: BatchPlan, outcomes: list[Outcome], page: Path) -> tuple[int, list[str]]:
    """Write a report; how many it shows, and what is told of the others."""
    told: list[str] = []
    shown = write_report(
        plan.settings, outcomes, page, lambda _, error: told.append(str(error)) if error else None
    )
    return shown, told


def test_only_what_is_shown_is_counted(tmp_path: Path) -> None:
    plan, outcomes = enlarge(tmp_path, ["a.png", "b.png", "c.png"], steps=0)
    (tmp_path / "out" / "a.png").unlink()
    for folder, size in (("in", (130, 80)), ("out", (520, 320))):
        Image.new("RGB", size, (90, 120, 30)).save(tmp_path / folder / "b.png")
    shown, told = errors_of(plan, outcomes, tmp_path / "page.html")
    assert shown == 1
    assert ["a.png" in told[0], "b.png: differs nowhere from bicubic" in told[1]] == [True, True]
    assert len(told) == 2


def test_a_page_that_is_there_stays_where_nothing_can_be_shown(tmp_path: Path) -> None:
    plan, outcomes = enlarge(tmp_path, ["a.png", "b.png"], steps=0)
    page = tmp_path / "page.html"
    page.write_text("mine")
    for name in ("a.png", "b.png"):
        (tmp_path / "out" / name).unlink()
    shown, told = errors_of(plan, outcomes, page)
    assert (shown, len(told), page.read_text()) == (0, 2, "mine")


def test_a_picture_that_was_cut_is_told_as_not_in_the_report(tmp_path: Path) -> None:
    draw_photos(tmp_path / "in", ["cut.png"], (80, 130))
    draw_photos(tmp_path / "more", ["square.png"], (80, 80))
    weights = write_weights(tmp_path / "tiny.safetensors")
    page = tmp_path / "page.html"
    options = ("--model", weights, "--quality", "fast", "--fill", "320x320", "--report", page)
    ran = samsr("upscale", tmp_path / "in", tmp_path / "more", tmp_path / "out", *options)
    assert ran.exit_code == 0
    assert "not in the report" in ran.stderr
    assert "cut.png: was cut, and shows a part of its input only" in ran.stderr
    assert {name.partition(" (")[0] for name in panels_of(page)} == {"square.png"}


@pytest.mark.slow
def test_a_picture_of_more_than_sixteen_times_is_shown(tmp_path: Path) -> None:
    """Beyond what the model enlarges, draws are as large as it makes them."""
    draw_photos(tmp_path / "in", ["a.png"], (12, 90))
    options = BatchOptions(
        model=str(write_weights(tmp_path / "tiny.safetensors")),
        sampling=SamplingOptions(steps=1, tile=0),
        size=Size(width=90 * 20),
        device="cpu",
    )
    plan = plan_batch([str(tmp_path / "in")], str(tmp_path / "out"), options)
    outcomes = list(run(plan))
    page = tmp_path / "page.html"
    assert write_report(plan.settings, outcomes, page) == 1
    for name, (_, made_up, after) in panels_of(page).items():
        left = int(name.rpartition("(")[2].partition(",")[0])
        place = Place(0, left, 12, 64, "")
        cut = np.asarray(Image.open(tmp_path / "in" / "a.png"))[:, left : left + 64]
        draws = []
        for number in range(report.DRAWS):
            seed = derive_seed(plan.settings.sampling.seed, "report", number)
            sampling = replace(plan.settings.sampling, seed=seed, tile=0)
            one = UpscaleRun(
                upscaler=plan.settings.upscaler, sampling=sampling, scale=16.0, levels=CLEAN
            )
            larger = enlarge_frame(one, cut) @ np.array([0.299, 0.587, 0.114])
            rows, columns = place.shown((12, 90))
            draws.append(
                larger[rows.start * 16 : rows.stop * 16, columns.start * 16 :][
                    :, : (columns.stop - columns.start) * 16
                ]
            )
        spread = Image.fromarray(np.std(draws, axis=0)).resize(after.shape[1::-1])
        expected = made_up_map(after, np.asarray(spread))
        assert np.abs(made_up.astype(int) - expected.astype(int)).max() <= 1


@pytest.mark.parametrize("fails_too", [False, True], ids=["alone", "beside-others"])
def test_a_report_that_cannot_be_written_is_the_failure_of_a_batch_that_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, fails_too: bool
) -> None:
    def full(*_: object, **__: object) -> int:
        raise DiskFullError("page.html: no space left", hint="free some disk space")

    monkeypatch.setattr(report, "write_page", full)
    draw_photos(tmp_path / "in", ["a.png", "b.png"])
    if fails_too:
        (tmp_path / "in" / "c.png").write_bytes(b"no picture")
    weights = write_weights(tmp_path / "tiny.safetensors")
    options = ("--model", weights, "--quality", "fast", "--report", tmp_path / "page.html")
    ran = samsr("upscale", tmp_path / "in", tmp_path / "out", *options, "--json")
    assert ran.exit_code == (6 if fails_too else 5)
    document = json.loads(ran.stdout)
    statuses = [each["status"] for each in document["files"]]
    assert statuses == ["done", "done", "failed"][: 2 + fails_too]
    assert ("no space left" in document["error"]["message"]) != fails_too
    assert "page.html: no space left" in ran.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "b.png"]


def test_a_plan_alone_has_no_report(tmp_path: Path) -> None:
    draw_photos(tmp_path / "in", ["a.png"])
    options = ("--report", tmp_path / "page.html", "--dry-run")
    ran = samsr("upscale", tmp_path / "in", tmp_path / "out", *options)
    assert ran.exit_code == 3
    assert "--report and --dry-run exclude each other" in ran.stderr


def test_without_a_picture_there_is_no_page(tmp_path: Path) -> None:
    draw_photos(tmp_path / "in", ["a.png"])
    weights = write_weights(tmp_path / "tiny.safetensors")
    out, page = tmp_path / "out", tmp_path / "page.html"
    samsr("upscale", tmp_path / "in", out, "--model", weights, "--quality", "fast")
    options = ("--model", weights, "--on-exists", "skip", "--report", page)
    ran = samsr("upscale", tmp_path / "in", out, *options)
    assert ran.exit_code == 0
    assert "not written, since there is nothing to show" in ran.stderr
    assert not page.exists()
