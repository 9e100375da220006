"""Sizes as people write them: ``2x``, ``200%``, ``3840x2160``, ``30x20cm``."""

import math
import re
from dataclasses import dataclass
from fractions import Fraction

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.upscaling.sizes import Size, check_scale

__all__ = [
    "PRINT_DPI",
    "SizeText",
    "parse_box",
    "parse_dpi",
    "parse_print",
    "parse_scale",
]

PRINT_DPI = 300.0
"""What photos are printed with where nothing else is said."""

MOST_DPI = 65_535
"""The density of a JPEG is a number of 16 bits."""

INCHES = {"in": Fraction(1), '"': Fraction(1), "cm": Fraction(50, 127), "mm": Fraction(5, 127)}
"""A unit of paper, in inches."""

_SCALE = re.compile(r"(?P<number>[0-9]*[.,]?[0-9]+)\s*(?P<unit>[xX]|%|)")
_BOX = re.compile(r"(?P<width>[0-9]{1,15})\s*[xX]\s*(?P<height>[0-9]{1,15})")
_PAPER = re.compile(
    r"(?P<width>[0-9]{0,9}[.]?[0-9]{1,9})\s*[xX]\s*(?P<height>[0-9]{0,9}[.]?[0-9]{1,9})\s*(?P<unit>cm|mm|in|\")"
)


def parse_scale(text: str) -> float:
    """Read a scale: ``2``, ``2.5``, ``2x`` or ``200%``.

    Raises:
        InputError: It is none, or not within 1 to 16.
    """
    match = _SCALE.fullmatch(text.strip())
    if match is None:
        raise InputError(
            f"--scale {text}: is no scale", hint="write it as 2, 2.5, 2x or 200%; see also --fit"
        )
    number = float(match["number"].replace(",", "."))
    scale = number / 100 if match["unit"] == "%" else number
    check_scale(scale)
    return scale


def parse_box(option: str, text: str) -> tuple[int, int]:
    """Read a width and a height in pixels, ``3840x2160``.

    Args:
        option: It was given with, for messages.
        text: What was given.

    Raises:
        InputError: It is none.
    """
    match = _BOX.fullmatch(text.strip())
    if match is None:
        raise InputError(f"{option} {text}: is no size", hint="write width x height as 3840x2160")
    return int(match["width"]), int(match["height"])


def parse_dpi(dpi: float) -> float:
    """Refuse a density that no print has.

    Raises:
        InputError: It is not within 1 to 65,535.
    """
    if not (math.isfinite(dpi) and 1 <= dpi <= MOST_DPI):
        raise InputError(f"--dpi {dpi:g}: allowed are 1 to {MOST_DPI}")
    return dpi


def parse_print(text: str, dpi: float, *, only_larger: bool = False) -> Size:
    """Turn a size of paper, ``30x20cm``, ``100x150mm`` or ``8x10in``, into one in pixels.

    The picture lies inside the paper, which is turned as the picture is.

    Args:
        text: What was given.
        dpi: Pixels an inch.
        only_larger: As in ``Size``.

    Raises:
        InputError: It is none.
    """
    match = _PAPER.fullmatch(text.strip())
    if match is None:
        raise InputError(
            f"--print {text}: is no size of paper", hint="write it as 30x20cm, 100x150mm or 8x10in"
        )
    unit = INCHES[match["unit"].lower()] * Fraction(parse_dpi(dpi))
    if not all(float(match[side]) for side in ("width", "height")):
        raise InputError(f"--print {text}: paper has no side of 0")
    width, height = (
        max(1, math.floor(Fraction(match[side]) * unit + Fraction(1, 2)))
        for side in ("width", "height")
    )
    return Size(fit=(width, height), turns=True, only_larger=only_larger)


@dataclass(frozen=True, slots=True)
class SizeText:
    """Sizes as they were asked for on the command line; at most one of the first eight.

    Attributes:
        scale: ``2``, ``2.5``, ``2x`` or ``200%``.
        width: In pixels.
        height: In pixels.
        fit: ``3840x2160``.
        fill: ``3840x2160``.
        min_size: In pixels.
        megapixels: Million pixels.
        paper: ``30x20cm``.
        dpi: Pixels an inch of paper; None is ``PRINT_DPI`` with paper, and else nothing.
        only_larger: As in ``Size``.
    """

    scale: str | None = None
    width: int | None = None
    height: int | None = None
    fit: str | None = None
    fill: str | None = None
    min_size: int | None = None
    megapixels: float | None = None
    paper: str | None = None
    dpi: float | None = None
    only_larger: bool = False

    def resolve(self) -> Size | None:
        """Read what was asked for; None where nothing was.

        Raises:
            InputError: Several were, or one is none.
        """
        given = [name for name in _NAMES if getattr(self, name) is not None]
        if len(given) > 1:
            told = " and ".join(_NAMES[name] for name in given)
            raise InputError(f"{told} exclude each other", hint="leave one out")
        if not given:
            if self.only_larger:
                raise InputError("--only-larger needs a size", hint="such as --fit 3840x2160")
            return None
        if self.paper is not None:
            return parse_print(self.paper, self.dpi or PRINT_DPI, only_larger=self.only_larger)
        return Size(
            scale=None if self.scale is None else parse_scale(self.scale),
            width=self.width,
            height=self.height,
            fit=None if self.fit is None else parse_box("--fit", self.fit),
            fill=None if self.fill is None else parse_box("--fill", self.fill),
            min_size=self.min_size,
            megapixels=self.megapixels,
            only_larger=self.only_larger,
        )

    @property
    def density(self) -> float | None:
        """The print density that results are to tell; None for that of their inputs."""
        return PRINT_DPI if self.dpi is None and self.paper is not None else self.dpi


_NAMES = {
    "scale": "--scale",
    "width": "--width",
    "height": "--height",
    "fit": "--fit",
    "fill": "--fill",
    "min_size": "--min-size",
    "megapixels": "--megapixels",
    "paper": "--print",
}
