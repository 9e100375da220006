"""Processes of their own: for each case, since memory shows only a peak; and to time a start."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from sam_diffsr_cli.benchmark.records import BenchMeasurement, CaseTask, Peaks, PeaksTask, StartUp
from sam_diffsr_cli.benchmark.worker import MeasuringConfig
from sam_diffsr_cli.errors import InputError, ResourceError, SamsrError, WeightsError
from sam_diffsr_cli.upscaling.speed import Report
from sam_diffsr_cli.workers.alone import run_alone

__all__ = ["load_now", "run_case", "run_peaks", "time_start"]

Found = TypeVar("Found", BenchMeasurement, Peaks)

ADVICE = "use a smaller --size or --tile"

FIRST_SIDE = 8
"""Of the picture whose enlarging is a start and little else."""


def run_case(task: CaseTask, report: Report) -> BenchMeasurement:
    """Measure a case in a process of its own.

    Raises:
        SamsrError: What stopped it.
    """
    return _run(task, task.case.device, BenchMeasurement, report)


def run_peaks(task: PeaksTask, report: Report) -> Peaks:
    """Measure the peaks of a device in a process of its own.

    Raises:
        SamsrError: What stopped it.
    """
    return _run(task, task.device, Peaks, report)


def _run(task: CaseTask | PeaksTask, device: str, kind: type[Found], report: Report) -> Found:
    found = run_alone(MeasuringConfig(), task, device, report, ADVICE).found
    assert isinstance(found, kind)  # noqa: S101 - what is measured is by the task
    return found


def load_now() -> float | None:
    """Return how many processors other programs kept busy in the last minute, as a rule.

    Returns:
        None where the system does not tell.
    """
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def time_start(device: str, weights: Path | None, repeats: int) -> StartUp:
    """Time whole processes of ``samsr``, the median of several.

    Args:
        device: Where the first pixel is computed.
        weights: Of the model, None for the bundled one.
        repeats: How many of each.

    Raises:
        SamsrError: A process failed.
    """
    command = [sys.executable, "-m", "sam_diffsr_cli"]
    with tempfile.TemporaryDirectory(prefix="samsr-") as name:
        source, target = Path(name) / "in.png", Path(name) / "out.png"
        Image.fromarray(np.full((FIRST_SIDE, FIRST_SIDE, 3), 128, np.uint8)).save(source)
        upscale = [*command, "upscale", str(source), str(target), "--steps", "0"]
        upscale += ["--device", device, "--on-exists", "overwrite"]
        upscale += [] if weights is None else ["--weights", str(weights)]
        return StartUp(
            version_s=_seconds([*command, "--version"], repeats),
            first_pixel_s=_seconds(upscale, repeats),
        )


def _seconds(command: Sequence[str], repeats: int) -> float:
    """Time a command after one run that fills the system's file cache."""
    seconds = []
    for _ in range(1 + repeats):
        began = time.perf_counter()
        done = subprocess.run(  # noqa: S603 - ourselves
            command, capture_output=True, text=True, errors="replace", check=False
        )
        seconds.append(time.perf_counter() - began)
        if done.returncode != 0:
            raise _error_of_command(done.returncode, done.stderr)
    return statistics.median(seconds[1:])


def _error_of_command(code: int, told: str) -> SamsrError:
    """Make the error that a command told on stderr, and ended with."""
    message, _, hint = told.strip().removeprefix("error: ").partition("\nhint: ")
    kinds = (InputError, WeightsError, ResourceError)
    kind = next((kind for kind in kinds if kind.exit_code == code), SamsrError)
    return kind(message, hint=hint or None)
