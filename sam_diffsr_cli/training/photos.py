"""The photos of a run: found, decoded once into the cache, held out, and placed on the device."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch

from sam_diffsr_cli.atomic import remove_leftovers
from sam_diffsr_cli.choices import MaskNorm
from sam_diffsr_cli.data.cache import (
    CachedPhotos,
    CacheEntry,
    label_values,
    read_entry,
    write_photo,
)
from sam_diffsr_cli.data.crops import Regions, TrainingPhoto
from sam_diffsr_cli.digests import digest_of, identity_of
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.masks.encoding import read_encoding
from sam_diffsr_cli.masks.store import find_mask_file
from sam_diffsr_cli.pictures.finding import find_pictures
from sam_diffsr_cli.pictures.reading import read_levels

__all__ = [
    "FoundPhoto",
    "PhotoRequest",
    "Prepared",
    "find_photos",
    "identify",
    "place_photos",
    "prepare",
    "split",
]

DEVICE_SHARE = 0.4
"""Photos may take this share of the free memory of a GPU; the rest is for training."""

FORMAT = 3
"""Of the cached files; another number makes them anew. 3: colours are converted to sRGB."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PhotoRequest:
    """Which photos are wanted.

    ``masks`` is a folder of mask files as ``find_mask_file`` looks for them, or None; a photo
    without one has no encoding. Photos less high or wide than ``least_side`` are left out.
    """

    masks: Path | None
    mask_norm: MaskNorm
    least_side: int
    cache: Path


@dataclass(frozen=True, slots=True)
class FoundPhoto:
    """A picture file, and the folder of photos that it lies in."""

    path: Path
    folder: Path

    @property
    def name(self) -> str:
        """Its path below the folder."""
        return self.path.relative_to(self.folder).as_posix()


@dataclass(frozen=True, slots=True)
class Prepared:
    """The outcome for one file: an entry of the cache, or the reason why it is left out."""

    photo: FoundPhoto
    entry: CacheEntry | None
    reason: str = ""


def find_photos(folders: Sequence[Path], leave_out: Path | None = None) -> list[FoundPhoto]:
    """List the pictures below each folder, in the order of the folders and of their paths.

    Args:
        folders: Of photos.
        leave_out: A folder whose pictures are not taken: those to validate with.

    Raises:
        InputError: One of them is not a folder, or there is no picture at all.
    """
    found = []
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder}: not a folder")
        found += [FoundPhoto(path, folder) for path in find_pictures(folder, recursive=True)]
    if leave_out is not None:
        place = leave_out.resolve()
        found = [each for each in found if not each.path.resolve().is_relative_to(place)]
    if not found:
        others = "" if leave_out is None else f" but those in {leave_out}"
        raise InputError(f"{', '.join(map(str, folders))}: no pictures{others}")
    return found


def prepare(photos: Sequence[FoundPhoto], request: PhotoRequest) -> Iterator[Prepared]:
    """Decode each photo into the cache, unless it is there, several at a time.

    What killed processes left half written there is removed.

    Yields:
        One record per photo, in order; an unreadable one, or one with unreadable masks, has a
        reason.

    Raises:
        InputError: ``request.masks`` is not a folder, or the cache cannot be written.
        DiskFullError: The disk is full; what is prepared is kept.
    """
    if request.masks is not None and not request.masks.is_dir():
        raise InputError(f"{request.masks}: not a folder")
    for folder in request.cache.glob("??"):
        remove_leftovers(folder)
    pool = ThreadPoolExecutor(os.cpu_count() or 1)
    try:
        yield from pool.map(lambda photo: _prepare(photo, request), photos)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _prepare(photo: FoundPhoto, request: PhotoRequest) -> Prepared:
    mask_file = None
    if request.masks is not None:
        mask_file = find_mask_file(photo.path, photo.folder, request.masks)
    try:
        key = _key(photo.path, mask_file, request.mask_norm)
        cached = request.cache / key[:2] / f"{key}.safetensors"
        entry = read_entry(cached)
        fresh = _decode(photo, mask_file, request) if entry is None else None
    except InputError as error:
        return Prepared(photo, None, str(error))
    if fresh is not None:
        if reason := _too_small(photo, fresh.pixels.shape[1], fresh.pixels.shape[2], request):
            return Prepared(photo, None, reason)
        write_photo(cached, fresh)
        entry = read_entry(cached)
    if entry is None:
        raise InputError(f"{cached}: gone as soon as it was written")
    if reason := _too_small(photo, *entry.size, request):
        return Prepared(photo, None, reason)
    return Prepared(photo, entry._replace(name=photo.name))


def _too_small(photo: FoundPhoto, height: int, width: int, request: PhotoRequest) -> str:
    """Say why a photo is left out for its size; empty where it is not."""
    if min(height, width) >= request.least_side:
        return ""
    needed = f"less than the {request.least_side} pixels that a crop and its margins need"
    return f"{photo.path}: {width}x{height}, {needed}"


def _key(path: Path, mask_file: Path | None, norm: MaskNorm) -> str:
    """Name what a cached file was made from: the same files, unchanged, have the same key."""
    parts: list[object] = [FORMAT]
    for source in (path, mask_file):
        if source is not None:
            parts += identity_of(source)
    if mask_file is not None:
        parts.append(norm)
    return digest_of(parts)


def _decode(photo: FoundPhoto, mask_file: Path | None, request: PhotoRequest) -> TrainingPhoto:
    levels = read_levels(photo.path)
    pixels = torch.from_numpy(levels).permute(2, 0, 1).contiguous()
    regions = None
    if mask_file is not None and request.masks is not None:
        size = (pixels.shape[1], pixels.shape[2])
        encoding = read_encoding(mask_file, request.masks, size, request.mask_norm)
        regions = label_values(encoding)
    return TrainingPhoto(photo.name, pixels, regions)


def split(
    entries: Sequence[CacheEntry], hold_out: int
) -> tuple[list[CacheEntry], list[CacheEntry]]:
    """Divide photos into those to train on and those held out to validate with.

    Which are held out follows from their names alone. At most a tenth of them are.
    """
    count = min(hold_out, len(entries) // 10)
    by_chance = sorted(entries, key=lambda e: hashlib.blake2b(os.fsencode(e.name)).digest())
    held = {entry.path for entry in by_chance[:count]}
    train = [entry for entry in entries if entry.path not in held]
    return train, [entry for entry in entries if entry.path in held]


def identify(entries: Sequence[CacheEntry]) -> str:
    """Return what tells this list of photos from another: names, pixels, encodings and order."""
    parts = [(os.fsencode(e.name), e.digest) for e in entries]
    return digest_of(parts)


def place_photos(entries: Sequence[CacheEntry], device: torch.device) -> Sequence[TrainingPhoto]:
    """Put the photos on a CUDA device when they fit beside the training; else map their files."""
    photos = CachedPhotos(entries)
    if device.type != "cuda":
        return photos
    needed = sum((3 + e.label_bytes) * e.size[0] * e.size[1] for e in entries)
    free, _ = torch.cuda.mem_get_info(device)
    if needed > DEVICE_SHARE * free:
        return photos
    return [_moved(photo, device) for photo in photos]


def _moved(photo: TrainingPhoto, device: torch.device) -> TrainingPhoto:
    regions = photo.regions
    if regions is not None:
        regions = Regions(regions.labels.to(device), regions.values.to(device))
    return TrainingPhoto(photo.name, photo.pixels.to(device), regions)
