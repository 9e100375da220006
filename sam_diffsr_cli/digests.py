"""What tells a file, or what a thing was made from, from every other."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from sam_diffsr_cli.errors import os_errors

__all__ = ["digest_of", "identity_of", "sha256_of"]


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def identity_of(path: Path) -> tuple[bytes, int, int]:
    """Tell a file, as it is now, from others without reading it: name, bytes, nanoseconds.

    Raises:
        InputError: It cannot be read.
    """
    with os_errors(path, "cannot be read"):
        stat = path.stat()
    return os.fsencode(path.resolve()), stat.st_size, stat.st_mtime_ns


def digest_of(parts: Sequence[object]) -> str:
    """Return 32 hexadecimal digits that stand for these numbers and texts."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()
