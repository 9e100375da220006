"""Measure a batch with one process and with several workers, and what it is made of.

    python -m tests.workshop.benchmarks.measure_workers --photos DIR --workers 2 --engine ray
    python -m tests.workshop.benchmarks.measure_workers --count 40 -- --steps 0 --format jpg

Crops of the photos, or pictures drawn here, are enlarged by ``samsr upscale`` with one process,
then with more workers, each with its start; what follows ``--`` goes to it. stdout gets one JSON
document, stderr a table. Exits with 1 when the outputs of two runs differ in a byte. On a busy
machine only the ratios count, which are taken within a round, and the seconds of the processor.
"""

import argparse
import hashlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from sam_diffsr_cli.pictures.formats import is_picture_name
from tests.workshop.benchmarks.parts import (
    load_order,
    time_decoding,
    time_driver,
    time_encoding,
    time_enlarging,
    time_planning,
    time_start,
)
from tests.workshop.tools.measure_batch import make_crops

DRAWN_SIDE = 512
FORMATS = ("png", "jpg")
WATCHED = (2, 128, 512)
"""Workers that a driver with Ray is timed with; all but two never answer."""

MOST_ENLARGED, MOST_DECODED = 4, 50
STAGES = ("read", "enlarge", "write")


@dataclass(frozen=True, slots=True)
class Case:
    """How a batch is run: with one process where ``workers`` is 1 and the engine local."""

    engine: str
    workers: int

    @property
    def options(self) -> list[str]:
        """Say it on the command line."""
        engine = [] if self.engine == "local" else ["--engine", self.engine]
        return [*engine, "--workers", str(self.workers)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """How a case went: medians over the rounds.

    ``speed`` is how many times as fast it was as one process in the same round; ``seconds`` are
    those of each stage for an output megapixel, among which the stages' own waiting counts.
    """

    engine: str
    workers: int
    wall_s: float
    images_per_s: float
    images_per_s_worker: float
    speed: float
    seconds: dict[str, float]


@dataclass(frozen=True, slots=True)
class _Ran:
    wall_s: float
    document: dict[str, Any]
    outputs: dict[str, str]


def draw_photos(folder: Path, count: int) -> None:
    """Draw something with smooth areas, edges and grain."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:DRAWN_SIDE, :DRAWN_SIDE] / DRAWN_SIDE
    for number in range(count):
        waves = rng.uniform(1, 30, (3, 2))
        levels = np.stack([np.sin(a * x + b * y * x) for a, b in waves], axis=-1)
        levels += np.where(np.hypot(x - rng.random(), y - rng.random()) < 0.3, 0.5, 0)[..., None]
        levels += rng.normal(0, 0.03, levels.shape)
        pixels = (127 + 80 * levels).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")


def run(case: Case, photos: Path, out: Path, more: Sequence[str]) -> _Ran:
    """Run one batch.

    Raises:
        SystemExit: It failed, or said something else than its report.
    """
    command = [sys.executable, "-m", "sam_diffsr_cli", "upscale", str(photos), str(out), "--json"]
    began = time.monotonic()
    ran = subprocess.run(  # noqa: S603 - our own
        [*command, *case.options, *more], check=False, capture_output=True, text=True
    )
    wall_s = time.monotonic() - began
    if ran.returncode or not ran.stdout.startswith("{"):
        told = f"{ran.stdout[-2000:]}\n{ran.stderr[-2000:]}"
        raise SystemExit(f"{case} ended with {ran.returncode}:\n{told}")
    outputs = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(out.iterdir())
    }
    return _Ran(wall_s, json.loads(ran.stdout), outputs)


def row_of(case: Case, rounds: Sequence[dict[Case, _Ran]], one: Case) -> Row:
    """Take the medians of a case over the rounds."""
    rans = [each[case] for each in rounds]
    files = [file for ran in rans for file in ran.document["files"]]
    pixels = sum(file["size_out"]["width"] * file["size_out"]["height"] for file in files)
    wall_s = statistics.median(ran.wall_s for ran in rans)
    count = len(rans[0].document["files"])
    return Row(
        engine=case.engine,
        workers=case.workers,
        wall_s=round(wall_s, 2),
        images_per_s=round(count / wall_s, 4),
        images_per_s_worker=round(count / wall_s / case.workers, 4),
        speed=round(statistics.median(e[one].wall_s / e[case].wall_s for e in rounds), 3),
        seconds={
            name: round(sum(file["seconds"][name] for file in files) / pixels * 1e6, 4)
            for name in STAGES
        },
    )


def measure_parts(photos: Path, work: Path, engines: Sequence[str], steps: int) -> dict[str, Any]:
    """Measure what the simulation is told, each by itself."""
    order = load_order(None, work / "nowhere")
    inputs = sorted(each for each in photos.iterdir() if is_picture_name(each))[:MOST_DECODED]
    crops, outputs = sorted((work / "photos").iterdir()), sorted((work / "0-0").iterdir())
    parts: dict[str, Any] = {
        "decode": asdict(time_decoding(inputs)),
        "enlarge on one core": asdict(time_enlarging(crops[:MOST_ENLARGED], steps, work)),
        "encode": {name: asdict(time_encoding(outputs, name)) for name in FORMATS},
        "plan": asdict(time_planning(work, 20_000)),
        "start_s": {engine: time_start(order, engine) for engine in engines},
        "driver": {"local, 2 workers": asdict(time_driver(order, "local", 2, 5000, 2))},
    }
    if "ray" in engines:
        for watched in WATCHED:
            cost = time_driver(order, "ray", 2, 2000, watched)
            parts["driver"][f"ray, {watched} workers"] = asdict(cost)
    return parts


def describe_machine() -> dict[str, Any]:
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "cores": os.cpu_count(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "load_before": load,
    }


def table_of(rows: Sequence[Row]) -> Iterator[str]:
    """Print rows as Markdown."""
    heads = ("engine", "workers", "wall s", "images/s", "of each", "times as fast")
    yield f"| {' | '.join(heads)} | s/MP: read | enlarge | write |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for row in rows:
        stages = " | ".join(f"{row.seconds[name]:.4f}" for name in STAGES)
        yield (
            f"| {row.engine} | {row.workers} | {row.wall_s:.1f} | {row.images_per_s:.3f} | "
            f"{row.images_per_s_worker:.3f} | {row.speed:.2f} | {stages} |"
        )


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Read the options, and those that are for ``samsr upscale``."""
    own, _, rest = "\0".join(arguments).partition("\0--\0")
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--photos", type=Path, help="a folder (default: pictures drawn here)")
    parser.add_argument("--count", type=int, default=16, help="pictures in a batch")
    parser.add_argument("--side", type=int, default=192, help="of a crop, in pixels")
    parser.add_argument("--workers", type=int, default=2, help="the most there are to be")
    parser.add_argument("--engine", choices=("local", "ray"), default="local", help="also with Ray")
    parser.add_argument("--rounds", type=int, default=1, help="each case is run so often, in turn")
    parser.add_argument("--parts", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args([each for each in own.split("\0") if each])
    return options, rest.split("\0") if rest else []


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; return the exit code."""
    options, more = parse(sys.argv[1:] if arguments is None else arguments)
    engines = ["local"] if options.engine == "local" else ["local", "ray"]
    cases = [Case(name, n + 1) for name in engines for n in range(options.workers)]
    machine = describe_machine()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        photos, drawn = work / "photos", work / "drawn"
        photos.mkdir()
        drawn.mkdir()
        if options.photos is None:
            draw_photos(drawn, min(8, options.count))
        make_crops(options.photos or drawn, photos, options.count, options.side)
        rounds = [
            {case: run(case, photos, work / f"{turn}-{i}", more) for i, case in enumerate(cases)}
            for turn in range(options.rounds)
        ]
        made_by = rounds[0][cases[0]].document["made_by"]
        parts = None
        if options.parts:
            parts = measure_parts(options.photos or drawn, work, engines, made_by["steps"])
    rans = [ran for each in rounds for ran in each.values()]
    is_same = all(ran.outputs == rans[0].outputs for ran in rans)
    rows = [row_of(case, rounds, cases[0]) for case in cases]
    document = {
        "machine": machine,
        "made_by": made_by,
        "options": more,
        "pictures": options.count,
        "side": options.side,
        "rounds": options.rounds,
        "identical": is_same,
        "runs": [asdict(row) for row in rows],
        "parts": parts,
    }
    sys.stdout.write(json.dumps(document, indent=2) + "\n")
    verdict = "all outputs are identical" if is_same else "outputs DIFFER"
    sys.stderr.write("\n".join([*table_of(rows), verdict]) + "\n")
    return 0 if is_same else 1


if __name__ == "__main__":
    raise SystemExit(main())
