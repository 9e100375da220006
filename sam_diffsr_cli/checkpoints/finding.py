"""From what ``--model`` was given to a file that can be loaded, fetched if it must be."""

from dataclasses import dataclass
from pathlib import Path

from sam_diffsr_cli.checkpoints.hub import fetch_hub_file
from sam_diffsr_cli.checkpoints.references import (
    HUB_FILE,
    BundledReference,
    HubReference,
    parse_reference,
)
from sam_diffsr_cli.checkpoints.registry import DEFAULT_MODEL, bundled_weights

__all__ = ["FoundModel", "find_model"]

COMMIT_DIGITS = 12


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A weights file on this disk, and what it is called in records of what was made with it."""

    path: Path
    name: str


def find_model(model: str | Path | None = None) -> FoundModel:
    """Find the file of a model: the bundled one for None, text as ``parse_reference`` reads it.

    A file of the Hub is fetched unless it is in the cache; its name says the commit it is of.

    Raises:
        InputError: The text names no model.
        WeightsError: The file is missing, damaged, or cannot be fetched.
        DiskFullError: There is no space to fetch it into.
    """
    if model is None:
        model = DEFAULT_MODEL
    reference = model if isinstance(model, Path) else parse_reference(model)
    if isinstance(reference, BundledReference):
        return FoundModel(bundled_weights(reference.name), reference.name)
    if isinstance(reference, HubReference):
        fetched = fetch_hub_file(reference)
        file = "" if reference.file == HUB_FILE else f":{reference.file}"
        return FoundModel(fetched.path, f"{reference.repo}@{fetched.commit[:COMMIT_DIGITS]}{file}")
    return FoundModel(reference, reference.stem)
