"""Encoders of the efficient families of 2022 to 2025, to be tried in the place of the plain one.

Written from the papers' equations, with heads as the bundled encoder's: one pixel-shuffle, added to
bicubic, the last convolution zero at first. All map ``(B, 3, h, w)`` in [-1, 1] to
``(B, 3, 4h, 4w)``. None is part of the package.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import (
    adaptive_avg_pool2d,
    adaptive_max_pool2d,
    conv2d,
    gelu,
    interpolate,
    leaky_relu,
    max_pool2d,
    normalize,
    pad,
    pixel_shuffle,
    scaled_dot_product_attention,
    silu,
)

from sam_diffsr_cli import resize

__all__ = [
    "Esc",
    "LargePartial",
    "LocalFeature",
    "Modulated",
    "Span",
    "Trial",
    "conv3",
]

SCALE = 4


def conv3(first: int, second: int, size: int = 3, groups: int = 1) -> nn.Conv2d:
    """Make a convolution, 3x3 unless told, that keeps the size."""
    return nn.Conv2d(first, second, size, padding=size // 2, groups=groups)


class Trial(nn.Module):
    """First convolution, body, and head; the body sees and gives ``width`` channels."""

    def __init__(self, width: int, body: nn.Module) -> None:
        super().__init__()
        self.first, self.body = conv3(3, width), body
        self.head = conv3(width, 3 * SCALE**2)
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)

    def forward(self, lr: Tensor) -> Tensor:
        x = self.first(lr)
        detail = pixel_shuffle(self.head(self.body(x) + x), SCALE)
        return resize.upscale(lr, SCALE) + detail


class _Spatial(nn.Module):
    """Enhanced spatial attention (Liu et al. 2020), as RLFN has it: a mask from a far view."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.reduce, self.skip = conv3(width, inner, 1), conv3(inner, inner, 1)
        self.stride = nn.Conv2d(inner, inner, 3, stride=2)
        self.far, self.expand = conv3(inner, inner), conv3(inner, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        near = self.reduce(x)
        far = self.far(max_pool2d(self.stride(near), 7, stride=3))
        far = interpolate(far, size=x.shape[-2:], mode="bilinear", align_corners=False)
        mask: Tensor = self.expand(far + self.skip(near)).sigmoid()
        return x * mask


class LocalFeature(nn.Module):
    """Block of RLFN (Kong et al. 2022): three convolutions, one sum, spatial attention."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(conv3(width, width) for _ in range(3))
        self.mix, self.attend = conv3(width, width, 1), _Spatial(width, 16)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for conv in self.convs:
            y = leaky_relu(conv(y), 0.05)
        out: Tensor = self.attend(self.mix(x + y))
        return out


class _ParameterFree(nn.Module):
    """Block of SPAN (Wan et al. 2024): (f(x) + x) * (sigmoid(f(x)) - 1/2), no learnt attention."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(conv3(width, width) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.convs[2](silu(self.convs[1](silu(self.convs[0](x)))))
        return (y + x) * (y.sigmoid() - 0.5)


class Span(nn.Module):
    """Body of SPAN: what the first, the fifth and the last block give is joined to the input."""

    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_ParameterFree(width) for _ in range(count))
        self.last, self.join = conv3(width, width), conv3(4 * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        outputs = [x]
        for block in self.blocks:
            outputs.append(block(outputs[-1]))
        joined: Tensor = self.join(
            torch.cat([x, self.last(outputs[-1]), outputs[1], outputs[-2]], dim=1)
        )
        return joined


class _Modulation(nn.Module):
    """Self-modulation of SMFANet (Zheng et al. 2024): a far branch by pools and variance, a near.

    far = x * up(gelu(W(a * dw(pool(x)) + b * var(x)))); near = W gelu(W dw(y)).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.split, self.join = conv3(width, 2 * width, 1), conv3(width, width, 1)
        self.pooled, self.gate = conv3(width, width, 3, width), conv3(width, width, 1)
        self.alpha = nn.Parameter(torch.ones(width, 1, 1))
        self.beta = nn.Parameter(torch.zeros(width, 1, 1))
        self.near = conv3(width, width, 3, width)
        self.widen, self.narrow = conv3(width, 2 * width, 1), conv3(2 * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        y, far = self.split(x).chunk(2, dim=1)
        size = [max(1, length // 8) for length in far.shape[-2:]]
        spread = far.var(dim=(-2, -1), keepdim=True)
        seen = self.pooled(adaptive_max_pool2d(far, size)) * self.alpha + spread * self.beta
        far = far * interpolate(gelu(self.gate(seen)), size=far.shape[-2:], mode="nearest")
        near = self.narrow(gelu(self.widen(self.near(y))))
        out: Tensor = self.join(far + near)
        return out


class _PartialFeed(nn.Module):
    """Feed-forward of SMFANet: a quarter of the widened channels sees its neighbours."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.part = width // 2
        self.widen, self.narrow = conv3(width, 2 * width, 1), conv3(2 * width, width, 1)
        self.near = conv3(self.part, self.part)

    def forward(self, x: Tensor) -> Tensor:
        x = gelu(self.widen(x))
        first, rest = x[:, : self.part], x[:, self.part :]
        out: Tensor = self.narrow(torch.cat([gelu(self.near(first)), rest], dim=1))
        return out


class Modulated(nn.Module):
    """Block of SMFANet: modulation and feed-forward, each on what is normalised."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix, self.feed = _Modulation(width), _PartialFeed(width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mix(normalize(x)) + x
        out: Tensor = self.feed(normalize(x)) + x
        return out


class LargePartial(nn.Module):
    """Block of PLKSR (Lee et al. 2024): two convolutions, a large kernel on a quarter, a gate."""

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.part = width // 4
        self.widen, self.narrow = conv3(width, 2 * width), conv3(2 * width, width)
        self.large = conv3(self.part, self.part, size)
        self.gate, self.mix = conv3(width, width), conv3(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.narrow(gelu(self.widen(x)))
        part, rest = y[:, : self.part], y[:, self.part :]
        y = torch.cat([self.large(part), rest], dim=1)
        out: Tensor = self.mix(y * self.gate(y).sigmoid()) + x
        return out


class _ConvAttention(nn.Module):
    """ConvAttn of ESC (Lee et al. 2025): a large kernel that all layers share, and a small one.

    The small one is depthwise and made from the mean of the picture; both act on ``part`` channels.
    """

    def __init__(self, width: int, part: int) -> None:
        super().__init__()
        self.part = part
        self.ask, self.answer = conv3(part, part // 2, 1), conv3(part // 2, part * 9, 1)
        self.mix = conv3(width, width, 1)
        nn.init.zeros_(self.answer.weight)

    def forward(self, x: Tensor, shared: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        first, rest = x[:, : self.part], x[:, self.part :]
        kernels = self.answer(gelu(self.ask(adaptive_avg_pool2d(first, 1))))
        merged = first.reshape(1, -1, height, width)
        kernels = kernels.reshape(-1, 1, 3, 3)
        near = conv2d(merged, kernels, padding=1, groups=batch * self.part).reshape_as(first)
        far = conv2d(first, shared, padding=shared.shape[-1] // 2)
        out: Tensor = self.mix(torch.cat([near + far, rest], dim=1))
        return out


class _ConvFeed(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.widen, self.narrow = conv3(width, 2 * width, 1), conv3(2 * width, width, 1)
        self.near = conv3(2 * width, 2 * width, 3, 2 * width)

    def forward(self, x: Tensor) -> Tensor:
        x = gelu(self.widen(x))
        out: Tensor = self.narrow(self.near(x) + x)
        return out


class _WindowAttention(nn.Module):
    """Self-attention within windows, as SwinIR has it, without shift and position."""

    def __init__(self, width: int, window: int, heads: int) -> None:
        super().__init__()
        self.window, self.heads = window, heads
        self.ask, self.mix = conv3(width, 3 * width, 1), conv3(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        side = self.window
        missing = (0, -width % side, 0, -height % side)
        asked = pad(self.ask(x), missing)
        rows, columns = asked.shape[-2] // side, asked.shape[-1] // side
        parts = asked.reshape(batch, 3, self.heads, -1, rows, side, columns, side)
        q, k, v = parts.permute(1, 0, 4, 6, 2, 5, 7, 3).flatten(5, 6).flatten(1, 3)
        seen = scaled_dot_product_attention(q, k, v)
        seen = seen.reshape(batch, rows, columns, self.heads, side, side, -1)
        seen = seen.permute(0, 3, 6, 1, 4, 2, 5).reshape(batch, channels, rows * side, -1)
        out: Tensor = self.mix(seen[..., :height, :width])
        return out


class _EscBlock(nn.Module):
    """Block of ESC: attention once, then several ConvAttn, each with its feed-forward."""

    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.attend = _WindowAttention(width, 16, 4)
        self.layers = nn.ModuleList(_ConvAttention(width, 16) for _ in range(count))
        self.feeds = nn.ModuleList(_ConvFeed(width) for _ in range(count + 1))
        self.norms = nn.ModuleList(nn.GroupNorm(1, width) for _ in range(count + 1))
        self.last = conv3(width, width)

    def forward(self, x: Tensor, shared: Tensor) -> Tensor:
        y = x + self.attend(self.norms[0](x))
        y = y + self.feeds[0](y)
        for layer, feed, norm in zip(self.layers, self.feeds[1:], self.norms[1:], strict=True):
            y = y + layer(norm(y), shared)
            y = y + feed(y)
        out: Tensor = x + self.last(y)
        return out


class Esc(nn.Module):
    """Body of ESC: blocks that share one large kernel."""

    def __init__(self, width: int, blocks: int, count: int) -> None:
        super().__init__()
        self.shared = nn.Parameter(torch.randn(16, 16, 13, 13) * 0.02)
        self.blocks = nn.ModuleList(_EscBlock(width, count) for _ in range(blocks))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x, self.shared)
        return x
