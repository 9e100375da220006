"""``samsr models``: which there are, what a file holds, and whether it is what it should be."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sam_diffsr_cli.cli.console import note, print_result, printable
from sam_diffsr_cli.cli.models_convert import convert
from sam_diffsr_cli.cli.models_hub import download, push
from sam_diffsr_cli.cli.options import Device, Json
from sam_diffsr_cli.cli.render import CommandResult

if TYPE_CHECKING:
    from sam_diffsr_cli.checkpoints.inspection import FileFacts

__all__ = ["models_app"]

Named = Annotated[
    str, typer.Argument(metavar="MODEL", help="Bundled name, file, or org/name on the Hub.")
]
MOST_TEXT = 2000
"""Characters of a text in the file that are printed; ``--json`` has all of it."""

models_app = typer.Typer(
    help="Weights: convert, list, inspect, verify, fetch and publish them.", no_args_is_help=True
)


@models_app.command("list")
def list_models(as_json: Json = False) -> CommandResult:  # noqa: ARG001, FBT002 - for the renderer
    """List the models that come with samsr.

    Example: samsr models list
    """
    from sam_diffsr_cli.checkpoints.registry import BUNDLED, DEFAULT_MODEL

    models = [asdict(each) | {"is_default": each.name == DEFAULT_MODEL} for each in BUNDLED]
    return CommandResult(document={"models": models}, show=_print_models)


def _print_models() -> None:
    from sam_diffsr_cli.checkpoints.registry import BUNDLED, DEFAULT_MODEL

    for each in BUNDLED:
        mark = " (default)" if each.name == DEFAULT_MODEL else ""
        print_result(
            f"{each.name}{mark}: x{each.scale}, {each.preset} preset, {each.bytes / 1e6:.1f} MB, "
            f"{each.licence}"
        )
        for measured in each.measured:
            print_result(
                f"  {measured.data}, {measured.method}: PSNR-Y {measured.psnr_y:.2f} dB, "
                f"SSIM-Y {measured.ssim_y:.4f}, LPIPS {measured.lpips:.3f}"
            )
    note("--model also takes a weights file, or org/name[@revision][:file] on the Hub")


@models_app.command()
def info(model: Named, as_json: Json = False) -> CommandResult:  # noqa: ARG001, FBT002 - as above
    """Tell what a weights file says of itself; its tensors are not loaded.

    Example: samsr models info mine.safetensors
    """
    from sam_diffsr_cli.checkpoints.finding import find_model
    from sam_diffsr_cli.checkpoints.inspection import inspect_file

    found = find_model(model)
    facts = inspect_file(found.path)
    document = {"name": found.name, **facts.as_dict()}
    return CommandResult(document=document, show=lambda: _print_facts(found.name, facts))


def _print_facts(name: str, facts: "FileFacts") -> None:
    from sam_diffsr_cli.checkpoints.card import fact_rows

    print_result(_short(name))
    for label, value in fact_rows(facts):
        print_result(f"  {label:<17}{_short(value)}")


def _short(text: str) -> str:
    """Write a text of the file on one line that does not steer the terminal, and is not endless."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= MOST_TEXT else f"{line[:MOST_TEXT]}... (--json has all of it)"


@models_app.command()
def verify(
    model: Named,
    sha256: Annotated[str | None, typer.Option(help="Digest that it must have.")] = None,
    reference: Annotated[
        Path | None,
        typer.Option(help="Recorded chain (.npz: lr, noises, sr, sr_uint8) to reproduce."),
    ] = None,
    device: Device = "auto",
) -> None:
    """Load a model strictly, check its digest, and run it on a drawn picture, or a recorded chain.

    Example: samsr models verify default
    Example: samsr models verify converted.safetensors --reference reverse_chain.npz
    """
    from sam_diffsr_cli.checkpoints.finding import find_model
    from sam_diffsr_cli.checkpoints.registry import DIGESTS
    from sam_diffsr_cli.device import resolve_device
    from sam_diffsr_cli.diagnosis.verifying import check_against, check_digest, check_runs
    from sam_diffsr_cli.upscaling.model import load_upscaler

    found = find_model(model)
    upscaler = load_upscaler(found.path, resolve_device(device))
    print_result(f"loaded: strictly, all of it, {upscaler.precision} on {upscaler.device}")
    expected = DIGESTS.get(found.name, upscaler.digest) if sha256 is None else sha256
    checks = [check_digest(upscaler.digest, expected, found.path)]
    print_result(f"{checks[0].name}: {checks[0].found}")
    run = [check_against(upscaler, reference)] if reference else check_runs(upscaler, found.path)
    for check in run:
        print_result(f"{check.name}: {check.found}")
    print_result("ok")


models_app.command()(convert)
models_app.command()(download)
models_app.command()(push)
