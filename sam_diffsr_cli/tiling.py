"""The plan of tiles: which part of a photo is computed at a time, and with how much context.

Geometry only; no model and no image files.
"""

from typing import NamedTuple

__all__ = ["Span", "Tile", "halve_tile", "plan_spans", "plan_tiles"]


class Span(NamedTuple):
    """One axis of a tile: the result covers ``start..stop``, computed from ``first..last``."""

    start: int
    stop: int
    first: int
    last: int


class Tile(NamedTuple):
    """A rectangle of the photo, in low-resolution pixels."""

    rows: Span
    columns: Span

    @property
    def area(self) -> int:
        """Pixels that are computed, context included."""
        return (self.rows.last - self.rows.first) * (self.columns.last - self.columns.first)

    @property
    def core_area(self) -> int:
        """Pixels that the result covers."""
        return (self.rows.stop - self.rows.start) * (self.columns.stop - self.columns.start)

    @property
    def side(self) -> int:
        """The longer side of what the result covers."""
        return max(self.rows.stop - self.rows.start, self.columns.stop - self.columns.start)


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def plan_spans(
    length: int, tile: int, halo: int, multiple: int, *, wrap: bool = False
) -> list[Span]:
    """Cut one axis into parts of nearly equal length, each with context inside the axis.

    Args:
        length: Of the axis, a multiple of ``multiple``.
        tile: Longest part, or 0 for one part; rounded up to a multiple.
        halo: Context on each side, rounded up to a multiple.
        multiple: Every boundary is a multiple of it, so that the networks' grids agree.
        wrap: The axis repeats, so that there is context beyond its ends too.

    Returns:
        Parts in order that cover ``0..length`` once.
    """
    tile = _round_up(tile, multiple) if tile else length
    halo = _round_up(halo, multiple)
    count = -(-length // tile)
    size = _round_up(-(-length // count), multiple)
    spans = []
    for start in range(0, length, size):
        stop = min(start + size, length)
        spans.append(_with_context(start, stop, halo, length, wrap=wrap))
    return spans


def _with_context(start: int, stop: int, halo: int, length: int, *, wrap: bool) -> Span:
    if wrap:
        return Span(start, stop, start - halo, stop + halo)
    return Span(start, stop, max(0, start - halo), min(length, stop + halo))


def plan_tiles(
    size: tuple[int, int], tile: int, halo: int, multiple: int, *, wrap: bool = False
) -> list[Tile]:
    """Cut a photo of ``size`` ``(h, w)`` into tiles, row by row; see ``plan_spans``."""
    rows, columns = (plan_spans(length, tile, halo, multiple, wrap=wrap) for length in size)
    return [Tile(row, column) for row in rows for column in columns]


def halve_tile(
    tile: Tile, size: tuple[int, int], halo: int, multiple: int, *, wrap: bool = False
) -> list[Tile]:
    """Cut a tile in two along its longer axis, and along the other when it is about as long.

    A tile that cannot be cut on the grid is returned as it is.
    """
    axes = []
    for span, length in zip(tile, size, strict=True):
        own = span.stop - span.start
        inner = plan_spans(own, -(-own // 2) if 2 * own > tile.side else 0, 0, multiple)
        edges = [(span.start + part.start, span.start + part.stop) for part in inner]
        context = _round_up(halo, multiple)
        axes.append([_with_context(a, b, context, length, wrap=wrap) for a, b in edges])
    rows, columns = axes
    return [Tile(row, column) for row in rows for column in columns]
