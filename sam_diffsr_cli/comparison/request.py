"""From sets of results that were read to the page that shows them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sam_diffsr_cli.comparison.measuring import METRICS, Checked, make_picture, mean_rows
from sam_diffsr_cli.comparison.page import folder_beside
from sam_diffsr_cli.comparison.records import Page
from sam_diffsr_cli.comparison.sets import TRUTH, ResultSet
from sam_diffsr_cli.errors import InputError

__all__ = ["STRIPS", "Files", "check_output", "make_page"]

PROTOCOL = (
    "PSNR and SSIM (11x11 Gaussian) of 8-bit results, {shave} pixels of border left out; "
    "Y is BT.601's, 16 to 235"
)

STRIPS = frozenset({".png", ".webp"})
"""Suffixes of a still picture in place of a page."""

Files = dict[str, Mapping[str, Path]]
"""The files of each picture, by the label of the set that they are of."""


def check_output(output: Path, *, beside: bool, overwrite: bool) -> None:
    """Refuse a place that the page could not be written to, before any work.

    Raises:
        InputError: It has another suffix, there is no such folder, or it is there already.
    """
    if output.suffix.lower() not in {".html", ".htm", *STRIPS}:
        raise InputError(f"{output}: the page is an .html file", hint="or a .png or .webp strip")
    if beside and output.suffix.lower() in STRIPS:
        raise InputError("--beside is for pages; a strip is one picture")
    if not output.parent.is_dir():
        raise InputError(f"{output}: there is no folder {output.parent}")
    places = (output, folder_beside(output)) if beside else (output,)
    for place in places:
        if place.exists() and not overwrite:
            raise InputError(f"{place}: is there already", hint="--overwrite replaces it")


def make_page(
    title: str | None,
    sets: Sequence[ResultSet],
    checked: Mapping[str, Checked],
    files: Files,
    shave: int,
) -> Page:
    """Put a page together; its pictures are read when they are asked for.

    Args:
        title: Of the page; None names the sets.
        sets: The results, and the truth if there is one.
        checked: The pictures that could be read, measured.
        files: Of all pictures.
        shave: Pixels of border that were left out of measures.
    """
    methods = [each.label for each in sets if each.label != TRUTH]
    rows = [row for each in checked.values() for row in each.rows]
    return Page(
        title=title or ", ".join(methods),
        methods=methods,
        truth=TRUTH if len(methods) < len(sets) else None,
        pictures=(make_picture(name, files[name]) for name in checked),
        facts=list(_facts(sets, files, checked, shave)),
        metrics=METRICS if rows else (),
        rows=[*mean_rows(rows, methods), *rows],
    )


def _facts(
    sets: Sequence[ResultSet], files: Files, checked: Mapping[str, Checked], shave: int
) -> Iterator[tuple[str, str]]:
    """Yield what is compared, what its files say made them, and how it was measured."""
    for each in sets:
        said = {one.made_by.get(each.label, "") for one in checked.values()}
        told = next(iter(said)) if len(said) == 1 else "made in several ways"
        if told or str(each.place) != each.label:
            yield each.label, f"{each.place}\n{told}".rstrip()
    shown = f"{len(checked)}" if len(checked) == len(files) else f"{len(checked)} of {len(files)}"
    yield "Pictures", shown
    if any(one.rows for one in checked.values()):
        yield "Protocol", PROTOCOL.format(shave=shave)
