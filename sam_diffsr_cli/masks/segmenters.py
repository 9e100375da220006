"""What cuts a photo into regions: the seam, and the light stand-in that needs no checkpoint.

Another segmenter (SAM 2, MobileSAM) is one more file with a class of this protocol.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from sam_diffsr_cli.errors import ConfigError
from sam_diffsr_cli.masks.rle import encode_mask
from sam_diffsr_cli.packages import install_command
from sam_diffsr_cli.strict import allow, conform

__all__ = ["Felzenszwalb", "Segmenter", "label_records"]


class Segmenter(Protocol):
    """Cuts photos into regions."""

    @property
    def description(self) -> dict[str, Any]:
        """What decides the regions, for the manifest: name, options, digests."""
        ...

    def segment(self, pixels: np.ndarray) -> list[dict[str, Any]]:
        """Cut ``(H, W, 3)`` uint8 into regions; COCO run-length records, see ``store``."""
        ...


def label_records(labels: np.ndarray, skip: int | None = None) -> list[dict[str, Any]]:
    """Turn a map of labels into records, from the largest region to the smallest.

    Args:
        labels: ``(H, W)`` whole numbers; each value is one region.
        skip: A value that is no region, or None.
    """
    values, inverse, areas = np.unique(labels, return_inverse=True, return_counts=True)
    inverse = inverse.reshape(labels.shape)
    order = np.argsort(-areas, kind="stable").tolist()
    return [region_record(inverse == index) for index in order if values[index] != skip]


def region_record(mask: np.ndarray) -> dict[str, Any]:
    """Describe one region, ``(H, W)`` bool, not empty; ``bbox`` is x, y, width, height."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    return {
        "segmentation": encode_mask(mask),
        "area": int(mask.sum()),
        "bbox": [left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1],
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Felzenszwalb:
    """Graph-based segmentation (Felzenszwalb & Huttenlocher 2004), through scikit-image.

    Regions follow colour and texture, not objects: a stand-in for SAM, and the manifest says so.
    ``region_scale`` sets the size of regions, ``sigma`` the smoothing before, in pixels;
    ``least_area`` merges what is smaller, in pixels.
    """

    region_scale: float = 300.0
    sigma: float = 0.8
    least_area: int = 200

    def __post_init__(self) -> None:
        conform(self)
        for name, least in (("region_scale", 1), ("sigma", 0), ("least_area", 1)):
            value = getattr(self, name)
            allow(least <= value < math.inf, name, value, f"{least} and more")

    @property
    def description(self) -> dict[str, Any]:
        """Name and options."""
        return {
            "segmenter": "felzenszwalb",
            "is_sam": False,
            "region_scale": self.region_scale,
            "sigma": self.sigma,
            "least_area": self.least_area,
        }

    def check(self) -> None:
        """Refuse to begin without what it needs.

        Raises:
            ConfigError: scikit-image is not installed.
        """
        _felzenszwalb()

    def segment(self, pixels: np.ndarray) -> list[dict[str, Any]]:
        """Cut ``(H, W, 3)`` uint8 into regions that cover it.

        Raises:
            ConfigError: scikit-image is not installed.
        """
        labels = _felzenszwalb()(
            pixels, scale=self.region_scale, sigma=self.sigma, min_size=self.least_area
        )
        return label_records(np.asarray(labels))


def _felzenszwalb() -> Callable[..., np.ndarray]:
    try:
        from skimage.segmentation import felzenszwalb  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise ConfigError(
            "the felzenszwalb segmenter needs scikit-image", hint=install_command("scikit-image")
        ) from error
    found: Callable[..., np.ndarray] = felzenszwalb
    return found
