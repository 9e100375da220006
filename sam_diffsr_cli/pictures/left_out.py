"""What a search of folders passed by: how many files of each kind, and why."""

import os
from collections import Counter
from pathlib import Path

from sam_diffsr_cli.pictures.formats import (
    FOREIGN_SUFFIXES,
    HEIF_SUFFIXES,
    is_readable_name,
)
from sam_diffsr_cli.pictures.kinds import HEAD_BYTES, HEIF_EXTRA, RAW_HINT, Kind, kind_of

__all__ = ["LeftOut"]

MOST_LOOKED_INTO = 10_000
"""Files below folders that are not entered are counted up to this many."""

RAW_SUFFIXES = frozenset(
    (
        *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".kdc"),
        *(".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf"),
        *(".srw", ".x3f"),
    )
)
NO_SUFFIX = "not called as pictures are; name them outright, or rename them"
NOT_ENTERED = "--recursive enters subfolders"
NO_PICTURE = "no pictures, as far as is known"
HIDDEN = "hidden; name them outright"
LINK = "links to folders are not followed"
HARMLESS = frozenset({NO_PICTURE, HIDDEN, LINK})
"""Reasons that nobody needs to do anything about."""


class LeftOut:
    """Counts files by their kind and the reason why they are left out."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.counts: Counter[tuple[str, str]] = Counter()

    @property
    def pictures(self) -> int:
        """How many are pictures, or files whose kind has a name; hidden ones are meant to stay."""
        return sum(count for (_, reason), count in self.counts.items() if reason not in HARMLESS)

    def add_file(self, path: Path) -> None:
        """Count a file that was not taken, by its first bytes."""
        if path.name.startswith("."):
            if is_readable_name(path):
                self.counts["pictures", HIDDEN] += 1
            return
        self._add(path.suffix.lower(), _kind_in(path))

    def add_name(self, suffix: str) -> None:
        """Count a file of a store, which is not opened, by its suffix."""
        self._add(suffix.lower(), None)

    def _add(self, suffix: str, kind: Kind | None) -> None:
        kind = kind or _kind_by(suffix)
        if kind is None:
            self.counts[f"{suffix[1:]} files" if suffix else "files", NO_PICTURE] += 1
        else:
            self.counts[kind.name, kind.hint or NO_SUFFIX] += 1

    def add_folder(self, folder: Path) -> None:
        """Count the pictures below a folder that is not entered."""
        if folder.is_symlink():
            self.counts["links", LINK] += 1
            return
        seen = 0
        for parent, folders, files in os.walk(folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            shown = [Path(parent) / name for name in files if not name.startswith(".")]
            self.counts["pictures", NOT_ENTERED] += sum(map(is_readable_name, shown))
            seen += len(files)
            if seen > MOST_LOOKED_INTO:
                break
        self.counts += Counter()

    def line(self) -> str | None:
        """Say it in one line, what something can be done about first; None when nothing was."""
        if not self.counts:
            return None
        named = (
            f"{name.removeprefix('a ')}: {count} ({reason})"
            for (name, reason), count in sorted(self.counts.items(), key=_order)
        )
        return f"left out of folders: {', '.join(named)}"


def _order(counted: tuple[tuple[str, str], int]) -> tuple[bool, str, str]:
    (name, reason), _ = counted
    return reason in HARMLESS, name.removeprefix("a ").casefold(), reason


def _kind_by(suffix: str) -> Kind | None:
    """Name what a file is called, where its bytes do not tell or were not looked at."""
    if suffix in RAW_SUFFIXES:
        return Kind("a raw photo", RAW_HINT)
    if suffix in HEIF_SUFFIXES:
        return Kind("HEIC", HEIF_EXTRA)
    return Kind(suffix[1:].upper()) if suffix in FOREIGN_SUFFIXES else None


def _kind_in(path: Path) -> Kind | None:
    try:
        if path.is_file():
            with path.open("rb") as file:
                return kind_of(file.read(HEAD_BYTES), file)
    except OSError:
        pass
    return None
