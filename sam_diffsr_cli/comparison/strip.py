"""A still picture of a comparison: a column a method, a row for each place that differs most."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sam_diffsr_cli.atomic import atomic_path
from sam_diffsr_cli.comparison.crops import Window, pick_windows
from sam_diffsr_cli.comparison.panels import load_panels
from sam_diffsr_cli.comparison.records import Page
from sam_diffsr_cli.errors import InputError

__all__ = ["write_strip"]

PER_PICTURE = 2
"""Places of each picture that are shown."""

ZOOM, GAP, LINE = 3, 6, 22
"""How much larger a pixel is drawn, the space between crops, and the height of a line of text."""

PAPER, INK = (255, 255, 255), (20, 20, 20)


def write_strip(page: Page, path: Path) -> int:
    """Write the strip of a comparison, in the format of the path's suffix.

    Args:
        page: Its pictures, methods and truth; numbers are not shown.
        path: ``.png`` or ``.webp``, both lossless.

    Returns:
        The size of the file, bytes.

    Raises:
        InputError: A picture cannot be read, or nothing differs anywhere; or the file cannot be
            written.
        ShapeError: Panels of one picture differ in size.
    """
    rows: list[Image.Image] = []
    for picture in page.pictures:
        panels = load_panels(picture, page)
        truth = panels.get(page.truth) if page.truth is not None else None
        windows = pick_windows([panels[m] for m in page.methods], truth, count=PER_PICTURE)
        rows += [_draw_row(picture.name, list(panels.values()), window) for window in windows]
    if not rows:
        raise InputError(f"{path}: nothing to show, the results are all the same")
    strip = _stack([_draw_head(page.labels, rows[0].width), *rows])
    with atomic_path(path) as temporary:
        strip.save(temporary, lossless=True, optimize=True)
    return path.stat().st_size


def _draw_row(name: str, panels: list[np.ndarray], window: Window) -> Image.Image:
    """Draw one place as each method made it, below a line that says where it is."""
    cut = np.s_[window.top : window.top + window.height, window.left : window.left + window.width]
    crops = [Image.fromarray(np.ascontiguousarray(panel[cut])) for panel in panels]
    size = (window.width * ZOOM, window.height * ZOOM)
    width = len(crops) * (size[0] + GAP) + GAP
    row = Image.new("RGB", (width, LINE + size[1]), PAPER)
    _write(row, (GAP, 4), f"{name}, {window.left}+{window.width} x {window.top}+{window.height}")
    for column, crop in enumerate(crops):
        place = (GAP + column * (size[0] + GAP), LINE)
        row.paste(crop.resize(size, Image.Resampling.NEAREST), place)
    return row


def _draw_head(labels: tuple[str, ...], width: int) -> Image.Image:
    head = Image.new("RGB", (width, LINE), PAPER)
    each = (width - GAP) // len(labels)
    for column, label in enumerate(labels):
        _write(head, (GAP + column * each, 4), label)
    return head


def _write(image: Image.Image, place: tuple[int, int], text: str) -> None:
    ImageDraw.Draw(image).text(place, text, fill=INK, font=ImageFont.load_default(14))


def _stack(rows: list[Image.Image]) -> Image.Image:
    size = max(row.width for row in rows), sum(row.height + GAP for row in rows)
    whole = Image.new("RGB", size, PAPER)
    top = 0
    for row in rows:
        whole.paste(row, (0, top))
        top += row.height + GAP
    return whole
