"""Layers shared by the noise predictors."""

import math

import torch
from torch import Tensor, nn

__all__ = ["SinusoidalEmbedding", "time_mlp"]


class SinusoidalEmbedding(nn.Module):
    """Embed the step: sines then cosines of ``t * 10000^(-k / (dim/2 - 1))`` (DDPM's form)."""

    def __init__(self, dim: int) -> None:
        """Prepare for ``dim`` outputs, an even number of at least 4."""
        super().__init__()
        self.pairs = dim // 2

    def forward(self, t: Tensor) -> Tensor:
        """Map steps ``(B,)`` to ``(B, dim)`` float32, in [-1, 1]."""
        k = torch.arange(self.pairs, device=t.device, dtype=torch.float32)
        frequencies = torch.exp(k * (-math.log(10_000.0) / (self.pairs - 1)))
        angles = t.to(torch.float32)[:, None] * frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=-1)


def time_mlp(dim: int, activation: type[nn.Module]) -> nn.Sequential:
    """Two linear layers that turn the embedding of the step into ``(B, dim)``."""
    return nn.Sequential(nn.Linear(dim, 4 * dim), activation(), nn.Linear(4 * dim, dim))
