"""The ``samsr`` command: its subcommands, and the one place where errors become exit codes."""

import re
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from sam_diffsr_cli import __version__
from sam_diffsr_cli.cli.bench import bench
from sam_diffsr_cli.cli.compare import compare
from sam_diffsr_cli.cli.doctor import doctor
from sam_diffsr_cli.cli.evaluate import evaluate
from sam_diffsr_cli.cli.help import show_help
from sam_diffsr_cli.cli.masks import masks_app
from sam_diffsr_cli.cli.models import models_app
from sam_diffsr_cli.cli.options import wants_json
from sam_diffsr_cli.cli.preview import preview
from sam_diffsr_cli.cli.render import CommandResult, render
from sam_diffsr_cli.cli.train import train_app
from sam_diffsr_cli.cli.upscale import upscale
from sam_diffsr_cli.errors import InterruptedRun, SamsrError, UsageError
from sam_diffsr_cli.process import prepare_process

__all__ = ["app", "main"]

USAGE = UsageError.exit_code
"""What typer exits with too when the command line cannot be understood."""

INVALID = re.compile(
    r"Invalid value for '(?P<option>[^']*)'(?: / '[^']*')*: (?P<why>.*)", re.DOTALL
)
MISSING = re.compile(r"Missing \w+ '(?P<name>[^']*)'.*", re.DOTALL)
CHOICE = re.compile(r"(?:Value error, )?'(?P<value>.*)' is not one of (?P<allowed>.*)", re.DOTALL)


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
            # Of its usage errors typer makes only one public, and that is not their root.
            if getattr(error, "exit_code", None) != USAGE or not hasattr(error, "format_message"):
                raise
            result = CommandResult(failure=_in_our_words(error))
        if isinstance(result, CommandResult):
            # After a usage error it is not known what the options are: they are looked at as given.
            as_json = wants_json(ctx) or (_is_usage(result) and "--json" in given)
            render(result, as_json=as_json)


def _is_usage(result: CommandResult) -> bool:
    return isinstance(result.failure, UsageError)


def _in_our_words(error: Any) -> UsageError:  # noqa: ANN401 - typer's, and not public
    """Say what cannot be understood as other errors are said: the option, and what to do."""
    message = error.format_message().removesuffix(".")
    path = getattr(getattr(error, "ctx", None), "command_path", "samsr")
    missing = MISSING.fullmatch(message)
    if missing is not None:
        message = f"{missing['name'].partition('...')[0]} is missing"
    bad = INVALID.fullmatch(message)
    if bad is not None:
        choice = CHOICE.fullmatch(bad["why"])
        allowed = "" if choice is None else choice["allowed"].replace("'", "")
        message = f"{bad['option']}: {bad['why']}"
        if choice is not None:
            message = f"{bad['option']} {choice['value']}: allowed are {allowed}"
    return UsageError(message, hint=f"{path} --help")


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
