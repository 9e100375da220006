"""The plan of a batch: each picture's output, decided before any work, and about how much it is."""

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from sam_diffsr_cli.batch.sources import Source, is_there
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures.formats import Format, is_picture_name
from sam_diffsr_cli.pictures.reading import read_head
from sam_diffsr_cli.pictures.records import Limits
from sam_diffsr_cli.upscaling.passes import final_size

__all__ = ["Estimate", "Job", "Naming", "OnExists", "estimate_work", "plan_jobs"]

OnExists = Literal["skip", "overwrite", "rename", "error"]

UNNAMED_SUFFIX = ".png"
"""For pictures whose name does not say what they are."""

MOST_HEADERS = 2000
"""More pictures than this are not all opened for the estimate; these many are, evenly spread."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Naming:
    """How outputs are called.

    ``folder`` holds them under their own names, or ``file`` is the one output; with neither it is
    standard output. ``format`` is None to keep each picture's own.
    """

    folder: Path | None = None
    file: Path | None = None
    format: Format | None = None
    suffix: str = ""
    on_exists: OnExists = "error"


@dataclass(frozen=True, slots=True)
class Job:
    """One picture and its output (None: standard output).

    ``is_done`` when the output is there already; ``is_input`` when it is, and is a picture of the
    plan, its own or another's, which must not be lost.
    """

    source: Source
    target: Path | None
    is_done: bool = False
    is_input: bool = False


@dataclass(frozen=True, slots=True)
class Estimate:
    """How much work a plan is, in megapixels; ``is_sampled`` when only some were opened.

    ``work`` is the output's megapixels of each job, 0 for those that are done; ``problems`` are the
    jobs whose pictures cannot be read, by their place.
    """

    pictures: int
    already_there: int
    unreadable: int
    megapixels_in: float
    megapixels_out: float
    is_sampled: bool
    work: tuple[float, ...]
    problems: tuple[tuple[int, InputError], ...]


def plan_jobs(sources: Sequence[Source], naming: Naming) -> list[Job]:
    """Give every picture an output of its own.

    Where two pictures would get the same name, those whose suffix changes keep the old one inside
    (``a.jpg.png``), and what still clashes is numbered. Names that differ only in case clash, since
    some disks do not tell them apart.

    Raises:
        InputError: Several pictures for one output file.
    """
    if naming.folder is None:
        if len(sources) > 1:
            where = naming.file or "standard output"
            raise InputError(
                f"{where}: one output for {len(sources)} pictures", hint="name a folder"
            )
        jobs = [Job(source, naming.file) for source in sources]
    else:
        jobs = _name_all(sources, naming, naming.folder)
    taken = {_key(job.target) for job in jobs if job.target is not None}
    if naming.suffix:
        # What an earlier run wrote beside its inputs is not taken for input.
        jobs = [j for j in jobs if j.source.path is None or _key(j.source.path) not in taken]
    inputs = {_identity(job.source.path) for job in jobs} - {None}
    return [_look(job, naming.on_exists, taken, inputs) for job in jobs]


def _name_all(sources: Sequence[Source], naming: Naming, folder: Path) -> list[Job]:
    targets = [folder / _output_name(source, naming) for source in sources]
    counts = Counter(_key(target) for target in targets)
    for index, (source, target) in enumerate(zip(sources, targets, strict=True)):
        old = source.inside.suffix
        if counts[_key(target)] > 1 and old.lower() != target.suffix.lower():
            targets[index] = target.with_name(f"{target.stem}{old}{target.suffix}")
    used: set[str] = set()
    for index, target in enumerate(targets):
        targets[index] = _free_name(target, used)
        used.add(_key(targets[index]))
    return [Job(source, target) for source, target in zip(sources, targets, strict=True)]


def _output_name(source: Source, naming: Naming) -> Path:
    """Keep the suffix unless it is no picture's, or another format is asked for."""
    inside = source.inside
    ending = inside.suffix if is_picture_name(inside) else UNNAMED_SUFFIX
    if naming.format is not None and ending.lower() not in naming.format.suffixes:
        ending = naming.format.suffixes[0]
    return inside.with_name(f"{inside.stem}{naming.suffix}{ending}")


def _key(path: Path) -> str:
    return str(path).casefold()


def _free_name(target: Path, used: Iterable[str]) -> Path:
    """Number a name until it is not among ``used``."""
    candidate, number = target, 1
    while _key(candidate) in used:
        number += 1
        candidate = target.with_name(f"{target.stem} ({number}){target.suffix}")
    return candidate


def _look(job: Job, on_exists: OnExists, taken: set[str], inputs: Container[object]) -> Job:
    """Apply ``--on-exists`` to a job whose output is there already."""
    if job.target is None or not is_there(job.target):
        return job
    if on_exists != "rename":
        is_input = _identity(job.target) in inputs
        return replace(job, is_done=on_exists == "skip" and not is_input, is_input=is_input)
    number, candidate = 1, job.target
    while is_there(candidate) or (_key(candidate) in taken and candidate != job.target):
        number += 1
        candidate = job.target.with_name(f"{job.target.stem} ({number}){job.target.suffix}")
    taken.add(_key(candidate))
    return replace(job, target=candidate)


def _identity(path: Path | None) -> tuple[int, int] | None:
    """Tell which file a name leads to, through links and other spellings; None for none."""
    try:
        found = None if path is None else path.stat()
    except (OSError, ValueError):
        return None
    return None if found is None else (found.st_dev, found.st_ino)


def estimate_work(jobs: Sequence[Job], scale: float, limits: Limits) -> Estimate:
    """Open the headers of the pictures to be done, or of a sample, and add up their pixels."""
    open_jobs = [index for index, job in enumerate(jobs) if not job.is_done]
    step = max(1, -(-len(open_jobs) // MOST_HEADERS))
    looked, pixels_in = 0, 0
    known: dict[int, float] = {}
    problems: list[tuple[int, InputError]] = []
    for index in open_jobs[::step]:
        path = jobs[index].source.path
        if path is None:
            continue
        looked += 1
        try:
            head = read_head(path, limits)
        except InputError as error:
            problems.append((index, error))
            known[index] = 0.0
            continue
        height, width = final_size(head.size, scale)
        pixels_in += head.frames * head.size[0] * head.size[1]
        known[index] = head.frames * height * width / 1e6
    factor = len(open_jobs) / looked if looked else 0.0
    usual = sum(known.values()) / looked if looked else 1.0
    return Estimate(
        pictures=len(open_jobs),
        already_there=len(jobs) - len(open_jobs),
        unreadable=round(len(problems) * factor),
        megapixels_in=pixels_in * factor / 1e6,
        megapixels_out=sum(known.values()) * factor,
        is_sampled=step > 1,
        work=tuple(0.0 if j.is_done else known.get(i, usual) for i, j in enumerate(jobs)),
        problems=tuple(problems),
    )
