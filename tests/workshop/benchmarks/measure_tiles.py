"""Enlarge a photo in tiles and in one piece, and tell how far apart the results are.

    python -m tests.workshop.benchmarks.measure_tiles photo.png \
        --chains 6:dpmpp_2m 10:dpmpp_2m 25:ancestral

The photo is the input, cut to --side, taken for clean or as dirty as --levels say. Differences
are in 8-bit levels, before rounding; the last column counts the values that round differently.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from PIL import Image

from sam_diffsr_cli.degradation.levels import CLEAN, Levels
from sam_diffsr_cli.sampling_config import SamplingConfig
from sam_diffsr_cli.tiling import Tile
from sam_diffsr_cli.upscaling.model import Upscaler, load_upscaler
from sam_diffsr_cli.upscaling.tiles import context_margin, enlarge_tiles

if TYPE_CHECKING:
    from sam_diffsr_cli.chain_config import Sampler


def quiet(_: object) -> None:
    """Tell nothing."""


def enlarge(
    upscaler: Upscaler, lr: torch.Tensor, sampling: SamplingConfig, levels: Levels
) -> torch.Tensor:
    """Return the result of ``(3, h, w)`` in [-1, 1] as levels ``(3, H, W)``, not rounded."""
    scale = upscaler.config.scale
    size = (lr.shape[1], lr.shape[2])
    sr = torch.empty(3, size[0] * scale, size[1] * scale)

    def window_of(tile: Tile) -> torch.Tensor:
        rows, columns = (slice(span.first, span.last) for span in tile)
        return lr[None, :, rows, columns]

    for tile, core in enlarge_tiles(upscaler, size, window_of, sampling, quiet, quiet, levels):
        rows, columns = (slice(span.start * scale, span.stop * scale) for span in tile)
        sr[:, rows, columns] = core
    return (sr.clamp(-1, 1) + 1) * 127.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("photo", type=Path)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--tile", type=int, default=64)
    parser.add_argument("--model", help="a name or a file; the bundled one without")
    parser.add_argument(
        "--levels", nargs=3, type=float, default=CLEAN, metavar=("C", "N", "B"), help="of dirt"
    )
    parser.add_argument("--ensemble", type=int, default=1)
    parser.add_argument("--chains", nargs="+", default=["6:dpmpp_2m", "10:dpmpp_2m"])
    options = parser.parse_args(arguments)
    upscaler = load_upscaler(options.model, torch.device("cpu"))
    levels = np.asarray(Image.open(options.photo).convert("RGB"))[: options.side, : options.side]
    lr = torch.from_numpy(levels.copy()).permute(2, 0, 1).float() / 127.5 - 1
    print("| steps | sampler | context | largest difference | values that differ |")
    print("|---|---|---|---|---|")
    for chain in options.chains:
        steps, _, sampler = chain.partition(":")
        whole = SamplingConfig(
            steps=int(steps),
            sampler=cast("Sampler", sampler),
            start=upscaler.config.diffusion.sampling_start if sampler == "distilled" else 0,
            ensemble=options.ensemble,
            tile=0,
        )
        tiled, told = replace(whole, tile=options.tile), Levels(*options.levels)
        one, many = (enlarge(upscaler, lr, how, told) for how in (whole, tiled))
        apart = (one - many).abs().max().item()
        count = int((one.round() != many.round()).sum())
        margin = context_margin(whole.steps)
        print(f"| {steps} | {sampler} | {margin} | {apart:.5f} | {count} of {one.numel()} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
