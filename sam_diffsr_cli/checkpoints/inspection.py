"""What a weights file says of itself, read from its head; none of its tensors is loaded."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from sam_diffsr_cli.checkpoints.heads import (
    CONFIG_KEY,
    FORMAT_KEY,
    RECIPE_KEY,
    SOURCE_KEY,
    VERSION_KEY,
    read_config,
    read_head,
)
from sam_diffsr_cli.config import ModelConfig
from sam_diffsr_cli.digests import sha256_of

__all__ = ["FileFacts", "inspect_file"]


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Of a weights file.

    Attributes:
        path: Of the file.
        bytes: Its size.
        sha256: Its digest.
        config: How the model is built and run.
        parameters: How many numbers each network has, by the beginning of its tensors' names.
        formats: How many numbers are of each format.
        version: Of the samsr that wrote it.
        source: Where it comes from, in its maker's words.
        recipe: How it was trained, as text; empty when it does not say.
        others: Metadata that samsr does not know, by key; they are not looked at.
    """

    path: Path
    bytes: int
    sha256: str
    config: ModelConfig
    parameters: Mapping[str, int]
    formats: Mapping[str, int]
    version: str
    source: str
    recipe: str
    others: Mapping[str, str]

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain values, for a document."""
        document = {each.name: getattr(self, each.name) for each in fields(self)}
        return document | {"path": str(self.path), "config": asdict(self.config)}


def inspect_file(path: Path) -> FileFacts:
    """Read the head of a weights file, and hash the whole of it as it streams by.

    Raises:
        WeightsError: It is missing, damaged, or not ours.
    """
    config = read_config(path)
    head, metadata = read_head(path)
    parameters: Counter[str] = Counter()
    formats: Counter[str] = Counter()
    for name, entry in head.items():
        count = math.prod(entry.shape)
        parameters[name.partition(".")[0]] += count
        formats[entry.dtype] += count
    known = (FORMAT_KEY, CONFIG_KEY, VERSION_KEY, SOURCE_KEY, RECIPE_KEY)
    return FileFacts(
        path=path,
        bytes=path.stat().st_size,
        sha256=sha256_of(path),
        config=config,
        parameters=dict(parameters),
        formats=dict(formats),
        version=metadata.get(VERSION_KEY, ""),
        source=metadata.get(SOURCE_KEY, ""),
        recipe=metadata.get(RECIPE_KEY, ""),
        others={key: value for key, value in sorted(metadata.items()) if key not in known},
    )
