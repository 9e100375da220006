"""Finding picture files in folders.

Hidden files and folders (a leading dot) are left out unless named outright. Links to files are
followed, links to folders are not, so that no loop can be entered.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures.formats import is_readable_name
from sam_diffsr_cli.pictures.left_out import LeftOut

__all__ = ["find_pictures"]


def find_pictures(
    folder: Path,
    *,
    recursive: bool,
    leave_out: Path | None = None,
    left_out: LeftOut | None = None,
) -> Iterator[Path]:
    """Yield the pictures in ``folder`` by their suffix, in the order of their names.

    Args:
        folder: Where to look.
        recursive: Also look below it.
        leave_out: A folder that is not entered, nor anything in it.
        left_out: Takes note of what is passed by.

    Yields:
        Paths that begin with ``folder``. A folder below it that cannot be read is one of them, so
        that whoever reads it says so.

    Raises:
        InputError: ``folder`` cannot be read.
    """
    closed: list[Path] = []

    def tell(error: OSError) -> None:
        if Path(error.filename) == folder:
            raise InputError(f"{folder}: cannot be read ({error.strerror})") from error
        closed.append(Path(error.filename))

    skipped = None if leave_out is None else leave_out.resolve()
    for parent, folders, files in os.walk(folder, onerror=tell, followlinks=False):
        here = Path(parent)
        shown = sorted(
            name
            for name in folders
            if not name.startswith(".") and (here / name).resolve() != skipped
        )
        folders[:] = shown if recursive else []
        for name in sorted(files):
            if not name.startswith(".") and is_readable_name(here / name):
                yield here / name
            elif left_out is not None:
                left_out.add_file(here / name)
        if left_out is not None:
            for name in shown:
                if not recursive or (here / name).is_symlink():
                    left_out.add_folder(here / name)
    yield from closed
