"""ICC profiles for the corpus: wide RGB, gray, and inks, each made from numbers."""

import itertools
import struct

import imagecodecs
import numpy as np
from PIL import Image, ImageCms

__all__ = ["gray_profile", "ink_colour", "ink_profile", "p3_profile"]

D65 = (0.3127, 0.3290, 1.0)
P3_PRIMARIES = (0.680, 0.320, 1.0, 0.265, 0.690, 1.0, 0.150, 0.060, 1.0)
D50_XYZ = (0.9642, 1.0, 0.8249)
VERSION = 0x02400000
ACSP = b"acsp"
DATE = struct.pack(">6H", 2024, 1, 1, 0, 0, 0)


def p3_profile() -> bytes:
    """Display P3's primaries with a plain power of 2.2."""
    made = imagecodecs.cms_profile("rgb", whitepoint=D65, primaries=P3_PRIMARIES, gamma=2.2)
    return _dated(bytes(made))


def gray_profile() -> bytes:
    made = imagecodecs.cms_profile("gray", whitepoint=(0.3457, 0.3585, 1.0), gamma=1.0)
    return _dated(bytes(made))


def _dated(profile: bytes) -> bytes:
    """Give a profile a fixed date, where the library puts the time of day."""
    return profile[:24] + DATE + profile[36:]


def ink_colour(c: float, m: float, y: float, k: float) -> tuple[float, float, float]:
    """sRGB in [0, 1] of inks under ``ink_profile``, exact at whole inks.

    The first ink is yellow and the third is cyan, unlike anywhere else, so that a result that did
    not go through the profile is unmistakable.
    """
    return (1 - y) * (1 - k), (1 - m) * (1 - k), (1 - c) * (1 - k)


def ink_profile() -> bytes:
    """A printer's profile with a table of two levels an ink, from inks to CIE Lab (``mft1``)."""
    corners = [ink_colour(*inks) for inks in itertools.product((0.0, 1.0), repeat=4)]
    colours = (np.array([corners]) * 255).round().astype(np.uint8)
    lab = ImageCms.profileToProfile(
        Image.fromarray(colours),
        ImageCms.createProfile("sRGB"),
        ImageCms.createProfile("LAB"),
        outputMode="LAB",
    )
    assert lab is not None
    # Pillow keeps a and b signed; the table has them with 128 added.
    levels = np.asarray(lab)[0] ^ np.array([0, 128, 128], dtype=np.uint8)
    identity = b"".join(struct.pack(">i", 65536 * (i % 4 == 0)) for i in range(9))
    curve = bytes(range(256))
    table = (
        b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + identity + 4 * curve + levels.tobytes() + 3 * curve
    )
    return _assemble(
        {
            b"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"Inks\0" + bytes(78),
            b"cprt": b"text\0\0\0\0None\0",
            b"wtpt": b"XYZ \0\0\0\0" + b"".join(_fixed(value) for value in D50_XYZ),
            b"A2B0": table,
        }
    )


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _assemble(tags: dict[bytes, bytes]) -> bytes:
    offset = 128 + 4 + 12 * len(tags)
    index, bodies = struct.pack(">I", len(tags)), b""
    for name, body in tags.items():
        padded = body + bytes(-len(body) % 4)
        index += name + struct.pack(">II", offset + len(bodies), len(body))
        bodies += padded
    header = struct.pack(">I4sI4s4s4s", 0, bytes(4), VERSION, b"prtr", b"CMYK", b"Lab ")
    header += DATE + ACSP + bytes(28)
    header += b"".join(_fixed(value) for value in D50_XYZ)
    whole = header.ljust(128, b"\0") + index + bodies
    return struct.pack(">I", len(whole)) + whole[4:]
