"""How ``samsr evaluate`` runs: progress, and the forms that results take."""

import sys
from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sam_diffsr_cli.cli.console import note, print_error, progress
from sam_diffsr_cli.cli.render import CommandResult
from sam_diffsr_cli.errors import PartialFailure
from sam_diffsr_cli.evaluation.outputs import Outputs
from sam_diffsr_cli.evaluation.report import (
    Summary,
    summarize,
    title_of,
    to_document,
    write_value,
)
from sam_diffsr_cli.evaluation.request import EvaluateOptions, count_results, plan_evaluation
from sam_diffsr_cli.evaluation.run import EvaluationPlan, Failure, ImageScores, evaluate
from sam_diffsr_cli.measures import METRICS

__all__ = ["show_evaluation"]


def show_evaluation(options: EvaluateOptions, outputs: Outputs) -> CommandResult:
    """Measure, and tell."""
    with outputs.prepare(options) as prepared:
        plan = plan_evaluation(prepared)
        measured, failed = _measure(plan)
        return _tell(outputs, plan, measured, failed)


def _measure(plan: EvaluationPlan) -> tuple[list[ImageScores], list[str]]:
    total = count_results(plan)
    measured: list[ImageScores] = []
    failed: list[str] = []
    with progress("evaluate", total) as report:
        for one in evaluate(plan):
            if isinstance(one, Failure):
                print_error(f"{one.method}: {one.error}", one.error.hint)
                failed.append(f"{one.method}: {one.error}")
                continue
            measured.append(one)
            report(len(measured) + len(failed), f"{one.picture}, {one.method}")
    return measured, failed


def _tell(
    outputs: Outputs, plan: EvaluationPlan, measured: Sequence[ImageScores], failed: Sequence[str]
) -> CommandResult:
    facts = plan.identity
    # Files first: whoever reads the table may have closed the pipe.
    outputs.write(plan, measured)
    if outputs.report is not None and measured:
        note(f"look at {outputs.report}")
    failure = None
    if failed:
        failure = PartialFailure(
            f"{len(failed)} results could not be measured; means are over what all methods have"
        )
    return CommandResult(
        document=to_document(facts, measured, failed),
        show=(lambda: _print_tables(facts, measured)) if measured else None,
        failure=failure,
        is_told=True,
    )


def _print_tables(facts: Mapping[str, str], measured: Sequence[ImageScores]) -> None:
    """Print a table a set on stdout, and the facts below."""
    summaries = summarize(measured)
    # Piped, lines are as long as they must be.
    console = Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else 200)
    for set_name in dict.fromkeys(one.set_name for one in summaries):
        console.print(_table([one for one in summaries if one.set_name == set_name]))
    for name, value in facts.items():
        console.print(f"[dim]{escape(name)}:[/] {escape(value)}")


def _table(rows: Sequence[Summary]) -> Table:
    table = Table(title=escape(title_of(rows)), box=box.SIMPLE, title_justify="left")
    table.add_column("method")
    names = [name for name in METRICS if any(name in row.means for row in rows)]
    for name in names:
        table.add_column(METRICS[name].name, justify="right")
    table.add_column("s/picture", justify="right")
    for row in rows:
        values = [write_value(row, name) for name in names]
        table.add_row(escape(row.method), *values, f"{row.seconds:.2f}")
    return table
