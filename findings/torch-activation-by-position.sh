#!/bin/sh
# In torch, silu, gelu, mish, softplus and sigmoid of one number depend on where in a tensor it stands.
#
# Seen with torch 2.14.1 on a CPU with AVX-512, float32: of 5000 numbers, each computed within a tensor of
# 100,003 and as a tensor of its own, sigmoid differs at 202, silu at 217, elu at 283, softplus at 750, gelu
# at 926 and mish at 1794, in the last bits; exp, tanh, erf, sin and log1p at none. So an activation of the
# same tensor has other bits with three threads than with one (each thread's share ends in the scalar form),
# and a batch of two is not two batches of one. One would guess that a function of each element by itself
# gives an element the same value anywhere, as exp does, on which these are built.
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
from torch.nn import functional

torch.manual_seed(0)
numbers = torch.randn(100_003)
alone = list(numbers[:5000].split(1))


def differing(function, x=numbers, parts=alone):
    """How many of the parts are not what they are within the whole."""
    return int((function(x)[: len(parts)] != torch.cat([function(p.clone()) for p in parts])).sum())


names = ("silu", "gelu", "mish", "softplus", "elu", "sigmoid")
moved = {name: differing(getattr(functional, name)) for name in names}
kept = {name: differing(getattr(torch, name)) for name in ("exp", "tanh", "erf", "sin")}
kept["log1p"] = differing(torch.log1p, numbers.abs(), [part.abs() for part in alone])
torch.set_num_threads(1)
one = functional.silu(numbers)
torch.set_num_threads(3)
threads = int((functional.silu(numbers) != one).sum())
print("differ:", moved, "do not:", kept, "silu with 3 threads and with 1:", threads)
is_so = all(moved.values()) and not any(kept.values()) and threads > 0
sys.exit(0 if is_so else 1)
PYTHON
