"""Blurring and shrinking of crops as products with small matrices, one along each axis.

A round Gaussian and most ways to shrink are linear and separable. On a crop their matrices are
small, that of blurring before shrinking has only as many rows as the shrunk crop, and a product
costs a fraction of the Fourier transform that a whole photo wants.
"""

import functools

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from sam_diffsr_cli import resize
from sam_diffsr_cli.degradation.kernels import gaussian_kernel

__all__ = ["apply_separable", "downscale_levels", "gaussian_matrix", "shrink_matrix"]

EXACT_SCALES = (2, 4)
"""At these the weights of MATLAB's bicubic are whole multiples of 2^-12 or more, so that float32
holds any sum of products with 8-bit levels exactly, whatever the order."""


def gaussian_matrix(length: int, sigma: float) -> Tensor:
    """Return what blurs an axis by ``gaussian_kernel(sigma)``, borders mirrored.

    Returns:
        ``(length, length)``, float32; each row sums to 1.
    """
    taps = gaussian_kernel(sigma).sum(dim=0)
    reach = len(taps) // 2
    places = resize.mirror_indices(length, reach, reach).unfold(0, len(taps), 1)
    matrix = torch.zeros(length, length)
    return matrix.scatter_add_(1, places, taps.expand(length, -1))


@functools.lru_cache(maxsize=64)
def shrink_matrix(length: int, scale: int, kind: str) -> Tensor:
    """Return what shrinking does along an axis.

    Args:
        length: Of the axis, a multiple of ``scale``.
        scale: Factor.
        kind: ``bicubic``, as MATLAB does it, ``bilinear``, with antialiasing, or ``area``.

    Returns:
        ``(length / scale, length)``, float32; each row sums to 1. Kept, not to be changed.
    """
    # Two columns are left: torch's antialiased kernels mistake the strides of a single one.
    lines = torch.eye(length)[:, None, :, None].expand(-1, -1, -1, 2 * scale).contiguous()
    if kind == "area":
        shrunk = avg_pool2d(lines, scale)
    elif kind == "bilinear":
        shrunk = interpolate(lines, scale_factor=1 / scale, mode="bilinear", antialias=True)
    else:
        shrunk = resize.downscale(lines, scale)
    return shrunk[:, 0, :, 0].T.contiguous()


def apply_separable(image: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return ``rows @ image @ columns^T`` of each channel.

    Args:
        image: ``(B, C, H, W)``, float32.
        rows: ``(h, H)``.
        columns: ``(w, W)``.

    Returns:
        ``(B, C, h, w)``.
    """
    return rows @ (image @ columns.T)


def downscale_levels(image: Tensor, scale: int) -> Tensor:
    """Return exactly ``resize.downscale_uint8`` of whole levels; for crops.

    Args:
        image: ``(B, C, H, W)``, float32, whole numbers in 0..255, sides multiples of ``scale``.
        scale: Factor.

    Returns:
        ``(B, C, H / scale, W / scale)``, float32, whole numbers in 0..255.
    """
    if scale not in EXACT_SCALES:
        return resize.downscale_uint8(image.double(), scale).float()
    rows, columns = (shrink_matrix(int(length), scale, "bicubic") for length in image.shape[-2:])
    middle = (rows @ image).clamp(0, 255).round()
    return (middle @ columns.T).clamp(0, 255).round()
