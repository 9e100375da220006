"""Small models none of whose layers is zero, so that every path has an effect."""

from collections.abc import Callable

import pytest
import torch

from sam_diffsr_cli.config import ModelConfig
from sam_diffsr_cli.networks.model import build_model
from sam_diffsr_cli.upscaling.model import Upscaler
from tests.helpers import TINY, TINY_FULL, shaken

TWICE = ModelConfig(scale=2, encoder=TINY.encoder, unet=TINY.unet, diffusion=TINY.diffusion)

Maker = Callable[[str], Upscaler]


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
