"""The peak of a process, and of no other.

``getrusage`` does not do on Linux: a process starts with the peak of the one that started it.
"""

from pathlib import Path

import torch

from sam_diffsr_cli.device import peak_memory

__all__ = ["process_peak"]

STATUS = Path("/proc/self/status")
FIELD = "VmHWM:"
"""The most memory that this program had, in KiB; a new program starts at zero."""


def process_peak(device: torch.device) -> int | None:
    """Return the most bytes taken so far: of the device, or on the CPU of this process.

    Returns:
        None where the system does not tell.
    """
    if device.type == "cpu" and STATUS.exists():
        lines = STATUS.read_text(encoding="ascii", errors="replace").splitlines()
        found = next((line for line in lines if line.startswith(FIELD)), None)
        if found is not None:
            return 1024 * int(found.split()[1])
    return peak_memory(device)
