"""Set this tree beside an earlier revision: cost, memory and likeness on the same crops.

    python -m tests.workshop.benchmarks.against --rev dfa5554 --pictures FOLDER --lpips squeeze
    python -m tests.workshop.benchmarks.against --rev dfa5554 --quality fast --threads 2 --busy 2
    python -m tests.workshop.benchmarks.against --rev dfa5554 --together --count 200 --side 512

The revision is unpacked into a temporary folder and run with the same Python and libraries. Photos
are cut to squares and shrunk to a quarter; then each crop is enlarged by the one and by the other,
in turns who is first, each by the command itself in a process of its own. CPU seconds are user and
system of the process and its children, the peak is that of the largest of them. Ratios are this
tree over the revision, pair by pair: their medians say what is so, also on a busy machine. The cost
of a picture of 8x8 is the start-up, which is taken off in the ratio ``work``. TORCH_HOME names
where the networks of LPIPS are.
"""

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from sam_diffsr_cli import resize
from sam_diffsr_cli.evaluation.perceptual import Distance, make_lpips
from sam_diffsr_cli.metrics import psnr_y
from sam_diffsr_cli.pictures.formats import is_picture_name

ROOT = Path(__file__).resolve().parents[3]
SCALE = 4
START_SIDE = 8


class Cost(NamedTuple):
    """What a process and its children took: CPU seconds, seconds, and megabytes at the peak."""

    cpu_s: float
    wall_s: float
    peak_mb: float


class Pair(NamedTuple):
    """One run by the revision and one by this tree, on the same pictures."""

    old: Cost
    new: Cost


class Likeness(NamedTuple):
    """Means over crops: PSNR-Y in decibels, and LPIPS where it was asked for."""

    psnr_y: float
    lpips: float | None


def unpack(rev: str, folder: Path) -> Path:
    """Unpack a revision of this repository into ``folder``."""
    packed = subprocess.run(  # noqa: S603 - the revision is whose command it is
        ["git", "archive", rev],  # noqa: S607 - wherever it is installed
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return folder


WATCH = """
import json, resource, subprocess, sys, time
began = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=2).returncode
taken = resource.getrusage(resource.RUSAGE_CHILDREN)
unit = 1e6 if sys.platform == "darwin" else 1e3
wall = time.perf_counter() - began
print(json.dumps([code, taken.ru_utime + taken.ru_stime, wall, taken.ru_maxrss / unit]))
"""
"""Run by a process of its own: a child begins with the peak of whoever started it."""


def run_tree(tree: Path, options: Sequence[str], threads: int) -> Cost:
    """Run ``samsr upscale`` of a tree, and tell what it took."""
    environ = os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "sam_diffsr_cli", "upscale", *options]
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-S", "-c", WATCH, *command],
        cwd=tree,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    code, *cost = json.loads(done.stdout)
    if code:
        raise SystemExit(f"{tree}: {' '.join(options)}\n{done.stderr}")
    return Cost(*cost)


def make_crops(pictures: Path | None, folder: Path, side: int, count: int) -> list[Path]:
    """Write crops of ``side`` pixels into ``folder/hr`` and their quarters into ``folder/lr``.

    Without pictures they are drawn: shaded discs on a gradient, with some noise.
    """
    (folder / "hr").mkdir()
    (folder / "lr").mkdir()
    made = []
    for index in range(count):
        hr = _crop(pictures, index, side) if pictures else _draw(index, side)
        levels = torch.from_numpy(hr).permute(2, 0, 1)[None].double()
        lr = resize.downscale_uint8(levels, SCALE)[0].permute(1, 2, 0).numpy().astype(np.uint8)
        name = f"{index:03}.png"
        Image.fromarray(hr).save(folder / "hr" / name)
        Image.fromarray(lr).save(folder / "lr" / name)
        made.append(folder / "lr" / name)
    return made


def _crop(pictures: Path, index: int, side: int) -> np.ndarray:
    """Cut the middle of the next picture, and other places of it once all had their turn."""
    files = sorted(path for path in pictures.rglob("*") if is_picture_name(path))
    turn, which = divmod(index, len(files))
    with Image.open(files[which]) as opened:
        pixels = np.asarray(opened.convert("RGB"))
    room = [max(0, length - side) for length in pixels.shape[:2]]
    # The golden ratio's multiples spread evenly, from the middle on.
    top, left = (
        int((0.5 + turn * share) % 1 * left)
        for share, left in zip((0.618, 0.382), room, strict=True)
    )
    crop = pixels[top : top + side, left : left + side]
    height, width = (length - length % SCALE for length in crop.shape[:2])
    return np.ascontiguousarray(crop[:height, :width])


def _draw(index: int, side: int) -> np.ndarray:
    generator = np.random.default_rng(index)
    y, x = np.mgrid[:side, :side] / side
    canvas = np.stack([60 + 120 * x, 90 + 100 * y, 200 - 90 * x * y], axis=-1)
    for _ in range(12):
        centre, radius = generator.random(2), 0.03 + 0.2 * generator.random()
        inside = np.hypot(y - centre[0], x - centre[1]) < radius
        canvas[inside] = generator.integers(0, 256, 3)
    noise = generator.normal(0, 3, canvas.shape)
    return (canvas + noise).clip(0, 255).astype(np.uint8)


