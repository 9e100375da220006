"""How dirty a photo is, in three numbers that networks are told and that they estimate."""

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = [
    "CLEAN",
    "MOST_BLUR",
    "MOST_COMPRESSION",
    "MOST_NOISE",
    "UNKNOWN",
    "Levels",
    "compression_of",
    "describe_levels",
    "told_levels",
]

MOST_COMPRESSION = 0.85
"""The hardest compression of the training: quality 15."""

MOST_NOISE = 25.0
"""Standard deviation of noise, in 8-bit levels of the low-resolution photo, that is level 1."""

MOST_BLUR = 0.6
"""Standard deviation of a Gaussian blur, in pixels of the low-resolution photo, that is level 1."""

UNKNOWN = -1.0
"""What a network is told in place of a level that nobody knows."""


class Levels(NamedTuple):
    """Levels in [0, 1]; 0 is none.

    ``compression`` is ``(100 - quality) / 100`` of the hardest compression that the photo went
    through. ``noise`` is its standard deviation over ``MOST_NOISE``. ``blur`` is that of the
    Gaussian with the same half-power frequency, in low-resolution pixels, over ``MOST_BLUR``.
    """

    compression: float
    noise: float
    blur: float


CLEAN = Levels(0.0, 0.0, 0.0)


def compression_of(quality: int | None) -> float:
    """Return the level of a JPEG's quality, 1 to 100; of None, where none is known, 0."""
    return 0.0 if quality is None else (100 - quality) / 100


def describe_levels(levels: Levels) -> str:
    """Say how dirty a picture is, in the units that people know."""
    if levels == CLEAN:
        return "clean"
    told = []
    if levels.compression:
        told.append(f"a JPEG of quality {100 * (1 - levels.compression):.0f}")
    if levels.noise:
        told.append(f"noise of {MOST_NOISE * levels.noise:.1f} levels")
    if levels.blur:
        told.append(f"a blur of {MOST_BLUR * levels.blur:.2f} pixels")
    return ", ".join(told)


KNOWN_SHARE, WRONG_SHARE = 0.6, 0.3
"""Share of crops whose levels are told as they are, and of those told wrong; the rest is unknown.

FBCNN (Jiang et al. 2021) found that a network that was only told the truth trusts it too much."""

WRONG_BY = 0.12
"""Standard deviation of what wrong levels are wrong by."""


def told_levels(levels: Tensor, generator: torch.Generator) -> Tensor:
    """Return what the network is told of each crop: the truth, something near it, or nothing.

    A clean crop is told to be clean, or nothing: what is clean must come out as a clean model's.

    Args:
        levels: True levels, ``(B, 3)``, in [0, 1]; not changed.
        generator: On the CPU; decides which crops are told what.

    Returns:
        ``(B, 3)``, each row in [0, 1], or all ``UNKNOWN``.
    """
    chance = torch.rand(len(levels), 1, generator=generator)
    error = torch.randn(levels.shape, generator=generator) * WRONG_BY
    wrong = (levels + error).clamp(0, 1)
    is_clean = (levels == 0).all(dim=1, keepdim=True)
    told = torch.where((chance < KNOWN_SHARE) | is_clean, levels, wrong)
    is_known = chance < KNOWN_SHARE + WRONG_SHARE
    return torch.where(is_known, told, torch.full_like(levels, UNKNOWN))
