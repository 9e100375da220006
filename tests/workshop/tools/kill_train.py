"""Kill a training run at random moments, resume it each time, and compare it with an unbroken one.

    python -m tests.workshop.tools.kill_train PHOTOS --kills 3 [-- --encoder-steps 100 ...]

What follows ``--`` is laid over a recipe that takes seconds. Weights, last states, samples and the
journal but for its times must be equal, bit for bit; exits with 1 if they are not.
"""

import argparse
import json
import multiprocessing
import os
import random
import runpy
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from sam_diffsr_cli.checkpoints.store import read_tensors
from tests.halting import HOOK, Halt
from tests.helpers import PATIENCE_S

TINY = (
    *("--set", "model.encoder.num_feat=8", "--set", "model.encoder.num_block=2"),
    *("--set", "model.unet.widths=[8,8]", "--set", "model.diffusion.num_timesteps=10"),
    *("--set", "model.diffusion.sampling_steps=2", "--patch", "32", "--batch", "4"),
    *("--encoder-steps", "12", "--diffusion-steps", "12", "--device", "cpu"),
)
"""Seconds on two cores."""

OFTEN = ("--save-every", "3", "--save-minutes", "0", "--validate-every", "6")
TIMES = {"elapsed_s", "images_per_s", "wait_share", "memory_mib", "seconds"}
BEGUN = "run: "
"""What is told once a run has its folder."""

POLL_S = 0.002

# Starts processes that have imported everything, so that the time is spent where kills are wanted.
CONTEXT = multiprocessing.get_context("forkserver") if sys.platform != "win32" else None
PRELOADED = [
    "torch._dynamo",
    "sam_diffsr_cli.cli.app",
    "sam_diffsr_cli.training.run",
    "sam_diffsr_cli.cli.train_run",
]


