"""Kill a batch at random moments, finish it, and compare the folder with that of an unbroken run.

    python -m tests.workshop.tools.kill_batch --pictures 50 --kills 10
    python -m tests.workshop.tools.kill_batch --pictures 200 --kills 6 --workers 2

With workers, every other kill is of one of them, which the batch must survive. Every byte counts,
and so does every hidden file. Exits with 1 when a folder differs.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psutil
import torch
from PIL import Image

from tests.halting import Halt, go_on
from tests.helpers import PATIENCE_S, write_weights

NAMES = ("{}.png", "{}.jpg", "sub/{}.webp", "sub/deep/{}.tif", "{}.gif", "sub/{}.bmp")
ROOT = Path(__file__).resolve().parents[3]
POLL_S = 0.001
Event = Literal["os.rename", "open"]


@dataclass(frozen=True)
class Place:
    """A folder with pictures to enlarge and a small model; ``more`` options go to every run."""

    root: Path
    more: tuple[str, ...] = ()

    @property
    def photos(self) -> Path:
        return self.root / "photos"

    @property
    def weights(self) -> Path:
        return self.root / "tiny.safetensors"

    @property
    def halts(self) -> Path:
        """Where halts are ordered, one at a time."""
        return self.root / "halt"

    def arguments(self, out: Path, *more: str) -> list[str]:
        """Build the command line after ``samsr``."""
        named = ["upscale", str(self.photos), str(out), "--recursive", "--device", "cpu"]
        return [*named, "--weights", str(self.weights), *self.more, *more]

    def start(self, out: Path, *more: str, halt: Halt | None = None) -> "subprocess.Popen[str]":
        """Start the command as a process of its own, to be halted or not."""
        command = [sys.executable, "-m", "sam_diffsr_cli", *self.arguments(out, *more)]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        # One thread, so that a busy machine does not make such small pictures slow.
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        if halt is not None:
            environment |= halt.environment(os.environ.get("PYTHONPATH", ""))
        return subprocess.Popen(  # noqa: S603 - our own
            command, text=True, env=environment, cwd=ROOT, **pipes
        )


def make_place(root: Path, pictures: int, side: int = 60) -> Place:
    """Draw ``pictures`` of many formats, of about ``side`` pixels, and make a model."""
    place = Place(root)
    rng = np.random.default_rng(0)
    for index in range(pictures):
        path = place.photos / NAMES[index % len(NAMES)].format(f"{index:03d}")
        path.parent.mkdir(parents=True, exist_ok=True)
        height, width = rng.integers(side // 2, side, 2)
        image = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        image.save(path, dpi=(72, 72))
    torch.manual_seed(0)
    write_weights(place.weights)
    return place


def content(folder: Path) -> dict[str, bytes | None]:
    """Read a whole tree, hidden files too; folders are None."""
    return {
        path.relative_to(folder).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }


def outputs(folder: Path) -> list[Path]:
    """List the files that are there under their final names."""
    return [p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".")]


def wait_for(folder: Path, count: int, process: "subprocess.Popen[str]") -> None:
    """Wait until ``count`` outputs are there or the process is at its end."""
    deadline = time.monotonic() + PATIENCE_S
    while len(outputs(folder)) < count and process.poll() is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{count} outputs in {folder}")
        time.sleep(POLL_S)


def halt_at(place: Place, out: Path, count: int, event: Event = "os.rename") -> Halt:
    """Order a halt once ``count`` outputs are in ``out``."""
    return Halt(place.halts, out, count, event=event)


def interrupt_at(place: Place, out: Path, count: int, *options: str) -> tuple[int, str, str]:
    """Run into ``out``, and send Ctrl-C once ``count`` outputs are there.

    Returns:
        The exit code, and what was written on stdout and stderr.
    """
    halt = halt_at(place, out, count)
    # A shell's background job ignores Ctrl-C, and so would what it starts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = place.start(out, *options, halt=halt)
    finally:
        signal.signal(signal.SIGINT, before)
    halted = halt.wait(process)
    process.send_signal(signal.SIGINT)
    go_on(halted)
    stdout, stderr = process.communicate(timeout=PATIENCE_S)
    return process.returncode, stdout, stderr


def kill_at(
    place: Place, out: Path, count: int, delay_s: float = 0.0, event: Event = "os.rename"
) -> bool:
    """Run into ``out``, and kill without warning at ``event`` after ``count`` outputs.

    With ``delay_s`` it goes on for so long, and may be at its end by then.

    Returns:
        Whether the run was still under way.
    """
    halt = halt_at(place, out, count, event)
    process = place.start(out, halt=halt)
    halted = process.pid
    try:
        halted = halt.wait(process)
        if delay_s:
            go_on(halted)
            time.sleep(delay_s)
    finally:
        process.kill()
        if halted != process.pid and psutil.pid_exists(halted):
            go_on(halted)
        process.communicate()
    return process.returncode < 0


def workers_of(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    """List the workers of a batch."""
    children = psutil.Process(process.pid).children()
    return [child for child in children if any("spawn_main" in part for part in child.cmdline())]


def kill_worker_at(place: Place, out: Path, count: int) -> int:
    """Run into ``out``, kill a worker that is at work after ``count`` outputs; let the rest go on.

    Returns:
        The exit code.
    """
    halt = halt_at(place, out, count)
    process = place.start(out, halt=halt)
    os.kill(halt.wait(process), signal.SIGKILL)
    _, errors = process.communicate()
    if process.returncode:
        print(errors)
    return process.returncode


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill, finish and compare as often as asked for; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=50)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args(arguments)
    rng = np.random.default_rng(options.seed)
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        place = make_place(Path(folder), options.pictures)
        whole = Path(folder) / "whole"
        # One process, whatever the others are.
        code, wanted = finish(place, whole), content(whole)
        place = replace(place, more=("--workers", str(options.workers)))
        print(f"unbroken: exit code {code}, {len(outputs(whole))} pictures")
        if code != 0 or len(outputs(whole)) != options.pictures:
            return 1
        for kill in range(options.kills):
            out = Path(folder) / f"out{kill}"
            share = (kill + rng.random()) / options.kills
            moment = int(share * options.pictures), rng.uniform(0, 0.03)
            if options.workers > 1 and kill % 2:
                bad += not survives(place, out, moment[0], wanted)
                continue
            underway = kill_at(place, out, *moment)
            there, hidden = len(outputs(out)), len([*out.rglob(".*")])
            code = finish(place, out, "--on-exists", "skip")
            same = code == 0 and content(out) == wanted
            bad += not same or not underway
            print(
                f"kill {kill + 1}: {there} pictures and {hidden} temporary files were there, "
                f"{'under way' if underway else 'TOO LATE'}; rerun: exit code {code}, "
                f"{'identical' if same else 'DIFFERENT'}"
            )
    return 1 if bad else 0


def survives(place: Place, out: Path, count: int, wanted: dict[str, bytes | None]) -> bool:
    """Kill a worker, and tell whether the batch ends well all the same."""
    code = kill_worker_at(place, out, count)
    same = code == 0 and content(out) == wanted
    print(f"a worker killed: exit code {code}, {'identical' if same else 'DIFFERENT'}")
    return same


def finish(place: Place, out: Path, *more: str) -> int:
    """Run to the end and return the exit code."""
    process = place.start(out, *more)
    _, errors = process.communicate()
    if process.returncode:
        print(errors)
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
