"""What a batch is to do: which pictures IN means, what OUT calls their outputs, by which model."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sam_diffsr_cli.batch.estimate import Estimate, estimate_work
from sam_diffsr_cli.batch.naming import NamedBatch, name_batch
from sam_diffsr_cli.batch.options import BatchOptions
from sam_diffsr_cli.batch.plan import Job, ResumeState
from sam_diffsr_cli.batch.stages import BatchSettings
from sam_diffsr_cli.device import resolve_device, resolve_precision
from sam_diffsr_cli.pictures.left_out import LeftOut
from sam_diffsr_cli.upscaling.model import Upscaler, load_upscaler
from sam_diffsr_cli.upscaling.options import resolve_sampling
from sam_diffsr_cli.upscaling.sizes import Size
from sam_diffsr_cli.upscaling.speed import seconds_per_megapixel
from sam_diffsr_cli.workers.plan import WorkerPlan, plan_workers

__all__ = ["BatchPlan", "expected_seconds", "plan_batch"]


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """A batch that is planned and whose model is loaded.

    ``workers`` is None to do all of it in this process. ``manifest`` is the file that is kept of
    what is done, and what an earlier run left in it. ``left_out`` is what folders hold and is not
    taken, a failure when ``strict``.
    """

    settings: BatchSettings
    jobs: Sequence[Job]
    estimate: Estimate
    workers: WorkerPlan | None = None
    manifest: tuple[Path, ResumeState] | None = None
    fail_fast: bool = False
    left_out: LeftOut = field(default_factory=LeftOut)
    strict: bool = False

    @property
    def reads_standard_input(self) -> bool:
        """Whether a picture of it comes from standard input."""
        return any(job.source.path is None for job in self.jobs)


def plan_batch(
    sources: Sequence[str], target: str, options: BatchOptions, named: NamedBatch | None = None
) -> BatchPlan:
    """Find the pictures, name their outputs, load the model, and count the work.

    Args:
        sources: Pictures, folders, patterns, URLs, ``@LIST``, or ``-`` for standard input.
        target: A folder or its URL; for one picture a file, or ``-``.
        options: What else was asked for.
        named: What ``name_batch`` gave for these; None to ask it here.

    Raises:
        InputError: An option or a name cannot be used; nothing was written.
        WeightsError: The model cannot be loaded.
    """
    if named is None:
        named = name_batch(sources, target, options)
    most = options.workers
    if most is not None and options.gpus is None:
        # One that has no picture to enlarge would only load the model.
        most = min(most, max(1, len(named.jobs)))
    workers = plan_workers(most, options.gpus, options.device, options.engine, options.ray_address)
    upscaler = _load(options, workers)
    sharing = 1 if workers is None else workers.sharing
    settings = BatchSettings(
        upscaler=upscaler,
        sampling=resolve_sampling(upscaler, options.sampling, sharing),
        size=options.size or Size(scale=options.scale or float(upscaler.config.scale)),
        naming=named.naming,
        limits=options.limits,
        options=options.writing,
        preserve_times=options.preserve_times,
    )
    estimate = estimate_work(
        named.jobs, settings.size, settings.limits, settings.upscaler.config.scale
    )
    shared = workers if len(named.jobs) > 1 else None
    return BatchPlan(
        settings,
        named.jobs,
        estimate,
        workers=shared,
        manifest=named.kept,
        fail_fast=options.fail_fast,
        left_out=named.left_out,
        strict=options.strict,
    )


def _load(options: BatchOptions, workers: WorkerPlan | None) -> Upscaler:
    first = workers.devices[0] if workers is not None and workers.devices else options.device
    device = resolve_device(first)
    return load_upscaler(options.model, device, resolve_precision(options.precision, device))


def expected_seconds(batch: BatchPlan) -> float:
    """Time the model on a small piece; return about how long all of the batch takes in seconds."""
    settings, estimate = batch.settings, batch.estimate
    sizes = (target.before for target in estimate.targets.values())
    scale = float(settings.upscaler.config.scale)
    each = seconds_per_megapixel(settings.upscaler, settings.sampling, scale, sizes)
    return each * sum(estimate.work)
