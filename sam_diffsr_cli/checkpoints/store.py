"""Our weights files: safetensors with the model's configuration and origin in the metadata.

Loading is strict: names, shapes and number formats must be those of the configuration.
"""

import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from sam_diffsr_cli import __version__
from sam_diffsr_cli.atomic import atomic_path
from sam_diffsr_cli.checkpoints.heads import (
    CONFIG_KEY,
    FORMAT,
    FORMAT_KEY,
    RECIPE_KEY,
    SOURCE_KEY,
    VERSION_KEY,
    TensorEntry,
    config_in,
    entries_of,
    opened,
)
from sam_diffsr_cli.config import ModelConfig
from sam_diffsr_cli.errors import WeightsError
from sam_diffsr_cli.networks.model import SuperResolver, build_model
from sam_diffsr_cli.strict import to_json

__all__ = [
    "LoadedWeights",
    "load_strict",
    "load_weights",
    "read_tensors",
    "save_weights",
    "write_tensors",
]

HEAD_BYTES = 8
"""Of the length that a safetensors file begins with; the tensors are aligned to as many."""

STORED_DTYPES = (torch.float16, torch.bfloat16, torch.float32)
STORED_NAMES = ("F16", "BF16", "F32")
"""By what safetensors calls them."""


@dataclass(frozen=True, slots=True)
class LoadedWeights:
    """A model in ``eval`` mode, float32, on the CPU; and where its file says it comes from."""

    model: SuperResolver
    source: str


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file atomically; the same content gives the same bytes.

    Raises:
        InputError: The folder cannot be written.
        DiskFullError: The disk is full.
    """
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    data = memoryview(save(contiguous, dict(metadata)))
    length = int.from_bytes(data[:HEAD_BYTES], "little")
    # The library writes the metadata in another order each time.
    head = json.dumps(json.loads(bytes(data[HEAD_BYTES : HEAD_BYTES + length])), sort_keys=True)
    encoded = head.encode()
    encoded += b" " * (-len(encoded) % HEAD_BYTES)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(len(encoded).to_bytes(HEAD_BYTES, "little"))
        file.write(encoded)
        file.write(data[HEAD_BYTES + length :])


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a safetensors file: its tensors, on the CPU, and its metadata.

    Raises:
        WeightsError: The file is missing, damaged, or of another kind.
    """
    with opened(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118


def _check_head(head: Mapping[str, TensorEntry], config: ModelConfig, path: Path) -> None:
    """Compare names, shapes and number formats with those of the configuration's networks.

    Raises:
        WeightsError: They differ.
    """
    with torch.device("meta"):
        expected = SuperResolver(config).state_dict()
    _check_names(head.keys(), expected.keys(), path)
    for name, entry in head.items():
        wanted = tuple(expected[name].shape)
        if entry.shape != wanted or entry.dtype not in STORED_NAMES:
            raise WeightsError(
                f"{path}: {name} is {entry.dtype} {entry.shape}, expected float {wanted}"
            )


def _check_names(found: AbstractSet[str], expected: AbstractSet[str], path: Path) -> None:
    missing, unknown = sorted(expected - found), sorted(found - expected)
    if missing or unknown:
        raise WeightsError(
            f"{path}: {len(missing)} tensors missing {missing[:3]}, "
            f"{len(unknown)} unknown {unknown[:3]}"
        )


def load_strict(module: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copy ``tensors`` into ``module``; nothing may be missing, unknown, misshapen or not finite.

    Raises:
        WeightsError: Something does not fit.
    """
    expected = module.state_dict()
    _check_names(tensors.keys(), expected.keys(), path)
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.is_meta:
            raise WeightsError(f"{path}: {name} is not a plain dense tensor")
        wanted = tuple(expected[name].shape)
        if tuple(tensor.shape) != wanted or tensor.dtype not in STORED_DTYPES:
            raise WeightsError(
                f"{path}: {name} is {tensor.dtype} {tuple(tensor.shape)}, expected float {wanted}"
            )
        if not bool(torch.isfinite(tensor).all()):
            raise WeightsError(f"{path}: {name} holds values that are not finite")
    module.load_state_dict(dict(tensors))


def save_weights(
    path: Path,
    model: SuperResolver,
    source: str,
    dtype: torch.dtype = torch.float16,
    recipe: str = "",
) -> None:
    """Write ``model`` with its configuration.

    Args:
        path: Of the file.
        model: On any device.
        source: Origin, licence and data, in words.
        dtype: Of the numbers in the file.
        recipe: How it was trained, as text; empty when nothing is known.

    Raises:
        InputError: The folder cannot be written.
        DiskFullError: The disk is full.
        WeightsError: A parameter does not fit ``dtype``.
    """
    metadata = {
        FORMAT_KEY: FORMAT,
        CONFIG_KEY: to_json(model.config),
        VERSION_KEY: __version__,
        SOURCE_KEY: source,
    }
    if recipe:
        metadata[RECIPE_KEY] = recipe
    tensors = {name: tensor.to(dtype) for name, tensor in model.state_dict().items()}
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise WeightsError(f"{path}: {name} is not finite as {dtype}; nothing was written")
    write_tensors(path, tensors, metadata)


def load_weights(path: Path) -> LoadedWeights:
    """Read a file that ``save_weights`` wrote.

    Raises:
        WeightsError: The file is missing, damaged, without our metadata, or does not fit itself.
    """
    with opened(path, "pt") as file:
        metadata = file.metadata() or {}
        config = config_in(path, metadata)
        # Before anything is allocated: what a file claims must be what it holds.
        _check_head(entries_of(file), config, path)
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    model = build_model(config)
    load_strict(model, tensors, path)
    return LoadedWeights(model.eval(), metadata.get(SOURCE_KEY, ""))
