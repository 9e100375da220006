#!/bin/sh
# torch's antialiased resize to a width of one pixel repeats its first row.
#
# Seen with torch 2.14.1 on a CPU: rows of 0, 1, ... 7, of 8 columns, resized to 4 rows and 1 column by
# interpolate(mode="bilinear", antialias=True) are four times 0.71, in float32 and float64; by bicubic 0.54.
# To 4 rows and 2 columns they are 0.71, 2.5, 4.5 and 6.29, as one expects, and so they are for one column
# where the picture has several channels in the channels_last layout; the contiguous one is wrong there as
# well. To one row, or without antialias, all is right. One would guess that a side of one pixel is the
# simplest case: it is what is left of a border, a tall and narrow picture, or a thumbnail's edge.
#
# Prints what it saw; ends with 1 when it is no longer so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.14.1 numpy==2.2.6
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import torch
from torch.nn.functional import interpolate

picture = torch.arange(8.0)[:, None].expand(1, 3, 8, 8).contiguous()
layouts = {"contiguous": picture, "channels_last": picture.to(memory_format=torch.channels_last)}


def rows(image, columns, mode="bilinear"):
    """Its first channel's first column, resized to four rows."""
    small = interpolate(image, size=(4, columns), mode=mode, antialias=True)
    return [round(value, 2) for value in small[0, 0, :, 0].tolist()]


for name, image in layouts.items():
    print(name, "2 columns", rows(image, 2), "1 column", rows(image, 1))
print("bicubic, 1 column", rows(picture, 1, "bicubic"), "float64", rows(picture.double(), 1))
right = rows(picture, 2)
wrong = (rows(picture, 1), rows(picture.double(), 1), rows(picture, 1, "bicubic"))
repeats = all(len(set(found)) == 1 for found in wrong) and len(set(right)) == 4
sys.exit(0 if repeats and rows(layouts["channels_last"], 1) == right else 1)
PYTHON
