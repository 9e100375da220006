"""The hyperparameters of the authors' checkpoints, as their own settings name them.

The reference writes all its settings into ``config.yaml`` beside its checkpoints. Those that decide
the network are read; those that would make another network than ours are refused; the rest, about
data and training, is left alone.
"""

import json
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sam_diffsr_cli.chain_config import DiffusionConfig
from sam_diffsr_cli.config import EncoderConfig, ModelConfig, UNetConfig
from sam_diffsr_cli.errors import ConfigError, InputError

__all__ = [
    "NEEDED",
    "PUBLISHED",
    "find_settings",
    "parse_setting",
    "read_settings",
    "to_model_config",
]

NEEDED = (
    "sr_scale",
    "hidden_size",
    "unet_dim_mults",
    "rrdb_num_feat",
    "rrdb_num_block",
    "timesteps",
    "res_rescale",
    "beta_schedule",
)
"""What the network cannot be built without."""

PUBLISHED: Mapping[str, Any] = {
    "sr_scale": 4,
    "hidden_size": 64,
    "unet_dim_mults": "1|2|3|4",
    "rrdb_num_feat": 64,
    "rrdb_num_block": 17,
    "timesteps": 100,
    "res_rescale": 2.0,
    "beta_schedule": "cosine",
    "beta_s": 0.008,
}
"""Of the checkpoint that the authors published."""

FIXED: Mapping[str, Any] = {
    "res": True,
    "use_rrdb": True,
    "clip_input": True,
    "pred_noise": True,
    "up_input": False,
    "use_wn": False,
    "use_attn": False,
    "denoise_fn": "unet",
}
"""Settings of which only this value makes the network that we have."""

USUAL: Mapping[str, Any] = {"beta_s": 0.008, "beta_end": 0.02}
"""What the reference takes where nothing is said."""

_REPR = reprlib.Repr()
_REPR.maxlevel = 2

SETTINGS_NAMES = ("config.yaml", "config.json")
MOST_BYTES = 1 << 20
MOST_DIGITS, MOST_BITS = 9, 30


def find_settings(checkpoint: Path) -> Path | None:
    """Return the settings that lie beside a checkpoint, None where there are none."""
    places = [checkpoint.with_name(name) for name in SETTINGS_NAMES]
    return next((place for place in places if place.is_file()), None)


