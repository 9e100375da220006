"""A model, photos and recipes small enough for whole runs of training in a test."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sam_diffsr_cli.chain_config import DiffusionConfig
from sam_diffsr_cli.config import NUM_LEVELS, EncoderConfig, ModelConfig, UNetConfig, distilled
from sam_diffsr_cli.data.cache import CacheEntry, read_entry, write_photo
from sam_diffsr_cli.data.crops import Batch, CropPlan, Regions, TrainingPhoto
from sam_diffsr_cli.networks.model import build_model
from sam_diffsr_cli.recipes.records import DataConfig, Recipe, Stage, TrainConfig
from sam_diffsr_cli.training.batches import BatchSource
from sam_diffsr_cli.training.engine import Engine, Share
from sam_diffsr_cli.training.folder import RunFolder
from sam_diffsr_cli.training.loop import TrainStep
from sam_diffsr_cli.training.recorder import RunOptions
from sam_diffsr_cli.training.run import TrainRun
from sam_diffsr_cli.training.state import TrainState, new_state
from tests.helpers import TINY

CPU = torch.device("cpu")
FULL_MODEL = ModelConfig(
    encoder=EncoderConfig(kind="rrdb", num_feat=8, num_block=2),
    unet=UNetConfig(kind="full", widths=(8, 8)),
    diffusion=DiffusionConfig(sampling_steps=2, num_timesteps=10),
)
"""The published network's parts, small."""

ENCODER = TrainConfig(
    stage="encoder", steps=7, batch=4, patch=16, warmup_steps=3, learning_rate=1e-3
)
DENOISER = replace(ENCODER, stage="diffusion")
DISTILLER = replace(ENCODER, stage="distill", teacher_steps=2)
DISTILLED = distilled(
    replace(TINY, diffusion=replace(TINY.diffusion, sampling_start=7, highest_start=8)), steps=2
)
STEPS_ONLY = RunOptions(save_every=2, save_minutes=0, validate_every=0, write_every=1)
"""Nothing by the clock."""


