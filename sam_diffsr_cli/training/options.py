"""What a user may ask of a training."""

import math
from dataclasses import dataclass
from pathlib import Path

from sam_diffsr_cli.choices import (
    DegradeKind,
    MaskNorm,
    Modulation,
    PrecisionChoice,
    Preset,
    StageChoice,
)
from sam_diffsr_cli.strict import allow, conform

__all__ = ["TrainOptions"]

_LEAST = {
    **dict.fromkeys(("hold_out", "seed", "workers"), 0),
    **dict.fromkeys(("save_every", "save_minutes", "validate_every"), 0),
    **dict.fromkeys(("encoder_steps", "diffusion_steps", "distill_steps"), 1),
    **dict.fromkeys(("batch", "accumulate", "keep"), 1),
    "patch": 16,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainOptions:
    """What a user may ask of a training; what is None is the recipe's, or the preset's.

    Attributes:
        data: Folders of sharp photos, or names of known sets.
        out: Folder of the run; None is ``runs/DATA-PRESET``.
        masks: Folder of masks, as ``build_masks`` makes them.
        val: Folder of photos to validate with; None holds some out.
        hold_out: Photos to hold out, a tenth at most.
        init: Model to start from; brings its network.
        resume: Go on with the run in ``out``.
        data_root: Folder that holds known sets; None is what ``SAMSR_DATA`` names.
        cache: Folder for decoded photos; None is within the run.
        preset: ``lite`` or ``paper``.
        recipe: TOML file laid over the preset.
        settings: ``key=value`` laid over both, as ``diffusion.batch=8``.
        stage: ``both`` (encoder and diffusion), or one of ``encoder``, ``diffusion``, ``distill``.
        encoder_steps: Of this stage.
        diffusion_steps: Of this stage.
        distill_steps: Of this stage.
        batch: Crops a step.
        accumulate: Pieces a batch is computed in.
        patch: Side of a crop in pixels.
        learning_rate: Highest rate of every stage.
        degrade: What crops suffer: ``none``, ``photo`` or ``second-order``.
        modulation: How masks shift the noise: ``none``, ``released`` or ``paper``.
        mask_norm: Mean over the ``image``, or the ``region``.
        seed: Decides everything random.
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``.
        save_every: Steps between states; 0 saves by time alone.
        save_minutes: Minutes between states; 0 saves by steps alone.
        validate_every: Steps between validations; 0 validates at the end alone.
        keep: States kept of each stage.
        tensorboard: Write TensorBoard's files too.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        workers: Threads that cut crops.
        compile_network: Compile the network.
    """

    data: tuple[str, ...] = ()
    out: Path | None = None
    masks: Path | None = None
    val: Path | None = None
    hold_out: int | None = None
    init: str | None = None
    resume: bool = False
    data_root: Path | None = None
    cache: Path | None = None
    preset: Preset | None = None
    recipe: Path | None = None
    settings: tuple[str, ...] = ()
    stage: StageChoice | None = None
    encoder_steps: int | None = None
    diffusion_steps: int | None = None
    distill_steps: int | None = None
    batch: int | None = None
    accumulate: int | None = None
    patch: int | None = None
    learning_rate: float | None = None
    degrade: DegradeKind | None = None
    modulation: Modulation | None = None
    mask_norm: MaskNorm | None = None
    seed: int | None = None
    precision: PrecisionChoice | None = None
    save_every: int = 1000
    save_minutes: float = 10.0
    validate_every: int = 2000
    keep: int = 2
    tensorboard: bool = False
    device: str = "auto"
    workers: int | None = None
    compile_network: bool = False

    def __post_init__(self) -> None:
        conform(self)
        for name, least in _LEAST.items():
            value = getattr(self, name)
            allow(value is None or value >= least, name, value, f"{least} and more")
        allow(self.save_minutes < math.inf, "save_minutes", self.save_minutes, "0 and more")
        allow(self.init != "", "init", "(nothing)", "names and files of models")

    @property
    def recipe_values(self) -> dict[str, object]:
        """What was given of the recipe's own values, by their keys in it."""
        given: dict[str, object] = {
            "batch": self.batch,
            "accumulate": self.accumulate,
            "patch": self.patch,
            "learning_rate": self.learning_rate,
            "degrade.kind": self.degrade,
            "modulation": self.modulation,
            "mask_norm": self.mask_norm,
            "seed": self.seed,
            "precision": self.precision,
            "distill.steps": self.distill_steps,
            "encoder.steps": self.encoder_steps,
            "diffusion.steps": self.diffusion_steps,
            "data.hold_out": self.hold_out,
        }
        return {key: value for key, value in given.items() if value is not None}
