"""Sets of pictures whose truth is known, and their low-resolution twins, made or given."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np
import torch

from sam_diffsr_cli import resize
from sam_diffsr_cli.degradation.specs import Degradation, degrade_picture
from sam_diffsr_cli.digests import digest_of, identity_of
from sam_diffsr_cli.errors import InputError, ShapeError
from sam_diffsr_cli.evaluation.protocols import Protocol
from sam_diffsr_cli.pictures.finding import find_pictures
from sam_diffsr_cli.pictures.reading import read_levels
from sam_diffsr_cli.strict import parse_whole

__all__ = [
    "Case",
    "ResultFolder",
    "TestSet",
    "Truth",
    "find_set",
    "is_folder",
    "read_pair",
    "read_truth",
    "stamp",
]


@dataclass(frozen=True, slots=True)
class Truth:
    """A true picture.

    Attributes:
        path: Of its file.
        picture: Its name: the path below the folder of its set.
        output: Where a result of it is kept, likewise; no two of a set are the same.
        rivals: Stems of other truths that begin with its own.
    """

    path: Path
    picture: str
    output: str
    rivals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TestSet:
    """A folder of truths: its name and its pictures, by path."""

    __test__ = False

    name: str
    truths: tuple[Truth, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One picture: truth ``(H, W, 3)`` and input ``(H/s, W/s, 3)``, uint8.

    ``clean_lr`` is the input before it was degraded: what a result is compared with when it is
    shrunk again. Where nothing was degraded, or the input was given, it is the input.
    """

    hr: np.ndarray
    lr: np.ndarray
    clean_lr: np.ndarray


def find_set(place: str, leave_out: Path | None = None) -> TestSet:
    """Find the truths of ``FOLDER``, of ``FOLDER:N`` the first N by name, or of ``NAME=FOLDER``.

    Args:
        place: As above; a folder that is called so is itself.
        leave_out: A folder that is not entered, nor anything in it.

    Raises:
        InputError: It is not a folder, or holds no pictures.
    """
    label, folder, count = _split(place)
    if not is_folder(str(folder)):
        raise InputError(f"{folder}: not a folder", hint="--data takes folders of true pictures")
    paths = tuple(find_pictures(folder, recursive=True, leave_out=leave_out))[:count]
    if not paths:
        raise InputError(f"{folder}: no pictures")
    name = label or folder.resolve().name
    if count is not None and not label:
        name = f"{name}, first {len(paths)}"
    return TestSet(name, _truths(folder, paths))


def _split(place: str) -> tuple[str, Path, int | None]:
    """Take apart the name, the folder and the count; what is a folder as it stands is one."""
    label, equals, rest = place.partition("=")
    for name, text in (("", place), (label, rest)) if equals else (("", place),):
        head, colon, tail = text.rpartition(":")
        count = parse_whole(tail) if colon else None
        is_whole = is_folder(text)
        if not is_whole and (count is None or not is_folder(head)):
            continue
        if not name and text != place:
            raise InputError(f"--data {place}: there is no name before =")
        return (name, Path(text), None) if is_whole else (name, Path(head), count)
    return "", Path(place), None


def is_folder(text: str) -> bool:
    """Whether there is such a folder; no name is too long to ask."""
    try:
        return Path(text).is_dir()
    except (OSError, ValueError):
        return False


def _truths(folder: Path, paths: Sequence[Path]) -> tuple[Truth, ...]:
    names = [path.relative_to(folder).as_posix() for path in paths]
    places = Counter(_without_suffix(name) for name in names)
    stems = {path.stem for path in paths}
    return tuple(
        Truth(
            path,
            name,
            # Where two differ in the suffix alone, it stays in the name of the result.
            f"{name}.png" if places[_without_suffix(name)] > 1 else f"{_without_suffix(name)}.png",
            tuple(other for other in stems if other != path.stem and other.startswith(path.stem)),
        )
        for path, name in zip(paths, names, strict=True)
    )


def _without_suffix(name: str) -> str:
    return PurePosixPath(name).with_suffix("").as_posix()


def read_truth(truth: Truth, protocol: Protocol) -> np.ndarray:
    """Read a truth, cropped as the protocol says.

    Raises:
        InputError: It cannot be read.
    """
    return _crop(read_levels(truth.path), protocol)


