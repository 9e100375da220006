"""Options that several commands share."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sam_diffsr_cli import choices

__all__ = [
    "Device",
    "Json",
    "NewWeights",
    "Precision",
    "Weights",
    "WeightsFormat",
    "option",
    "wants_json",
]

MACHINE, FILES = "Machine", "Files"
JSON = "samsr.json"


def _remember(context: typer.Context, value: bool) -> bool:  # noqa: FBT001 - typer calls it
    """Note for the whole command line that a document is wanted, before anything can fail."""
    context.meta[JSON] = value
    return value


def wants_json(context: typer.Context) -> bool:
    """Whether ``--json`` was given, to whichever command it was."""
    return bool(context.meta.get(JSON, False))


def option(panel: str, text: str, *names: str, **more: Any) -> Any:  # noqa: ANN401 - as typer's
    """Declare an option: the panel of the help that it stands in, and what it does."""
    return typer.Option(*names, help=text, rich_help_panel=panel, **more)


Device = Annotated[
    str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.", rich_help_panel=MACHINE)
]
Precision = Annotated[
    choices.PrecisionChoice,
    typer.Option(
        help="auto: bf16 where the device computes it natively, else fp32.", rich_help_panel=MACHINE
    ),
]
NewWeights = Annotated[
    Path, typer.Option("--output", "-o", help="Weights file to write, .safetensors.")
]
WeightsFormat = Annotated[choices.Precision, typer.Option(help="Numbers in the file.")]
Weights = Annotated[
    str | None,
    typer.Option(
        "--model",
        "--weights",
        help="Bundled name, weights file, or org/name[@revision][:file] on the Hub.",
        metavar="MODEL",
        show_default="the bundled model",
        rich_help_panel=MACHINE,
    ),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="One JSON document on stdout.",
        rich_help_panel=FILES,
        callback=_remember,
        is_eager=True,
    ),
]
