"""What happened to the pixels between the file that was read and the one to be written."""

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

__all__ = ["Change", "Cut", "Point", "Rectangle"]

MIRRORED = (2, 4, 5, 7)
"""EXIF orientations that no turn alone makes upright."""


class Point(NamedTuple):
    """Fractions of width and height, from the upper left."""

    x: float
    y: float


class Rectangle(NamedTuple):
    """Its centre and extent, in fractions of width and height."""

    x: float
    y: float
    width: float
    height: float


class Cut(NamedTuple):
    """What is kept of a picture: a rectangle by its upper left corner, in fractions of pixels."""

    top: Fraction
    left: Fraction
    height: Fraction
    width: Fraction


@dataclass(frozen=True, slots=True)
class Change:
    """A turn by an EXIF orientation, 1 to 8, a cut, and then an enlarging.

    ``before`` and ``after`` are upright sizes ``(h, w)``; the file had ``before``, turned back.
    ``cut`` is what of the upright picture was kept; None for all.
    """

    turn: int
    before: tuple[int, int]
    after: tuple[int, int]
    cut: Cut | None = None

    @property
    def is_quarter(self) -> bool:
        """Whether rows became columns."""
        return self.turn >= 5

    @property
    def is_mirrored(self) -> bool:
        """Whether left and right changed places."""
        return self.turn in MIRRORED

    @property
    def is_cut(self) -> bool:
        """Whether a part was cut off."""
        return self.cut is not None

    @property
    def moves(self) -> bool:
        """Whether what was at a place is at another, in fractions of the picture."""
        return self.turn != 1 or self.is_cut

    @property
    def kept(self) -> Cut:
        """What of the upright picture was kept."""
        return self.cut or Cut(Fraction(0), Fraction(0), *map(Fraction, self.before))

    @property
    def stored(self) -> tuple[int, int]:
        """The size ``(h, w)`` in the file, not upright."""
        return (self.before[1], self.before[0]) if self.is_quarter else self.before

    @property
    def factors(self) -> tuple[Fraction, Fraction]:
        """By how much the upright width and height have grown."""
        (new_height, new_width), kept = self.after, self.kept
        return new_width / kept.width, new_height / kept.height

    def point(self, point: Point) -> Point:
        """Turn a point of the file's picture with the pixels, and tell where it is in the cut."""
        x, y = point
        if self.turn in (5, 7):
            x, y = y, x
        elif self.turn == 6:
            x, y = 1 - y, x
        elif self.turn == 8:
            x, y = y, 1 - x
        if self.turn in (2, 3, 7):
            x = 1 - x
        if self.turn in (3, 4, 7):
            y = 1 - y
        if self.cut is None:
            return Point(x, y)
        (height, width), cut = self.before, self.cut
        return Point(
            (x * width - float(cut.left)) / float(cut.width),
            (y * height - float(cut.top)) / float(cut.height),
        )

    def rectangle(self, area: Rectangle) -> Rectangle:
        """Turn a rectangle of the file's picture with the pixels."""
        centre = self.point(Point(area.x, area.y))
        extent = (area.width, area.height)[:: -1 if self.is_quarter else 1]
        (height, width), kept = self.before, self.kept
        across, down = float(width / kept.width), float(height / kept.height)
        return Rectangle(*centre, extent[0] * across, extent[1] * down)

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """Return where a place in the file, in pixels, is in the enlarged picture."""
        height, width = self.stored
        turned = self.point(Point(x / width, y / height))
        return turned.x * self.after[1], turned.y * self.after[0]

    def shows(self, x: float, y: float) -> bool:
        """Whether a place in the file, in pixels, is in the picture still."""
        across, down = self.pixel(x, y)
        return 0 <= across <= self.after[1] and 0 <= down <= self.after[0]

    def pixel_extent(self, width: float, height: float) -> tuple[float, float]:
        """Return how many pixels wide and high in the enlarged picture an extent is."""
        if self.is_quarter:
            width, height = height, width
        return width * float(self.factors[0]), height * float(self.factors[1])
