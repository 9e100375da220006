"""The lite noise predictor: a U-Net on the residual folded (pixel-unshuffled) into channels.

Every layer works at the resolution of the input photo or below, ``scale ** 2`` times fewer pixels
than the paper's. It is meant to be preconditioned, and starts as the zero function.
"""

import itertools

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle, pixel_unshuffle

from sam_diffsr_cli.networks.blocks import SinusoidalEmbedding, time_mlp
from sam_diffsr_cli.networks.steady import add, modulate, silu

__all__ = ["FoldedUNet"]


class _ModulatedBlock(nn.Module):
    """Two pre-activated convolutions; the step scales and shifts what lies between them."""

    def __init__(self, dim: int, time_dim: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(dim, dim, 3, padding=1)
        self.modulation = nn.Linear(time_dim, 2 * dim)
        self.conv2 = nn.Conv2d(dim, dim, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        scale, shift = self.modulation(t)[:, :, None, None].chunk(2, dim=1)
        h = modulate(self.conv1(silu(x)), scale, shift)
        return add(self.conv2(silu(h, reuse=True)), x)


class _Level(nn.Module):
    """Two blocks at one resolution."""

    def __init__(self, dim: int, time_dim: int) -> None:
        super().__init__()
        self.block1 = _ModulatedBlock(dim, time_dim)
        self.block2 = _ModulatedBlock(dim, time_dim)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        out: Tensor = self.block2(self.block1(x, t), t)
        return out


class FoldedUNet(nn.Module):
    """Predict for a residual at full resolution, ``(h, w)`` multiples of 2^(levels - 1)."""

    def __init__(self, *, widths: tuple[int, ...], condition_features: int, scale: int) -> None:
        """Build one level per width; ``condition_features`` is the channels of the condition."""
        super().__init__()
        self.scale = scale
        folded, dim = 3 * scale**2, widths[0]
        self.time_pos_emb = SinusoidalEmbedding(dim)
        self.mlp = time_mlp(dim, nn.SiLU)
        self.conv_in = nn.Conv2d(2 * folded, dim, 3, padding=1)
        self.cond_proj = nn.Conv2d(condition_features, dim, 1)
        steps = list(itertools.pairwise(widths))
        self.downs = nn.ModuleList(_Level(width, dim) for width in widths[:-1])
        self.downsamples = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in steps)
        self.middle = _Level(widths[-1], dim)
        self.upsamples = nn.ModuleList(nn.Conv2d(b, a, 3, padding=1) for a, b in steps[::-1])
        self.fusions = nn.ModuleList(nn.Conv2d(2 * a, a, 1) for a, _ in steps[::-1])
        self.ups = nn.ModuleList(_Level(width, dim) for width in widths[-2::-1])
        self.conv_out = nn.Conv2d(dim, folded, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        assert self.conv_out.bias is not None  # noqa: S101 - for the type checker
        nn.init.zeros_(self.conv_out.bias)

    def forward(self, x: Tensor, t: Tensor, features: Tensor, base: Tensor) -> Tensor:
        """Predict ``F`` of the preconditioned noise.

        Args:
            x: Scaled noisy residual, ``(B, 3, H, W)``.
            t: Step of each item, ``(B,)``, on the device of ``x``.
            features: Condition, ``(B, C, h, w)``, H = scale * h.
            base: The image that the residual is taken against, ``(B, 3, H, W)``.

        Returns:
            Shape of ``x``.
        """
        embedding = silu(self.mlp(self.time_pos_emb(t)))
        folded = pixel_unshuffle(torch.cat([x, base], dim=1), self.scale)
        x = add(self.conv_in(folded), self.cond_proj(features))
        del folded
        skips = []
        for level, downsample in zip(self.downs, self.downsamples, strict=True):
            x = level(x, embedding)
            skips.append(x)
            x = downsample(x)
        x = self.middle(x, embedding)
        for upsample, fusion, level in zip(self.upsamples, self.fusions, self.ups, strict=True):
            x = upsample(interpolate(x, scale_factor=2, mode="nearest"))
            x = level(fusion(torch.cat([x, skips.pop()], dim=1)), embedding)
        return pixel_shuffle(self.conv_out(silu(x, reuse=True)), self.scale)
