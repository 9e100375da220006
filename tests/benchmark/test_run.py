"""Which cases there are, what is measured when, and how rows are compared."""

from dataclasses import replace
from pathlib import Path

import pytest

from sam_diffsr_cli.benchmark.records import (
    BenchCase,
    BenchMeasurement,
    BenchRow,
    CaseTask,
    Effort,
    Failed,
    Peaks,
    PeaksTask,
)
from sam_diffsr_cli.benchmark.run import (
    Request,
    Runners,
    compare,
    measure_peaks_again,
    plan_cases,
    run_cases,
)
from sam_diffsr_cli.errors import InputError, ResourceError, SamsrError, WeightsError
from sam_diffsr_cli.upscaling.speed import Report, Work
from tests.benchmark.samples import PEAKS, case, measured, row, write_tiny

ON_CPU = {"devices": ("cpu",), "precisions": ("fp32",)}


def plan(**values: tuple[object, ...]) -> list[BenchCase]:
    return plan_cases(Request(**ON_CPU | values))  # type: ignore[arg-type]  # of many kinds


def brief(cases: list[BenchCase]) -> list[tuple[str, int, bool]]:
    return [(each.model, each.work.steps, each.is_own) for each in cases]


class Fakes:
    """Takes down what is asked for; measures nothing."""

    def __init__(self, failing: str = "") -> None:
        self.asked: list[str] = []
        self.failing = failing

    def case(self, task: CaseTask, report: Report) -> BenchMeasurement:
        self.asked.append(f"{task.case.model} {task.case.precision}")
        report(0.5)
        if task.case.model == self.failing:
            raise ResourceError("out of memory")
        return measured()

    def peaks(self, task: PeaksTask, report: Report) -> Peaks:
        self.asked.append(f"peaks {task.precision}")
        report(1.0)
        if self.failing == "peaks":
            raise ResourceError("out of memory")
        return PEAKS

    def run(self, *cases: BenchCase, report: Report = lambda _: None) -> list[BenchRow | Failed]:
        runners = Runners(case=self.case, peaks=self.peaks)
        return list(run_cases(cases, Effort(), report, runners))


def test_without_options_the_bundled_model_and_the_paper_run_with_their_steps_and_none() -> None:
    assert brief(plan()) == [
        ("default", 2, True),
        ("default", 0, False),
        ("paper", 100, True),
        ("paper", 0, False),
    ]
    assert {(each.work.height, each.work.width) for each in plan()} == {(256, 256)}


def test_every_combination_is_a_case() -> None:
    cases = plan(
        models=("lite", "paper"),
        sizes=("64", "32x48"),
        steps=(1, 2, 3),
        precisions=("fp32", "bf16"),
    )
    assert len(set(cases)) == len(cases) == 2 * 2 * 3 * 2


def test_a_combination_that_is_named_twice_is_one_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sam_diffsr_cli.device.has_native_bf16", lambda: False)
    assert len(plan(models=("lite", "lite"), sizes=("64", "64x64"), steps=(1, 1))) == 1
    assert len(plan(models=("lite",), precisions=("auto", "fp32"))) == 2


def test_a_size_is_width_by_height() -> None:
    (only,) = plan(models=("lite",), sizes=("40x30",), steps=(0,))
    assert only.work == Work(height=30, width=40, steps=0)


def test_a_model_whose_own_steps_are_none_is_one_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sam_diffsr_cli.checkpoints.store import save_weights
    from sam_diffsr_cli.networks.model import build_model
    from tests.helpers import TINY

    monkeypatch.chdir(tmp_path)
    still = replace(TINY, diffusion=replace(TINY.diffusion, sampling_steps=0))
    save_weights(Path("still"), build_model(still), "made up for a test")
    assert brief(plan(models=("still",))) == [("still", 0, True)]


@pytest.mark.parametrize(
    "size", ["", "0", "x", "12x", "12y3", "-4", "4x0", "1e3", "2x3x4", "200000"]
)
def test_a_size_that_is_none_is_refused(size: str) -> None:
    with pytest.raises(InputError, match="--size"):
        plan(sizes=(size,))


