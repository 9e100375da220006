"""Which pictures IN means and what OUT calls their outputs, and what is refused for it.

Needs neither torch nor a model, so that a wrong name is told at once.
"""

import glob
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sam_diffsr_cli.batch.manifest import read_resume_state
from sam_diffsr_cli.batch.options import BatchOptions, check_jpeg_options, check_options
from sam_diffsr_cli.batch.plan import Job, Naming, ResumeState, output_suffix, plan_jobs
from sam_diffsr_cli.batch.remote import Place, RemotePath, is_remote_there, parse_place
from sam_diffsr_cli.batch.sources import STANDARD, gather_sources, is_folder, is_there
from sam_diffsr_cli.checkpoints.references import parse_reference
from sam_diffsr_cli.choices import DEFAULT_SCALE
from sam_diffsr_cli.errors import InputError, UsageError, exists_already, os_errors
from sam_diffsr_cli.pictures.formats import (
    FOREIGN_SUFFIXES,
    Format,
    format_named,
    format_of,
    is_picture_name,
)
from sam_diffsr_cli.pictures.left_out import LeftOut
from sam_diffsr_cli.pictures.reading import read_head
from sam_diffsr_cli.pictures.records import Limits
from sam_diffsr_cli.upscaling.sizes import Size

__all__ = ["NamedBatch", "check_job", "name_batch", "name_jobs", "split_places"]


LETTERS = re.compile(r"\.(?=.*[A-Za-z])[A-Za-z0-9]{1,5}")
"""How a suffix looks; ``.5`` and ``.2024`` are parts of a folder's name."""


@dataclass(frozen=True, slots=True)
class NamedBatch:
    """The pictures of a batch and their outputs.

    ``kept`` is the manifest and what it holds; ``left_out`` what folders hold and is not taken.
    """

    naming: Naming
    jobs: Sequence[Job]
    kept: tuple[Path, ResumeState] | None
    left_out: LeftOut


def split_places(
    places: Sequence[str], options: BatchOptions
) -> tuple[list[str], str, BatchOptions]:
    """Tell IN from OUT: the last is OUT, and one picture alone is written beside itself.

    Returns:
        IN, OUT, and the options; what is there already is never replaced by a name that was made
        up here, unless the options say so.

    Raises:
        UsageError: There is no OUT, and more or other than one picture.
    """
    if len(places) > 1:
        return list(places[:-1]), places[-1], options
    (name,) = places
    place = parse_place(name)
    is_name = is_picture_name(place) and not glob.has_magic(name)
    is_picture = isinstance(place, Path) and (is_there(place) or is_name)
    if name == STANDARD or is_folder(place) or not is_picture:
        raise UsageError(
            f"OUT is missing: where {name} is to be written",
            hint=f"name it after IN, as in: samsr upscale {name} larger/",
        )
    size = options.size or Size(scale=options.scale or DEFAULT_SCALE)
    label = size.label if options.model is None or options.size is not None else "larger"
    written = None if options.image_format is None else format_named(options.image_format)
    ending = output_suffix(place, written)
    out = place.with_name(f"{place.stem}-{label}{options.suffix}{ending}")
    if options.on_exists == "error":
        options = replace(options, on_exists="rename")
    return [name], str(out), options


def name_batch(
    sources: Sequence[str], target: str, options: BatchOptions, *, looks: bool = False
) -> NamedBatch:
    """Find the pictures and name their outputs; refuse all that needs no model to be refused.

    Args:
        sources: As ``plan_batch``.
        target: As ``plan_batch``.
        options: What else was asked for.
        looks: Look at the only picture of a run too, and at what is where its output goes.

    Raises:
        InputError: An option or a name cannot be used, or the only picture cannot be read or
            written.
    """
    check_options(options)
    written = None if options.image_format is None else format_named(options.image_format)
    kept, left_out = _open_resume_state(options.manifest, target), LeftOut()
    naming, jobs = name_jobs(
        sources,
        target,
        Naming(format=written, suffix=options.suffix, on_exists=options.on_exists),
        None if kept is None else kept[1],
        recursive=options.recursive,
        left_out=left_out,
    )
    _check_jpegs(jobs, naming, options)
    if isinstance(options.model, str):
        parse_reference(options.model)
    if looks and kept is None:
        _check_alone(jobs, naming, options.limits)
    return NamedBatch(naming, jobs, kept, left_out)


def _check_jpegs(jobs: Sequence[Job], naming: Naming, options: BatchOptions) -> None:
    """Refuse options of JPEG where no output is one, as far as names tell.

    Raises:
        InputError: One is given.
    """
    if naming.format is None and not any(map(_may_be_jpeg, jobs)):
        told = f"{naming.file} is none" if naming.file is not None else "no output is one"
        check_jpeg_options(options, told)


