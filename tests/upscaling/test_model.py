"""A model that is loaded: its networks are read as they are run, or at once from what goes away."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sam_diffsr_cli.checkpoints.store import save_weights
from sam_diffsr_cli.config import distilled
from sam_diffsr_cli.errors import WeightsError
from sam_diffsr_cli.sampling_config import SamplingOptions
from sam_diffsr_cli.upscaling.frames import UpscaleRun, enlarge_frame
from sam_diffsr_cli.upscaling.model import Upscaler, load_upscaler
from sam_diffsr_cli.upscaling.options import resolve_sampling
from tests.helpers import TINY, shaken_model

CPU = torch.device("cpu")
CONFIG = distilled(
    replace(TINY, encoder=replace(TINY.encoder, num_levels=3), clean_expert=True), steps=2
)
RUNS = [
    SamplingOptions(quality=quality, clean=clean, tile=0)
    for quality in ("fast", "balanced", "best")
    for clean in (0, 50, None)
]
"""Between them they run every network of such a model."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "weights.safetensors"
    save_weights(place, shaken_model(CONFIG, 0.05), "drawn, Apache-2.0")
    return place


def enlarge(upscaler: Upscaler, options: SamplingOptions) -> np.ndarray:
    pixels = np.random.default_rng(0).integers(256, size=(16, 16, 3), dtype=np.uint8)
    sampling = resolve_sampling(upscaler, options)
    return enlarge_frame(UpscaleRun(upscaler=upscaler, sampling=sampling, scale=4.0), pixels)


@pytest.mark.slow
def test_a_model_that_was_read_whole_outlives_its_file(path: Path) -> None:
    expected = [enlarge(load_upscaler(path, CPU), options) for options in RUNS]
    upscaler = load_upscaler(path, CPU, whole=True)
    path.unlink()
    assert not any(each.is_meta for each in upscaler.model.parameters())
    for options, pixels in zip(RUNS, expected, strict=True):
        np.testing.assert_array_equal(enlarge(upscaler, options), pixels)


def test_a_model_that_was_not_needs_its_file(path: Path) -> None:
    upscaler = load_upscaler(path, CPU)
    path.unlink()
    with pytest.raises(WeightsError, match="no such weights file"):
        enlarge(upscaler, RUNS[0])
