"""Bring the tables of the page on formats up to date: ``tests.workshop.tools.write_formats``."""

from pathlib import Path

import sam_diffsr_cli
from sam_diffsr_cli.pictures.pixel_table import with_pixel_table
from tests.workshop.tools.format_matrix import with_matrix

PAGE = Path(sam_diffsr_cli.__file__).parent / "docs" / "formats.md"


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(with_matrix(with_pixel_table(page)), encoding="utf-8")
