"""What is found out about an installation. Memory is in bytes; None is what nobody tells."""

from dataclasses import dataclass

__all__ = [
    "Advice",
    "Device",
    "Facts",
    "Library",
    "Machine",
    "Model",
    "SelfTest",
    "TorchBuild",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """The computer, and the Python that runs on it.

    ``architecture`` is Python's, which on Apple silicon may be that of an Intel processor.
    ``visible_devices`` is the variable by which CUDA devices are hidden, None when it is not set.
    """

    samsr: str
    python: str
    platform: str
    architecture: str
    processors: int
    is_apple_silicon: bool
    has_nvidia_driver: bool
    has_amd_driver: bool
    visible_devices: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class TorchBuild:
    """Which torch it is: ``cuda`` and ``rocm`` are the versions it is built for.

    ``gpu_error`` is what it says when it is built for GPUs and finds none.
    """

    version: str
    cuda: str | None
    rocm: str | None
    has_mps: bool
    threads: int
    has_native_bf16: bool
    gpu_error: str | None

    @property
    def built_for(self) -> str:
        """What it can compute on, in words."""
        if self.rocm is not None:
            return f"ROCm {self.rocm}"
        if self.cuda is not None:
            return f"CUDA {self.cuda}"
        return "MPS" if self.has_mps else "the CPU only"


@dataclass(frozen=True, kw_only=True, slots=True)
class Device:
    """A device that torch can use; ``precision`` is what ``--precision auto`` means there."""

    name: str
    title: str
    precision: str
    free: int | None
    total: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Library:
    """A library that reads or writes pictures: what it has and lacks of what we use of it.

    ``error`` says why it cannot be imported.
    """

    name: str
    version: str | None = None
    features: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """The bundled model; ``error`` and ``hint`` when its file is missing or damaged."""

    name: str
    path: str | None = None
    sha256: str | None = None
    error: str | None = None
    hint: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """All that is found without computing; ``auto`` is the device that ``--device auto`` picks.

    Without a torch that can be imported there are no devices, and ``torch_error`` says why.
    The CPU is the first device.
    """

    machine: Machine
    torch: TorchBuild | None
    torch_error: str | None
    devices: tuple[Device, ...]
    auto: str | None
    model: Model
    libraries: tuple[Library, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SelfTest:
    """How a device did in enlarging a drawn picture; ``error`` is None when it passed.

    ``from_bicubic`` is the mean distance from a bicubic enlargement, ``from_cpu`` the largest from
    what the CPU computed, both in 8-bit levels. ``exit_code`` is that of the error.
    """

    device: str
    precision: str
    seconds: float | None = None
    from_bicubic: float | None = None
    from_cpu: int | None = None
    error: str | None = None
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Advice:
    """What is the matter, and what to do; not a problem when it is only good to know."""

    what: str
    remedy: str
    is_problem: bool = True
