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

__all__ = ["add", "modulate", "silu", "steady"]

GRAIN = 32_768
"""Values up to which torch does not divide an element-wise operation (``at::internal``)."""

UNIT = 64
"""Values that the longest vectors take at a time: two of 32 in bf16 (AVX-512)."""


class _SteadyConv2d(nn.Conv2d):
    """``nn.Conv2d`` that always runs by oneDNN where no gradient is wanted."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name in torch
        if torch.is_grad_enabled() or input.device.type != "cpu":
            return super().forward(input)
        assert not isinstance(self.padding, str)  # noqa: S101 - ``steady`` takes no such layer
        dtype = input.dtype
        if torch.is_autocast_enabled("cpu"):
            dtype = torch.get_autocast_dtype("cpu")
        bias = None if self.bias is None else self.bias.to(dtype)
        return torch.mkldnn_convolution(
            input.to(dtype),
            self.weight.to(dtype),
            bias,
            self.padding,
            self.stride,
            self.dilation,
            self.groups,
        )


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
