"""``samsr bench``: how fast models are on this machine, and how much of it they use."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sam_diffsr_cli.cli.options import Json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sam_diffsr_cli.benchmark.records import Case, Effort, Failed, Row, StartUp
    from sam_diffsr_cli.errors import SamsrError

__all__ = ["bench"]

WHAT, HOW, MACHINE = "What to measure", "How", "Machine"
STATUSES = {0: "ok", 6: "partial", 130: "interrupted"}


def bench(  # noqa: PLR0913, PLR0917 - one parameter per option
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="As in samsr upscale, default (the bundled one), or a preset: lite, paper.",
            show_default="default and paper",
            rich_help_panel=WHAT,
        ),
    ] = None,
    size: Annotated[
        list[str] | None,
        typer.Option(
            help="Input, a side or WIDTHxHEIGHT in pixels; several times.",
            show_default="256",
            rich_help_panel=WHAT,
        ),
    ] = None,
    steps: Annotated[
        list[int] | None,
        typer.Option(
            min=0,
            help="Diffusion steps; several times.",
            show_default="the model's, and 0",
            rich_help_panel=WHAT,
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Runs that count.", rich_help_panel=HOW)] = 3,
    warm_up: Annotated[
        int, typer.Option(min=0, help="Runs before, that do not.", rich_help_panel=HOW)
    ] = 1,
    full: Annotated[  # noqa: FBT002
        bool,
        typer.Option(
            "--full",
            help="Run everything whole, however long; else the long is scaled up from a piece.",
            rich_help_panel=HOW,
        ),
    ] = False,
    device: Annotated[
        list[str] | None,
        typer.Option(
            help="auto, cpu, cuda, cuda:N or mps; several times.",
            show_default="auto",
            rich_help_panel=MACHINE,
        ),
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            help="auto, fp32, bf16 or fp16; several times.",
            show_default="auto",
            rich_help_panel=MACHINE,
        ),
    ] = None,
    tile: Annotated[
        int,
        typer.Option(
            min=0, help="Side of a tile in input pixels; 0: no tiles.", rich_help_panel=MACHINE
        ),
    ] = 256,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Measure speed, work and memory of models, beside the peaks of this machine.

    Every combination of the options is a row. Presets have random weights; speed is the same.

    Example: samsr bench
    Example: samsr bench --model mine.safetensors --size 256 --size 2000x1500 --steps 0 --json
    Example: samsr bench --model default --device cpu --precision fp32 --precision bf16
    """
    from sam_diffsr_cli.benchmark.records import Effort
    from sam_diffsr_cli.benchmark.run import Request, plan_cases

    asked = {"models": model, "sizes": size, "steps": steps}
    asked |= {"devices": device, "precisions": precision}
    given: dict[str, Any] = {name: tuple(values) for name, values in asked.items() if values}
    cases = plan_cases(Request(**given, tile=tile))
    limit = {"limit_s": None} if full else {}
    _run(cases, Effort(repeats=repeats, warm_up=warm_up, **limit), as_json=as_json)


@dataclass(kw_only=True, slots=True)
class _Found:
    """What was found so far; ``load`` is of the time before."""

    count: int
    load: float | None
    rows: "list[Row | Failed]" = field(default_factory=list)
    start: "StartUp | None" = None
    is_stopped: bool = False

    @property
    def measured(self) -> "list[Row]":
        from sam_diffsr_cli.benchmark.records import Row

        return [row for row in self.rows if isinstance(row, Row)]

    @property
    def failed(self) -> "list[Failed]":
        from sam_diffsr_cli.benchmark.records import Failed

        return [row for row in self.rows if isinstance(row, Failed)]


def _run(cases: "Sequence[Case]", effort: "Effort", *, as_json: bool) -> None:
    """Measure, and show what came of it, also of a run that was stopped."""
    from sam_diffsr_cli.benchmark.processes import load_now
    from sam_diffsr_cli.benchmark.report import tell_doubts
    from sam_diffsr_cli.cli.console import note, print_error

    found = _Found(count=len(cases), load=load_now())
    try:
        _measure(cases, effort, found)
    except KeyboardInterrupt:
        found.is_stopped = True
    failure = _failure(found)
    if as_json:
        _print_document(found, failure)
    else:
        _print_report(found)
    for doubt in tell_doubts(found.measured, found.load):
        note(f"note: {doubt}")
    if failure is not None:
        print_error(str(failure), failure.hint)
        raise typer.Exit(failure.exit_code)


