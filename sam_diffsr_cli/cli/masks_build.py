"""How ``samsr masks build`` runs: in this process or by workers, progress, and the summary."""

import signal
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from sam_diffsr_cli.batch.pipeline import Outcome
    from sam_diffsr_cli.masks.build import BuildStep, MaskJob, Shard
    from sam_diffsr_cli.masks.choice import Choice
    from sam_diffsr_cli.masks.sam import SamOptions, SamType
    from sam_diffsr_cli.masks.segmenters import Felzenszwalb

__all__ = ["BuildRequest", "finish", "run_build"]

ADVICE = "use fewer workers, or with SAM a smaller --max-side"


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildRequest:
    """What was asked for; ``segmenter`` is None for SAM, which is loaded later."""

    data: Path
    out: Path
    segmenter: "Felzenszwalb | None"
    sam: "SamType"
    checkpoint: Path | None
    options: "SamOptions"
    shard: "Shard"
    workers: int | None
    gpus: str | None
    device: str
    as_json: bool


def run_build(request: BuildRequest) -> None:
    """Build the masks of this process's shard that are not there yet.

    Raises:
        PartialFailure: Some photos have no masks now.
    """
    from sam_diffsr_cli.masks.build import plan_masks

    devices = _devices(request)
    jobs = plan_masks(request.data, request.out)[request.shard.index - 1 :: request.shard.count]
    waiting = [job for job in jobs if not job.target.exists()]
    choice = _choose(request)
    if devices and waiting:
        steps = _share(choice, request.out, waiting, devices)
    else:
        here = request.device if request.segmenter is None else "cpu"
        steps = _do_here(choice, request.out, waiting, devices[0] if devices else here)
    _follow(request, jobs, waiting, steps)


def _devices(request: BuildRequest) -> list[str]:
    """Name a device for each worker; empty where this process does the work itself.

    With SAM there is a worker on each GPU when the device is left open; a shard is one process's.

    Raises:
        InputError: The options exclude each other, or a GPU is not there.
    """
    import torch

    from sam_diffsr_cli.cli.workers import worker_devices
    from sam_diffsr_cli.errors import InputError

    workers, gpus = request.workers, request.gpus
    if request.shard.count > 1:
        if workers is not None or gpus is not None:
            name = "--gpus" if workers is None else "--workers"
            raise InputError(f"{name} and --shard exclude each other")
        return []
    if request.segmenter is not None:
        if gpus is not None:
            raise InputError(
                "--gpus and --segmenter felzenszwalb exclude each other",
                hint="it runs on the processor: --workers N",
            )
        return worker_devices(workers, None, "cpu")
    count = torch.cuda.device_count() if request.device in {"auto", "cuda"} else 0
    if gpus is None and count > 1 and workers != 1:
        return [f"cuda:{number % count}" for number in range(workers or count)]
    return worker_devices(workers, gpus, request.device)


def _choose(request: BuildRequest) -> "Choice":
    """Return the segmenter that is to be loaded; SAM's checkpoint is there after it."""
    from sam_diffsr_cli.masks.choice import SamChoice

    if request.segmenter is not None:
        return request.segmenter
    return SamChoice(checkpoint=_checkpoint(request), sam_type=request.sam, options=request.options)


def _checkpoint(request: BuildRequest) -> Path:
    """Return SAM's checkpoint, fetched if it is not given."""
    from sam_diffsr_cli.cli.console import progress
    from sam_diffsr_cli.errors import ConfigError
    from sam_diffsr_cli.masks.download import CHECKPOINTS, fetch_checkpoint

    if request.checkpoint is not None:
        return request.checkpoint
    if request.sam not in CHECKPOINTS:
        raise ConfigError("--sam custom needs --checkpoint")
    wanted = CHECKPOINTS[request.sam]
    with progress(f"fetch {wanted.name}", wanted.megabytes) as report:
        return fetch_checkpoint(wanted, lambda done: report(done, f"{done:.0f} MB"))


def _do_here(
    choice: "Choice", out: Path, jobs: "Sequence[MaskJob]", device: str
) -> "Generator[BuildStep, None, None]":
    """Load the segmenter, and return the steps of this process."""
    from sam_diffsr_cli.device import resolve_device
    from sam_diffsr_cli.masks.build import build_masks, open_manifest
    from sam_diffsr_cli.masks.choice import load_segmenter
    from sam_diffsr_cli.pictures.records import Limits

    segmenter = load_segmenter(choice, resolve_device(device))
    open_manifest(out, segmenter.description)
    return build_masks(jobs, segmenter, Limits())


