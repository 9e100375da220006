"""The measures of quality, as tables and pages write them; ``metrics`` computes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["METRICS", "Metric", "clock"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A measure: its name, which values are better (None: none is), its unit, and its decimals."""

    name: str
    better: Literal["higher", "lower", "nearer to 1"] | None
    unit: str = ""
    digits: int = 2

    @property
    def remarks(self) -> tuple[str, ...]:
        """What to say of it beside its name: the unit, and which values are better."""
        better = f"{self.better} is better" if self.better else ""
        return tuple(filter(None, (self.unit, better)))


METRICS: Mapping[str, Metric] = {
    "psnr_y": Metric("PSNR-Y", "higher", "dB"),
    "ssim_y": Metric("SSIM-Y", "higher", digits=4),
    "lpips": Metric("LPIPS", "lower", digits=3),
    "lr_psnr": Metric("LR-PSNR", "higher", "dB"),
    "detail": Metric("detail", "nearer to 1"),
    "psnr_rgb": Metric("PSNR-RGB", "higher", "dB"),
    "ssim_rgb": Metric("SSIM-RGB", "higher", digits=4),
}
"""By the key of documents, in the order in which they are shown. Of ``detail`` less is smooth, more
is grain."""


def clock(seconds: float) -> str:
    """Write a time as hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
