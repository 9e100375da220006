"""What ``samsr masks show`` and ``stats`` put before a person."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import typer
from PIL import Image
from rich.console import Console
from rich.text import Text

from sam_diffsr_cli.cli.console import print_error
from sam_diffsr_cli.cli.render import CommandResult
from sam_diffsr_cli.errors import InputError, PartialFailure
from sam_diffsr_cli.masks.store import find_mask_files
from sam_diffsr_cli.masks.survey import SHARES, Stats, summarise, survey_file

__all__ = ["print_picture", "show_stats"]

MOST_COLUMNS = 160


def print_picture(pixels: np.ndarray) -> None:
    """Show a picture in the terminal, two pixels a character."""
    console = Console(emoji=False)
    columns = min(MOST_COLUMNS, console.width)
    rows = 2 * max(1, round(pixels.shape[0] * columns / pixels.shape[1] / 2))
    small = np.asarray(Image.fromarray(pixels).resize((columns, rows), Image.Resampling.BOX))
    for upper, lower in zip(small[::2].tolist(), small[1::2].tolist(), strict=True):
        line = Text(no_wrap=True)
        for above, below in zip(upper, lower, strict=True):
            line.append("\u2580", style=f"rgb({_triple(above)}) on rgb({_triple(below)})")
        console.print(line)


def _triple(colour: list[int]) -> str:
    return ",".join(map(str, colour))


def show_stats(masks: Path) -> CommandResult:
    """Give numbers over a folder of masks; damaged files are told as they are met.

    Raises:
        InputError: There are none.
    """
    paths = find_mask_files(masks)
    surveys, bad = [], 0
    for path in paths:
        try:
            surveys.append(survey_file(path))
        except InputError as error:
            bad += 1
            print_error(str(error), error.hint)
    failure = PartialFailure(f"{bad} of {len(paths)} mask files are damaged") if bad else None
    if not surveys:
        return CommandResult(failure=failure)
    stats = summarise(surveys)
    return CommandResult(
        document={**asdict(stats), "shares": SHARES},
        show=lambda: _print_stats(stats),
        failure=failure,
    )


def _print_stats(stats: Stats) -> None:
    typer.echo(f"files             {stats.files}")
    typer.echo(f"regions           {stats.regions}")
    typer.echo(f"regions per photo {stats.fewest} to {stats.most}, median {stats.median:g}")
    typer.echo(f"covered           {100 * stats.coverage:.1f} %, twice {100 * stats.overlap:.1f} %")
    below = 0.0
    for share, count in zip(SHARES, stats.histogram, strict=True):
        bar = "#" * round(40 * count / max(1, *stats.histogram))
        typer.echo(f"{100 * below:7.3g} to {100 * share:5.3g} % of the photo {count:7} {bar}")
        below = share
