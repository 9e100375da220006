"""Condition encoders: networks on the low-resolution photo that give an image and features.

Both answer with ``EncoderOutput``; ``model`` picks every third feature to condition the U-Net.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu, pixel_shuffle, relu

from sam_diffsr_cli import resize
from sam_diffsr_cli.networks.dirt_features import (
    NUM_BLOCK_FEATURES,
    NUM_FEATURES,
    block_features,
    dirt_features,
)
from sam_diffsr_cli.networks.steady import add

__all__ = ["EncoderOutput", "LevelEstimator", "RRDBNet", "ResidualEncoder"]

LEAK = 0.2
"""Negative slope and residual weight of the dense blocks (ESRGAN, Wang et al. 2018)."""


LEAST_SIDE = 16
"""Of what the estimator looks at, in pixels: two of a compression's blocks."""


class EncoderOutput(NamedTuple):
    """An image ``(B, 3, H, W)`` in about [-1, 1], and features, each ``(B, C, h, w)``."""

    sr: Tensor
    features: tuple[Tensor, ...]


def _is_kept(number: int, stride: int) -> bool:
    """Whether the feature of this number, from 1 on, is among every ``stride``-th."""
    return stride > 0 and number % stride == 0


class _DenseBlock(nn.Module):
    """Five convolutions, each of which sees all outputs before it (ESRGAN)."""

    def __init__(self, num_feat: int, growth: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(num_feat, growth, 3, padding=1)
        self.conv2 = nn.Conv2d(num_feat + growth, growth, 3, padding=1)
        self.conv3 = nn.Conv2d(num_feat + 2 * growth, growth, 3, padding=1)
        self.conv4 = nn.Conv2d(num_feat + 3 * growth, growth, 3, padding=1)
        self.conv5 = nn.Conv2d(num_feat + 4 * growth, num_feat, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        seen = x
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen = torch.cat([seen, leaky_relu(conv(seen), LEAK)], dim=1)
        out: Tensor = self.conv5(seen)
        return x + LEAK * out


class _RRDB(nn.Module):
    """Three dense blocks inside one residual connection."""

    def __init__(self, num_feat: int, growth: int) -> None:
        super().__init__()
        self.RDB1 = _DenseBlock(num_feat, growth)
        self.RDB2 = _DenseBlock(num_feat, growth)
        self.RDB3 = _DenseBlock(num_feat, growth)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.RDB3(self.RDB2(self.RDB1(x)))
        return x + LEAK * out


class RRDBNet(nn.Module):
    """The paper's encoder. Attribute names are those of the official checkpoints."""

    def __init__(self, *, num_feat: int, num_block: int, scale: int) -> None:
        """Build for ``scale`` 4 or 8; the dense growth is half of ``num_feat``."""
        super().__init__()
        self.conv_first = nn.Conv2d(3, num_feat, 3, padding=1)
        self.RRDB_trunk = nn.Sequential(*(_RRDB(num_feat, num_feat // 2) for _ in range(num_block)))
        self.trunk_conv = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.upconv1 = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.upconv2 = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        if scale == 8:
            self.upconv3 = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.HRconv = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.conv_last = nn.Conv2d(num_feat, 3, 3, padding=1)

    def forward(self, lr: Tensor, stride: int = 1) -> EncoderOutput:
        """Encode ``lr`` ``(B, 3, h, w)`` in [-1, 1]; the image is clipped to [-1, 1].

        The features are the output of each block and, last, the sum that is upsampled; of these
        every ``stride``-th, none where it is 0.
        """
        first = x = self.conv_first((lr + 1) / 2)
        features = []
        for index, block in enumerate(self.RRDB_trunk, 1):
            x = block(x)
            features += [x] if _is_kept(index, stride) else []
        x = first + self.trunk_conv(x)
        features += [x] if _is_kept(len(self.RRDB_trunk) + 1, stride) else []
        for name in ("upconv1", "upconv2", "upconv3"):
            conv = getattr(self, name, None)
            if conv is not None:
                x = leaky_relu(conv(interpolate(x, scale_factor=2, mode="nearest")), LEAK)
        image = self.conv_last(leaky_relu(self.HRconv(x), LEAK))
        return EncoderOutput(image.clamp(0, 1) * 2 - 1, tuple(features))


class _ResidualBlock(nn.Module):
    """Two plain convolutions inside a residual connection (EDSR, Lim et al. 2017)."""

    def __init__(self, num_feat: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.conv2 = nn.Conv2d(num_feat, num_feat, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return add(self.conv2(relu(self.conv1(x), inplace=True)), x)


class ResidualEncoder(nn.Module):
    """The lite encoder: all convolutions at low resolution, one pixel-shuffle, added to bicubic.

    An untrained one returns bicubic, since its last convolution starts at zero. Levels of dirt
    enter as constant planes beside the photo (FFDNet, Zhang et al. 2018).
    """

    def __init__(
        self,
        *,
        num_feat: int,
        num_block: int,
        scale: int,
        num_levels: int = 0,
        sees_blocks: bool = False,
    ) -> None:
        """Build ``num_block`` residual blocks of ``num_feat`` channels, told ``num_levels``.

        ``sees_blocks`` is of its estimator.
        """
        super().__init__()
        self.scale, self.num_levels = scale, num_levels
        self.conv_first = nn.Conv2d(3 + num_levels, num_feat, 3, padding=1)
        self.blocks = nn.ModuleList(_ResidualBlock(num_feat) for _ in range(num_block))
        self.trunk_conv = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.head = nn.Conv2d(num_feat, 3 * scale**2, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        assert self.head.bias is not None  # noqa: S101 - for the type checker
        nn.init.zeros_(self.head.bias)
        if num_levels:
            self.estimator = LevelEstimator(num_levels, sees_blocks=sees_blocks)

    def forward(self, lr: Tensor, levels: Tensor | None = None, stride: int = 1) -> EncoderOutput:
        """Encode ``lr`` ``(B, 3, h, w)`` in [-1, 1]; the image is not clipped.

        ``levels`` ``(B, num_levels)`` says how dirty each photo is; without it they are clean.

        The features are the output of each block and, last, the sum that is upsampled; of these
        every ``stride``-th, none where it is 0.
        """
        first = x = self.conv_first(self._with_levels(lr, levels))
        features = []
        for index, block in enumerate(self.blocks, 1):
            x = block(x)
            features += [x] if _is_kept(index, stride) else []
        x = add(self.trunk_conv(x), first)
        features += [x] if _is_kept(len(self.blocks) + 1, stride) else []
        detail = pixel_shuffle(self.head(x), self.scale)
        return EncoderOutput(resize.upscale(lr, self.scale) + detail, tuple(features))

    def _with_levels(self, lr: Tensor, levels: Tensor | None) -> Tensor:
        if not self.num_levels:
            return lr
        if levels is None:
            levels = lr.new_zeros(len(lr), self.num_levels)
        planes = levels.to(lr)[:, :, None, None].expand(-1, -1, *lr.shape[-2:])
        return torch.cat([lr, planes], dim=1)


class LevelEstimator(nn.Module):
    """Estimate how dirty a photo is: three linear layers on numbers that show it."""

    def __init__(self, num_levels: int, width: int = 96, *, sees_blocks: bool = False) -> None:
        """Build for ``num_levels`` answers; ``sees_blocks``: on ``block_features`` too."""
        super().__init__()
        self.sees_blocks = sees_blocks
        self.linear1 = nn.Linear(NUM_FEATURES + NUM_BLOCK_FEATURES * sees_blocks, width)
        self.linear2 = nn.Linear(width, width)
        self.linear3 = nn.Linear(width, num_levels)

    def forward(self, lr: Tensor) -> Tensor:
        """Map ``lr`` ``(B, 3, h, w)`` in [-1, 1] to levels ``(B, num_levels)``, about in [0, 1].

        Photos of fewer than 16 pixels a side are mirrored up to that.
        """
        missing = [max(0, LEAST_SIDE - int(length)) for length in lr.shape[-2:]]
        with torch.autocast(lr.device.type, enabled=False):
            padded = resize.mirror_pad(lr.float(), (0, missing[0]), (0, missing[1]))
            return self.answer(self.describe(padded))

    def describe(self, lr: Tensor) -> Tensor:
        """Return what ``answer`` takes of ``lr`` ``(B, 3, h, w)``, sides at least ``LEAST_SIDE``.

        ``(B, NUM_FEATURES)``, and ``NUM_BLOCK_FEATURES`` more where blocks are seen.
        """
        features = dirt_features(lr)
        return torch.cat([features, block_features(lr)], dim=1) if self.sees_blocks else features

    def answer(self, features: Tensor) -> Tensor:
        """Map what ``describe`` gives to levels ``(B, num_levels)``."""
        x = relu(self.linear2(relu(self.linear1(features))))
        out: Tensor = self.linear3(x)
        return out
