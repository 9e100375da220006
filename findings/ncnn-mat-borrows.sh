#!/bin/sh
# ncnn.Mat(array) neither copies an array of numpy nor keeps it alive.
#
# Seen with ncnn 1.0.20261020, numpy 2.2.6: the matrix reads the array's memory (7.0 where 1.0 was replaced
# by 7.0 afterwards), and the count of references to the array stays what it was, where that of
# numpy.asarray of it, or of a memoryview, rises by one. One would guess that either is so: a copy, or a
# reference. So ncnn.Mat(numpy.ascontiguousarray(x)) handed to an extractor is of memory that is free
# already: keep the array in a variable until the output is extracted, or take .clone() at once.
#
# Prints what it saw; ends with 1 when it is no longer so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ncnn==1.0.20261020 numpy==2.2.6
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import ncnn
import numpy as np

array = np.ones((3, 4, 4), np.float32)
before = sys.getrefcount(array)
matrix, copy = ncnn.Mat(array), ncnn.Mat(array).clone()
held_by_matrix = sys.getrefcount(array) - before
view = memoryview(array)
held_by_view = sys.getrefcount(array) - before - held_by_matrix
array[:] = 7
seen, kept = float(np.array(matrix).max()), float(np.array(copy).max())
print("references: matrix", held_by_matrix, "memoryview", held_by_view, "values:", seen, kept)
sys.exit(0 if (held_by_matrix, held_by_view, seen, kept) == (0, 1, 7.0, 1.0) else 1)
PYTHON
