"""Devices, number formats, and seeds."""

import contextlib
import hashlib
import os
import platform
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import torch

from sam_diffsr_cli.choices import Precision
from sam_diffsr_cli.errors import InputError, ResourceError

__all__ = [
    "derive_seed",
    "free_memory",
    "has_native_bf16",
    "memory_errors",
    "number_format",
    "peak_memory",
    "resolve_device",
    "resolve_precision",
]

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

ISA_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
ISAS_WITHOUT_BF16 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI")
"""Where a user forbids oneDNN newer instructions, and with what."""

MEMORY_WORDS = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "could not create a primitive",
    "ALLOC_FAILED",
    "Unable to find a valid cuDNN algorithm",
)
"""How torch and its libraries word it where they raise no class of their own."""


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


def resolve_precision(name: str, device: torch.device, *, trains: bool = False) -> Precision:
    """Turn ``auto`` into bf16 where the device computes it natively, else fp32; check other names.

    Args:
        name: As given.
        device: Where to compute.
        trains: To train with; then ``auto`` is fp32 on the CPU.

    Raises:
        InputError: The name is unknown.
    """
    if name == "auto":
        if device.type == "cuda":
            has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            has_bf16 = device.type == "cpu" and not trains and has_native_bf16()
        return "bf16" if has_bf16 else "fp32"
    if name == "fp32":
        return "fp32"
    if name == "bf16":
        return "bf16"
    if name == "fp16":
        return "fp16"
    raise InputError(f"--precision {name}: unknown", hint="auto, fp32, bf16 or fp16")


def has_native_bf16() -> bool:
    """Whether the processor multiplies bf16, and torch's libraries are let do so.

    Elsewhere bf16 is emulated, some nine times slower than fp32. On x86 these are the AVX-512 and
    AMX instructions for it; on Arm Linux says so.
    """
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]  # torch has none
        return False
    if platform.machine().lower() in {"aarch64", "arm64"}:
        return "bf16" in _arm_features()
    if any(os.environ.get(name, "").upper() in ISAS_WITHOUT_BF16 for name in ISA_LIMITS):
        return False
    has_all = torch.backends.cpu.get_cpu_capability() not in {"DEFAULT", "AVX2"}
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return has_all and any(getattr(torch.cpu, name, bool)() for name in names)


def _arm_features() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    return {word for line in lines if line.startswith("Features") for word in line.split()}


def number_format(
    precision: Precision, device: torch.device
) -> contextlib.AbstractContextManager[object]:
    """Run convolutions and products in a number format; what needs fp32 stays in it."""
    if precision == "fp32":
        return torch.autocast(device.type, enabled=False)
    return torch.autocast(device.type, dtype=DTYPES[precision])


def free_memory(device: torch.device) -> int | None:
    """Return the bytes that are free on the device now, the container's limit included.

    Returns:
        None where the system does not tell.
    """
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        used = torch.mps.driver_allocated_memory()
        return max(0, int(torch.mps.recommended_max_memory()) - int(used))
    found = [value for value in (_available_memory(), _container_memory()) if value]
    return min(found, default=None)


def peak_memory(device: torch.device) -> int | None:
    """Return the most bytes taken so far: of the device, or on the CPU of the whole process.

    Returns:
        None where the system does not tell.
    """
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if device.type == "mps":
        return int(torch.mps.driver_allocated_memory())
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource  # noqa: PLC0415 - not on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _available_memory() -> int | None:
    """Return what the system has left for programs."""
    with contextlib.suppress(psutil.Error, OSError, RuntimeError):
        return int(psutil.virtual_memory().available)
    return None


def _container_memory() -> int | None:
    """Return what a control group still allows."""
    folder = Path("/sys/fs/cgroup")
    try:
        limit, used = (
            (folder / name).read_text(encoding="ascii").strip()
            for name in ("memory.max", "memory.current")
        )
    except OSError:
        return None
    return int(limit) - int(used) if limit.isdigit() and used.isdigit() else None


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
