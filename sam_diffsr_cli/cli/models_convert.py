"""``samsr models convert``: the authors' checkpoints as our weights files."""

from pathlib import Path
from typing import Annotated

import typer

from sam_diffsr_cli.checkpoints.references import check_new_weights
from sam_diffsr_cli.cli.console import note, print_result
from sam_diffsr_cli.cli.options import NewWeights, WeightsFormat

__all__ = ["convert"]


def convert(  # noqa: PLR0913, PLR0917 - one parameter per option
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CKPT", help="Checkpoint of the diffusion, .ckpt.")
    ],
    output: NewWeights,
    encoder: Annotated[
        Path | None,
        typer.Option(help="Checkpoint of the encoder.", show_default="the one inside CKPT"),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="Settings it was trained with, YAML or JSON.",
            show_default="config.yaml or config.json beside CKPT",
        ),
    ] = None,
    published: Annotated[  # noqa: FBT002
        bool, typer.Option("--published", help="The settings of the published checkpoint.")
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="One setting, as unet_dim_mults=1|2|3|4."),
    ] = None,
    dtype: WeightsFormat = "fp32",
    overwrite: Annotated[  # noqa: FBT002
        bool, typer.Option("--overwrite", help="Replace the file.")
    ] = False,
) -> None:
    """Convert a checkpoint of SAM-DiffSR or SRDiff; nothing in it is run.

    Its settings are those that the reference writes beside it. They are compared with every shape.

    Example: samsr models convert model_ckpt_steps_400000.ckpt -o sam-diffsr.safetensors
    """
    from sam_diffsr_cli.checkpoints import conversion, official_config
    from sam_diffsr_cli.device import DTYPES

    check_new_weights(output, overwrite=overwrite)
    asked = official_config.OfficialSettings(
        file=config, given=tuple(settings or ()), is_published=published
    )
    model_config, place = official_config.resolve_config(checkpoint, asked)
    if place is not None:
        note(f"settings: {place}")
    done = conversion.convert(checkpoint, encoder, model_config, output, DTYPES[dtype])
    note(done.source)
    print_result(str(output))
