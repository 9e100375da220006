"""What colours a file shows, read without the code under test: its ICC profile, or its numbers."""

import io
import struct

import numpy as np
from PIL import Image
from skimage.color import deltaE_ciede2000

TO_XYZ = {
    "srgb": (
        (0.4360747, 0.3850649, 0.1430804),
        (0.2225045, 0.7168786, 0.0606169),
        (0.0139322, 0.0971045, 0.7141733),
    ),
    "p3": ((0.5151, 0.2920, 0.1571), (0.2412, 0.6922, 0.0666), (-0.0011, 0.0419, 0.7841)),
    "bt2020": ((0.6734, 0.1656, 0.1251), (0.2790, 0.6753, 0.0456), (-0.0019, 0.0300, 0.7967)),
    "adobe": (
        (0.6097559, 0.2052401, 0.1492240),
        (0.3111242, 0.6256560, 0.0632197),
        (0.0194811, 0.0608902, 0.7448387),
    ),
}
"""Linear RGB to XYZ of D50, as published for ICC profiles (Lindbloom; Apple's Display P3)."""

D50 = np.array([0.9642, 1.0, 0.8249])
OF_CODE = {1: "srgb", 9: "bt2020", 12: "p3"}


def srgb_curve(values: np.ndarray) -> np.ndarray:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab_of(linear: np.ndarray, space: str) -> np.ndarray:
    """CIE Lab of linear ``(H, W, 3)`` in one of the spaces above."""
    return to_lab(linear @ np.array(TO_XYZ[space]).T)


def to_lab(xyz: np.ndarray) -> np.ndarray:
    ratio = xyz / D50
    f = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    return np.stack(
        [116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])],
        axis=-1,
    )


def lab_by_profile(values: np.ndarray, icc: bytes) -> np.ndarray:
    """CIE Lab of ``(H, W, 3)`` in [0, 1], by the profile's own matrix and curves."""
    (count,) = struct.unpack_from(">I", icc, 128)
    tags = {}
    for index in range(count):
        tag, place, size = struct.unpack_from(">4sII", icc, 132 + 12 * index)
        tags[tag] = icc[place : place + size]
    columns = [np.array(struct.unpack(">3i", tags[c + b"XYZ"][8:20])) / 65536 for c in (b"r", b"g", b"b")]  # fmt: skip  # noqa: E501
    curves = [tags[c + b"TRC"] for c in (b"r", b"g", b"b")]
    linear = np.stack([bent(values[..., i], curve) for i, curve in enumerate(curves)], axis=-1)
    return to_lab(linear @ np.array(columns))


def bent(values: np.ndarray, curve: bytes) -> np.ndarray:
    """Apply a curve of types ``curv`` and ``para`` 0 and 3 (ICC.1:2010, 10.5 and 10.15)."""
    if curve[:4] == b"curv":
        (count,) = struct.unpack_from(">I", curve, 8)
        table = np.frombuffer(curve, ">u2", count, 12)
        if count == 1:
            return np.asarray(values ** (table[0] / 256))
        return np.asarray(np.interp(values, np.linspace(0, 1, count), table / 65535))
    (kind,) = struct.unpack_from(">H", curve, 8)
    numbers = np.array(struct.unpack_from(f">{(len(curve) - 12) // 4}i", curve, 12)) / 65536
    if kind == 0:
        return np.asarray(values ** numbers[0])
    assert kind == 3
    g, a, b, c, d = numbers[:5]
    return np.asarray(np.where(values >= d, (a * values + b).clip(0) ** g, c * values))


def lab_shown(data: bytes) -> np.ndarray:
    """CIE Lab of a file's first picture."""
    image = Image.open(io.BytesIO(data))
    values = np.asarray(image.convert("RGB")) / 255
    codes = codes_of(data)
    icc = image.info.get("icc_profile")
    if codes is None and icc:
        return lab_by_profile(values, icc)
    if codes is None and image.format == "PNG" and "gamma" in image.info:
        red = image.info.get("chromaticity", (0, 0, 0.64))[2]
        space = {0.64: "srgb", 0.68: "p3"}[red]
        return lab_of(values ** (1 / image.info["gamma"]), space)
    primaries, transfer = codes or (1, 13)
    linear = values if transfer == 8 else srgb_curve(values)
    return lab_of(linear, OF_CODE[primaries])


def codes_of(data: bytes) -> tuple[int, int] | None:
    """The code points of primaries and transfer that a PNG or an AVIF holds."""
    place = data.find(b"cICP")
    if place >= 0 and data.startswith(b"\x89PNG"):
        return data[place + 4], data[place + 5]
    place = data.find(b"colrnclx")
    if place < 0 or b"colrprof" in data:
        return None
    primaries, transfer = struct.unpack_from(">HH", data, place + 8)
    return primaries, transfer


def mean_difference(one: np.ndarray, other: np.ndarray) -> float:
    """Mean CIEDE2000 of two pictures in Lab."""
    return float(deltaE_ciede2000(one, other).mean())
