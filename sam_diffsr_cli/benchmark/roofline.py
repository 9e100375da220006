"""What holds a run back: arithmetic, memory, or neither (Williams et al. 2009, "Roofline").

A run cannot take less time than its FLOPs at the peak rate, nor than its bytes at the peak
bandwidth. The longer of the two is the roof. Bytes are those of unfused operations without caches,
so memory weighs rather too much, and a run that lives in its caches can be above 100 %.
"""

from dataclasses import dataclass
from typing import Literal

from sam_diffsr_cli.benchmark.records import Peaks

__all__ = ["RooflineVerdict", "judge"]

LEAST_SHARE = 0.25
"""Below this share of the roof, neither arithmetic nor memory explains where the time went."""

OF = {"compute": "peak", "memory": "bandwidth", "overhead": "the roof"}


@dataclass(frozen=True, kw_only=True, slots=True)
class RooflineVerdict:
    """What binds a run, and the share of that limit it reaches; of the roof when it is overhead."""

    bound: Literal["compute", "memory", "overhead"]
    share: float

    def __str__(self) -> str:
        return f"{self.bound}-bound, {100 * self.share:.0f} % of {OF[self.bound]}"


def judge(flops: float, moved: float, seconds: float, peaks: Peaks) -> RooflineVerdict:
    """Compare a run with the roof.

    Args:
        flops: Of the run.
        moved: Bytes that it reads and writes.
        seconds: That it took.
        peaks: Of its device in its number format.
    """
    compute_s, memory_s = flops / peaks.matmul, moved / peaks.bandwidth
    share = max(compute_s, memory_s) / seconds
    if share < LEAST_SHARE:
        return RooflineVerdict(bound="overhead", share=share)
    return RooflineVerdict(bound="compute" if compute_s >= memory_s else "memory", share=share)
