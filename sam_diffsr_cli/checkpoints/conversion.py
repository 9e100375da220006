"""From the authors' checkpoints to our weights files, once, checked against their settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from sam_diffsr_cli.checkpoints.official import (
    NETWORKS,
    OfficialCheckpoint,
    check_schedule,
    read_checkpoint,
)
from sam_diffsr_cli.checkpoints.store import load_strict, save_weights
from sam_diffsr_cli.config import ModelConfig
from sam_diffsr_cli.digests import sha256_of
from sam_diffsr_cli.errors import WeightsError
from sam_diffsr_cli.networks.model import SuperResolver, build_model

__all__ = ["Conversion", "convert"]

ENCODER = "rrdb."

KEYS_OF: tuple[tuple[str, str], ...] = (
    ("denoise_fn.mlp", "hidden_size"),
    ("denoise_fn.cond_proj", "sr_scale, rrdb_num_feat, rrdb_num_block or hidden_size"),
    ("denoise_fn.", "hidden_size or unet_dim_mults"),
    ("rrdb.RRDB_trunk", "rrdb_num_block or rrdb_num_feat"),
    ("rrdb.upconv3", "sr_scale"),
    ("rrdb.", "rrdb_num_feat"),
)
"""Which settings decide the shapes of which tensors, by the beginning of their names."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was converted: the step that the checkpoint was written at, and the source as told."""

    global_step: int | None
    source: str


def convert(
    checkpoint: Path,
    encoder: Path | None,
    config: ModelConfig,
    path: Path,
    dtype: torch.dtype = torch.float32,
) -> Conversion:
    """Write a diffusion checkpoint, and the encoder that it works with, as one weights file.

    Args:
        checkpoint: Of the diffusion; it holds the encoder too, as a rule.
        encoder: Of the encoder alone. Where ``checkpoint`` has one, they must be the same.
        config: Of the networks and the chain; every shape, and the betas, must be its own.
        path: Of the file to write.
        dtype: Of the numbers in it.

    Raises:
        WeightsError: A checkpoint cannot be used, or does not fit ``config``; nothing is written.
        InputError: ``path`` cannot be written.
    """
    read = read_checkpoint(checkpoint)
    if not any(name.startswith("denoise_fn.") for name in read.tensors):
        raise WeightsError(
            f"{checkpoint}: holds no diffusion (denoise_fn), only an encoder or something else",
            hint="an encoder is given by --encoder, beside the checkpoint of a diffusion",
        )
    tensors = dict(read.networks)
    if encoder is not None:
        _add_encoder(tensors, _encoder_tensors(encoder), encoder)
    elif not any(name.startswith(ENCODER) for name in tensors):
        raise WeightsError(f"{checkpoint}: holds no encoder (rrdb)", hint="give it with --encoder")
    _check_shapes(tensors, config, checkpoint)
    check_schedule(read, config, checkpoint)
    model = build_model(config)
    load_strict(model, tensors, checkpoint)
    source = _source(read, [checkpoint] if encoder is None else [checkpoint, encoder], config)
    save_weights(path, model.eval(), source, dtype)
    return Conversion(read.global_step, source)


def _encoder_tensors(path: Path) -> dict[str, Tensor]:
    """Read an encoder's checkpoint, or the encoder of a diffusion's, under its names in ours."""
    read = read_checkpoint(path).tensors
    inside = {name: tensor for name, tensor in read.items() if name.startswith(ENCODER)}
    if inside:
        return inside
    if any(name.startswith(NETWORKS) for name in read):
        raise WeightsError(f"{path}: holds a diffusion without an encoder")
    return {f"{ENCODER}{name}": tensor for name, tensor in read.items()}


def _add_encoder(tensors: dict[str, Tensor], given: Mapping[str, Tensor], path: Path) -> None:
    """Add an encoder; one that is there already must be the same.

    Raises:
        WeightsError: They differ: the diffusion was trained with its own.
    """
    own = {name: tensor for name, tensor in tensors.items() if name.startswith(ENCODER)}
    differ = own.keys() ^ given.keys() or [
        name for name in own if not torch.equal(own[name], given[name])
    ]
    if own and differ:
        raise WeightsError(
            f"{path}: is another encoder than the one that the diffusion was trained with",
            hint="leave --encoder out: the checkpoint of the diffusion has its encoder",
        )
    tensors |= given


def _check_shapes(tensors: Mapping[str, Tensor], config: ModelConfig, path: Path) -> None:
    """Compare all shapes with those of the configuration, and name the setting that is off.

    Raises:
        WeightsError: One differs, is missing or is not known.
    """
    with torch.device("meta"):
        expected = {n: tuple(t.shape) for n, t in SuperResolver(config).state_dict().items()}
    for name in sorted(expected.keys() | tensors.keys()):
        found = tuple(tensors[name].shape) if name in tensors else None
        if found != expected.get(name):
            keys = next((keys for start, keys in KEYS_OF if name.startswith(start)), "the settings")
            raise WeightsError(
                f"{path}: {name} is {found or 'missing'}, "
                f"by the settings {expected.get(name) or 'absent'}",
                hint=f"check {keys}",
            )


def _source(read: OfficialCheckpoint, files: list[Path], config: ModelConfig) -> str:
    """Say where the weights come from: names and digests, the step, and what is special."""
    named = ", ".join(f"{file.name} (sha256 {sha256_of(file)})" for file in files)
    step = "" if read.global_step is None else f", step {read.global_step}"
    return (
        f"converted from {named}{step}; layout of SAM-DiffSR and SRDiff; "
        f"lr_up from the photo over {config.lr_divisor}, as it was trained"
    )
