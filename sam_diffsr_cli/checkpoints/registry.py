"""The weights that come with samsr: where they lie, and the digest each file must have."""

import hashlib
from pathlib import Path

from sam_diffsr_cli.errors import WeightsError

__all__ = ["DEFAULT_MODEL", "DIGESTS", "bundled_weights"]

DEFAULT_MODEL = "samsr-lite-x4"

DIGESTS = {
    "samsr-lite-x4": "3856c00765f4354a2287da1ce21dff4e49e62a22c047f4b8bb9e61fd41385ad8",
}
"""SHA-256 of each bundled file, in hexadecimal."""


def bundled_weights(name: str = DEFAULT_MODEL) -> Path:
    """Return the path of a bundled weights file, its digest checked.

    An installed samsr keeps them inside the package, a source tree in ``weights/`` beside it.

    Raises:
        WeightsError: The file is missing, or not the one that was shipped.
    """
    package = Path(__file__).resolve().parents[1]
    places = [folder / "weights" / f"{name}.safetensors" for folder in (package, package.parent)]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise WeightsError(f"{places[0]}: the bundled weights are missing", hint="install again")
    if hashlib.sha256(path.read_bytes()).hexdigest() != DIGESTS[name]:
        raise WeightsError(
            f"{path}: damaged (its digest is not the shipped one)", hint="install again"
        )
    return path
