"""The encoding of one photo, as training reads it: from masks, kept compactly between runs.

An encoding is few values over many pixels, so it is kept as a label for each pixel and a value for
each label, deflated. A kept one is used while the mask file is the same.
"""

import hashlib
from pathlib import Path

import torch
from torch import Tensor

from sam_diffsr_cli.atomic import atomic_path
from sam_diffsr_cli.choices import MaskNorm
from sam_diffsr_cli.errors import InputError, SamsrError, os_errors
from sam_diffsr_cli.masks.packing import IMPORTED, pack_encoding, unpack_encoding
from sam_diffsr_cli.masks.position import paint_encoding
from sam_diffsr_cli.masks.regions import iterate_masks

__all__ = ["CACHE", "read_encoding"]

CACHE = ".encodings"
"""Folder of kept encodings, beside the masks."""


def read_encoding(path: Path, masks: Path, size: tuple[int, int], norm: MaskNorm) -> Tensor:
    """Read the encoding of one photo, from a kept one when there is one of the same masks.

    Args:
        path: The photo's mask file, or a ready-made encoding (``.npz``).
        masks: The folder of mask files that ``path`` lies in; kept encodings go there.
        size: ``(H, W)`` of the photo.
        norm: As in ``structural_position_encoding``.

    Returns:
        ``(H, W)`` float32.

    Raises:
        InputError: The file is damaged, of another size, or has no such norm.
    """
    with os_errors(path, "cannot read masks"):
        data = path.read_bytes()
    if path.suffix == IMPORTED:
        return _ready_made(path, data, size, norm)
    source = hashlib.sha256(data).hexdigest()
    kept = masks / CACHE / norm / path.relative_to(masks).with_suffix(".npz")
    try:
        encoding, made_from = unpack_encoding(kept.read_bytes())
        if made_from == source and encoding.shape == size:
            return torch.from_numpy(encoding)
    except (OSError, ValueError):
        pass
    fresh = paint_encoding(iterate_masks(path, size), size, norm)
    _keep(kept, pack_encoding(fresh.numpy(), source))
    return fresh


def _ready_made(path: Path, data: bytes, size: tuple[int, int], norm: MaskNorm) -> Tensor:
    if norm != "image":
        raise InputError(
            f"{path}: an encoding without its masks has the image norm only",
            hint="--mask-norm image",
        )
    try:
        encoding, _ = unpack_encoding(data)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    if encoding.shape != size:
        raise InputError(f"{path}: the encoding is {encoding.shape}, the photo is {size}")
    return torch.from_numpy(encoding)


def _keep(path: Path, data: bytes) -> None:
    """Keep an encoding; where that cannot be done, it is computed again next time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            temporary.write_bytes(data)
    except (OSError, SamsrError):
        return
