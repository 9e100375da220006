"""From what was named on the command line to the pictures that are meant.

A name is a file, a folder, a pattern with * ? or [, ``@FILE`` for a list of names, or ``-`` for
standard input. A file that exists under a name is that file, whatever its name looks like.
"""

import glob
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures.finding import find_pictures
from sam_diffsr_cli.pictures.formats import is_picture_name

__all__ = ["STANDARD", "Source", "gather_sources", "is_folder", "is_there"]

STANDARD = "-"
"""Standard input or output."""


@dataclass(frozen=True, slots=True)
class Source:
    """A picture to enlarge; ``inside`` is its place in the output folder, under its own name.

    ``path`` is None for standard input.
    """

    path: Path | None
    inside: Path

    @property
    def name(self) -> str:
        """What to call it in messages."""
        return STANDARD if self.path is None else str(self.path)


def gather_sources(
    names: Iterable[str], *, recursive: bool, leave_out: Path | None
) -> list[Source]:
    """List the pictures that ``names`` mean, each once, in the order of the names.

    Args:
        names: As given.
        recursive: Enter folders' folders, and mirror the tree.
        leave_out: The output folder, which is not searched.

    Raises:
        InputError: A folder holds no picture, a pattern matches none, or a list cannot be read.
    """
    found: dict[object, Source] = {}
    for name in names:
        for source in _expand(name, recursive=recursive, leave_out=leave_out):
            found.setdefault(source.path and source.path.absolute(), source)
    return list(found.values())


def _expand(name: str, *, recursive: bool, leave_out: Path | None) -> Iterator[Source]:
    path = Path(name)
    if name == STANDARD:
        yield Source(None, Path("stdin"))
    elif is_there(path):
        yield from _expand_path(path, recursive=recursive, leave_out=leave_out)
    elif name.startswith("@"):
        for line in _read_list(name[1:]):
            for source in _expand_path(Path(line), recursive=recursive, leave_out=leave_out):
                inside = _mirrored(Path(line)) if recursive else None
                is_file = inside is not None and source.path == Path(line)
                yield Source(source.path, inside) if is_file and inside else source
    elif glob.has_magic(name):
        yield from _expand_pattern(name, leave_out)
    else:
        yield Source(path, Path(path.name))


def is_there(path: Path) -> bool:
    """Whether there is anything of this name; never of one that no disk could hold."""
    try:
        return path.exists() or path.is_symlink()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Whether it is a folder; a name that no disk could hold is none."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _expand_path(path: Path, *, recursive: bool, leave_out: Path | None) -> Iterator[Source]:
    if not is_folder(path):
        yield Source(path, Path(path.name))
        return
    count = 0
    for picture in find_pictures(path, recursive=recursive, leave_out=leave_out):
        count += 1
        yield Source(picture, picture.relative_to(path))
    if not count:
        deeper = "" if recursive else "; --recursive also looks below it"
        raise InputError(f"{path}: no pictures in this folder", hint=f"by their suffix{deeper}")


def _expand_pattern(pattern: str, leave_out: Path | None) -> Iterator[Source]:
    skipped = None if leave_out is None else leave_out.resolve()
    matches = map(Path, sorted(glob.iglob(pattern, recursive=True)))  # noqa: PTH207 - absolute ones
    pictures = [
        path
        for path in matches
        if is_picture_name(path)
        and path.is_file()
        and (skipped is None or not path.resolve().is_relative_to(skipped))
    ]
    if not pictures:
        raise InputError(f"{pattern}: no picture matches")
    for path in pictures:
        yield Source(path, Path(path.name))


def _read_list(name: str) -> list[str]:
    """Read one name a line; empty lines and those that start with # are left out."""
    try:
        text = sys.stdin.read() if name == STANDARD else Path(name).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise InputError(f"@{name}: the list cannot be read ({reason})") from error
    lines = [line.rstrip("\r") for line in text.split("\n")]
    names = [line for line in lines if line.strip() and not line.startswith("#")]
    if not names:
        raise InputError(f"@{name}: the list is empty", hint="one path a line")
    return names


def _mirrored(path: Path) -> Path | None:
    """Return a listed path as a place inside the output folder; None when it would leave it."""
    return None if path.is_absolute() or ".." in path.parts else path
