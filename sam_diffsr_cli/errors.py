"""The exception tree of samsr and the exit code of each branch.

Library code raises these; only ``cli/`` turns them into text and an exit status::

    SamsrError            1
    +-- UsageError        2   a command line that cannot be understood
    +-- InputError        3   a picture, folder or option value that cannot be used
    |   +-- ShapeError    3   a tensor of the wrong rank or size
    |   +-- ExistsError   3   an output that is there already
    +-- ConfigError       4   a configuration that cannot be built
    +-- WeightsError      4   a weights file that is missing, damaged or foreign
    +-- ResourceError     5   memory or disk ran out
    |   +-- DiskFullError 5   no space is left to write in
    +-- PartialFailure    6   a batch in which some files failed
    +-- InterruptedRun  130   stopped by the user
"""

import contextlib
import errno
from collections.abc import Iterator
from typing import ClassVar

_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

FILE_LIMIT = "raise the limit of the shell (ulimit -f), or write to a disk that holds larger files"
"""What to do where the system refuses a file for its size (EFBIG)."""


class SamsrError(Exception):
    """An error with a message for people and, when there is one, the way out."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        """Keep the message (what, which file) and the hint (what to do)."""
        super().__init__(message)
        self.hint = hint

    def as_dict(self) -> dict[str, str | int | None]:
        """Describe it for a JSON document: message, hint, exit code."""
        return {"message": str(self), "hint": self.hint, "exit_code": self.exit_code}


class UsageError(SamsrError):
    """A command line that cannot be understood."""

    exit_code = 2


class InputError(SamsrError):
    """A picture, folder or option value that cannot be used."""

    exit_code = 3


class ShapeError(InputError):
    """A tensor whose rank or size does not fit."""


class ExistsError(InputError):
    """An output that is there already and must not be replaced."""


def exists_already(place: object) -> ExistsError:
    """Return the error for an output that may not be replaced."""
    return ExistsError(f"{place}: exists already", hint="--on-exists skip, overwrite or rename")


class ConfigError(SamsrError):
    """A configuration that cannot be built."""

    exit_code = 4


class WeightsError(SamsrError):
    """A weights file that is missing, damaged or not ours."""

    exit_code = 4


class ResourceError(SamsrError):
    """Memory or disk space ran out."""

    exit_code = 5


class DiskFullError(ResourceError):
    """No space is left to write in; what follows would fail too."""


class PartialFailure(SamsrError):  # noqa: N818 - it is an outcome, not a fault
    """Some files of a batch failed; the others are done."""

    exit_code = 6


class InterruptedRun(SamsrError):  # noqa: N818 - it is an outcome, not a fault
    """The user stopped the run."""

    exit_code = 130


def is_disk_full(error: BaseException) -> bool:
    """Whether the system says that no space, or none of the user's quota, is left."""
    return isinstance(error, OSError) and error.errno in _DISK_FULL


def os_error(place: object, error: OSError, what: str) -> SamsrError:
    """Turn the system's error on a file into ours: a full disk, or ``what`` went wrong."""
    if is_disk_full(error):
        return DiskFullError(f"{place}: no space left", hint="free some disk space")
    if error.errno == errno.EFBIG:
        return InputError(f"{place}: {what} (it is larger than files may be)", hint=FILE_LIMIT)
    return InputError(f"{place}: {what} ({error.strerror or error or type(error).__name__})")


@contextlib.contextmanager
def os_errors(place: object, what: str) -> Iterator[None]:
    """Turn the system's errors in the body into ours.

    Args:
        place: The file or folder, for the message.
        what: What could not be done, as ``cannot be written``.

    Raises:
        DiskFullError: The disk is full.
        InputError: Anything else that the system refuses.
    """
    try:
        yield
    except OSError as error:
        raise os_error(place, error, what) from error


@contextlib.contextmanager
def disk_errors(place: object) -> Iterator[None]:
    """Turn a full disk into ours; other errors of the system pass.

    Raises:
        DiskFullError: The disk is full.
    """
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise os_error(place, error, "") from error
        raise