def draw_photos(folder: Path, count: int = 12, side: int = 80, seed: int = 0) -> Path:
    """Draw pictures of noise on slopes; return the folder."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    slope = np.linspace(0, 120, side)
    for number in range(count):
        pixels = slope[:, None, None] + rng.integers(0, 120, (side, side, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number:04d}.png")
    return folder


@dataclass(frozen=True)
class Process:
    """A running ``samsr``, and the file that its stderr goes to."""

    running: ForkServerProcess
    log: Path

    def text(self) -> str:
        """Return what it has told so far."""
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""

    def poll(self) -> int | None:
        """Return the exit code, None before the end."""
        return self.running.exitcode

    def wait_for(self, words: str) -> bool:
        """Wait until it tells these words; False when it ended without."""
        deadline = time.monotonic() + PATIENCE_S
        while words not in self.text():
            if not self.running.is_alive():
                return words in self.text()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{words!r} in {self.log}")
            time.sleep(POLL_S)
        return True

    def send(self, number: int) -> None:
        """Send a signal, unless it is at its end."""
        if self.running.is_alive() and self.running.pid is not None:
            os.kill(self.running.pid, number)

    def end(self) -> int:
        """Wait for the end; return the exit code, below 0 for a signal."""
        self.running.join(PATIENCE_S)
        code = self.running.exitcode
        if code is None:
            self.running.kill()
            raise TimeoutError(f"{self.log}: still running")
        return code


def start(
    arguments: Sequence[str], log: Path, deadly: "Deadly | None" = None, halt: Halt | None = None
) -> Process:
    """Start ``samsr`` as a process of its own, that dies or halts somewhere."""
    assert CONTEXT is not None, "needs POSIX"
    CONTEXT.set_forkserver_preload(PRELOADED)
    log.unlink(missing_ok=True)
    running = CONTEXT.Process(target=_run, args=(list(arguments), log, deadly, halt))
    running.start()
    return Process(running, log)


@dataclass(frozen=True)
class Deadly:
    """A place to die at: the ``call``-th call of ``name`` of a module of ours, as it begins."""

    module: str
    name: str
    call: int

    def arm(self) -> None:
        """Let the process die there."""
        module: Any = sys.modules[f"sam_diffsr_cli.{self.module}"]
        original = getattr(module, self.name)
        calls = 0

        def deadly(*args: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == self.call:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args, **options)

        setattr(module, self.name, deadly)


def _run(arguments: list[str], log: Path, deadly: Deadly | None, halt: Halt | None) -> None:
    """Be ``samsr``, in a process of its own."""
    from sam_diffsr_cli.cli.app import app

    told = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(told, sys.stderr.fileno())
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    # A shell's background job ignores Ctrl-C, and so would what it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # One order of sums, whatever else the machine does.
    torch.set_num_threads(1)
    if deadly is not None:
        deadly.arm()
    if halt is not None:
        os.environ |= halt.environment()
        runpy.run_path(str(HOOK / "sitecustomize.py"))
    app(arguments)


def train_arguments(photos: Path, out: Path, *more: str) -> list[str]:
    """Build the command line that begins the run in ``out``, or goes on with it."""
    if (out / "recipe.toml").exists():
        return ["train", "--resume", "--out", str(out), "--device", "cpu", *OFTEN]
    return ["train", "--data", str(photos), "--out", str(out), *TINY, *OFTEN, *more]


def finish(photos: Path, out: Path, *more: str) -> int:
    """Begin or go on, to the end; return the exit code."""
    process = start(train_arguments(photos, out, *more), _log(out))
    code = process.end()
    if code:
        print(process.text())
    return code


def _log(out: Path) -> Path:
    return out.with_name(f"{out.name}.log")


def kill_after(photos: Path, out: Path, delay_s: float, *more: str) -> bool:
    """Begin or go on, and kill without warning ``delay_s`` after the run has its folder.

    Returns:
        Whether the run was still under way.
    """
    process = start(train_arguments(photos, out, *more), _log(out))
    process.wait_for(BEGUN)
    time.sleep(delay_s)
    process.send(signal.SIGKILL)
    return process.end() < 0


def differences(out: Path, whole: Path) -> list[str]:
    """Name what is not, bit for bit, as the unbroken run ``whole`` left it."""
    one, other = content(out), content(whole)
    return [key for key in sorted({*one, *other}) if not is_same(one.get(key), other.get(key))]


def content(folder: Path) -> dict[str, Any]:
    """Read what a run leaves, without what depends on the clock.

    Of weights and states these are tensors and texts: the order in which safetensors writes texts
    is by chance.
    """
    found: dict[str, Any] = {"metrics.jsonl": journal(folder)}
    for path in [*folder.glob("*.md"), *folder.glob("samples/*")]:
        found[path.relative_to(folder).as_posix()] = path.read_bytes()
    states = [sorted((folder / "states").glob(f"{name}-*"))[-1:] for name in ("encoder", "diff*")]
    for path in [*folder.glob("*.safetensors"), *(each for last in states for each in last)]:
        tensors, texts = read_tensors(path)
        if "samsr.progress" in texts:
            progress = json.loads(texts["samsr.progress"])
            kept = {key: value for key, value in progress.items() if key not in TIMES}
            texts["samsr.progress"] = json.dumps(kept)
        name = path.relative_to(folder).as_posix()
        found |= {f"{name}: {key}": value for key, value in {**tensors, **texts}.items()}
    return found


def is_same(one: object, other: object) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    return one is not None and one == other


def journal(folder: Path) -> list[dict[str, object]]:
    """Read steps and validations without what depends on the clock; events are of each start."""
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    return [
        {key: value for key, value in entry.items() if key not in TIMES}
        for entry in entries
        if entry["kind"] != "event"
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Train unbroken, then with kills, and compare; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("photos", type=Path, help="folder of sharp photos")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    given = list(sys.argv[1:] if arguments is None else arguments)
    own = given[: given.index("--")] if "--" in given else given
    options, more = parser.parse_args(own), given[len(own) + 1 :]
    chance = random.Random(options.seed)  # noqa: S311 - moments, not secrets
    photos: Path = options.photos.resolve()
    with tempfile.TemporaryDirectory() as folder:
        whole, out = Path(folder, "whole"), Path(folder, "out")
        life_s = time_unbroken(photos, whole, *more)
        print(f"unbroken: {life_s:.1f} s, {len(journal(whole))} lines of the journal")
        hits = 0
        for number in range(options.kills):
            # So that the last kill is about where an unbroken run ends.
            delay_s = chance.uniform(0, 2 * life_s / (options.kills + 1))
            was_hit = kill_after(photos, out, delay_s, *more)
            hits += was_hit
            states = sorted((out / "states").glob("[!.]*"), key=lambda path: path.stat().st_mtime)
            place = states[-1].stem if states else "no state"
            outcome = "under way" if was_hit else "TOO LATE"
            print(f"kill {number + 1} after {delay_s:.1f} s: {outcome}, {place}")
        code = finish(photos, out, *more)
        wrong = differences(out, whole)
    print(f"resumed: exit code {code}, {', '.join(wrong) or 'identical'}")
    return 0 if hits and code == 0 and not wrong else 1


def time_unbroken(photos: Path, out: Path, *more: str) -> float:
    """Run to the end; return the seconds since the run had its folder."""
    process = start(train_arguments(photos, out, *more), _log(out))
    process.wait_for(BEGUN)
    began = time.monotonic()
    if process.end():
        raise SystemExit(process.text())
    return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
