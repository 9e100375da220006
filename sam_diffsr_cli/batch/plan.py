"""The plan of a batch: each picture's output, decided before any work, and about how much it is."""

import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from sam_diffsr_cli.batch.remote import Place, RemotePath, is_remote_there, list_names, parse_place
from sam_diffsr_cli.batch.sources import Source, is_there
from sam_diffsr_cli.choices import OnExists
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures.formats import Format, is_picture_name

__all__ = [
    "Job",
    "Naming",
    "ResumeState",
    "local_folders",
    "output_suffix",
    "plan_jobs",
]


UNNAMED_SUFFIX = ".png"
"""For pictures whose name does not say what they are."""

NUMBERED = re.compile(r"(?P<stem>.*) \((?P<number>[0-9]{1,6})\)", re.DOTALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Naming:
    """How outputs are called.

    ``folder`` holds them under their own names, or ``file`` is the one output; with neither it is
    standard output. ``format`` is None to keep each picture's own.
    """

    folder: Place | None = None
    file: Place | None = None
    format: Format | None = None
    suffix: str = ""
    on_exists: OnExists = "error"


@dataclass(frozen=True, slots=True)
class Job:
    """One picture and its output (None: standard output).

    ``is_occupied`` when something of the output's name is there already; ``is_done`` when that is
    taken for the output; ``is_input`` when it is a picture of the plan, its own or another's, which
    must not be lost; ``is_own`` when it was written for this job, and may be written again.
    ``index`` is its place in the plan.
    """

    source: Source
    target: Place | None
    is_occupied: bool = False
    is_done: bool = False
    is_input: bool = False
    is_own: bool = False
    index: int = field(default=0, compare=False)

    def names(self, *, numbered: bool) -> Iterator[Place]:
        """Yield names for its output: its own, and if asked for numbered ones without end."""
        target = self.target
        if target is None:
            return
        yield target
        match = NUMBERED.fullmatch(target.stem)
        stem, first = (match["stem"], int(match["number"])) if match else (target.stem, 1)
        for number in count(first + 1) if numbered else ():
            yield target.with_name(f"{stem} ({number}){target.suffix}")

    def absolute(self) -> "Job":
        """Name its files so that they are found from any folder."""
        path, target = self.source.path, self.target
        path = path.absolute() if isinstance(path, Path) else path
        target = target.absolute() if isinstance(target, Path) else target
        return replace(self, source=replace(self.source, path=path), target=target)


@dataclass(frozen=True, kw_only=True, slots=True)
class ResumeState:
    """What an earlier run of the same batch left: its outputs by source, and which are finished."""

    targets: dict[str, str] = field(default_factory=dict)
    done: frozenset[str] = frozenset()


def plan_jobs(
    sources: Sequence[Source], naming: Naming, resume: ResumeState | None = None
) -> list[Job]:
    """Give every picture an output of its own.

    Where two pictures would get the same name, those whose suffix changes keep the old one inside
    (``a.jpg.png``), and what still clashes is numbered. Names that differ only in case clash, since
    some disks do not tell them apart. A picture of an earlier run keeps the output that it had.

    Raises:
        InputError: Several pictures for one output file, or another OUT than the earlier run's.
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
    resume = resume or ResumeState()
    is_present = _presence(naming)
    jobs = [_remember(job, resume, is_present) for job in jobs]
    taken = {_key(job.target) for job in jobs if job.target is not None}
    if naming.suffix:
        # What an earlier run wrote beside its inputs is not taken for input.
        jobs = [j for j in jobs if j.source.path is None or _key(j.source.path) not in taken]
    inputs = {_identity(job.source.path) for job in jobs} - {None}
    look = _Look(naming.on_exists, taken, inputs, is_present)
    looked = (job if job.is_done or job.is_own else look(job) for job in jobs)
    return [replace(job, index=index) for index, job in enumerate(looked)]


def _remember(job: Job, resume: ResumeState, is_present: "Presence") -> Job:
    """Take the output that a job had before; it is done, or was begun, if that is there."""
    known = resume.targets.get(job.source.name)
    if known is None or job.target is None:
        return job
    target = parse_place(known)
    if _folder_of(target) != _folder_of(job.target):
        raise InputError(
            f"{job.source.name}: the run of the manifest wrote it to {known}, which is elsewhere",
            hint="repeat its OUT, or name another file with --manifest",
        )
    if not is_present(target):
        return replace(job, target=target)
    is_done = job.source.name in resume.done
    return replace(job, target=target, is_done=is_done, is_own=not is_done)


def _folder_of(place: Place) -> Place:
    """Name the folder that a file is in the same from wherever it is named."""
    return place.parent if isinstance(place, RemotePath) else place.absolute().parent


Presence = Callable[[Place], bool]


def _presence(naming: Naming) -> Presence:
    """Return what tells whether an output is there; a store is asked once for a whole folder."""
    if not isinstance(naming.folder, RemotePath):
        return lambda place: (
            is_remote_there(place) if isinstance(place, RemotePath) else is_there(place)
        )
    there = list_names(naming.folder)
    return lambda place: str(place) in there


def _name_all(sources: Sequence[Source], naming: Naming, folder: Place) -> list[Job]:
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
    inside = source.inside
    ending = output_suffix(inside, naming.format)
    return inside.with_name(f"{inside.stem}{naming.suffix}{ending}")


def output_suffix(name: Place, written: Format | None = None) -> str:
    """Return how an output ends: as its input, unless that is no picture's or of another format."""
    ending = name.suffix if is_picture_name(name) else UNNAMED_SUFFIX
    if written is not None and ending.lower() not in written.suffixes:
        return written.suffixes[0]
    return ending


def _key(path: Place) -> str:
    return str(path).casefold()


def _free_name(target: Place, used: Container[str]) -> Place:
    """Number a name until it is not among ``used``."""
    candidate, number = target, 1
    while _key(candidate) in used:
        number += 1
        candidate = target.with_name(f"{target.stem} ({number}){target.suffix}")
    return candidate


@dataclass(frozen=True, slots=True)
class _Look:
    """Applies ``--on-exists`` to a job whose output is there already."""

    on_exists: OnExists
    taken: set[str]
    inputs: Container[object]
    is_present: Presence

    def __call__(self, job: Job) -> Job:
        if job.target is None or not self.is_present(job.target):
            return job
        if self.on_exists != "rename":
            is_input = _identity(job.target) in self.inputs
            is_done = self.on_exists == "skip" and not is_input
            return replace(job, is_occupied=True, is_done=is_done, is_input=is_input)
        return replace(job, target=self._rename(job.target))

    def _rename(self, target: Place) -> Place:
        number, candidate = 1, target
        while self.is_present(candidate) or (_key(candidate) in self.taken and candidate != target):
            number += 1
            candidate = target.with_name(f"{target.stem} ({number}){target.suffix}")
        self.taken.add(_key(candidate))
        return candidate


def _identity(path: Place | None) -> object:
    """Tell which file a name leads to, through links and other spellings; None for none."""
    if isinstance(path, RemotePath):
        return path.text
    try:
        found = None if path is None else path.stat()
    except (OSError, ValueError):
        return None
    return None if found is None else (found.st_dev, found.st_ino)


def local_folders(jobs: Iterable[Job]) -> set[Path]:
    """Return the folders of this machine that jobs write to."""
    return {job.target.parent for job in jobs if isinstance(job.target, Path)}
