"""Known training sets by name: where their training photos lie in the customary layout.

Only the training photos are meant: validation photos and low-resolution twins lie beside them.
"""

import os
from pathlib import Path

from sam_diffsr_cli.errors import InputError

__all__ = ["DATA_VARIABLE", "KNOWN_SETS", "find_data"]

DATA_VARIABLE = "SAMSR_DATA"
"""Environment variable with the folder in which sets are looked up by name."""

KNOWN_SETS = {"DIV2K": "DIV2K_train_HR", "Flickr2K": "Flickr2K_HR"}
"""Each set, and the folder in it that holds the photos to train on."""


def find_data(name: Path) -> Path:
    """Turn what was given as ``--data`` into a folder of photos.

    A folder is itself, unless it is laid out as a known set: then its training photos are taken.
    The name of a known set is looked up under ``SAMSR_DATA``.

    Raises:
        InputError: There is no such folder, or the set is not there.
    """
    if name.is_dir():
        inner = (name / folder for folder in KNOWN_SETS.values())
        return next((folder for folder in inner if folder.is_dir()), name)
    inside = KNOWN_SETS.get(str(name))
    if inside is None:
        raise InputError(f"{name}: not a folder")
    root = os.environ.get(DATA_VARIABLE)
    if root:
        places = (Path(root) / name / inside, Path(root) / inside)
        found = next((place for place in places if place.is_dir()), None)
        if found is not None:
            return found
    where = f"in {root}" if root else f"({DATA_VARIABLE} is not set)"
    raise InputError(
        f"{name}: not found {where}",
        hint=f"set {DATA_VARIABLE} to the folder that holds {name}/{inside}, or give a folder",
    )
