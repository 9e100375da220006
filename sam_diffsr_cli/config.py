"""Frozen configuration records, and the presets.

``ModelConfig`` says how networks and diffusion are built and run, and travels inside every weights
file. ``sampling_config`` is per run. Training has ``recipes``. Standard library only.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sam_diffsr_cli.chain_config import DiffusionConfig
from sam_diffsr_cli.strict import LATER, require

__all__ = [
    "FEATURE_STRIDE",
    "LITE",
    "OFFICIAL",
    "PAPER",
    "PRESETS",
    "EncoderConfig",
    "ModelConfig",
    "UNetConfig",
    "distilled",
    "undistilled",
]


FEATURE_STRIDE = 3
"""Every third encoder feature conditions the U-Net (``features[2::3]`` in the reference)."""


NUM_LEVELS: Literal[3] = 3
"""Compression, noise and blur (``degradation.levels.Levels``)."""

MOST_FEATURES, MOST_BLOCKS, MOST_LEVELS = 4096, 512, 8
"""Far above any network that was trained, so that a hostile file asks for no absurd one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EncoderConfig:
    """The condition encoder, which sees the low-resolution photo.

    ``rrdb``: the paper's dense network. ``residual``: plain residual blocks, added to bicubic.
    ``num_levels`` is how many levels of dirt (``degradation.levels``) it is told, and estimates;
    0 for an encoder that takes every photo for clean. With ``sees_blocks`` it estimates them from
    blocks of coefficients as well, as a compression makes them.
    """

    kind: Literal["rrdb", "residual"]
    num_feat: int = 64
    num_block: int = 17
    num_levels: Literal[0, 3] = field(default=0, metadata=LATER)
    sees_blocks: bool = field(default=False, metadata=LATER)

    def __post_init__(self) -> None:
        good = 2 <= self.num_feat <= MOST_FEATURES and self.num_feat % 2 == 0
        require(good, "num_feat", self.num_feat, f"even, 2..{MOST_FEATURES}")
        least = FEATURE_STRIDE - 1
        good = least <= self.num_block <= MOST_BLOCKS
        require(good, "num_block", self.num_block, f"{least}..{MOST_BLOCKS}")
        good = self.num_levels == 0 or self.kind == "residual"
        require(good, "num_levels", self.num_levels, f"0, or {NUM_LEVELS} if residual")
        good = self.num_levels > 0 or not self.sees_blocks
        require(good, "sees_blocks", self.sees_blocks, "false for an encoder that is told nothing")

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
    chain, lite = config.diffusion, LITE.diffusion
    if not chain.distilled_steps:
        return config
    longest = chain.last_start + 1
    levels: dict[str, Any] = {}
    if chain.best_sampler == "distilled":
        levels = {
            "best_steps": min(lite.best_steps, longest),
            "best_sampler": lite.best_sampler,
            "best_start": chain.highest_start,
        }
    if chain.fast_sampler == "distilled":
        levels |= {"fast_steps": lite.fast_steps, "fast_sampler": lite.fast_sampler}
    chain = dataclasses.replace(
        chain,
        distilled_steps=0,
        sampling_steps=min(lite.sampling_steps, longest),
        sampling_sampler=lite.sampling_sampler,
        sampling_share=0.0,
        sampling_dirty_share=0.0,
        sampling_chroma=1.0,
        best_share=0.0,
        best_dirty_share=0.0,
        **levels,
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
    encoder=EncoderConfig(
        kind="residual", num_feat=64, num_block=11, num_levels=NUM_LEVELS, sees_blocks=True
    ),
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
