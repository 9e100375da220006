"""``samsr upscale``: from photos to larger, sharper photos."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sam_diffsr_cli.cli.console import Reporter
    from sam_diffsr_cli.config import SamplingConfig
    from sam_diffsr_cli.upscale import Upscaler

__all__ = ["upscale"]

FOREIGN_SUFFIXES = (".avif", ".bmp", ".gif", ".heic", ".jxl", ".tif", ".tiff")
"""An OUT that ends so is meant to be a picture, not a folder."""


def upscale(  # noqa: PLR0913, PLR0917 - one parameter per option
    source: Annotated[Path, typer.Argument(metavar="IN", help="A picture, or a folder of them.")],
    target: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", help="A folder; for one picture also a .png, .jpg or .webp file."
        ),
    ],
    scale: Annotated[
        int | None,
        typer.Option(help="Times as high and wide.", show_default="the model's"),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Diffusion steps; 0 is the fast, smooth answer.",
            show_default="the model's",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Same seed, same picture.", show_default="0")
    ] = None,
    tile: Annotated[
        int | None,
        typer.Option(
            min=0, help="Side of a tile in input pixels; 0: no tiles.", show_default="256"
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    weights: Annotated[
        Path | None, typer.Option(help="Weights file in place of the bundled one.")
    ] = None,
    overwrite: Annotated[  # noqa: FBT002
        bool, typer.Option("--overwrite", help="Replace pictures that are already there.")
    ] = False,
) -> None:
    """Enlarge a picture, or every picture in a folder.

    Example: samsr upscale photos/ larger/ --scale 4
    """
    from sam_diffsr_cli.config import SamplingConfig
    from sam_diffsr_cli.device import resolve_device
    from sam_diffsr_cli.errors import ConfigError, InputError
    from sam_diffsr_cli.upscale import check_steps, load_upscaler

    jobs = _plan(source, target)
    upscaler = load_upscaler(weights, resolve_device(device))
    if scale not in (None, upscaler.config.scale):
        raise InputError(f"--scale {scale}: this model enlarges by {upscaler.config.scale}")
    given = {"seed": seed, "tile": tile}
    try:
        sampling = SamplingConfig(
            steps=upscaler.config.diffusion.sampling_steps if steps is None else steps,
            **{name: value for name, value in given.items() if value is not None},
        )
    except ConfigError as error:
        raise InputError(f"--{error}") from error
    check_steps(upscaler.config, sampling.steps)
    _run_batch(upscaler, jobs, sampling, overwrite=overwrite)


@dataclass(frozen=True, slots=True)
class _Job:
    source: Path
    target: Path


def _plan(source: Path, target: Path) -> list[_Job]:
    """Pair each picture with the file it becomes, and make the output folder."""
    from sam_diffsr_cli.data.images import SUFFIXES, find_photos
    from sam_diffsr_cli.errors import InputError

    if not source.exists():
        raise InputError(f"{source}: no such file or folder")
    sources = find_photos(source) if source.is_dir() else [source]
    if not sources:
        raise InputError(f"{source}: no pictures in this folder", hint="PNG, JPEG or WebP")
    if source.is_file() and not target.is_dir() and target.suffix.lower() in FOREIGN_SUFFIXES:
        raise InputError(f"{target}: unknown format", hint=f"use one of {', '.join(SUFFIXES)}")
    is_file = source.is_file() and target.suffix.lower() in SUFFIXES and not target.is_dir()
    folder = target.parent if is_file else target
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be a folder ({error.strerror})") from error
    if is_file:
        return [_Job(source, target)]
    return [_Job(path, target / path.name) for path in sources]


def _run_batch(
    upscaler: "Upscaler", jobs: "Sequence[_Job]", sampling: "SamplingConfig", *, overwrite: bool
) -> None:
    """Do every job; one that fails is told and does not stop the others."""
    from sam_diffsr_cli.cli.console import print_error, progress
    from sam_diffsr_cli.errors import PartialFailure, SamsrError

    failed = 0
    with progress("upscale", len(jobs)) as report:
        for index, job in enumerate(jobs):
            try:
                _run_job(upscaler, job, sampling, (report, index), overwrite=overwrite)
            except SamsrError as error:
                if len(jobs) == 1:
                    raise
                failed += 1
                print_error(str(error), error.hint)
            report(index + 1)
    if failed:
        done = "the others are done" if failed < len(jobs) else "none is done"
        raise PartialFailure(f"{failed} of {len(jobs)} pictures failed; {done}")


def _run_job(
    upscaler: "Upscaler",
    job: _Job,
    sampling: "SamplingConfig",
    progress: "tuple[Reporter, int]",
    *,
    overwrite: bool,
) -> None:
    from sam_diffsr_cli.data.images import check_format, read_photo, write_photo
    from sam_diffsr_cli.errors import InputError
    from sam_diffsr_cli.upscale import upscale_photo

    report, index = progress
    if job.target.exists():
        if job.target.samefile(job.source):
            raise InputError(f"{job.target}: is the input itself", hint="choose another OUT")
        if not overwrite:
            raise InputError(f"{job.target}: exists already", hint="add --overwrite to replace it")
    photo = read_photo(job.source)
    check_format(job.target, photo, upscaler.config.scale)
    enlarged = upscale_photo(
        upscaler, photo, sampling, lambda share: report(index + share, job.source.name)
    )
    write_photo(job.target, enlarged)
    typer.echo(str(job.target))
