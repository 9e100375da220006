"""The ledger of an input: each of its parts, and what becomes of it, so that none goes unsaid.

Every format brings a lister, in ``listers``. What a lister does not know is ``not carried``.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

__all__ = ["Fate", "Part", "credentials", "is_left_out", "ledger_note", "resolve_parts"]

Fate = Literal["carried", "rewritten", "removed", "not carried"]
"""Rewritten is what every writer makes anew, such as tables of the compression."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One segment, chunk, box, tag, page or trailer of a file.

    ``name`` is what a person calls it, ``size`` counts the bytes it takes in the file, and
    ``reason`` says why it is removed. ``only_in`` names the formats that take a carried part; None
    is a part whose room the table of formats tells, such as EXIF.
    """

    name: str
    size: int
    fate: Fate
    reason: str = ""
    only_in: frozenset[str] | None = None


def credentials(size: int) -> Part:
    """Tell of content credentials (C2PA), which are removed from every format."""
    reason = "they vouch for the file as it was"
    return Part(name="content credentials (C2PA)", size=size, fate="removed", reason=reason)


def resolve_parts(parts: Iterable[Part], target: str) -> tuple[Part, ...]:
    """Decide what is carried into the format ``target``, by its name in the table of formats."""
    return tuple(
        replace(part, fate="not carried", only_in=None)
        if part.fate == "carried" and part.only_in is not None and target not in part.only_in
        else part
        for part in parts
    )


def is_left_out(part: Part) -> bool:
    """Whether a resolved part is missing from the result for good."""
    return part.fate in {"removed", "not carried"}


def ledger_note(parts: Iterable[Part]) -> str | None:
    """Name in one sentence all that is left out of resolved parts; None when nothing is.

    Parts of the same name are one, with their sizes added.
    """
    sizes: dict[tuple[str, str], int] = {}
    for part in parts:
        if is_left_out(part):
            # A name may be bytes of the file.
            key = "".join(filter(str.isprintable, part.name)), part.reason
            sizes[key] = sizes.get(key, 0) + part.size
    if not sizes:
        return None
    named = (
        f"{name} ({size:,} bytes{': ' if reason else ''}{reason})"
        for (name, reason), size in sizes.items()
    )
    return f"left out: {', '.join(named)}"
