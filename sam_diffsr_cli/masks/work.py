"""Masks for a folder of photos, from what was asked for to each photo done; it prints nothing."""

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from sam_diffsr_cli.atomic import remove_leftovers
from sam_diffsr_cli.choices import MOST_WORKERS, SamType, SegmenterName
from sam_diffsr_cli.data.known_sets import find_one
from sam_diffsr_cli.device import resolve_device
from sam_diffsr_cli.errors import ConfigError, DiskFullError, InputError, SamsrError
from sam_diffsr_cli.masks.build import (
    BuildStep,
    MaskJob,
    Shard,
    build_masks,
    open_manifest,
    plan_masks,
    write_failures,
)
from sam_diffsr_cli.masks.choice import Choice, SamChoice, load_segmenter
from sam_diffsr_cli.masks.download import CHECKPOINTS, fetch_checkpoint
from sam_diffsr_cli.masks.sam import SamOptions
from sam_diffsr_cli.masks.segmenters import Felzenszwalb
from sam_diffsr_cli.masks.worker import MaskConfig
from sam_diffsr_cli.pictures.records import Limits
from sam_diffsr_cli.strict import allow, conform
from sam_diffsr_cli.workers.messages import WorkDone
from sam_diffsr_cli.workers.plan import worker_devices
from sam_diffsr_cli.workers.pool import Terms, run_pool
from sam_diffsr_cli.workers.processes import LocalPool

__all__ = ["MaskOptions", "MaskPlan", "MaskWatcher", "plan_build", "start_build", "summarise"]

ADVICE = "use fewer workers, or with SAM a smaller --max-side"


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskOptions:
    """What a user may ask of the masks of a folder.

    Attributes:
        data: Folder of photos, or the name of a known set.
        out: Folder for the masks; the tree is mirrored.
        segmenter: ``felzenszwalb`` is a light stand-in without a checkpoint.
        sam: Which SAM; ``custom`` takes its size from ``checkpoint``.
        checkpoint: SAM's file; None fetches the published one once.
        sam_options: How SAM asks and chooses.
        felzenszwalb: How regions grow without SAM.
        shard: This process's part of the photos.
        workers: Processes that share the photos; None is one on each GPU with SAM, else one.
        gpus: ``all``, or numbers with commas.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
    """

    data: Path | str
    out: Path
    segmenter: SegmenterName = "sam"
    sam: SamType = "vit_h"
    checkpoint: Path | None = None
    sam_options: SamOptions = field(default_factory=SamOptions)
    felzenszwalb: Felzenszwalb = field(default_factory=Felzenszwalb)
    shard: Shard = field(default_factory=Shard)
    workers: int | None = None
    gpus: str | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        conform(self)
        good = self.workers is None or 1 <= self.workers <= MOST_WORKERS
        allow(good, "workers", self.workers, f"1 to {MOST_WORKERS}")


@dataclass(frozen=True, slots=True)
class MaskPlan:
    """The photos of this process, those whose masks are not there yet, and a device a worker."""

    options: MaskOptions
    jobs: Sequence[MaskJob]
    waiting: Sequence[MaskJob]
    devices: Sequence[str]


class MaskWatcher:
    """Whom the building of masks tells of its progress; this one takes no note of anything."""

    def fetching(
        self, _name: str, _megabytes: int
    ) -> AbstractContextManager[Callable[[float], None]]:
        """Give what takes the megabytes that are there of a file that is fetched."""
        return nullcontext(lambda _: None)

    def notify(self, text: str) -> None:
        """Take a sentence for the user."""

    def workers_done(self, shares: Sequence[WorkDone], names: Sequence[str]) -> None:
        """Take what was done by which worker and what each runs on, when all of it is done."""


def plan_build(options: MaskOptions) -> MaskPlan:
    """Find the photos of this process's shard, and those that are not done.

    Raises:
        InputError: The options exclude each other, a GPU is not there, or there are no photos.
    """
    data = find_one(str(options.data), None)
    devices = choose_devices(options)
    shard = options.shard
    jobs = plan_masks(data, options.out)[shard.index - 1 :: shard.count]
    waiting = [job for job in jobs if not job.target.exists()]
    return MaskPlan(options, jobs, waiting, devices[: max(1, len(waiting))])


def choose_devices(options: MaskOptions) -> list[str]:
    """Name a device for each worker; empty where this process does the work itself.

    With SAM there is a worker on each GPU when the device is left open; a shard is one process's.

    Raises:
        InputError: The options exclude each other, or a GPU is not there.
    """
    workers, gpus = options.workers, options.gpus
    if options.shard.count > 1:
        if workers is not None or gpus is not None:
            name = "--gpus" if workers is None else "--workers"
            raise InputError(f"{name} and --shard exclude each other")
        return []
    if options.segmenter == "felzenszwalb":
        if gpus is not None:
            raise InputError(
                "--gpus and --segmenter felzenszwalb exclude each other",
                hint="it runs on the processor: --workers N",
            )
        return worker_devices(workers, None, "cpu")
    count = torch.cuda.device_count() if options.device in {"auto", "cuda"} else 0
    if gpus is None and count > 1 and workers != 1:
        return [f"cuda:{number % count}" for number in range(workers or count)]
    return worker_devices(workers, gpus, options.device)


