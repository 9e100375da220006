"""From the names of training photos to their folders; known sets that are missing are fetched."""

from collections.abc import Callable, Sequence
from pathlib import Path

from sam_diffsr_cli.data.known_sets import KnownSet, MissingSetError, data_root, find_data
from sam_diffsr_cli.errors import InputError

__all__ = ["resolve_data"]


def resolve_data(
    names: Sequence[str], root: Path | None, fetch: Callable[[KnownSet, Path], None] | None
) -> tuple[Path, ...]:
    """Find all folders of photos; fetch the sets that are missing.

    Args:
        names: Folders, and names of known sets.
        root: In which sets are looked up and into which they are fetched; None for the folder that
            ``SAMSR_DATA`` names.
        fetch: Fetches a set into a folder; None where nothing is to be fetched.

    Returns:
        The folders in the order of ``names``, each once.

    Raises:
        MissingSetError: A set is not there, and not to be fetched.
        InputError: A name is neither a folder nor a known set, there is no folder to fetch into,
            or a set cannot be fetched.
        DiskFullError: The disk is full, or will be.
    """
    missing = _missing(names, root)
    if missing:
        where = data_root(root)
        if fetch is None:
            raise MissingSetError(missing, where)
        if where is None:
            told = " and ".join(known.name for known in missing)
            raise InputError(f"{told}: no folder to fetch into", hint="give one with --data-root")
        for known in missing:
            fetch(known, where)
    found: dict[Path, Path] = {}
    for place in (place for name in names for place in find_data(name, root)):
        found.setdefault(place.resolve(), place)
    return tuple(found.values())


def _missing(names: Sequence[str], root: Path | None) -> list[KnownSet]:
    """List the known sets that are not there, each once; a wrong name is told before any."""
    missing: dict[str, KnownSet] = {}
    for name in names:
        try:
            find_data(name, root)
        except MissingSetError as error:
            missing |= {known.name: known for known in error.missing}
    return list(missing.values())
