#!/bin/sh
# A 1x1 convolution of torch has other bits with one thread than with two; one of 3x3 has not.
#
# Seen with torch 2.14.1 on a CPU, float32, 96 channels of 57x61, without gradients: with two, three and four
# threads 255,091 of the 333,792 outputs differ from those with one (by some 1e-6); with bfloat16, or with a
# kernel of 3x3, none. Only with one thread a 1x1 goes to another library than all else. A dilation of 2,
# which says nothing of a single tap, sends it where the others go: then the number of threads changes
# nothing, and the outputs are those of two threads. One would guess that the number of threads either
# changes sums everywhere or nowhere, and that dilation of a 1x1 is of no consequence.
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

torch.manual_seed(0)
photo = torch.randn(1, 96, 57, 61)
layers = {
    "1x1": torch.nn.Conv2d(96, 96, 1),
    "3x3": torch.nn.Conv2d(96, 96, 3, padding=1),
    "1x1, dilation 2": torch.nn.Conv2d(96, 96, 1, dilation=2),
}
layers["1x1, dilation 2"].load_state_dict(layers["1x1"].state_dict())
found = {name: [] for name in layers}
with torch.inference_mode():
    for threads in (1, 2, 3, 4):
        torch.set_num_threads(threads)
        for name, layer in layers.items():
            found[name].append(layer(photo))
differ = {name: [int((y != ys[0]).sum()) for y in ys[1:]] for name, ys in found.items()}
same = torch.equal(found["1x1"][1], found["1x1, dilation 2"][0])
print("of", photo.numel(), "outputs differ from one thread with 2, 3, 4:", differ)
print("dilation 2 with one thread is two threads without:", same)
is_so = all(differ["1x1"]) and not any(differ["3x3"] + differ["1x1, dilation 2"]) and same
sys.exit(0 if is_so else 1)
PYTHON
