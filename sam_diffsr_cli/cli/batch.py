"""How a batch shows itself: the plan, two bars, a line per output, failures, and the summary."""

import sys
from contextlib import closing, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from sam_diffsr_cli.cli.batch_report import failure_of, print_document, print_failure, tell

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sam_diffsr_cli.batch.manifest import Manifest
    from sam_diffsr_cli.batch.pipeline import Outcome
    from sam_diffsr_cli.batch.plan import Estimate, Job, Past
    from sam_diffsr_cli.batch.stages import Settings
    from sam_diffsr_cli.cli.console import BatchReporter
    from sam_diffsr_cli.cli.workers import CrewPlan

__all__ = ["Manner", "run_settings"]

LEAST_TIMED_MEGAPIXELS = 4.0
"""A batch of less than this is done before its time could be measured."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a batch is run, which does not change its results.

    ``crew`` are the workers, None to do all of it in this process. ``manifest`` is the file that is
    kept of what is done, and ``past`` what an earlier run left in it.
    """

    dry_run: bool
    fail_fast: bool
    as_json: bool
    crew: "CrewPlan | None" = None
    manifest: "tuple[Path, Past] | None" = None


def run_settings(settings: "Settings", jobs: "Sequence[Job]", manner: Manner) -> None:
    """Tell the plan, do it, and report.

    Raises:
        SamsrError: The only picture failed, or some did.
        typer.Exit: With ``--json``, the same exit codes.
    """
    from sam_diffsr_cli.batch.plan import estimate_work

    dry_run, as_json = manner.dry_run, manner.as_json
    plan = estimate_work(jobs, settings.scale, settings.limits)
    if dry_run or len(jobs) > 1:
        _tell_plan(settings, plan, is_timed=dry_run)
    outcomes: list[Outcome] = []
    error: BaseException | None = None
    try:
        if dry_run:
            outcomes += _dry_run(settings, jobs, plan, as_json=as_json)
        else:
            work = _Work(settings, jobs, plan, manner.crew if len(jobs) > 1 else None)
            with _open_manifest(work, manner) as manifest:
                _run(work, outcomes, manner, manifest)
    except KeyboardInterrupt as interrupt:
        error = interrupt
    failure = failure_of(outcomes, len(jobs), error)
    if as_json:
        print_document(settings, (jobs, plan), outcomes, failure, is_plan=dry_run)
        if failure is not None:
            print_failure(failure)
            raise typer.Exit(failure.exit_code)
    if failure is not None:
        raise failure


def _tell_plan(settings: "Settings", plan: "Estimate", *, is_timed: bool) -> None:
    from sam_diffsr_cli.cli.console import clock, note
    from sam_diffsr_cli.upscaling.speed import seconds_per_megapixel

    about = "about " if plan.is_sampled else ""
    noun = "picture" if plan.pictures == 1 else "pictures"
    text = (
        f"{plan.pictures} {noun}, {about}{plan.megapixels_in:.1f} megapixels, "
        f"to {about}{plan.megapixels_out:.1f}"
    )
    if plan.already_there:
        text += f"; {plan.already_there} are there already"
    if plan.unreadable:
        text += f"; {about}{plan.unreadable} cannot be read"
    if is_timed or plan.megapixels_out > LEAST_TIMED_MEGAPIXELS:
        side = (1e6 * plan.megapixels_in / max(1, plan.pictures)) ** 0.5
        each = seconds_per_megapixel(settings.upscaler, settings.sampling, settings.scale, side)
        device = settings.upscaler.device
        text += f"; roughly {clock(each * plan.megapixels_out)} on {device}"
    note(text)


def _dry_run(
    settings: "Settings", jobs: "Sequence[Job]", plan: "Estimate", *, as_json: bool
) -> "list[Outcome]":
    """List what would be done and what cannot be, and do nothing."""
    from sam_diffsr_cli.batch.pipeline import Outcome
    from sam_diffsr_cli.batch.stages import check_job
    from sam_diffsr_cli.cli.console import print_result
    from sam_diffsr_cli.errors import InputError

    outcomes = [Outcome(job, "skipped" if job.is_done else "planned") for job in jobs]
    for outcome in outcomes:
        try:
            if not outcome.job.is_done:
                check_job(outcome.job, settings.naming)
        except InputError as error:
            outcome.fail(error)
    for index, problem in plan.problems:
        outcomes[index].fail(problem)
    for outcome in outcomes:
        if outcome.error is not None:
            tell(outcome, len(jobs), as_json=as_json)
        elif not as_json:
            target = outcome.job.target or "-"
            mark = " (there already)" if outcome.job.is_done else ""
            print_result(f"{outcome.job.source.name} -> {target}{mark}")
    return outcomes