def read_settings(path: Path) -> dict[str, Any]:
    """Read settings, YAML or JSON; objects other than plain values are not made.

    Raises:
        ConfigError: They cannot be read, or are not a table.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise ConfigError(f"{path}: larger than settings are")
        text = data.decode()
        values = json.loads(text) if path.suffix == ".json" else _read_yaml(text)
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: cannot be read as settings ({error})") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected names and values")
    return {str(name): value for name, value in values.items()}


def _read_yaml(text: str) -> Any:  # noqa: ANN401 - the edge
    """Read YAML.

    Raises:
        ValueError: It is none, or more than plain values.
    """
    try:
        return yaml.safe_load(text)
    except Exception as error:  # on values of a wrong form it fails in many ways
        raise ValueError(str(error).partition("\n")[0]) from error


def parse_setting(text: str) -> tuple[str, Any]:
    """Read ``name=value``, the value as YAML.

    Raises:
        ConfigError: It is not of this form, or no setting that decides the network.
    """
    name, sign, value = (part.strip() for part in text.partition("="))
    if not sign or not name:
        raise ConfigError(f"--set {text}: not NAME=VALUE", hint="such as --set hidden_size=64")
    known = (*NEEDED, *USUAL, *FIXED)
    if name not in known:
        raise ConfigError(f"--set {text}: decides no network", hint=f"known: {', '.join(known)}")
    try:
        return name, _read_yaml(value)
    except ValueError as error:
        raise ConfigError(f"--set {text}: the value cannot be read ({error})") from error


@dataclass(frozen=True, kw_only=True, slots=True)
class OfficialSettings:
    """What a user says of a checkpoint: a ``file`` of settings, single ones, or the published."""

    file: Path | None = None
    given: tuple[str, ...] = ()
    is_published: bool = False


def resolve_config(checkpoint: Path, settings: OfficialSettings) -> tuple[ModelConfig, Path | None]:
    """Lay single settings over the file of them, or over the published ones.

    Returns:
        How the networks are built, and the file that was read.

    Raises:
        InputError: A file and the published ones are both asked for.
        ConfigError: Nothing says how the checkpoint is built, or a setting cannot be.
    """
    if settings.is_published and settings.file is not None:
        raise InputError("--published and --config exclude each other")
    place = settings.file or (None if settings.is_published else find_settings(checkpoint))
    values: dict[str, Any] = dict(PUBLISHED) if settings.is_published else {}
    if place is not None:
        values = read_settings(place)
    values |= dict(map(parse_setting, settings.given))
    if not values:
        raise ConfigError(
            f"{checkpoint}: no config.yaml or config.json beside it says how it is built",
            hint="give it with --config, take --published, or give each setting with --set",
        )
    return to_model_config(values), place


def to_model_config(settings: Mapping[str, Any]) -> ModelConfig:
    """Turn the reference's settings into a configuration of the same network.

    Raises:
        ConfigError: A setting is missing, is not of its kind, or makes another network.
    """
    _refuse_others(settings)
    dim = _whole(settings, "hidden_size")
    steps = _whole(settings, "timesteps")
    betas = {**USUAL, **settings}
    schedule = settings["beta_schedule"]
    if schedule not in ("cosine", "linear"):
        raise ConfigError(f"beta_schedule is {_short(schedule)}, allowed: cosine, linear")
    return ModelConfig(
        scale=_whole(settings, "sr_scale"),
        encoder=EncoderConfig(
            kind="rrdb",
            num_feat=_whole(settings, "rrdb_num_feat"),
            num_block=_whole(settings, "rrdb_num_block"),
        ),
        unet=UNetConfig(kind="full", widths=tuple(dim * m for m in _mults(settings))),
        diffusion=DiffusionConfig(
            num_timesteps=steps,
            sampling_steps=steps,
            beta_schedule=schedule,
            residual_scale=_number(settings, "res_rescale"),
            beta_s=_number(betas, "beta_s"),
            beta_end=_number(betas, "beta_end"),
        ),
        # What they divide a photo by before they enlarge it; their networks have learnt it.
        lr_divisor=256,
    )


def _refuse_others(settings: Mapping[str, Any]) -> None:
    """Refuse settings that lack something, or make another network than ours.

    Raises:
        ConfigError: They do.
    """
    missing = [name for name in NEEDED if name not in settings]
    if missing:
        raise ConfigError(
            f"the settings lack {', '.join(missing)}",
            hint="give them with --set name=value, or the file with --config",
        )
    for name, only in FIXED.items():
        if settings.get(name, only) != only:
            raise ConfigError(
                f"{name} is {_short(settings[name])}: a network that samsr does not have",
                hint=f"only {only!r} can be converted",
            )
    sam = settings.get("sam_config")
    if isinstance(sam, dict) and sam.get("cond_sam"):
        raise ConfigError(
            "sam_config.cond_sam is set: this network needs masks when it is run",
            hint="only checkpoints without it can be converted",
        )


def _whole(settings: Mapping[str, Any], name: str) -> int:
    value = settings[name]
    if type(value) is int and value.bit_length() <= MOST_BITS:
        return value
    if isinstance(value, str) and value.isdecimal() and len(value) <= MOST_DIGITS:
        return int(value)
    raise ConfigError(f"{name} is {_short(value)}, allowed: a whole number")


def _number(settings: Mapping[str, Any], name: str) -> float:
    value = settings[name]
    try:
        if not isinstance(value, bool):
            return float(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise ConfigError(f"{name} is {_short(value)}, allowed: a number")


def _mults(settings: Mapping[str, Any]) -> tuple[int, ...]:
    """Read the widths of the U-Net's levels, in multiples of the first: ``1|2|3|4``."""
    value = settings["unet_dim_mults"]
    text = value if isinstance(value, str) else "1" if type(value) is int and value == 1 else ""
    parts = [part.strip() for part in text.split("|")]
    if not all(part.isdecimal() and len(part) <= MOST_DIGITS for part in parts):
        raise ConfigError(f"unet_dim_mults is {_short(value)}, allowed: numbers such as 1|2|3|4")
    mults = tuple(int(part) for part in parts)
    if mults[0] != 1:
        raise ConfigError(f"unet_dim_mults is {_short(value)}: the reference's first level is 1")
    return mults


def _short(value: object) -> str:
    """Write a value in a line; lists of the same lists again may have no end, written out."""
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        return "a number of many digits"
    return _REPR.repr(value)
