"""Frozen configuration records, the presets, and their strict JSON form.

``ModelConfig`` says how networks and diffusion are built and run, and travels inside every weights
file. ``SamplingConfig`` is per run. Training has ``recipes``. Standard library only.
"""

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from sam_diffsr_cli.errors import ConfigError

__all__ = [
    "FEATURE_STRIDE",
    "LITE",
    "OFFICIAL",
    "PAPER",
    "PRESETS",
    "DiffusionConfig",
    "EncoderConfig",
    "ModelConfig",
    "SamplingConfig",
    "UNetConfig",
    "from_json",
    "parse",
    "require",
    "to_json",
]

Record = TypeVar("Record")

FEATURE_STRIDE = 3
"""Every third encoder feature conditions the U-Net (``features[2::3]`` in the reference)."""


MOST_TOLD = 200
"""Characters of a value that errors tell."""

MOST_FEATURES, MOST_BLOCKS, MOST_LEVELS, MOST_TIMESTEPS = 4096, 512, 8, 10_000
"""Far above any network that was trained, so that a hostile file asks for no absurd one."""


def require(holds: bool, name: str, value: object, allowed: str) -> None:  # noqa: FBT001
    """Raise ``ConfigError`` with the field, its value and what is allowed, unless ``holds``."""
    if not holds:
        raise ConfigError(f"{name} is {_short(value)}, allowed: {allowed}")


def _short(value: object) -> str:
    """Write a value, of which hostile files may have endless ones, in a line."""
    text = repr(value)
    return text if len(text) <= MOST_TOLD else f"{text[:MOST_TOLD]}..."


@dataclass(frozen=True, kw_only=True, slots=True)
class EncoderConfig:
    """The condition encoder, which sees the low-resolution photo.

    ``rrdb``: the paper's dense network. ``residual``: plain residual blocks, added to bicubic.
    """

    kind: Literal["rrdb", "residual"]
    num_feat: int = 64
    num_block: int = 17

    def __post_init__(self) -> None:
        good = 2 <= self.num_feat <= MOST_FEATURES and self.num_feat % 2 == 0
        require(good, "num_feat", self.num_feat, f"even, 2..{MOST_FEATURES}")
        least = FEATURE_STRIDE - 1
        good = least <= self.num_block <= MOST_BLOCKS
        require(good, "num_block", self.num_block, f"{least}..{MOST_BLOCKS}")

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
class DiffusionConfig:
    """The chain: its schedule, the residual it works on, and how it is run by default.

    ``sigma_data`` is the residual's standard deviation (``precondition``), null without
    preconditioning. ``sampling_sigma`` is what of it remains uncertain once the photo is known
    (``widen_posterior``), 0 for the plain variance.
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
        good = 0 <= self.sampling_steps <= self.num_timesteps
        require(good, "sampling_steps", self.sampling_steps, f"0..{self.num_timesteps}")


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """Everything needed to build the networks and to run them; stored inside the weights.

    ``lr_divisor`` is what the uint8 photo is divided by before it is resized to ``lr_up``: 255,
    or 256 for the authors' checkpoints, whose network has learnt a skip image 0.39 % darker.
    """

    scale: int = 4
    encoder: EncoderConfig
    unet: UNetConfig
    diffusion: DiffusionConfig = field(default_factory=DiffusionConfig)
    lr_divisor: Literal[255, 256] = 255

    def __post_init__(self) -> None:
        require(self.scale in (2, 3, 4, 8), "scale", self.scale, "2, 3, 4 or 8")
        if self.encoder.kind == "rrdb":
            require(self.scale in (4, 8), "scale", self.scale, "4 or 8 with the rrdb encoder")
        if self.unet.kind == "full":
            require(self.scale % 2 == 0, "scale", self.scale, "2, 4 or 8 with the full U-Net")

    @property
    def networks(self) -> "ModelConfig":
        """This configuration without how it is sampled: equal for weights that are exchangeable."""
        plain = dataclasses.replace(
            self.diffusion, sampling_steps=0, sampling_spacing="trailing", sampling_sigma=0.0
        )
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


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplingConfig:
    """One run of the reverse process.

    ``tile`` is the longest side of a tile in low-resolution pixels, 0 for one piece. It bounds
    memory and does not show in the result.
    """

    steps: int
    seed: int = 0
    tile: int = 256

    def __post_init__(self) -> None:
        require(self.steps >= 0, "steps", self.steps, ">= 0")
        require(0 <= self.seed < 2**63, "seed", self.seed, "0..2^63-1")
        require(self.tile == 0 or self.tile >= 16, "tile", self.tile, "0 or >= 16")


PAPER = ModelConfig(
    encoder=EncoderConfig(kind="rrdb"),
    unet=UNetConfig(kind="full", widths=(64, 128, 192, 256)),
)
"""The published network: 12.93 M + 12.38 M parameters, 100 steps at full resolution."""

OFFICIAL = dataclasses.replace(PAPER, lr_divisor=256)
"""The published network as the authors trained it, with their darker skip image."""

LITE = ModelConfig(
    encoder=EncoderConfig(kind="residual", num_feat=64, num_block=11),
    unet=UNetConfig(kind="folded", widths=(96, 128, 192)),
    diffusion=DiffusionConfig(
        base="encoder",
        residual_scale=4.0,
        sigma_data=0.33,
        sampling_steps=6,
        sampling_spacing="quadratic",
        sampling_sigma=0.04,
    ),
)
"""The default: folded U-Net, residual against the encoder, preconditioned, few steps."""

PRESETS: Mapping[str, ModelConfig] = {"lite": LITE, "paper": PAPER}


def to_json(config: object) -> str:
    """Write a configuration record as JSON text with sorted keys."""
    if not dataclasses.is_dataclass(config) or isinstance(config, type):
        raise TypeError(f"not a configuration record: {config!r}")
    return json.dumps(dataclasses.asdict(config), sort_keys=True)


def from_json(cls: type[Record], text: str) -> Record:
    """Read what ``to_json`` wrote; unknown and missing keys are refused.

    Raises:
        ConfigError: The text is not JSON, or a key or value does not fit ``cls``.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"configuration is not JSON: {error}") from error
    return typing.cast("Record", parse(cls, value, "configuration"))


