"""Measure what `samsr upscale` costs as a whole process: FLOPs, seconds, peak memory.

    python tests/tools/measure_cost.py PHOTO --size 256 256 [-- --steps 0 ...]

PHOTO is resized to the size (height width) first; what follows ``--`` goes to ``samsr upscale``.
FLOPs are counted by PyTorch on one untiled run (2 per multiply-add); seconds and memory are those
of a process of its own, start-up included.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from sam_diffsr_cli.config import SamplingConfig
from sam_diffsr_cli.device import resolve_device
from sam_diffsr_cli.upscaling.frames import Run, enlarge_frame
from sam_diffsr_cli.upscaling.model import load_upscaler

COUNTED_SIDE = 64


def tflop_per_megapixel(steps: int | None, weights: Path | None) -> tuple[float, int]:
    """Count TFLOP per output megapixel of a run; also return its number of steps."""
    upscaler = load_upscaler(weights, resolve_device("cpu"))
    count = upscaler.config.diffusion.sampling_steps if steps is None else steps
    pixels = np.zeros((COUNTED_SIDE, COUNTED_SIDE, 3), dtype=np.uint8)
    with FlopCounterMode(display=False) as counter:
        sampling = SamplingConfig(steps=count, tile=0)
        enlarge_frame(
            Run(upscaler=upscaler, sampling=sampling, scale=upscaler.config.scale), pixels
        )
    megapixels = (COUNTED_SIDE * upscaler.config.scale) ** 2 / 1e6
    return counter.get_total_flops() / 1e12 / megapixels, count


def run(photo: Path, size: tuple[int, int], options: list[str]) -> tuple[float, float]:
    """Run the command on the resized photo; return seconds and peak memory in MiB."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Image.open(photo) as picture:
            picture.convert("RGB").resize(size[::-1], Image.Resampling.LANCZOS).save(
                folder / "in.png"
            )
        command = [sys.executable, "-m", "sam_diffsr_cli", "upscale"]
        began = time.monotonic()
        subprocess.run(  # noqa: S603 - our own code
            [*command, str(folder / "in.png"), str(folder / "out.png"), *options], check=True
        )
        elapsed_s = time.monotonic() - began
    return elapsed_s, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def main() -> None:
    """Read the command line and measure."""
    own, _, rest = " ".join(sys.argv[1:]).partition(" -- ")
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photo", type=Path)
    parser.add_argument("--size", type=int, nargs=2, default=(256, 256), metavar=("H", "W"))
    options = parser.parse_args(own.split())
    passed = argparse.ArgumentParser()
    passed.add_argument("--steps", type=int)
    passed.add_argument("--weights", type=Path)
    known, _ = passed.parse_known_args(rest.split())
    tflop, steps = tflop_per_megapixel(known.steps, known.weights)
    elapsed_s, memory_mib = run(options.photo, tuple(options.size), rest.split())
    print(
        f"{steps} steps: {tflop:.2f} TFLOP per output megapixel; "
        f"{options.size[0]}x{options.size[1]} in: {elapsed_s:.1f} s, peak {memory_mib:.0f} MiB"
    )


if __name__ == "__main__":
    main()
