"""``samsr train export``: the weights of a run, finished or not, as a file for others."""

from pathlib import Path
from typing import Annotated

import typer

from sam_diffsr_cli.choices import StateChoice
from sam_diffsr_cli.cli.options import NewWeights, WeightsFormat

__all__ = ["export"]


def export(
    run: Annotated[Path, typer.Argument(help="Folder of the run.", metavar="RUN")],
    output: NewWeights,
    which: Annotated[
        StateChoice, typer.Option(help="The newest state, or the best validation.")
    ] = "last",
    dtype: WeightsFormat = "fp16",
    overwrite: Annotated[  # noqa: FBT002
        bool, typer.Option("--overwrite", help="Replace the file and its card.")
    ] = False,
) -> None:
    """Write the averaged parameters of a run, with its recipe and a stub of a model card.

    Example: samsr train export run/ -o model.safetensors
    """
    from sam_diffsr_cli.checkpoints.references import check_new_weights
    from sam_diffsr_cli.cli.console import note, print_result
    from sam_diffsr_cli.device import DTYPES
    from sam_diffsr_cli.errors import InputError
    from sam_diffsr_cli.training.export import export_run
    from sam_diffsr_cli.training.folder import RunFolder

    card = output.with_suffix(".md")
    check_new_weights(output, card, overwrite=overwrite)
    folder = RunFolder(run)
    if not folder.recipe_path.is_file():
        raise InputError(f"{run}: no run of samsr train", hint="give the folder named by its --out")
    stage = export_run(folder, output, which, DTYPES[dtype], note)
    note(f"{stage} stage, {which}; fill in the card: {card}")
    print_result(str(output))
