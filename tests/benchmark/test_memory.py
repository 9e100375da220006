"""The peak of a process that takes a known amount."""

import subprocess
import sys

import pytest
import torch

from sam_diffsr_cli.benchmark import memory
from sam_diffsr_cli.benchmark.memory import process_peak

pytestmark = pytest.mark.slow

MIB = 2**20
TAKEN = 300 * MIB
CODE = (
    "import torch\n"
    "from sam_diffsr_cli.benchmark.memory import process_peak\n"
    "cpu = torch.device('cpu')\n"
    "before = process_peak(cpu)\n"
    f"held = bytearray(b'x' * 1024) * ({TAKEN} // 1024)\n"
    "del held\n"
    "print(before, process_peak(cpu))\n"
)


def peaks_of_a_process() -> tuple[int, int]:
    """Start one: its peak before it takes 300 MiB, and after it gave them back."""
    told = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True
    )
    before, after = map(int, told.stdout.split())
    return before, after


def test_the_peak_of_a_process_rises_by_what_it_took() -> None:
    before, after = peaks_of_a_process()
    assert after - before == pytest.approx(TAKEN, rel=0.05)


@pytest.mark.skipif(not memory.STATUS.exists(), reason="only where a process has a status file")
def test_a_process_does_not_inherit_the_peak_of_the_one_that_starts_it() -> None:
    own = process_peak(torch.device("cpu"))
    assert own is not None
    held = bytearray(b"x" * 1024) * (2**30 // 1024)
    before, _ = peaks_of_a_process()
    assert len(held) == 2**30
    assert before < 2**30


def test_without_a_status_file_the_system_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setattr(memory, "STATUS", tmp_path_factory.mktemp("empty") / "status")
    monkeypatch.setattr(memory, "peak_memory", lambda _: 123)
    assert process_peak(torch.device("cpu")) == 123
