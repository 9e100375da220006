"""Our weights files: safetensors with the model's configuration and origin in the metadata.

Loading is strict: names, shapes and number formats must be those of the configuration.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from sam_diffsr_cli import __version__
from sam_diffsr_cli.atomic import atomic_path
from sam_diffsr_cli.config import ModelConfig, from_json, to_json
from sam_diffsr_cli.errors import ConfigError, ResourceError, WeightsError
from sam_diffsr_cli.models.model import SuperResolver, build_model

__all__ = [
    "LoadedWeights",
    "load_strict",
    "load_weights",
    "read_tensors",
    "save_weights",
    "write_tensors",
]

FORMAT = "1"
FORMAT_KEY, CONFIG_KEY = "samsr.format", "samsr.config"
VERSION_KEY, SOURCE_KEY = "samsr.version", "samsr.source"
STORED_DTYPES = (torch.float16, torch.bfloat16, torch.float32)


@dataclass(frozen=True, slots=True)
class LoadedWeights:
    """A model in ``eval`` mode, float32, on the CPU; and where its file says it comes from."""

    model: SuperResolver
    source: str


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file atomically.

    Raises:
        InputError: The folder cannot be written.
        ResourceError: The disk is full.
    """
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_path(path) as temporary:
        try:
            save_file(contiguous, temporary, metadata=dict(metadata))
        except SafetensorError as error:
            # It carries the operating system's error as text only; ENOSPC and EDQUOT.
            if "os error 28" in str(error) or "os error 122" in str(error):
                raise ResourceError(f"{path}: no space left", hint="free disk space") from error
            raise


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a safetensors file: its tensors, on the CPU, and its metadata.

    Raises:
        WeightsError: The file is missing, damaged, or of another kind.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            return {name: file.get_tensor(name) for name in file.keys()}, metadata  # noqa: SIM118
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such weights file") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(
            f"{path}: damaged, or not a safetensors file ({error})", hint="fetch the file again"
        ) from error


def load_strict(module: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copy ``tensors`` into ``module``; nothing may be missing, unknown, misshapen or not finite.

    Raises:
        WeightsError: Something does not fit.
    """
    expected = module.state_dict()
    missing = sorted(expected.keys() - tensors.keys())
    unknown = sorted(tensors.keys() - expected.keys())
    if missing or unknown:
        raise WeightsError(
            f"{path}: {len(missing)} tensors missing {missing[:3]}, "
            f"{len(unknown)} unknown {unknown[:3]}"
        )
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
    path: Path, model: SuperResolver, source: str, dtype: torch.dtype = torch.float16
) -> None:
    """Write ``model`` with its configuration and the text ``source`` (origin, licence, data).

    Raises:
        InputError: The folder cannot be written.
        ResourceError: The disk is full.
        WeightsError: A parameter does not fit ``dtype``.
    """
    metadata = {
        FORMAT_KEY: FORMAT,
        CONFIG_KEY: to_json(model.config),
        VERSION_KEY: __version__,
        SOURCE_KEY: source,
    }
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
    tensors, metadata = read_tensors(path)
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
        config = from_json(ModelConfig, metadata[CONFIG_KEY])
    except ConfigError as error:
        raise WeightsError(f"{path}: {error}") from error
    model = build_model(config)
    load_strict(model, tensors, path)
    return LoadedWeights(model.eval(), metadata.get(SOURCE_KEY, ""))
