"""Bring the tables of the page on formats up to date: ``python -m tests.tools.write_formats``."""

from pathlib import Path

import sam_diffsr_cli
from sam_diffsr_cli.pictures.pixel_table import with_pixel_table

PAGE = Path(sam_diffsr_cli.__file__).parent / "docs" / "formats.md"


if __name__ == "__main__":
    PAGE.write_text(with_pixel_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
