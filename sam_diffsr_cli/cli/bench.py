"""``samsr bench``: how fast models are on this machine, and how much of it they use."""

from typing import Annotated, Any

from sam_diffsr_cli.cli.options import Json, option
from sam_diffsr_cli.cli.render import CommandResult

__all__ = ["bench"]

WHAT, HOW, MACHINE = "What to measure", "How", "Machine"


def bench(  # noqa: PLR0913, PLR0917 - one parameter per option
    model: Annotated[
        list[str] | None,
        option(
            WHAT,
            "As in samsr upscale, default (the bundled one), or a preset: lite, paper.",
            show_default="default and paper",
        ),
    ] = None,
    size: Annotated[
        list[str] | None,
        option(WHAT, "Input, a side or WIDTHxHEIGHT in pixels; several times.", show_default="256"),
    ] = None,
    steps: Annotated[
        list[int] | None,
        option(WHAT, "Diffusion steps; several times.", min=0, show_default="the model's, and 0"),
    ] = None,
    repeats: Annotated[int, option(HOW, "Runs that count.", min=1)] = 3,
    warm_up: Annotated[int, option(HOW, "Runs before, that do not.", min=0)] = 1,
    full: Annotated[  # noqa: FBT002
        bool,
        option(
            HOW,
            "Run everything whole, however long; else the long is scaled up from a piece.",
            "--full",
        ),
    ] = False,
    device: Annotated[
        list[str] | None,
        option(MACHINE, "auto, cpu, cuda, cuda:N or mps; several times.", show_default="auto"),
    ] = None,
    precision: Annotated[
        list[str] | None,
        option(MACHINE, "auto, fp32, bf16 or fp16; several times.", show_default="auto"),
    ] = None,
    tile: Annotated[
        int, option(MACHINE, "Side of a tile in input pixels; 0: no tiles.", min=0)
    ] = 256,
    as_json: Json = False,  # noqa: FBT002
) -> CommandResult:
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
