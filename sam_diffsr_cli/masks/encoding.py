"""The encoding of one photo, as training reads it: from masks, kept compactly between runs.

An encoding is few values over many pixels, so it is kept as a label for each pixel and a value for
each label, deflated. A kept one is used while the mask file is the same.
"""

import hashlib
import io
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sam_diffsr_cli.atomic import atomic_path
from sam_diffsr_cli.errors import InputError, SamsrError
from sam_diffsr_cli.masks.position import MaskNorm, paint_encoding
from sam_diffsr_cli.masks.store import iterate_masks

__all__ = ["CACHE", "pack_encoding", "read_encoding", "unpack_encoding"]

CACHE = ".encodings"
"""Folder of kept encodings, beside the masks."""

IMPORTED = ".npz"
"""Suffix of an encoding that came ready-made, without its masks; its norm is ``image``."""


def pack_encoding(encoding: np.ndarray, source: str) -> bytes:
    """Pack ``(H, W)`` float32 as labels and values; ``source`` says what it was made from."""
    values, labels = np.unique(encoding, return_inverse=True)
    kind = np.uint8 if len(values) <= 256 else np.uint16 if len(values) <= 65536 else np.uint32
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        labels=labels.reshape(encoding.shape).astype(kind),
        values=values.astype(np.float32),
        source=np.array(source),
    )
    return buffer.getvalue()


def unpack_encoding(data: bytes) -> tuple[np.ndarray, str]:
    """Return what ``pack_encoding`` packed.

    Raises:
        ValueError: The data is damaged or of another kind.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            labels, values, source = file["labels"], file["values"], str(file["source"])
        if labels.ndim != 2 or values.ndim != 1 or values.dtype != np.float32:
            raise ValueError("arrays of another kind")  # noqa: TRY301 - told as the others
        return values[labels], source
    except Exception as error:
        raise ValueError(f"not a kept encoding ({error})") from error


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
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read masks ({error.strerror})") from error
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
