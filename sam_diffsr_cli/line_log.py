"""A file of lines that outlives kills: each line is in it whole, or taken for not written."""

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from sam_diffsr_cli.errors import os_errors

__all__ = ["LineLog", "whole_lines"]

BLOCK_BYTES = 1 << 16


def whole_lines(path: Path) -> Iterator[bytes]:
    """Yield each line with its end; a last one without, which a kill left, is not there."""
    with path.open("rb") as file:
        yield from (line for line in file if line.endswith(b"\n"))


class LineLog:
    """A file of lines, open for appending; a context manager."""

    def __init__(self, path: Path) -> None:
        """Open the file, or begin a new one.

        Raises:
            InputError: It cannot be written.
            DiskFullError: The disk is full.
        """
        self.path = path
        with os_errors(path, "cannot be written"):
            self._file = io.FileIO(path, "a+")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def cut_torn_line(self) -> Self:
        """Cut off what follows the last whole line."""
        size = start = whole = self._file.seek(0, os.SEEK_END)
        while start > 0:
            start = max(0, start - BLOCK_BYTES)
            self._file.seek(start)
            whole = start + self._file.read(BLOCK_BYTES).rfind(b"\n") + 1
            if whole > start:
                break
        if whole < size:
            self._file.truncate(whole)
        return self

    def first_line(self) -> bytes:
        """Return the first line with its end; empty where there is no whole one."""
        return next(whole_lines(self.path), b"")

    def clear(self) -> None:
        """Leave the file empty."""
        self._file.truncate(0)

    def append(self, lines: bytes) -> None:
        """Append lines; they are with the system when this returns, and outlive a kill.

        Raises:
            InputError: It cannot be written.
            DiskFullError: The disk is full. The file is as it was in either case.
        """
        with os_errors(self.path, "cannot be written"):
            size = os.fstat(self._file.fileno()).st_size
            try:
                left = memoryview(lines)
                while left:
                    left = left[self._file.write(left) :]
            except BaseException:
                with contextlib.suppress(OSError):
                    self._file.truncate(size)
                raise

    def sync(self) -> None:
        """Make sure that what was appended outlives the machine."""
        os.fsync(self._file.fileno())

    def fileno(self) -> int:
        """Return the handle, to lock it."""
        return self._file.fileno()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
