"""How a batch shows itself: the plan, two bars, a line per output, failures, and the summary."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from sam_diffsr_cli.batch.pipeline import Outcome
    from sam_diffsr_cli.batch.plan import Estimate, Job
    from sam_diffsr_cli.batch.stages import Settings
    from sam_diffsr_cli.cli.console import BatchReporter
    from sam_diffsr_cli.cli.workers import CrewPlan
    from sam_diffsr_cli.errors import SamsrError

__all__ = ["Manner", "run_settings"]

INTERRUPTED = 130
"""128 + SIGINT, what a shell expects after Ctrl-C."""

LEAST_TIMED_MEGAPIXELS = 4.0
"""A batch of less than this is done before its time could be measured."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Manner:
    """How a batch is run, which does not change its results.

    ``crew`` are the workers, None to do all of it in this process.
    """

    dry_run: bool
    fail_fast: bool
    as_json: bool
    crew: "CrewPlan | None" = None


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
            _run(work, outcomes, fail_fast=manner.fail_fast, as_json=as_json)
    except KeyboardInterrupt as interrupt:
        error = interrupt
    failure = _failure(outcomes, len(jobs), error)
    if as_json:
        _print_document(settings, (jobs, plan), outcomes, failure, is_plan=dry_run)
        if failure is not None:
            _print_failure(failure)
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
            _tell(outcome, len(jobs), as_json=as_json)
        elif not as_json:
            target = outcome.job.target or "-"
            mark = " (there already)" if outcome.job.is_done else ""
            print_result(f"{outcome.job.source.name} -> {target}{mark}")
    return outcomes


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
    from contextlib import closing

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


def _run(work: _Work, outcomes: "list[Outcome]", *, fail_fast: bool, as_json: bool) -> None:
    """Do the jobs, telling each outcome as it comes; ``outcomes`` is filled as it goes."""
    from contextlib import closing

    from sam_diffsr_cli.cli.console import batch_progress
    from sam_diffsr_cli.errors import DiskFullError

    jobs = work.jobs
    _clear_leftovers(jobs)
    with batch_progress(sum(work.plan.work)) as bars:
        late: list[Outcome] = []
        try:
            with closing(_start(work, bars, late)) as results:
                for outcome in results:
                    outcomes.append(outcome)
                    _tell(outcome, len(jobs), as_json=as_json)
                    if fail_fast and outcome.status == "failed":
                        return
        except DiskFullError:
            return
        finally:
            # Written while the run was being stopped.
            for outcome in late:
                outcomes.append(outcome)
                if not isinstance(outcome.error, DiskFullError):
                    _tell(outcome, len(jobs), as_json=as_json)


def _clear_leftovers(jobs: "Sequence[Job]") -> None:
    """Remove what killed runs left in the folders that this one writes to."""
    from sam_diffsr_cli.atomic import remove_leftovers

    for folder in {job.target.parent for job in jobs if job.target is not None}:
        remove_leftovers(folder)


def _tell(outcome: "Outcome", count: int, *, as_json: bool) -> None:
    """Print an output's path on stdout; notes and, in a batch, failures on stderr."""
    from sam_diffsr_cli.cli.console import note, print_result

    for text in outcome.notes:
        note(f"note: {outcome.job.source.name}: {text}")
    if outcome.error is not None:
        if count > 1:
            _print_failure(outcome.error)
    elif outcome.status == "done" and outcome.job.target is not None and not as_json:
        print_result(str(outcome.job.target))


def _print_failure(error: "SamsrError") -> None:
    from sam_diffsr_cli.cli.console import print_error

    print_error(str(error), error.hint, cause=error.__cause__ if error.exit_code == 1 else None)


def _failure(
    outcomes: "Sequence[Outcome]", count: int, stopped: BaseException | None
) -> "SamsrError | None":
    """Decide what the process ends with; None when all is well."""
    from sam_diffsr_cli.errors import DiskFullError, InterruptedRun, PartialFailure

    failed = [outcome.error for outcome in outcomes if outcome.error is not None]
    done = sum(outcome.status == "done" for outcome in outcomes)
    skipped = sum(outcome.status == "skipped" for outcome in outcomes)
    there = f", {skipped} were there already" if skipped else ""
    summary = f"{done} of {count} pictures done{there}"
    if stopped is not None:
        return InterruptedRun(f"interrupted; {summary}; what is written is whole")
    if count == 1 and failed:
        return failed[0]
    full = next((error for error in failed if isinstance(error, DiskFullError)), None)
    if full is not None:
        return DiskFullError(f"no space left; {summary}", hint=full.hint)
    if failed:
        return PartialFailure(f"{len(failed)} of {count} pictures failed; {summary}")
    return None


def _print_document(
    settings: "Settings",
    work: "tuple[Sequence[Job], Estimate]",
    outcomes: "Sequence[Outcome]",
    failure: "SamsrError | None",
    *,
    is_plan: bool,
) -> None:
    from sam_diffsr_cli.batch.report import make_document, to_text
    from sam_diffsr_cli.batch.stages import make_record

    if any(outcome.worker is not None for outcome in outcomes):
        # Workers finish in any order; the document is in that of the plan.
        place = {id(job): index for index, job in enumerate(work[0])}
        outcomes = sorted(outcomes, key=lambda outcome: place[id(outcome.job)])

    _, plan = work
    status = STATUSES.get(0 if failure is None else failure.exit_code, "failed")
    if failure is None and is_plan:
        status = "planned"
    typer.echo(to_text(make_document(status, failure, make_record(settings), plan, outcomes)))


STATUSES = {0: "ok", 6: "partial", INTERRUPTED: "interrupted"}
