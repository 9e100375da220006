"""Random training crops: from resident uint8 photos to a batch of tensors on their device.

Each crop is cut with a margin, so that its low-resolution twin is what shrinking the whole photo
would have given there, then flipped and turned together with its structural encoding.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sam_diffsr_cli import resize
from sam_diffsr_cli.errors import InputError

__all__ = ["Batch", "TrainingPhoto", "crop_side", "draw_batch", "orient"]

MARGIN = 2
"""Low-resolution pixels of context on each side; the bicubic kernel reaches 1.5 of them."""

ORIENTATIONS = 8


@dataclass(frozen=True, slots=True)
class TrainingPhoto:
    """One photo resident in memory: ``(3, H, W)`` uint8 and its encoding, ``(1, H, W)`` or None."""

    name: str
    pixels: Tensor
    spe: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Aligned crops: ``hr`` ``(B, 3, P, P)`` and ``lr`` ``(B, 3, P/s, P/s)`` in [-1, 1].

    ``spe`` is the structural position encoding, ``(B, 1, P, P)``, zero for photos without masks.
    """

    hr: Tensor
    lr: Tensor
    spe: Tensor


def crop_side(patch: int, scale: int) -> int:
    """Side of the square cut from a photo for a patch: the patch and its margins."""
    return patch + 2 * MARGIN * scale


def orient(image: Tensor, orientation: int) -> Tensor:
    """Apply one of the 8 flips and quarter turns to the last two axes of a square."""
    turned = torch.rot90(image, orientation % 4, dims=(-2, -1))
    return turned.flip(-1) if orientation >= ORIENTATIONS // 2 else turned


def draw_batch(
    photos: Sequence[TrainingPhoto], batch: int, patch: int, scale: int, generator: torch.Generator
) -> Batch:
    """Draw random crops; a photo's chance is proportional to its area.

    Args:
        photos: Each at least ``crop_side(patch, scale)`` pixels high and wide.
        batch: Number of crops.
        patch: Side of the high-resolution crops, a multiple of ``scale``.
        scale: Factor between ``hr`` and ``lr``.
        generator: On the CPU; decides photos, places and orientations.

    Returns:
        The batch, on the device of the photos.

    Raises:
        InputError: There is no photo, or ``patch`` is not a multiple of ``scale``.
    """
    if not photos or patch % scale:
        raise InputError(f"cannot cut {patch} pixel crops for x{scale} from {len(photos)} photos")
    side, margin = crop_side(patch, scale), MARGIN * scale
    areas = torch.tensor([float(p.pixels.shape[1] * p.pixels.shape[2]) for p in photos])
    chosen = torch.multinomial(areas, batch, replacement=True, generator=generator).tolist()
    places = torch.rand(batch, 2, generator=generator).tolist()
    orientations = torch.randint(ORIENTATIONS, (batch,), generator=generator).tolist()
    pixels, encodings = [], []
    for index, place, orientation in zip(chosen, places, orientations, strict=True):
        photo = photos[index]
        height, width = photo.pixels.shape[1:]
        top, left = int(place[0] * (height - side + 1)), int(place[1] * (width - side + 1))
        window = (slice(None), slice(top, top + side), slice(left, left + side))
        pixels.append(orient(photo.pixels[window], orientation))
        spe = photo.pixels.new_zeros(1, side, side, dtype=torch.float32)
        encodings.append(orient(spe if photo.spe is None else photo.spe[window], orientation))
    levels = torch.stack(pixels)
    inner = slice(margin, margin + patch)
    exact = levels.to(torch.float32 if levels.device.type == "mps" else torch.float64)
    lr = resize.downscale_uint8(exact, scale)[..., MARGIN:-MARGIN, MARGIN:-MARGIN]
    return Batch(
        hr=levels[..., inner, inner].to(torch.float32) / 127.5 - 1,
        lr=(lr / 127.5 - 1).to(torch.float32),
        spe=torch.stack(encodings)[..., inner, inner],
    )