def _measure(cases: "Sequence[Case]", effort: "Effort", found: _Found) -> None:
    """Fill ``found`` as it goes."""
    from sam_diffsr_cli.benchmark.models import weights_of
    from sam_diffsr_cli.benchmark.processes import time_start
    from sam_diffsr_cli.benchmark.run import run_cases, settle_peaks
    from sam_diffsr_cli.cli.console import progress

    with progress("bench", len(cases) + 2) as report:
        report(0.0, "start-up")
        file = next(filter(None, (weights_of(case.model) for case in cases)), None)
        found.start = time_start(cases[0].device, file, effort.repeats)

        def tell(share: float) -> None:
            case = cases[min(len(found.rows), len(cases) - 1)]
            report(1 + share * len(cases), f"{case.model}, {case.work}")

        tell(0.0)
        for row in run_cases(cases, effort, tell):
            found.rows.append(row)
        report(1 + len(cases), "peaks")
        found.rows = settle_peaks(found.rows)


def _failure(found: _Found) -> "SamsrError | None":
    """Decide what the process ends with; None when all is well."""
    from sam_diffsr_cli.errors import InterruptedRun, PartialFailure

    if found.is_stopped:
        done = len(found.measured)
        return InterruptedRun(f"interrupted; {done} of {found.count} rows measured")
    if found.count == 1 and found.failed:
        return found.failed[0].error
    if found.failed:
        return PartialFailure(f"{len(found.failed)} of {found.count} rows could not be measured")
    return None


def _print_report(found: _Found) -> None:
    """Print the table, and below it a verdict a row and what the rows have in common."""
    from sam_diffsr_cli.benchmark.models import has_random_weights
    from sam_diffsr_cli.benchmark.report import (
        tell_case,
        tell_peaks,
        tell_ratio,
        tell_start,
        tell_verdict,
    )
    from sam_diffsr_cli.benchmark.run import compare
    from sam_diffsr_cli.cli.console import print_error, print_result

    rows = found.measured
    if rows:
        _print_table(rows)
    lines = [tell_verdict(row) for row in rows]
    lines += tell_peaks(list(dict.fromkeys(row.peaks for row in rows)))
    lines += [] if found.start is None else [tell_start(found.start)]
    random = dict.fromkeys(row.case.model for row in rows if has_random_weights(row.case.model))
    if random:
        lines.append(f"with random weights, as fast as any: {', '.join(random)}")
    for line in (*lines, *map(tell_ratio, compare(rows))):
        print_result(line)
    if found.count > 1:
        for failed in found.failed:
            print_error(f"{tell_case(failed.case)}: {failed.error}")


def _print_table(rows: "Sequence[Row]") -> None:
    """Print a table: drawn on a terminal, else columns of text."""
    import sys

    from sam_diffsr_cli.benchmark.report import make_table
    from sam_diffsr_cli.cli.console import print_result

    heads, *lines = make_table(rows)
    if not sys.stdout.isatty():
        widths = [max(map(len, column)) for column in zip(heads, *lines, strict=True)]
        for line in (heads, *lines):
            first, *rest = (c.rjust(width) for c, width in zip(line, widths, strict=True))
            print_result("  ".join([first.lstrip().ljust(widths[0]), *rest]))
        return
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE, padding=0)
    table.add_column(heads[0], overflow="fold")
    for head in heads[1:]:
        table.add_column(head, justify="right")
    for line in lines:
        table.add_row(*map(escape, line))
    Console(highlight=False, emoji=False).print(table)


def _print_document(found: _Found, failure: "SamsrError | None") -> None:
    from dataclasses import asdict

    from sam_diffsr_cli.batch.report import DOCUMENT_VERSION, error_entry, to_text
    from sam_diffsr_cli.benchmark.report import ratio_entry, row_entry
    from sam_diffsr_cli.benchmark.run import compare
    from sam_diffsr_cli.diagnosis.gathering import gather_facts

    facts, rows = gather_facts(), found.measured
    exit_code = 0 if failure is None else failure.exit_code
    document = {
        "samsr": DOCUMENT_VERSION,
        "version": facts.machine.samsr,
        "status": STATUSES.get(exit_code, "failed"),
        "exit_code": exit_code,
        "error": error_entry(failure),
        "machine": asdict(facts.machine),
        "torch": None if facts.torch is None else asdict(facts.torch),
        "devices": [asdict(device) for device in facts.devices],
        "load_before": found.load,
        "start_up": None if found.start is None else asdict(found.start),
        "peaks": [asdict(peaks) for peaks in dict.fromkeys(row.peaks for row in rows)],
        "rows": [row_entry(row) for row in found.rows],
        "ratios": [ratio_entry(ratio) for ratio in compare(rows)],
    }
    typer.echo(to_text(document))
