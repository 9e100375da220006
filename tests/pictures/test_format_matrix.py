"""Nothing that a format may hold is lost without a note, whatever is read and written."""

import pytest

from sam_diffsr_cli.pictures.formats import FORMATS
from sam_diffsr_cli.pictures.kinds import can_read_heif
from tests.tools.format_matrix import Cell, measure, print_matrix, with_matrix
from tests.tools.write_formats import PAGE


@pytest.fixture(scope="module")
def cells() -> list[Cell]:
    return measure()


def test_nothing_is_lost_without_a_note(cells: list[Cell]) -> None:
    assert [cell for cell in cells if cell.state == "lost"] == []


def test_a_format_keeps_what_it_was_read_from_it(cells: list[Cell]) -> None:
    own = {"JPEG XL": "JXL", "WebP": "WEBP"}
    rest = [
        (cell.source, cell.holds)
        for cell in cells
        if own.get(cell.source, cell.source) == cell.target and cell.state != "kept"
    ]
    # What no writer can know, what stands behind the end, and what needs more than it can hold.
    unknown = {(source, "unknown part") for source in ("PNG", "JPEG", "WebP", "TIFF", "GIF", "JPEG XL")}  # fmt: skip  # noqa: E501
    behind = {(source, "trailer") for source in ("PNG", "WebP", "GIF", "BMP")}
    turned = {("BMP", "profile"), ("JPEG", "12 bits"), ("TIFF", "floating point")}
    assert set(rest) == unknown | behind | turned | {("TIFF", "colour by numbers")}


def test_every_format_is_read_and_written(cells: list[Cell]) -> None:
    assert {cell.target for cell in cells} == {each.name for each in FORMATS}
    assert len({cell.source for cell in cells}) == 8 + can_read_heif()


def test_what_is_refused_is_more_frames_or_transparency_than_there_is_room_for(
    cells: list[Cell],
) -> None:
    things = {cell.holds for cell in cells if cell.state == "refused"}
    assert things == {"alpha", "clear pixels", "animation", "plays", "pages"}


@pytest.mark.skipif(not can_read_heif(), reason="the page tells of HEIC too")
def test_the_page_shows_what_was_measured(cells: list[Cell]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_matrix(page, print_matrix(cells)), (
        "run: python -m tests.tools.write_formats"
    )
