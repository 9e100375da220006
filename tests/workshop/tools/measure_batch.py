"""Measure how much of a batch's time is the model's: start-up, decoding and encoding beside it.

    python -m tests.workshop.tools.measure_batch FOLDER --count 200 --side 128 [-- --steps 0 ...]

Crops of the photos in FOLDER are enlarged by one ``samsr upscale`` process; what follows ``--``
goes to it. Reading and writing run beside the model, so their seconds overlap with its own; what
the model did not fill of the wall time is the overhead. ``--profile`` samples the process instead
and prints where its main thread was.
"""

import argparse
import collections
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image


def make_crops(folder: Path, out: Path, count: int, side: int) -> None:
    """Cut ``count`` squares out of the photos of ``folder``, as JPEG."""
    photos = sorted(p for p in folder.iterdir() if p.suffix.lower() in {".jpg", ".png", ".webp"})
    for index in range(count):
        with Image.open(photos[index % len(photos)]) as photo:
            width, height = photo.size
            x, y = ((37 * index) % max(1, length - side) for length in (width, height))
            crop = photo.convert("RGB").crop((x, y, x + side, y + side))
        crop.save(out / f"{index:04}.jpg", quality=95)


def profile(command: list[str], folder: Path) -> collections.Counter[str]:
    """Run the command under py-spy; count samples of the main thread by what it was doing."""
    samples = folder / "samples.txt"
    spy = ["py-spy", "record", "--format", "raw", "--rate", "20", "-t", "-o", str(samples), "--"]
    subprocess.run([*spy, *command], check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    shares: collections.Counter[str] = collections.Counter()
    for line in samples.read_text(encoding="utf-8").splitlines():
        stack, _, number = line.rpartition(" ")
        if "MainThread" not in stack:
            continue
        inside = [name for name in ("enlarge_frame", "_finished", "_read_ahead") if name in stack]
        shares[inside[0] if inside else "start-up and the rest"] += int(number)
    return shares


def main() -> None:
    """Read the command line and measure."""
    own, _, rest = "\0".join(sys.argv[1:]).partition("\0--\0")
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--profile", action="store_true", help="needs py-spy")
    options = parser.parse_args(own.split("\0"))
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "in").mkdir()
        make_crops(options.folder, work / "in", options.count, options.side)
        command = [sys.executable, "-m", "sam_diffsr_cli", "upscale", str(work / "in")]
        command += [str(work / "out"), "--json", *(rest.split("\0") if rest else [])]
        if options.profile:
            counts = profile(command, work)
            for what, number in counts.most_common():
                print(f"{what:24} {100 * number / counts.total():5.1f} %")
            return
        began = time.monotonic()
        run = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
        wall_s = time.monotonic() - began
    files = json.loads(run.stdout)["files"]
    spent = {k: sum(f["seconds"][k] for f in files) for k in ("read", "enlarge", "write")}
    print(
        f"{len(files)} pictures in {wall_s:.1f} s, {wall_s / len(files):.3f} s each; "
        f"model {100 * spent['enlarge'] / wall_s:.1f} % of wall time, the rest "
        f"{100 - 100 * spent['enlarge'] / wall_s:.1f} %; beside it, reading {spent['read']:.1f} s, "
        f"writing {spent['write']:.1f} s"
    )


if __name__ == "__main__":
    main()
