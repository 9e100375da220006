"""``samsr bench``: how fast models are on this machine, and how much of it they use."""

from typing import Annotated, Any

import typer

from sam_diffsr_cli.cli.options import Json
from sam_diffsr_cli.cli.render import Result

__all__ = ["bench"]

WHAT, HOW, MACHINE = "What to measure", "How", "Machine"


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
) -> Result:
    """Measure speed, work and memory of models, beside the peaks of this machine.

    Every combination of the options is a row. Presets have random weights; speed is the same.

    Example: samsr bench
    Example: samsr bench --model mine.safetensors --size 256 --size 2000x1500 --steps 0 --json
    Example: samsr bench --model default --device cpu --precision fp32 --precision bf16
    """
    from sam_diffsr_cli.benchmark.records import Effort
    from sam_diffsr_cli.benchmark.run import Request, plan_cases
    from sam_diffsr_cli.benchmark.session import Session
    from sam_diffsr_cli.cli.bench_run import show_bench

    asked = {"models": model, "sizes": size, "steps": steps}
    asked |= {"devices": device, "precisions": precision}
    given: dict[str, Any] = {name: tuple(values) for name, values in asked.items() if values}
    cases = plan_cases(Request(**given, tile=tile))
    limit = {"limit_s": None} if full else {}
    effort = Effort(repeats=repeats, warm_up=warm_up, **limit)
    return show_bench(Session(cases=cases, effort=effort), as_json=as_json)
