"""The models that can be named."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sam_diffsr_cli.benchmark.models import (
    config_of,
    has_random_weights,
    open_model,
    weights_of,
)
from sam_diffsr_cli.checkpoints.registry import bundled_weights
from sam_diffsr_cli.config import LITE, PAPER, PRESETS, undistilled
from sam_diffsr_cli.errors import InputError, WeightsError
from tests.benchmark.samples import write_tiny
from tests.helpers import TINY

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_its_networks_with_random_weights(name: str) -> None:
    assert has_random_weights(name)
    assert weights_of(name) is None
    assert open_model(name, CPU, "fp32").config == config_of(name) == PRESETS[name]


def test_the_bundled_model_has_its_own_weights() -> None:
    assert not has_random_weights("default")
    assert weights_of("default") == bundled_weights()
    assert open_model("default", CPU, "bf16").digest
    config = undistilled(config_of("default"))
    assert replace(config, clean_expert=False).networks == LITE.networks


def test_any_other_name_is_a_file(tmp_path: Path) -> None:
    path = write_tiny(tmp_path)
    assert weights_of(str(path)) == path
    upscaler = open_model(str(path), CPU, "fp32")
    assert upscaler.config == config_of(str(path)) == TINY
    assert not upscaler.model.training


def test_a_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(WeightsError, match=r"paper2\.safetensors: no such weights file"):
        config_of("paper2.safetensors")


def test_what_is_no_name_is_refused() -> None:
    with pytest.raises(InputError, match=r"paper2: neither a bundled model, a file, nor org/name"):
        config_of("paper2")


def test_a_preset_lies_in_memory_as_a_loaded_model_does() -> None:
    weight = next(
        parameter
        for parameter in open_model("paper", CPU, "fp32").model.parameters()
        if parameter.dim() == 4 and parameter.shape[1] > 1
    )
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert PAPER.unet.kind == "full"
