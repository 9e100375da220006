"""What a batch is to do: which pictures IN means, what OUT calls their outputs, by which model."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sam_diffsr_cli.batch.manifest import read_past
from sam_diffsr_cli.batch.plan import (
    Estimate,
    Job,
    Naming,
    OnExists,
    Past,
    estimate_work,
    plan_jobs,
)
from sam_diffsr_cli.batch.remote import Place, parse_place
from sam_diffsr_cli.batch.sources import STANDARD, gather_sources, is_folder, is_there
from sam_diffsr_cli.batch.stages import Settings
from sam_diffsr_cli.device import resolve_device, resolve_precision
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures.encoders import WriteOptions
from sam_diffsr_cli.pictures.formats import (
    FOREIGN_SUFFIXES,
    Format,
    format_named,
    format_of,
    is_picture_name,
)
from sam_diffsr_cli.pictures.left_out import LeftOut
from sam_diffsr_cli.pictures.records import Limits
from sam_diffsr_cli.sampling_config import SamplingOptions
from sam_diffsr_cli.upscaling.frames import check_scale
from sam_diffsr_cli.upscaling.model import Upscaler, load_upscaler
from sam_diffsr_cli.upscaling.options import resolve_sampling
from sam_diffsr_cli.upscaling.speed import seconds_per_megapixel
from sam_diffsr_cli.workers.plan import Engine, WorkerPlan, plan_workers

__all__ = ["Batch", "BatchOptions", "expected_seconds", "name_jobs", "plan_batch"]


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchOptions:
    """What a user may ask of a batch of pictures; the defaults are those of ``samsr upscale``.

    Attributes:
        scale: Times as high and wide, 1 to 16; None is the model's own.
        sampling: Quality, steps, sampler, seed and tile.
        image_format: ``png``, ``jpg``, ...; None keeps each picture's own.
        file_quality: Of JPEG, WebP and AVIF, 1 to 100.
        lossless: Exact pixels in WebP.
        strip_metadata: Drop EXIF, ICC, XMP, texts and the record.
        recursive: Enter subfolders; the output folder mirrors them.
        strict: A picture that a folder holds and that is not taken is a failure.
        suffix: Added to the names of outputs.
        on_exists: What to do when an output is there already.
        manifest: File that keeps what is done, to go on from.
        fail_fast: Stop at the first failure.
        max_megapixels: Larger inputs are refused before decoding.
        workers: Processes that share the pictures; None is one.
        gpus: ``all``, or numbers with commas: a process on each.
        engine: Workers on this machine, or on a Ray cluster.
        ray_address: Of the cluster, ``host:port``.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``.
        model: Bundled name, weights file, or a name on the Hub; None is the bundled default.
    """

    scale: float | None = None
    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    image_format: str | None = None
    file_quality: int = 95
    lossless: bool = False
    strip_metadata: bool = False
    recursive: bool = False
    strict: bool = False
    suffix: str = ""
    on_exists: OnExists = "error"
    manifest: Path | None = None
    fail_fast: bool = False
    max_megapixels: float = 200.0
    workers: int | None = None
    gpus: str | None = None
    engine: Engine = "local"
    ray_address: str | None = None
    device: str = "auto"
    precision: str = "auto"
    model: str | Path | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that is planned and whose model is loaded.

    ``workers`` is None to do all of it in this process. ``manifest`` is the file that is kept of
    what is done, and what an earlier run left in it. ``left_out`` is what folders hold and is not
    taken, a failure when ``strict``.
    """

    settings: Settings
    jobs: Sequence[Job]
    estimate: Estimate
    workers: WorkerPlan | None = None
    manifest: tuple[Path, Past] | None = None
    fail_fast: bool = False
    left_out: LeftOut = field(default_factory=LeftOut)
    strict: bool = False

    @property
    def reads_standard_input(self) -> bool:
        """Whether a picture of it comes from standard input."""
        return any(job.source.path is None for job in self.jobs)


