"""Evaluating: what is measured of which pictures, what is kept, and going on."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sam_diffsr_cli import metrics
from sam_diffsr_cli.errors import InputError, ResourceError
from sam_diffsr_cli.evaluation.methods import Enlarge, Method
from sam_diffsr_cli.evaluation.protocols import find_protocol
from sam_diffsr_cli.evaluation.run import (
    RESULTS_NAME,
    EvaluationPlan,
    Failure,
    ImageScores,
    evaluate,
    result_path,
)
from sam_diffsr_cli.evaluation.sets import Case, ResultFolder, Truth, find_set, read_pair

STANDARD = find_protocol("standard", 4)


def doubled(case: Case, _truth: Truth, seed: int) -> np.ndarray:
    """Draw each input pixel as a square, brighter with the seed."""
    large = case.lr.repeat(4, axis=0).repeat(4, axis=1)
    brighter: np.ndarray = np.clip(large.astype(int) + seed, 0, 255).astype(np.uint8)
    return brighter


def method(name: str = "squares", *, is_random: bool = False, enlarge: Enlarge = doubled) -> Method:
    return Method(name=name, steps=None, is_random=is_random, enlarge=enlarge)


@pytest.fixture
def plan(tmp_path: Path) -> EvaluationPlan:
    """Two pictures of 32x40 by one method."""
    for seed, name in enumerate(("a.png", "b.png")):
        pixels = np.random.default_rng(seed).integers(0, 256, (32, 40, 3), dtype=np.uint8)
        (tmp_path / "Set").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "Set" / name)
    return EvaluationPlan(
        sets=[find_set(str(tmp_path / "Set"))],
        methods=[method()],
        protocol=STANDARD,
        scale=4,
        seeds=3,
        inputs=None,
        lpips=None,
        out=None,
        identity={"protocol": "standard"},
    )


def run(plan: EvaluationPlan) -> list[ImageScores]:
    found = list(evaluate(plan))
    assert all(isinstance(one, ImageScores) for one in found)
    return [one for one in found if isinstance(one, ImageScores)]


def test_every_measure_is_that_of_the_metrics(plan: EvaluationPlan) -> None:
    truth = plan.sets[0].truths[0]
    case = read_pair(truth, None, STANDARD, 4)
    sr = doubled(case, truth, 0)
    values = run(plan)[0].values
    assert values == {
        "psnr_y": metrics.psnr(sr, case.hr, "y", 4),
        "ssim_y": metrics.ssim(sr, case.hr, "y", 4),
        "psnr_rgb": metrics.psnr(sr, case.hr, "rgb", 4),
        "ssim_rgb": metrics.ssim(sr, case.hr, "rgb", 4),
        "lr_psnr": metrics.lr_psnr(sr, case.lr, 4),
        "detail": metrics.detail(sr, case.hr, 4),
    }


def test_a_random_method_runs_with_every_seed_and_another_once(plan: EvaluationPlan) -> None:
    both = dataclasses.replace(plan, methods=[method(), method("random", is_random=True)])
    seen = [(one.picture, one.method, one.seed) for one in run(both)]
    assert seen == [
        (picture, name, seed)
        for picture in ("a.png", "b.png")
        for name, seeds in (("squares", 1), ("random", 3))
        for seed in range(seeds)
    ]


def test_lpips_is_among_the_values_when_it_is_asked_for(plan: EvaluationPlan) -> None:
    asked = dataclasses.replace(plan, lpips=lambda sr, hr: float(np.abs(sr - hr).max() > 0))
    assert [one.values["lpips"] for one in run(asked)] == [1.0, 1.0]


def test_a_picture_that_fails_does_not_stop_the_others(plan: EvaluationPlan) -> None:
    plan.sets[0].truths[0].path.write_bytes(b"no picture")
    failure, measured = evaluate(plan)
    assert isinstance(failure, Failure)
    assert "a.png" in str(failure.error)
    assert isinstance(measured, ImageScores)
    assert measured.picture == "b.png"


# ------------------------------------------------------------------------------- going on


def never(_case: Case, _truth: Truth, _seed: int) -> np.ndarray:
    raise AssertionError("what is there is not made again")


def kept(plan: EvaluationPlan, tmp_path: Path) -> EvaluationPlan:
    return dataclasses.replace(plan, out=tmp_path / "out")


def test_results_and_numbers_are_kept_and_not_made_again(
    plan: EvaluationPlan, tmp_path: Path
) -> None:
    plan = kept(plan, tmp_path)
    first = run(plan)
    assert plan.out is not None
    for one, truth in zip(first, plan.sets[0].truths, strict=True):
        path = result_path(plan.out, one.set_name, one.method, truth)
        case = read_pair(truth, None, STANDARD, 4)
        with Image.open(path) as image:
            assert np.array_equal(np.asarray(image), doubled(case, truth, 0))
    again = dataclasses.replace(plan, methods=[method(enlarge=never)])
    assert run(again) == first


def test_a_run_that_was_stopped_goes_on(plan: EvaluationPlan, tmp_path: Path) -> None:
    plan = kept(plan, tmp_path)
    next(iter(evaluate(plan)))
    unbroken = run(dataclasses.replace(plan, out=None))
    resumed = run(plan)
    assert [one.values for one in resumed] == [one.values for one in unbroken]


def test_a_torn_last_line_is_made_again(plan: EvaluationPlan, tmp_path: Path) -> None:
    plan = kept(plan, tmp_path)
    first = run(plan)
    results = tmp_path / "out" / RESULTS_NAME
    results.write_text(results.read_text()[:-20])
    assert [one.values for one in run(plan)] == [one.values for one in first]
    assert all(json.loads(line) for line in results.read_text().splitlines())


def test_numbers_of_another_evaluation_are_refused_with_what_differs(
    plan: EvaluationPlan, tmp_path: Path
) -> None:
    plan = kept(plan, tmp_path)
    run(plan)
    other = dataclasses.replace(plan, identity={"protocol": "samdiffsr", "model": "m"})
    with pytest.raises(InputError, match=r"another evaluation \(model, protocol differ\)"):
        run(other)


@pytest.mark.parametrize("text", ["nonsense\n", '{"identity": 3}\n', '{"identity": {}}\n[]\n'])
def test_damaged_numbers_are_refused(plan: EvaluationPlan, tmp_path: Path, text: str) -> None:
    plan = kept(plan, tmp_path)
    run(plan)
    (tmp_path / "out" / RESULTS_NAME).write_text(text)
    with pytest.raises(InputError, match=r"damaged|another evaluation"):
        run(plan)


def test_an_infinite_value_is_still_one_when_it_is_read_back(
    plan: EvaluationPlan, tmp_path: Path
) -> None:
    plan = dataclasses.replace(
        kept(plan, tmp_path), methods=[method(enlarge=lambda case, _t, _s: case.hr)]
    )
    assert run(plan)[0].values["psnr_y"] == math.inf
    assert run(plan)[0].values["psnr_y"] == math.inf


def test_a_folder_that_cannot_be_made_is_told(plan: EvaluationPlan, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(InputError, match="out: cannot be a folder"):
        run(kept(plan, tmp_path))


def test_a_truth_that_has_changed_is_measured_again(plan: EvaluationPlan, tmp_path: Path) -> None:
    plan = kept(plan, tmp_path)
    first = run(plan)
    pixels = np.random.default_rng(9).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(plan.sets[0].truths[0].path)
    again = {one.picture: one for one in run(plan)}
    assert again["a.png"].values != first[0].values
    assert again["b.png"] == first[1]


def test_results_of_another_folder_are_measured_for_themselves(
    plan: EvaluationPlan, tmp_path: Path
) -> None:
    plan = kept(plan, tmp_path)
    values = []
    for folder, level in (("bad", 0), ("good", 128)):
        (tmp_path / folder).mkdir()
        results = ResultFolder(tmp_path / folder)
        for name in ("a.png", "b.png"):
            Image.new("RGB", (40, 32), (level,) * 3).save(tmp_path / folder / name)

        def read(
            _case: Case, truth: Truth, _seed: int, results: ResultFolder = results
        ) -> np.ndarray:
            return np.asarray(Image.open(results.find(truth)))

        mine = dataclasses.replace(method("mine", enlarge=read), results=results)
        values.append(run(dataclasses.replace(plan, methods=[mine]))[0].values["psnr_y"])
    assert values[1] > values[0] + 3


def test_a_kept_picture_that_is_damaged_or_gone_is_made_again(
    plan: EvaluationPlan, tmp_path: Path
) -> None:
    plan = kept(plan, tmp_path)
    first = run(plan)
    assert plan.out is not None
    paths = [result_path(plan.out, "Set", "squares", truth) for truth in plan.sets[0].truths]
    whole = [path.read_bytes() for path in paths]
    paths[0].write_bytes(whole[0][:50])
    paths[1].unlink()
    assert [one.values for one in run(plan)] == [one.values for one in first]
    assert [path.read_bytes() for path in paths] == whole


def test_memory_that_runs_out_on_one_picture_does_not_stop_the_others(plan: EvaluationPlan) -> None:
    def enlarge(case: Case, truth: Truth, seed: int) -> np.ndarray:
        if truth.picture == "a.png":
            raise ResourceError("out of memory")
        return doubled(case, truth, seed)

    failure, measured = evaluate(dataclasses.replace(plan, methods=[method(enlarge=enlarge)]))
    assert isinstance(failure, Failure)
    assert isinstance(measured, ImageScores)
