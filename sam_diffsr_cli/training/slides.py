"""Sample pictures of a run inside an HTML page: one is shown at a time, each held by the page.

They are switched by radio buttons, which the arrow keys move between, so no script is needed.
"""

import base64
import html
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from sam_diffsr_cli.charts.ticks import format_number
from sam_diffsr_cli.training.journal import ValidationEntry

__all__ = ["MOST_SAMPLES", "SLIDE_STYLE", "draw_slides", "find_samples"]

MOST_SAMPLES = 12
QUALITIES = (90, 70)
SHRINKS = (1, 2, 4, 8)
WEBP_SIDE = 16383
"""The longest that the format has."""

SLIDE_STYLE = """
.samples { display: flex; flex-wrap: wrap; gap: .4rem; border: 0; margin: 0; padding: 0; }
.samples legend { padding: 0 0 .5rem; color: var(--muted); }
.samples input { position: absolute; opacity: 0; }
.samples label { padding: .15rem .6rem; border: 1px solid var(--grid); border-radius: 1rem;
  cursor: pointer; font-variant-numeric: tabular-nums; }
.samples input:checked + label { background: var(--ink); color: var(--paper); }
.samples input:focus-visible + label { outline: 3px solid var(--line-0); outline-offset: 2px; }
.samples figure { display: none; order: 1; flex-basis: 100%; margin: .5rem 0 0; }
.samples input:checked + label + figure { display: block; }
.samples figcaption { margin-top: .4rem; }
.samples img { display: block; max-width: 100%; height: auto; }
@media print { .samples figure { display: block; } .samples label { display: none; } }
"""


class _Picture(NamedTuple):
    """A picture as it is embedded, and the size to show it at."""

    kind: str
    data: bytes
    width: int
    height: int


def find_samples(validations: Sequence[ValidationEntry], folder: Path) -> list[ValidationEntry]:
    """Choose validations whose sample is there: the first, the last, and evenly between."""
    there = [v for v in validations if v.sample and (folder / v.sample).is_file()]
    if len(there) <= MOST_SAMPLES:
        return there
    return [there[i * (len(there) - 1) // (MOST_SAMPLES - 1)] for i in range(MOST_SAMPLES)]


def draw_slides(
    validations: Sequence[ValidationEntry], folder: Path, name: str, most_bytes: int
) -> str:
    """Draw the samples of validations, the last one shown first.

    Args:
        validations: Those to show; one whose picture is missing or damaged is left out.
        folder: What their paths are relative to.
        name: Of the stage; unlike that of other slides on the page.
        most_bytes: Of one picture. A PNG within it is embedded as it is; another is compressed
            with loss, and made smaller if that is not enough.

    Returns:
        HTML text; empty without a picture.
    """
    slides = [(v, _embed(folder / v.sample, most_bytes)) for v in validations]
    shown = [(entry, picture) for entry, picture in slides if picture is not None]
    items = [
        _slide(entry, picture, f"{name}-sample", number, is_shown=number == len(shown))
        for number, (entry, picture) in enumerate(shown, start=1)
    ]
    if not items:
        return ""
    legend = "<legend>After step (the arrow keys move between them)</legend>"
    return f'<fieldset class="samples">{legend}\n{"".join(items)}</fieldset>\n'


def _slide(
    entry: ValidationEntry, picture: _Picture, group: str, number: int, *, is_shown: bool
) -> str:
    step = format_number(entry.step)
    quality = "" if entry.psnr_y is None else f", PSNR-Y {entry.psnr_y:.3f} dB"
    remark = ", best so far" if entry.is_best else ""
    text = html.escape(f"Input, {entry.stage} after step {step}, and truth{quality}{remark}")
    data = base64.b64encode(picture.data).decode()
    return (
        f'<input type="radio" name="{group}" id="{group}-{number}"{" checked" * is_shown}>'
        f'<label for="{group}-{number}">{step}</label>\n'
        f'<figure><img width="{picture.width}" height="{picture.height}" alt="{text}" '
        f'src="data:image/{picture.kind};base64,{data}"><figcaption>{text}</figcaption></figure>\n'
    )


def _embed(path: Path, most_bytes: int) -> _Picture | None:
    """Read a picture to embed; None when it is missing or damaged."""
    try:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            kind, (width, height) = image.format, image.size
            pixels = image.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    if kind == "PNG" and len(data) <= most_bytes:
        return _Picture("png", data, width, height)
    for shrink in SHRINKS:
        smaller = pixels if shrink == 1 else pixels.reduce(shrink)
        for quality in QUALITIES if max(smaller.size) <= WEBP_SIDE else ():
            file = io.BytesIO()
            smaller.save(file, "WEBP", quality=quality)
            if file.tell() <= most_bytes:
                return _Picture("webp", file.getvalue(), width, height)
    return None
