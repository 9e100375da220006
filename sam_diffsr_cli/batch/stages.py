"""What is done to each picture: read it whole, enlarge its frames, write it with its record."""

import io
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sam_diffsr_cli import __version__
from sam_diffsr_cli.atomic import make_folder
from sam_diffsr_cli.batch.naming import check_job
from sam_diffsr_cli.batch.outputs import copy_times, open_output
from sam_diffsr_cli.batch.pipeline import Stages, Written
from sam_diffsr_cli.batch.plan import Job, Naming
from sam_diffsr_cli.batch.remote import Place, RemotePath, fetch
from sam_diffsr_cli.degradation.levels import CLEAN, compression_of
from sam_diffsr_cli.errors import ExistsError, InputError
from sam_diffsr_cli.pictures.change import Cut
from sam_diffsr_cli.pictures.encoders import WriteOptions
from sam_diffsr_cli.pictures.formats import Format, format_kept, format_of
from sam_diffsr_cli.pictures.ledger import resolve_parts
from sam_diffsr_cli.pictures.reading import decode_picture, read_picture
from sam_diffsr_cli.pictures.records import Limits, Made, Picture
from sam_diffsr_cli.pictures.views import without_views
from sam_diffsr_cli.pictures.writing import (
    check_fits,
    encode_picture,
    prepare_metadata,
)
from sam_diffsr_cli.sampling_config import MOST_DETAIL, SamplingConfig
from sam_diffsr_cli.upscaling.cleaning import Finding, beyond_training, look_at
from sam_diffsr_cli.upscaling.frames import UpscaleRun, enlarge_frame
from sam_diffsr_cli.upscaling.model import Upscaler
from sam_diffsr_cli.upscaling.sizes import Size

__all__ = ["BatchSettings", "Making", "describe_making", "make_record", "make_stages"]