def _crop(whole: np.ndarray, protocol: Protocol) -> np.ndarray:
    height, width = (n - n % protocol.modulus for n in whole.shape[:2])
    return whole[:height, :width]


def read_pair(
    truth: Truth,
    inputs: "ResultFolder | None",
    protocol: Protocol,
    scale: int,
    degradation: Degradation | None = None,
) -> Case:
    """Read a truth, cropped as the protocol says, and read or make its input.

    Args:
        truth: Which.
        inputs: Where its input is; None makes it by MATLAB's bicubic.
        protocol: How the truth is cropped.
        scale: Of the input to the truth.
        degradation: What an input that is made suffers beside it; its draws follow from the
            picture's name.

    Raises:
        InputError: A picture cannot be read, or there is no input of that name.
        ShapeError: The input is not a ``scale``-th of the truth.
    """
    whole = read_levels(truth.path)
    hr = _crop(whole, protocol)
    if inputs is None:
        levels = torch.from_numpy(hr.copy()).permute(2, 0, 1)[None].double()
        shrunk = resize.downscale_uint8(levels, scale)[0]
        clean = shrunk.permute(1, 2, 0).to(torch.uint8).contiguous().numpy()
        if degradation is None:
            return Case(hr, clean, clean)
        return Case(hr, degrade_picture(hr, scale, degradation, truth.picture), clean)
    path = inputs.find(truth)
    given = read_levels(path)
    sides = [(given.shape[i], whole.shape[i]) for i in (0, 1)]
    if not all(low in (high // scale, -(-high // scale)) for low, high in sides):
        raise ShapeError(
            f"{path}: {given.shape[1]}x{given.shape[0]} is not a {scale}th of the truth's "
            f"{whole.shape[1]}x{whole.shape[0]}"
        )
    lr = given[: hr.shape[0] // scale, : hr.shape[1] // scale]
    return Case(hr, lr, lr)


class ResultFolder:
    """A folder with a picture for each truth: finished results, or given inputs."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; it is listed when something is looked for."""
        self.folder = folder

    @cached_property
    def _pictures(self) -> list[Path]:
        return list(find_pictures(self.folder, recursive=True))

    def find(self, truth: Truth) -> Path:
        """Find the picture that belongs to a truth.

        It lies in the truth's own place; else it has its stem; else its name begins with the stem
        and something set apart, such as ``baby_x4``, and with no other truth's.

        Raises:
            InputError: There is none, or several fit.
        """
        for fitting in self._attempts(truth):
            if len(fitting) == 1:
                return fitting[0]
            if fitting:
                names = ", ".join(path.name for path in fitting[:3])
                raise InputError(f"{self.folder}: several pictures for {truth.picture} ({names})")
        raise InputError(f"{self.folder}: no picture for {truth.picture}")

    def _attempts(self, truth: Truth) -> Iterable[list[Path]]:
        """Yield what fits, the strictest first."""
        inside = {path: path.relative_to(self.folder).as_posix() for path in self._pictures}
        yield [path for path, name in inside.items() if name == truth.output]
        yield [path for path, name in inside.items() if name == truth.picture]
        place = _without_suffix(truth.picture)
        yield [path for path, name in inside.items() if _without_suffix(name) == place]
        yield [path for path in inside if path.stem == truth.path.stem]
        yield [
            path
            for path in inside
            if _begins_with(path.stem, truth.path.stem)
            and not any(path.stem == r or _begins_with(path.stem, r) for r in truth.rivals)
        ]


def _begins_with(name: str, stem: str) -> bool:
    """Whether ``name`` is ``stem`` and something set apart, as ``baby_x4`` or ``babyx4``."""
    rest = name[len(stem) :] if name.startswith(stem) else ""
    return bool(rest) and (rest[0] in "_-. " or (rest[0] == "x" and rest[1:].isdigit()))


def stamp(paths: Iterable[Path]) -> str:
    """Return what tells these files, as they are now, from others.

    Raises:
        InputError: One of them cannot be read.
    """
    return digest_of([identity_of(path) for path in paths])
