"""Pictures as the work of a pool: what a worker is told, what it does, and a batch it shares."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

import torch

from sam_diffsr_cli.atomic import remove_leftovers
from sam_diffsr_cli.batch.pipeline import Outcome, run_batch
from sam_diffsr_cli.batch.plan import Job, local_folders
from sam_diffsr_cli.batch.stages import BatchSettings, Making, make_stages
from sam_diffsr_cli.choices import Precision
from sam_diffsr_cli.errors import DiskFullError, SamsrError, WeightsError
from sam_diffsr_cli.upscaling.model import load_upscaler
from sam_diffsr_cli.workers.messages import Done, Task, WorkerPool
from sam_diffsr_cli.workers.pool import Terms, run_pool
from sam_diffsr_cli.workers.worker import portable

__all__ = ["EnlargeConfig", "EnlargeWorker", "config_of", "load_settings", "share_jobs"]

ADVICE = "use a smaller --tile, or fewer workers"
"""Where workers die of a picture, as when memory runs out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EnlargeConfig(Making):
    """How pictures are made, and the model to load for it: what is sent to another process.

    ``weights`` is the model's file, which must still be the one of ``digest``; ``name`` is what
    records call it. ``is_copy`` says that the file goes away once the model is loaded.
    """

    weights: Path
    name: str
    digest: str
    precision: Precision
    is_copy: bool = False

    def start(self, device: torch.device) -> "EnlargeWorker":
        """Load the model.

        Raises:
            WeightsError: As ``load_settings``.
        """
        return EnlargeWorker(load_settings(self, device))

    def pack(self) -> bytes:
        """Return the content of the model's file, which other machines may lack."""
        return self.weights.read_bytes()

    def unpack(self, content: bytes, folder: Path) -> Self:
        """Put the model's file into a folder."""
        path = folder / self.weights.name
        path.write_bytes(content)
        return replace(self, weights=path, is_copy=True)


@dataclass(slots=True)
class EnlargeWorker:
    """Does tasks with a model that is loaded.

    ``late`` are the outcomes of what was still written when it was stopped.
    """

    settings: BatchSettings
    late: list[tuple[int, Outcome]] = field(default_factory=list)

    def do(self, tasks: Sequence[Task[Job]]) -> Generator[tuple[int, Outcome], None, None]:
        """Do tasks in order, reading and writing beside the work.

        Yields:
            The index and the outcome of each.
        """
        stages = make_stages(self.settings, _ignore)
        jobs = [replace(task.item, index=task.index, is_own=_is_own(task)) for task in tasks]
        late: list[Outcome] = []
        try:
            with closing(run_batch(jobs, stages, late)) as outcomes:
                for outcome in outcomes:
                    portable(outcome.error)
                    yield outcome.job.index, outcome
        except DiskFullError:
            # It is the error of the last outcome, which ends the batch.
            return
        finally:
            for outcome in late:
                portable(outcome.error)
                self.late.append((outcome.job.index, outcome))


def _is_own(task: Task[Job]) -> bool:
    """Whether what is there of a task was written for it: by a worker that died after that.

    What was there before the batch began was not.
    """
    return task.item.is_own or (task.is_again and not task.item.is_occupied)


def _ignore(_job: Job, _share: float) -> None:
    """Take no note of the share of a picture that is done."""


def _making(record: Making) -> dict[str, Any]:
    """Return what of a record says how pictures are made."""
    return {each.name: getattr(record, each.name) for each in fields(Making)}


def config_of(settings: BatchSettings) -> EnlargeConfig:
    """Name the model of settings by its file, so that another process can load it."""
    upscaler = settings.upscaler
    assert upscaler.path is not None  # noqa: S101 - a batch's model was loaded from a file
    return EnlargeConfig(
        weights=upscaler.path.resolve(),
        name=upscaler.name,
        digest=upscaler.digest,
        precision=upscaler.precision,
        **_making(settings),
    )


def load_settings(config: EnlargeConfig, device: torch.device) -> BatchSettings:
    """Load the model, and put the settings together again.

    Raises:
        WeightsError: The file is missing, damaged, or has been replaced.
    """
    upscaler = load_upscaler(config.weights, device, config.precision, whole=config.is_copy)
    if upscaler.digest != config.digest:
        raise WeightsError(f"{config.weights}: was replaced while the batch started")
    return BatchSettings(upscaler=replace(upscaler, name=config.name), **_making(config))


def share_jobs(
    jobs: Sequence[Job],
    pool: WorkerPool[Job, Outcome],
    late: list[Outcome] | None = None,
    notify: Callable[[str], None] = lambda _: None,
) -> Generator[Outcome, None, None]:
    """Do every job with a pool, which is closed at the end.

    Args:
        jobs: The plan.
        pool: Who does it.
        late: Filled as by ``run_batch``.
        notify: Told of workers that die.

    Yields:
        The outcome of each job, first of those that are done already, then as they come.

    Raises:
        DiskFullError: No space is left; it is also the error of the last outcome.
        ResourceError: Workers die as they start.
        SamsrError: What a worker refused to start with.
    """
    terms = Terms(name=_name, give_up=_give_up, advice=ADVICE, clean=lambda: _clean(jobs))
    waiting = {index: job for index, job in enumerate(jobs) if not job.is_done}
    left: list[Done[Outcome]] = []
    try:
        with closing(run_pool(waiting, pool, terms, left, notify)) as results:
            for job in jobs:
                if job.is_done:
                    yield Outcome(job, "skipped")
            for done in results:
                yield _outcome(done, jobs)
    finally:
        if late is not None:
            late += [_outcome(done, jobs) for done in left]


def _outcome(done: Done[Outcome], jobs: Sequence[Job]) -> Outcome:
    """Put the plan's own record in the place of the copy that came back."""
    outcome, job = done.result, jobs[done.index]
    if outcome.is_renamed and job.target is not None and outcome.job.target is not None:
        job = replace(job, target=job.target.with_name(outcome.job.target.name))
    outcome.job, outcome.worker = job, done.worker
    return outcome


def _name(job: Job) -> str:
    return job.source.name


def _give_up(job: Job, error: SamsrError) -> Outcome:
    outcome = Outcome(job)
    outcome.fail(error)
    return outcome


def _clean(jobs: Sequence[Job]) -> None:
    """Remove what dead workers left half written."""
    for folder in local_folders(jobs):
        remove_leftovers(folder)