def plan_batch(sources: Sequence[str], target: str, options: BatchOptions) -> Batch:
    """Find the pictures, name their outputs, load the model, and count the work.

    Args:
        sources: Pictures, folders, patterns, URLs, ``@LIST``, or ``-`` for standard input.
        target: A folder or its URL; for one picture a file, or ``-``.
        options: What else was asked for.

    Raises:
        InputError: An option or a name cannot be used; nothing was written.
        WeightsError: The model cannot be loaded.
    """
    if options.scale is not None:
        check_scale(options.scale)
    if not math.isfinite(options.max_megapixels):
        raise InputError(f"--max-megapixels {options.max_megapixels}: must be a number")
    written = None if options.image_format is None else format_named(options.image_format)
    kept, left_out = _open_past(options.manifest, target), LeftOut()
    naming, jobs = name_jobs(
        sources,
        target,
        Naming(format=written, suffix=options.suffix, on_exists=options.on_exists),
        None if kept is None else kept[1],
        recursive=options.recursive,
        left_out=left_out,
    )
    workers = plan_workers(
        options.workers, options.gpus, options.device, (options.engine, options.ray_address)
    )
    upscaler = _load(options, workers)
    settings = Settings(
        upscaler=upscaler,
        sampling=resolve_sampling(
            upscaler, options.sampling, 1 if workers is None else workers.sharing
        ),
        scale=float(upscaler.config.scale) if options.scale is None else options.scale,
        naming=naming,
        limits=Limits(max_pixels=int(options.max_megapixels * 1e6)),
        options=WriteOptions(
            quality=options.file_quality,
            lossless=options.lossless,
            strip_metadata=options.strip_metadata,
        ),
    )
    estimate = estimate_work(jobs, settings.scale, settings.limits)
    shared = workers if len(jobs) > 1 else None
    manner = (options.fail_fast, left_out, options.strict)
    return Batch(settings, jobs, estimate, shared, kept, *manner)


def _load(options: BatchOptions, workers: WorkerPlan | None) -> Upscaler:
    first = workers.devices[0] if workers is not None and workers.devices else options.device
    device = resolve_device(first)
    return load_upscaler(options.model, device, resolve_precision(options.precision, device))


def expected_seconds(batch: Batch) -> float:
    """Time the model on a small piece; return about how long all of the batch takes in seconds."""
    settings, estimate = batch.settings, batch.estimate
    side = (1e6 * estimate.megapixels_in / max(1, estimate.pictures)) ** 0.5
    each = seconds_per_megapixel(settings.upscaler, settings.sampling, settings.scale, side)
    return each * estimate.megapixels_out


def _open_past(manifest: Path | None, target: str) -> tuple[Path, Past] | None:
    """Read what an earlier run left in the manifest, if there is to be one."""
    if manifest is None:
        return None
    if target == STANDARD:
        raise InputError("--manifest keeps what is in files", hint="name a folder as OUT")
    return manifest, read_past(manifest)


def name_jobs(  # noqa: PLR0913 - what IN and OUT mean depends on all of it
    sources: Sequence[str],
    target: str,
    wanted: Naming,
    past: Past | None = None,
    *,
    recursive: bool = False,
    left_out: LeftOut | None = None,
) -> tuple[Naming, list[Job]]:
    """Find the pictures and give each its output.

    Args:
        sources: As given.
        target: As given.
        wanted: Format, suffix and what to do with outputs that are there; its place is ``target``.
        past: What an earlier run left.
        recursive: Enter folders' folders.
        left_out: Takes note of what folders hold and is not taken.

    Raises:
        InputError: There is no picture, or their outputs cannot have such names.
    """
    out = parse_place(target)
    found = gather_sources(sources, recursive=recursive, leave_out=out, left_out=left_out)
    # A folder given as IN means a folder as OUT, whatever it is called.
    single = len(found) == 1 and not any(
        name != STANDARD and is_folder(parse_place(name)) for name in sources
    )
    naming = _place(target, out, wanted, single=single)
    if isinstance(naming.folder, Path) and is_there(naming.folder) and not is_folder(out):
        raise InputError(f"{out}: cannot be a folder (it is a file)")
    return naming, plan_jobs(found, naming, past)


def _place(target: str, out: Place, wanted: Naming, *, single: bool) -> Naming:
    """Decide whether OUT is standard output, one file, or a folder."""
    written: Format | None = wanted.format
    if "/" in wanted.suffix or "\\" in wanted.suffix:
        raise InputError(f"--suffix {wanted.suffix}: must not hold a slash")
    if target == STANDARD:
        return wanted
    is_file = single and not is_folder(out) and not target.endswith(("/", "\\"))
    if is_file and is_picture_name(out):
        if written is not None and format_of(out) is not written:
            raise InputError(f"{out}: is not --format {written.name.lower()}", hint="drop one")
        return replace(wanted, file=out)
    if is_picture_name(out) and not is_folder(out) and not target.endswith(("/", "\\")):
        raise InputError(
            f"{out}: one file for several pictures, or for a folder",
            hint="name a folder; a slash at its end makes any name one",
        )
    if is_file and out.suffix.lower() in FOREIGN_SUFFIXES:
        format_of(out)
    return replace(wanted, folder=out)
