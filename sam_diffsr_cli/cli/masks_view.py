"""What ``samsr masks show`` and ``stats`` put before a person."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    import numpy as np

    from sam_diffsr_cli.masks.position import MaskNorm
    from sam_diffsr_cli.masks.survey import Stats

__all__ = ["draw_photo", "print_picture", "show_stats", "write_picture"]

MOST_COLUMNS = 160


def draw_photo(image: Path, masks: Path, data: Path | None, norm: "MaskNorm") -> "np.ndarray":
    """Draw a photo's regions and encoding, ``(H, 2 * W + gap, 3)`` uint8.

    Raises:
        InputError: The photo or its masks cannot be read.
    """
    import numpy as np

    from sam_diffsr_cli.errors import InputError
    from sam_diffsr_cli.masks.drawing import draw_encoding, draw_regions, side_by_side
    from sam_diffsr_cli.masks.encoding import IMPORTED, read_encoding
    from sam_diffsr_cli.masks.store import find_mask_file, read_masks
    from sam_diffsr_cli.pictures.reading import read_levels

    pixels = read_levels(image)
    if data is not None and not image.is_relative_to(data):
        raise InputError(f"{image}: does not lie in {data}", hint="--data is the photos' folder")
    # The masks mirror some folder above the photo; the nearest with masks of its name is it.
    roots = image.parents if data is None else (data,)
    found = (find_mask_file(image, root, masks) for root in roots)
    path = next((path for path in found if path is not None), None)
    if path is None:
        raise InputError(
            f"{image}: has no masks in {masks}",
            hint="samsr masks build; or --data with the folder that the masks mirror",
        )
    size = pixels.shape[0], pixels.shape[1]
    has_regions = path.suffix != IMPORTED
    regions = read_masks(path, size).numpy() if has_regions else np.zeros((0, *size), dtype=bool)
    encoding = read_encoding(path, masks, size, norm).numpy()
    return side_by_side(draw_regions(pixels, regions), draw_encoding(encoding))


def write_picture(path: Path, pixels: "np.ndarray") -> None:
    """Write a PNG.

    Raises:
        InputError: The name is of another kind, or the folder cannot be written.
    """
    from sam_diffsr_cli.atomic import atomic_path
    from sam_diffsr_cli.errors import InputError
    from sam_diffsr_cli.pictures.png import write_png

    if path.suffix.lower() != ".png":
        raise InputError(f"{path}: a picture of masks is a .png")
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        write_png(file, pixels, [])


def print_picture(pixels: "np.ndarray") -> None:
    """Show a picture in the terminal, two pixels a character."""
    import numpy as np
    from PIL import Image
    from rich.console import Console
    from rich.text import Text

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


def show_stats(masks: Path, *, as_json: bool) -> None:
    """Print numbers over a folder of masks.

    Raises:
        InputError: There are none.
        PartialFailure: Some files are damaged.
        typer.Exit: With ``as_json``, the same exit code.
    """
    from sam_diffsr_cli.cli.console import print_error
    from sam_diffsr_cli.errors import InputError, PartialFailure
    from sam_diffsr_cli.masks.store import find_mask_files
    from sam_diffsr_cli.masks.survey import summarise, survey_file

    paths = find_mask_files(masks)
    surveys, bad = [], 0
    for path in paths:
        try:
            surveys.append(survey_file(path))
        except InputError as error:
            bad += 1
            print_error(str(error), error.hint)
    if surveys:
        _print_stats(summarise(surveys), as_json=as_json)
    if bad:
        failure = PartialFailure(f"{bad} of {len(paths)} mask files are damaged")
        if not (as_json and surveys):
            raise failure
        # The document is out; raised, the error would be a second one.
        print_error(str(failure))
        raise typer.Exit(failure.exit_code)


def _print_stats(stats: "Stats", *, as_json: bool) -> None:
    from sam_diffsr_cli.masks.survey import SHARES

    if as_json:
        typer.echo(json.dumps({"samsr": 1, **asdict(stats), "shares": SHARES}, indent=2))
        return
    typer.echo(f"files             {stats.files}")
    typer.echo(f"regions           {stats.regions}")
    typer.echo(f"regions per photo {stats.fewest} to {stats.most}, median {stats.median:g}")
    typer.echo(f"covered           {100 * stats.coverage:.1f} %, twice {100 * stats.overlap:.1f} %")
    below = 0.0
    for share, count in zip(SHARES, stats.histogram, strict=True):
        bar = "#" * round(40 * count / max(1, *stats.histogram))
        typer.echo(f"{100 * below:7.3g} to {100 * share:5.3g} % of the photo {count:7} {bar}")
        below = share
