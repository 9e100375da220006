"""Small models none of whose layers is zero, so that every path has an effect."""

from collections.abc import Callable

import pytest
import torch

from sam_diffsr_cli.config import DiffusionConfig, EncoderConfig, ModelConfig, UNetConfig
from sam_diffsr_cli.models.model import build_model
from sam_diffsr_cli.upscaling.model import Upscaler

FOLDED = ModelConfig(
    encoder=EncoderConfig(kind="residual", num_feat=8, num_block=2),
    unet=UNetConfig(kind="folded", widths=(8, 8)),
    diffusion=DiffusionConfig(
        num_timesteps=10, base="encoder", residual_scale=4.0, sigma_data=0.33, sampling_steps=2
    ),
)
FULL = ModelConfig(
    encoder=EncoderConfig(kind="rrdb", num_feat=8, num_block=2),
    unet=UNetConfig(kind="full", widths=(8, 8, 8, 8)),
    diffusion=DiffusionConfig(num_timesteps=10, sampling_steps=2),
    lr_divisor=256,
)
TWICE = ModelConfig(scale=2, encoder=FOLDED.encoder, unet=FOLDED.unet, diffusion=FOLDED.diffusion)

Maker = Callable[[str], Upscaler]


def shaken(config: ModelConfig) -> Upscaler:
    model = build_model(config)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.03)
    return Upscaler(model=model.eval(), device=torch.device("cpu"))


@pytest.fixture(scope="session")
def make_upscaler() -> Maker:
    """Return a maker of upscalers: ``folded``, ``full`` or ``twice`` (scale 2), or ``fresh``."""
    configs = {"folded": FOLDED, "full": FULL, "twice": TWICE}
    made = {name: shaken(config) for name, config in configs.items()}
    # Untrained and not shaken: bicubic with no steps.
    made["fresh"] = Upscaler(model=build_model(FOLDED).eval(), device=torch.device("cpu"))
    return made.__getitem__


@pytest.fixture
def upscaler(make_upscaler: Maker) -> Upscaler:
    """A small upscaler of scale 4."""
    return make_upscaler("folded")
