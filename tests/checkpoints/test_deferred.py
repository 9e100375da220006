"""Networks that are read when they are first run."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from sam_diffsr_cli.checkpoints.deferred import defer_weights
from sam_diffsr_cli.checkpoints.store import load_weights, read_tensors, save_weights, write_tensors
from sam_diffsr_cli.config import LITE, EncoderConfig, ModelConfig, UNetConfig
from sam_diffsr_cli.diffusion.schedule import make_schedule
from sam_diffsr_cli.errors import WeightsError
from sam_diffsr_cli.networks.model import SuperResolver, build_model

CONFIG = ModelConfig(
    encoder=EncoderConfig(kind="residual", num_feat=4, num_block=2, num_levels=3),
    unet=UNetConfig(kind="folded", widths=(4, 8)),
    diffusion=LITE.diffusion,
    clean_expert=True,
)
LR = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
DIRTY = torch.full((1, 3), 0.5)


def keep(network: nn.Module) -> nn.Module:
    return network


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "weights.safetensors"
    model = build_model(CONFIG, seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
    save_weights(place, model, "drawn, Apache-2.0")
    return place


@pytest.fixture(autouse=True)
def _without_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def read_of(model: SuperResolver) -> set[str]:
    """Name the networks whose parameters are there."""
    return {
        name
        for name in ("rrdb", "rrdb.estimator", "denoise_fn", "clean_rrdb", "clean_denoise_fn")
        if not any(each.is_meta for each in model.get_submodule(name).parameters())
    }


def predict(model: SuperResolver, levels: Tensor | None) -> Tensor:
    condition = model.condition(LR, levels)
    x_t, t = torch.ones(1, 3, 64, 64), torch.tensor([40])
    return model.predict_eps(x_t, t, condition, make_schedule(CONFIG.diffusion))


def test_a_network_is_read_when_it_is_first_run(path: Path) -> None:
    model = defer_weights(path, keep).model
    assert read_of(model) == set()
    model.estimate_levels(LR)
    assert read_of(model) == {"rrdb.estimator"}
    model.encode(LR)
    assert read_of(model) == {"rrdb.estimator", "clean_rrdb"}
    predict(model, None)
    assert read_of(model) == {"rrdb.estimator", "clean_rrdb", "clean_denoise_fn"}
    model.encode(LR, DIRTY)
    assert read_of(model) == {"rrdb", "rrdb.estimator", "clean_rrdb", "clean_denoise_fn"}


@pytest.mark.parametrize("levels", [None, DIRTY], ids=["clean", "dirty"])
def test_it_gives_the_bits_of_one_that_is_read_at_once(path: Path, levels: Tensor | None) -> None:
    deferred, whole = defer_weights(path, keep).model, load_weights(path).model
    assert torch.equal(predict(deferred, levels), predict(whole, levels))
    assert torch.equal(deferred.estimate_levels(LR), whole.estimate_levels(LR))


def test_it_is_settled_once_as_it_is_read(path: Path) -> None:
    settled: list[nn.Module] = []

    def note(network: nn.Module) -> nn.Module:
        settled.append(network)
        return network

    model = defer_weights(path, note).model
    for _ in range(2):
        predict(model, None)
    assert settled == [model.clean_rrdb, model.clean_denoise_fn]


def test_its_parameters_can_have_gradients(path: Path) -> None:
    model = defer_weights(path, keep).model
    model.encode(LR)
    assert not any(each.is_inference() for each in model.clean_rrdb.parameters())


@pytest.mark.parametrize("name", ["rrdb.head.weight", "clean_denoise_fn.conv_in.bias"])
def test_what_is_not_finite_is_refused_before_anything_is_run(path: Path, name: str) -> None:
    tensors, metadata = read_tensors(path)
    tensors[name] = torch.full_like(tensors[name], torch.inf)
    write_tensors(path, tensors, metadata)
    with pytest.raises(WeightsError, match=f"{name} holds values that are not finite"):
        defer_weights(path, keep)


def test_what_does_not_fit_is_refused_before_anything_is_run(path: Path) -> None:
    tensors, metadata = read_tensors(path)
    del tensors["rrdb.head.weight"]
    write_tensors(path, tensors, metadata)
    with pytest.raises(WeightsError, match="1 tensors missing"):
        defer_weights(path, keep)


def test_a_file_that_was_changed_meanwhile_is_refused(path: Path) -> None:
    model = defer_weights(path, keep).model
    model.encode(LR)
    save_weights(path, build_model(replace(CONFIG), seed=3), "another")
    os.utime(path, ns=(1, 1))
    model.encode(LR)
    with pytest.raises(WeightsError, match="changed while it was in use"):
        model.encode(LR, DIRTY)


def test_a_file_that_is_gone_is_refused(path: Path) -> None:
    model = defer_weights(path, keep).model
    path.unlink()
    with pytest.raises(WeightsError, match="no such weights file"):
        model.encode(LR)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such weights file"):
        defer_weights(tmp_path / "nowhere", keep)
