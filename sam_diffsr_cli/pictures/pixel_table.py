"""The table of metadata that speaks of pixels, as the documentation prints it."""

from sam_diffsr_cli.pictures.pixel_metadata import ROWS, MetadataRow, Rule

__all__ = ["BEGIN", "END", "pixel_table", "with_pixel_table"]

BEGIN, END = "<!-- pixel table: begin -->", "<!-- pixel table: end -->"
"""Marks in the page, between which the table stands."""

_DONE: dict[Rule, str] = {
    "upright": "set to 1",
    "width": "set to the new width",
    "height": "set to the new height",
    "across": "times the scale; the axes change places with a quarter turn",
    "down": "times the scale; the axes change places with a quarter turn",
    "density": "kept; the axes change places with a quarter turn",
    "pixels across": "times the scale",
    "pixels down": "times the scale",
    "area": "turned, and times the scale",
    "place": "turned, and times the scale",
    "region": "turned; what is in pixels also times the scale",
    "crop": "turned; what is in pixels also times the scale",
    "remove": "removed",
    "remove if turned": "kept; removed from a photo that is turned",
    "keep": "kept",
}


def pixel_table() -> str:
    """Print every row, in Markdown."""
    lines = ["| where | what | what becomes of it | why |", "|---|---|---|---|"]
    lines += [f"| {row.block} | {row.title} | {_done(row)} | {row.why} |" for row in ROWS]
    return "\n".join(lines) + "\n"


def _done(row: MetadataRow) -> str:
    return _DONE[row.rule] + (", and said" if row.noted else "")


def with_pixel_table(page: str) -> str:
    """Put the table between the marks of a page.

    Raises:
        ValueError: The page has no marks.
    """
    begin, end = page.index(BEGIN) + len(BEGIN), page.index(END)
    return f"{page[:begin]}\n\n{pixel_table()}\n{page[end:]}"
