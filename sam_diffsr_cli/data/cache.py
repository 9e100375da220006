"""Decoded photos on disk: one safetensors file each, mapped into memory when it is used.

A photo is kept whole, so that crops may lie anywhere in it and nothing is stored twice; the
encoding of its masks is a label for each pixel and a value for each label.
"""

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, overload

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from sam_diffsr_cli.atomic import atomic_path
from sam_diffsr_cli.data.crops import Regions, TrainingPhoto
from sam_diffsr_cli.errors import InputError, os_errors

__all__ = ["CacheEntry", "CachedPhotos", "label_values", "read_entry", "read_photo", "write_photo"]

MOST_OPEN = 4096
"""Photos mapped at a time; systems allow some 65,000 maps."""

PIXELS, LABELS, VALUES = "pixels", "labels", "values"
NAME, DIGEST = "samsr.photo", "samsr.digest"
LABEL_BYTES = {"U8": 1, "I16": 2, "I32": 4}
"""By what safetensors calls the numbers."""


class CacheEntry(NamedTuple):
    """A photo in the cache.

    Its name, file and ``(height, width)``, the bytes that a pixel's label takes (0 without masks),
    and what tells its pixels and encoding from others.
    """

    name: str
    path: Path
    size: tuple[int, int]
    label_bytes: int
    digest: str

    @property
    def has_masks(self) -> bool:
        """Whether it has an encoding."""
        return self.label_bytes > 0


class CachedPhotos(Sequence[TrainingPhoto]):
    """Photos of the cache in order, each mapped when it is asked for."""

    def __init__(self, entries: Sequence[CacheEntry]) -> None:
        """Take the entries; nothing is opened yet."""
        self.entries = entries
        self._open = functools.lru_cache(MOST_OPEN)(read_photo)

    def __len__(self) -> int:
        """Return the number of photos."""
        return len(self.entries)

    @overload
    def __getitem__(self, index: int) -> TrainingPhoto: ...
    @overload
    def __getitem__(self, index: slice) -> list[TrainingPhoto]: ...
    def __getitem__(self, index: int | slice) -> TrainingPhoto | list[TrainingPhoto]:
        """Map a photo, or several."""
        if isinstance(index, slice):
            return [self._open(entry.path) for entry in self.entries[index]]
        return self._open(self.entries[index].path)


def label_values(encoding: Tensor) -> Regions:
    """Turn an encoding, ``(H, W)`` float32, into labels and values: a byte a pixel as a rule."""
    values, labels = torch.unique(encoding, return_inverse=True)
    count = len(values)
    kind = torch.uint8 if count <= 1 << 8 else torch.int16 if count <= 1 << 15 else torch.int32
    return Regions(labels.to(kind)[None], values)


def write_photo(path: Path, photo: TrainingPhoto) -> None:
    """Write a photo atomically; its folder is made.

    Raises:
        InputError: The folder cannot be written.
        DiskFullError: The disk is full.
    """
    tensors = {PIXELS: photo.pixels}
    if photo.regions is not None:
        tensors |= {LABELS: photo.regions.labels, VALUES: photo.regions.values}
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    data = save(tensors, {NAME: photo.name, DIGEST: _digest(tensors)})
    with os_errors(path.parent, "cannot be made"):
        path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def _digest(tensors: Mapping[str, Tensor]) -> str:
    """Hash what a photo holds, but for its name."""
    hashed = hashlib.blake2b(digest_size=16)
    for name in sorted(tensors):
        hashed.update(f"{name} {tuple(tensors[name].shape)}".encode())
        hashed.update(tensors[name].numpy().data)
    return hashed.hexdigest()


def read_photo(path: Path) -> TrainingPhoto:
    """Map a photo that ``write_photo`` wrote; pixels are read from the disk when they are used.

    Raises:
        InputError: The file is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            names = set(file.keys())
            name = (file.metadata() or {})[NAME]
            tensors = {key: file.get_tensor(key) for key in names}
        regions = Regions(tensors[LABELS], tensors[VALUES]) if LABELS in names else None
        return TrainingPhoto(name, tensors[PIXELS], regions)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{path}: damaged ({error})", hint="remove the cache's folder; it is made again"
        ) from error


def read_entry(path: Path) -> CacheEntry | None:
    """Read what is known of a photo from the head of its file; None if it is not whole."""
    try:
        with path.open("rb") as file:
            head = json.loads(file.read(int.from_bytes(file.read(8), "little")))
            shape = head[PIXELS]["shape"]
            ends = [entry["data_offsets"][1] for key, entry in head.items() if key[0] != "_"]
            is_whole = path.stat().st_size == file.tell() + max(ends)
        size = (int(shape[1]), int(shape[2]))
        known = head["__metadata__"]
        labels = LABEL_BYTES[head[LABELS]["dtype"]] if LABELS in head else 0
        found = CacheEntry(known[NAME], path, size, labels, known[DIGEST])
    except Exception:  # noqa: BLE001 - whatever a damaged head leads to
        return None
    return found if is_whole else None
