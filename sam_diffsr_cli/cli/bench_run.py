"""How ``samsr bench`` shows what it measured: a table, verdicts below it, or the document."""

import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sam_diffsr_cli.benchmark.records import BenchRow
from sam_diffsr_cli.benchmark.report import (
    make_table,
    tell_case,
    tell_doubts,
)
from sam_diffsr_cli.benchmark.session import Session, describe, failure_of, measure, summary_lines
from sam_diffsr_cli.cli.console import note, print_error, print_result, progress
from sam_diffsr_cli.cli.render import CommandResult, heading

__all__ = ["show_bench"]


def show_bench(session: Session, *, as_json: bool) -> CommandResult:
    """Measure, and show what came of it, also of a run that was stopped."""
    try:
        with progress("bench", len(session.cases) + 2) as report:
            measure(session, report)
    except KeyboardInterrupt:
        session.is_stopped = True
    failure = failure_of(session)
    if not as_json:
        _print_report(session)
    for doubt in tell_doubts(session.measured, session.load):
        note(f"note: {doubt}")
    document = {**heading(failure), **describe(session)} if as_json else None
    return CommandResult(document=document, failure=failure)


def _print_report(session: Session) -> None:
    """Print the table, and below it a verdict a row and what the rows have in common."""
    rows = session.measured
    if rows:
        _print_table(rows)
    for line in summary_lines(session):
        print_result(line)
    if len(session.cases) > 1:
        for failed in session.failed:
            print_error(f"{tell_case(failed.case)}: {failed.error}")


def _print_table(rows: Sequence[BenchRow]) -> None:
    """Print a table: drawn on a terminal, else columns of text."""
    heads, *lines = make_table(rows)
    if not sys.stdout.isatty():
        widths = [max(map(len, column)) for column in zip(heads, *lines, strict=True)]
        for line in (heads, *lines):
            first, *rest = (c.rjust(width) for c, width in zip(line, widths, strict=True))
            print_result("  ".join([first.lstrip().ljust(widths[0]), *rest]))
        return
    table = Table(box=box.SIMPLE, padding=0)
    table.add_column(heads[0], overflow="fold")
    for head in heads[1:]:
        table.add_column(head, justify="right")
    for line in lines:
        table.add_row(*map(escape, line))
    Console(highlight=False, emoji=False).print(table)
