"""What is done to each picture: read it whole, enlarge its frames, write it with its record."""

import contextlib
import io
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from sam_diffsr_cli import __version__
from sam_diffsr_cli.atomic import atomic_path, make_folder
from sam_diffsr_cli.batch.naming import check_job
from sam_diffsr_cli.batch.pipeline import Stages
from sam_diffsr_cli.batch.plan import Job, Naming
from sam_diffsr_cli.batch.remote import Place, RemotePath, fetch, put
from sam_diffsr_cli.errors import InputError, os_errors
from sam_diffsr_cli.pictures.encoders import WriteOptions
from sam_diffsr_cli.pictures.formats import Format, format_kept, format_of
from sam_diffsr_cli.pictures.ledger import resolve_parts
from sam_diffsr_cli.pictures.reading import decode_picture, read_picture
from sam_diffsr_cli.pictures.records import Limits, Picture
from sam_diffsr_cli.pictures.views import without_views
from sam_diffsr_cli.pictures.writing import (
    check_fits,
    encode_picture,
    prepare_metadata,
)
from sam_diffsr_cli.sampling_config import SamplingConfig
from sam_diffsr_cli.upscaling.cleaning import Finding, beyond_training, look_at
from sam_diffsr_cli.upscaling.frames import UpscaleRun, enlarge_frame
from sam_diffsr_cli.upscaling.model import Upscaler
from sam_diffsr_cli.upscaling.passes import final_size

__all__ = ["BatchSettings", "Making", "describe_making", "make_record", "make_stages"]

Report = Callable[[Job, float], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Making:
    """Everything but the model that decides the results of a batch."""

    sampling: SamplingConfig
    scale: float
    naming: Naming
    limits: Limits
    options: WriteOptions


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchSettings(Making):
    """Everything that decides the results of a batch."""

    upscaler: Upscaler


def make_record(settings: BatchSettings, levels: Mapping[str, float] | None = None) -> str:
    """Say in JSON how a picture was made, so that it can be made again.

    ``levels`` is how dirty it was taken for, where the model is told.
    """
    record = _record(settings)
    if levels is not None:
        record["levels"] = dict(levels)
    return json.dumps(record, separators=(",", ":"))


def describe_making(settings: BatchSettings) -> dict[str, Any]:
    """Name everything that decides what is in the outputs."""
    written = settings.naming.format
    options = {"format": None if written is None else written.name, **asdict(settings.options)}
    return _record(settings) | options


def _record(settings: BatchSettings) -> dict[str, Any]:
    upscaler, sampling = settings.upscaler, settings.sampling
    diffusion = upscaler.config.diffusion
    return {
        "tool": f"samsr {__version__}",
        "model": upscaler.name,
        "sha256": upscaler.digest,
        "scale": settings.scale,
        "steps": settings.sampling.steps,
        "sampler": settings.sampling.sampler,
        "seed": settings.sampling.seed,
        "clean": "auto" if sampling.clean is None else sampling.clean,
        "detail": diffusion.detail_of(sampling.start) if sampling.steps else 0,
        "precision": upscaler.precision,
        "device": upscaler.device.type,
    }


def make_stages(settings: BatchSettings, report: Report, standard_input: bytes = b"") -> Stages:
    """Bind the three stages to one batch.

    Args:
        settings: What decides the results.
        report: Receives each job's share done.
        standard_input: Read beforehand, since a thread that waits for it could not be stopped.
    """

    def read(job: Job) -> Picture:
        return _read(job, settings, standard_input)

    def enlarge(job: Job, picture: Picture, notify: Callable[[str], None]) -> Picture:
        return _enlarge(job, picture, settings, (notify, report))

    def write(job: Job, picture: Picture) -> tuple[str, ...]:
        return _write(job, picture, settings, make_record(settings, picture.levels))

    return Stages(read=read, enlarge=enlarge, write=write)


def _read(job: Job, settings: BatchSettings, standard_input: bytes) -> Picture:
    check_job(job, settings.naming)
    if job.source.path is None:
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
    told: tuple[Callable[[str], None], Report],
) -> Picture:
    notify, report = told
    target = _target_format(job, picture, settings.naming)
    picture = without_views(picture, target)
    sizes = [
        final_size((f.pixels.shape[0], f.pixels.shape[1]), settings.scale) for f in picture.frames
    ]
    name = job.source.name if job.target is None else str(job.target)
    check_fits(name, picture, sizes, target, lossless=settings.options.lossless)
    folder = _make_folder(job.target)
    count, frames = len(picture.frames), []
    levels, estimate = _look_at(picture, settings)
    if beyond := beyond_training(levels):
        notify(beyond)
    for index, frame in enumerate(picture.frames):

        def progress(share: float, before: int = index) -> None:
            report(job, (before + share) / count)

        run = UpscaleRun(
            upscaler=settings.upscaler,
            sampling=settings.sampling,
            scale=settings.scale,
            folder=folder,
            levels=levels,
            progress=progress,
            notify=notify,
        )
        pixels = enlarge_frame(run, frame.pixels, picture.metadata.of_page(index).icc)
        frames.append(replace(frame, pixels=pixels))
    parts = () if settings.options.strip_metadata else resolve_parts(picture.parts, target.name)
    return replace(
        picture.with_frames(tuple(frames)),
        parts=parts,
        levels=levels._asdict() if settings.upscaler.config.encoder.num_levels else None,
        estimate=None if estimate is None else estimate._asdict(),
    )


def _look_at(picture: Picture, settings: BatchSettings) -> Finding:
    """Decide how dirty a picture is taken for: by its first frame, the same for all of them."""
    compression = 0.0 if picture.quality is None else (100 - picture.quality) / 100
    return look_at(
        settings.upscaler,
        settings.sampling.clean,
        picture.frames[0].pixels,
        picture.metadata.of_page(0).icc,
        compression,
    )


def _make_folder(target: Place | None) -> Path:
    """Make the folder of an output; where results too large for memory go meanwhile."""
    if not isinstance(target, Path):
        return Path(tempfile.gettempdir())
    make_folder(target.parent)
    return target.parent


def _write(job: Job, picture: Picture, settings: BatchSettings, record: str) -> tuple[str, ...]:
    target = _target_format(job, picture, settings.naming)
    options = settings.options
    metadata, notes = prepare_metadata(picture, target, record, strip=options.strip_metadata)
    with _open_target(job) as temporary, temporary.open("r+b") as file:
        try:
            encode_picture(file, picture, target, metadata, options)
        except InputError as error:
            raise InputError(f"{job.target or job.source.name}: {error}") from error
        if job.target is None:
            file.seek(0)
            _copy_to_stdout(file)
    return notes


def _copy_to_stdout(file: BinaryIO) -> None:
    with os_errors("standard output", "cannot be written"):
        shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()


@contextlib.contextmanager
def _open_target(job: Job) -> Iterator[Path]:
    """Give the file to encode into: beside the output, or on its way to a store or stdout."""
    if isinstance(job.target, Path):
        with atomic_path(job.target) as temporary:
            yield temporary
        return
    with tempfile.TemporaryDirectory(prefix="samsr-") as folder:
        suffix = "" if job.target is None else job.target.suffix
        path = Path(folder) / f"result{suffix}"
        path.touch()
        yield path
        if job.target is not None:
            put(path, job.target)
