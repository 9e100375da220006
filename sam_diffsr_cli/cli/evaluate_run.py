"""How ``samsr evaluate`` runs: progress, and the forms that results take."""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sam_diffsr_cli.atomic import atomic_path
from sam_diffsr_cli.cli.console import note, print_error, progress
from sam_diffsr_cli.cli.render import CommandResult
from sam_diffsr_cli.errors import InputError, PartialFailure
from sam_diffsr_cli.evaluation.page import write_report
from sam_diffsr_cli.evaluation.report import (
    Summary,
    summarize,
    title_of,
    to_csv,
    to_document,
    to_markdown,
    write_value,
)
from sam_diffsr_cli.evaluation.request import EvaluateOptions, count_results, plan_evaluation
from sam_diffsr_cli.evaluation.run import EvaluationPlan, Failure, ImageScores, evaluate
from sam_diffsr_cli.measures import METRICS

__all__ = ["Outputs", "show_evaluation"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outputs:
    """The files that results are written to besides the terminal."""

    report: Path | None
    csv: Path | None
    markdown: Path | None
    overwrite: bool


def show_evaluation(options: EvaluateOptions, outputs: Outputs) -> CommandResult:
    """Measure, and tell."""
    for path, ending in ((outputs.report, ".html"), (outputs.csv, ""), (outputs.markdown, "")):
        _check_output(path, ending, overwrite=outputs.overwrite)
    with ExitStack() as stack:
        if outputs.report is not None and options.out is None:
            place = stack.enter_context(tempfile.TemporaryDirectory(prefix="samsr-"))
            options = replace(options, out=Path(place))
        plan = plan_evaluation(options)
        measured, failed = _measure(plan)
        return _tell(outputs, plan, measured, failed)


def _check_output(path: Path | None, ending: str, *, overwrite: bool) -> None:
    if path is None:
        return
    if ending and path.suffix != ending:
        raise InputError(f"{path}: its name should end in {ending}")
    if not path.resolve().parent.is_dir():
        raise InputError(f"{path}: its folder does not exist")
    if path.exists() and not overwrite:
        raise InputError(f"{path}: is there already", hint="--overwrite replaces it")


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
    _write(outputs.csv, to_csv(facts, measured))
    _write(outputs.markdown, to_markdown(facts, measured))
    if outputs.report is not None and measured:
        write_report(plan, measured, outputs.report)
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


def _write(path: Path | None, text: str) -> None:
    if path is not None:
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


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
