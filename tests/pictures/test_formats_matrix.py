"""The matrix of formats in the documentation is what happens, and nothing is lost in silence."""

import functools

import pytest

from tests.workshop.tools.format_matrix import BEGIN, CELLS, END, measure_cells, table_of
from tests.workshop.tools.write_formats import PAGE

cells = functools.cache(measure_cells)


@pytest.mark.slow
def test_nothing_is_lost_without_a_note() -> None:
    lost = [
        (*kind, target)
        for kind, row in cells().items()
        for target, cell in row.items()
        if cell not in CELLS
    ]
    assert lost == []


def test_the_matrix_on_the_page_is_up_to_date() -> None:
    page = PAGE.read_text(encoding="utf-8")
    shown = page[page.index(BEGIN) + len(BEGIN) : page.index(END)].strip()
    assert shown == table_of(cells()).strip(), "run: python -m tests.workshop.tools.write_formats"


def test_every_format_that_is_read_is_in_the_matrix() -> None:
    sources = {source for source, _ in cells()}
    assert sources == {
        "PNG", "JPEG", "MPO", "WebP", "TIFF", "BMP", "GIF", "AVIF", "HEIC", "JPEG XL"
    }  # fmt: skip


def test_a_format_keeps_what_was_read_from_it() -> None:
    """But for parts nobody knows, what stands behind the end, and what has no such form."""
    own = {"WebP": "WEBP", "JPEG XL": "JXL", "MPO": "JPEG"}
    others = {
        (source, feature)
        for (source, feature), row in cells().items()
        if source != "HEIC" and row[own.get(source, source)] != "kept"
    }
    unknown = {(each, "unknown part") for each in ("PNG", "JPEG", "WebP", "TIFF", "GIF")}
    behind = {(each, "trailer") for each in ("PNG", "WebP", "GIF", "BMP", "AVIF")}
    reduced = {("JPEG", "deep"), ("TIFF", "floating point"), ("BMP", "profile"), ("GIF", "XMP")}
    reduced |= {("BMP", "code points"), ("GIF", "profile")}
    assert others == unknown | behind | reduced
