"""How large a picture is to become: a request for all pictures, resolved for each by itself.

Whole numbers and fractions only; no picture, no model.
"""

import math
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import NamedTuple

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.strict import conform

__all__ = ["HIGHEST_SCALE", "Size", "Target", "check_scale", "check_wrap", "final_size"]

HIGHEST_SCALE = 16.0
"""The model enlarges so often at most; what is left to a size that was asked for is bicubic."""

CONTEXT = 16
"""Input pixels beyond a cut that the model sees, so that the cut does not look like a border."""

MOST_SIDE = 1_000_000
"""No format holds a longer side than PNG, and no disk here a picture of two such sides."""

NOT_REQUESTS = ("turns", "only_larger")


def check_scale(scale: float) -> None:
    """Refuse a scale out of range.

    Raises:
        InputError: It is not within 1 to 16.
    """
    if not 1 <= scale <= HIGHEST_SCALE:
        raise InputError(f"--scale {scale:g}: allowed are 1 to {HIGHEST_SCALE:g}")


def final_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """Height and width after enlarging by ``scale``: rounded, at least 1."""
    height, width = (max(1, math.floor(length * scale + 0.5)) for length in size)
    return height, width


class Target(NamedTuple):
    """What a size comes to for one picture.

    Attributes:
        before: Height and width of the picture.
        factor: How many times as high and wide it becomes: below 1 it is shrunk, above
            ``HIGHEST_SCALE`` the rest is bicubic.
        window: ``(top, left, bottom, right)`` of the picture that is enlarged, in its pixels.
        whole: Height and width of the window enlarged.
        corner: Top and left of the result in it.
        size: Height and width of the result.
    """

    before: tuple[int, int]
    factor: float
    window: tuple[int, int, int, int]
    whole: tuple[int, int]
    corner: tuple[int, int]
    size: tuple[int, int]

    @property
    def is_cut(self) -> bool:
        """Whether the result lacks a part of the picture."""
        return self.size != self.whole or self.window != (0, 0, *self.before)

    @property
    def kept(self) -> tuple[Fraction, Fraction, Fraction, Fraction]:
        """Top, left, height and width, in pixels of the picture, of what is in the result."""
        top, left, bottom, right = self.window
        down, across = (
            Fraction(length, whole)
            for length, whole in zip((bottom - top, right - left), self.whole, strict=True)
        )
        return (
            top + self.corner[0] * down,
            left + self.corner[1] * across,
            self.size[0] * down,
            self.size[1] * across,
        )


