"""Degradations to measure with, by name: ``jpeg:75``, ``jpeg:30,75``, ``noise:10``, ``photo``.

Unlike those of training they are the same for every picture of a set but for what the seed and the
picture's name decide.
"""

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from sam_diffsr_cli import resize
from sam_diffsr_cli.degradation import codecs
from sam_diffsr_cli.degradation.kernels import blur, gaussian_kernel
from sam_diffsr_cli.degradation.photo import Noise, add_noise
from sam_diffsr_cli.device import derive_seed
from sam_diffsr_cli.errors import InputError

__all__ = ["Degradation", "degrade_picture", "parse_degradation"]

SHIFT = (3, 5)
"""Rows and columns by which the first compression's grid lies beside the second's."""

PHOTO_BLUR, PHOTO_NOISE, PHOTO_QUALITY = (0.8, 2.0), (2.0, 6.0), (70, 90)
"""Standard deviations in pixels of the original at x4, and in 8-bit levels; JPEG's quality."""

SPEC = re.compile(
    r"jpeg:(?P<q>\d{1,3})(,(?P<q2>\d{1,3}))?|noise:(?P<noise>\d{1,3}(\.\d+)?)|(?P<photo>photo)"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Degradation:
    """What happens to each picture, beside being shrunk by MATLAB's bicubic.

    Attributes:
        text: As it was named.
        kind: Of it.
        qualities: Of the compressions, in turn; the grid of the first of two is shifted.
        noise: Standard deviation, 8-bit levels.
        seed: Of what is drawn.
    """

    text: str
    kind: Literal["jpeg", "noise", "photo"]
    qualities: tuple[int, ...] = ()
    noise: float = 0.0
    seed: int = 0

    @property
    def sentence(self) -> str:
        """What a reader must know to make the same inputs."""
        first = "MATLAB bicubic on uint8, then "
        if self.kind == "jpeg" and len(self.qualities) == 1:
            return f"{first}JPEG {self.qualities[0]} 4:2:0"
        if self.kind == "jpeg":
            one, two = self.qualities
            rows, columns = SHIFT
            shift = f"its grid shifted by {rows} rows and {columns} columns"
            return f"{first}JPEG {one} 4:2:0, {shift}, then JPEG {two} 4:2:0"
        if self.kind == "noise":
            return f"{first}Gaussian noise of {self.noise:g} levels, seed {self.seed}"
        return (
            "Gaussian blur of 0.8 to 2.0 pixels of the original at x4, MATLAB bicubic, Gaussian "
            f"noise of 2 to 6 levels, JPEG 70 to 90 4:2:0, seed {self.seed}"
        )


def parse_degradation(text: str, seed: int = 0) -> Degradation:
    """Read the name of a degradation.

    Raises:
        InputError: It names none, or a value is out of range.
    """
    match = SPEC.fullmatch(text)
    hint = "jpeg:75, jpeg:30,75 (twice, the first grid shifted), noise:10, or photo"
    if match is None:
        raise InputError(f"--degrade {text}: unknown", hint=hint)
    if match["photo"]:
        return Degradation(text=text, kind="photo", seed=seed)
    if match["noise"]:
        return Degradation(text=text, kind="noise", noise=float(match["noise"]), seed=seed)
    qualities = tuple(int(match[name]) for name in ("q", "q2") if match[name])
    if not all(1 <= quality <= 100 for quality in qualities):
        raise InputError(f"--degrade {text}: the quality of JPEG is 1 to 100", hint=hint)
    return Degradation(text=text, kind="jpeg", qualities=qualities, seed=seed)


def degrade_picture(hr: np.ndarray, scale: int, degradation: Degradation, name: str) -> np.ndarray:
    """Make the low-resolution twin of a picture; the same arguments give the same bytes.

    Args:
        hr: ``(H, W, 3)`` uint8, sides multiples of ``scale``.
        scale: Factor.
        degradation: What happens to it.
        name: Of the picture; decides with the seed what is drawn.

    Returns:
        ``(H / scale, W / scale, 3)`` uint8.
    """
    rng = np.random.default_rng(derive_seed(degradation.seed, "degrade", name))
    levels = torch.from_numpy(hr.copy()).permute(2, 0, 1)[None].double()
    if degradation.kind == "photo":
        return _photo(levels, scale, rng)
    lr = resize.downscale_uint8(levels, scale)
    if degradation.kind == "noise":
        return _to_pixels(add_noise(lr.float(), Noise(sigma=degradation.noise), rng))
    pixels = _to_pixels(lr)
    *shifted, last = degradation.qualities
    for quality in shifted:
        pixels = _shifted_jpeg(pixels, quality)
    return codecs.jpeg(pixels, last)


def _photo(levels: torch.Tensor, scale: int, rng: np.random.Generator) -> np.ndarray:
    sigma = rng.uniform(*PHOTO_BLUR) * scale / 4
    # In double, so that no processor rounds a level the other way.
    blurred = blur(levels, gaussian_kernel(sigma).double()).clamp(0, 255).round()
    lr = resize.downscale_uint8(blurred, scale).float()
    noisy = _to_pixels(add_noise(lr, Noise(sigma=rng.uniform(*PHOTO_NOISE)), rng))
    low, high = PHOTO_QUALITY
    return codecs.jpeg(noisy, int(rng.integers(low, high + 1)))


def _shifted_jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    """Compress with the grid begun ``SHIFT`` pixels before the picture, borders repeated."""
    rows, columns = SHIFT
    padded = np.pad(pixels, ((rows, 0), (columns, 0), (0, 0)), mode="edge")
    return np.ascontiguousarray(codecs.jpeg(padded, quality)[rows:, columns:])


def _to_pixels(levels: torch.Tensor) -> np.ndarray:
    pixels: np.ndarray = levels[0].clamp(0, 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    return np.ascontiguousarray(pixels)