Report = Callable[[Job, float], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Making:
    """Everything but the model that decides the results of a batch."""

    sampling: SamplingConfig
    size: Size
    naming: Naming
    limits: Limits
    options: WriteOptions
    preserve_times: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchSettings(Making):
    """Everything that decides the results of a batch."""

    upscaler: Upscaler


def make_record(
    settings: BatchSettings, levels: Mapping[str, float] | None = None, factor: float | None = None
) -> str:
    """Say in JSON how a picture was made, so that it can be made again.

    ``levels`` is how dirty it was taken for, where the model is told; ``factor`` how many times as
    high and wide it has become.
    """
    record = _record(settings, is_clean=not any((levels or {}).values()))
    if factor is not None:
        record["scale"] = round(factor, 6)
    if levels is not None:
        record["levels"] = dict(levels)
    return json.dumps(record, separators=(",", ":"))


def describe_making(settings: BatchSettings) -> dict[str, Any]:
    """Name everything that decides what is in the outputs."""
    written = settings.naming.format
    options = {"format": None if written is None else written.name, **asdict(settings.options)}
    if options["dpi"] is None:
        # So that what an earlier version began can be gone on with.
        del options["dpi"]
    for name, usual in (("subsampling", "444"), ("progressive", False)):
        if options[name] == usual:
            del options[name]
    if settings.naming.suffix:
        options["suffix"] = settings.naming.suffix
    if settings.sampling.dirty_start or settings.sampling.dirty_share:
        options["dirty_detail"] = _detail(settings, is_clean=False)
    return _record(settings, is_clean=True) | options


def _record(settings: BatchSettings, *, is_clean: bool) -> dict[str, Any]:
    upscaler, sampling = settings.upscaler, settings.sampling
    return {
        "tool": f"samsr {__version__}",
        "model": upscaler.name,
        "sha256": upscaler.digest,
        "scale": settings.size.scale,
        **({} if settings.size.scale is not None else {"size": settings.size.text}),
        "steps": settings.sampling.steps,
        "sampler": settings.sampling.sampler,
        "seed": settings.sampling.seed,
        "clean": "auto" if sampling.clean is None else sampling.clean,
        "detail": _detail(settings, is_clean=is_clean),
        "precision": upscaler.precision,
        "device": upscaler.device.type,
        **({"ensemble": sampling.ensemble} if sampling.ensemble > 1 else {}),
        **({"wrap": True} if sampling.wrap else {}),
    }


def _detail(settings: BatchSettings, *, is_clean: bool) -> int:
    """Return what ``--detail`` would have to be for what a photo gets."""
    diffusion, sampling = settings.upscaler.config.diffusion, settings.sampling
    if not sampling.steps:
        return 0
    if diffusion.turns_share(sampling.sampler):
        return round(MOST_DETAIL * sampling.share_for(is_clean=is_clean))
    return diffusion.detail_of(sampling.start_for(is_clean=is_clean))


def make_stages(settings: BatchSettings, report: Report, standard_input: bytes = b"") -> Stages:
    """Bind the three stages to one batch.

    Args:
        settings: What decides the results.
        report: Receives each job's share done.
        standard_input: Read beforehand, since a thread that waits for it could not be stopped.
    """

    def read(job: Job) -> Picture | None:
        return _read(job, settings, standard_input)

    def enlarge(job: Job, picture: Picture, notify: Callable[[str], None]) -> Picture | None:
        return _enlarge(job, picture, settings, notify, report)

    def write(job: Job, picture: Picture) -> Written:
        record = make_record(settings, picture.levels, picture.made[0].factor)
        return _write(job, picture, settings, record)

    return Stages(read=read, enlarge=enlarge, write=write)


def _read(job: Job, settings: BatchSettings, standard_input: bytes) -> Picture | None:
    try:
        check_job(job, settings.naming)
    except ExistsError:
        if settings.naming.on_exists != "skip":
            raise
        # Another run has written it since this one was planned.
        return None
    if job.source.path is None:
        if not standard_input:
            raise InputError(
                "standard input: is empty", hint="as in: cat cat.jpg | samsr upscale - -"
            )
        return decode_picture(io.BytesIO(standard_input), "standard input", settings.limits)
    if isinstance(job.source.path, RemotePath):
        with fetch(job.source.path) as path, path.open("rb") as file:
            return decode_picture(file, job.source.name, settings.limits)
    return read_picture(job.source.path, settings.limits)


def _target_format(job: Job, picture: Picture, naming: Naming) -> Format:
    if job.target is not None:
        return format_of(job.target)
    return naming.format or format_kept(picture.format)


def _enlarge(
    job: Job,
    picture: Picture,
    settings: BatchSettings,
    notify: Callable[[str], None],
    report: Report,
) -> Picture | None:
    target = _target_format(job, picture, settings.naming)
    picture = without_views(picture, target)
    targets = [
        settings.size.resolve((f.pixels.shape[0], f.pixels.shape[1])) for f in picture.frames
    ]
    if settings.size.is_left_out(targets[0]):
        return None
    for text in settings.size.notes(targets[0]):
        notify(text)
    sizes = [each.size for each in targets]
    name = job.source.name if job.target is None else str(job.target)
    check_fits(name, picture, sizes, target, lossless=settings.options.lossless)
    folder = _make_folder(job.target)
    count, frames = len(picture.frames), []
    levels, estimate = _look_at(picture, settings, notify, grows=targets[0].factor >= 1)
    for index, frame in enumerate(picture.frames):

        def progress(share: float, before: int = index) -> None:
            report(job, (before + share) / count)

        run = UpscaleRun(
            upscaler=settings.upscaler,
            sampling=settings.sampling,
            size=settings.size,
            folder=folder,
            levels=levels,
            progress=progress,
            notify=notify,
        )
        pixels = enlarge_frame(run, frame.pixels, picture.metadata.of_page(index).icc)
        frames.append(replace(frame, pixels=pixels))
    parts = () if settings.options.strip_metadata else resolve_parts(picture.parts, target.name)
    found = levels._asdict() if settings.upscaler.config.encoder.num_levels else None
    made = tuple(
        Made(each.before, Cut(*each.kept) if each.is_cut else None, each.factor) for each in targets
    )
    whole = replace(picture, estimate=None if estimate is None else estimate._asdict())
    return replace(whole.with_frames(tuple(frames)), parts=parts, levels=found, made=made)


def _look_at(
    picture: Picture, settings: BatchSettings, notify: Callable[[str], None], *, grows: bool
) -> Finding:
    """Decide how dirty a picture is taken for: by its first frame, the same for all of them."""
    if not grows:
        return Finding(CLEAN, None)
    found = look_at(
        settings.upscaler,
        settings.sampling.clean,
        picture.frames[0].pixels,
        picture.metadata.of_page(0).icc,
        compression_of(picture.quality),
    )
    if beyond := beyond_training(found.levels):
        notify(beyond)
    return found


def _make_folder(target: Place | None) -> Path:
    """Make the folder of an output; where results too large for memory go meanwhile."""
    if not isinstance(target, Path):
        return Path(tempfile.gettempdir())
    make_folder(target.parent)
    return target.parent


def _write(job: Job, picture: Picture, settings: BatchSettings, record: str) -> Written:
    target = _target_format(job, picture, settings.naming)
    options = settings.options
    metadata, notes = prepare_metadata(
        picture, target, record, strip=options.strip_metadata, dpi=options.dpi
    )
    try:
        with open_output(job, settings.naming.on_exists) as output:
            with output.path.open("r+b") as file, _named(job):
                encode_picture(file, picture, target, metadata, options)
            if settings.preserve_times:
                notes = (*notes, *_keep_times(job, output.path))
    except ExistsError:
        if settings.naming.on_exists != "skip":
            raise
        return Written((), job.target, is_skipped=True)
    return Written(notes, output.target)


def _keep_times(job: Job, path: Path) -> tuple[str, ...]:
    """Give a result the times of its input; return a note where it cannot have them."""
    if not isinstance(job.target, Path):
        return ("its times were not kept: only files on disk have any",)
    if not copy_times(job.source.path, path):
        return ("its times are not known, and were not kept",)
    return ()


@contextmanager
def _named(job: Job) -> Iterator[None]:
    """Say of an error which output it is about."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{job.target or job.source.name}: {error}") from error
