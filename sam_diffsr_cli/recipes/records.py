"""The records of a training recipe, and the presets. Standard library only."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sam_diffsr_cli.choices import DegradeKind, MaskNorm, Modulation, PrecisionChoice
from sam_diffsr_cli.config import LITE, PAPER, ModelConfig
from sam_diffsr_cli.errors import ConfigError
from sam_diffsr_cli.strict import LATER, require

__all__ = [
    "RECIPES",
    "STAGES",
    "DataConfig",
    "DegradeConfig",
    "Recipe",
    "Stage",
    "TrainConfig",
    "recipe_for",
]

Stage = Literal["encoder", "diffusion", "distill"]

STAGES: tuple[Stage, ...] = ("encoder", "diffusion", "distill")
"""In the order in which they are trained."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """One stage of training; all of it decides the result.

    Attributes:
        stage: Which network is trained.
        steps: Updates of the parameters.
        batch: Crops a step, over all processes.
        accumulate: Parts in which each process computes its share of the batch.
        patch: Side of the high-resolution crop, pixels.
        augment: Flip and turn the crops.
        learning_rate: Highest rate of Adam.
        schedule: ``cosine`` down to ``final_rate``, or ``halving`` every ``halve_every`` steps.
        halve_every: In steps.
        warmup_steps: Over which the rate rises evenly.
        final_rate: Share of ``learning_rate`` that the cosine ends at.
        clip_norm: Largest norm of the gradient; 0 leaves it as it is.
        ema_decay: Of the average of the parameters; 0 keeps no average but the last ones.
        loss: Mean absolute or mean squared error.
        timesteps: Rows of the chain, from the cleanest, that nine in ten of the steps are drawn
            from; 0 for all rows alike.
        teacher_steps: Of the noise predictor for each step of the network that it teaches, in the
            stage that distils.
        expert: Train the networks of photos that are taken for clean (``clean_expert``).
        modulation: How masks shift the noise.
        mask_norm: Mean of a mask's encoding over the image (as released) or over its region.
        precision: Number format; ``auto`` is resolved when the run starts.
        seed: Decides everything random.
    """

    stage: Stage
    steps: int
    batch: int = 16
    accumulate: int = 1
    patch: int = 96
    augment: bool = True
    learning_rate: float = 4e-4
    schedule: Literal["cosine", "halving"] = "cosine"
    halve_every: int = 200_000
    warmup_steps: int = 200
    final_rate: float = 0.01
    clip_norm: float = 1.0
    ema_decay: float = 0.999
    loss: Literal["l1", "l2"] = "l1"
    timesteps: int = field(default=0, metadata=LATER)
    teacher_steps: int = field(default=3, metadata=LATER)
    expert: bool = field(default=False, metadata=LATER)
    modulation: Modulation = "released"
    mask_norm: MaskNorm = "image"
    precision: PrecisionChoice = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        require(self.steps >= 1, "steps", self.steps, ">= 1")
        require(self.batch >= 1, "batch", self.batch, ">= 1")
        good = self.accumulate >= 1 and self.batch % self.accumulate == 0
        require(good, "accumulate", self.accumulate, f"a divisor of batch ({self.batch})")
        require(self.patch >= 16, "patch", self.patch, ">= 16")
        require(0 < self.learning_rate < math.inf, "learning_rate", self.learning_rate, "> 0")
        require(self.halve_every >= 1, "halve_every", self.halve_every, ">= 1")
        require(self.warmup_steps >= 0, "warmup_steps", self.warmup_steps, ">= 0")
        require(0 <= self.final_rate <= 1, "final_rate", self.final_rate, "[0, 1]")
        require(0 <= self.clip_norm < math.inf, "clip_norm", self.clip_norm, ">= 0")
        require(0 <= self.ema_decay < 1, "ema_decay", self.ema_decay, "[0, 1)")
        require(self.timesteps >= 0, "timesteps", self.timesteps, ">= 0")
        require(self.teacher_steps >= 1, "teacher_steps", self.teacher_steps, ">= 1")
        require(0 <= self.seed < 2**63, "seed", self.seed, "0..2^63-1")


@dataclass(frozen=True, kw_only=True, slots=True)
class DataConfig:
    """What is trained on.

    Attributes:
        photos: Folders, or names of known sets.
        masks: Folder of mask files, empty for none.
        val: Folder of photos to validate with, empty to hold some of ``photos`` out.
        hold_out: How many of ``photos`` are held out without ``val``; never above a tenth.
        init: Weights file to start from, empty for fresh parameters.
        cache: Folder of decoded photos, empty for one in the folder of the run.
    """

    photos: tuple[str, ...] = ()
    masks: str = ""
    val: str = ""
    hold_out: int = 8
    init: str = ""
    cache: str = ""

    def __post_init__(self) -> None:
        require(self.hold_out >= 0, "hold_out", self.hold_out, ">= 0")


@dataclass(frozen=True, kw_only=True, slots=True)
class DegradeConfig:
    """How the low-resolution twins of the crops are made.

    Attributes:
        kind: ``none``: MATLAB's bicubic. ``photo``: blur, noise, shrinking, one or two
            compressions. ``second-order``: as Real-ESRGAN (Wang et al. 2021) published it.
        clean: Share of the crops that bicubic alone makes, whatever the kind.
    """

    kind: DegradeKind = "none"
    clean: float = 0.3

    def __post_init__(self) -> None:
        require(0 <= self.clean <= 1, "clean", self.clean, "[0, 1]")


DISTILL = TrainConfig(
    stage="distill", steps=2_000, batch=4, learning_rate=2e-4, warmup_steps=50, ema_decay=0.995
)
"""The network begins as a copy of its teacher, so that little is left to learn."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Everything that decides what comes out of a training run.

    ``preset`` is the name it began from. ``stages`` are trained in turn, each from the averaged
    parameters of the one before.
    """

    preset: str
    model: ModelConfig
    encoder: TrainConfig
    diffusion: TrainConfig
    stages: tuple[Stage, ...] = STAGES[:2]
    data: DataConfig = field(default_factory=DataConfig)
    degrade: DegradeConfig = field(default_factory=DegradeConfig, metadata=LATER)
    distill: TrainConfig = field(default=DISTILL, metadata=LATER)

    def __post_init__(self) -> None:
        require(self.preset in ("lite", "paper"), "preset", self.preset, "lite or paper")
        runs = [STAGES[i:j] for i in range(len(STAGES)) for j in range(i + 1, len(STAGES) + 1)]
        good = self.stages in runs
        require(good, "stages", list(self.stages), f"of {', '.join(STAGES)}, in this order")
        if (self.encoder.stage, self.diffusion.stage, self.distill.stage) != STAGES:
            raise ConfigError("the stages hold each other's names")
        for config in self.plan:
            stage = config.stage
            _check_patch(f"{stage}.patch", config.patch, self.model)
            rows, longest = config.timesteps, self.model.diffusion.num_timesteps
            require(rows <= longest, f"{stage}.timesteps", rows, f"0..{longest}")
            good = self.model.clean_expert or not config.expert
            allowed = "false for a model without such networks"
            require(good, f"{stage}.expert", config.expert, allowed)
            # Its networks are run for photos that are taken for clean.
            good = self.degrade.kind == "none" or not config.expert
            require(good, "degrade.kind", self.degrade.kind, "none where experts are trained")
        if "distill" in self.stages:
            # Else one is trained on, and what was distilled from it fits it no more.
            experts = sorted({config.expert for config in self.plan})
            require(len(experts) == 1, "expert", experts, "the same in stages up to distill")
            steps = self.model.diffusion.distilled_steps
            require(steps > 0, "model.diffusion.distilled_steps", steps, "> 0 to distil")
        # A student learns what its teacher gives for noise that no mask has shifted.
        good = self.stages != ("distill",) or not self.data.masks
        require(good, "data.masks", self.data.masks, "none where nothing but distill is trained")

    @property
    def plan(self) -> tuple[TrainConfig, ...]:
        """The configurations of the stages to train, in turn."""
        by_name = {
            "encoder": self.encoder,
            "diffusion": self.diffusion,
            "distill": self.distill,
        }
        return tuple(by_name[name] for name in self.stages)


def _check_patch(name: str, patch: int, model: ModelConfig) -> None:
    unit = model.scale * model.size_multiple
    least = model.scale * model.least_size
    require(patch % unit == 0, name, patch, f"multiples of {unit}")
    require(patch >= least, name, patch, f">= {least}")


_LITE_ENCODER = TrainConfig(stage="encoder", steps=12_000, learning_rate=5e-4)
_PAPER_ENCODER = TrainConfig(
    stage="encoder",
    steps=100_000,
    batch=64,
    patch=160,
    augment=False,
    learning_rate=2e-4,
    schedule="halving",
    warmup_steps=0,
    clip_norm=0.0,
    ema_decay=0.0,
    precision="fp32",
    seed=1234,
)

RECIPES: Mapping[str, Recipe] = {
    "lite": Recipe(
        preset="lite",
        model=LITE,
        encoder=_LITE_ENCODER,
        diffusion=dataclasses.replace(
            _LITE_ENCODER, stage="diffusion", steps=10_000, learning_rate=3e-4
        ),
    ),
    "paper": Recipe(
        preset="paper",
        model=PAPER,
        encoder=_PAPER_ENCODER,
        diffusion=dataclasses.replace(_PAPER_ENCODER, stage="diffusion", steps=400_000),
    ),
}
"""``lite`` began the bundled model; the model card has what followed. ``paper`` is what the authors
published: DF2K, crops of 160, 64 a step, Adam at 2e-4 halved at 200,000, no flips, and a gradient
that is never clipped, whatever their configuration says."""


def recipe_for(model: ModelConfig, preset: str) -> Recipe:
    """Return the recipe of ``preset`` for a network that is not the preset's own."""
    return dataclasses.replace(RECIPES[preset], model=model)
