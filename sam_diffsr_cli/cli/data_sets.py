"""Fetching known sets of training photos that are not there, after a question and with a bar."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import typer

from sam_diffsr_cli.cli.console import note, progress
from sam_diffsr_cli.data.fetching import fetch_set, set_folder, source_of
from sam_diffsr_cli.data.known_sets import KnownSet, MissingSetError
from sam_diffsr_cli.download import find_size
from sam_diffsr_cli.errors import InterruptedRun

__all__ = ["make_fetcher"]


def make_fetcher(*, download: bool) -> Callable[[KnownSet, Path], None] | None:
    """Return what fetches a set; None where nobody wants it to be fetched, or can be asked.

    What it returns raises ``MissingSetError`` where the user says no, and ``InterruptedRun`` where
    the user stops at the question.

    Args:
        download: Fetch without a question. Without it a user at a terminal is asked.
    """
    if not (download or _is_terminal()):
        return None
    return partial(_fetch, is_asked=download)


def _is_terminal() -> bool:
    """Whether there is somebody to ask."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def _fetch(known: KnownSet, root: Path, *, is_asked: bool) -> None:
    """Fetch a set with a bar, after a question unless it ``is_asked`` for already."""
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
