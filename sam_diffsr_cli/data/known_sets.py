"""Known training sets by name: what they are, and where they lie in the customary layout.

Only the photos to train on are ever meant. Validation photos (DIV2K-valid is what models are
measured on) and low-resolution twins lie beside them and stay out.
"""

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sam_diffsr_cli.download import DownloadSource
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures.finding import find_pictures

__all__ = [
    "DATA_VARIABLE",
    "DIV2K",
    "FLICKR2K",
    "KNOWN_SETS",
    "KnownSet",
    "MissingSetError",
    "check_data",
    "data_root",
    "find_data",
    "find_one",
    "holds_pictures",
]

DATA_VARIABLE = "SAMSR_DATA"
"""Environment variable with the folder in which sets are looked up by name."""


@dataclass(frozen=True, slots=True)
class KnownSet:
    """A published set of training photos.

    Attributes:
        name: As people call it.
        folder: The folder of its training photos, in its archive and on disk.
        photos: How many there are.
        source: Its archive, a ``.zip`` or an uncompressed ``.tar``.
        terms: What its publishers allow.
    """

    name: str
    folder: str
    photos: int
    source: DownloadSource
    terms: str


DIV2K = KnownSet(
    name="DIV2K",
    folder="DIV2K_train_HR",
    photos=800,
    source=DownloadSource(
        "https://data.vision.ee.ethz.ch/cvl/DIV2K/DIV2K_train_HR.zip",
        "md5:bdc2d9338d4e574fe81bf7d158758658",
        3_530_603_713,
    ),
    terms="for academic research only",
)
FLICKR2K = KnownSet(
    name="Flickr2K",
    folder="Flickr2K_HR",
    photos=2650,
    source=DownloadSource(
        "https://cv.snu.ac.kr/research/EDSR/Flickr2K.tar",
        "md5:5d3f39443d5e9489bff8963f8f26cb03",
    ),
    terms="for research; the photos belong to those who took them",
)
BOTH = "DF2K"

KNOWN_SETS: Mapping[str, tuple[KnownSet, ...]] = {
    DIV2K.name: (DIV2K,),
    FLICKR2K.name: (FLICKR2K,),
    BOTH: (DIV2K, FLICKR2K),
}
"""What each name stands for."""


class MissingSetError(InputError):
    """Known sets that are not there; ``missing`` says which."""

    def __init__(self, missing: Sequence[KnownSet], root: Path | None) -> None:
        """Tell where they were looked for, and what to do."""
        names = " and ".join(known.name for known in missing)
        where = f"in {root}" if root is not None else f"({DATA_VARIABLE} is not set)"
        folders = " and ".join(f"{known.name}/{known.folder}" for known in missing)
        super().__init__(
            f"{names}: not found {where}",
            hint=f"set {DATA_VARIABLE} to the folder that holds {folders}, give a folder of "
            "photos, or fetch it with samsr train --download",
        )
        self.missing = tuple(missing)


def data_root(root: Path | None) -> Path | None:
    """Return the folder of sets: ``root``, else the one that ``SAMSR_DATA`` names, if any."""
    named = os.environ.get(DATA_VARIABLE)
    return root if root is not None else Path(named) if named else None


def find_data(name: str, root: Path | None) -> tuple[Path, ...]:
    """Turn what was given as ``--data`` into folders of photos.

    A folder is itself, unless it is laid out as known sets: then their training photos are taken.
    The name of a known set, in any case of letters, is looked up, unless there is a folder of that
    name with the set or with photos in it.

    Args:
        name: A folder, or the name of a known set.
        root: Folder to look names up in; see ``data_root``.

    Returns:
        One folder, or one for each of several sets.

    Raises:
        MissingSetError: The name is known, but not all of its sets are there.
        InputError: It is neither a folder nor a known name.
    """
    folder = Path(name)
    known = {key.casefold(): key for key in KNOWN_SETS}.get(name.casefold())
    if known is not None:
        return _inside(folder, known) or _look_up(known, data_root(root))
    if not folder.is_dir():
        raise InputError(f"{name}: not a folder, nor one of the sets {', '.join(KNOWN_SETS)}")
    inner = (folder / known.folder for known in KNOWN_SETS[BOTH])
    return tuple(place for place in inner if place.is_dir()) or (folder,)


def check_data(names: Sequence[str], root: Path | None) -> None:
    """Refuse what is neither a folder nor a known set; a set that is not there may be fetched.

    Raises:
        InputError: A name is neither.
    """
    for name in names:
        with contextlib.suppress(MissingSetError):
            find_data(name, root)


def find_one(name: str, root: Path | None) -> Path:
    """Do as ``find_data`` where only one folder will do.

    Raises:
        InputError: There are several, or none.
    """
    found = find_data(name, root)
    if len(found) > 1:
        raise InputError(
            f"{name}: holds {len(found)} sets, and here one is taken at a time",
            hint="run it once for each: " + ", ".join(f"--data {place}" for place in found),
        )
    return found[0]


def holds_pictures(folder: Path) -> bool:
    """Whether it is a folder with a picture in it, or below."""
    return folder.is_dir() and any(True for _ in find_pictures(folder, recursive=True))


def _inside(folder: Path, name: str) -> tuple[Path, ...]:
    """Return what a folder that has the name of a set holds of it; nothing if nothing does.

    An unfinished download leaves such a folder too, and there may be nothing but validation photos.
    """
    places = tuple(folder / known.folder for known in KNOWN_SETS[name])
    if all(holds_pictures(place) for place in places):
        return places
    is_flat = folder.is_dir() and any(True for _ in find_pictures(folder, recursive=False))
    return (folder,) if is_flat else ()


def _look_up(name: str, root: Path | None) -> tuple[Path, ...]:
    found, missing = [], []
    for known in KNOWN_SETS[name]:
        parents = () if root is None else (root / known.name, root, root / name)
        places = (parent / known.folder for parent in parents)
        place = next((place for place in places if holds_pictures(place)), None)
        if place is None:
            missing.append(known)
        else:
            found.append(place)
    if missing:
        raise MissingSetError(missing, root)
    return tuple(found)
