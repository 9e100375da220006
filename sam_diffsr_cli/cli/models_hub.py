"""``samsr models download`` and ``push``: weights from the Hub, and to it."""

from pathlib import Path
from typing import Annotated

import typer

from sam_diffsr_cli.checkpoints.references import check_new_weights

__all__ = ["download", "push"]


def download(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="org/name[@revision][:file], or a bundled name.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write.", show_default="the cache alone"),
    ] = None,
    sha256: Annotated[str | None, typer.Option(help="Digest that it must have.")] = None,
    overwrite: Annotated[  # noqa: FBT002
        bool, typer.Option("--overwrite", help="Replace the file.")
    ] = False,
) -> None:
    """Fetch weights of the Hub, and print where they are; what is in the cache is not fetched.

    Example: samsr models download org/name@v1.0 -o model.safetensors
    """
    from sam_diffsr_cli.cli.console import note, print_result
    from sam_diffsr_cli.diagnosis.verifying import fetch_model

    if output is not None:
        check_new_weights(output, overwrite=overwrite)
    found = fetch_model(model, sha256, output)
    note(found.name)
    print_result(str(found.path))


def push(  # noqa: PLR0913, PLR0917 - one parameter per option
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Weights file.")],
    repository: Annotated[
        str, typer.Argument(metavar="MODEL", help="Where to: org/name[@branch][:file].")
    ],
    licence: Annotated[str, typer.Option(help="Identifier, such as apache-2.0.")] = "",
    card: Annotated[
        Path | None,
        typer.Option(
            help="Model card, Markdown; replaces the repository's.",
            show_default="the one beside FILE, else made",
        ),
    ] = None,
    private: Annotated[  # noqa: FBT002
        bool, typer.Option("--private", help="Make a new repository private.")
    ] = False,
    message: Annotated[str, typer.Option(help="Of the commit.")] = "Upload weights of samsr",
    dry_run: Annotated[  # noqa: FBT002
        bool, typer.Option("--dry-run", help="Print the card, and upload nothing.")
    ] = False,
) -> None:
    """Upload weights and a model card to the Hub, in one commit, after loading them strictly.

    HF_TOKEN must hold a token that may write there.

    Example: samsr models push mine.safetensors org/name --licence apache-2.0
    """
    from dataclasses import replace

    from sam_diffsr_cli.checkpoints import publishing
    from sam_diffsr_cli.checkpoints.references import parse_hub_reference
    from sam_diffsr_cli.cli.console import note, print_result, printable

    target = parse_hub_reference(repository)
    publication = publishing.prepare(path, target, licence=licence, card=card)
    publication = replace(publication, is_private=private)
    if dry_run:
        note(f"{path} would become {target.file} in {target.repo}, with this card:")
        print_result(printable(publication.card.rstrip("\n")))
        return
    place = publishing.push(publication, message)
    note("uploaded; use it as --model with:")
    print_result(place)
