"""Means and standard errors, and the forms they are written in."""

import csv
import json
import math
import statistics

import pytest

from sam_diffsr_cli.evaluation.report import (
    summarize,
    to_csv,
    to_document,
    to_markdown,
    write_value,
)
from sam_diffsr_cli.evaluation.run import ImageScores
from sam_diffsr_cli.measures import METRICS

FACTS = {"protocol": "standard", "model": "m, sha256 ab"}


def measured(picture: str, method: str, seed: int, psnr_y: float, **more: float) -> ImageScores:
    return ImageScores(
        set_name="Set",
        picture=picture,
        method=method,
        seed=seed,
        values={"psnr_y": psnr_y, **more},
        seconds=2.0,
        sources="",
    )


MANY = [
    measured("a", "bicubic", 0, 20.0),
    measured("b", "bicubic", 0, 30.0),
    *(measured("a", "default", seed, 21.0 + seed) for seed in range(3)),
    *(measured("b", "default", seed, 31.0 + 3 * seed) for seed in range(3)),
]


def test_a_mean_is_over_the_pictures() -> None:
    bicubic, default = summarize(MANY)
    assert bicubic.means["psnr_y"] == 25.0
    assert default.means["psnr_y"] == pytest.approx((21 + 22 + 23 + 31 + 34 + 37) / 6)
    assert (default.pictures, default.seeds) == (2, 3)


def test_the_standard_error_is_that_of_the_sets_mean_over_the_seeds() -> None:
    bicubic, default = summarize(MANY)
    by_seed = [26.0, 28.0, 30.0]
    assert default.errors["psnr_y"] == pytest.approx(statistics.stdev(by_seed) / math.sqrt(3))
    assert bicubic.errors == {}


def test_a_measure_that_some_pictures_lack_is_averaged_over_the_others() -> None:
    (one,) = summarize([measured("a", "m", 0, 20.0, lpips=0.1), measured("b", "m", 0, 30.0)])
    assert one.means["lpips"] == pytest.approx(0.1)


def test_a_value_has_its_digits_and_its_error() -> None:
    bicubic, default = summarize(MANY)
    assert write_value(bicubic, "psnr_y") == "25.00"
    assert write_value(default, "psnr_y") == "28.00 ± 1.15"
    assert write_value(default, "lpips") == ""


def test_json_holds_facts_means_pictures_and_failures() -> None:
    measures = [*MANY, measured("c", "bicubic", 0, math.inf)]
    document = json.loads(json.dumps(to_document(FACTS, measures, ["c: x"]), allow_nan=False))
    assert document["facts"] == FACTS
    assert document["failed"] == ["c: x"]
    assert len(document["pictures"]) == len(MANY) + 1
    assert document["pictures"][-1]["values"]["psnr_y"] is None
    assert document["means"][1]["values"]["psnr_y"] == pytest.approx(28.0)


def test_csv_has_a_row_a_picture_below_its_facts() -> None:
    lines = to_csv(FACTS, MANY).splitlines()
    comments = [line for line in lines if line.startswith("#")]
    assert comments == ["# protocol: standard", "# model: m, sha256 ab"]
    rows = list(csv.DictReader(lines[len(comments) :]))
    assert [row["picture"] for row in rows] == [one.picture for one in MANY]
    assert [float(row["psnr_y"]) for row in rows] == [one.values["psnr_y"] for one in MANY]
    assert list(rows[0])[4:-1] == list(METRICS)


def test_markdown_has_a_table_a_set_and_the_facts() -> None:
    other = ImageScores(
        set_name="Other",
        picture="z",
        method="bicubic",
        seed=0,
        values={"lpips": 0.5},
        seconds=1.0,
        sources="",
    )
    text = to_markdown(FACTS, [*MANY, other])
    assert (
        "| Set (2 pictures) | PSNR-Y |\n|---|---|\n| bicubic | 25.00 |\n| default | 28.00 ± 1.15 |"
        in text
    )
    assert "| Other (1 picture) | LPIPS |\n|---|---|\n| bicubic | 0.500 |" in text
    assert text.endswith("protocol: standard; model: m, sha256 ab.\n")


def test_methods_are_averaged_over_the_pictures_that_all_of_them_have() -> None:
    some = [measured("a", "mine", 0, 40.0), *MANY]
    assert [(one.method, one.pictures) for one in summarize(some)] == [
        ("mine", 1),
        ("bicubic", 1),
        ("default", 1),
    ]
    assert [one.means["psnr_y"] for one in summarize(some)] == [40.0, 20.0, pytest.approx(22.0)]


def test_a_picture_that_lacks_a_seed_is_in_no_mean() -> None:
    bicubic, default = summarize(MANY[:-1])
    assert (bicubic.pictures, bicubic.means["psnr_y"]) == (1, 20.0)
    assert default.errors["psnr_y"] == pytest.approx(statistics.stdev([21, 22, 23]) / math.sqrt(3))
