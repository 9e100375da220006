"""Sample pictures of a run inside an HTML page: one is shown at a time, each held by the page."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup
from PIL import Image

from sam_diffsr_cli.charts.ticks import format_number
from sam_diffsr_cli.pages import render
from sam_diffsr_cli.training.journal import ValidationEntry

__all__ = ["MOST_SAMPLES", "draw_slides", "find_samples"]

MOST_SAMPLES = 12
QUALITIES = (90, 70)
SHRINKS = (1, 2, 4, 8)
WEBP_SIDE = 16383
"""The longest that the format has."""


class _Picture(NamedTuple):
    """A picture as it is embedded, and the size to show it at."""

    kind: str
    data: bytes
    width: int
    height: int

    @property
    def text(self) -> str:
        """The data as text."""
        return base64.b64encode(self.data).decode()


class _Slide(NamedTuple):
    """The step it was made after, what is to be seen, and the picture."""

    step: str
    text: str
    picture: _Picture


def find_samples(validations: Sequence[ValidationEntry], folder: Path) -> list[ValidationEntry]:
    """Choose validations whose sample is there: the first, the last, and evenly between."""
    there = [v for v in validations if v.sample and (folder / v.sample).is_file()]
    if len(there) <= MOST_SAMPLES:
        return there
    return [there[i * (len(there) - 1) // (MOST_SAMPLES - 1)] for i in range(MOST_SAMPLES)]


def draw_slides(
    validations: Sequence[ValidationEntry], folder: Path, name: str, most_bytes: int
) -> Markup:
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
    slides = [_slide(v, _embed(folder / v.sample, most_bytes)) for v in validations]
    shown = [slide for slide in slides if slide is not None]
    return render("training/assets/slides.html", group=f"{name}-sample", slides=shown)


def _slide(entry: ValidationEntry, picture: _Picture | None) -> _Slide | None:
    if picture is None:
        return None
    step = format_number(entry.step)
    quality = "" if entry.psnr_y is None else f", PSNR-Y {entry.psnr_y:.3f} dB"
    remark = ", best so far" if entry.is_best else ""
    text = f"Input, {entry.stage} after step {step}, and truth{quality}{remark}"
    return _Slide(step, text, picture)


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