def start_build(
    plan: MaskPlan, watcher: MaskWatcher | None = None
) -> Generator[BuildStep, None, None]:
    """Load the segmenter, or start workers that do; return what builds the masks not there yet.

    Args:
        plan: What is to be done.
        watcher: Told how far it is.

    Returns:
        A generator of a step after each photo, in order, or with workers as they come. What failed
        is written in ``failures.txt`` when it ends or is closed. It raises ``DiskFullError`` when
        no space is left.

    Raises:
        ConfigError: The masks there were made in another way, or the segmenter cannot be imported.
        WeightsError: SAM's checkpoint is missing, damaged, or holds another SAM.
    """
    watcher = watcher or MaskWatcher()
    options, devices = plan.options, plan.devices
    choice = _choose(options, watcher)
    if devices and plan.waiting:
        return _recorded(plan, _share(choice, plan, watcher))
    here = options.device if options.segmenter == "sam" else "cpu"
    segmenter = load_segmenter(choice, resolve_device(devices[0] if devices else here))
    open_manifest(options.out, segmenter.description)
    return _recorded(plan, build_masks(plan.waiting, segmenter, Limits()))


def _choose(options: MaskOptions, watcher: MaskWatcher) -> Choice:
    """Return the segmenter that is to be loaded; SAM's checkpoint is there after it."""
    if options.segmenter == "felzenszwalb":
        # Before the first photo, not at each.
        options.felzenszwalb.check()
        return options.felzenszwalb
    return SamChoice(
        checkpoint=_checkpoint(options, watcher),
        sam_type=options.sam,
        options=options.sam_options,
    )


def _checkpoint(options: MaskOptions, watcher: MaskWatcher) -> Path:
    """Return SAM's checkpoint, fetched if it is not given."""
    if options.checkpoint is not None:
        return options.checkpoint
    if options.sam not in CHECKPOINTS:
        raise ConfigError("--sam custom needs --checkpoint")
    wanted = CHECKPOINTS[options.sam]
    with watcher.fetching(wanted.name, wanted.megabytes) as report:
        return fetch_checkpoint(wanted, report)


def _recorded(
    plan: MaskPlan, steps: Generator[BuildStep, None, None]
) -> Generator[BuildStep, None, None]:
    """Pass the steps on, leave nothing half written, and list the photos that failed."""
    folders = {plan.options.out, *(job.target.parent for job in plan.jobs)}
    place = {job: index for index, job in enumerate(plan.jobs)}
    done: list[BuildStep] = []
    _clear(folders)
    try:
        with closing(steps):
            for step in steps:
                done.append(step)
                yield step
    finally:
        _clear(folders)
        # Workers finish in any order; what is told is in that of the plan.
        done.sort(key=lambda step: place[step.job])
        if done or not plan.waiting:
            write_failures(plan.options.out, plan.options.shard, done)


def _clear(folders: set[Path]) -> None:
    """Remove what was left half written."""
    for folder in folders:
        remove_leftovers(folder)


def _share(
    choice: Choice, plan: MaskPlan, watcher: MaskWatcher
) -> Generator[BuildStep, None, None]:
    """Have workers do the jobs, one on each of the devices or as many as there are jobs."""
    jobs = plan.waiting
    config = MaskConfig(choice=choice, out=plan.options.out, limits=Limits())
    pool = LocalPool(config, plan.devices[: len(jobs)])
    terms = Terms(
        name=lambda job: str(job.photo),
        give_up=_give_up,
        advice=ADVICE,
        clean=lambda: _clear({job.target.parent for job in jobs}),
    )
    shares: list[WorkDone] = []
    items = dict(enumerate(jobs))
    with closing(run_pool(items, pool, terms, notify=watcher.notify)) as results:
        for done in results:
            step = done.result
            failed = step.error is not None
            shares.append(WorkDone(done.worker, step.megapixels, step.seconds, failed))
            # With a full disk comes the error that ends the work.
            if not isinstance(step.error, DiskFullError):
                yield step
    watcher.workers_done(shares, pool.names)


def _give_up(job: MaskJob, error: SamsrError) -> BuildStep:
    return BuildStep(job, error=error)


def summarise(steps: Sequence[BuildStep], count: int, there: int) -> dict[str, Any]:
    """Add up what was done: of ``count`` files, ``there`` were done before."""
    failed = [step for step in steps if step.error is not None]
    return {
        "count": count,
        "already_there": there,
        "failed": [{"photo": str(s.job.photo), "error": str(s.error)} for s in failed],
        "regions": sum(step.regions for step in steps),
        "megapixels": round(sum(step.megapixels for step in steps), 3),
        "seconds": round(sum(step.seconds for step in steps), 3),
    }
