"""The same bits on one machine, however many threads there are and wherever a picture is cut.

torch chooses between two kinds of convolution by the number of threads (for 1x1) and by the number
of input values, and they round differently. ``steady`` keeps a model on the CPU with one of them,
oneDNN's, which adds in one order whatever the threads, the size and the batch. ``silu`` has a
vector form and a scalar form that differ in the last bit, and each thread's share ends in the
scalar one; here the shares end where vectors do. Weights, gradients and other devices keep what
torch does. Where no gradient is wanted, sums are made in the room of what they replace.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["add", "convolve", "convolve_doubled", "modulate", "silu", "steady"]

GRAIN = 32_768
"""Values up to which torch does not divide an element-wise operation (``at::internal``)."""

UNIT = 64
"""Values that the longest vectors take at a time: two of 32 in bf16 (AVX-512)."""


LEAST_CHANNELS = 16
"""With fewer, processors with AMX add in bf16 in an order that follows the width; zeros are added
there."""


class _SteadyConv2d(nn.Conv2d):
    """``nn.Conv2d`` that always runs by oneDNN where no gradient is wanted."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name in torch
        return convolve(self, input, self.weight, self.bias)


def convolve(conv: nn.Conv2d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Apply a layer with a part of its weights, by the kernel that it runs by itself.

    Args:
        conv: The layer: its padding, stride and dilation.
        x: ``(B, C, h, w)``, as many channels as ``weight`` takes.
        weight: ``(K, C, height, width)``.
        bias: ``(K,)`` or None.

    Returns:
        ``(B, K, H, W)``.
    """
    if not _is_steady(conv, x):
        plain: Tensor = conv._conv_forward(x, weight, bias)  # noqa: SLF001 - ``forward`` of torch
        return plain
    assert not isinstance(conv.padding, str)  # noqa: S101 - ``steady`` takes no such layer
    return _mkldnn(x, weight, bias, (conv.padding, conv.stride, conv.dilation), conv.groups)


def _is_steady(conv: nn.Conv2d, x: Tensor) -> bool:
    is_kept = isinstance(conv, _SteadyConv2d) and x.device.type == "cpu"
    return is_kept and not torch.is_grad_enabled() and _has_kernels(_dtype_of(x))


def _dtype_of(x: Tensor) -> torch.dtype:
    """Return the number format in which a layer computes on ``x``."""
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype


def _has_kernels(dtype: torch.dtype) -> bool:
    """Whether oneDNN computes in this format here; where not, torch does so slowly by itself."""
    asked = {
        torch.bfloat16: "_is_mkldnn_bf16_supported",
        torch.float16: "_is_mkldnn_fp16_supported",
    }
    return dtype not in asked or bool(getattr(torch.ops.mkldnn, asked[dtype])())


def _mkldnn(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    geometry: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]],
    groups: int = 1,
) -> Tensor:
    dtype = _dtype_of(x)
    lacking = LEAST_CHANNELS - x.shape[1]
    if dtype != torch.float32 and lacking > 0 and groups == 1:
        x, weight = (functional.pad(each, (0, 0, 0, 0, 0, lacking)) for each in (x, weight))
    bias = None if bias is None else bias.to(dtype)
    return torch.mkldnn_convolution(x.to(dtype), weight.to(dtype), bias, *geometry, groups)


def convolve_doubled(conv: nn.Module, x: Tensor) -> Tensor:
    """Apply a 3x3 layer to ``x`` enlarged twice by nearest neighbour.

    Of its nine taps only four then meet values that differ. Where the layer is steady each of the
    four places in a doubled pixel is a convolution of 2x2 on ``x`` itself, of summed weights: 4/9
    of the products, and the same result but for the order of sums.

    Args:
        conv: 3x3, padded by one, of stride 1.
        x: ``(B, C, h, w)``.

    Returns:
        ``(B, K, 2h, 2w)``.
    """
    if not isinstance(conv, nn.Conv2d) or not _is_steady(conv, x):
        plain: Tensor = conv(functional.interpolate(x, scale_factor=2, mode="nearest"))
        return plain
    (batch, _, height, width), channels = x.shape, conv.out_channels
    weight = _summed(_summed(conv.weight, 2), 4).permute(2, 4, 0, 1, 3, 5).flatten(0, 2)
    bias = None if conv.bias is None else conv.bias.repeat(4)
    one = (1, 1)
    found = _mkldnn(x, weight, bias, (one, one, one)).permute(0, 2, 3, 1)
    windows = found.view(batch, height + 1, width + 1, 2, 2, channels)
    result = x.new_empty(batch, height, 2, width, 2, channels, dtype=found.dtype)
    for row in (0, 1):
        for column in (0, 1):
            place = windows[:, row : row + height, column : column + width, row, column]
            result[:, :, row, :, column] = place
    return result.view(batch, 2 * height, 2 * width, channels).permute(0, 3, 1, 2)


def _summed(weight: Tensor, axis: int) -> Tensor:
    """Sum an axis of three taps for the first and the second of two pixels: ``2, 2`` in its place.

    The first meets the neighbour before once and its own twice, the second its own twice and the
    neighbour behind once.
    """
    before, middle, behind = weight.unbind(axis)
    first = torch.stack([before, middle + behind], dim=axis)
    second = torch.stack([before + middle, behind], dim=axis)
    return torch.stack([first, second], dim=axis)


def steady(model: nn.Module) -> None:
    """Make the convolutions of a model steady, if torch was built with oneDNN.

    The parameters stay as they are, and so do training and other devices. Transposed convolutions
    are left alone.
    """
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]  # torch has none
        return
    for module in model.modules():
        if type(module) is not nn.Conv2d or isinstance(module.padding, str):
            continue
        if module.padding_mode == "zeros":
            module.__class__ = _SteadyConv2d


def silu(x: Tensor, *, reuse: bool = False) -> Tensor:
    """Compute ``x * sigmoid(x)`` in bits that do not depend on the number of threads.

    torch gives each of n threads ``ceil(numel / n)`` values. What does not divide evenly into
    whole vectors is left to a second call, which is too short to be divided.

    Args:
        x: Any shape, float.
        reuse: The result may take the place of ``x`` where no gradient is wanted.

    Returns:
        Shape and dtype of ``x``.
    """
    if torch.is_grad_enabled():
        return functional.silu(x)
    out = x if reuse else torch.empty_like(x)
    if x.device.type != "cpu" or torch.get_num_threads() == 1 or x.numel() <= GRAIN:
        return torch.ops.aten.silu.out(x, out=out)  # type: ignore[no-any-return]  # a tensor
    source, target = _in_row(x), _in_row(out)
    even = _evenly(x.numel(), torch.get_num_threads())
    torch.ops.aten.silu.out(source[:even], out=target[:even])
    if even < x.numel():
        torch.ops.aten.silu.out(source[even:], out=target[even:])
    return out


def _in_row(x: Tensor) -> Tensor:
    """View a dense tensor as a row, in the order of its memory."""
    if x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last):
        x = x.permute(0, 2, 3, 1)
    return x.view(-1)


def _evenly(count: int, threads: int) -> int:
    """Return the most values, up to ``count``, whose shares end where vectors do."""
    shares = min(threads, -(-count // GRAIN))
    even = count - count % (shares * UNIT)
    # Where a little less is for one thread less, its shares are longer.
    return even if -(-even // GRAIN) >= shares else _evenly(even, shares - 1)


def add(x: Tensor, other: Tensor) -> Tensor:
    """Return ``x + other``, in the room of ``x`` where no gradient is wanted."""
    return x + other if torch.is_grad_enabled() else x.add_(other)


def modulate(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Return ``x * (1 + scale) + shift``, in the room of ``x`` where no gradient is wanted."""
    if torch.is_grad_enabled():
        return x * (1 + scale) + shift
    return x.mul_(1 + scale).add_(shift)
