"""COCO's run-length encoding of masks, in its list form and its text form.

Runs go down the columns and start with background. The text form is what SAM's own tools write.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["decode_counts", "decode_mask", "encode_counts", "encode_mask"]

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


def encode_mask(mask: np.ndarray) -> dict[str, Any]:
    """Encode ``(H, W)`` bool as a COCO run-length record in its text form."""
    height, width = mask.shape
    flat = np.ravel(mask, order="F").astype(bool)
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff(np.concatenate([[0], changes, [flat.size]])).tolist()
    counts = [0, *runs] if flat[0] else runs
    return {"size": [height, width], "counts": encode_counts(counts)}


def encode_counts(counts: Sequence[int]) -> str:
    """Encode run lengths as COCO's text; see ``decode_counts``."""
    letters: list[str] = []
    for index, count in enumerate(counts):
        value = count - counts[index - 2] if index > 2 else count
        while True:
            chunk = value & (MORE - 1)
            value >>= CHUNK_BITS
            is_last = value == (-1 if chunk & NEGATIVE else 0)
            letters.append(chr(CHAR_OFFSET + (chunk if is_last else chunk | MORE)))
            if is_last:
                break
    return "".join(letters)
