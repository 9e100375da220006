"""Random training crops: from uint8 photos to a batch of tensors on their device.

Each crop is cut with a margin, so that its low-resolution twin is what shrinking the whole photo
would have given there, then flipped and turned together with its structural encoding.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from sam_diffsr_cli import resize
from sam_diffsr_cli.config import NUM_LEVELS
from sam_diffsr_cli.degradation.levels import told_levels
from sam_diffsr_cli.degradation.photo import Degraded
from sam_diffsr_cli.device import derive_seed
from sam_diffsr_cli.errors import InputError

__all__ = [
    "DEGRADE_MARGIN",
    "MARGIN",
    "Batch",
    "Crop",
    "CropPlan",
    "Degrader",
    "Regions",
    "TrainingPhoto",
    "crop_side",
    "cut",
    "orient",
]

MARGIN = 2
"""Low-resolution pixels of context on each side; the bicubic kernel reaches 1.5 of them."""

DEGRADE_MARGIN = 12
"""The same where crops are degraded: blur and shrinking reach 4, the compression's grid 8."""

ORIENTATIONS = 8

Degrader = Callable[[Tensor, int], Degraded]
"""Makes the low-resolution twin of a crop, ``(3, H, W)`` uint8 on the CPU, from a seed."""


@dataclass(frozen=True, slots=True)
class Regions:
    """A structural encoding: a label for each pixel, ``(1, H, W)``, and each label's value."""

    labels: Tensor
    values: Tensor


@dataclass(frozen=True, slots=True)
class TrainingPhoto:
    """One photo, in memory or mapped from a file: ``(3, H, W)`` uint8, and its regions if any."""

    name: str
    pixels: Tensor
    regions: Regions | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Aligned crops: ``hr`` ``(B, 3, P, P)`` and ``lr`` ``(B, 3, P/s, P/s)`` in [-1, 1].

    ``spe`` is the structural position encoding, ``(B, 1, P, P)``, zero for photos without masks.
    ``levels`` is how dirty each ``lr`` is, and ``told`` what a network is told of it, both
    ``(B, 3)`` as ``degradation.levels`` has them.
    """

    hr: Tensor
    lr: Tensor
    spe: Tensor
    levels: Tensor
    told: Tensor

    def to(self, device: torch.device, *, non_blocking: bool = False) -> "Batch":
        """Return the batch on ``device``."""
        parts = (self.hr, self.lr, self.spe, self.levels, self.told)
        return Batch(*(part.to(device, non_blocking=non_blocking) for part in parts))

    def pin_memory(self) -> "Batch":
        """Return the batch in memory that a GPU can read by itself."""
        parts = (self.hr, self.lr, self.spe, self.levels, self.told)
        return Batch(*(part.pin_memory() for part in parts))


class Crop(NamedTuple):
    """Where a crop, with its margins, is cut, and how it is turned."""

    photo: int
    top: int
    left: int
    orientation: int


class CropPlan:
    """Draws crops from photos of known sizes; a photo's chance is proportional to its area."""

    def __init__(
        self,
        sizes: Sequence[tuple[int, int]],
        patch: int,
        scale: int,
        *,
        augment: bool = True,
        margin: int = MARGIN,
    ) -> None:
        """Take the ``(height, width)`` of each photo, at least ``crop_side(patch, scale, margin)``.

        Raises:
            InputError: There is no photo, one is too small, or ``patch`` no multiple of ``scale``.
        """
        self.sizes = sizes
        self.patch, self.scale, self.augment = patch, scale, augment
        self.margin = margin
        self.side = crop_side(patch, scale, margin)
        least = min((min(size) for size in sizes), default=0)
        if patch % scale or least < self.side:
            raise InputError(
                f"cannot cut {patch} pixel crops for x{scale} from {len(sizes)} photos "
                f"of {least} pixels or more"
            )
        self._areas = torch.tensor([float(h * w) for h, w in sizes]).double().cumsum(0)

    def draw(self, batch: int, generator: torch.Generator) -> list[Crop]:
        """Draw ``batch`` crops; ``generator``, on the CPU, decides photos, places and turns."""
        shares = torch.rand(batch, 3, generator=generator, dtype=torch.float64)
        turns = torch.randint(ORIENTATIONS, (batch,), generator=generator).tolist()
        photos = torch.searchsorted(self._areas, shares[:, 0] * self._areas[-1], right=True)
        crops: list[Crop] = []
        for row, turn in zip(shares.tolist(), turns, strict=True):
            photo = min(int(photos[len(crops)]), len(self.sizes) - 1)
            height, width = self.sizes[photo]
            top = int(row[1] * (height - self.side + 1))
            left = int(row[2] * (width - self.side + 1))
            crops.append(Crop(photo, top, left, turn if self.augment else 0))
        return crops


def crop_side(patch: int, scale: int, margin: int = MARGIN) -> int:
    """Side of the square cut from a photo: the patch and margins of ``margin`` input pixels."""
    return patch + 2 * margin * scale


def orient(image: Tensor, orientation: int) -> Tensor:
    """Apply one of the 8 flips and quarter turns to the last two axes of a square."""
    turned = torch.rot90(image, orientation % 4, dims=(-2, -1))
    return turned.flip(-1) if orientation >= ORIENTATIONS // 2 else turned


def cut(
    photos: Sequence[TrainingPhoto],
    crops: Sequence[Crop],
    plan: CropPlan,
    degrader: Degrader | None = None,
    seeds: Sequence[int] = (),
) -> Batch:
    """Cut crops that ``plan`` drew from ``photos``, and make their low-resolution twins.

    Args:
        photos: Those that the plan was made for.
        crops: What it drew.
        plan: Its patch, scale and margin.
        degrader: What makes the twins, on the CPU; None for MATLAB's bicubic alone.
        seeds: For the degrader, one a crop.

    Returns:
        The batch, on the device of the photos.
    """
    scale, side, margin = plan.scale, plan.side, plan.margin
    pixels, encodings = [], []
    for crop in crops:
        photo = photos[crop.photo]
        rows, columns = slice(crop.top, crop.top + side), slice(crop.left, crop.left + side)
        pixels.append(orient(photo.pixels[:, rows, columns], crop.orientation))
        spe = photo.pixels.new_zeros(1, side, side, dtype=torch.float32)
        if photo.regions is not None:
            spe = photo.regions.values[photo.regions.labels[:, rows, columns].long()]
        encodings.append(orient(spe, crop.orientation))
    levels = torch.stack(pixels)
    inner = slice(margin * scale, margin * scale + plan.patch)
    if degrader is None:
        exact = levels.to(torch.float32 if levels.device.type == "mps" else torch.float64)
        lr = resize.downscale_uint8(exact, scale)
        known = told = torch.zeros(len(crops), NUM_LEVELS, device=levels.device)
    else:
        parts = [degrader(crop, seed) for crop, seed in zip(levels.cpu(), seeds, strict=True)]
        lr = torch.stack([part.lr for part in parts]).to(levels.device)
        known = torch.tensor([part.levels for part in parts], device=levels.device)
        told = torch.cat([_told(row[None], seed) for row, seed in zip(known, seeds, strict=True)])
    core = slice(margin, -margin)
    return Batch(
        hr=levels[..., inner, inner].to(torch.float32) / 127.5 - 1,
        lr=(lr[..., core, core] / 127.5 - 1).to(torch.float32),
        spe=torch.stack(encodings)[..., inner, inner],
        levels=known,
        told=told,
    )


def _told(levels: Tensor, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(derive_seed(seed, "told"))
    return told_levels(levels.cpu(), generator).to(levels.device)