def _may_be_jpeg(job: Job) -> bool:
    """Whether an output is a JPEG; one without a name may be."""
    return job.target is None or format_of(job.target).name == "JPEG"


def _open_resume_state(manifest: Path | None, target: str) -> tuple[Path, ResumeState] | None:
    """Read what an earlier run left in the manifest, if there is to be one."""
    if manifest is None:
        return None
    if target == STANDARD:
        raise InputError("--manifest keeps what is in files", hint="name a folder as OUT")
    return manifest, read_resume_state(manifest)


def name_jobs(  # noqa: PLR0913 - what IN and OUT mean depends on all of it
    sources: Sequence[str],
    target: str,
    wanted: Naming,
    resume: ResumeState | None = None,
    *,
    recursive: bool = False,
    left_out: LeftOut | None = None,
) -> tuple[Naming, list[Job]]:
    """Find the pictures and give each its output.

    Args:
        sources: As given.
        target: As given.
        wanted: Format, suffix and what to do with outputs that are there; its place is ``target``.
        resume: What an earlier run left.
        recursive: Enter folders' folders.
        left_out: Takes note of what folders hold and is not taken.

    Raises:
        InputError: There is no picture, or their outputs cannot have such names.
    """
    if "\0" in target:
        raise InputError(f"OUT {target!r}: no system has such a name")
    out = parse_place(target)
    found = gather_sources(sources, recursive=recursive, leave_out=out, left_out=left_out)
    # A folder given as IN means a folder as OUT, whatever it is called.
    single = len(found) == 1 and not any(
        name != STANDARD and is_folder(parse_place(name)) for name in sources
    )
    naming = _place(target, out, wanted, single=single)
    if isinstance(naming.folder, Path) and is_there(naming.folder) and not is_folder(out):
        raise InputError(f"{out}: cannot be a folder (it is a file)")
    return naming, plan_jobs(found, naming, resume)


def _place(target: str, out: Place, wanted: Naming, *, single: bool) -> Naming:
    """Decide whether OUT is standard output, one file, or a folder."""
    written: Format | None = wanted.format
    if "/" in wanted.suffix or "\\" in wanted.suffix:
        raise InputError(f"--suffix {wanted.suffix}: must not hold a slash")
    if target == STANDARD:
        return wanted
    is_file = single and not is_folder(out) and not target.endswith(("/", "\\"))
    if is_file and is_picture_name(out):
        if wanted.suffix:
            raise InputError(
                f"--suffix {wanted.suffix}: {out} is the whole name", hint="name a folder as OUT"
            )
        if written is not None and format_of(out) is not written:
            raise InputError(f"{out}: is not --format {written.name.lower()}", hint="drop one")
        return replace(wanted, file=out)
    if is_picture_name(out) and not is_folder(out) and not target.endswith(("/", "\\")):
        raise InputError(
            f"{out}: one file for several pictures, or for a folder",
            hint="name a folder; a slash at its end makes any name one",
        )
    if is_file and (out.suffix.lower() in FOREIGN_SUFFIXES or _looks_like_a_file(out)):
        try:
            format_of(out)
        except InputError as error:
            hint = f"{error.hint}; or a slash at its end, for a folder"
            raise InputError(str(error), hint=hint) from error
    return replace(wanted, folder=out)


def _looks_like_a_file(out: Place) -> bool:
    """Whether a name that is not there yet ends as those of files do, as in ``large.xyz``."""
    return LETTERS.fullmatch(out.suffix) is not None and not (
        isinstance(out, Path) and is_there(out)
    )


def check_job(job: Job, naming: Naming) -> None:
    """Refuse before any work what must not, or could not, be written after it.

    Raises:
        InputError: The output is a picture of this run, is there already, or cannot be there.
    """
    if job.is_input:
        raise InputError(
            f"{job.target}: is the input itself, or another of this run",
            hint="choose another OUT, or add --suffix",
        )
    must_be_new = naming.on_exists in {"error", "skip"} and not job.is_own
    if job.target is not None and _is_occupied(job.target, must_be_new) and must_be_new:
        raise exists_already(job.target)


def _is_occupied(target: Place, must_be_new: bool) -> bool:  # noqa: FBT001 - one caller
    """Whether there is something of this name; a store is asked only where it matters."""
    if isinstance(target, RemotePath):
        return must_be_new and is_remote_there(target)
    with os_errors(target, "cannot be written"):
        try:
            target.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False
    return True


def _check_alone(jobs: Sequence[Job], naming: Naming, limits: Limits) -> None:
    """Refuse the only picture of a run, as far as its names and its head tell.

    Raises:
        InputError: It cannot be read, or its output cannot be written.
    """
    if len(jobs) != 1 or jobs[0].is_done:
        return
    (job,) = jobs
    check_job(job, naming)
    if isinstance(job.source.path, Path):
        read_head(job.source.path, limits)
