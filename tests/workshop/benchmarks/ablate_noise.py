"""Train the same noise predictor with and without structure in its noise, and measure each.

    python -m tests.workshop.benchmarks.ablate_noise --data PHOTOS --masks MASKS --bench BENCH \
        --out DIR

PHOTOS and MASKS are as ``samsr train`` takes them, BENCH holds Set5, Set14 and B100. Each
modulation is trained from each seed for the same steps, on the same crops, behind the frozen
encoder of the bundled model; the noise predictor starts from parameters drawn from the seed. Then
the plain chain is run, without masks, for the protocol ``standard``. What is in DIR already is not
done again. At the end the means are printed, and the differences from the first variant paired by
seed, both with standard errors over the seeds.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from sam_diffsr_cli.checkpoints.finding import find_model
from sam_diffsr_cli.checkpoints.store import load_weights, save_weights
from sam_diffsr_cli.networks.model import build_model

VARIANTS = {
    "none": ("none", "image"),
    "released, by image": ("released", "image"),
    "released, by region": ("released", "region"),
    "paper, by image": ("paper", "image"),
    "paper, by region": ("paper", "region"),
}
"""Modulation and normalisation of the masks by name."""

MEASURES = {"psnr_y": ".3f", "lpips": ".4f", "lr_psnr": ".2f"}


def samsr(*arguments: object) -> str:
    """Run a command of this tree; return its stdout."""
    command = [sys.executable, "-m", "sam_diffsr_cli", *map(str, arguments)]
    done = subprocess.run(  # noqa: S603 - our own
        command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ
    )
    return done.stdout


def make_start(path: Path, seed: int, widths: tuple[int, ...]) -> Path:
    """Write the bundled model with a noise predictor of other widths that was not trained."""
    if not path.exists():
        trained = load_weights(find_model(None).path).model
        torch.manual_seed(seed)
        unet = replace(trained.config.unet, widths=widths)
        fresh = build_model(replace(trained.config, unet=unet))
        fresh.rrdb.load_state_dict(trained.rrdb.state_dict())
        save_weights(path, fresh, "encoder of the bundled model; the rest untrained", torch.float32)
    return path


def train(options: argparse.Namespace, variant: str, seed: int) -> Path:
    """Train one of them, or go on; return its weights."""
    modulation, norm = VARIANTS[variant]
    run = options.out / f"{modulation}-{norm}-{seed}"
    weights = run / "model.safetensors"
    if weights.exists():
        return Path(weights)
    if (run / "recipe.toml").exists():
        samsr("train", "--resume", "--out", run)
        return Path(weights)
    samsr(
        *("train", "--data", options.data, "--masks", options.masks, "--out", run),
        *("--cache", options.out / "cache", "--stage", "diffusion", "--hold-out", 0),
        *(
            "--init",
            make_start(options.out / f"start-{seed}.safetensors", seed, tuple(options.widths)),
        ),
        *("--modulation", modulation, "--mask-norm", norm, "--seed", seed),
        *("--diffusion-steps", options.steps, "--batch", options.batch, "--patch", options.patch),
        *("--set", f"diffusion.ema_decay={options.ema}", "--precision", options.precision),
        *("--set", f"diffusion.learning_rate={options.rate}"),
        *("--save-minutes", 5),
    )
    return Path(weights)


def measure(options: argparse.Namespace, weights: Path) -> dict[str, Any]:
    """Run the plain chain on the benchmarks; return the means by set."""
    kept = weights.with_name("measured.json")
    if not kept.exists():
        sets = [f"{options.bench}/{name}" for name in options.sets]
        data = [part for name in sets for part in ("--data", name)]
        text = samsr(
            *("evaluate", *data, "--method", "default", "--model", weights),
            *("--lpips", "squeeze", "--json", "--seeds", options.draws),
        )
        kept.write_text(text, encoding="utf-8")
    document: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return {each["set"]: each["values"] for each in document["means"]}


Found = dict[tuple[str, int], dict[str, Any]]
"""Means of each set by variant and seed."""


def table(found: Found) -> str:
    """Write the means and their standard errors over the seeds as Markdown."""
    return _write(found, lambda variant, seed, name, key: found[variant, seed][name][key], "")


def differences(found: Found) -> str:
    """Write what each variant has more than the first, paired by seed, which shares its crops."""
    first = next(iter(found))[0]

    def of(variant: str, seed: int, name: str, key: str) -> float:
        more: float = found[variant, seed][name][key] - found[first, seed][name][key]
        return more

    return _write({key: v for key, v in found.items() if key[0] != first}, of, "+")


def _write(found: Found, value: Callable[[str, int, str, str], float], sign: str) -> str:
    variants = dict.fromkeys(variant for variant, _ in found)
    seeds = sorted({seed for _, seed in found})
    sets = list(next(iter(found.values())))
    lines = [
        "| PSNR-Y / LPIPS / LR-PSNR | " + " | ".join(sets) + " |",
        "|---|" + "---|" * len(sets),
    ]
    for variant in variants:
        cells = []
        for name in sets:
            parts = []
            for key, form in MEASURES.items():
                values = [value(variant, seed, name, key) for seed in seeds]
                error = statistics.stdev(values) / math.sqrt(len(seeds)) if len(seeds) > 1 else 0.0
                mean = f"{statistics.mean(values):{sign}{form}}"
                parts.append(f"{mean} ± {error:{form}}")
            cells.append(" / ".join(parts))
        lines.append(f"| {variant} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and measure all of them; print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name in ("--data", "--masks", "--bench", "--out"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=["Set5", "Set14", "B100"])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--draws", type=int, default=1, help="seeds of the chain")
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--patch", type=int, default=96)
    parser.add_argument("--ema", type=float, default=0.999)
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--widths", type=int, nargs="+", default=[96, 128, 192])
    parser.add_argument("--precision", default="auto")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    found: Found = {}
    # Seed by seed, so that what is stopped early still compares all variants.
    for seed in range(options.seeds):
        for variant in options.variants:
            found[variant, seed] = measure(options, train(options, variant, seed))
            print(f"seed {seed}, {variant}: {found[variant, seed]}", flush=True)
    print(table(found))
    if len(options.variants) > 1:
        print(differences(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
