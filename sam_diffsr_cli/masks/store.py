"""Mask files: one JSON list of COCO run-length records per photo, as SAM's own tools write it.

A record is ``{"segmentation": {"size": [H, W], "counts": ...}, "area": ..., "bbox": ..., ...}``, as
``amg.py --convert-to-rle`` writes it; ``rle`` reads and writes ``counts``.
"""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sam_diffsr_cli.atomic import atomic_path
from sam_diffsr_cli.errors import InputError, os_errors
from sam_diffsr_cli.masks.rle import decode_mask
from sam_diffsr_cli.pictures.formats import is_picture_name

__all__ = [
    "MANIFEST",
    "decode_masks",
    "find_mask_file",
    "find_mask_files",
    "read_records",
    "write_records",
]

MANIFEST = "manifest.json"
"""Says how all the masks of a folder were made; see ``build``."""

Record = dict[str, Any]


def write_records(path: Path, records: Sequence[Record]) -> None:
    """Write the records of one photo, whole or not at all.

    Raises:
        InputError: The folder cannot be written.
        DiskFullError: The disk is full.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(list(records)), encoding="utf-8")


def read_records(path: Path) -> list[Record]:
    """Read the records of one photo, and check that each is one.

    Raises:
        InputError: The file is unreadable or malformed.
    """
    try:
        with os_errors(path, "cannot read masks"):
            records = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(records, list):
            raise TypeError("not a list")  # noqa: TRY301 - told as the others
        for record in records:
            height, width = record["segmentation"]["size"]
            if type(height) is not int or type(width) is not int:
                raise TypeError("a size that is not of whole numbers")  # noqa: TRY301
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError(f"{path}: not a list of COCO run-length masks ({error})") from error
    return records


def decode_masks(path: Path, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """Read the masks of one photo, one by one.

    Args:
        path: The JSON file.
        size: ``(H, W)`` that every mask must have.

    Yields:
        ``(H, W)`` bool, in file order.

    Raises:
        InputError: The file is unreadable, malformed, or its masks have another size.
    """
    records = read_records(path)
    for record in records:
        # Before decoding, so that a size out of all proportion allocates nothing.
        found = tuple(record["segmentation"]["size"])
        if found != size:
            raise InputError(f"{path}: masks are {found}, the photo is {size}")
    for record in records:
        try:
            mask = decode_mask(record["segmentation"])
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            raise InputError(f"{path}: not a list of COCO run-length masks ({error})") from error
        yield mask


def find_mask_file(photo: Path, folder: Path, masks: Path) -> Path | None:
    """Find the mask file of a photo, or its ready-made encoding; None when there is neither.

    Looked for, in this order: in the photo's place in the mirrored tree under its whole name (where
    two photos share a stem), there under its stem, and in ``masks`` itself under its stem, unless a
    photo in ``folder`` itself has that stem.

    Args:
        photo: A path that begins with ``folder``.
        folder: Of the photos.
        masks: Of the mask files.
    """
    inside = photo.relative_to(folder)
    places = (
        masks / inside.with_name(f"{inside.name}.json"),
        masks / inside.with_suffix(".json"),
        masks / inside.with_suffix(".npz"),
    )
    found = next((p for p in places if p != masks / MANIFEST and _is_file(p)), None)
    if found is not None or len(inside.parts) == 1:
        return found
    flat = (masks / f"{photo.stem}{ending}" for ending in (".json", ".npz"))
    fallback = next((place for place in flat if _is_file(place)), None)
    if fallback is None:
        return None
    owners = (path for path in folder.iterdir() if path.stem == photo.stem)
    return None if any(is_picture_name(path) for path in owners) else fallback


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises on a name that is too long


def find_mask_files(masks: Path) -> list[Path]:
    """List the mask files below a folder, by path.

    Raises:
        InputError: It is not a folder, or holds none.
    """
    if not masks.is_dir():
        raise InputError(f"{masks}: not a folder")
    found = [
        path
        for path in sorted(masks.rglob("*.json"))
        if path.name != MANIFEST and not path.name.startswith(".")
    ]
    if not found:
        raise InputError(f"{masks}: holds no mask files")
    return found
