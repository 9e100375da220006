"""Rows as values and as text."""

import dataclasses
from typing import Any

import pytest

from sam_diffsr_cli.benchmark.records import BenchRow, Failed, StartUp
from sam_diffsr_cli.benchmark.report import (
    COLUMNS,
    make_table,
    ratio_entry,
    row_cells,
    row_entry,
    tell_doubts,
    tell_peaks,
    tell_ratio,
    tell_start,
    tell_verdict,
)
from sam_diffsr_cli.benchmark.run import compare
from sam_diffsr_cli.errors import ResourceError
from sam_diffsr_cli.upscaling.speed import Work
from tests.benchmark.samples import PEAKS, case, measured, row


def cells(one: BenchRow) -> dict[str, str]:
    return dict(zip(COLUMNS, row_cells(one), strict=True))


def test_a_row_holds_what_follows_from_its_numbers() -> None:
    entry = row_entry(row("default", 40.0, 30.0, 50.0))
    expected: dict[str, Any] = {
        "model": "default",
        "has_random_weights": False,
        "device": "cpu",
        "precision": "fp32",
        "height": 100,
        "width": 200,
        "steps": 6,
        "is_own_steps": True,
        "tile": 256,
        "megapixels": 0.32,
        "seconds": {"median": 40.0, "least": 30.0, "most": 50.0},
        "repeats": 3,
        "scaled_from": None,
        "seconds_per_megapixel": 125.0,
        "tflop_per_megapixel": 6.25,
        "gigabytes_moved_per_megapixel": 156.25,
        "tflop_per_second": 0.05,
        "share_of_matmul_peak": 0.5,
        "share_of_convolution_peak": 0.625,
        "peak_memory_bytes": 2**30,
        "peak_memory_is_measured": True,
        "verdict": {"bound": "compute", "share": 0.5, "text": "compute-bound, 50 % of peak"},
        "error": None,
    }
    assert entry == expected


def test_a_failed_row_has_the_same_keys() -> None:
    entry = row_entry(Failed(case(), ResourceError("out of memory", hint="use less")))
    assert entry.keys() == row_entry(row()).keys()
    assert entry["error"] == {"message": "out of memory", "hint": "use less", "exit_code": 5}
    assert entry["seconds"] is None


def test_a_row_says_what_it_was_scaled_from() -> None:
    result = measured(10.0, scaled_from=Work(height=64, width=48, steps=2))
    entry = row_entry(BenchRow(case=case(), measured=result, peaks=PEAKS))
    assert entry["scaled_from"] == {"height": 64, "width": 48, "steps": 2}


def test_a_ratio_holds_both_sides() -> None:
    (ratio,) = compare([row("default", 3.2), row("paper", 320.0, steps=100)])
    entry = ratio_entry(ratio)
    assert entry["times"] == pytest.approx(100)
    assert entry["fast"] == {"model": "default", "steps": 6, "seconds_per_megapixel": 10.0}
    assert entry["slow"]["model"] == "paper"
    assert entry["text"] == tell_ratio(ratio)


def test_a_ratio_is_a_sentence() -> None:
    (ratio,) = compare([row("default", 3.2), row("paper", 960.0, steps=100)])
    assert tell_ratio(ratio) == (
        "default at 6 steps is 300 times as fast as paper at 100 steps "
        "(10.0 against 3000 s/MP), 200x100 on cpu in fp32"
    )


def test_the_cells_of_a_row_have_three_digits() -> None:
    assert row_cells(row("default", 40.0, 30.0, 50.0)) == (
        "default",
        "cpu",
        "fp32",
        "200x100",
        "6",
        "40.0 +-25%",
        "125",
        "6.25",
        "50 %",
        "62 %",
        "1024 MiB",
    )


def test_a_table_leaves_out_a_machine_that_is_always_the_same() -> None:
    heads, *lines = make_table([row("a"), row("b")])
    assert not {"device", "format"} & set(heads)
    assert [line[0] for line in lines] == ["a", "b"]
    assert {len(line) for line in lines} == {len(heads)}


def test_a_table_names_machines_that_differ() -> None:
    heads, *lines = make_table([row(), row(precision="bf16")])
    assert "device" not in heads
    assert [line[heads.index("format")] for line in lines] == ["fp32", "bf16"]


def test_the_verdict_of_a_row_is_one_line() -> None:
    assert tell_verdict(row("default", 40.0)) == (
        "default, 6 steps at 200x100 on cpu in fp32: compute-bound, 50 % of peak"
    )


def test_the_verdict_says_what_a_row_was_scaled_from() -> None:
    scaled = measured(40.0, scaled_from=Work(height=64, width=48, steps=1))
    told = tell_verdict(BenchRow(case=case(), measured=scaled, peaks=PEAKS))
    assert told.endswith("50 % of peak; scaled from 1 step at 48x64")


def test_what_was_scaled_is_marked() -> None:
    scaled = measured(
        10.0, scaled_from=Work(height=64, width=64, steps=2), memory_is_measured=False
    )
    told = cells(BenchRow(case=case(), measured=scaled, peaks=PEAKS))
    assert told["seconds"] == "~10.0 +-0%"
    assert told["s/MP"] == "~31.2"
    assert told["memory"] == "~1024 MiB"


def test_memory_that_nobody_tells_is_unknown() -> None:
    told = cells(BenchRow(case=case(), measured=measured(memory=None), peaks=PEAKS))
    assert told["memory"] == "unknown"


def test_an_idle_machine_leaves_no_doubts() -> None:
    assert tell_doubts([row("default", 40.0)], 0.1) == []
    assert tell_doubts([], None) == []


def test_a_busy_machine_is_a_doubt() -> None:
    (doubt,) = tell_doubts([row("default", 40.0)], 3.21)
    assert "3.2 processors" in doubt


def test_a_share_above_all_is_a_doubt() -> None:
    # 2 TFLOP in 10 s are 200 GFLOP/s, of 100 at most.
    (doubt,) = tell_doubts([row("default", 10.0)], None)
    assert "above 100 %" in doubt


def test_threads_and_kernels_of_the_cpu_are_told() -> None:
    known = dataclasses.replace(PEAKS, threads=2, kernels="brg_conv_fwd:avx512_core")
    (peaks,) = tell_peaks([known])
    assert peaks.endswith("GB/s copies; 2 threads, convolutions by brg_conv_fwd:avx512_core")


def test_peaks_and_start_are_sentences() -> None:
    (peaks,) = tell_peaks([PEAKS])
    assert peaks == (
        "peaks of cpu in fp32: 100 GFLOP/s matrix products, 80.0 GFLOP/s 3x3 convolutions, "
        "10.0 GB/s copies"
    )
    told = tell_start(StartUp(version_s=0.1, first_pixel_s=2.345))
    assert told == "start-up: 0.10 s to print the version, 2.35 s to the first pixels"
