"""Writing a file so that it is either whole or not there."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sam_diffsr_cli.errors import InputError, ResourceError

__all__ = ["atomic_path"]


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; on success it takes the place of ``path``.

    The temporary name starts with a dot and ends in ``path``'s own suffix, so that writers that
    choose the format by name work. It is removed when the body fails.

    Raises:
        InputError: The folder does not exist or cannot be written.
        ResourceError: The disk is full.
    """
    try:
        handle, name = tempfile.mkstemp(
            prefix=".samsr-", suffix=f".part{path.suffix}", dir=path.parent
        )
    except OSError as error:
        raise InputError(f"{path}: cannot write here ({error.strerror})") from error
    os.close(handle)
    temporary = Path(name)
    try:
        if path.is_dir():
            raise InputError(f"{path}: is a folder")
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        if error.errno in _FULL:
            raise ResourceError(f"{path}: no space left", hint="free some disk space") from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


_FULL = frozenset({28, 122})
"""``ENOSPC`` and ``EDQUOT``."""


def _umask() -> int:
    """Read the process umask; the only portable way is to set it and set it back."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
