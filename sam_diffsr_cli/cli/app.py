"""The ``samsr`` command: its subcommands, and the one place where errors become exit codes."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from sam_diffsr_cli import __version__
from sam_diffsr_cli.cli.bench import bench
from sam_diffsr_cli.cli.compare import compare
from sam_diffsr_cli.cli.doctor import doctor
from sam_diffsr_cli.cli.evaluate import evaluate
from sam_diffsr_cli.cli.masks import masks_app
from sam_diffsr_cli.cli.models import models_app
from sam_diffsr_cli.cli.train import train_app
from sam_diffsr_cli.cli.upscale import upscale
from sam_diffsr_cli.errors import InterruptedRun, SamsrError
from sam_diffsr_cli.process import prepare_process

__all__ = ["app", "main"]

USAGE = 2
"""What typer exits with when the command line cannot be understood."""


class _ErrorBoundary(TyperGroup):
    """Turns our errors into a message on stderr and their exit code; bugs pass through.

    With ``--json`` among the arguments, errors are also a document on stdout.
    """

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - as in TyperGroup
        """Run the command, converting ``SamsrError``."""
        wants_json = "--json" in (*ctx.args, *getattr(ctx, "_protected_args", ()))
        try:
            return super().invoke(ctx)
        except SamsrError as error:
            failure = error
        except KeyboardInterrupt:
            failure = InterruptedRun("interrupted; what was finished is whole")
        except Exception as error:
            # Of its usage errors typer makes only one public, and that is not their root.
            if wants_json and getattr(error, "exit_code", None) == USAGE:
                _print_document(getattr(error, "format_message", error.__str__)(), None, USAGE)
            raise
        if wants_json:
            _print_document(str(failure), failure.hint, failure.exit_code)
        _print_error(str(failure), failure.hint)
        raise typer.Exit(failure.exit_code) from failure


def _print_document(message: str, hint: str | None, exit_code: int) -> None:
    from sam_diffsr_cli.batch.report import error_document, to_text

    typer.echo(to_text(error_document(message, hint, exit_code)))


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
app.add_typer(train_app, name="train")
app.add_typer(masks_app, name="masks")
app.add_typer(models_app, name="models")
app.command()(evaluate)
app.command()(compare)
app.command()(bench)
app.command()(doctor)


def main() -> None:
    """Run the command line."""
    prepare_process()
    app()
