"""ICC profiles made from numbers: primaries, white point and a transfer curve. Nothing is read.

A matrix profile of ICC.1:2010 (version 4.3), or of gray with a curve alone. Curves are parametric
where a formula says them, since tables cost size and exactness.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["SRGB_CURVE", "Chromaticities", "ToneCurve", "make_profile", "power_curve"]

D50 = (0.9642, 1.0, 0.8249)
"""The profile connection space's white (ICC.1:2010, 6.3.4.3)."""

BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
"""From XYZ to cone responses (ICC.1:2010, annex E)."""

MOST_ENTRIES = 4096
"""LittleCMS refuses tables of more than 32,767 entries; between entries it goes straight."""


class Chromaticities(NamedTuple):
    """The x and y of red, green, blue and white (CIE 1931)."""

    red_x: float
    red_y: float
    green_x: float
    green_y: float
    blue_x: float
    blue_y: float
    white_x: float
    white_y: float


class ToneCurve(NamedTuple):
    """From a sample to linear light: a parametric curve of ICC.1:2010, 10.16, or a table.

    ``table`` holds linear light 0 to 65535 at even steps of the sample, and goes before the rest.
    """

    kind: int = 0
    parameters: tuple[float, ...] = (1.0,)
    table: tuple[int, ...] = ()


SRGB_CURVE = ToneCurve(3, (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045))
"""IEC 61966-2-1, 5.2."""


def power_curve(gamma: float) -> ToneCurve:
    """Return linear = sample ** gamma."""
    return ToneCurve(0, (gamma,))


def make_profile(
    colours: Chromaticities, curves: Sequence[ToneCurve], name: str, *, gray: bool = False
) -> bytes:
    """Build a profile, the same bytes for the same numbers.

    Args:
        colours: Of the primaries and the white; for gray the white alone counts.
        curves: One for all channels, or three.
        name: What programs show.
        gray: For pixels of one channel, by the first curve.

    Raises:
        ValueError: The primaries lie on a line, or are out of range: no space has them.
    """
    linear, adaptation = _matrices(colours)
    tags = [
        (b"desc", _text(name)),
        (b"cprt", _text("CC0")),
        (b"wtpt", _xyz(D50)),
        (b"chad", b"sf32" + bytes(4) + b"".join(map(_s15, adaptation.ravel()))),
    ]
    if gray:
        tags.append((b"kTRC", _curve(curves[0])))
        return _assemble(tags, b"GRAY")
    each = [*curves] if len(curves) == 3 else [curves[0]] * 3
    for letter, column, curve in zip(b"rgb", linear.T, each, strict=True):
        tags += [(bytes([letter]) + b"XYZ", _xyz(column))]
        tags += [(bytes([letter]) + b"TRC", _curve(curve))]
    return _assemble(tags, b"RGB ")


def _matrices(colours: Chromaticities) -> tuple[np.ndarray, np.ndarray]:
    """Return linear RGB to XYZ of D50, and the adaptation from the white to D50, each 3 x 3.

    The columns of the primaries are scaled so that they add up to the white (SMPTE RP 177).
    """
    if not np.isfinite(colours).all() or np.abs(colours).max() > 4 or colours.white_y <= 0:
        raise ValueError("chromaticities out of range")
    points = np.array(colours).reshape(4, 2)
    columns = np.column_stack([points, 1 - points.sum(axis=1)]).T
    white = columns[:, 3] / columns[1, 3]
    if abs(np.linalg.det(columns[:, :3])) < 1e-6:
        raise ValueError("the primaries lie on a line")
    primaries = columns[:, :3] * np.linalg.solve(columns[:, :3], white)
    cones = (BRADFORD @ D50) / (BRADFORD @ white)
    adaptation = np.linalg.inv(BRADFORD) @ np.diag(cones) @ BRADFORD
    linear = adaptation @ primaries
    if not np.isfinite(linear).all() or max(np.abs(linear).max(), np.abs(adaptation).max()) > 16:
        raise ValueError("chromaticities out of range")
    return linear, adaptation


def _s15(value: float) -> bytes:
    """Pack an s15Fixed16Number."""
    return struct.pack(">i", round(float(value) * 65536))


def _xyz(values: Sequence[float] | np.ndarray) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(map(_s15, values))


def _text(text: str) -> bytes:
    encoded = text.encode("utf-16-be")
    return b"mluc" + struct.pack(">IIIHHII", 0, 1, 12, 0x656E, 0x5553, len(encoded), 28) + encoded


def _curve(curve: ToneCurve) -> bytes:
    if not curve.table:
        numbers = b"".join(map(_s15, curve.parameters))
        return b"para" + struct.pack(">IHH", 0, curve.kind, 0) + numbers
    table = np.array(curve.table, dtype=np.float64)
    if len(table) > MOST_ENTRIES:
        places = np.linspace(0, len(table) - 1, MOST_ENTRIES)
        table = np.interp(places, np.arange(len(table)), table)
    levels = table.clip(0, 65535).round().astype(">u2").tobytes()
    return b"curv" + struct.pack(">II", 0, len(table)) + levels


def _assemble(tags: Sequence[tuple[bytes, bytes]], space: bytes) -> bytes:
    """Put the header and the table before the tags; equal ones are stored once."""
    beginning = 128 + 4 + 12 * len(tags)
    table, body, places = bytearray(), bytearray(), dict[bytes, int]()
    for tag, data in tags:
        if data not in places:
            places[data] = beginning + len(body)
            body += data + bytes(-len(data) % 4)
        table += struct.pack(">4sII", tag, places[data], len(data))
    size = beginning + len(body)
    head = struct.pack(">I4xI4s4s4s", size, 0x04300000, b"mntr", space, b"XYZ ")
    # A date that is always the same, and the signature of all profiles.
    head += struct.pack(">6H4s", 2000, 1, 1, 0, 0, 0, b"acsp")
    head = head.ljust(68, b"\0") + b"".join(map(_s15, D50))
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + bytes(table + body)