def photos(*, is_poisoned: bool = False) -> list[TrainingPhoto]:
    """Two photos of noise in two regions; poisoned, their encoding is not a number.

    That makes every gradient of the diffusion's stage not a number.
    """
    generator = torch.Generator().manual_seed(4)
    values = torch.tensor([float("nan")] * 2 if is_poisoned else [0.3, -0.5])
    return [
        TrainingPhoto(
            f"{height}.png",
            torch.randint(256, (3, height, width), dtype=torch.uint8, generator=generator),
            Regions((torch.arange(width) > width // 2).byte().expand(1, height, width), values),
        )
        for height, width in ((40, 48), (56, 51))
    ]


def clean_batch(hr: Tensor, lr: Tensor, spe: Tensor) -> Batch:
    """Return crops of photos that are clean, and told to be so."""
    levels = torch.zeros(len(hr), NUM_LEVELS)
    return Batch(hr, lr, spe, levels, levels)


def source(
    config: TrainConfig,
    share: Share | None = None,
    among: Sequence[TrainingPhoto] | None = None,
    model: ModelConfig = TINY,
) -> BatchSource:
    """Return batches of ``among``, by default ``photos()``."""
    among = photos() if among is None else among
    sizes = [(int(p.pixels.shape[1]), int(p.pixels.shape[2])) for p in among]
    return BatchSource(
        photos=among,
        plan=CropPlan(sizes, config.patch, model.scale, augment=config.augment),
        config=config,
        diffusion=model.diffusion,
        device=CPU,
        share=share or Share(accumulate=config.accumulate),
    )


def start(config: TrainConfig, model: ModelConfig = TINY) -> TrainState:
    """Return a state that has done nothing."""
    return new_state(build_model(model, seed=1), config, CPU)


def values(state: TrainState) -> dict[str, Tensor]:
    """Return everything that a step may change, copied."""
    everything = {f"model.{name}": t for name, t in state.model.state_dict().items()}
    everything |= {f"ema.{name}": t for name, t in state.ema.items()}
    for name, parameter in state.network.named_parameters():
        for key, moment in state.optimizer.state.get(parameter, {}).items():
            everything[f"adam.{name}.{key}"] = moment
    return {name: tensor.detach().clone() for name, tensor in everything.items()}


def different(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> list[str]:
    """Name the tensors that are not bit for bit the same."""
    assert one.keys() == other.keys()
    return [name for name in one if not torch.equal(one[name], other[name])]


def assert_near(one: Mapping[str, Tensor], other: Mapping[str, Tensor], atol: float = 1e-5) -> None:
    """Compare to float32's tolerance."""
    assert one.keys() == other.keys()
    far = {name: float((one[name] - other[name]).abs().max()) for name in one}
    # What is not a number is not near.
    assert {name: value for name, value in far.items() if not value <= atol} == {}


def recipe(*stages: Stage, **changes: Any) -> Recipe:
    """Return a recipe of these stages, or the first two; ``changes`` are those of all stages."""
    return Recipe(
        preset="lite",
        model=DISTILLED if "distill" in stages else TINY,
        encoder=replace(ENCODER, precision="fp32", **changes),
        diffusion=replace(DENOISER, precision="fp32", **changes),
        distill=replace(DISTILLER, precision="fp32", **changes),
        stages=stages or ("encoder", "diffusion"),
        data=DataConfig(photos=("/somewhere/private/holiday",)),
    )


def entries(folder: Path, among: Sequence[TrainingPhoto] | None = None) -> list[CacheEntry]:
    """Write photos, by default ``photos()``, as the cache has them."""
    found = []
    for number, photo in enumerate(photos() if among is None else among):
        path = folder / f"{number}.safetensors"
        write_photo(path, photo)
        entry = read_entry(path)
        assert entry is not None
        found.append(entry)
    return found


def _never() -> bool:
    return False


def make_run(
    folder: Path,
    engine: Engine,
    asked: Recipe | None = None,
    *,
    options: RunOptions = STEPS_ONLY,
    stop: Callable[[], bool] = _never,
    notify: Callable[[str], None] = lambda _: None,
    is_validated: bool = False,
) -> TrainRun:
    """Return a run in ``folder / "run"``, begun unless it was; its photos lie beside it."""
    asked = asked or recipe()
    run_folder = RunFolder(folder / "run")
    if engine.is_main:
        run_folder.make()
        if not run_folder.recipe_path.exists():
            run_folder.begin(asked)
    found = entries(folder / f"photos-{engine.share(1).rank}")
    return TrainRun(
        folder=run_folder,
        recipe=asked,
        engine=engine,
        train_photos=found,
        val_photos=found if is_validated else [],
        options=options,
        stop=stop,
        notify=notify,
    )


def pictures(folder: Path) -> Path:
    """Draw three files of noise, and return their folder, which is made."""
    folder.mkdir(exist_ok=True)
    for i in range(3):
        levels = np.random.default_rng(i).integers(0, 256, (50 + i, 60, 3), dtype=np.uint8)
        Image.fromarray(levels).save(folder / f"{i}.png")
    return folder


def command(data: Path, out: Path, steps: int) -> list[str]:
    """Return the words that train ``TINY`` so many steps a stage, after ``samsr``."""
    settings = {
        "model.encoder.num_feat": TINY.encoder.num_feat,
        "model.encoder.num_block": TINY.encoder.num_block,
        "model.unet.widths": list(TINY.unet.widths),
        "model.diffusion.num_timesteps": TINY.diffusion.num_timesteps,
        "model.diffusion.sampling_steps": TINY.diffusion.sampling_steps,
        "encoder.steps": steps,
        "diffusion.steps": steps,
    }
    words = ["train", "--data", str(data), "--out", str(out), "--device", "cpu"]
    words += ["--batch", "2", "--patch", "16"]
    return words + [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]


def facts(steps: Iterable[TrainStep]) -> list[TrainStep]:
    """Return steps without the time they took."""
    return [replace(step, wait_s=0.0) for step in steps]
