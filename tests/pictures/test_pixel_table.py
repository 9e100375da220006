"""The documentation prints the table that the code acts on."""

from sam_diffsr_cli.pictures.pixel_metadata import ROWS
from sam_diffsr_cli.pictures.pixel_table import pixel_table, with_pixel_table
from tests.workshop.tools.write_formats import PAGE


def test_the_page_on_formats_is_up_to_date() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_pixel_table(page), "run: python -m tests.workshop.tools.write_formats"


def test_every_row_is_printed_with_what_is_done_and_why() -> None:
    lines = pixel_table().splitlines()[2:]
    assert len(lines) == len(ROWS)
    for row, line in zip(ROWS, lines, strict=True):
        assert f"| {row.title} |" in line
        assert line.endswith(f"| {row.why} |")
