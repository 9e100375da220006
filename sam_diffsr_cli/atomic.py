"""Writing a file so that it is either whole or not there."""

import contextlib
import errno
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from sam_diffsr_cli.errors import InputError, disk_errors, exists_already, os_errors

__all__ = ["atomic_path", "claim_name", "make_folder", "remove_leftovers", "try_lock"]

PREFIX, PART = ".samsr-", ".part"
MOST_SUFFIX = 40
"""Of a temporary name, which must stay short however long the path's own is."""

MOST_TRIES = 100
"""At a temporary file that nobody removes; one is enough but for runs that begin this moment."""


NO_LINKS = frozenset(
    {errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
)
"""What systems say whose disk has no hard links."""


def replace_name(temporary: Path, path: Path) -> None:
    """Let a file take the place of what is called ``path``, if anything is."""
    with os_errors(path, "cannot be written"):
        temporary.replace(path)


def claim_name(temporary: Path, path: Path) -> None:
    """Call a file ``path``, unless anything is called so: of two who try, one does.

    It may keep its temporary name too.

    Raises:
        ExistsError: Something is called so.
        InputError: It cannot be.
        DiskFullError: The disk is full.
    """
    with os_errors(path, "cannot be written"):
        try:
            _link(temporary, path)
        except FileExistsError as error:
            raise exists_already(path) from error


def _link(temporary: Path, path: Path) -> None:
    if sys.platform == "win32":
        # There it refuses to replace.
        temporary.rename(path)
        return
    try:
        path.hardlink_to(temporary)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        # An empty file of this name is ours alone, and is replaced at once.
        path.touch(exist_ok=False)
        try:
            temporary.replace(path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def atomic_path(path: Path, settle: Callable[[Path, Path], None] | None = None) -> Iterator[Path]:
    """Give a temporary path beside ``path``; on success it takes the place of ``path``.

    The temporary name starts with a dot and ends in ``path``'s own suffix, so that writers that
    choose the format by name work. It is removed when the body fails.

    Args:
        path: What it is to be called.
        settle: Gives the temporary file, which is whole, its name; None is ``replace_name``.

    Raises:
        InputError: The folder does not exist or cannot be written, or the name is too long.
        DiskFullError: The disk is full.
    """
    with os_errors(path, "cannot write here"):
        handle, temporary = _make_temporary(path)
    try:
        with disk_errors(path):
            if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises on a name that is too long
                raise InputError(f"{path}: is a folder")
            yield temporary
            with temporary.open("rb+") as written:
                os.fsync(written.fileno())
            temporary.chmod(0o666 & ~_umask())
            if sys.platform == "win32":
                # An open file cannot be renamed there. Elsewhere it stays locked until it is.
                os.close(handle)
                handle = -1
            (settle or replace_name)(temporary, path)
    finally:
        if handle >= 0:
            os.close(handle)
        temporary.unlink(missing_ok=True)


def _make_temporary(path: Path) -> tuple[int, Path]:
    """Make a temporary file beside ``path``, open and locked.

    Before it is locked another run that begins may take it for a leftover: then there is another.
    """
    for _ in range(MOST_TRIES):
        handle, name = tempfile.mkstemp(
            prefix=PREFIX, suffix=f"{PART}{path.suffix}"[-MOST_SUFFIX:], dir=path.parent
        )
        try_lock(handle, waits=True)
        if Path(name).exists():
            return handle, Path(name)
        os.close(handle)
    raise FileNotFoundError(errno.ENOENT, "temporary files are removed at once")


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, unless it is there.

    Raises:
        InputError: It cannot be one.
        DiskFullError: The disk is full.
    """
    with os_errors(folder, "cannot be a folder"):
        folder.mkdir(parents=True, exist_ok=True)


def remove_leftovers(folder: Path) -> int:
    """Remove the temporary files of processes that were killed; return how many.

    A file that a living process is writing is locked, and stays.
    """
    removed = 0
    for left in folder.glob(f"{PREFIX}*{PART}*"):
        with contextlib.suppress(OSError):
            with left.open("rb") as file:
                if not try_lock(file.fileno()):
                    continue
                if sys.platform != "win32":
                    # While it is locked: a run that has just made it waits, and makes another.
                    left.unlink()
            # An open file cannot be removed there.
            left.unlink(missing_ok=True)
            removed += 1
    return removed


def try_lock(handle: int, *, waits: bool = False) -> bool:
    """Lock an open file for this process, or wait until it can be; whether it could be."""
    if sys.platform == "win32":
        # A file that is open cannot be removed there anyway.
        return True
    import fcntl  # noqa: PLC0415 - not on Windows

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        # Some network disks have no locks; a leftover is better than a lost file.
        return False
    return True


def _umask() -> int:
    """Read the process umask, without setting it where the system tells it.

    Setting it and setting it back, the only portable way, can be seen by other threads.
    """
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace").splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("Umask:")), 8)
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
