"""A small model for whole runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from sam_diffsr_cli.checkpoints.store import save_weights
from sam_diffsr_cli.config import DiffusionConfig, EncoderConfig, ModelConfig, UNetConfig
from sam_diffsr_cli.models.model import build_model

CONFIG = ModelConfig(
    encoder=EncoderConfig(kind="residual", num_feat=8, num_block=2),
    unet=UNetConfig(kind="folded", widths=(8, 8)),
    diffusion=DiffusionConfig(
        num_timesteps=10, base="encoder", residual_scale=4.0, sigma_data=0.33, sampling_steps=2
    ),
)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Pictures this small are slow with more threads on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(path, build_model(CONFIG), "test", torch.float32)
    return path
