"""Train the estimator of levels of a model by itself, and write the model with it.

    python -m tests.workshop.tools.train_estimator MODEL OUT --data PHOTOS --data GRAPHICS --blocks

``samsr train`` trains it beside the encoder, a few crops a step. It is so small that many more can
be looked at by itself: crops are degraded once, described once, and its layers see them often.
These begin anew. ``--blocks`` lets the estimator see blocks (``sees_blocks``) where it did not.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sam_diffsr_cli.checkpoints.heads import read_metadata
from sam_diffsr_cli.checkpoints.store import load_weights, save_weights
from sam_diffsr_cli.data.crops import orient
from sam_diffsr_cli.degradation.photo import clean_twin, degrade_photo
from sam_diffsr_cli.networks.encoders import LevelEstimator
from sam_diffsr_cli.networks.model import SuperResolver, build_model
from sam_diffsr_cli.pictures.finding import find_pictures
from sam_diffsr_cli.pictures.reading import read_levels
from sam_diffsr_cli.recipes.text import from_toml, to_toml

if TYPE_CHECKING:
    from sam_diffsr_cli.degradation.levels import Levels

SCALE, SIDE, MARGIN = 4, 72, 8
VIEWS = (72, 64, 48, 40)
"""Sides of what is described of each crop, in low-resolution pixels."""
CLEAN_SHARE, HELD_OUT, BATCH, RATE, AT_ONCE = 0.3, 0.1, 256, 2e-3, 250
LEAST_DEVIATION = 0.02
"""Of a number, added to its own, so that the first layer's weights stay small."""


def draw(photos: Sequence[Path], count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Degrade crops of the photos; return them, ``(N, 3, SIDE, SIDE)`` uint8, and their levels."""
    side = SCALE * (SIDE + 2 * MARGIN)
    crops: list[Tensor] = []
    levels: list[Levels] = []
    while len(crops) < count:
        pixels = torch.from_numpy(read_levels(photos[int(rng.integers(len(photos)))]))
        pixels = pixels.permute(2, 0, 1)
        if min(pixels.shape[1:]) < side:
            continue
        for _ in range(8):
            top, left = (int(rng.integers(length - side + 1)) for length in pixels.shape[1:])
            crop = pixels[:, top : top + side, left : left + side]
            crop = orient(crop, int(rng.integers(8))).contiguous()
            is_clean = rng.random() < CLEAN_SHARE
            found = clean_twin(crop, SCALE) if is_clean else degrade_photo(crop, SCALE, rng)
            core = found.lr[:, MARGIN : MARGIN + SIDE, MARGIN : MARGIN + SIDE]
            crops.append(core.to(torch.uint8))
            levels.append(found.levels)
    return torch.stack(crops[:count]), torch.tensor(levels[:count])


def describe(estimator: LevelEstimator, crops: Tensor, side: int) -> Tensor:
    """Return the numbers of the crops' corners of this side."""
    corners = crops[:, :, :side, :side]
    firsts = range(0, len(corners), AT_ONCE)
    parts = [corners[first : first + AT_ONCE].float() / 127.5 - 1 for first in firsts]
    return torch.cat([estimator.describe(part) for part in parts])


def fit(estimator: LevelEstimator, numbers: Tensor, levels: Tensor, steps: int) -> None:
    """Train its layers by the mean squared error, with a rate that falls as a cosine.

    They see numbers of mean 0 and deviation 1; the first layer takes that on in the end.
    """
    mean, deviation = numbers.mean(dim=0), numbers.std(dim=0) + LEAST_DEVIATION
    numbers = (numbers - mean) / deviation
    optimizer = torch.optim.AdamW(estimator.parameters(), lr=RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        rows = torch.randint(len(numbers), (BATCH,), generator=generator)
        loss = (estimator.answer(numbers[rows]) - levels[rows]).square().mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's stub
        optimizer.step()
        schedule.step()
    first = estimator.linear1
    with torch.no_grad():
        first.weight.div_(deviation)
        first.bias.sub_(first.weight @ mean)


def with_fresh_estimator(model: SuperResolver, *, sees_blocks: bool) -> SuperResolver:
    """Return a copy whose estimator is not trained, and sees blocks if it is to or did before."""
    encoder = model.config.encoder
    encoder = replace(encoder, sees_blocks=sees_blocks or encoder.sees_blocks)
    fresh = build_model(replace(model.config, encoder=encoder))
    state = model.state_dict().items()
    kept = {name: values for name, values in state if not name.startswith("rrdb.estimator.")}
    fresh.load_state_dict(fresh.state_dict() | kept)
    return fresh.eval()


def recipe_of(path: Path, model: SuperResolver) -> str:
    """Return the recipe that a file holds, for a model that was changed since; or none."""
    recipe = read_metadata(path).get("samsr.recipe", "")
    return to_toml(replace(from_toml(recipe), model=model.config)) if recipe else ""


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, action="append", required=True, help="folders")
    parser.add_argument("--blocks", action="store_true", help="let the estimator see blocks")
    parser.add_argument("--crops", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=6_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    loaded = load_weights(given.model)
    if not loaded.model.config.encoder.num_levels:
        parser.error(f"{given.model}: its encoder is told no levels")
    model = with_fresh_estimator(loaded.model, sees_blocks=given.blocks)
    estimator = model.rrdb.estimator
    assert isinstance(estimator, LevelEstimator)
    photos = [path for folder in given.data for path in find_pictures(folder, recursive=True)]
    crops, levels = draw(photos, given.crops, np.random.default_rng(given.seed))
    held = int(HELD_OUT * len(crops))
    numbers = torch.cat([describe(estimator, crops[held:], side) for side in VIEWS])
    fit(estimator, numbers, levels[held:].repeat(len(VIEWS), 1), given.steps)
    recipe = recipe_of(given.model, model)
    save_weights(given.out, model, loaded.source, torch.float16, recipe)
    kept = load_weights(given.out).model.rrdb.estimator
    assert isinstance(kept, LevelEstimator)
    with torch.no_grad():
        answers, truth = kept.answer(describe(kept, crops[:held], SIDE)), levels[:held]
    error = (answers - truth).abs().mean(dim=0)
    print("mean error of compression, noise, blur:", *(f"{value:.3f}" for value in error.tolist()))
    highest = answers[(truth == 0).all(dim=1)].quantile(0.98, dim=0)
    print("98 of 100 clean crops are below:", *(f"{value:.3f}" for value in highest.tolist()))


if __name__ == "__main__":
    main()
