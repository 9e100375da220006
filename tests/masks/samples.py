"""Masks that tests draw, and their run lengths by hand."""

from pathlib import Path

import numpy as np

from sam_diffsr_cli.masks.rle import encode_mask
from sam_diffsr_cli.masks.store import write_records


def rectangle(rows: slice, columns: slice, size: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(size, dtype=bool)
    mask[rows, columns] = True
    return mask


def save_masks(path: Path, *masks: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_records(path, [{"segmentation": encode_mask(mask)} for mask in masks])
    return path


def runs_of(mask: np.ndarray) -> list[int]:
    """Run lengths down the columns, background first."""
    runs, value = [0], False
    for pixel in mask.T.ravel().tolist():
        if pixel != value:
            runs.append(0)
            value = pixel
        runs[-1] += 1
    return runs
