"""How a batch shows itself: the plan, two bars, a line per output, failures, and the summary."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from sam_diffsr_cli.batch.pipeline import Outcome
from sam_diffsr_cli.batch.report import failure_of, make_document
from sam_diffsr_cli.batch.request import BatchPlan, expected_seconds
from sam_diffsr_cli.batch.run import Watcher, preview, run
from sam_diffsr_cli.cli.console import (
    BatchReporter,
    batch_progress,
    clock,
    note,
    print_error,
    print_result,
    read_standard_input,
)
from sam_diffsr_cli.cli.preview import show_report
from sam_diffsr_cli.cli.render import CommandResult, heading
from sam_diffsr_cli.errors import DiskFullError, SamsrError
from sam_diffsr_cli.workers.messages import WorkDone, describe_workers

__all__ = ["print_outcome", "show_batch"]

LEAST_TIMED_MEGAPIXELS = 4.0
"""A batch of less than this is done before its time could be measured."""


def show_batch(
    batch: BatchPlan, *, dry_run: bool, as_json: bool, report: Path | None = None
) -> CommandResult:
    """Tell the plan, do it or only list it, and report."""
    if dry_run or len(batch.jobs) > 1:
        note(_describe_plan(batch, is_timed=dry_run))
    passed_by = batch.left_out.line()
    if passed_by is not None:
        note(f"note: {passed_by}")
    outcomes: list[Outcome] = []
    is_stopped = False
    try:
        if dry_run:
            outcomes += _show_preview(batch, as_json=as_json)
        else:
            _run(batch, outcomes, as_json=as_json)
            if report is not None:
                show_report(batch, outcomes, report)
    except KeyboardInterrupt:
        is_stopped = True
    failure = failure_of(
        outcomes,
        len(batch.jobs),
        is_stopped=is_stopped,
        passed_by=batch.left_out.pictures if batch.strict else 0,
    )
    status = "planned" if dry_run and failure is None else None
    cause = failure.__cause__ if failure is not None and failure.exit_code == 1 else None
    if not as_json:
        return CommandResult(failure=failure, cause=cause)
    document = {**heading(failure, status), **make_document(batch, outcomes)}
    return CommandResult(document=document, failure=failure, cause=cause)


def _describe_plan(batch: BatchPlan, *, is_timed: bool) -> str:
    plan = batch.estimate
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
        device = batch.settings.upscaler.device
        text += f"; roughly {clock(expected_seconds(batch))} on {device}"
    return text


def _show_preview(batch: BatchPlan, *, as_json: bool) -> list[Outcome]:
    """List what would be done and what cannot be."""
    outcomes = preview(batch)
    for outcome in outcomes:
        if outcome.error is not None:
            print_outcome(outcome, len(outcomes), as_json=as_json)
        elif not as_json:
            target = outcome.job.target or "-"
            mark = " (there already)" if outcome.job.is_done else ""
            print_result(f"{outcome.job.source.name} -> {target}{mark}")
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


def _run(batch: BatchPlan, outcomes: list[Outcome], *, as_json: bool) -> None:
    """Do the jobs, telling each outcome as it comes; ``outcomes`` is filled as it goes."""
    count = len(batch.jobs)
    piped = read_standard_input() if batch.reads_standard_input else b""
    with batch_progress(sum(batch.estimate.work)) as bars:
        late: list[Outcome] = []
        try:
            with closing(run(batch, _Bars(bars), late, piped)) as results:
                for outcome in results:
                    outcomes.append(outcome)
                    print_outcome(outcome, count, as_json=as_json)
        finally:
            # Written while the run was being stopped.
            told = set(map(id, outcomes))
            for outcome in (each for each in late if id(each) not in told):
                outcomes.append(outcome)
                if not isinstance(outcome.error, DiskFullError):
                    print_outcome(outcome, count, as_json=as_json)


def print_outcome(outcome: Outcome, count: int, *, as_json: bool) -> None:
    """Print an output's path on stdout; notes and, in a batch, failures on stderr."""
    for text in outcome.notes:
        note(f"note: {outcome.job.source.name}: {text}")
    if outcome.error is not None:
        if count > 1:
            _print_failure(outcome.error)
    elif outcome.status == "done" and outcome.job.target is not None and not as_json:
        print_result(str(outcome.job.target))


def _print_failure(error: SamsrError) -> None:
    """Print an error on stderr; of a bug all there is."""
    print_error(str(error), error.hint, cause=error.__cause__ if error.exit_code == 1 else None)
