"""Options that several commands share."""

from typing import Annotated, Literal

import typer

__all__ = ["Device", "Json", "Precision", "Weights"]

MACHINE, FILES = "Machine", "Files"

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
    typer.Option("--json", help="One JSON document on stdout.", rich_help_panel=FILES),
]
