"""Sets of pictures whose truth is known, and their low-resolution twins, made or given."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sam_diffsr_cli import resize
from sam_diffsr_cli.errors import InputError, ShapeError
from sam_diffsr_cli.evaluation.protocols import Protocol
from sam_diffsr_cli.pictures.finding import find_pictures
from sam_diffsr_cli.pictures.reading import read_picture
from sam_diffsr_cli.pictures.records import Limits, rgb_levels

__all__ = ["Case", "TestSet", "find_result", "find_set", "read_levels", "read_pair"]


@dataclass(frozen=True, slots=True)
class TestSet:
    """A folder of truths: its name and its pictures, by path."""

    __test__ = False

    name: str
    folder: Path
    truths: tuple[Path, ...]

    def picture(self, truth: Path) -> str:
        """Return the name of a truth: its path below the folder."""
        return truth.relative_to(self.folder).as_posix()


@dataclass(frozen=True, slots=True)
class Case:
    """One picture: truth ``(H, W, 3)`` and input ``(H/s, W/s, 3)``, uint8."""

    hr: np.ndarray
    lr: np.ndarray


def find_set(place: str, limit: int | None = None) -> TestSet:
    """Find the truths of ``FOLDER``, or with ``FOLDER:N`` the first N of them by name.

    Raises:
        InputError: It is not a folder, or holds no pictures.
    """
    folder, count = Path(place), limit
    head, colon, tail = place.rpartition(":")
    if colon and tail.isdigit() and not folder.is_dir():
        folder, count = Path(head), int(tail)
    if not folder.is_dir():
        raise InputError(f"{folder}: not a folder", hint="--data takes folders of true pictures")
    truths = tuple(find_pictures(folder, recursive=True))[:count]
    if not truths:
        raise InputError(f"{folder}: no pictures")
    name = folder.resolve().name
    return TestSet(name if count is None else f"{name}, first {len(truths)}", folder, truths)


def read_levels(path: Path) -> np.ndarray:
    """Read the first frame of a picture as ``(H, W, 3)`` uint8.

    Raises:
        InputError: It cannot be read.
    """
    return rgb_levels(read_picture(path, Limits()).frames[0].pixels)


def read_pair(truth: Path, lr_folder: Path | None, protocol: Protocol, scale: int) -> Case:
    """Read a truth, cropped as the protocol says, and read or make its input.

    Raises:
        InputError: A picture cannot be read, or there is no input of that name.
        ShapeError: The input is not a ``scale``-th of the truth.
    """
    whole = read_levels(truth)
    height, width = (n - n % protocol.modulus for n in whole.shape[:2])
    hr = whole[:height, :width]
    if lr_folder is None:
        levels = torch.from_numpy(hr.copy()).permute(2, 0, 1)[None].double()
        shrunk = resize.downscale_uint8(levels, scale)[0]
        return Case(hr, shrunk.permute(1, 2, 0).to(torch.uint8).contiguous().numpy())
    path = find_result(truth, lr_folder)
    given = read_levels(path)
    sides = [(given.shape[i], whole.shape[i]) for i in (0, 1)]
    if not all(low in (high // scale, -(-high // scale)) for low, high in sides):
        raise ShapeError(
            f"{path}: {given.shape[1]}x{given.shape[0]} is not a {scale}th of the truth's "
            f"{whole.shape[1]}x{whole.shape[0]}"
        )
    return Case(hr, given[: height // scale, : width // scale])


def find_result(truth: Path, folder: Path) -> Path:
    """Find the picture in ``folder`` that belongs to a truth: of its stem, or beginning with it.

    Raises:
        InputError: There is none, or several fit.
    """
    pictures = list(find_pictures(folder, recursive=True))
    exact = [path for path in pictures if path.stem == truth.stem]
    fitting = exact or list(_beginning_with(truth.stem, pictures))
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise InputError(f"{folder}: no picture for {truth.name}")
    names = ", ".join(path.name for path in fitting[:3])
    raise InputError(f"{folder}: several pictures for {truth.name} ({names})")


def _beginning_with(stem: str, pictures: Sequence[Path]) -> Iterator[Path]:
    """Yield those called ``stem`` and something set apart, such as ``baby_x4`` or ``babyx4``."""
    for path in pictures:
        rest = path.stem.removeprefix(stem)
        if rest != path.stem and (rest[0] in "_-. " or (rest[0] == "x" and rest[1:].isdigit())):
            yield path
