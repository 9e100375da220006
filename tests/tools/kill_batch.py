"""Kill a batch at random moments, finish it, and compare the folder with that of an unbroken run.

    python tests/tools/kill_batch.py --pictures 50 --kills 10

Every byte counts, and so does every hidden file. Exits with 1 when a folder differs.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from sam_diffsr_cli.checkpoints.store import save_weights
from sam_diffsr_cli.config import DiffusionConfig, EncoderConfig, ModelConfig, UNetConfig
from sam_diffsr_cli.models.model import build_model

CONFIG = ModelConfig(
    encoder=EncoderConfig(kind="residual", num_feat=8, num_block=2),
    unet=UNetConfig(kind="folded", widths=(8, 8)),
    diffusion=DiffusionConfig(
        num_timesteps=10, base="encoder", residual_scale=4.0, sigma_data=0.33, sampling_steps=2
    ),
)
NAMES = ("{}.png", "{}.jpg", "sub/{}.webp", "sub/deep/{}.tif", "{}.gif", "sub/{}.bmp")
ROOT = Path(__file__).resolve().parents[2]
POLL_S = 0.001
PATIENCE_S = 120.0


@dataclass(frozen=True)
class Place:
    """A folder with pictures to enlarge and a small model."""

    root: Path

    @property
    def photos(self) -> Path:
        return self.root / "photos"

    @property
    def weights(self) -> Path:
        return self.root / "tiny.safetensors"

    def arguments(self, out: Path, *more: str) -> list[str]:
        """Build the command line after ``samsr``."""
        named = ["upscale", str(self.photos), str(out), "--recursive", "--device", "cpu"]
        return [*named, "--weights", str(self.weights), *more]

    def start(self, out: Path, *more: str) -> "subprocess.Popen[str]":
        """Start the command as a process of its own."""
        command = [sys.executable, "-m", "sam_diffsr_cli", *self.arguments(out, *more)]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        # One thread, so that a busy machine does not make such small pictures slow.
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
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
    save_weights(place.weights, build_model(CONFIG), "tiny", torch.float32)
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


def kill_at(place: Place, out: Path, count: int, delay_s: float) -> bool:
    """Run into ``out`` and kill without warning ``delay_s`` after ``count`` outputs.

    Returns:
        Whether the run was still under way.
    """
    process = place.start(out)
    try:
        wait_for(out, count, process)
        time.sleep(delay_s)
    finally:
        process.kill()
        process.communicate()
    return process.returncode < 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill, finish and compare as often as asked for; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=50)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    rng = np.random.default_rng(options.seed)
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        place = make_place(Path(folder), options.pictures)
        whole = Path(folder) / "whole"
        code, wanted = finish(place, whole), content(whole)
        print(f"unbroken: exit code {code}, {len(outputs(whole))} pictures")
        if code != 0 or len(outputs(whole)) != options.pictures:
            return 1
        for kill in range(options.kills):
            out = Path(folder) / f"out{kill}"
            share = (kill + rng.random()) / options.kills
            underway = kill_at(place, out, int(share * options.pictures), rng.uniform(0, 0.03))
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


def finish(place: Place, out: Path, *more: str) -> int:
    """Run to the end and return the exit code."""
    process = place.start(out, *more)
    _, errors = process.communicate()
    if process.returncode:
        print(errors)
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
