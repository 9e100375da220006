"""``samsr evaluate``: numbers that name their protocol, and a page to look at."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from sam_diffsr_cli.cli.options import Device, Json, Precision, Weights
from sam_diffsr_cli.cli.render import Result
from sam_diffsr_cli.sampling_config import parse_clean

__all__ = ["evaluate"]

WHAT, HOW, RESULTS = "Pictures and methods", "Protocol", "Results"


def evaluate(  # noqa: PLR0913, PLR0917 - one parameter per option
    data: Annotated[
        list[str],
        typer.Option(
            help="Folder of true pictures, FOLDER:N for the first N, NAME=FOLDER; several times.",
            rich_help_panel=WHAT,
        ),
    ],
    lr: Annotated[
        Path | None,
        typer.Option(
            help="Folder of inputs of the same names.",
            show_default="made by MATLAB bicubic",
            rich_help_panel=WHAT,
        ),
    ] = None,
    degrade: Annotated[
        str | None,
        typer.Option(
            help="What made inputs suffer: jpeg:75, jpeg:30,75 (twice, the first grid shifted), "
            "noise:10, or photo.",
            show_default="nothing",
            rich_help_panel=WHAT,
        ),
    ] = None,
    clean: Annotated[
        str,
        typer.Option(
            help="As in `samsr upscale`.", metavar="auto|off|0..100", rich_help_panel=WHAT
        ),
    ] = "auto",
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="default, fast, best, plain, steps:N[:SAMPLER], bicubic, lanczos, or a folder "
            "of results; several times.",
            show_default="default",
            rich_help_panel=WHAT,
        ),
    ] = None,
    steps: Annotated[
        str,
        typer.Option(help="Numbers of steps, as 1,2,4,6; each is a method.", rich_help_panel=WHAT),
    ] = "",
    seeds: Annotated[
        int,
        typer.Option(min=1, help="Draws of what is random, for errors.", rich_help_panel=WHAT),
    ] = 1,
    protocol: Annotated[
        Literal["standard", "samdiffsr"],
        typer.Option(help="Shave the scale, or as the authors.", rich_help_panel=HOW),
    ] = "standard",
    shave: Annotated[
        int | None,
        typer.Option(
            min=0, help="Border left out, pixels.", show_default="protocol", rich_help_panel=HOW
        ),
    ] = None,
    lpips: Annotated[
        Literal["none", "squeeze", "alex", "vgg"],
        typer.Option(help="Backbone of LPIPS.", rich_help_panel=HOW),
    ] = "none",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for results and numbers, to go on in.", rich_help_panel=RESULTS),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Page to look at, .html.", rich_help_panel=RESULTS),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Numbers of every picture.", rich_help_panel=RESULTS)
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="The table, for a README.", rich_help_panel=RESULTS)
    ] = None,
    overwrite: Annotated[  # noqa: FBT002
        bool,
        typer.Option("--overwrite", help="Replace those files.", rich_help_panel=RESULTS),
    ] = False,
    as_json: Json = False,  # noqa: FBT002, ARG001 - read where results are rendered
    weights: Weights = None,
    device: Device = "auto",
    precision: Precision = "auto",
    tile: Annotated[
        int | None,
        typer.Option(min=0, help="Side of a tile, 0: one piece.", show_default="by memory"),
    ] = None,
) -> Result:
    """Measure how close enlarged pictures come to the truth.

    Example: samsr evaluate --data Set5 --method bicubic --method default
    """
    from sam_diffsr_cli.cli.evaluate_run import Outputs, show_evaluation
    from sam_diffsr_cli.evaluation.request import EvaluateOptions

    methods = list(method or ())
    methods += [f"steps:{count.strip()}" for count in steps.split(",") if count.strip()]
    options = EvaluateOptions(
        data=tuple(data),
        lr=lr,
        degrade=degrade,
        clean=parse_clean(clean),
        methods=tuple(dict.fromkeys(methods)) or ("default",),
        seeds=seeds,
        protocol=protocol,
        shave=shave,
        lpips=lpips,
        out=out,
        model=weights,
        device=device,
        precision=precision,
        tile=tile,
    )
    outputs = Outputs(report=report, csv=csv, markdown=markdown, overwrite=overwrite)
    return show_evaluation(options, outputs)
