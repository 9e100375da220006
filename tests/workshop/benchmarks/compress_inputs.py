"""Shrink true pictures as ``samsr evaluate`` does, and pass what results through JPEG.

    python -m tests.workshop.benchmarks.compress_inputs Set14 inputs --quality 75
    samsr evaluate --data Set14 --lr inputs --method bicubic --method default --lpips squeeze

What is left of the quality of each method is what compressed inputs cost.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from sam_diffsr_cli.evaluation.protocols import find_protocol
from sam_diffsr_cli.evaluation.sets import find_set, read_pair


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a JPEG file for each truth."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", help="as --data of samsr evaluate takes it")
    parser.add_argument("out", type=Path)
    parser.add_argument("--quality", type=int, default=75)
    parser.add_argument("--scale", type=int, default=4)
    options = parser.parse_args(arguments)
    protocol = find_protocol("standard", options.scale)
    for truth in find_set(options.data).truths:
        case = read_pair(truth, None, protocol, options.scale)
        path = (options.out / truth.output).with_suffix(".jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(case.lr).save(path, quality=options.quality)
    return 0


if __name__ == "__main__":
    sys.exit(main())
