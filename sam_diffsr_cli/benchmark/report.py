"""What was measured, as values for a document and as text for a table."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sam_diffsr_cli.benchmark.models import has_random_weights
from sam_diffsr_cli.benchmark.records import BenchCase, BenchRow, Failed, Peaks, StartUp
from sam_diffsr_cli.benchmark.roofline import judge
from sam_diffsr_cli.benchmark.run import Ratio

__all__ = [
    "COLUMNS",
    "make_table",
    "ratio_entry",
    "row_cells",
    "row_entry",
    "tell_case",
    "tell_doubts",
    "tell_peaks",
    "tell_ratio",
    "tell_start",
    "tell_verdict",
]

COLUMNS = (
    "model",
    "device",
    "format",
    "input",
    "steps",
    "seconds",
    "s/MP",
    "TFLOP/MP",
    "of matmul",
    "of conv",
    "memory",
)
"""Heads of a table; shares are of the peaks of matrix products and of 3x3 convolutions."""

MACHINE_COLUMNS = ("device", "format")
"""Left out where they are the same in every row."""


BUSY = 0.5
"""Busy processors that are worth a word."""


def row_entry(row: BenchRow | Failed) -> dict[str, Any]:
    """Describe a row; the keys are the same whether it was measured or not.

    Megapixels are those of the result. ``seconds`` are of the whole case.
    """
    entry = {**_case_entry(row.case), **dict.fromkeys(MEASURED_KEYS), "error": None}
    if isinstance(row, Failed):
        return {**entry, "error": row.error.as_dict()}
    measured, megapixels = row.measured, row.megapixels
    verdict = judge(measured.flops, measured.moved, row.seconds, row.peaks)
    values = (
        megapixels,
        {"median": row.seconds, "least": min(measured.seconds), "most": max(measured.seconds)},
        len(measured.seconds),
        None if measured.scaled_from is None else asdict(measured.scaled_from),
        row.seconds_per_megapixel,
        measured.flops / 1e12 / megapixels,
        measured.moved / 1e9 / megapixels,
        row.rate / 1e12,
        row.rate / row.peaks.matmul,
        row.rate / row.peaks.convolution,
        measured.memory,
        measured.memory_is_measured,
        {"bound": verdict.bound, "share": verdict.share, "text": str(verdict)},
    )
    return {**entry, **dict(zip(MEASURED_KEYS, values, strict=True))}


MEASURED_KEYS = (
    "megapixels",
    "seconds",
    "repeats",
    "scaled_from",
    "seconds_per_megapixel",
    "tflop_per_megapixel",
    "gigabytes_moved_per_megapixel",
    "tflop_per_second",
    "share_of_matmul_peak",
    "share_of_convolution_peak",
    "peak_memory_bytes",
    "peak_memory_is_measured",
    "verdict",
)


def _case_entry(case: BenchCase) -> dict[str, Any]:
    return {
        "model": case.model,
        "has_random_weights": has_random_weights(case.model),
        "device": case.device,
        "precision": case.precision,
        **asdict(case.work),
        "is_own_steps": case.is_own,
        "tile": case.tile,
    }


def ratio_entry(ratio: Ratio) -> dict[str, Any]:
    """Describe a comparison of two models."""
    sides = {
        name: {
            "model": row.case.model,
            "steps": row.case.work.steps,
            "seconds_per_megapixel": row.seconds_per_megapixel,
        }
        for name, row in (("fast", ratio.fast), ("slow", ratio.slow))
    }
    case = ratio.fast.case
    machine = {"device": case.device, "precision": case.precision}
    size = {"height": case.work.height, "width": case.work.width}
    return {**machine, **size, "times": ratio.times, **sides, "text": tell_ratio(ratio)}


def make_table(rows: Sequence[BenchRow]) -> list[tuple[str, ...]]:
    """Write rows as a table, its heads first."""
    table = [COLUMNS, *map(row_cells, rows)]
    columns = zip(*table, strict=True)
    shown = [c for c in columns if c[0] not in MACHINE_COLUMNS or len(set(c[1:])) > 1]
    return list(zip(*shown, strict=True))


def row_cells(row: BenchRow) -> tuple[str, ...]:
    """Write a row for a table with ``COLUMNS``; ``~`` marks what was scaled or counted."""
    measured, work = row.measured, row.case.work
    about = "" if measured.scaled_from is None else "~"
    spread = (max(measured.seconds) - min(measured.seconds)) / 2 / row.seconds
    memory = "unknown"
    if measured.memory is not None:
        mark = "" if measured.memory_is_measured else "~"
        memory = f"{mark}{measured.memory / 2**20:.0f} MiB"
    return (
        row.case.model,
        row.case.device,
        row.case.precision,
        f"{work.width}x{work.height}",
        str(work.steps),
        f"{about}{_digits(row.seconds)} +-{100 * spread:.0f}%",
        f"{about}{_digits(row.seconds_per_megapixel)}",
        _digits(measured.flops / 1e12 / row.megapixels),
        f"{100 * row.rate / row.peaks.matmul:.0f} %",
        f"{100 * row.rate / row.peaks.convolution:.0f} %",
        memory,
    )


def tell_case(case: BenchCase) -> str:
    """Name a case."""
    return f"{case.model}, {case.work} on {case.device} in {case.precision}"


def tell_verdict(row: BenchRow) -> str:
    """Write what binds a row, and what it was scaled from."""
    measured = row.measured
    verdict = judge(measured.flops, measured.moved, row.seconds, row.peaks)
    scaled = "" if measured.scaled_from is None else f"; scaled from {measured.scaled_from}"
    return f"{tell_case(row.case)}: {verdict}{scaled}"


def _digits(value: float) -> str:
    """Write three digits, and no power of ten."""
    places = next((n for n, bound in enumerate((100, 10, 1)) if value >= bound), 3)
    return f"{value:.{places}f}"


def tell_peaks(peaks: Sequence[Peaks]) -> list[str]:
    """Write the peaks of each device and number format."""
    return [
        f"peaks of {each.device} in {each.precision}: "
        f"{_digits(each.matmul / 1e9)} GFLOP/s matrix products, "
        f"{_digits(each.convolution / 1e9)} GFLOP/s 3x3 convolutions, "
        f"{_digits(each.bandwidth / 1e9)} GB/s copies{_describe_kernels(each)}"
        for each in peaks
    ]


def _describe_kernels(peaks: Peaks) -> str:
    """Write by how many threads and which kernels, where that is known."""
    noun = "thread" if peaks.threads == 1 else "threads"
    threads = f"; {peaks.threads} {noun}" if peaks.threads else ""
    return threads + (f", convolutions by {peaks.kernels}" if peaks.kernels else "")


def tell_doubts(rows: Sequence[BenchRow], load: float | None) -> list[str]:
    """Write why the numbers may be worse than the machine; nothing, as a rule.

    Args:
        rows: That were measured.
        load: Processors that were busy before.
    """
    doubts = []
    if load is not None and load >= BUSY:
        doubts.append(
            f"other programs kept {load:.1f} processors busy: times are upper bounds, peaks lower"
        )
    if any(row.rate > max(row.peaks.matmul, row.peaks.convolution) for row in rows):
        doubts.append(
            "a share above 100 %: the peaks were measured while the machine was busier "
            "than in that row; run again when it is idle"
        )
    return doubts


def tell_ratio(ratio: Ratio) -> str:
    """Write a comparison of two models."""
    fast, slow = (
        f"{row.case.model} at {row.case.work.counted_steps}" for row in (ratio.fast, ratio.slow)
    )
    quick, long = (_digits(row.seconds_per_megapixel) for row in (ratio.fast, ratio.slow))
    case = ratio.fast.case
    return (
        f"{fast} is {_digits(ratio.times)} times as fast as {slow} "
        f"({quick} against {long} s/MP), "
        f"{case.work.width}x{case.work.height} on {case.device} in {case.precision}"
    )


def tell_start(start: StartUp) -> str:
    """Write how long a process takes to start."""
    return (
        f"start-up: {start.version_s:.2f} s to print the version, "
        f"{start.first_pixel_s:.2f} s to the first pixels"
    )
