"""The matrix of the page on formats: what each format may hold, and what becomes of it in each.

Every cell is measured: a real file is read, its pixels are doubled, it is written, and the result
is read again. ``python -m tests.tools.write_formats`` writes it into the page.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures.formats import FORMATS, Format
from sam_diffsr_cli.pictures.records import Picture
from sam_diffsr_cli.pictures.writing import check_fits
from tests.pictures.samples import enlarged, read, written
from tests.tools.matrix_files import COMMENT, DENSITY, DURATIONS, PLAYS, draw_files

__all__ = ["BEGIN", "END", "Cell", "measure", "print_matrix", "with_matrix"]

BEGIN, END = "<!-- matrix: begin -->", "<!-- matrix: end -->"
"""Marks in the page, between which the matrix stands."""

State = Literal["kept", "converted", "noted", "refused", "lost"]
Probe = Callable[[Picture], bool]


def _never(_picture: Picture) -> bool:
    """No result holds it as it was."""
    return False


def _has_behind(picture: Picture) -> bool:
    return picture.metadata.behind is not None


def _is_near(picture: Picture) -> bool:
    dpi = picture.metadata.dpi
    return dpi is not None and max(abs(a - b) for a, b in zip(dpi, DENSITY, strict=True)) < 1


def _has_comment(picture: Picture) -> bool:
    texts = b"".join(body for _, body in picture.metadata.png_chunks)
    return COMMENT in (picture.metadata.comment or b"") + texts


def _is_half_clear(picture: Picture) -> bool:
    alpha = picture.frames[0].pixels[..., -1]
    return picture.has_alpha and len(np.unique(alpha)) > 2


PROBES: dict[str, Probe] = {
    "profile": lambda p: p.metadata.icc is not None,
    "colour by numbers": lambda p: p.metadata.colour is not None,
    "10 bits": lambda p: p.is_deep,
    "12 bits": lambda p: p.is_deep,
    "16 bits": lambda p: p.is_deep and p.bits is None,
    "floating point": _never,
    "alpha": _is_half_clear,
    "clear pixels": lambda p: p.has_alpha,
    "EXIF": lambda p: p.metadata.exif is not None,
    "XMP": lambda p: "Zoë".encode() in (p.metadata.xmp or b""),
    "extended XMP": lambda p: b"A gull. A gull. " in (p.metadata.xmp or b""),
    "IPTC": lambda p: b"a caption!" in (p.metadata.photoshop or b""),
    "density": _is_near,
    "comment or text": _has_comment,
    "gain map": _has_behind,
    "video behind it": _has_behind,
    "trailer": _has_behind,
    "unknown part": _never,
    "second view": lambda p: p.kind == "views" and len(p.frames) == 2,
    "pages": lambda p: p.kind == "pages" and len(p.frames) == 2,
    "animation": lambda p: [round(f.duration_ms) for f in p.frames] == list(DURATIONS),
    "plays": lambda p: p.plays == PLAYS,
}
"""Whether a picture that was read holds the thing."""

WORDS: dict[str, tuple[str, ...]] = {
    "profile": ("ICC", "sRGB", "P3"),
    "colour by numbers": ("ICC", "sRGB", "P3", "colour"),
    "10 bits": ("10 bits",),
    "12 bits": ("12 bits",),
    "16 bits": ("16 bits",),
    "floating point": ("floating point",),
    "alpha": ("half seen",),
    "EXIF": ("EXIF",),
    "XMP": ("XMP",),
    "extended XMP": ("XMP",),
    "IPTC": ("IPTC",),
    "density": ("density",),
    "comment or text": ("comment", "text"),
    "gain map": ("gain map",),
    "video behind it": ("video", "trailer", "behind"),
    "trailer": ("behind", "trailer"),
    "unknown part": ("zzZz", "zzzz", "APP9", "60000", "MAKERMAKER1"),
    "second view": ("view",),
    "plays": ("plays",),
}
"""What a note says of it."""

CONVERTS: dict[str, Probe] = {
    "colour by numbers": lambda p: p.metadata.icc is not None,
    "profile": lambda p: p.metadata.colour is not None,
    "16 bits": lambda p: p.is_deep,
    "floating point": lambda p: p.is_deep,
    "alpha": lambda p: p.has_alpha,
}
"""Whether the result says the same in another way, or as far as it can."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What becomes of one thing on its way from a format into another."""

    source: str
    holds: str
    target: str
    state: State


def measure() -> list[Cell]:
    """Measure every cell."""
    cells = []
    for source, holds, data in draw_files():
        picture = read(data)
        counts = holds == "animation" and picture.plays == PLAYS
        things = ("animation", "plays") if counts else (holds,)
        for target in FORMATS:
            cells += [
                Cell(source, thing, target.name, state)
                for thing, state in zip(things, _states(picture, things, target), strict=True)
            ]
    return cells


def _states(picture: Picture, things: Iterable[str], target: Format) -> list[State]:
    """Write the picture into a format, and tell what became of each thing."""
    large = enlarged(picture)
    sizes = [(f.pixels.shape[0], f.pixels.shape[1]) for f in large.frames]
    try:
        check_fits("x", large, sizes, target, lossless=False)
    except InputError:
        return ["refused" for _ in things]
    data, notes = written(large, target.name)
    result = read(data)
    return [_state(thing, result, [*picture.notes, *notes]) for thing in things]


def _state(thing: str, result: Picture, notes: Iterable[str]) -> State:
    if PROBES[thing](result):
        return "kept"
    if thing in CONVERTS and CONVERTS[thing](result):
        return "converted"
    said = [note for note in notes if any(word in note for word in WORDS.get(thing, ()))]
    if any("converted" in note for note in said):
        return "converted"
    return "noted" if said else "lost"


def print_matrix(cells: Iterable[Cell]) -> str:
    """Print the cells as one table in Markdown."""
    targets = [each.name for each in FORMATS]
    lines = [
        f"| read | holds | {' | '.join(targets)} |",
        "|---" * (2 + len(targets)) + "|",
    ]
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for cell in cells:
        rows.setdefault((cell.source, cell.holds), {})[cell.target] = cell.state
    lines += [
        f"| {source} | {holds} | {' | '.join(row[name] for name in targets)} |"
        for (source, holds), row in rows.items()
    ]
    return "\n".join(lines) + "\n"


def with_matrix(page: str, matrix: str) -> str:
    """Put the matrix between its marks."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{matrix}\n{END}{tail}"
