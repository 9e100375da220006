"""The ``samsr`` command: its subcommands, and the one place where errors become exit codes."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from sam_diffsr_cli import __version__
from sam_diffsr_cli.cli.bench import bench
from sam_diffsr_cli.cli.compare import compare
from sam_diffsr_cli.cli.console import print_result
from sam_diffsr_cli.cli.doctor import doctor
from sam_diffsr_cli.cli.evaluate import evaluate
from sam_diffsr_cli.cli.help import show_help
from sam_diffsr_cli.cli.masks import masks_app
from sam_diffsr_cli.cli.models import models_app
from sam_diffsr_cli.cli.options import wants_json
from sam_diffsr_cli.cli.preview import preview
from sam_diffsr_cli.cli.render import CommandResult, error_document, render, to_text
from sam_diffsr_cli.cli.train import train_app
from sam_diffsr_cli.cli.upscale import upscale
from sam_diffsr_cli.errors import InterruptedRun, SamsrError
from sam_diffsr_cli.process import prepare_process

__all__ = ["app", "main"]

USAGE = 2
"""What typer exits with when the command line cannot be understood."""


class _UsageError(SamsrError):
    """A command line that cannot be understood, for the document; typer prints it for people."""

    exit_code = USAGE


class _ErrorBoundary(TyperGroup):
    """Renders what commands give back, our errors among it; bugs pass through."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - as in TyperGroup
        """Run the command, and render its result."""
        given = (*ctx.args, *getattr(ctx, "_protected_args", ()))
        try:
            result = super().invoke(ctx)
        except SamsrError as error:
            result = CommandResult(failure=error)
        except KeyboardInterrupt:
            result = CommandResult(
                failure=InterruptedRun("interrupted; what was finished is whole")
            )
        except Exception as error:
            # Of its usage errors typer makes only one public, and that is not their root. What the
            # options are is not known after one: the arguments are looked at as they are.
            if "--json" in given and getattr(error, "exit_code", None) == USAGE:
                message = getattr(error, "format_message", error.__str__)()
                print_result(to_text(error_document(_UsageError(message))))
            raise
        if isinstance(result, CommandResult):
            render(result, as_json=wants_json(ctx))


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
app.command()(preview)
app.add_typer(train_app, name="train")
app.add_typer(masks_app, name="masks")
app.add_typer(models_app, name="models")
app.command()(evaluate)
app.command()(compare)
app.command()(bench)
app.command()(doctor)
app.command(name="help")(show_help)


def main() -> None:
    """Run the command line."""
    prepare_process()
    app()
