"""Building the masks of a folder of photos: resumable, divided into shards, with a manifest.

A mask file is there whole or not at all, so what is there is done. Processes with different shards
of one folder never meet; the manifest says how all of it was made, and refuses to be mixed.
"""

import json
import time
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sam_diffsr_cli import __version__
from sam_diffsr_cli.atomic import atomic_path, make_folder
from sam_diffsr_cli.device import memory_errors
from sam_diffsr_cli.errors import ConfigError, DiskFullError, InputError, SamsrError, os_errors
from sam_diffsr_cli.masks.segmenters import Segmenter
from sam_diffsr_cli.masks.store import MANIFEST, write_records
from sam_diffsr_cli.pictures.finding import find_pictures
from sam_diffsr_cli.pictures.reading import read_levels
from sam_diffsr_cli.pictures.records import Limits
from sam_diffsr_cli.strict import conform, parse_whole

__all__ = [
    "BuildStep",
    "MaskJob",
    "Shard",
    "build_mask",
    "build_masks",
    "open_manifest",
    "plan_masks",
    "read_manifest",
    "write_failures",
]

MANIFEST_VERSION = 1

UNTOLD = frozenset({"points_per_batch"})
"""What the manifests of earlier versions do not tell: the masks there may be gone on with."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Part ``index`` (from 1) of ``count`` equal parts of the work."""

    index: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        """Check the numbers."""
        conform(self)
        if not 1 <= self.index <= self.count:
            raise InputError(f"--shard {self.index}/{self.count}: allowed are 1/N to N/N")

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read ``i/n``.

        Raises:
            InputError: It is not of that form, or out of range.
        """
        index, slash, count = text.partition("/")
        numbers = (parse_whole(index), parse_whole(count))
        if not slash or numbers[0] is None or numbers[1] is None:
            raise InputError(f"--shard {text}: expected i/n, as in 2/8")
        return cls(numbers[0], numbers[1])


@dataclass(frozen=True, slots=True)
class MaskJob:
    """A photo and its mask file."""

    photo: Path
    target: Path


@dataclass(frozen=True, slots=True)
class BuildStep:
    """What became of a job: ``regions`` found in so many ``seconds``, or the ``error``.

    ``size`` is the photo's, None where it was not segmented.
    """

    job: MaskJob
    regions: int = 0
    size: tuple[int, int] | None = None
    seconds: float = 0.0
    error: SamsrError | None = None

    @property
    def megapixels(self) -> float:
        """Of the photo, 0 where it was not segmented."""
        return 0.0 if self.size is None else self.size[0] * self.size[1] / 1e6


def plan_masks(folder: Path, out: Path) -> list[MaskJob]:
    """Pair every photo below ``folder`` with its mask file below ``out``, the tree mirrored.

    A mask file has its photo's stem; where that would be the name of another's, its whole name.

    Raises:
        InputError: ``folder`` is not a folder, or holds no picture.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: not a folder")
    photos = list(find_pictures(folder, recursive=True, leave_out=out))
    if not photos:
        raise InputError(f"{folder}: no pictures in this folder")
    stems = Counter(photo.with_suffix("") for photo in photos)
    # The mask file of ``a.jpg`` would also be that of ``a.jpg.png``.
    stems.update(photos)
    jobs = []
    for photo in photos:
        is_shared = stems[photo.with_suffix("")] > 1
        name = f"{photo.name if is_shared else photo.stem}.json"
        if name == MANIFEST:
            name = f"{photo.name}.json"
        jobs.append(MaskJob(photo, out / photo.relative_to(folder).with_name(name)))
    return jobs


def open_manifest(out: Path, description: dict[str, Any]) -> None:
    """Write how the masks in ``out`` are made, or check that those there are made so.

    Raises:
        ConfigError: ``out`` holds masks made in another way, or mask files of unknown origin.
        InputError: The folder cannot be written.
    """
    path = out / MANIFEST
    made = {"samsr_masks": MANIFEST_VERSION, "made_by": description}
    # Looked for first: another process may be writing the manifest, and masks after it.
    has_masks = any(p.name != MANIFEST and p.name[0] != "." for p in out.rglob("*.json"))
    if path.exists():
        found = read_manifest(out)["made_by"]
        found = {name: description[name] for name in UNTOLD & description.keys()} | found
        if found != description:
            keys = found.keys() | description.keys()
            changed = sorted(k for k in keys if found.get(k) != description.get(k))
            raise ConfigError(
                f"{path}: masks there were made with other options ({', '.join(changed)})",
                hint="choose another --out, or the same options",
            )
        return
    make_folder(out)
    if has_masks:
        raise ConfigError(
            f"{out}: holds mask files without a {MANIFEST}", hint="choose an empty --out"
        )
    with atomic_path(path) as temporary:
        text = json.dumps({**made, "tool": f"samsr {__version__}"}, indent=2, sort_keys=True)
        temporary.write_text(text + "\n", encoding="utf-8")


def read_manifest(out: Path) -> dict[str, Any]:
    """Read the manifest of a folder of masks.

    Raises:
        InputError: It is missing or damaged.
    """
    path = out / MANIFEST
    try:
        with os_errors(path, "cannot be read"):
            found = json.loads(path.read_text(encoding="utf-8"))
        if found["samsr_masks"] != MANIFEST_VERSION or not isinstance(found["made_by"], dict):
            raise ValueError("of another version")  # noqa: TRY301 - told as the others
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: damaged ({error})", hint="remove it and the masks") from error
    result: dict[str, Any] = found
    return result


def build_masks(
    jobs: Sequence[MaskJob], segmenter: Segmenter, limits: Limits
) -> Generator[BuildStep, None, None]:
    """Segment each photo and write its masks; one that fails does not stop the others.

    Args:
        jobs: Those of this process that are not done.
        segmenter: What cuts photos into regions.
        limits: Photos beyond them are refused.

    Yields:
        A step after each photo.

    Raises:
        DiskFullError: No space is left; the photos after it would fail too.
    """
    for job in jobs:
        yield build_mask(job, segmenter, limits)


def build_mask(job: MaskJob, segmenter: Segmenter, limits: Limits) -> BuildStep:
    """Segment one photo and write its masks; its failure is a step too.

    Raises:
        DiskFullError: No space is left.
    """
    began = time.perf_counter()
    try:
        with memory_errors("a smaller --max-side needs less"):
            pixels = read_levels(job.photo, limits)
            records = segmenter.segment(pixels)
        make_folder(job.target.parent)
        write_records(job.target, records)
    except DiskFullError:
        raise
    except SamsrError as error:
        return BuildStep(job, error=error)
    except Exception as error:  # noqa: BLE001 - one photo must not end the work
        bug = SamsrError(f"{job.photo}: {type(error).__name__}: {error}")
        return BuildStep(job, error=bug)
    size = pixels.shape[0], pixels.shape[1]
    return BuildStep(job, len(records), size, time.perf_counter() - began)


def write_failures(out: Path, shard: Shard, steps: Sequence[BuildStep]) -> Path | None:
    """Write the list of photos without masks and why; remove an old one when there are none.

    Returns:
        The file, or None when nothing failed.
    """
    name = "failures.txt" if shard.count == 1 else f"failures-{shard.index}-of-{shard.count}.txt"
    path = out / name
    if shard.count == 1:
        # A whole run has done again what failed in any shard.
        for old in out.glob("failures-*-of-*.txt"):
            old.unlink(missing_ok=True)
    lines = [f"{step.job.photo}\t{step.error}" for step in steps if step.error is not None]
    if not lines:
        path.unlink(missing_ok=True)
        return None
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
