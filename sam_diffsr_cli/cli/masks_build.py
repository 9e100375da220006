"""How ``samsr masks build`` runs: one process or several, progress, and the summary."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sam_diffsr_cli.masks.build import BuildStep, MaskJob, Shard
    from sam_diffsr_cli.masks.sam import SamOptions, SamType
    from sam_diffsr_cli.masks.segmenters import Felzenszwalb, Segmenter

__all__ = ["BuildRequest", "finish", "run_build"]


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
    device: str
    as_json: bool


def run_build(request: BuildRequest) -> None:
    """Build the masks of this process's shard, or have several processes do it.

    Raises:
        PartialFailure: Some photos have no masks now.
    """
    from sam_diffsr_cli.masks.build import plan_masks

    jobs = plan_masks(request.data, request.out)
    workers = _count_workers(request)
    if workers > 1:
        there = sum(job.target.exists() for job in jobs)
        _report_workers(request, jobs, there, _run_workers(request, workers))
        return
    mine = jobs[request.shard.index - 1 :: request.shard.count]
    segmenter = _load_segmenter(request)
    _build(request, mine, segmenter)


def _count_workers(request: BuildRequest) -> int:
    """One process per GPU when the device is left open, else one; a shard is one by itself."""
    from sam_diffsr_cli.errors import InputError

    if request.shard.count > 1:
        if request.workers is not None:
            raise InputError("--workers and --shard exclude each other")
        return 1
    if request.workers is not None:
        return request.workers
    if request.segmenter is not None or request.device not in {"auto", "cuda"}:
        return 1
    import torch

    return max(1, torch.cuda.device_count())


def _load_segmenter(request: BuildRequest) -> "Segmenter":
    from sam_diffsr_cli.device import resolve_device
    from sam_diffsr_cli.masks.sam import SamSegmenter, load_sam

    if request.segmenter is not None:
        return request.segmenter
    path = _checkpoint(request)
    model, digest = load_sam(path, request.sam, resolve_device(request.device))
    return SamSegmenter(model=model, sam_type=request.sam, digest=digest, options=request.options)


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


def _build(request: BuildRequest, jobs: "Sequence[MaskJob]", segmenter: "Segmenter") -> None:
    """Do what is not done, with the time to go."""
    from sam_diffsr_cli.atomic import remove_leftovers
    from sam_diffsr_cli.cli.console import note, print_error, progress
    from sam_diffsr_cli.masks.build import build_masks, open_manifest, write_failures
    from sam_diffsr_cli.pictures.records import Limits

    open_manifest(request.out, segmenter.description)
    for folder in {request.out, *(job.target.parent for job in jobs)}:
        remove_leftovers(folder)
    waiting = [job for job in jobs if not job.target.exists()]
    there = len(jobs) - len(waiting)
    note(f"{len(waiting)} photos to segment, {there} are there already")
    steps: list[BuildStep] = []
    try:
        with progress("masks", len(waiting)) as report:
            for step in build_masks(waiting, segmenter, Limits()):
                steps.append(step)
                if step.error is not None:
                    print_error(str(step.error), step.error.hint)
                report(len(steps), step.job.photo.name)
    finally:
        write_failures(request.out, request.shard, steps)
    finish(steps, len(jobs), there, "photos", as_json=request.as_json)


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


def _run_workers(request: BuildRequest, workers: int) -> list[dict[str, Any]]:
    """Run one process a shard, on a GPU each where there are GPUs; wait for all of them.

    Returns:
        The document of each that came to its end.
    """
    import json

    import torch

    if request.segmenter is None:
        # Once, before the workers would all fetch it.
        _checkpoint(request)
    gpus = torch.cuda.device_count() if request.device in {"auto", "cuda"} else 0
    arguments = [a for a in sys.argv[1:] if not a.startswith("--workers=")]
    if "--workers" in arguments:
        place = arguments.index("--workers")
        del arguments[place : place + 2]
    running = []
    for index in range(workers):
        own = ["--shard", f"{index + 1}/{workers}", "--json"]
        own += ["--device", f"cuda:{index % gpus}"] if gpus else []
        command = [sys.executable, "-m", "sam_diffsr_cli", *arguments, *own]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE))  # noqa: S603 - ourselves
    try:
        printed = [process.communicate()[0] for process in running]
    finally:
        for process in running:
            process.terminate()
    return [json.loads(text) for text in printed if text]


def _report_workers(
    request: BuildRequest, jobs: "Sequence[MaskJob]", there: int, documents: list[dict[str, Any]]
) -> None:
    """Tell what the processes did together; what stopped one at its start stops this one."""
    import json

    for document in documents:
        if "error" in document:
            if request.as_json:
                typer.echo(json.dumps(document, indent=2))
            # It has told people already.
            raise typer.Exit(document["exit_code"])
    failed = [entry for document in documents for entry in document["failed"]]
    told = {entry["photo"] for entry in failed}
    lost = [str(job.photo) for job in jobs if not job.target.exists()]
    failed += [{"photo": p, "error": "its process ended early"} for p in lost if p not in told]
    _write_failures(request, failed)
    keys = ("regions", "megapixels", "seconds")
    sums = {key: round(sum(document[key] for document in documents), 3) for key in keys}
    summary = {"samsr": 1, "count": len(jobs), "already_there": there, "failed": failed, **sums}
    _tell(summary, "photos", as_json=request.as_json)


def _write_failures(request: BuildRequest, failed: list[dict[str, Any]]) -> None:
    """Write one list of failures in the place of those of the processes."""
    from sam_diffsr_cli.errors import SamsrError
    from sam_diffsr_cli.masks.build import BuildStep, MaskJob, Shard, write_failures

    steps = [
        BuildStep(MaskJob(Path(entry["photo"]), Path()), error=SamsrError(entry["error"]))
        for entry in failed
    ]
    write_failures(request.out, Shard(), steps)
