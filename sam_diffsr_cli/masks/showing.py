"""A photo's regions and encoding as one picture, for a person to judge."""

from pathlib import Path

import numpy as np

from sam_diffsr_cli.atomic import atomic_path
from sam_diffsr_cli.choices import MaskNorm
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.masks.drawing import draw_encoding, draw_regions, side_by_side
from sam_diffsr_cli.masks.encoding import read_encoding
from sam_diffsr_cli.masks.packing import IMPORTED
from sam_diffsr_cli.masks.regions import read_masks
from sam_diffsr_cli.masks.store import find_mask_file
from sam_diffsr_cli.pictures.png import write_png
from sam_diffsr_cli.pictures.reading import read_levels

__all__ = ["draw_photo", "write_picture"]


def draw_photo(image: Path, masks: Path, data: Path | None, norm: MaskNorm) -> np.ndarray:
    """Draw a photo's regions and encoding, ``(H, 2 * W + gap, 3)`` uint8.

    Raises:
        InputError: The photo or its masks cannot be read.
    """
    pixels = read_levels(image)
    if data is not None and not image.is_relative_to(data):
        raise InputError(f"{image}: does not lie in {data}", hint="--data is the photos' folder")
    # The masks mirror some folder above the photo; the nearest with masks of its name is it.
    roots = image.parents if data is None else (data,)
    found = (find_mask_file(image, root, masks) for root in roots)
    path = next((path for path in found if path is not None), None)
    if path is None:
        raise InputError(
            f"{image}: has no masks in {masks}",
            hint="samsr masks build; or --data with the folder that the masks mirror",
        )
    size = pixels.shape[0], pixels.shape[1]
    has_regions = path.suffix != IMPORTED
    regions = read_masks(path, size).numpy() if has_regions else np.zeros((0, *size), dtype=bool)
    encoding = read_encoding(path, masks, size, norm).numpy()
    return side_by_side(draw_regions(pixels, regions), draw_encoding(encoding))


def write_picture(path: Path, pixels: np.ndarray) -> None:
    """Write a PNG.

    Raises:
        InputError: The name is of another kind, or the folder cannot be written.
    """
    if path.suffix.lower() != ".png":
        raise InputError(f"{path}: a picture of masks is a .png")
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        write_png(file, pixels, [])
