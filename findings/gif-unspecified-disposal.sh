#!/bin/sh
# Pillow disposes of a GIF frame that says nothing of its disposal as of the frame before it.
#
# Seen with pillow 13.0.0 and imageio 2.37.0 (which reads through it): frame 1 is cleared when its time is
# over (disposal 2), frame 2 has disposal 0, "no disposal specified; the decoder is not required to take any
# action" (GIF89a, 23.c.iv), and frame 3 is drawn elsewhere. ImageMagick 6.9 (-coalesce) leaves
# frame 2 standing; with Pillow it is gone from frame 3. One would guess that each frame's control block
# speaks for itself, as it does in Pillow for all other values: the same file with disposal 1 in frame 2 is
# read as everybody reads it. With 3 in frame 1, frame 2 is taken back in the same way.
#
# Prints what it saw; ends with 1 when it is no longer so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 imageio==2.37.0 numpy==2.2.6
"$folder/venv/bin/python" - <<'PYTHON'
import io
import struct
import sys

import imageio.v3 as imageio
import numpy as np
from PIL import Image

RED, BLUE, GREEN, CLEAR = 0, 1, 2, 3
PALETTE = bytes((255, 0, 0, 0, 0, 255, 0, 255, 0, 0, 0, 0))


def packed(colour, count):
    """LZW codes of three bits, cleared before they would grow."""
    codes = []
    for place in range(count):
        codes += [4, colour] if place % 2 == 0 else [colour]
    bits = "".join(format(code, "03b")[::-1] for code in [*codes, 5])
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[place : place + 8][::-1], 2) for place in range(0, len(bits), 8))


def gif(first, second):
    """Red over all 4x4, blue 2x2 in the corner, green 1x1 in the other; with these disposals."""
    data = b"GIF89a" + struct.pack("<HHBBB", 4, 4, 0x81, 0, 0) + PALETTE
    frames = ((RED, 0, 4, first), (BLUE, 0, 2, second), (GREEN, 3, 1, 1))
    for colour, corner, side, disposal in frames:
        data += b"\x21\xf9\x04" + bytes((disposal << 2 | 1, 10, 0, CLEAR, 0))
        data += b"\x2c" + struct.pack("<HHHHB", corner, corner, side, side, 0)
        body = packed(colour, side * side)
        data += b"\x02" + bytes((len(body),)) + body + b"\0"
    return data + b";"


def third(data):
    """The pixel of frame 2, as frame 3 shows it."""
    with Image.open(io.BytesIO(data)) as image:
        image.seek(2)
        by_pillow = image.convert("RGBA").getpixel((0, 0))
    frames = imageio.imread(data, index=None, extension=".gif", mode="RGBA")
    return by_pillow, tuple(int(value) for value in np.asarray(frames)[2][0, 0])


seen = {pair: third(gif(*pair)) for pair in ((2, 0), (2, 1), (3, 0), (3, 1), (1, 0))}
for (first, second), (by_pillow, by_imageio) in seen.items():
    print(f"disposal {first}, then {second}: Pillow {by_pillow}, imageio {by_imageio}")
blue = (0, 0, 255, 255)
stays = all(seen[pair] == (blue, blue) for pair in ((2, 1), (3, 1), (1, 0)))
goes = all(blue not in seen[pair] for pair in ((2, 0), (3, 0)))
sys.exit(0 if stays and goes else 1)
PYTHON
