"""Bicubic resizing as MATLAB's ``imresize`` does it: down with antialiasing, up without blur.

MATLAB extends the image by mirroring (edge pixel repeated), uses the Keys kernel (a = -1/2),
widened by the factor when shrinking. PyTorch's antialiased bicubic is the same kernel with other
borders, so a mirrored margin that is cut off again makes the two equal. On devices without that
kernel (MPS) the same weights are applied as two dense matrix products.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from sam_diffsr_cli.errors import ShapeError
from sam_diffsr_cli.mirroring import mirrored_indices

__all__ = [
    "downscale",
    "downscale_uint8",
    "mirror_indices",
    "mirror_pad",
    "upscale",
    "upscale_uint8",
]

KERNEL_DEVICES = ("cpu", "cuda")
"""Where torch has the antialiased kernel."""

KERNEL_RADIUS = 4
"""Mirrored margin in units of the coarser grid; the kernel reaches 2 of them."""


def mirror_indices(length: int, before: int, after: int) -> Tensor:
    """Indices of a row extended by mirroring, the edge pixel repeated: ``c b a | a b c | c b a``.

    Works for any margin, also one longer than the row.

    Returns:
        ``(before + length + after,)`` int64, each in ``0 .. length - 1``.
    """
    return torch.from_numpy(mirrored_indices(length, before, after))


def mirror_pad(image: Tensor, rows: tuple[int, int], columns: tuple[int, int]) -> Tensor:
    """Extend the last two axes by mirroring, ``(before, after)`` pixels each.

    Returns:
        A new tensor (or ``image`` itself when there is nothing to add).
    """
    for axis, (before, after) in ((-2, rows), (-1, columns)):
        if before or after:
            image = _mirror_axis(image, axis, before, after)
    return image


def _mirror_axis(image: Tensor, axis: int, before: int, after: int) -> Tensor:
    length = int(image.shape[axis])
    if max(before, after) > length:
        index = mirror_indices(length, before, after).to(image.device)
        return image.index_select(image.dim() + axis, index)
    # Several times as fast as choosing by an index.
    first = image.narrow(axis, 0, before).flip(axis)
    last = image.narrow(axis, length - after, after).flip(axis)
    return torch.cat((first, image, last), dim=axis)


def _weights(length: int, numerator: int, denominator: int) -> Tensor:
    """Matrix ``(ceil(length * numerator / denominator), length)``, float64, of MATLAB's resize."""
    scale = numerator / denominator
    out_length = -(-length * numerator // denominator)
    width = max(1.0, 1 / scale)
    centre = (torch.arange(out_length, dtype=torch.float64) + 0.5) / scale - 0.5
    reach = math.ceil(2 * width) + 1
    taps = centre.floor().to(torch.int64)[:, None] + torch.arange(-reach, reach + 1)
    x = ((centre[:, None] - taps) / width).abs()
    inner = 1.5 * x**3 - 2.5 * x**2 + 1
    outer = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    kernel = torch.where(x <= 1, inner, torch.where(x < 2, outer, torch.zeros_like(x)))
    kernel = kernel / kernel.sum(dim=1, keepdim=True)
    phase = taps % (2 * length)
    matrix = torch.zeros(out_length, length, dtype=torch.float64)
    return matrix.scatter_add_(1, torch.minimum(phase, 2 * length - 1 - phase), kernel)


def _resize_rows(image: Tensor, numerator: int, denominator: int) -> Tensor:
    """Resize axis -2 of ``(B, C, h, w)`` by ``numerator / denominator`` (one of them is 1)."""
    height, width = image.shape[-2:]
    if image.device.type not in KERNEL_DEVICES:
        # In this order: such a device may not hold float64.
        matrix = _weights(height, numerator, denominator).to(image.dtype).to(image.device)
        # Autocast would round the photo itself to its short numbers.
        with torch.autocast(image.device.type, enabled=False):
            return matrix @ image
    if width == 1:
        # The antialiased kernel mistakes the strides of tensors one pixel wide.
        return _resize_rows(image.expand(-1, -1, -1, 2), numerator, denominator)[..., :1]
    out_height = -(-height * numerator // denominator)
    margin = KERNEL_RADIUS * denominator
    fill = out_height * denominator // numerator - height
    padded = mirror_pad(image, (margin, margin + fill), (0, 0))
    size = (padded.shape[-2] * numerator // denominator, width)
    resized = interpolate(padded, size=size, mode="bicubic", antialias=True)
    cut = margin * numerator // denominator
    return resized[..., cut : cut + out_height, :]


def _resize_columns(image: Tensor, numerator: int, denominator: int) -> Tensor:
    return _resize_rows(image.transpose(-1, -2), numerator, denominator).transpose(-1, -2)


def _check(image: Tensor) -> None:
    if image.dim() != 4 or min(image.shape) == 0 or not image.is_floating_point():
        raise ShapeError(
            f"expected a float tensor (B, C, h, w), got {image.dtype} {tuple(image.shape)}"
        )


def upscale(image: Tensor, scale: int) -> Tensor:
    """Enlarge by a whole factor; MATLAB's ``imresize(image, scale)`` on floats.

    Args:
        image: ``(B, C, h, w)``, float, any range.
        scale: Whole factor, >= 1.

    Returns:
        ``(B, C, scale * h, scale * w)``, same dtype; bicubic overshoots, so a little wider range.

    Raises:
        ShapeError: ``image`` is not such a tensor.
    """
    _check(image)
    return _resize_columns(_resize_rows(image, scale, 1), scale, 1)


def downscale(image: Tensor, scale: int) -> Tensor:
    """Shrink by a whole factor with antialiasing; MATLAB's ``imresize(image, 1/scale)`` on floats.

    Args:
        image: ``(B, C, H, W)``, float, any range.
        scale: Whole factor, >= 1.

    Returns:
        ``(B, C, ceil(H / scale), ceil(W / scale))``, same dtype.

    Raises:
        ShapeError: ``image`` is not such a tensor.
    """
    _check(image)
    return _resize_columns(_resize_rows(image, 1, scale), 1, scale)


def downscale_uint8(image: Tensor, scale: int) -> Tensor:
    """Shrink 8-bit levels as MATLAB does a ``uint8`` image: height first, rounded in between.

    This is how the low-resolution images of the benchmarks are made.

    Args:
        image: ``(B, C, H, W)``, float, whole numbers in 0..255. float64 is exact; float32 may
            round a tie the other way.
        scale: Whole factor, >= 1.

    Returns:
        ``(B, C, ceil(H / scale), ceil(W / scale))``, same dtype, whole numbers in 0..255.

    Raises:
        ShapeError: ``image`` is not such a tensor.
    """
    _check(image)
    rows = _round_levels(_resize_rows(image, 1, scale))
    return _round_levels(_resize_columns(rows, 1, scale))


def upscale_uint8(image: Tensor, scale: int) -> Tensor:
    """Enlarge 8-bit levels as MATLAB does a ``uint8`` image; see ``downscale_uint8``.

    Args:
        image: ``(B, C, h, w)``, float, whole numbers in 0..255.
        scale: Whole factor, >= 1.

    Returns:
        ``(B, C, scale * h, scale * w)``, same dtype, whole numbers in 0..255.

    Raises:
        ShapeError: ``image`` is not such a tensor.
    """
    _check(image)
    rows = _round_levels(_resize_rows(image, scale, 1))
    return _round_levels(_resize_columns(rows, scale, 1))


def _round_levels(image: Tensor) -> Tensor:
    """Saturate, then round half to even, as the published code does (MATLAB rounds half up)."""
    return image.clamp(0, 255).round()
