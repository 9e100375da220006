"""``samsr preview``: a few places at every choice, on one page, before anything is waited for."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sam_diffsr_cli.cli.console import note, print_error, print_result, progress
from sam_diffsr_cli.cli.options import Device, Precision, Weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sam_diffsr_cli.batch.pipeline import Outcome
    from sam_diffsr_cli.batch.request import BatchPlan
    from sam_diffsr_cli.errors import SamsrError

__all__ = ["preview", "show_report"]


def preview(  # noqa: PLR0913, PLR0917 - one parameter per option
    source: Annotated[
        str,
        typer.Argument(metavar="IN", help="A picture; or a folder, of which three are shown."),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="PAGE", help="The .html page.", show_default="IN-preview.html"
        ),
    ] = None,
    scale: Annotated[
        float | None,
        typer.Option(help="Times as high and wide, 1 to 16.", show_default="the model's"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same picture.")] = 0,
    overwrite: Annotated[  # noqa: FBT002
        bool, typer.Option("--overwrite", help="Replace a page that is there.")
    ] = False,
    opens: Annotated[  # noqa: FBT002
        bool, typer.Option("--open/--no-open", help="Open the page, where there is a terminal.")
    ] = True,
    device: Device = "auto",
    precision: Precision = "auto",
    weights: Weights = None,
) -> None:
    """Enlarge a few places at every choice, and compare them on one page.

    It tells how long the whole would take at each, and the command line to copy.

    Example: samsr preview cat.jpg
    Example: samsr preview photos/ -o look.html --scale 2
    """
    from sam_diffsr_cli.comparison.page import check_place

    page = output or Path(f"{Path(source).stem or 'samsr'}-preview.html")
    check_place(page, overwrite=overwrite)
    from sam_diffsr_cli.preview.run import PreviewOptions, plan_preview
    from sam_diffsr_cli.preview.run import preview as run_preview

    options = PreviewOptions(
        scale=scale, seed=seed, device=device, precision=precision, model=weights
    )
    plan = plan_preview(source, options)
    with progress("preview", 1.0) as report, closing(run_preview(plan, page)) as steps:
        for step in steps:
            report(step.done, f"{step.picture.name}: {step.choice}")
    print_result(str(page))
    if opens and typer.get_text_stream("stdout").isatty() and typer.launch(str(page)):
        note(f"{page}: no program opened it; a browser shows it")


def show_report(
    batch: "BatchPlan", outcomes: "Sequence[Outcome]", page: Path
) -> "SamsrError | None":
    """Write the page of ``samsr upscale --report``, and say where it is.

    Returns:
        Why there is none, where it could not be written: what was enlarged is there all the same.
    """
    from sam_diffsr_cli.errors import InputError, ResourceError, WeightsError
    from sam_diffsr_cli.preview.report import write_report

    with progress("report", len(outcomes)) as bar:
        begun = 0

        def told(name: str, error: "SamsrError | None") -> None:
            nonlocal begun
            if error is not None:
                print_error(f"not in the report: {error}", error.hint)
                return
            bar(begun, name)
            begun += 1

        try:
            shown = write_report(batch.settings, outcomes, page, told)
        except (InputError, ResourceError, WeightsError) as error:
            return error
    note(f"report: {page}" if shown else f"{page}: not written, since there is nothing to show")
    return None
