"""The comparison page: one HTML file that holds all it shows, or lies beside it.

Pictures are packed without loss and written one by one. They stand as text in script elements that
no browser runs; the page's own script decodes those that come into view.
"""

import base64
import contextlib
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import TextIO
from urllib.parse import quote

from sam_diffsr_cli import __version__
from sam_diffsr_cli.atomic import atomic_path
from sam_diffsr_cli.charts.curves import CHART_STYLE
from sam_diffsr_cli.comparison.crops import pick_windows
from sam_diffsr_cli.comparison.numbers import draw_numbers, draw_picture_numbers
from sam_diffsr_cli.comparison.panels import Packed, load_panels, pack
from sam_diffsr_cli.comparison.plot import draw_curves
from sam_diffsr_cli.comparison.records import ComparedPicture, Page
from sam_diffsr_cli.errors import InputError, os_errors
from sam_diffsr_cli.pages import look, render

__all__ = ["check_place", "folder_beside", "write_page"]

SCRIPTS = (
    "geometry.js",
    "pixels.js",
    "panes.js",
    "viewer.js",
    "gestures.js",
    "tables.js",
    "choices.js",
    "page.js",
)
"""In the order in which they are joined."""

OWN_FILE = re.compile(r"\d{4}-\d{2}-[0-9a-f]{16}\.(webp|png)")
"""How files beside the page are called: picture, panel, digest."""

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src {images}; script-src {script}"

MOST_OPEN = 6
"""More facts than these are folded at first: the pictures are what one comes for."""

PICTURES = "<!-- pictures -->"
"""Where they go in the template."""

Place = Callable[[str, Packed], str]
"""Makes the element that holds a packed panel, from the start of its name and the panel."""


def folder_beside(path: Path) -> Path:
    """Return the folder for pictures beside a page: ``page_files`` for ``page.html``."""
    return path.with_name(f"{path.stem}_files")


def check_place(path: Path, *, overwrite: bool, hint: str = "--overwrite") -> None:
    """Refuse a place that a page cannot be written to, before any work.

    Args:
        path: Of the page.
        overwrite: Whether one that is there may be replaced.
        hint: The option that allows it.

    Raises:
        InputError: It is not called .html, is there already, or lies in no folder.
    """
    if path.suffix.lower() not in {".html", ".htm"}:
        raise InputError(f"{path}: the page is an .html file")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}")
    if path.exists() and not overwrite:
        raise InputError(f"{path}: is there already", hint=f"{hint} replaces it")


def write_page(page: Page, path: Path, *, beside: bool = False) -> int:
    """Write a comparison page; it is there whole or not at all.

    Args:
        page: What to show. Its pictures are taken one by one; one is in memory at a time.
        path: Of the HTML file, which is replaced if it is there.
        beside: Keep the pictures as files in ``folder_beside(path)``. What an earlier page kept
            there is removed at the end.

    Returns:
        Bytes written.

    Raises:
        InputError: There is no picture, a panel is missing or cannot be read, or the place cannot
            be written.
        ShapeError: Panels of a picture differ in size.
        DiskFullError: The disk is full; a page that was there is as it was.
    """
    folder = folder_beside(path)
    written: dict[str, int] = {}

    def keep(name: str, packed: Packed) -> str:
        name = f"{name}-{hashlib.sha256(packed.data).hexdigest()[:16]}.{packed.kind}"
        with atomic_path(folder / name) as temporary:
            temporary.write_bytes(packed.data)
        written[name] = len(packed.data)
        address = quote(os.fsencode(f"{folder.name}/{name}"))
        return f'data-source="{address}">'

    if not beside:
        return _write_file(path, page, _embed, "blob:")
    with os_errors(folder, "cannot be made"):
        folder.mkdir(exist_ok=True)
    try:
        size = _write_file(path, page, keep, "'self' file:")
    finally:
        # Only if nothing is in it.
        with contextlib.suppress(OSError):
            folder.rmdir()
    for old in folder.iterdir():
        if OWN_FILE.fullmatch(old.name) and old.name not in written:
            old.unlink()
    return size + sum(written.values())


def _embed(_name: str, packed: Packed) -> str:
    return f">{base64.b64encode(packed.data).decode()}"


def _write_file(path: Path, page: Page, place: Place, images: str) -> int:
    with atomic_path(path) as temporary:
        # A name of a file need not be text.
        with temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            _write(file, page, place, images)
        return temporary.stat().st_size


def _write(file: TextIO, page: Page, place: Place, images: str) -> None:
    head, tail = _frame(page, images)
    file.write(head)
    count = 0
    for picture in page.pictures:
        count += 1
        file.writelines(_article(page, picture, count, place))
        # It goes before the next one is made.
        del picture
    if not count:
        raise InputError("a comparison needs at least one picture")
    file.write(tail)


def _asset(name: str) -> str:
    return (files("sam_diffsr_cli.comparison") / "assets" / name).read_text(encoding="utf-8")


def _frame(page: Page, images: str) -> tuple[str, str]:
    """Fill the template; return what stands before the pictures, and after them."""
    inner = "\n".join(_asset(name) for name in SCRIPTS)
    script = f'"use strict";\n(() => {{\n{inner}}})();\n'
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    labels = [{"label": label, "isTruth": label == page.truth} for label in page.labels]
    charts = (
        draw_curves(metric, [curve for curve in page.curves if curve.metric == metric.name])
        for metric in page.metrics
    )
    # One who ends the element early would make the browser run what follows.
    settings = json.dumps(labels).replace("<", "\\u003c")
    filled = render(
        "comparison/assets/page.html",
        title=page.title,
        policy=POLICY.format(images=images, script=f"'sha256-{digest}'"),
        style=look() + CHART_STYLE + _asset("page.css"),
        script=script,
        labels=settings,
        facts=page.facts,
        most_open=MOST_OPEN,
        numbers=draw_numbers(page),
        charts=list(filter(None, charts)),
        choices=page.choices,
        footer=f"Written by samsr {__version__}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC.",
        pictures=PICTURES,
    )
    before, _, after = filled.partition(PICTURES)
    return before, after


def _article(page: Page, picture: ComparedPicture, number: int, place: Place) -> Iterator[str]:
    """Yield the text of one picture: its head, its numbers, and a panel at a time."""
    panels = load_panels(picture, page)
    truth = None if page.truth is None else panels[page.truth]
    height, width = panels[page.labels[0]].shape[:2]
    windows = pick_windows([panels[method] for method in page.methods], truth)
    rows = [row for row in page.rows if row.picture == picture.name]
    crops = json.dumps([[w.left, w.top, w.width, w.height] for w in windows])
    yield render(
        "comparison/assets/picture.html",
        number=number,
        name=picture.name,
        size=(width, height),
        crops=crops,
        numbers=draw_picture_numbers(page, rows),
        facts=picture.facts,
    )
    for index, label in enumerate(page.labels):
        packed = pack(panels[label])
        held = place(f"{number:04d}-{index:02d}", packed)
        yield f'<script type="image/{packed.kind}" data-panel="{index}"{" " * (held[0] != ">")}'
        yield f"{held}</script>\n"
    yield "</article>\n"
