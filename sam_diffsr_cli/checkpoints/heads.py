"""What a weights file says of itself: its tensors' names and shapes, and its configuration.

None of its tensors is read, and torch is not needed.
"""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open

from sam_diffsr_cli.config import ModelConfig
from sam_diffsr_cli.errors import ConfigError, WeightsError
from sam_diffsr_cli.strict import from_json

__all__ = [
    "CONFIG_KEY",
    "FORMAT",
    "FORMAT_KEY",
    "RECIPE_KEY",
    "SOURCE_KEY",
    "VERSION_KEY",
    "TensorEntry",
    "config_in",
    "entries_of",
    "opened",
    "read_config",
    "read_head",
    "read_metadata",
]

FORMAT = "1"
FORMAT_KEY, CONFIG_KEY = "samsr.format", "samsr.config"
VERSION_KEY, SOURCE_KEY, RECIPE_KEY = "samsr.version", "samsr.source", "samsr.recipe"


class TensorEntry(NamedTuple):
    """What a file says of a tensor: its shape, and its number format as safetensors calls it."""

    shape: tuple[int, ...]
    dtype: str


def read_metadata(path: Path) -> dict[str, str]:
    """Read the metadata of a safetensors file, and none of its tensors.

    Raises:
        WeightsError: The file is missing, damaged, or of another kind.
    """
    with opened(path) as file:
        return file.metadata() or {}


@contextlib.contextmanager
def opened(path: Path, framework: str = "np") -> Iterator[Any]:
    """Open a safetensors file; ``pt`` is for one whose tensors are read, and loads torch.

    Raises:
        WeightsError: The file is missing, damaged, or of another kind.
    """
    try:
        if path.exists() and not path.is_file():
            # A pipe would be waited for, for ever.
            raise WeightsError(f"{path}: not a file")
        with safe_open(path, framework=framework) as file:
            yield file
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such weights file") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(
            f"{path}: damaged, or not a safetensors file ({error})", hint="fetch the file again"
        ) from error


def read_head(path: Path) -> tuple[dict[str, TensorEntry], dict[str, str]]:
    """Read what a safetensors file says it holds, and its metadata; none of its tensors.

    Raises:
        WeightsError: The file is missing, damaged, or of another kind.
    """
    with opened(path) as file:
        return entries_of(file), file.metadata() or {}


def entries_of(file: Any) -> dict[str, TensorEntry]:  # noqa: ANN401 - as safetensors has it
    """List the tensors of a file that is open."""
    slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
    return {n: TensorEntry(tuple(part.get_shape()), part.get_dtype()) for n, part in slices.items()}


def read_config(path: Path) -> ModelConfig:
    """Read the configuration of a weights file without its tensors.

    Raises:
        WeightsError: The file is missing, damaged, or without our metadata.
    """
    return config_in(path, read_metadata(path))


def config_in(path: Path, metadata: Mapping[str, str]) -> ModelConfig:
    """Read the configuration in a file's metadata.

    Raises:
        WeightsError: There is none, or it cannot be built.
    """
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
