"""From what was named on the command line to the pictures that are meant.

A name is a file, a folder, a pattern with * ? or [, ``@FILE`` for a list of names, or ``-`` for
standard input. A file that exists under a name is that file, whatever its name looks like. All but
the last may be in a store, by a URL.
"""

import glob
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sam_diffsr_cli.batch.remote import Place, RemotePath, fetch, find_remote, parse_place
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures.finding import find_pictures
from sam_diffsr_cli.pictures.formats import is_readable_name
from sam_diffsr_cli.pictures.left_out import LeftOut

__all__ = ["STANDARD", "Source", "gather_sources", "is_folder", "is_there"]

STANDARD = "-"
"""Standard input or output."""


@dataclass(frozen=True, slots=True)
class Source:
    """A picture to enlarge; ``inside`` is its place in the output folder, under its own name.

    ``path`` is None for standard input.
    """

    path: Place | None
    inside: Path

    @property
    def name(self) -> str:
        """What to call it in messages."""
        return STANDARD if self.path is None else str(self.path)


class _Search(NamedTuple):
    """How folders are searched: below them too, but for one; what is passed by is noted."""

    recursive: bool
    leave_out: Place | None
    left_out: LeftOut


def gather_sources(
    names: Iterable[str],
    *,
    recursive: bool,
    leave_out: Place | None,
    left_out: LeftOut | None = None,
) -> list[Source]:
    """List the pictures that ``names`` mean, each once, in the order of the names.

    Args:
        names: As given.
        recursive: Enter folders' folders, and mirror the tree.
        leave_out: The output folder, which is not searched.
        left_out: Takes note of what is passed by in folders.

    Raises:
        InputError: A folder holds no picture, a pattern matches none, or a list cannot be read.
    """
    found: dict[str, Source] = {}
    search = _Search(recursive, leave_out, LeftOut() if left_out is None else left_out)
    for name in names:
        for source in _expand(name, search):
            found.setdefault(_whole_name(source.path), source)
    return list(found.values())


def _whole_name(path: Place | None) -> str:
    """Name a file the same from wherever it is named; nothing names standard input."""
    if path is None:
        return ""
    return path.text if isinstance(path, RemotePath) else str(path.absolute())


def _expand(name: str, search: _Search) -> Iterator[Source]:
    path = parse_place(name)
    if name == STANDARD:
        yield Source(None, Path("stdin"))
    elif isinstance(path, RemotePath):
        yield from _expand_remote(path, search)
    elif is_there(path):
        yield from _expand_path(path, search)
    elif name.startswith("@"):
        for line in _read_list(name[1:]):
            yield from _expand_line(line, search)
    elif glob.has_magic(name):
        yield from _expand_pattern(str(path), search.leave_out)
    else:
        yield Source(path, Path(path.name))


def _expand_line(line: str, search: _Search) -> Iterator[Source]:
    """Expand a line of a list; a URL in it is a file, unless it ends in a slash."""
    path = parse_place(line)
    if isinstance(path, RemotePath):
        if line.endswith("/"):
            yield from _expand_remote(path, search)
        else:
            yield Source(path, Path(path.name))
        return
    for source in _expand_path(path, search):
        inside = _mirrored(path) if search.recursive else None
        is_file = inside is not None and source.path == path
        yield Source(source.path, inside) if is_file and inside else source


def _expand_remote(place: RemotePath, search: _Search) -> Iterator[Source]:
    found = find_remote(place, recursive=search.recursive, leave_out=search.leave_out)
    is_itself = [each for each, _ in found] == [place]
    pictures = [each for each in found if is_itself or is_readable_name(each[0])]
    if not pictures:
        raise _no_pictures(place, search)
    taken = {path.text for path, _ in pictures}
    for path, _ in found:
        if path.text not in taken:
            search.left_out.add_name(path.suffix)
    for path, inside in pictures:
        yield Source(path, inside)


def is_there(path: Path) -> bool:
    """Whether there is anything of this name; never of one that no disk could hold."""
    try:
        return path.exists() or path.is_symlink()
    except (OSError, ValueError):
        return False


def is_folder(path: Place) -> bool:
    """Whether it is a folder; a name that no disk could hold is none, one in a store by its end."""
    if isinstance(path, RemotePath):
        return path.text.endswith("/")
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _expand_path(path: Path, search: _Search) -> Iterator[Source]:
    skipped = None if isinstance(search.leave_out, RemotePath) else search.leave_out
    if not is_folder(path):
        yield Source(path, Path(path.name))
        return
    count = 0
    found = find_pictures(
        path, recursive=search.recursive, leave_out=skipped, left_out=search.left_out
    )
    for picture in found:
        count += 1
        yield Source(picture, picture.relative_to(path))
    if not count:
        raise _no_pictures(path, search)


def _no_pictures(place: Place, search: _Search) -> InputError:
    """Say that a folder holds none, and what it holds."""
    deeper = "" if search.recursive else "; --recursive also looks below it"
    passed = search.left_out.line()
    others = "" if passed is None else f"; {passed}"
    return InputError(
        f"{place}: no pictures in this folder", hint=f"by their suffix{deeper}{others}"
    )


def _expand_pattern(pattern: str, leave_out: Place | None) -> Iterator[Source]:
    skipped = leave_out.resolve() if isinstance(leave_out, Path) else None
    matches = map(Path, sorted(glob.iglob(pattern, recursive=True)))  # noqa: PTH207 - absolute ones
    pictures = [
        path
        for path in matches
        if is_readable_name(path)
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
        text = sys.stdin.read() if name == STANDARD else _read_text(parse_place(name))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise InputError(f"@{name}: the list cannot be read ({reason})") from error
    lines = [line.rstrip("\r") for line in text.split("\n")]
    names = [line for line in lines if line.strip() and not line.startswith("#")]
    if not names:
        raise InputError(f"@{name}: the list is empty", hint="one path a line")
    return names


def _read_text(place: Place) -> str:
    if isinstance(place, RemotePath):
        with fetch(place) as path:
            return path.read_text(encoding="utf-8-sig")
    return place.read_text(encoding="utf-8-sig")


def _mirrored(path: Path) -> Path | None:
    """Return a listed path as a place inside the output folder; None when it would leave it."""
    return None if path.is_absolute() or ".." in path.parts else path
