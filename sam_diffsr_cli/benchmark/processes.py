"""Processes of their own: for each case, since memory shows only a peak; and to time a start."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
from PIL import Image

from sam_diffsr_cli import errors
from sam_diffsr_cli.benchmark.records import BenchMeasurement, CaseTask, Peaks, PeaksTask, StartUp
from sam_diffsr_cli.benchmark.timing import Report
from sam_diffsr_cli.errors import InputError, ResourceError, SamsrError, WeightsError
from sam_diffsr_cli.strict import parse, to_json

__all__ = ["load_now", "run_case", "run_peaks", "time_start"]

Answer = TypeVar("Answer")

WORKER = "sam_diffsr_cli.benchmark.worker"
KILLED = -9
"""How a process ends that the system killed, as a rule because memory ran out."""

FIRST_SIDE = 8
"""Of the picture whose enlarging is a start and little else."""


def run_case(task: CaseTask, report: Report) -> BenchMeasurement:
    """Measure a case in a process of its own.

    Raises:
        SamsrError: What stopped it.
    """
    return _run("case", to_json(task), BenchMeasurement, report)


def run_peaks(task: PeaksTask, report: Report) -> Peaks:
    """Measure the peaks of a device in a process of its own.

    Raises:
        SamsrError: What stopped it.
    """
    return _run("peaks", to_json(task), Peaks, report)


def _run(kind: str, text: str, answer: type[Answer], report: Report) -> Answer:
    """Give the task to a worker, and follow it."""
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", WORKER, kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=told,
            text=True,
            encoding="ascii",
        )
        with process:
            try:
                found = _follow(process, text, report)
            except BaseException:
                process.kill()
                raise
            # Told to end, as its stdin is closed.
        if found is None:
            raise _failure(process.returncode, told)
    value: Answer = parse(answer, found, kind)
    return value


def _follow(process: subprocess.Popen[str], text: str, report: Report) -> Any:  # noqa: ANN401
    """Read what the worker tells; return what it found, None when it ended without."""
    assert process.stdin is not None  # noqa: S101 - for the type checker
    assert process.stdout is not None  # noqa: S101 - likewise
    process.stdin.write(text + "\n")
    process.stdin.flush()
    for line in process.stdout:
        told = json.loads(line)
        if "share" in told:
            report(told["share"])
        elif "error" in told:
            raise _error(**told["error"])
        else:
            return told["done"]
    return None


def _error(kind: str, message: str, hint: str | None) -> SamsrError:
    """Make the error that stopped the worker."""
    found = getattr(errors, kind)(message, hint=hint)
    assert isinstance(found, SamsrError)  # noqa: S101 - the worker sends nothing else
    return found


def _failure(code: int, told: IO[bytes]) -> Exception:
    """Explain a worker that ended without an answer."""
    if code == KILLED:
        return ResourceError(
            "the process that measures was killed, as when memory runs out",
            hint="use a smaller --size or --tile",
        )
    told.seek(0)
    text = told.read().decode(errors="replace")
    return RuntimeError(f"the process that measures ended with {code}\n{text}")


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
