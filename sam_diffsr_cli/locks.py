"""Keeping other processes out of a piece of work, with a lock file."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import filelock

__all__ = ["LockedError", "locked"]


class LockedError(Exception):
    """Another process is in there."""


@contextlib.contextmanager
def locked(path: Path, *, waits: bool, removes: bool = False) -> Iterator[None]:
    """Be the only process, and thread, in here with this lock file; it may be there before.

    On disks without locks nobody is kept out.

    Args:
        path: The lock file; its folder is made.
        waits: Wait for the others.
        removes: Remove the file afterwards. Whoever waits for it finds that it is gone, and makes
            another; on Windows it may stay.

    Raises:
        LockedError: Another one is in there, and ``waits`` is not set.
        OSError: The file cannot be made.
    """
    lock = filelock.FileLock(path, timeout=-1 if waits else 0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise LockedError(str(path)) from error
    except NotImplementedError:
        # Some network disks have no locks.
        yield
        return
    try:
        yield
    finally:
        if removes:
            with contextlib.suppress(OSError):
                path.unlink()
        lock.release()
