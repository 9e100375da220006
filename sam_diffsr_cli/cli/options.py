"""Options that several commands share."""

from typing import Annotated, Any, Literal

import typer

__all__ = ["Device", "Json", "Precision", "Weights", "option", "wants_json"]

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
    Literal["auto", "fp32", "bf16", "fp16"],
    typer.Option(
        help="auto: bf16 where the device computes it natively, else fp32.", rich_help_panel=MACHINE
    ),
]
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
