"""Optional packages: how to install one where this program runs."""

import shlex
import sys
from pathlib import Path

__all__ = ["install_command"]

PIPX_MARK = "pipx_metadata.json"
"""What pipx keeps in the environment of each program that it installs."""


def install_command(package: str, prefix: Path | None = None) -> str:
    """Return the command that installs a package beside samsr.

    Args:
        package: Its name on the package index, as ``scikit-image``.
        prefix: Of the environment; None for the one at hand.
    """
    place = Path(sys.prefix) if prefix is None else prefix
    if (place / PIPX_MARK).is_file():
        return f"pipx inject {shlex.quote(place.name)} {package}"
    return f"pip install {package}"