def parse(kind: Any, value: Any, where: str) -> Any:  # noqa: ANN401 - the JSON edge
    """Check ``value`` against the type ``kind`` and convert lists to tuples.

    Raises:
        ConfigError: It does not fit; ``where`` says which one it was.
    """
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _parse_record(kind, value, where)
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        if any(value == a and type(value) is type(a) for a in args):
            return value
    elif origin in (typing.Union, types.UnionType):
        rest = next(a for a in args if a is not type(None))
        return None if value is None else parse(rest, value, where)
    elif origin is tuple and isinstance(value, list):
        return tuple(parse(args[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    elif kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return _to_float(value, where)
    elif kind in (int, str, bool) and type(value) is kind:
        return value
    raise ConfigError(f"{where} is {_short(value)}, allowed: {_allowed(kind)}")


def _allowed(kind: Any) -> str:  # noqa: ANN401 - the JSON edge
    """Say in words which values a type has."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return ", ".join(map(str, args))
    if origin is tuple:
        return f"a list, each {_allowed(args[0])}"
    return {int: "a whole number", float: "a number", bool: "true or false", str: "text"}[kind]


def _to_float(value: float, where: str) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise ConfigError(f"{where}: the number is too large") from error


def _parse_record(kind: type, value: Any, where: str) -> Any:  # noqa: ANN401 - the JSON edge
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: expected an object, got {_short(value)}")
    hints = typing.get_type_hints(kind)
    unknown, missing = sorted(value.keys() - hints.keys()), sorted(hints.keys() - value.keys())
    if unknown or missing:
        raise ConfigError(f"{where}: unknown keys {_short(unknown)}, missing keys {missing}")
    return kind(**{name: parse(hint, value[name], name) for name, hint in hints.items()})