def test_more_steps_than_a_model_has_are_refused_before_anything_runs(tmp_path: Path) -> None:
    tiny = str(write_tiny(tmp_path))
    with pytest.raises(InputError, match="--steps 11: this model has at most 10"):
        plan(models=("lite", tiny), steps=(2, 11))


def test_what_is_not_there_is_refused_before_anything_runs() -> None:
    with pytest.raises(WeightsError, match="no such weights file"):
        plan(models=("lite", "missing.safetensors"))
    with pytest.raises(InputError, match="--device"):
        plan(devices=("cpu", "abacus"))
    with pytest.raises(InputError, match="--precision"):
        plan(precisions=("fp32", "fp8"))


@pytest.mark.parametrize("tile", [1, 15, -3])
def test_a_tile_that_cannot_be_is_refused(tile: int) -> None:
    with pytest.raises(InputError, match=f"--tile {tile}"):
        plan_cases(Request(tile=tile))


def test_peaks_are_measured_once_for_each_device_and_number_format() -> None:
    fakes = Fakes()
    fakes.run(case("a"), case("b"), case("a", precision="bf16"), case("b", precision="bf16"))
    assert fakes.asked == ["peaks fp32", "a fp32", "b fp32", "peaks bf16", "a bf16", "b bf16"]


def test_a_case_that_fails_leaves_the_others() -> None:
    found = Fakes(failing="b").run(case("a"), case("b"), case("c"))
    assert [type(each) for each in found] == [BenchRow, Failed, BenchRow]
    assert isinstance(found[1], Failed)
    assert isinstance(found[1].error, SamsrError)


def test_without_peaks_a_case_has_failed() -> None:
    (found,) = Fakes(failing="peaks").run(case("a"))
    assert isinstance(found, Failed)


def test_progress_is_the_share_of_all_cases() -> None:
    told: list[float] = []
    Fakes().run(case("a"), case("b"), report=told.append)
    assert told == [0.25, 0.5, 0.75, 1.0]


def test_peaks_are_measured_again_and_the_better_kept() -> None:
    fakes = Fakes()
    low = replace(PEAKS, matmul=1e9, bandwidth=99e9)
    first = [replace(row("a"), peaks=low), row("b", precision="bf16")]
    other = replace(PEAKS, precision="bf16", convolution=99e9)
    failed = Failed(case(), ResourceError("out of memory"))
    rows: list[BenchRow | Failed] = [first[0], failed, replace(first[1], peaks=other)]
    found = measure_peaks_again(rows, Runners(case=fakes.case, peaks=fakes.peaks))
    assert fakes.asked == ["peaks fp32", "peaks bf16"]
    assert found[1] is failed
    assert isinstance(found[0], BenchRow)
    assert isinstance(found[2], BenchRow)
    assert found[0].peaks == replace(PEAKS, bandwidth=99e9)
    assert found[2].peaks == other
    assert found[0].measured == first[0].measured


def test_peaks_that_fail_the_second_time_stay_as_they_were() -> None:
    fakes = Fakes(failing="peaks")
    rows = [row("a")]
    assert measure_peaks_again(rows, Runners(case=fakes.case, peaks=fakes.peaks)) == rows


def test_a_ratio_names_the_faster_model_first() -> None:
    (ratio,) = compare([row("paper", 1000.0, steps=100), row("default", 10.0)])
    assert (ratio.fast.case.model, ratio.slow.case.model) == ("default", "paper")
    assert ratio.times == pytest.approx(100)


def test_only_rows_that_differ_in_the_model_are_compared() -> None:
    found = compare(
        [
            row("default", 1.0),
            row("default", 1.0, steps=0, is_own=False),
            row("paper", 1.0, steps=100),
            row("paper", 1.0, steps=0, is_own=False),
            row("paper", 1.0, precision="bf16"),
            row("paper", 1.0, device="mps"),
        ]
    )
    told = {(r.fast.case.work.steps, r.slow.case.work.steps) for r in found}
    assert told == {(6, 100), (0, 0)}
    assert len(found) == 2


def test_the_first_model_is_compared_with_each_other() -> None:
    found = compare([row("a", 1.0), row("b", 2.0), row("c", 3.0)])
    assert [(r.fast.case.model, r.slow.case.model) for r in found] == [("a", "b"), ("a", "c")]
