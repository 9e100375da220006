"""Frozen configuration records, and the presets.

``ModelConfig`` says how networks and diffusion are built and run, and travels inside every weights
file. ``sampling_config`` is per run. Training has ``recipes``. Standard library only.
"""

import dataclasses
import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from sam_diffsr_cli.strict import LATER, require

__all__ = [
    "FEATURE_STRIDE",
    "LITE",
    "OFFICIAL",
    "PAPER",
    "PRESETS",
    "QUALITIES",
    "SAMPLERS",
    "DiffusionConfig",
    "EncoderConfig",
    "Level",
    "ModelConfig",
    "Quality",
    "Sampler",
    "UNetConfig",
    "distilled",
    "undistilled",
]

Sampler = Literal["ancestral", "ddim", "ddim_eta1", "dpmpp_2m", "sde_dpmpp_2m", "distilled"]
"""Ways down the chain (``diffusion.solvers``); ``distilled`` is by a network of its own."""

Quality = Literal["fast", "balanced", "best", "plain"]
"""Levels of quality; ``plain`` is the whole chain as it was published."""

SAMPLERS: tuple[Sampler, ...] = typing.get_args(Sampler)
QUALITIES: tuple[Quality, ...] = typing.get_args(Quality)


FEATURE_STRIDE = 3
"""Every third encoder feature conditions the U-Net (``features[2::3]`` in the reference)."""


NUM_LEVELS: Literal[3] = 3
"""Compression, noise and blur (``degradation.levels.Levels``)."""

