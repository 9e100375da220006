"""Small pictures as several methods might have made them, and pages of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sam_diffsr_cli.comparison.page import write_page
from sam_diffsr_cli.comparison.records import (
    PSNR_Y,
    ComparedPicture,
    CurvePoint,
    MetricCurve,
    MetricRow,
    Page,
)
from sam_diffsr_cli.measures import Metric

METHODS = ("bicubic", "steps 0", "default")
TRUTH = "truth"
SIZE = (128, 192)
"""Height and width."""

SPOT = (40, 104, 24)
"""Where methods differ most: top, left, side."""

LPIPS = Metric("LPIPS", "lower", digits=3)
NAMES = ("butterfly", "baby", "comic", "flowers")


def pixels(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Smooth colours with grain, ``(H, W, 3)`` uint8."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: size[0], : size[1]]
    waves = [np.sin(rows / (5 + c + seed)) + np.cos(columns / (9 - c)) for c in range(3)]
    levels = 128 + 45 * np.stack(waves, axis=2) + rng.normal(0, 4, (*size, 3))
    return levels.round().clip(0, 255).astype(np.uint8)


def panels(seed: int, size: tuple[int, int] = SIZE) -> dict[str, np.ndarray]:
    """A truth, and methods that differ from it a little everywhere and much at ``SPOT``."""
    rng = np.random.default_rng(100 + seed)
    truth = pixels(seed, size)
    made = {}
    for index, method in enumerate(METHODS):
        wrong = rng.integers(-4, 5, truth.shape)
        top, left, side = SPOT
        wrong[top : top + side, left : left + side] *= 12 - 3 * index
        made[method] = (truth + wrong).clip(0, 255).astype(np.uint8)
    return {**made, TRUTH: truth}


def pictures(count: int = 3, size: tuple[int, int] = SIZE) -> Iterator[ComparedPicture]:
    """Make ``count`` pictures."""
    for seed in range(count):
        yield ComparedPicture(
            NAMES[seed % len(NAMES)] + "x" * (seed // len(NAMES)), panels(seed, size)
        )


def rows(count: int = 3) -> list[MetricRow]:
    """Numbers of ``pictures(count)``, and means; the later the method, the better."""
    singles = [
        MetricRow(
            method,
            picture.name,
            {PSNR_Y.name: 25.0 + 3 * m + (p * 7) % 5, LPIPS.name: 0.4 - 0.1 * m},
        )
        for p, picture in enumerate(pictures(count))
        for m, method in enumerate(METHODS)
    ]
    means = [
        MetricRow(method, None, {PSNR_Y.name: 27.0 + 3 * m, LPIPS.name: 0.4 - 0.1 * m})
        for m, method in enumerate(METHODS)
    ]
    return means + singles


CURVES = (
    MetricCurve(
        PSNR_Y.name, [CurvePoint(0, 29.0, 0.2), CurvePoint(4, 28.0, 0.3), CurvePoint(100, 27.5)]
    ),
    MetricCurve(
        LPIPS.name, [CurvePoint(0, 0.3), CurvePoint(4, 0.2), CurvePoint(100, 0.15)], "lite"
    ),
    MetricCurve(LPIPS.name, [CurvePoint(0, 0.35), CurvePoint(4, 0.25)], "full"),
)


def make_page(**changes: Any) -> Page:
    """Make a page of three pictures with everything on it."""
    fields: dict[str, Any] = {
        "title": "Three small pictures",
        "methods": METHODS,
        "truth": TRUTH,
        "pictures": pictures(),
        "facts": [("Protocol", "PSNR-Y, shave 4"), ("Model", "3856c0" * 10)],
        "metrics": (PSNR_Y, LPIPS),
        "rows": rows(),
        "curves": CURVES,
    }
    return Page(**(fields | changes))


def write(path: Path, *, beside: bool = False, **changes: Any) -> Path:
    """Write such a page."""
    write_page(make_page(**changes), path, beside=beside)
    return path