def _share(
    choice: "Choice", out: Path, jobs: "Sequence[MaskJob]", devices: "Sequence[str]"
) -> "Generator[BuildStep, None, None]":
    """Have workers do the jobs, one on each of the devices or as many as there are jobs."""
    from sam_diffsr_cli.batch.crew import run_crew
    from sam_diffsr_cli.batch.orders import MaskOrder
    from sam_diffsr_cli.batch.plan import Job
    from sam_diffsr_cli.batch.processes import LocalCrew
    from sam_diffsr_cli.batch.sources import Source
    from sam_diffsr_cli.cli.console import note
    from sam_diffsr_cli.cli.workers import tell_workers
    from sam_diffsr_cli.errors import DiskFullError
    from sam_diffsr_cli.pictures.records import Limits

    tasks = [Job(Source(job.photo, Path(job.photo.name)), job.target) for job in jobs]
    mask_jobs = dict(zip(map(id, tasks), jobs, strict=True))
    crew = LocalCrew(MaskOrder(choice=choice, out=out, limits=Limits()), devices[: len(jobs)])
    seen: list[Outcome] = []
    with closing(run_crew(tasks, crew, notify=note, advice=ADVICE)) as outcomes:
        for outcome in outcomes:
            seen.append(outcome)
            # With a full disk comes the error that ends the work.
            if not isinstance(outcome.error, DiskFullError):
                yield _step(outcome, mask_jobs[id(outcome.job)])
    for line in tell_workers(seen, crew.names):
        note(line)


def _step(outcome: "Outcome", job: "MaskJob") -> "BuildStep":
    from sam_diffsr_cli.batch.worker import MaskOutcome
    from sam_diffsr_cli.masks.build import BuildStep

    # What was given up has no regions.
    regions = outcome.regions if isinstance(outcome, MaskOutcome) else 0
    return BuildStep(job, regions, outcome.size_out, outcome.enlarge_s, outcome.error)


def _follow(
    request: BuildRequest,
    jobs: "Sequence[MaskJob]",
    waiting: "Sequence[MaskJob]",
    steps: "Generator[BuildStep, None, None]",
) -> None:
    """Show the steps as they come, with the time to go, and tell what was done."""
    from sam_diffsr_cli.cli.console import note, print_error, progress
    from sam_diffsr_cli.masks.build import write_failures

    folders = {request.out, *(job.target.parent for job in jobs)}
    there = len(jobs) - len(waiting)
    _clear(folders)
    note(f"{len(waiting)} photos to segment, {there} are there already")
    done: list[BuildStep] = []
    place = {job: index for index, job in enumerate(jobs)}
    try:
        with _terminable(), progress("masks", len(waiting)) as report, closing(steps):
            for step in steps:
                done.append(step)
                if step.error is not None:
                    print_error(str(step.error), step.error.hint)
                report(len(done), step.job.photo.name)
    finally:
        _clear(folders)
        # Workers finish in any order; what is told is in that of the plan.
        done.sort(key=lambda step: place[step.job])
        if done or not waiting:
            write_failures(request.out, request.shard, done)
    finish(done, len(jobs), there, "photos", as_json=request.as_json)


def _clear(folders: "Iterable[Path]") -> None:
    """Remove what was left half written."""
    from sam_diffsr_cli.atomic import remove_leftovers

    for folder in folders:
        remove_leftovers(folder)


@contextmanager
def _terminable() -> "Iterator[None]":
    """Let SIGTERM stop the work as Ctrl-C does: workers end, and nothing is left half written."""

    def stop(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def finish(
    steps: "Sequence[BuildStep]", count: int, there: int, noun: str, *, as_json: bool = False
) -> None:
    """Tell what was done.

    Raises:
        PartialFailure: Some failed.
        typer.Exit: With ``as_json``, the same exit code.
    """
    failed = [step for step in steps if step.error is not None]
    summary = {
        "samsr": 1,
        "count": count,
        "already_there": there,
        "failed": [{"photo": str(s.job.photo), "error": str(s.error)} for s in failed],
        "regions": sum(step.regions for step in steps),
        "megapixels": round(sum(step.megapixels for step in steps), 3),
        "seconds": round(sum(step.seconds for step in steps), 3),
    }
    _tell(summary, noun, as_json=as_json)


def _tell(summary: dict[str, Any], noun: str, *, as_json: bool) -> None:
    import json

    from sam_diffsr_cli.cli.console import note, print_error
    from sam_diffsr_cli.errors import PartialFailure

    count, failed, megapixels = summary["count"], len(summary["failed"]), summary["megapixels"]
    if as_json:
        typer.echo(json.dumps(summary, indent=2))
    speed = f", {summary['seconds'] / megapixels:.2f} s per megapixel" if megapixels else ""
    done = count - summary["already_there"] - failed
    note(f"{done} {noun} done, {summary['regions']} regions{speed}")
    if failed:
        failure = PartialFailure(f"{failed} of {count} {noun} failed; the others are done")
        if not as_json:
            raise failure
        # The document is out; raised, the error would be a second one.
        print_error(str(failure))
        raise typer.Exit(failure.exit_code)
