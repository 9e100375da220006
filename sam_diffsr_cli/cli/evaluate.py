"""``samsr evaluate``: numbers that name their protocol, and a page to look at."""

from pathlib import Path
from typing import Annotated

import typer

from sam_diffsr_cli.choices import LpipsNetwork, ProtocolName
from sam_diffsr_cli.cli.options import Device, Json, Precision, Weights, option
from sam_diffsr_cli.cli.render import CommandResult
from sam_diffsr_cli.sampling_config import parse_clean

__all__ = ["evaluate"]

WHAT, HOW, RESULTS = "Pictures and methods", "Protocol", "Results"


def evaluate(  # noqa: PLR0913, PLR0917 - one parameter per option
    data: Annotated[
        list[str],
        option(
            WHAT, "Folder of true pictures, FOLDER:N for the first N, NAME=FOLDER; several times."
        ),
    ],
    lr: Annotated[
        Path | None,
        option(WHAT, "Folder of inputs of the same names.", show_default="made by MATLAB bicubic"),
    ] = None,
    degrade: Annotated[
        str | None,
        option(
            WHAT,
            "What made inputs suffer: jpeg:75, jpeg:30,75 (twice, the first grid shifted), "
            "noise:10, or photo.",
            show_default="nothing",
        ),
    ] = None,
    clean: Annotated[
        str, option(WHAT, "As in `samsr upscale`.", metavar="auto|off|0..100")
    ] = "auto",
    method: Annotated[
        list[str] | None,
        option(
            WHAT,
            "default, fast, best, plain, steps:N[:SAMPLER], bicubic, lanczos, or a folder "
            "of results; several times.",
            show_default="default",
        ),
    ] = None,
    steps: Annotated[str, option(WHAT, "Numbers of steps, as 1,2,4,6; each is a method.")] = "",
    seeds: Annotated[int, option(WHAT, "Draws of what is random, for errors.", min=1)] = 1,
    protocol: Annotated[
        ProtocolName, option(HOW, "Shave the scale, or as the authors.")
    ] = "standard",
    shave: Annotated[
        int | None, option(HOW, "Border left out, pixels.", min=0, show_default="protocol")
    ] = None,
    lpips: Annotated[LpipsNetwork, option(HOW, "Backbone of LPIPS.")] = "none",
    out: Annotated[
        Path | None, option(RESULTS, "Folder for results and numbers, to go on in.")
    ] = None,
    report: Annotated[Path | None, option(RESULTS, "Page to look at, .html.")] = None,
    csv: Annotated[Path | None, option(RESULTS, "Numbers of every picture.")] = None,
    markdown: Annotated[Path | None, option(RESULTS, "The table, for a README.")] = None,
    overwrite: Annotated[  # noqa: FBT002
        bool, option(RESULTS, "Replace those files.", "--overwrite")
    ] = False,
    as_json: Json = False,  # noqa: FBT002, ARG001 - read where results are rendered
    weights: Weights = None,
    device: Device = "auto",
    precision: Precision = "auto",
    tile: Annotated[
        int | None,
        typer.Option(min=0, help="Side of a tile, 0: one piece.", show_default="by memory"),
    ] = None,
) -> CommandResult:
    """Measure how close enlarged pictures come to the truth.

    Example: samsr evaluate --data Set5 --method bicubic --method default
    """
    from sam_diffsr_cli.cli.evaluate_run import show_evaluation
    from sam_diffsr_cli.evaluation.outputs import Outputs
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