def run_pairs(
    trees: tuple[Path, Path], work: Sequence[tuple[Path, Path]], how: tuple[Sequence[str], int]
) -> Iterator[Pair]:
    """Run both trees on each input; ``work`` is inputs and folders for ``old`` and ``new``."""
    options, threads = how
    for index, (source, out) in enumerate(work):
        costs = {}
        for which in (0, 1) if index % 2 == 0 else (1, 0):
            target = out / ("old", "new")[which]
            target.mkdir(parents=True, exist_ok=True)
            given = [str(source), str(target), "--format", "png", *options]
            costs[which] = run_tree(trees[which], given, threads)
        yield Pair(costs[0], costs[1])


def judge(out: Path, truths: Path, distance: Distance | None) -> Likeness:
    """Compare the results in a folder with the crops they were made of."""
    psnrs, distances = [], []
    for path in sorted(out.iterdir()):
        sr, hr = (np.asarray(Image.open(each)) for each in (path, truths / path.name))
        psnrs.append(psnr_y(sr, hr, SCALE))
        if distance is not None:
            distances.append(distance(sr, hr))
    return Likeness(
        statistics.fmean(psnrs), statistics.fmean(distances) if distance is not None else None
    )


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Keep ``count`` processes busy meanwhile."""
    code = "while True: pass"
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(count)]  # noqa: S603
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def tell(title: str, pairs: Sequence[Pair], start: Pair, megapixels: float) -> None:
    """Print the medians of both, and of their ratios."""
    print(f"{title}: {len(pairs)} pairs, {megapixels:.3f} megapixels each")
    for name, which in (("revision", 0), ("this tree", 1)):
        cpu, wall, peak = (
            statistics.median(column) for column in zip(*(p[which] for p in pairs), strict=True)
        )
        each = (cpu - start[which].cpu_s) / megapixels
        print(
            f"  {name:10} {cpu:8.2f} CPU s  {wall:8.2f} s  {peak:7.0f} MB"
            f"  {each:7.2f} CPU s/MP without start-up"
        )
    ratios = [
        *([new / old for old, new in zip(pair.old, pair.new, strict=True)] for pair in pairs),
    ]
    cpu, wall, peak = (statistics.median(column) for column in zip(*ratios, strict=True))
    work = statistics.median(
        (p.new.cpu_s - start.new.cpu_s) / (p.old.cpu_s - start.old.cpu_s) for p in pairs
    )
    print(f"  {'ratio':10} {cpu:8.3f}        {wall:8.3f}    {peak:7.3f}     {work:7.3f} work")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rev", required=True, help="what to set this tree beside")
    parser.add_argument("--pictures", type=Path, help="folder of photos; without, drawn ones")
    parser.add_argument("--count", type=int, default=12, help="crops")
    parser.add_argument("--side", type=int, default=512, help="of a crop, in output pixels")
    parser.add_argument("--quality", action="append", help="as of samsr upscale; several times")
    parser.add_argument(
        "--option", action="append", default=[], help="for both, as --option=--tile=64"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--busy", type=int, default=0, help="processes that are busy meanwhile")
    parser.add_argument("--lpips", choices=["squeeze", "alex", "vgg"])
    parser.add_argument("--together", action="store_true", help="all crops by one command")
    return parser.parse_args()


def main() -> None:
    """Run both on the same crops, and print their ratios."""
    given = _arguments()
    distance = make_lpips(given.lpips, torch.device("cpu")) if given.lpips else None
    with tempfile.TemporaryDirectory(prefix="samsr-against-") as name, busy(given.busy):
        folder = Path(name)
        trees = unpack(given.rev, folder / "revision"), ROOT
        crops = make_crops(given.pictures, folder, given.side, given.count)
        small = folder / "small.png"
        Image.new("RGB", (START_SIDE, START_SIDE), (90, 120, 60)).save(small)
        for quality in given.quality or ["balanced"]:
            how = (["--quality", quality, "--on-exists", "overwrite", *given.option], given.threads)
            start = [(small, folder / f"start-{quality}")] * 3
            first = _median(list(run_pairs(trees, start, how)))
            out = folder / quality
            work = [(folder / "lr", out)] if given.together else [(crop, out) for crop in crops]
            pairs = list(run_pairs(trees, work, how))
            sizes = [np.asarray(Image.open(crop)).shape for crop in crops]
            total = sum(height * width * SCALE**2 for height, width, _ in sizes) / 1e6
            tell(f"start-up, {quality}", [first], Pair(Cost(0, 0, 0), Cost(0, 0, 0)), 1e-3)
            tell(quality, pairs, first, total / len(work))
            for which in ("old", "new"):
                like = judge(out / which, folder / "hr", distance)
                lpips = "" if like.lpips is None else f", LPIPS {like.lpips:.4f}"
                print(f"  {which}: PSNR-Y {like.psnr_y:.3f} dB{lpips}")


def _median(pairs: Sequence[Pair]) -> Pair:
    """Take the median of each number."""
    old, new = (
        Cost(*(statistics.median(column) for column in zip(*costs, strict=True)))
        for costs in zip(*pairs, strict=True)
    )
    return Pair(old, new)


if __name__ == "__main__":
    main()