MOST_FEATURES, MOST_BLOCKS, MOST_LEVELS, MOST_TIMESTEPS = 4096, 512, 8, 10_000
"""Far above any network that was trained, so that a hostile file asks for no absurd one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EncoderConfig:
    """The condition encoder, which sees the low-resolution photo.

    ``rrdb``: the paper's dense network. ``residual``: plain residual blocks, added to bicubic.
    ``num_levels`` is how many levels of dirt (``degradation.levels``) it is told, and estimates;
    0 for an encoder that takes every photo for clean.
    """

    kind: Literal["rrdb", "residual"]
    num_feat: int = 64
    num_block: int = 17
    num_levels: Literal[0, 3] = field(default=0, metadata=LATER)

    def __post_init__(self) -> None:
        good = 2 <= self.num_feat <= MOST_FEATURES and self.num_feat % 2 == 0
        require(good, "num_feat", self.num_feat, f"even, 2..{MOST_FEATURES}")
        least = FEATURE_STRIDE - 1
        good = least <= self.num_block <= MOST_BLOCKS
        require(good, "num_block", self.num_block, f"{least}..{MOST_BLOCKS}")
        good = self.num_levels == 0 or self.kind == "residual"
        require(good, "num_levels", self.num_levels, f"0, or {NUM_LEVELS} if residual")

    @property
    def num_condition_features(self) -> int:
        """Channels of the features that condition the U-Net, concatenated."""
        return self.num_feat * ((self.num_block + 1) // FEATURE_STRIDE)


@dataclass(frozen=True, kw_only=True, slots=True)
class UNetConfig:
    """The noise predictor.

    ``full``: the paper's, at output resolution. ``folded``: pixel-unshuffled to the input's.
    """

    kind: Literal["full", "folded"]
    widths: tuple[int, ...]

    def __post_init__(self) -> None:
        good = 1 <= len(self.widths) <= MOST_LEVELS
        require(good, "widths", self.widths, f"1 to {MOST_LEVELS} of them")
        good = all(0 < w <= MOST_FEATURES and w % 4 == 0 for w in self.widths)
        require(good, "widths", self.widths, f"multiples of 4 up to {MOST_FEATURES}")


class Level(NamedTuple):
    """A level of quality: steps, sampler, and the row at which they start (0 for the last)."""

    steps: int
    sampler: Sampler
    start: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DiffusionConfig:
    """The chain: its schedule, the residual it works on, and how it is run by default.

    ``sigma_data`` is the residual's standard deviation (``precondition``), null without
    preconditioning. ``sampling_sigma`` is what of it remains uncertain once the photo is known
    (``widen_posterior``), 0 for the plain variance. ``sampling_steps`` and ``sampling_sampler`` are
    the balance of quality and time, begun at row ``sampling_start`` of the chain from noise of that
    row's strength (0 for the last row, the published chain); ``fast`` has less of both, and
    ``best`` more, or the same where its steps are 0. ``highest_start`` is the row up to which the
    noise predictor was trained, 0 for all. ``sampling_flat`` is how far neighbours in the photo
    must differ, in 8-bit levels, for all of the detail that is drawn there; 0 for all of it
    everywhere. ``distilled_steps`` is how many steps a second noise predictor takes, to which the
    path of the first was distilled (``diffusion.distillation``); 0 for none.
    """

    num_timesteps: int = 100
    beta_schedule: Literal["cosine", "linear"] = "cosine"
    beta_s: float = 0.008
    beta_end: float = 0.02
    base: Literal["bicubic", "encoder"] = "bicubic"
    residual_scale: float = 2.0
    sigma_data: float | None = None
    sampling_steps: int = 100
    sampling_spacing: Literal["trailing", "quadratic"] = "trailing"
    sampling_sigma: float = 0.0
    sampling_sampler: Sampler = field(default="ancestral", metadata=LATER)
    sampling_start: int = field(default=0, metadata=LATER)
    highest_start: int = field(default=0, metadata=LATER)
    sampling_flat: float = field(default=0.0, metadata=LATER)
    fast_steps: int = field(default=0, metadata=LATER)
    fast_sampler: Sampler = field(default="ancestral", metadata=LATER)
    best_steps: int = field(default=0, metadata=LATER)
    best_sampler: Sampler = field(default="ancestral", metadata=LATER)
    best_start: int = field(default=0, metadata=LATER)
    distilled_steps: int = field(default=0, metadata=LATER)

    def __post_init__(self) -> None:
        good = 2 <= self.num_timesteps <= MOST_TIMESTEPS
        require(good, "num_timesteps", self.num_timesteps, f"2..{MOST_TIMESTEPS}")
        require(0 <= self.beta_s < 1, "beta_s", self.beta_s, "[0, 1)")
        require(0 < self.beta_end < 1, "beta_end", self.beta_end, "(0, 1)")
        require(0 < self.residual_scale < math.inf, "residual_scale", self.residual_scale, "> 0")
        good = self.sigma_data is None or 0 < self.sigma_data < math.inf
        require(good, "sigma_data", self.sigma_data, "null or > 0")
        sigma = self.sampling_sigma
        require(0 <= sigma < math.inf, "sampling_sigma", sigma, ">= 0")
        flat = self.sampling_flat
        require(0 <= flat < math.inf, "sampling_flat", flat, ">= 0")
        last = self.num_timesteps - 1
        for name in ("sampling_start", "highest_start", "best_start"):
            require(0 <= getattr(self, name) <= last, name, getattr(self, name), f"0..{last}")
        for name in ("sampling_steps", "fast_steps", "best_steps"):
            good = 0 <= getattr(self, name) <= self.num_timesteps
            require(good, name, getattr(self, name), f"0..{self.num_timesteps}")
        most = math.isqrt(self.last_start + 1)
        good = 0 <= self.distilled_steps <= most
        require(good, "distilled_steps", self.distilled_steps, f"0..{most}")
        for name in ("sampling", "fast", "best"):
            self._check_distilled(name)

    def _check_distilled(self, name: str) -> None:
        """Refuse a level of quality that is distilled to other steps than the network."""
        if getattr(self, f"{name}_sampler") == "distilled":
            key, steps = f"{name}_steps", getattr(self, f"{name}_steps")
            require(bool(steps) and steps == self.distilled_steps, key, steps, "distilled_steps")

    @property
    def last_start(self) -> int:
        """The highest row to start at."""
        return self.highest_start or self.num_timesteps - 1

    @property
    def least_distilled_start(self) -> int:
        """The lowest row that the distilled network starts at.

        Of K steps on a quadratic grid the one after the start is at ((K - 1) / K)^2 of it. Of
        starts from here up, no row is the second step of one and the first of another, so that
        the row tells the network which step it takes.
        """
        steps = self.distilled_steps
        if steps < 2:
            return max(1, steps)
        return math.floor(self.last_start * ((steps - 1) / steps) ** 2) + 1

    def is_distilled_start(self, start: int) -> bool:
        """Whether the distilled network starts at a row, 0 being the last."""
        row = start or self.num_timesteps - 1
        return self.least_distilled_start <= row <= self.last_start

    def sampler_of(self, steps: int, start: int) -> Sampler:
        """Return the sampler for a number of steps, and a start, that no level of quality has."""
        if steps and steps == self.distilled_steps and self.is_distilled_start(start):
            return "distilled"
        if self.sampling_sampler != "distilled":
            return self.sampling_sampler
        return self.best_sampler if self.best_steps else "dpmpp_2m"

    def level(self, quality: Quality) -> Level:
        """Return what a level of quality is in this model."""
        if quality == "fast":
            return Level(self.fast_steps, self.fast_sampler, self.sampling_start)
        if quality == "plain" and self.sampling_steps:
            # With eta 1 it is the ancestral sampler without a widened variance.
            return Level(self.num_timesteps, "ddim_eta1" if self.sampling_sigma else "ancestral", 0)
        if quality == "best" and self.best_steps:
            return Level(self.best_steps, self.best_sampler, self.best_start)
        return Level(self.sampling_steps, self.sampling_sampler, self.sampling_start)

    def start_of(self, detail: int) -> int:
        """Return the row at which the chain starts for ``detail``, 1 to 100, faithful to vivid.

        100 is the highest row that the model was trained to start at.
        """
        return max(1, round(self.last_start * detail / 100))

    def detail_of(self, start: int) -> int:
        """Return the ``detail`` that a start stands for, the inverse of ``start_of``."""
        return round(100 * (start or self.num_timesteps - 1) / self.last_start)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """Everything needed to build the networks and to run them; stored inside the weights.

    With ``clean_expert`` there is a second pair of networks, for photos that are taken for clean;
    its encoder is told no levels. ``lr_divisor`` is what the uint8 photo is divided by before it is
    resized to ``lr_up``: 255, or 256 for the authors' checkpoints, whose network has learnt a skip
    image 0.39 % darker.
    """

    scale: int = 4
    encoder: EncoderConfig
    unet: UNetConfig
    diffusion: DiffusionConfig = field(default_factory=DiffusionConfig)
    lr_divisor: Literal[255, 256] = 255
    clean_expert: bool = field(default=False, metadata=LATER)

    def __post_init__(self) -> None:
        require(self.scale in (2, 3, 4, 8), "scale", self.scale, "2, 3, 4 or 8")
        if self.encoder.kind == "rrdb":
            require(self.scale in (4, 8), "scale", self.scale, "4 or 8 with the rrdb encoder")
        good = not self.clean_expert or self.encoder.num_levels > 0
        require(
            good, "clean_expert", self.clean_expert, "false for an encoder that is told nothing"
        )
        if self.unet.kind == "full":
            require(self.scale % 2 == 0, "scale", self.scale, "2, 4 or 8 with the full U-Net")

    @property
    def networks(self) -> "ModelConfig":
        """This configuration without how it is sampled: equal for weights that are exchangeable."""
        default, chain = DiffusionConfig(), self.diffusion
        sampled = {
            each.name: getattr(default, each.name)
            for each in dataclasses.fields(chain)
            if each.name.startswith(("sampling_", "fast_", "best_", "highest_"))
        }
        # Not the default's steps: a shorter chain would have too few for them.
        plain = dataclasses.replace(chain, **(sampled | {"sampling_steps": 0}))
        return dataclasses.replace(self, diffusion=plain)

    @property
    def size_multiple(self) -> int:
        """The low-resolution height and width must be multiples of this many pixels."""
        folds = 1 << (len(self.unet.widths) - 1)
        if self.unet.kind == "folded":
            return folds
        return folds // math.gcd(folds, self.scale)

    @property
    def least_size(self) -> int:
        """The low-resolution height and width must be at least this many pixels.

        The full U-Net pads by reflection, for which its lowest level must have 2 pixels a side.
        """
        if self.unet.kind == "folded":
            return self.size_multiple
        lowest = 2 << (len(self.unet.widths) - 1)
        return max(self.size_multiple, -(-lowest // self.scale))


def distilled(config: ModelConfig, steps: int = 3) -> ModelConfig:
    """Return the configuration of a model that is distilled to so many steps, its usual ones."""
    chain = dataclasses.replace(
        config.diffusion, distilled_steps=steps, sampling_steps=steps, sampling_sampler="distilled"
    )
    return dataclasses.replace(config, diffusion=chain)


def undistilled(config: ModelConfig) -> ModelConfig:
    """Return the configuration of a model without its distilled networks, run as ``lite`` is."""
    chain = config.diffusion
    if not chain.distilled_steps:
        return config
    chain = dataclasses.replace(
        chain,
        distilled_steps=0,
        sampling_steps=min(LITE.diffusion.sampling_steps, chain.last_start + 1),
        sampling_sampler=LITE.diffusion.sampling_sampler,
    )
    return dataclasses.replace(config, diffusion=chain)


PAPER = ModelConfig(
    encoder=EncoderConfig(kind="rrdb"),
    unet=UNetConfig(kind="full", widths=(64, 128, 192, 256)),
)
"""The published network: 12.93 M + 12.38 M parameters, 100 steps at full resolution."""

OFFICIAL = dataclasses.replace(PAPER, lr_divisor=256)
"""The published network as the authors trained it, with their darker skip image."""

LITE = ModelConfig(
    encoder=EncoderConfig(kind="residual", num_feat=64, num_block=11, num_levels=NUM_LEVELS),
    unet=UNetConfig(kind="folded", widths=(96, 128, 192)),
    diffusion=DiffusionConfig(
        base="encoder",
        residual_scale=4.0,
        sigma_data=0.33,
        sampling_steps=6,
        sampling_spacing="quadratic",
        sampling_sigma=0.04,
        sampling_sampler="dpmpp_2m",
        best_steps=10,
        best_sampler="dpmpp_2m",
    ),
)
"""The default: folded U-Net, residual against the encoder, preconditioned, few steps."""

PRESETS: Mapping[str, ModelConfig] = {"lite": LITE, "paper": PAPER}
