"""Devices, number formats, and seeds."""

import contextlib
import hashlib
import struct
from collections.abc import Iterator
from typing import Literal

import torch

from sam_diffsr_cli.errors import InputError, ResourceError

__all__ = ["derive_seed", "memory_errors", "resolve_device", "resolve_precision"]

MEMORY_WORDS = ("out of memory", "can't allocate memory")
"""How torch words it on MPS and on the CPU, where it raises no class of its own."""


def resolve_device(name: str) -> torch.device:
    """Turn ``auto``, ``cpu``, ``cuda`` (or ``cuda:N``) or ``mps`` into a device that exists.

    ``auto`` prefers CUDA, then MPS, then the CPU.

    Raises:
        InputError: The device is unknown or not available.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"--device {name}: unknown", hint="auto, cpu, cuda or mps") from error
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available.get(device.type, False):
        raise InputError(f"--device {name}: not available here", hint="try --device auto")
    return device


def resolve_precision(name: str, device: torch.device) -> Literal["fp32", "bf16"]:
    """Turn ``auto`` into bf16 on a CUDA device that has it, else fp32; check other names.

    Raises:
        InputError: The name is unknown.
    """
    if name == "auto":
        has_bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return "bf16" if has_bf16 else "fp32"
    if name == "fp32":
        return "fp32"
    if name == "bf16":
        return "bf16"
    raise InputError(f"--precision {name}: unknown", hint="auto, fp32 or bf16")


@contextlib.contextmanager
def memory_errors(hint: str) -> Iterator[None]:
    """Turn what torch and numpy raise when memory runs out into ours, with ``hint``.

    Raises:
        ResourceError: Memory ran out in the body.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise ResourceError("out of memory", hint=hint) from error
    except RuntimeError as error:
        if any(words in str(error) for words in MEMORY_WORDS):
            raise ResourceError("out of memory", hint=hint) from error
        raise


def derive_seed(*parts: int | str) -> int:
    """Hash the parts into a seed for one generator, the same on every machine.

    Returns:
        A number in ``0 .. 2^63 - 1``.
    """
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    (value,) = struct.unpack("<Q", digest)
    return int(value >> 1)
