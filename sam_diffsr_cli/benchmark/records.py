"""What is measured, and what comes of it.

Seconds, bytes, and FLOPs at 2 per multiply-add.
"""

import statistics
from dataclasses import dataclass

from sam_diffsr_cli.choices import Precision
from sam_diffsr_cli.errors import SamsrError
from sam_diffsr_cli.strict import require
from sam_diffsr_cli.upscaling.speed import Work

__all__ = [
    "BenchCase",
    "BenchMeasurement",
    "BenchRow",
    "CaseTask",
    "Effort",
    "Failed",
    "Peaks",
    "PeaksTask",
    "StartUp",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchCase:
    """One combination to measure.

    Attributes:
        model: ``default``, the name of a preset, or the path of a weights file.
        device: As torch names it.
        precision: Number format.
        work: The picture and the steps.
        is_own: The steps are those the model has by default.
        tile: As in ``SamplingConfig``; not chosen by free memory, so that machines compare.
    """

    model: str
    device: str
    precision: Precision
    work: Work
    is_own: bool
    tile: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Effort:
    """How often a case is run: ``repeats`` that count, after ``warm_up`` that do not.

    What would take longer than ``limit_s`` in all is measured smaller and scaled up; None is no
    limit.
    """

    repeats: int = 3
    warm_up: int = 1
    limit_s: float | None = 40.0

    def __post_init__(self) -> None:
        require(self.repeats >= 1, "repeats", self.repeats, ">= 1")
        require(self.warm_up >= 0, "warm_up", self.warm_up, ">= 0")
        good = self.limit_s is None or self.limit_s > 0
        require(good, "limit_s", self.limit_s, "null or > 0")

    @property
    def runs(self) -> int:
        """Runs in all."""
        return self.repeats + self.warm_up


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseTask:
    """What a process is asked for: one case."""

    case: BenchCase
    effort: Effort


@dataclass(frozen=True, kw_only=True, slots=True)
class PeaksTask:
    """What a process is asked for: the peaks of one device in one number format."""

    device: str
    precision: Precision


@dataclass(frozen=True, kw_only=True, slots=True)
class Peaks:
    """The most that a device was seen to do, per second.

    Attributes:
        device: As torch names it.
        precision: Number format of the products and convolutions.
        matmul: FLOPs of a product of large matrices.
        convolution: FLOPs of a 3x3 convolution as the networks have them.
        bandwidth: Bytes read and written by a copy too large for the caches.
        threads: That compute on the CPU; 0 on other devices.
        kernels: By which the CPU's convolutions run (``kernels.name_kernel``).
    """

    device: str
    precision: Precision
    matmul: float
    convolution: float
    bandwidth: float
    threads: int = 0
    kernels: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchMeasurement:
    """What came of a case.

    Attributes:
        seconds: Of each repeat, for the whole case.
        scaled_from: What was run, where that was not the whole case.
        scale: Of the model.
        flops: Of the whole case, the context of tiles included.
        moved: Bytes that its operations read and write, counted by their tensors.
        memory: Most bytes taken: of the process on the CPU, of the device elsewhere. None where
            the system does not tell.
        memory_is_measured: The whole size was run; else what grows with the size was counted.
    """

    seconds: tuple[float, ...]
    scaled_from: Work | None
    scale: int
    flops: int
    moved: int
    memory: int | None
    memory_is_measured: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class StartUp:
    """Seconds that a process takes to print its version, and to enlarge 8x8 pixels."""

    version_s: float
    first_pixel_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchRow:
    """A case that was measured, beside the peaks of its device."""

    case: BenchCase
    measured: BenchMeasurement
    peaks: Peaks

    @property
    def megapixels(self) -> float:
        """Of the result."""
        work = self.case.work
        return work.height * work.width * self.measured.scale**2 / 1e6

    @property
    def seconds(self) -> float:
        """Of the whole case, the median of its repeats."""
        return statistics.median(self.measured.seconds)

    @property
    def seconds_per_megapixel(self) -> float:
        """Of the result."""
        return self.seconds / self.megapixels

    @property
    def rate(self) -> float:
        """FLOPs per second."""
        return self.measured.flops / self.seconds


@dataclass(frozen=True, slots=True)
class Failed:
    """A case that could not be measured."""

    case: BenchCase
    error: SamsrError
