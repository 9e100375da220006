"""Small models none of whose layers is zero, so that every path has an effect."""

from collections.abc import Callable

import pytest
import torch

from sam_diffsr_cli.config import ModelConfig
from sam_diffsr_cli.networks.model import build_model
from sam_diffsr_cli.upscaling.model import Upscaler
from tests.helpers import TINY, TINY_FULL

TWICE = ModelConfig(scale=2, encoder=TINY.encoder, unet=TINY.unet, diffusion=TINY.diffusion)

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
    configs = {"folded": TINY, "full": TINY_FULL, "twice": TWICE}
    made = {name: shaken(config) for name, config in configs.items()}
    # Untrained and not shaken: bicubic with no steps.
    made["fresh"] = Upscaler(model=build_model(TINY).eval(), device=torch.device("cpu"))
    return made.__getitem__


@pytest.fixture
def upscaler(make_upscaler: Maker) -> Upscaler:
    """A small upscaler of scale 4."""
    return make_upscaler("folded")
