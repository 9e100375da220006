#!/bin/sh
# AVIF files of 8 bits that Pillow writes at full chroma resolution are tinted to green.
#
# Seen with pillow 13.0.0 (libavif 1.4.2) and imagecodecs 2026.3.6 (libavif 1.4.0), numpy 2.2.6:
# the best quality of all, 4:4:4, and yet every channel of random colours is off in the mean, red by -.69,
# green by +.61, blue by -.94 levels; avifdec 0.11 decodes the same, so it is in the file. One would
# guess that rounding errors cancel: with matrix coefficients 1 (BT.709) instead of 6 (BT.601), Pillow's
# only choice, they do (at most .09). The quick conversion to BT.601 of libyuv, which libavif takes for
# 8 bits, cuts chroma off where it should round. Gray is not touched, so a gray ramp does not show it.
#
# Prints what it saw; ends with 1 when it is no longer so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 imagecodecs==2026.3.6 numpy==2.2.6
"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys

import imagecodecs
import numpy as np
from PIL import Image

flat = np.random.default_rng(0).integers(60, 200, (8, 8, 3)).astype(np.uint8)
pixels = np.kron(flat, np.ones((16, 16, 1), np.uint8))


def shift(data):
    """Mean error of red, green and blue, in levels."""
    shown = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    return (shown.astype(float) - pixels).mean(axis=(0, 1)).round(2)


file = io.BytesIO()
Image.fromarray(pixels).save(file, "AVIF", quality=100, subsampling="4:4:4")
by_pillow = shift(file.getvalue())
encode = imagecodecs.avif_encode
options = {"level": 100, "speed": 6, "primaries": 1, "transfer": 13}
by_601, by_709 = (shift(bytes(encode(pixels, matrix=m, **options))) for m in (6, 1))
print("Pillow, BT.601:", by_pillow)
print("imagecodecs, BT.601:", by_601)
print("imagecodecs, BT.709:", by_709)
tinted = all(s[0] < -0.5 and s[1] > 0.5 and s[2] < -0.5 for s in (by_pillow, by_601))
sys.exit(0 if tinted and np.abs(by_709).max() < 0.2 else 1)
PYTHON
