"""The hyperparameters of the authors' checkpoints, as their own settings name them.

The reference writes all its settings into ``config.yaml`` beside its checkpoints. Those that decide
the network are read; those that would make another network than ours are refused; the rest, about
data and training, is left alone.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from sam_diffsr_cli.config import DiffusionConfig, EncoderConfig, ModelConfig, UNetConfig
from sam_diffsr_cli.errors import ConfigError

__all__ = ["NEEDED", "PUBLISHED", "find_settings", "read_settings", "to_model_config"]

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

SETTINGS_NAMES = ("config.yaml", "config.json")
MOST_BYTES = 1 << 20


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
        values = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        first = str(error).partition("\n")[0]
        raise ConfigError(f"{path}: cannot be read as settings ({first})") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected names and values")
    return {str(name): value for name, value in values.items()}


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
        raise ConfigError(f"beta_schedule is {schedule!r}, allowed: cosine, linear")
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
                f"{name} is {settings[name]!r}, which makes a network that samsr does not have",
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
    if type(value) is int:
        return value
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    raise ConfigError(f"{name} is {value!r}, allowed: a whole number")


def _number(settings: Mapping[str, Any], name: str) -> float:
    value = settings[name]
    try:
        if not isinstance(value, bool):
            return float(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise ConfigError(f"{name} is {value!r}, allowed: a number")


def _mults(settings: Mapping[str, Any]) -> tuple[int, ...]:
    """Read the widths of the U-Net's levels, in multiples of the first: ``1|2|3|4``."""
    value = settings["unet_dim_mults"]
    parts = str(value).split("|")
    if not all(part.strip().isdecimal() for part in parts):
        raise ConfigError(f"unet_dim_mults is {value!r}, allowed: numbers such as 1|2|3|4")
    mults = tuple(int(part) for part in parts)
    if mults[0] != 1:
        raise ConfigError(f"unet_dim_mults is {value!r}: the first level is 1 in the reference")
    return mults
