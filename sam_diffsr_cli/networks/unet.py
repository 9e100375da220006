"""The paper's noise predictor: a U-Net at output resolution, without attention or norms.

Attribute names are those of the official checkpoints, so that their tensors load as they are.
"""

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from sam_diffsr_cli.networks.blocks import SinusoidalEmbedding, time_mlp

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["FullUNet"]


class _Block(nn.Module):
    """Reflection padding, a 3x3 convolution, Mish."""

    def __init__(self, dim_in: int, dim_out: int) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(dim_in, dim_out, 3), nn.Mish())

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.block(x)
        return out


class _ResnetBlock(nn.Module):
    """Two blocks with the step's embedding added in between, inside a residual connection."""

    def __init__(self, dim_in: int, dim_out: int, time_dim: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Mish(), nn.Linear(time_dim, dim_out))
        self.block1 = _Block(dim_in, dim_out)
        self.block2 = _Block(dim_out, dim_out)
        self.res_conv = nn.Conv2d(dim_in, dim_out, 1) if dim_in != dim_out else nn.Identity()

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        h = self.block1(x) + self.mlp(t)[:, :, None, None]
        out: Tensor = self.block2(h) + self.res_conv(x)
        return out


class _Downsample(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(dim, dim, 3, stride=2))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return out


class _Upsample(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.ConvTranspose2d(dim, dim, 4, stride=2, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return out


class _Stage(nn.ModuleList):
    """Two blocks, then a change of resolution: the checkpoints number them 0, 1 and 2."""

    def blocks(self, x: Tensor, t: Tensor) -> Tensor:
        out: Tensor = self[1](self[0](x, t), t)
        return out

    def resample(self, x: Tensor) -> Tensor:
        out: Tensor = self[2](x)
        return out


class FullUNet(nn.Module):
    """Predict the noise of a residual at full resolution, ``(H, W)`` multiples of 2^(levels-1)."""

    def __init__(self, *, widths: tuple[int, ...], condition_features: int, scale: int) -> None:
        """Build one level per width; ``condition_features`` is the channels of the condition."""
        super().__init__()
        dim, last = widths[0], len(widths) - 1
        self.cond_proj = nn.ConvTranspose2d(
            condition_features, dim, 2 * scale, stride=scale, padding=scale // 2
        )
        self.time_pos_emb = SinusoidalEmbedding(dim)
        self.mlp = time_mlp(dim, nn.Mish)
        self.downs = nn.ModuleList()
        for level, (dim_in, dim_out) in enumerate(zip((3, *widths), widths, strict=False)):
            down = _Downsample(dim_out) if level < last else nn.Identity()
            blocks = (_ResnetBlock(dim_in, dim_out, dim), _ResnetBlock(dim_out, dim_out, dim))
            self.downs.append(_Stage([*blocks, down]))
        self.mid_block1 = _ResnetBlock(widths[-1], widths[-1], dim)
        self.mid_block2 = _ResnetBlock(widths[-1], widths[-1], dim)
        self.ups = nn.ModuleList()
        for dim_in, dim_out in zip(widths[-2::-1], widths[:0:-1], strict=True):
            blocks = (_ResnetBlock(2 * dim_out, dim_in, dim), _ResnetBlock(dim_in, dim_in, dim))
            self.ups.append(_Stage([*blocks, _Upsample(dim_in)]))
        self.final_conv = nn.Sequential(_Block(dim, dim), nn.Conv2d(dim, 3, 1))

    def forward(self, x: Tensor, t: Tensor, features: Tensor, base: Tensor) -> Tensor:
        """Predict the noise.

        Args:
            x: Noisy residual, ``(B, 3, H, W)``.
            t: Step of each item, ``(B,)``, on the device of ``x``.
            features: Condition, ``(B, C, h, w)``, H = scale * h.
            base: Not used; the folded network takes it.

        Returns:
            ``eps``, shape of ``x``.
        """
        del base
        embedding = self.mlp(self.time_pos_emb(t))
        skips = []
        for level, stage in enumerate(cast("Iterable[_Stage]", self.downs)):
            x = stage.blocks(x, embedding)
            if level == 0:
                x = x + self.cond_proj(features)
            skips.append(x)
            x = stage.resample(x)
        x = self.mid_block2(self.mid_block1(x, embedding), embedding)
        for stage in cast("Iterable[_Stage]", self.ups):
            x = stage.resample(stage.blocks(torch.cat([x, skips.pop()], dim=1), embedding))
        out: Tensor = self.final_conv(x)
        return out