def _open_manifest(work: "_Work", manner: Manner) -> "AbstractContextManager[Manifest | None]":
    """Open the manifest, if there is to be one, and note the plan in it."""
    from sam_diffsr_cli.batch.manifest import Manifest
    from sam_diffsr_cli.batch.stages import describe_making

    if manner.manifest is None:
        return nullcontext()
    path, past = manner.manifest
    manifest = Manifest(path, describe_making(work.settings))
    manifest.add_plan(work.jobs, past)
    return manifest


@dataclass(frozen=True, slots=True)
class _Work:
    """What is to be done, how much it is, and by which workers, None to do it here."""

    settings: "Settings"
    jobs: "Sequence[Job]"
    plan: "Estimate"
    crew: "CrewPlan | None"


def _start(
    work: _Work, bars: "BatchReporter", late: "list[Outcome]"
) -> "Generator[Outcome, None, None]":
    """Start doing the jobs, here or with workers; the bars follow."""
    from itertools import accumulate

    from sam_diffsr_cli.batch.pipeline import run_batch
    from sam_diffsr_cli.batch.stages import make_stages

    jobs, settings = work.jobs, work.settings
    if work.crew is not None:
        return _start_crew(work, work.crew, bars, late)
    is_piped = any(job.source.path is None for job in jobs)
    stages_input = sys.stdin.buffer.read() if is_piped else b""
    begun = dict(zip(map(id, jobs), accumulate(work.plan.work, initial=0.0), strict=False))
    sizes = dict(zip(map(id, jobs), work.plan.work, strict=True))

    def report(job: "Job", share: float) -> None:
        bars(begun[id(job)] + share * sizes[id(job)], share, job.source.name)

    return run_batch(jobs, make_stages(settings, report, stages_input), late)


def _start_crew(
    work: _Work, plan: "CrewPlan", bars: "BatchReporter", late: "list[Outcome]"
) -> "Generator[Outcome, None, None]":
    from sam_diffsr_cli.batch.crew import run_crew
    from sam_diffsr_cli.batch.orders import order_of
    from sam_diffsr_cli.cli.console import note
    from sam_diffsr_cli.cli.workers import open_crew, tell_workers

    sizes = dict(zip(map(id, work.jobs), work.plan.work, strict=True))
    done = 0.0
    crew = open_crew(plan, order_of(work.settings))
    seen: list[Outcome] = []
    with closing(run_crew(work.jobs, crew, late, note)) as outcomes:
        for outcome in outcomes:
            done += sizes[id(outcome.job)]
            bars(done, 1.0, outcome.job.source.name)
            seen.append(outcome)
            yield outcome
    for line in tell_workers(seen, crew.names):
        note(line)


def _run(
    work: _Work, outcomes: "list[Outcome]", manner: Manner, manifest: "Manifest | None"
) -> None:
    """Do the jobs, telling each outcome as it comes; ``outcomes`` is filled as it goes."""
    from sam_diffsr_cli.cli.console import batch_progress
    from sam_diffsr_cli.errors import DiskFullError

    jobs, as_json = work.jobs, manner.as_json

    def take(outcome: "Outcome") -> None:
        outcomes.append(outcome)
        if manifest is not None:
            manifest.add(outcome)

    _clear_leftovers(jobs)
    with batch_progress(sum(work.plan.work)) as bars:
        late: list[Outcome] = []
        try:
            with closing(_start(work, bars, late)) as results:
                for outcome in results:
                    take(outcome)
                    tell(outcome, len(jobs), as_json=as_json)
                    if manner.fail_fast and outcome.status == "failed":
                        return
        except DiskFullError:
            return
        finally:
            # Written while the run was being stopped.
            told = set(map(id, outcomes))
            for outcome in (each for each in late if id(each) not in told):
                take(outcome)
                if not isinstance(outcome.error, DiskFullError):
                    tell(outcome, len(jobs), as_json=as_json)


def _clear_leftovers(jobs: "Sequence[Job]") -> None:
    """Remove what killed runs left in the folders that this one writes to."""
    from sam_diffsr_cli.atomic import remove_leftovers
    from sam_diffsr_cli.batch.plan import local_folders

    for folder in local_folders(jobs):
        remove_leftovers(folder)
