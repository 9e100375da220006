"""``samsr compare``: results of several methods side by side, as one HTML page."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sam_diffsr_cli.cli.console import note, print_error, print_result, progress
from sam_diffsr_cli.errors import InputError, PartialFailure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sam_diffsr_cli.comparison.measuring import Checked
    from sam_diffsr_cli.comparison.records import ComparedPicture
    from sam_diffsr_cli.comparison.request import Files
    from sam_diffsr_cli.comparison.sets import Matches

__all__ = ["compare"]

MOST_NAMED = 10
"""Files that are named one by one."""


def compare(  # noqa: PLR0913, PLR0917 - one parameter per option
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="RESULTS",
            help="Folders of results, or single pictures; LABEL=PATH names one.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="PAGE", help="The .html page, or a .png or .webp strip."
        ),
    ],
    truth: Annotated[
        Path | None, typer.Option(help="Folder of true pictures, or one, to measure against.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Of the page.", show_default="A, B, C")] = None,
    shave: Annotated[
        int, typer.Option(min=0, help="Pixels of border left out of PSNR and SSIM: the scale.")
    ] = 4,
    limit: Annotated[
        int | None, typer.Option(min=1, help="So many pictures, by name.", show_default="all")
    ] = None,
    beside: Annotated[  # noqa: FBT002
        bool, typer.Option("--beside", help="Keep the pictures in PAGE_files, not in the page.")
    ] = False,
    overwrite: Annotated[  # noqa: FBT002
        bool, typer.Option("--overwrite", help="Replace a page that is there.")
    ] = False,
) -> None:
    """Show results in one HTML page: slider, pixels in step, differences, numbers.

    With a .png or .webp, the places that differ most as a strip.

    Example: samsr compare a/ b/ -o page.html
    Example: samsr compare bicubic/ mine=out/ --truth Set5/ -o page.html
    """
    from sam_diffsr_cli.comparison.page import write_page
    from sam_diffsr_cli.comparison.request import STRIPS, check_output, make_page
    from sam_diffsr_cli.comparison.sets import match_sets, open_sets
    from sam_diffsr_cli.comparison.strip import write_strip

    check_output(output, beside=beside, overwrite=overwrite)
    if len(sources) < 2:
        raise InputError(
            "a comparison needs at least two methods", hint="samsr compare a/ b/ -o page.html"
        )
    sets = open_sets(sources, truth)
    matches = match_sets(sets)
    _tell_left_out(matches)
    files = dict(list(matches.pictures.items())[:limit])
    checked = _check(files, shave)
    page = make_page(title, sets, checked, files, shave)
    page = replace(page, pictures=_counted(page.pictures, len(checked)))
    if output.suffix.lower() in STRIPS:
        size = write_strip(page, output)
    else:
        size = write_page(page, output, beside=beside)
    note(f"pictures: {len(checked)}, panels of each: {len(sets)}, {size / 2**20:.1f} MiB")
    print_result(str(output))
    if failed := len(files) - len(checked):
        raise PartialFailure(f"{failed} of {len(files)} pictures cannot be read and are left out")


def _tell_left_out(matches: "Matches") -> None:
    for label, path in matches.left_out[:MOST_NAMED]:
        note(f"{path} ({label}): left out, since it is not in all of them")
    more = len(matches.left_out) - MOST_NAMED
    if more > 0:
        note(f"{more} more files are not in all of them, and are left out")


def _check(files: "Files", shave: int) -> "dict[str, Checked]":
    """Read and measure all pictures; tell those that cannot be read.

    Raises:
        InputError: Sizes differ, or no picture can be read.
    """
    from sam_diffsr_cli.comparison.measuring import check_picture, check_sizes

    for panels in files.values():
        check_sizes(panels)
    checked = {}
    with progress("read", len(files)) as report:
        for count, (name, panels) in enumerate(files.items(), start=1):
            try:
                checked[name] = check_picture(name, panels, shave)
            except InputError as error:
                print_error(str(error), error.hint)
            report(count, name)
    if not checked:
        raise InputError("none of the pictures can be read")
    return checked


def _counted(pictures: "Iterable[ComparedPicture]", count: int) -> "Iterator[ComparedPicture]":
    """Pass pictures on as the page takes them, with progress."""
    with progress("write", count) as report:
        for number, picture in enumerate(pictures):
            report(number, picture.name)
            yield picture
