"""Our weights files: safetensors with the model's configuration and origin in the metadata.

Loading is strict: names, shapes and number formats must be those of the configuration.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from sam_diffsr_cli import __version__
from sam_diffsr_cli.atomic import atomic_path
from sam_diffsr_cli.config import ModelConfig
from sam_diffsr_cli.errors import ConfigError, WeightsError
from sam_diffsr_cli.models.model import SuperResolver, build_model
from sam_diffsr_cli.strict import from_json, to_json

__all__ = [
    "Entry",
    "LoadedWeights",
    "load_strict",
    "load_weights",
    "read_config",
    "read_head",
    "read_metadata",
    "read_tensors",
    "save_weights",
    "write_tensors",
]

FORMAT = "1"
FORMAT_KEY, CONFIG_KEY = "samsr.format", "samsr.config"
VERSION_KEY, SOURCE_KEY, RECIPE_KEY = "samsr.version", "samsr.source", "samsr.recipe"
HEAD_BYTES = 8
"""Of the length that a safetensors file begins with; the tensors are aligned to as many."""

STORED_DTYPES = (torch.float16, torch.bfloat16, torch.float32)
STORED_NAMES = ("F16", "BF16", "F32")
"""By what safetensors calls them."""


class Entry(NamedTuple):
    """What a file says of a tensor: its shape, and its number format as safetensors calls it."""

    shape: tuple[int, ...]
    dtype: str


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
    with _opened(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118


def read_metadata(path: Path) -> dict[str, str]:
    """Read the metadata of a safetensors file, and none of its tensors.

    Raises:
        WeightsError: The file is missing, damaged, or of another kind.
    """
    with _opened(path) as file:
        return file.metadata() or {}


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        if path.exists() and not path.is_file():
            # A pipe would be waited for, for ever.
            raise WeightsError(f"{path}: not a file")
        with safe_open(path, framework="pt") as file:
            yield file
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such weights file") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(
            f"{path}: damaged, or not a safetensors file ({error})", hint="fetch the file again"
        ) from error


def read_head(path: Path) -> tuple[dict[str, Entry], dict[str, str]]:
    """Read what a safetensors file says it holds, and its metadata; none of its tensors.

    Raises:
        WeightsError: The file is missing, damaged, or of another kind.
    """
    with _opened(path) as file:
        return _head(file), file.metadata() or {}


def _head(file: Any) -> dict[str, Entry]:  # noqa: ANN401 - as safetensors has it
    slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
    return {n: Entry(tuple(part.get_shape()), part.get_dtype()) for n, part in slices.items()}


def _check_head(head: Mapping[str, Entry], config: ModelConfig, path: Path) -> None:
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
    with _opened(path) as file:
        metadata = file.metadata() or {}
        config = _config(path, metadata)
        # Before anything is allocated: what a file claims must be what it holds.
        _check_head(_head(file), config, path)
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    model = build_model(config)
    load_strict(model, tensors, path)
    return LoadedWeights(model.eval(), metadata.get(SOURCE_KEY, ""))


def read_config(path: Path) -> ModelConfig:
    """Read the configuration of a weights file without its tensors.

    Raises:
        WeightsError: The file is missing, damaged, or without our metadata.
    """
    return _config(path, read_metadata(path))


def _config(path: Path, metadata: Mapping[str, str]) -> ModelConfig:
    if FORMAT_KEY not in metadata or CONFIG_KEY not in metadata:
        raise WeightsError(
            f"{path}: not a samsr weights file (no configuration in its metadata)",
            hint="use a file written by `samsr train`",
        )
    if metadata[FORMAT_KEY] != FORMAT:
        raise WeightsError(
            f"{path}: weights format {metadata[FORMAT_KEY]}, this samsr reads {FORMAT}",
            hint="upgrade samsr",
        )
    try:
        return from_json(ModelConfig, metadata[CONFIG_KEY])
    except ConfigError as error:
        raise WeightsError(f"{path}: {error}") from error
