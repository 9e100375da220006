"""The paper's idea: the forward noise is shifted, region by region, by the masks' encoding.

Used in training only. The reverse process is the plain one and knows no masks.
"""

from torch import Tensor

from sam_diffsr_cli.diffusion.schedule import extract
from sam_diffsr_cli.errors import ShapeError

__all__ = ["modulate_noise"]


def modulate_noise(noise: Tensor, spe: Tensor, t: Tensor, coefficient: Tensor) -> Tensor:
    """Return ``noise + coefficient[t] * spe`` (SAM-DiffSR, section 3; no argument is changed).

    Args:
        noise: Standard normal, ``(B, 3, H, W)``.
        spe: Structural position encoding, ``(B, 1, H, W)``; zero where there is no mask.
        t: Step of each item, ``(B,)``, int64 on the CPU.
        coefficient: One table of ``modulation_coefficients``, ``(T,)``.

    Returns:
        The modulated noise, same shape as ``noise``.

    Raises:
        ShapeError: ``spe`` is not ``(B, 1, H, W)``.
    """
    expected = (noise.shape[0], 1, *noise.shape[2:])
    if tuple(spe.shape) != expected:
        raise ShapeError(f"spe has shape {tuple(spe.shape)}, expected {expected}")
    return noise + extract(coefficient, t, noise) * spe
