"""A small model, and rows made up for tests that measure nothing."""

from pathlib import Path
from typing import Any

from sam_diffsr_cli.benchmark.records import BenchCase, BenchMeasurement, BenchRow, Peaks
from sam_diffsr_cli.upscaling.speed import Work
from tests.helpers import write_weights

PEAKS = Peaks(device="cpu", precision="fp32", matmul=100e9, convolution=80e9, bandwidth=10e9)


def write_tiny(folder: Path) -> Path:
    return write_weights(folder / "tiny.safetensors")


def case(model: str = "default", steps: int = 6, **values: Any) -> BenchCase:
    work = Work(height=100, width=200, steps=steps)
    given: dict[str, Any] = {"device": "cpu", "precision": "fp32", "is_own": True, "work": work}
    given["tile"] = 256
    return BenchCase(model=model, **given | values)


def measured(*seconds: float, **values: Any) -> BenchMeasurement:
    """A result of 0.32 megapixels, 2 TFLOP and 50 GB."""
    given: dict[str, Any] = {
        "seconds": seconds or (10.0,),
        "scaled_from": None,
        "scale": 4,
        "flops": 2 * 10**12,
        "moved": 50 * 10**9,
        "memory": 2**30,
        "memory_is_measured": True,
    }
    return BenchMeasurement(**given | values)


def row(model: str = "default", *seconds: float, **values: Any) -> BenchRow:
    return BenchRow(case=case(model, **values), measured=measured(*seconds), peaks=PEAKS)