ROUNDED = Fraction(1, 100)
"""A change of the sides' ratio that is worth a word; whole pixels allow no better."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """A size that is asked for: exactly one of the first seven, in pixels of the upright result.

    Attributes:
        scale: Times as high and wide, 1 to 16.
        width: So wide; the height follows.
        height: So high; the width follows.
        fit: ``(width, height)``, the largest that lies inside.
        fill: ``(width, height)``, exactly; what sticks out is cut off, as much on both sides.
        min_size: The shorter side at least so long; larger pictures keep their size.
        megapixels: So many million pixels, as near as whole sides allow.
        turns: Exchange the sides of ``fit`` or ``fill`` where the picture is upright and they lie,
            or the other way round, as paper is turned.
        only_larger: Leave out pictures that do not grow, rather than shrink them.

    Raises:
        InputError: None or several are given, or one is out of range.
    """

    scale: float | None = None
    width: int | None = None
    height: int | None = None
    fit: tuple[int, int] | None = None
    fill: tuple[int, int] | None = None
    min_size: int | None = None
    megapixels: float | None = None
    turns: bool = False
    only_larger: bool = False

    def __post_init__(self) -> None:
        conform(self)
        given = [name for name in _REQUESTS if getattr(self, name) is not None]
        if len(given) != 1:
            names = " and ".join(map(_option, given)) or "nothing"
            hint = "a size is one of " + ", ".join(map(_option, _REQUESTS))
            verb = "are" if len(given) > 1 else "is"
            raise InputError(f"one size is needed, and {names} {verb} given", hint=hint)
        if self.scale is not None:
            check_scale(self.scale)
        if self.megapixels is not None and not 0 < self.megapixels <= MOST_SIDE:
            raise InputError(
                f"--megapixels {self.megapixels:g}: allowed are numbers above 0, up to {MOST_SIDE}"
            )
        for name in ("width", "height", "min_size", "fit", "fill"):
            value = getattr(self, name)
            _check_sides(name, value if isinstance(value, tuple) else (value,))
        if self.only_larger and self.scale is not None:
            raise InputError("--only-larger needs a size: with --scale every picture grows")

    @property
    def text(self) -> str:
        """What was asked for, in a word or two, as ``fit 1920x1080``."""
        (name,) = (name for name in _REQUESTS if getattr(self, name) is not None)
        value = getattr(self, name)
        told = "x".join(map(str, value)) if isinstance(value, tuple) else f"{value:.10g}"
        turned = " or turned" if self.turns else ""
        larger = ", only larger" if self.only_larger else ""
        return f"{_option(name)[2:]} {told}{turned}{larger}"

    @property
    def label(self) -> str:
        """What to add to a name: ``x4``, ``1920x1080``, ``2000w``, ``1000h``, ``12mp``."""
        box = self.fit or self.fill
        if box is not None:
            return f"{box[0]}x{box[1]}"
        endings = {"width": "w", "height": "h", "min_size": "min", "megapixels": "mp"}
        if self.scale is not None:
            return f"x{self.scale:.10g}"
        (name,) = (name for name in endings if getattr(self, name) is not None)
        return f"{getattr(self, name):.10g}{endings[name]}"

    def resolve(self, size: tuple[int, int]) -> Target:
        """Decide what becomes of an upright picture of ``size``, height and width, each at least 1.

        Sides are rounded to the nearest pixel, halves up, and are at least 1.
        """
        height, width = size
        if self.scale is not None:
            wanted = final_size(size, self.scale)
            return _whole(size, wanted, self.scale)
        if self.megapixels is not None:
            factor = math.sqrt(self.megapixels * 1e6 / (height * width))
            return _whole(size, final_size(size, factor), factor)
        if self.fill is not None:
            return _filled(size, _turned(self.fill, size, turns=self.turns))
        exact = self._exact_factor(size)
        wanted = _times(height, exact), _times(width, exact)
        return _whole(size, wanted, float(exact))

    def notes(self, target: Target) -> tuple[str, ...]:
        """Say what is out of the ordinary: shrunk, beyond the model, or bent by rounding."""
        told = []
        was, is_now = (f"{width}x{height}" for height, width in (target.before, target.size))
        if target.factor < 1:
            told.append(f"shrunk from {was} to {is_now}, without the model")
        elif target.factor > HIGHEST_SCALE:
            told.append(
                f"{target.factor:.4g} times is more than {HIGHEST_SCALE:g}: the rest is bicubic"
            )
        kept = target.kept[2:]
        down, across = (Fraction(a) / b for a, b in zip(target.size, kept, strict=True))
        if abs(down / across - 1) > ROUNDED and self.scale is None:
            told.append(f"the shorter side of {is_now} is rounded to whole pixels")
        return tuple(told)

    def is_left_out(self, target: Target) -> bool:
        """Whether a picture is left out, since it does not grow."""
        return self.only_larger and target.factor <= 1

    def _exact_factor(self, size: tuple[int, int]) -> Fraction:
        height, width = size
        if self.width is not None:
            return Fraction(self.width, width)
        if self.height is not None:
            return Fraction(self.height, height)
        if self.min_size is not None:
            return max(Fraction(1), Fraction(self.min_size, min(size)))
        across, down = _turned(self.fit or (1, 1), size, turns=self.turns)
        return min(Fraction(across, width), Fraction(down, height))


def check_wrap(size: Size | None, *, wrap: bool) -> None:
    """Refuse a size that a pattern, which repeats, cannot have.

    Raises:
        InputError: It cuts.
    """
    if wrap and size is not None and size.fill is not None:
        raise InputError("--wrap and --fill exclude each other: what is cut does not tile")


_REQUESTS = tuple(each.name for each in fields(Size) if each.name not in NOT_REQUESTS)


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _check_sides(name: str, sides: tuple[int | None, ...]) -> None:
    if not all(side is None or 1 <= side <= MOST_SIDE for side in sides):
        told = "x".join(map(str, sides))
        raise InputError(f"{_option(name)} {told}: allowed are 1 to {MOST_SIDE} pixels")


def _times(length: int, factor: Fraction) -> int:
    """Multiply a length and round, halves up; at least 1."""
    return max(1, math.floor(length * factor + Fraction(1, 2)))


def _turned(box: tuple[int, int], size: tuple[int, int], *, turns: bool) -> tuple[int, int]:
    """Turn ``(width, height)`` as a picture of ``size`` stands, if it may be."""
    stands = size[0] > size[1]
    lies = size[0] < size[1]
    if turns and ((stands and box[0] > box[1]) or (lies and box[0] < box[1])):
        return box[1], box[0]
    return box


def _whole(size: tuple[int, int], wanted: tuple[int, int], factor: float) -> Target:
    return Target(size, factor, (0, 0, *size), wanted, (0, 0), wanted)


def _filled(size: tuple[int, int], box: tuple[int, int]) -> Target:
    """Cover ``box``, width and height, from the middle of the picture."""
    wanted = box[1], box[0]
    factor = max(Fraction(a, b) for a, b in zip(wanted, size, strict=True))
    (top, bottom, down), (left, right, across) = (
        _cut(length, side, factor) for length, side in zip(size, wanted, strict=True)
    )
    whole = _times(bottom - top, factor), _times(right - left, factor)
    return Target(size, float(factor), (top, left, bottom, right), whole, (down, across), wanted)


def _cut(length: int, wanted: int, factor: Fraction) -> tuple[int, int, int]:
    """Return where the part of an axis to enlarge begins and ends, and the result's start in it."""
    start = (length - wanted / factor) / 2
    first = max(0, math.floor(start) - CONTEXT)
    last = min(length, math.ceil(length - start) + CONTEXT)
    return first, last, math.floor((start - first) * factor + Fraction(1, 2))
