"""The ``samsr`` command: its subcommands, and the one place where errors become exit codes."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from sam_diffsr_cli import __version__
from sam_diffsr_cli.cli.train import train
from sam_diffsr_cli.cli.upscale import upscale
from sam_diffsr_cli.errors import SamsrError

__all__ = ["app", "main"]

INTERRUPTED = 130
"""128 + SIGINT, what a shell expects after Ctrl-C."""


class _ErrorBoundary(TyperGroup):
    """Turns our errors into a message on stderr and their exit code; bugs pass through."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - as in TyperGroup
        """Run the command, converting ``SamsrError``."""
        try:
            return super().invoke(ctx)
        except SamsrError as error:
            _print_error(str(error), error.hint)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            _print_error("interrupted; what was finished is whole", None)
            raise typer.Exit(INTERRUPTED) from error


def _print_error(message: str, hint: str | None) -> None:
    from sam_diffsr_cli.cli.console import print_error

    print_error(message, hint)


app = typer.Typer(
    name="samsr",
    cls=_ErrorBoundary,
    help="Enlarge photos with a residual diffusion model (SAM-DiffSR).",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(value: bool) -> None:  # noqa: FBT001 - typer calls it with one bool
    if value:
        typer.echo(f"samsr {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[  # noqa: FBT002 - a flag, handled by its callback
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Enlarge photos with a residual diffusion model (SAM-DiffSR)."""


app.command()(upscale)
app.command()(train)


def main() -> None:
    """Run the command line."""
    app()
