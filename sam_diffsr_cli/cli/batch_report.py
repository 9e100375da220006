"""What a batch says of itself as it goes and at its end: outputs, failures, and the JSON report."""

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sam_diffsr_cli.batch.pipeline import Outcome
    from sam_diffsr_cli.batch.plan import Estimate, Job
    from sam_diffsr_cli.batch.stages import Settings
    from sam_diffsr_cli.errors import SamsrError

__all__ = ["failure_of", "print_document", "print_failure", "tell"]

INTERRUPTED = 130
"""128 + SIGINT, what a shell expects after Ctrl-C."""

STATUSES = {0: "ok", 6: "partial", INTERRUPTED: "interrupted"}


def tell(outcome: "Outcome", count: int, *, as_json: bool) -> None:
    """Print an output's path on stdout; notes and, in a batch, failures on stderr."""
    from sam_diffsr_cli.cli.console import note, print_result

    for text in outcome.notes:
        note(f"note: {outcome.job.source.name}: {text}")
    if outcome.error is not None:
        if count > 1:
            print_failure(outcome.error)
    elif outcome.status == "done" and outcome.job.target is not None and not as_json:
        print_result(str(outcome.job.target))


def print_failure(error: "SamsrError") -> None:
    """Print an error on stderr; of a bug all there is."""
    from sam_diffsr_cli.cli.console import print_error

    print_error(str(error), error.hint, cause=error.__cause__ if error.exit_code == 1 else None)


def failure_of(
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


def print_document(
    settings: "Settings",
    work: "tuple[Sequence[Job], Estimate]",
    outcomes: "Sequence[Outcome]",
    failure: "SamsrError | None",
    *,
    is_plan: bool,
) -> None:
    """Print the JSON report on stdout."""
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
