"""A file of lines that outlives kills: opened for appending, without a line that was torn."""

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path

from sam_diffsr_cli.atomic import DISK_FULL
from sam_diffsr_cli.errors import DiskFullError, InputError

__all__ = ["disk_errors", "open_whole"]

BLOCK_BYTES = 1 << 16


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a full disk while ``path`` is written into ours.

    Raises:
        DiskFullError: The disk is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno in DISK_FULL:
            raise DiskFullError(f"{path}: no space left", hint="free some disk space") from error
        raise


def open_whole(path: Path) -> io.FileIO:
    """Open for appending, and cut off what follows the last whole line.

    Raises:
        InputError: It cannot be written.
        DiskFullError: The disk is full.
    """
    try:
        with disk_errors(path):
            file = io.FileIO(path, "a+")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    size = start = whole = file.seek(0, os.SEEK_END)
    while start > 0:
        start = max(0, start - BLOCK_BYTES)
        file.seek(start)
        whole = start + file.read(BLOCK_BYTES).rfind(b"\n") + 1
        if whole > start:
            break
    if whole < size:
        file.truncate(whole)
    return file
