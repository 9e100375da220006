"""Which kernels the CPU's convolutions run by, as oneDNN calls them."""

import ctypes
import os
import re
import sys
import tempfile
from contextlib import suppress

import torch
from torch import Tensor

__all__ = ["kernel_in", "name_kernel"]

EXECUTED = re.compile(r"exec,cpu,convolution,([^,\s]+),")


@torch.inference_mode()
def name_kernel(x: Tensor, weight: Tensor) -> str:
    """Run a 3x3 convolution on the CPU, and name its kernel and instructions.

    oneDNN tells them on the process's standard output, which is held back meanwhile.

    Args:
        x: ``(B, C, h, w)``, on the CPU.
        weight: ``(C, C, 3, 3)``, likewise.

    Returns:
        Such as ``brg_conv_fwd:avx512_core_bf16``; empty where it cannot be told.
    """
    if sys.platform != "linux" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]  # torch has none
        return ""
    library = ctypes.CDLL(None)
    with tempfile.TemporaryFile() as told:
        sys.stdout.flush()
        library.fflush(None)
        kept = os.dup(1)
        os.dup2(told.fileno(), 1)
        try:
            # Where the processor lacks instructions that oneDNN needs, torch runs without it.
            verbose = torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON)  # type: ignore[no-untyped-call]  # torch has none
            with suppress(RuntimeError), verbose:
                torch.mkldnn_convolution(x, weight, None, [1, 1], [1, 1], [1, 1], 1)
            library.fflush(None)
        finally:
            os.dup2(kept, 1)
            os.close(kept)
        told.seek(0)
        return kernel_in(told.read().decode("utf-8", "replace"))


def kernel_in(text: str) -> str:
    """Find the kernel of the first convolution that oneDNN tells of; empty when there is none."""
    found = EXECUTED.search(text)
    return "" if found is None else found[1]
