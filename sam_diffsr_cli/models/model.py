"""The whole model: encoder, noise predictor, and the configuration that ties them.

Submodules are called ``rrdb`` and ``denoise_fn`` as in the official checkpoints, whatever the
preset, so that one naming serves every weights file.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from sam_diffsr_cli import resize
from sam_diffsr_cli.config import FEATURE_STRIDE, ModelConfig
from sam_diffsr_cli.diffusion.preconditioning import precondition
from sam_diffsr_cli.diffusion.schedule import Schedule, extract
from sam_diffsr_cli.models.encoders import ResidualEncoder, RRDBNet
from sam_diffsr_cli.models.folded_unet import FoldedUNet
from sam_diffsr_cli.models.unet import FullUNet

__all__ = ["Condition", "SuperResolver", "build_encoder", "build_model"]


class Condition(NamedTuple):
    """What the chain knows of the photo.

    ``features`` ``(B, C, h, w)``; ``base`` ``(B, 3, H, W)`` in [-1, 1], what the residual is taken
    against; ``sr`` ``(B, 3, H, W)`` in [-1, 1], the encoder's own answer.
    """

    features: Tensor
    base: Tensor
    sr: Tensor


class SuperResolver(nn.Module):
    """Encoder and noise predictor of one ``ModelConfig``."""

    def __init__(self, config: ModelConfig) -> None:
        """Build both networks with fresh parameters."""
        super().__init__()
        self.config = config
        self.rrdb = build_encoder(config)
        network = FullUNet if config.unet.kind == "full" else FoldedUNet
        self.denoise_fn = network(
            widths=config.unet.widths,
            condition_features=config.encoder.num_condition_features,
            scale=config.scale,
        )

    def upsampled(self, lr: Tensor) -> Tensor:
        """Return ``lr_up``: ``lr`` resized by MATLAB bicubic, with the model's divisor.

        Args:
            lr: ``(B, 3, h, w)`` in [-1, 1].

        Returns:
            ``(B, 3, H, W)``, in about [-1, 1] (bicubic overshoots).
        """
        unit = (lr + 1) / 2 * (255 / self.config.lr_divisor)
        return resize.upscale(unit, self.config.scale) * 2 - 1

    def condition(self, lr: Tensor) -> Condition:
        """Encode ``lr``, ``(B, 3, h, w)`` in [-1, 1].

        ``h`` and ``w`` must be multiples of ``config.size_multiple``.
        """
        output = self.rrdb(lr, stride=FEATURE_STRIDE)
        sr = output.sr.float().clamp(-1, 1)
        base = sr if self.config.diffusion.base == "encoder" else self.upsampled(lr)
        return Condition(torch.cat(output.features, dim=1), base, sr)

    def predict_eps(
        self, x_t: Tensor, t: Tensor, condition: Condition, schedule: Schedule
    ) -> Tensor:
        """Predict the noise in ``x_t``.

        Args:
            x_t: Noisy residual, ``(B, 3, H, W)``, float32.
            t: Row of ``schedule`` of each item, ``(B,)``, int64 on the CPU.
            condition: From ``condition`` on the same photos.
            schedule: The chain that is run, whole or respaced.

        Returns:
            ``eps``, shape of ``x_t``, float32.
        """
        steps = schedule.timesteps[t].to(x_t.device)
        sigma_data = self.config.diffusion.sigma_data
        eps: Tensor
        if sigma_data is None:
            eps = self.denoise_fn(x_t, steps, condition.features, condition.base)
            return eps.float()
        skip, out, scale_in = (
            extract(factor, t, x_t) for factor in precondition(schedule.alphas_cumprod, sigma_data)
        )
        inner = self.denoise_fn(scale_in * x_t, steps, condition.features, condition.base)
        eps = skip * x_t + out * inner.float()
        return eps


def build_encoder(config: ModelConfig) -> nn.Module:
    """Build the condition encoder alone, with fresh parameters."""
    network = RRDBNet if config.encoder.kind == "rrdb" else ResidualEncoder
    return network(
        num_feat=config.encoder.num_feat, num_block=config.encoder.num_block, scale=config.scale
    )


def build_model(config: ModelConfig, seed: int = 0) -> SuperResolver:
    """Build the model with parameters drawn from ``seed``; the global random state is kept."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SuperResolver(config)
