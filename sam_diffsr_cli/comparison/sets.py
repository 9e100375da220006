"""From what was named on the command line to pictures that several methods made.

Pictures are matched by their names without suffix. What all names of a folder begin or end with,
such as ``_x4``, may differ between folders.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures.finding import find_pictures

__all__ = ["Matches", "ResultSet", "match_sets", "open_sets"]

TRUTH = "truth"
"""Label of the truth."""

SEPARATORS = "_-. "
SCALE = re.compile(r"x\d")
"""What may begin a common ending, as in ``0801x4``, beside a separator."""


@dataclass(frozen=True, slots=True)
class ResultSet:
    """The results of one method: its label, where they are, and their files by name."""

    label: str
    place: Path
    files: Mapping[str, Path]


@dataclass(frozen=True, slots=True)
class Matches:
    """Files by picture and then by label, in the order of names; and what is not in all sets.

    ``left_out`` has the label and the file of each picture that some other set lacks.
    """

    pictures: Mapping[str, Mapping[str, Path]]
    left_out: Sequence[tuple[str, Path]]


class _Affix(NamedTuple):
    """What is taken off names: so many characters before, and so many after."""

    before: int
    after: int

    def strip(self, name: str) -> str:
        return name[self.before : len(name) - self.after]


def open_sets(named: Sequence[str], truth: Path | None) -> list[ResultSet]:
    """List the pictures of folders, or single pictures, each with a label.

    A label is written before the path, as in ``label=path``, or is the name of the folder or of the
    picture; where these are the same, that of the folder above.

    Args:
        named: Methods, as given.
        truth: What they are compared with, or None.

    Returns:
        The sets in that order; the truth last.

    Raises:
        InputError: A path holds no picture or is not there, labels are the same, or two files of a
            folder differ only in their suffix.
    """
    pairs = [_split(text) for text in named]
    free = [place for label, place in pairs if label is None]
    own = iter(_labels(free))
    labelled = [(next(own) if label is None else label, place) for label, place in pairs]
    if truth is not None:
        labelled.append((TRUTH, truth))
    labels = [label for label, _ in labelled]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise InputError(
            f"two of what is compared are called {twice!r}",
            hint="name them, as in: samsr compare old=a/out new=b/out -o page.html",
        )
    return [ResultSet(label, place, _files(place)) for label, place in labelled]


def _split(text: str) -> tuple[str | None, Path]:
    """Take a label off; what exists under the whole text is that file."""
    label, sign, rest = text.partition("=")
    if not sign or not label or Path(text).exists():
        return None, Path(text)
    return label, Path(rest)


def _labels(places: Sequence[Path]) -> list[str]:
    """Return the shortest ends of the paths that tell them apart."""
    parts = [_parts(place) for place in places]
    for count in range(1, max(map(len, parts), default=0) + 1):
        labels = ["/".join(part[-count:]) for part in parts]
        if len(set(labels)) == len(labels):
            return labels
    return [part[-1] if part else str(place) for part, place in zip(parts, places, strict=True)]


def _parts(place: Path) -> tuple[str, ...]:
    whole = place.absolute()
    return (*whole.parts[1:-1], whole.stem if whole.is_file() else whole.name)


def _files(place: Path) -> dict[str, Path]:
    if not place.is_dir():
        if not place.exists():
            raise InputError(f"{place}: no such file or folder")
        return {place.stem: place}
    files: dict[str, Path] = {}
    for path in find_pictures(place, recursive=False):
        if path.stem in files:
            raise InputError(
                f"{path} and {files[path.stem]} are one picture by their names",
                hint="leave one of them in the folder",
            )
        files[path.stem] = path
    if not files:
        raise InputError(f"{place}: no pictures in this folder", hint="by their suffix")
    return files


def match_sets(sets: Sequence[ResultSet]) -> Matches:
    """Find the pictures that are in all sets.

    Sets of one picture each are that picture, whatever their names.

    Raises:
        InputError: No picture is in all of them.
    """
    if all(not each.place.is_dir() for each in sets):
        name = next(iter(sets[-1].files))
        single = {each.label: next(iter(each.files.values())) for each in sets}
        return Matches({name: single}, ())
    keyed = _best_keys(sets)
    common = set.intersection(*(set(keys) for keys in keyed))
    if not common:
        names = ", ".join(str(each.place) for each in sets)
        raise InputError(
            f"no picture is in all of {names}",
            hint="pictures are matched by their names without suffix, and without what all names "
            "of a folder begin or end with, such as _x4",
        )
    pictures = {
        name: {each.label: keys[name] for each, keys in zip(sets, keyed, strict=True)}
        for name in sorted(common)
    }
    left_out = [
        (each.label, path)
        for each, keys in zip(sets, keyed, strict=True)
        for name, path in keys.items()
        if name not in common
    ]
    return Matches(pictures, left_out)


def _best_keys(sets: Sequence[ResultSet]) -> list[dict[str, Path]]:
    """Take off names what leaves the most pictures in common, and of that the least."""
    candidates = [_candidates(each) for each in sets]
    best: tuple[int, int, list[dict[str, Path]]] | None = None
    for first in candidates[0]:
        chosen = [_most_alike(first[1], others) for others in candidates[1:]]
        keys = [first[1], *(found for _, found in chosen)]
        shared = len(set.intersection(*map(set, keys)))
        taken = sum(first[0]) + sum(sum(affix) for affix, _ in chosen)
        if best is None or (shared, -taken) > (best[0], -best[1]):
            best = shared, taken, keys
    return best[2] if best is not None else []


def _most_alike(
    keys: Mapping[str, Path], candidates: Sequence[tuple[_Affix, dict[str, Path]]]
) -> tuple[_Affix, dict[str, Path]]:
    return max(candidates, key=lambda each: len(keys.keys() & each[1].keys()))


def _candidates(each: ResultSet) -> list[tuple[_Affix, dict[str, Path]]]:
    """Return what can be taken off all names of a set, and the names that are left."""
    names = list(each.files)
    prefix, suffix = _common_start(names), _common_start([name[::-1] for name in names])[::-1]
    is_single = len(names) == 1
    if is_single:
        # All of one name is shared: nothing but a scale at its end is sure not to be the picture's.
        prefix = ""
    befores = [0, *(i + 1 for i, letter in enumerate(prefix) if letter in SEPARATORS)]
    afters = [0]
    for i, letter in enumerate(suffix):
        is_scale = SCALE.match(suffix, i + (letter in SEPARATORS)) is not None
        if is_scale or (letter in SEPARATORS and not is_single):
            afters.append(len(suffix) - i)
    found = []
    for affix in (_Affix(before, after) for before in befores for after in afters):
        keys = {affix.strip(name): path for name, path in each.files.items()}
        is_whole = min(map(len, names)) > sum(affix)
        if is_whole and len(keys) == len(names):
            found.append((affix, keys))
    return found


def _common_start(names: Sequence[str]) -> str:
    low, high = min(names), max(names)
    same = next((i for i, letter in enumerate(low) if letter != high[i : i + 1]), len(low))
    return low[:same]
