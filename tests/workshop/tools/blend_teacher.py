"""Write training photos that lie between the truth and what a teacher makes of their small twins.

    python -m tests.workshop.tools.blend_teacher PHOTOS OUT --teacher teacher.pt2 --share 0.75

A teacher's answer has none of the truth's chance detail, so that gradients are quieter (FAKD, He et
al. 2020). What is written is (1 - share) truth + share teacher, as PNG, and is trained on like any
photo. The teacher is a file of ``torch.export`` whose program maps ``(1, 3, h, w)`` RGB in [0,
RANGE] to ``(1, 3, 4h, 4w)`` for any h and w. Photos are cropped top-left to a multiple of 4, their
twins are MATLAB bicubic on uint8. What is there already is left as it is.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sam_diffsr_cli.atomic import atomic_path, make_folder
from sam_diffsr_cli.pictures.finding import find_pictures
from sam_diffsr_cli.pictures.reading import read_levels
from sam_diffsr_cli.resize import downscale_uint8

SCALE = 4


def blend(
    levels: np.ndarray, teacher: Callable[[Tensor], Tensor], share: float, limit: float
) -> np.ndarray:
    """Mix a photo with the teacher's answer to its twin.

    Args:
        levels: ``(H, W, 3)`` uint8.
        teacher: Maps ``(1, 3, h, w)`` in [0, ``limit``] to ``(1, 3, 4h, 4w)``.
        share: Of the teacher, in [0, 1].
        limit: What white is to the teacher.

    Returns:
        uint8, cropped top-left to a multiple of 4.
    """
    height, width = (side - side % SCALE for side in levels.shape[:2])
    truth = levels[:height, :width]
    image = torch.from_numpy(truth.astype(np.float32)).permute(2, 0, 1)[None]
    with torch.inference_mode():
        large = teacher(downscale_uint8(image, SCALE) * (limit / 255))
    answer = large[0].permute(1, 2, 0).numpy()
    mixed = (1 - share) * truth + share * (answer * (255 / limit)).clip(0, 255)
    rounded: np.ndarray = mixed.round().astype(np.uint8)
    return rounded


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--teacher", type=Path, required=True, help="file of torch.export")
    parser.add_argument("--share", type=float, default=0.75, help="of the teacher, 0 to 1")
    parser.add_argument("--range", type=float, default=255, help="what white is to the teacher")
    given = parser.parse_args()
    torch.set_num_threads(1)
    teacher = torch.export.load(given.teacher).module()
    for path in find_pictures(given.photos, recursive=True):
        out = given.out / path.relative_to(given.photos).with_name(f"{path.name}.png")
        if out.exists():
            continue
        mixed = blend(read_levels(path), teacher, given.share, given.range)
        make_folder(out.parent)
        with atomic_path(out) as part:
            Image.fromarray(mixed).save(part, "png", compress_level=1)


if __name__ == "__main__":
    main()
