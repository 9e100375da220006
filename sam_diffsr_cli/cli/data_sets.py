"""Finding the training photos that were asked for, and fetching known sets that are not there."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from sam_diffsr_cli.data.known_sets import KnownSet

__all__ = ["resolve_data"]


def resolve_data(names: Sequence[str], root: Path | None, *, download: bool) -> tuple[Path, ...]:
    """Find all folders of photos; fetch sets that are missing, if the user wants it.

    Args:
        names: Folders, and names of known sets.
        root: ``--data-root``, in which sets are looked up and into which they are fetched; None for
            the folder that ``SAMSR_DATA`` names.
        download: Fetch without a question. Without it a user at a terminal is asked.

    Returns:
        The folders in the order of ``names``, each once.

    Raises:
        MissingSetError: A set is not there, and not to be fetched.
        InputError: A name is neither a folder nor a known set, there is no folder to fetch into,
            or a set cannot be fetched.
        DiskFullError: The disk is full, or will be.
        InterruptedRun: The user stopped at the question.
    """
    from sam_diffsr_cli.data.known_sets import MissingSetError, data_root, find_data
    from sam_diffsr_cli.errors import InputError

    missing = _missing(names, root)
    if missing:
        where = data_root(root)
        if not (download or _is_terminal()):
            raise MissingSetError(missing, where)
        if where is None:
            told = " and ".join(known.name for known in missing)
            raise InputError(f"{told}: no folder to fetch into", hint="give one with --data-root")
        for known in missing:
            _fetch(known, where, is_asked=download)
    found: dict[Path, Path] = {}
    for place in (place for name in names for place in find_data(name, root)):
        found.setdefault(place.resolve(), place)
    return tuple(found.values())


def _missing(names: Sequence[str], root: Path | None) -> "list[KnownSet]":
    """List the known sets that are not there, each once; a wrong name is told before any."""
    from sam_diffsr_cli.data.known_sets import MissingSetError, find_data

    missing: dict[str, KnownSet] = {}
    for name in names:
        try:
            find_data(name, root)
        except MissingSetError as error:
            missing |= {known.name: known for known in error.missing}
    return list(missing.values())


def _is_terminal() -> bool:
    """Whether there is somebody to ask."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def _fetch(known: "KnownSet", root: Path, *, is_asked: bool) -> None:
    """Fetch a set with a bar, after a question unless it ``is_asked`` for already."""
    from sam_diffsr_cli.cli.console import note, progress
    from sam_diffsr_cli.data.fetching import fetch_set, set_folder, source_of
    from sam_diffsr_cli.data.known_sets import MissingSetError
    from sam_diffsr_cli.download import find_size
    from sam_diffsr_cli.errors import InterruptedRun

    source = source_of(known)
    note(f"{known.name}: from {source.url} to {set_folder(known, root)}")
    size = source.bytes or find_size(source.url)
    amount = f"{size / 1e9:.1f} GB" if size else "its size is not known"
    note(f"{known.name}: {known.photos} photos, {amount}, {known.terms}")
    if not is_asked:
        try:
            wanted = typer.confirm(f"{known.name} is not there; fetch it?", err=True)
        except typer.Abort as error:
            raise InterruptedRun("interrupted; nothing was fetched") from error
        if not wanted:
            raise MissingSetError([known], root)
    with progress(f"fetch {known.name}", size or 0) as report:
        fetch_set(known, root, report)
