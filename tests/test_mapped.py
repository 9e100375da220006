"""Mapped arrays give memory back and keep their contents."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from sam_diffsr_cli.mapped import let_go

CODE = """
import sys, tempfile
import numpy as np
from sam_diffsr_cli.mapped import let_go
def peak():
    # Not ru_maxrss, which begins with the peak of the process that started this one.
    status = open("/proc/self/status").read()
    return int(status.partition("VmHWM:")[2].split()[0])
with tempfile.TemporaryFile(dir=sys.argv[1]) as file:
    array = np.memmap(file, dtype=np.uint8, mode="w+", shape=(64, 1 << 20))
before = peak()
for row in range(64):
    array[row : row + 1] = 7
    if sys.argv[2] == "let go":
        let_go(array[row : row + 1])
print(peak() - before, int(array.min()))
"""


def test_what_was_written_is_still_there() -> None:
    with tempfile.TemporaryFile() as file:
        array = np.memmap(file, dtype=np.uint16, mode="w+", shape=(300, 200, 3))
    array[...] = 41
    let_go(array[10:20, :, 1])
    array[0, 0, 0] = 5
    let_go(array)
    assert array[0, 0, 0] == 5
    assert int(array.min()) == 5
    assert int(array[1:].max()) == 41


def test_an_array_in_memory_stays_as_it_is() -> None:
    array = np.arange(6).reshape(2, 3)
    let_go(array[1:])
    let_go(array)
    assert array.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.skipif(sys.platform != "linux", reason="others count mapped memory in another way")
def test_a_mapped_array_takes_little_memory_while_it_is_written(tmp_path: Path) -> None:
    """Kibibytes at the peak for 64 MiB, and the contents."""
    peaks = {}
    for how in ("keep", "let go"):
        told = subprocess.run(  # noqa: S603 - our own code
            [sys.executable, "-c", CODE, str(tmp_path), how],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        peaks[how], least = int(told[0]), int(told[1])
        assert least == 7
    assert peaks["let go"] < 16 << 10 < 48 << 10 < peaks["keep"]
