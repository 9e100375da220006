"""A planned batch, done: here or by workers, what becomes of each picture as it comes."""

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from itertools import accumulate

from sam_diffsr_cli.atomic import remove_leftovers
from sam_diffsr_cli.batch.manifest import Manifest
from sam_diffsr_cli.batch.naming import check_job
from sam_diffsr_cli.batch.pipeline import Outcome, run_batch
from sam_diffsr_cli.batch.plan import Job, local_folders
from sam_diffsr_cli.batch.request import BatchPlan
from sam_diffsr_cli.batch.stages import describe_making, make_stages
from sam_diffsr_cli.batch.work import config_of, share_jobs
from sam_diffsr_cli.errors import DiskFullError, InputError
from sam_diffsr_cli.workers.messages import WorkDone, WorkerPool
from sam_diffsr_cli.workers.plan import WorkerPlan
from sam_diffsr_cli.workers.processes import LocalPool

__all__ = ["Watcher", "preview", "run"]


class Watcher:
    """Whom a batch tells of its progress; this one takes no note of anything."""

    def progress(self, done: float, share: float, name: str) -> None:
        """Take how much is done, in megapixels of output, and the share of a picture in (0, 1]."""

    def notify(self, text: str) -> None:
        """Take a sentence for the user."""

    def workers_done(self, shares: Sequence[WorkDone], names: Sequence[str]) -> None:
        """Take what was done by which worker and what each runs on, when all of it is done."""


def preview(batch: BatchPlan) -> list[Outcome]:
    """Say of every picture what would become of it, and do nothing."""
    outcomes = [Outcome(job, "skipped" if job.is_done else "planned") for job in batch.jobs]
    for outcome in outcomes:
        try:
            if not outcome.job.is_done:
                check_job(outcome.job, batch.settings.naming)
        except InputError as error:
            outcome.fail(error)
    for index, problem in batch.estimate.problems:
        outcomes[index].fail(problem)
    for index, target in batch.estimate.targets.items():
        outcome = outcomes[index]
        outcome.size_in = target.before
        if batch.settings.size.is_left_out(target) and outcome.status == "planned":
            outcome.status = "left_out"
        elif outcome.error is None:
            outcome.size_out = target.size
            outcome.notes += batch.settings.size.notes(target)
    return outcomes


def run(
    batch: BatchPlan,
    watcher: Watcher | None = None,
    late: list[Outcome] | None = None,
    standard_input: bytes = b"",
) -> Generator[Outcome, None, None]:
    """Do all of a batch, keeping its manifest.

    Args:
        batch: The plan.
        watcher: Told how far it is.
        late: Filled with what was still written when the generator was closed or interrupted, and
            maybe again with the last outcome that was yielded.
        standard_input: The picture that is piped, if one is.

    Yields:
        The outcome of each picture, in order, or with workers as they come. It ends early after a
        failure with ``fail_fast``, and when no space is left.

    Raises:
        InputError: The manifest is in use, or of a batch with other settings.
        ResourceError: Workers die as they start.
    """
    watcher = watcher or Watcher()
    written: list[Outcome] = []
    with _open_manifest(batch) as manifest:
        noted: set[int] = set()

        def note(outcome: Outcome) -> None:
            if id(outcome) not in noted:
                noted.add(id(outcome))
                if manifest is not None:
                    manifest.add(outcome)

        _clear_leftovers(batch)
        try:
            with closing(_start(batch, watcher, written, standard_input)) as outcomes:
                for outcome in outcomes:
                    note(outcome)
                    yield outcome
                    if batch.fail_fast and outcome.status == "failed":
                        return
        except DiskFullError:
            return
        finally:
            # Written while the run was being stopped.
            for outcome in written:
                note(outcome)
            if late is not None:
                late += written


def _open_manifest(batch: BatchPlan) -> AbstractContextManager[Manifest | None]:
    """Open the manifest, if there is to be one, and note the plan in it."""
    if batch.manifest is None:
        return nullcontext()
    path, resume = batch.manifest
    manifest = Manifest(path, describe_making(batch.settings))
    manifest.add_plan(batch.jobs, resume)
    return manifest


def _clear_leftovers(batch: BatchPlan) -> None:
    """Remove what killed runs left in the folders that this one writes to."""
    for folder in local_folders(batch.jobs):
        remove_leftovers(folder)


def _start(
    batch: BatchPlan, watcher: Watcher, late: list[Outcome], standard_input: bytes
) -> Generator[Outcome, None, None]:
    """Start doing the jobs, here or with workers."""
    if batch.workers is not None:
        return _share(batch, batch.workers, watcher, late)
    work = batch.estimate.work
    begun = list(accumulate(work, initial=0.0))

    def report(job: Job, share: float) -> None:
        watcher.progress(begun[job.index] + share * work[job.index], share, job.source.name)

    return run_batch(batch.jobs, make_stages(batch.settings, report, standard_input), late)


def _share(
    batch: BatchPlan, plan: WorkerPlan, watcher: Watcher, late: list[Outcome]
) -> Generator[Outcome, None, None]:
    """Have workers do the jobs."""
    done = 0.0
    pool = _open_pool(plan, batch)
    shares: list[WorkDone] = []
    with closing(share_jobs(batch.jobs, pool, late, watcher.notify)) as outcomes:
        for outcome in outcomes:
            done += batch.estimate.work[outcome.job.index]
            watcher.progress(done, 1.0, outcome.job.source.name)
            shares.append(_share_of(outcome))
            yield outcome
    watcher.workers_done(shares, pool.names)


def _share_of(outcome: Outcome) -> WorkDone:
    height, width = outcome.size_out or (0, 0)
    megapixels = outcome.frames * height * width / 1e6
    failed = outcome.status == "failed"
    return WorkDone(outcome.worker, megapixels, outcome.enlarge_s, failed)


def _open_pool(plan: WorkerPlan, batch: BatchPlan) -> WorkerPool[Job, Outcome]:
    config = config_of(batch.settings)
    if plan.engine == "local":
        return LocalPool(config, plan.devices)
    from sam_diffsr_cli.workers.ray_pool import RayPool  # noqa: PLC0415 - Ray is optional

    return RayPool(config, size=plan.size, device=plan.devices[0], address=plan.address)
