"""Mask files: one JSON list of COCO run-length records per photo, as SAM's own tools write it.

A record is ``{"segmentation": {"size": [H, W], "counts": ...}, ...}``. ``counts`` is a list of run
lengths, or COCO's compressed string of them; runs go down the columns and start with background.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sam_diffsr_cli.errors import InputError

__all__ = ["decode_counts", "decode_mask", "read_masks"]

CHAR_OFFSET, CHUNK_BITS, MORE, NEGATIVE = 48, 5, 0x20, 0x10
"""COCO's text form: 5 bits a character from '0' on, a continuation bit, a sign bit."""


def decode_counts(text: str) -> list[int]:
    """Decode COCO's compressed run lengths.

    LEB128-like; from the fourth on, a run is stored as its difference to the run two before.

    Raises:
        ValueError: A character is out of range, or the text ends within a number.
    """
    counts: list[int] = []
    value = shift = 0
    for char in text:
        chunk = ord(char) - CHAR_OFFSET
        if not 0 <= chunk < 1 << (CHUNK_BITS + 1):
            raise ValueError(f"character {char!r} in run lengths")
        value |= (chunk & (MORE - 1)) << shift
        shift += CHUNK_BITS
        if chunk & MORE:
            continue
        if chunk & NEGATIVE:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("run lengths end within a number")
    return counts


def decode_mask(segmentation: Any) -> np.ndarray:  # noqa: ANN401 - the JSON edge
    """Decode one COCO run-length record to ``(H, W)`` bool.

    Raises:
        ValueError: The record is malformed or its runs do not fill its size.
    """
    if not isinstance(segmentation, dict) or not {"size", "counts"} <= segmentation.keys():
        raise ValueError("not a run-length record with size and counts")
    height, width = (int(n) for n in segmentation["size"])
    counts = segmentation["counts"]
    if not isinstance(counts, str) and any(type(run) is not int for run in counts):
        raise ValueError("run lengths that are not whole numbers")
    runs = np.asarray(decode_counts(counts) if isinstance(counts, str) else counts, dtype=np.int64)
    # Summed without bounds: a sum that wrapped around would make numpy write outside its memory.
    if height < 1 or width < 1 or (runs < 0).any() or sum(runs.tolist()) != height * width:
        raise ValueError(f"runs do not fill a mask of {height}x{width}")
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(width, height).T


def read_masks(path: Path, size: tuple[int, int]) -> Tensor:
    """Read the masks of one photo.

    Args:
        path: The JSON file.
        size: ``(H, W)`` that every mask must have.

    Returns:
        ``(K, H, W)`` bool, in file order.

    Raises:
        InputError: The file is unreadable, malformed, or its masks have another size.
    """
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
        for record in records:
            # Before decoding, so that a size out of all proportion allocates nothing.
            if tuple(record["segmentation"]["size"]) != size:
                found = record["segmentation"]["size"]
                raise InputError(f"{path}: masks are {tuple(found)}, the photo is {size}")
        masks = [decode_mask(record["segmentation"]) for record in records]
    except OSError as error:
        raise InputError(f"{path}: cannot read masks ({error.strerror})") from error
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise InputError(f"{path}: not a list of COCO run-length masks ({error})") from error
    stacked = np.stack(masks) if masks else np.zeros((0, *size), dtype=bool)
    return torch.from_numpy(stacked)
