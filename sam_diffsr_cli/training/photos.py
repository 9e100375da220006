"""Decode the training photos once and keep them in memory, on the device when they fit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from sam_diffsr_cli.data.crops import TrainingPhoto
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.masks.encoding import read_encoding
from sam_diffsr_cli.masks.position import MaskNorm
from sam_diffsr_cli.masks.store import find_mask_file
from sam_diffsr_cli.pictures.finding import find_pictures
from sam_diffsr_cli.pictures.reading import read_picture
from sam_diffsr_cli.pictures.records import Limits, rgb_levels

__all__ = ["LoadedPhoto", "load_photos", "place_photos"]

DEVICE_SHARE = 0.4
"""Photos may take this share of the free memory of a GPU; the rest is for training."""


@dataclass(frozen=True, slots=True)
class LoadedPhoto:
    """The outcome for one file: a photo, or the reason why it is left out."""

    path: Path
    photo: TrainingPhoto | None
    reason: str = ""


def load_photos(
    folder: Path, masks: Path | None, mask_norm: MaskNorm, least_side: int
) -> Iterator[LoadedPhoto]:
    """Read every picture below ``folder``, in the order of their paths.

    Args:
        folder: Searched with its subfolders; hidden files are left out.
        masks: Folder of mask files as ``find_mask_file`` looks for them, or None. A photo without
            one has no encoding.
        mask_norm: As in ``structural_position_encoding``.
        least_side: Photos less high or wide than this are left out.

    Yields:
        One record per picture; an unreadable one, or one with unreadable masks, has a reason.

    Raises:
        InputError: ``folder`` or ``masks`` is not a folder.
    """
    for place in (folder, masks):
        if place is not None and not place.is_dir():
            raise InputError(f"{place}: not a folder")
    for path in find_pictures(folder, recursive=True):
        try:
            yield _load(path, (folder, masks), mask_norm, least_side)
        except InputError as error:
            yield LoadedPhoto(path, None, str(error))


def _load(
    path: Path, places: tuple[Path, Path | None], mask_norm: MaskNorm, least_side: int
) -> LoadedPhoto:
    folder, masks = places
    levels = rgb_levels(read_picture(path, Limits()).frames[0].pixels)
    pixels = torch.from_numpy(levels).permute(2, 0, 1).contiguous()
    height, width = pixels.shape[1:]
    if min(height, width) < least_side:
        return LoadedPhoto(path, None, f"{path}: {height}x{width} is less than {least_side} pixels")
    mask_file = None if masks is None else find_mask_file(path, folder, masks)
    spe = None
    if masks is not None and mask_file is not None:
        spe = read_encoding(mask_file, masks, (height, width), mask_norm)[None]
    return LoadedPhoto(path, TrainingPhoto(path.name, pixels, spe))


def place_photos(photos: Sequence[TrainingPhoto], device: torch.device) -> list[TrainingPhoto]:
    """Move the photos to a CUDA device when they fit beside the training; else leave them."""
    if device.type != "cuda":
        return list(photos)
    tensors = [t for photo in photos for t in (photo.pixels, photo.spe) if t is not None]
    needed = sum(t.numel() * t.element_size() for t in tensors)
    free, _ = torch.cuda.mem_get_info(device)
    if needed > DEVICE_SHARE * free:
        return list(photos)
    return [
        TrainingPhoto(p.name, p.pixels.to(device), None if p.spe is None else p.spe.to(device))
        for p in photos
    ]
