"""Where results go: a file beside its output, one on its way to a store, or standard output.

Of several runs that write into one folder none replaces what another wrote, unless it is told to.
"""

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sam_diffsr_cli.atomic import atomic_path, claim_name, replace_name
from sam_diffsr_cli.batch.plan import Job
from sam_diffsr_cli.batch.remote import Place, RemotePath, is_remote_there, put
from sam_diffsr_cli.choices import OnExists
from sam_diffsr_cli.errors import ExistsError, exists_already, os_errors

__all__ = ["Output", "copy_times", "open_output"]


@dataclass(slots=True)
class Output:
    """A file to write into, and what it is to be called; with ``rename`` that may change."""

    path: Path
    target: Place | None


@contextlib.contextmanager
def open_output(job: Job, on_exists: OnExists) -> Iterator[Output]:
    """Give the file to encode a job's result into; when the body ends it gets its name.

    Raises:
        ExistsError: Something has come to be called so, and may not be replaced.
        InputError: It cannot be written there.
        DiskFullError: The disk is full.
    """
    if isinstance(job.target, Path):
        output = Output(job.target, job.target)

        def settle(temporary: Path, _path: Path) -> None:
            output.target = _settle(temporary, job, on_exists)

        with atomic_path(job.target, settle) as output.path:
            yield output
        return
    with tempfile.TemporaryDirectory(prefix="samsr-") as folder:
        suffix = "" if job.target is None else job.target.suffix
        output = Output(Path(folder) / f"result{suffix}", job.target)
        output.path.touch()
        yield output
        if job.target is None:
            _copy_to_stdout(output.path)
        else:
            output.target = _put(output.path, job, on_exists)


def _may_replace(job: Job, on_exists: OnExists) -> bool:
    return job.is_own or on_exists == "overwrite"


def _settle(temporary: Path, job: Job, on_exists: OnExists) -> Place:
    """Name a file of this machine; return how it is called."""
    for place in job.names(numbered=on_exists == "rename"):
        target = Path(str(place))
        if _may_replace(job, on_exists):
            replace_name(temporary, target)
            return target
        try:
            claim_name(temporary, target)
        except ExistsError:
            if on_exists != "rename":
                raise
        else:
            return target
    raise AssertionError  # names end only where the first was refused


def _put(path: Path, job: Job, on_exists: OnExists) -> Place:
    """Store a file; return how it is called. Stores have no way to put what is new alone."""
    for place in job.names(numbered=on_exists == "rename"):
        target = RemotePath(str(place))
        if _may_replace(job, on_exists) or not is_remote_there(target):
            put(path, target)
            return target
        if on_exists != "rename":
            raise exists_already(target)
    raise AssertionError  # names end only where the first was refused


def _copy_to_stdout(path: Path) -> None:
    with os_errors("standard output", "cannot be written"), path.open("rb") as file:
        shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()


def copy_times(source: Place | None, path: Path) -> bool:
    """Give a file the times of its source; whether that has any that are known."""
    if not isinstance(source, Path):
        return False
    with os_errors(source, "its times cannot be read"):
        told = source.stat()
        os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))
    return True
