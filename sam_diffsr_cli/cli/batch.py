"""How a batch shows itself: the plan, two bars, a line per output, failures, and the summary."""

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from sam_diffsr_cli.batch.findings import describe_finding
from sam_diffsr_cli.batch.pipeline import Outcome
from sam_diffsr_cli.batch.report import (
    FailureLog,
    closing_line,
    describe_plan,
    failure_of,
    make_document,
    preview_line,
    refused_outputs,
)
from sam_diffsr_cli.batch.request import BatchPlan
from sam_diffsr_cli.batch.run import Watcher, preview, run
from sam_diffsr_cli.cli.console import (
    BatchReporter,
    batch_progress,
    note,
    print_error,
    print_result,
    quietly,
    read_standard_input,
    stderr_console,
)
from sam_diffsr_cli.cli.preview import show_report
from sam_diffsr_cli.cli.render import CommandResult, heading
from sam_diffsr_cli.errors import DiskFullError, SamsrError
from sam_diffsr_cli.workers.messages import WorkDone, describe_workers

__all__ = ["print_outcome", "show_batch"]


def show_batch(  # noqa: PLR0913 - one parameter per way to show
    batch: BatchPlan,
    *,
    dry_run: bool,
    as_json: bool,
    is_quiet: bool = False,
    verbose: bool = False,
    report: Path | None = None,
) -> CommandResult:
    """Tell the plan, do it or only list it, and report."""
    with quietly(is_quiet):
        lists = not (as_json or is_quiet)
        return _show(
            batch, dry_run=dry_run, as_json=as_json, lists=lists, verbose=verbose, page=report
        )


def _show(  # noqa: PLR0913 - one parameter per way to show
    batch: BatchPlan,
    *,
    dry_run: bool,
    as_json: bool,
    lists: bool,
    verbose: bool,
    page: Path | None,
) -> CommandResult:
    """Do what ``show_batch`` does; ``lists`` says whether results are listed on stdout."""
    began = time.monotonic()
    if dry_run or len(batch.jobs) > 1:
        note(describe_plan(batch, is_timed=dry_run))
    passed_by = batch.left_out.line()
    if passed_by is not None:
        note(f"note: {passed_by}")
    outcomes: list[Outcome] = []
    is_stopped, trouble = False, None
    log = _begin_log(batch)
    try:
        if dry_run:
            outcomes += _show_preview(batch, log, lists=lists)
        else:
            _run(batch, outcomes, log, lists=lists, verbose=verbose)
            if page is not None:
                trouble = show_report(batch, outcomes, page)
    except KeyboardInterrupt:
        is_stopped = True
    for line in log.rest():
        print_error(line)
    failure = failure_of(
        outcomes,
        len(batch.jobs),
        is_stopped=is_stopped,
        passed_by=batch.left_out.pictures if batch.strict else 0,
    )
    failure = _first_of(failure, trouble)
    if failure is None and not dry_run and stderr_console().is_terminal:
        note(closing_line(batch, outcomes, time.monotonic() - began))
    status = "planned" if dry_run and failure is None else None
    cause = failure.__cause__ if failure is not None and failure.exit_code == 1 else None
    if not as_json:
        return CommandResult(failure=failure, cause=cause)
    document = {**heading(failure, status), **make_document(batch, outcomes)}
    return CommandResult(document=document, failure=failure, cause=cause)


def _first_of(failure: SamsrError | None, trouble: SamsrError | None) -> SamsrError | None:
    """Return the batch's own failure, and tell that of its report; or else that one."""
    if failure is None:
        return trouble
    if trouble is not None:
        print_error(str(trouble), trouble.hint)
    return failure


def _begin_log(batch: BatchPlan) -> FailureLog:
    """Tell of outputs that are there already, once, and take note of what is told."""
    error, told = refused_outputs(batch)
    if error is not None:
        print_error(str(error), error.hint)
    return FailureLog(told)


def _show_preview(batch: BatchPlan, log: FailureLog, *, lists: bool) -> list[Outcome]:
    """List what would be done and what cannot be."""
    outcomes = preview(batch)
    for outcome in outcomes:
        if outcome.error is not None:
            print_outcome(outcome, len(outcomes), log, lists=lists)
            continue
        for text in outcome.notes:
            note(f"note: {outcome.job.source.name}: {text}")
        if lists:
            print_result(preview_line(outcome))
    return outcomes


class _Bars(Watcher):
    """Moves the bars, and tells of workers."""

    def __init__(self, bars: BatchReporter) -> None:
        self._bars = bars

    def progress(self, done: float, share: float, name: str) -> None:
        self._bars(done, share, name)

    def notify(self, text: str) -> None:
        note(text)

    def workers_done(self, shares: Sequence[WorkDone], names: Sequence[str]) -> None:
        for line in describe_workers(shares, names):
            note(line)


def _run(
    batch: BatchPlan, outcomes: list[Outcome], log: FailureLog, *, lists: bool, verbose: bool
) -> None:
    """Do the jobs, telling each outcome as it comes; ``outcomes`` is filled as it goes."""
    count = len(batch.jobs)
    piped = read_standard_input() if batch.reads_standard_input else b""
    with batch_progress(sum(batch.estimate.work)) as bars:
        late: list[Outcome] = []
        try:
            with closing(run(batch, _Bars(bars), late, piped)) as results:
                for outcome in results:
                    outcomes.append(outcome)
                    print_outcome(outcome, count, log, lists=lists, verbose=verbose)
        finally:
            # Written while the run was being stopped.
            told = set(map(id, outcomes))
            for outcome in (each for each in late if id(each) not in told):
                outcomes.append(outcome)
                if not isinstance(outcome.error, DiskFullError):
                    print_outcome(outcome, count, log, lists=lists, verbose=verbose)


def print_outcome(
    outcome: Outcome, count: int, log: FailureLog, *, lists: bool, verbose: bool = False
) -> None:
    """Print an output's path on stdout; notes and, in a batch, failures on stderr."""
    for text in outcome.notes:
        note(f"note: {outcome.job.source.name}: {text}")
    if verbose and (found := describe_finding(outcome)) is not None:
        note(f"{outcome.job.source.name}: {found}")
    error = outcome.error
    if error is not None:
        told = log.to_tell(outcome) if count > 1 else None
        if told is not None:
            print_error(*told, cause=error.__cause__ if error.exit_code == 1 else None)
    elif outcome.status == "done" and outcome.job.target is not None and lists:
        print_result(str(outcome.job.target))
