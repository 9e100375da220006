"""How ``samsr evaluate`` runs: what is asked for, progress, and the forms that results take."""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from sam_diffsr_cli.evaluation.report import Summary
    from sam_diffsr_cli.evaluation.run import Measured, Plan
    from sam_diffsr_cli.upscaling.model import Upscaler

__all__ = ["EvaluateRequest", "run_evaluation"]


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluateRequest:
    """The options as they were given."""

    data: tuple[str, ...]
    lr: Path | None
    methods: tuple[str, ...]
    seeds: int
    protocol: str
    shave: int | None
    lpips: Literal["none", "squeeze", "alex", "vgg"]
    out: Path | None
    report: Path | None
    csv: Path | None
    markdown: Path | None
    as_json: bool
    weights: str | None
    device: str
    precision: str
    tile: int | None
    overwrite: bool


def run_evaluation(request: EvaluateRequest) -> None:
    """Measure, and tell.

    Raises:
        PartialFailure: Some pictures could not be measured.
    """
    from sam_diffsr_cli.device import resolve_device, resolve_precision
    from sam_diffsr_cli.upscaling.model import load_upscaler

    for path, ending in ((request.report, ".html"), (request.csv, ""), (request.markdown, "")):
        _check_output(path, ending, overwrite=request.overwrite)
    device = resolve_device(request.device)
    precision = resolve_precision(request.precision, device)
    upscaler = load_upscaler(request.weights, device, precision)
    with ExitStack() as stack:
        if request.report is not None and request.out is None:
            place = stack.enter_context(tempfile.TemporaryDirectory(prefix="samsr-"))
            request = replace(request, out=Path(place))
        plan = _plan(request, upscaler)
        measured, failed = _measure(plan)
        _tell(request, plan, measured, failed)


def _check_output(path: Path | None, ending: str, *, overwrite: bool) -> None:
    from sam_diffsr_cli.errors import InputError

    if path is None:
        return
    if ending and path.suffix != ending:
        raise InputError(f"{path}: its name should end in {ending}")
    if not path.resolve().parent.is_dir():
        raise InputError(f"{path}: its folder does not exist")
    if path.exists() and not overwrite:
        raise InputError(f"{path}: is there already", hint="--overwrite replaces it")


def _plan(request: EvaluateRequest, upscaler: "Upscaler") -> "Plan":
    from sam_diffsr_cli.errors import InputError
    from sam_diffsr_cli.evaluation.methods import make_method
    from sam_diffsr_cli.evaluation.perceptual import make_lpips
    from sam_diffsr_cli.evaluation.protocols import find_protocol
    from sam_diffsr_cli.evaluation.run import Plan, plain_name
    from sam_diffsr_cli.evaluation.sets import ResultFolder, find_set

    scale = upscaler.config.scale
    sets = [find_set(place, request.out) for place in request.data]
    methods = [make_method(text, upscaler, request.tile) for text in request.methods]
    for names, noun in (
        ([plain_name(one.name) for one in sets], "sets"),
        ([plain_name(one.name) for one in methods], "methods"),
    ):
        double = {name for name in names if names.count(name) > 1}
        if double:
            raise InputError(f"two {noun} are called {min(double)}", hint="name=FOLDER names one")
    protocol = find_protocol(request.protocol, scale, request.shave)
    lpips = None if request.lpips == "none" else make_lpips(request.lpips, upscaler.device)
    uses_model = any(method.steps is not None for method in methods)
    facts = _facts(request, upscaler, uses_model=uses_model)
    return Plan(
        sets=sets,
        methods=methods,
        protocol=protocol,
        scale=scale,
        seeds=request.seeds,
        inputs=None if request.lr is None else ResultFolder(request.lr),
        lpips=lpips,
        out=request.out,
        identity={**protocol.facts, **facts},
    )


def _facts(request: EvaluateRequest, upscaler: "Upscaler", *, uses_model: bool) -> dict[str, str]:
    """Return what else a reader must know; of the model only where it was run."""
    from importlib.metadata import version

    from sam_diffsr_cli import __version__

    given = "MATLAB bicubic on uint8" if request.lr is None else f"given, {request.lr.resolve()}"
    packages = ("torch",) if request.lpips == "none" else ("torch", "lpips")
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    facts = {
        "scale": str(upscaler.config.scale),
        "inputs": given,
        "LPIPS": request.lpips,
        "versions": f"samsr {__version__}, {versions}",
    }
    if uses_model:
        facts["model"] = f"{upscaler.name}, sha256 {upscaler.digest[:16]}"
        facts["default steps"] = str(upscaler.config.diffusion.sampling_steps)
        facts["device"] = f"{upscaler.device}, {upscaler.precision}"
    return facts


def _measure(plan: "Plan") -> "tuple[list[Measured], list[str]]":
    from sam_diffsr_cli.cli.console import print_error, progress
    from sam_diffsr_cli.evaluation.run import Failure, evaluate

    runs = sum(plan.seeds if method.is_random else 1 for method in plan.methods)
    total = runs * sum(len(one.truths) for one in plan.sets)
    measured: list[Measured] = []
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
    request: EvaluateRequest, plan: "Plan", measured: "Sequence[Measured]", failed: Sequence[str]
) -> None:
    from sam_diffsr_cli.cli.console import note
    from sam_diffsr_cli.errors import PartialFailure
    from sam_diffsr_cli.evaluation.report import to_csv, to_json, to_markdown

    facts = plan.identity
    # Files first: whoever reads the table may have closed the pipe.
    _write(request.csv, to_csv(facts, measured))
    _write(request.markdown, to_markdown(facts, measured))
    if request.report is not None and measured:
        from sam_diffsr_cli.cli.evaluate_page import write_report

        write_report(plan, measured, request.report)
        note(f"look at {request.report}")
    if request.as_json:
        typer.echo(to_json(facts, measured, failed))
    elif measured:
        _print_tables(facts, measured)
    if failed:
        failure = PartialFailure(
            f"{len(failed)} results could not be measured; means are over what all methods have"
        )
        if not request.as_json:
            raise failure
        # The document is out; raised, the error would be a second one.
        raise typer.Exit(failure.exit_code)


def _write(path: Path | None, text: str) -> None:
    from sam_diffsr_cli.atomic import atomic_path

    if path is not None:
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _print_tables(facts: Mapping[str, str], measured: "Sequence[Measured]") -> None:
    """Print a table a set on stdout, and the facts below."""
    import sys

    from rich.console import Console
    from rich.markup import escape

    from sam_diffsr_cli.evaluation.report import summarize

    summaries = summarize(measured)
    # Piped, lines are as long as they must be.
    console = Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else 200)
    for set_name in dict.fromkeys(one.set_name for one in summaries):
        console.print(_table([one for one in summaries if one.set_name == set_name]))
    for name, value in facts.items():
        console.print(f"[dim]{escape(name)}:[/] {escape(value)}")


def _table(rows: "Sequence[Summary]") -> "Table":
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from sam_diffsr_cli.evaluation.report import MEASURES, title_of, write_value

    table = Table(title=escape(title_of(rows)), box=box.SIMPLE, title_justify="left")
    table.add_column("method")
    names = [name for name in MEASURES if any(name in row.means for row in rows)]
    for name in names:
        table.add_column(MEASURES[name].title, justify="right")
    table.add_column("s/picture", justify="right")
    for row in rows:
        values = [write_value(row, name) for name in names]
        table.add_row(escape(row.method), *values, f"{row.seconds:.2f}")
    return table
