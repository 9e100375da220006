"""A training state comes back from its file bit for bit, or says why it does not."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sam_diffsr_cli.checkpoints.store import read_tensors, save_weights, write_tensors
from sam_diffsr_cli.config import (
    DiffusionConfig,
    EncoderConfig,
    ModelConfig,
    TrainConfig,
    UNetConfig,
)
from sam_diffsr_cli.data.crops import TrainingPhoto
from sam_diffsr_cli.errors import ConfigError, InputError, WeightsError
from sam_diffsr_cli.models.model import build_model
from sam_diffsr_cli.training.loop import train
from sam_diffsr_cli.training.state import (
    TrainState,
    load_state,
    new_state,
    save_state,
    trained_model,
)

MODEL = ModelConfig(
    encoder=EncoderConfig(kind="residual", num_feat=8, num_block=2),
    unet=UNetConfig(kind="folded", widths=(8, 8)),
    diffusion=DiffusionConfig(
        base="encoder", residual_scale=4.0, sigma_data=0.33, sampling_steps=2, num_timesteps=10
    ),
)
ENCODER = TrainConfig(stage="encoder", steps=3, batch=2, patch=16)
DENOISER = replace(ENCODER, stage="diffusion")
STAGES = pytest.mark.parametrize("config", [ENCODER, DENOISER], ids=["encoder", "diffusion"])
CPU = torch.device("cpu")
Tensors = dict[str, Tensor]


def photo(*, is_poisoned: bool = False) -> TrainingPhoto:
    """A photo of noise; the encoding of a poisoned one makes every gradient not a number."""
    pixels = torch.randint(
        256, (3, 50, 50), dtype=torch.uint8, generator=torch.Generator().manual_seed(4)
    )
    return TrainingPhoto("p", pixels, torch.full((1, 50, 50), math.nan) if is_poisoned else None)


def trained(config: TrainConfig, *, is_poisoned: bool = False) -> TrainState:
    state = new_state(build_model(MODEL, seed=1), config, CPU)
    for _ in train(state, [photo(is_poisoned=is_poisoned)]):
        pass
    return state


def values(state: TrainState) -> Tensors:
    everything = {f"model.{name}": t for name, t in state.model.state_dict().items()}
    everything |= {f"ema.{name}": t for name, t in state.ema.items()}
    for name, parameter in state.network.named_parameters():
        for key, moment in state.optimizer.state.get(parameter, {}).items():
            everything[f"adam.{name}.{key}"] = moment
    return {name: tensor.detach().clone() for name, tensor in everything.items()}


def assert_same(one: TrainState, other: TrainState) -> None:
    (a, b) = values(one), values(other)
    assert a.keys() == b.keys()
    assert [name for name in a if not torch.equal(a[name], b[name])] == []
    assert one.step == other.step
    assert one.mean_loss == other.mean_loss
    assert one.config == other.config
    assert one.model.config == other.model.config


# --------------------------------------------------------------------------------- round trip


@STAGES
def test_round_trip_is_exact(tmp_path: Path, config: TrainConfig) -> None:
    state = trained(config)
    save_state(tmp_path / "s.safetensors", state)
    assert_same(load_state(tmp_path / "s.safetensors", config, CPU), state)


def test_round_trip_of_a_run_not_yet_begun_is_exact(tmp_path: Path) -> None:
    state = new_state(build_model(MODEL, seed=1), ENCODER, CPU)
    save_state(tmp_path / "s.safetensors", state)
    assert_same(load_state(tmp_path / "s.safetensors", ENCODER, CPU), state)


def test_round_trip_after_nothing_but_skipped_steps_is_exact(tmp_path: Path) -> None:
    state = trained(DENOISER, is_poisoned=True)
    save_state(tmp_path / "s.safetensors", state)
    assert_same(load_state(tmp_path / "s.safetensors", DENOISER, CPU), state)


def test_round_trip_after_a_skipped_step_is_exact(tmp_path: Path) -> None:
    """Adam counts the steps it made, not those that were skipped."""
    state = trained(DENOISER)
    state.config = replace(DENOISER, steps=4)
    for _ in train(state, [photo(is_poisoned=True)]):
        pass
    save_state(tmp_path / "s.safetensors", state)
    assert_same(load_state(tmp_path / "s.safetensors", state.config, CPU), state)


def test_saving_does_not_change_the_state(tmp_path: Path) -> None:
    state = trained(ENCODER)
    before = values(state)
    save_state(tmp_path / "s.safetensors", state)
    after = values(state)
    assert [name for name in before if not torch.equal(before[name], after[name])] == []


def test_any_recipe_is_taken_when_none_is_asked_for(tmp_path: Path) -> None:
    save_state(tmp_path / "s.safetensors", trained(DENOISER))
    assert load_state(tmp_path / "s.safetensors", None, CPU).config == DENOISER


@STAGES
def test_only_the_network_of_the_stage_is_trained_after_loading(
    tmp_path: Path, config: TrainConfig
) -> None:
    save_state(tmp_path / "s.safetensors", trained(config))
    state = load_state(tmp_path / "s.safetensors", config, CPU)
    assert all(parameter.requires_grad for parameter in state.network.parameters())
    trainable = sum(parameter.requires_grad for parameter in state.model.parameters())
    assert trainable == sum(1 for _ in state.network.parameters())


# -------------------------------------------------------------------------------------- files


@pytest.mark.parametrize(
    "other",
    [
        replace(ENCODER, steps=4),
        replace(ENCODER, learning_rate=1e-5),
        replace(ENCODER, seed=1),
        DENOISER,
    ],
    ids=["steps", "rate", "seed", "stage"],
)
def test_another_recipe_is_refused_with_the_one_it_was_made_with(
    tmp_path: Path, other: TrainConfig
) -> None:
    path = tmp_path / "s.safetensors"
    save_state(path, trained(ENCODER))
    with pytest.raises(ConfigError, match=r"s\.safetensors: made with another recipe") as caught:
        load_state(path, other, CPU)
    assert '"steps": 3' in str(caught.value)
    assert caught.value.hint


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gone\.safetensors"):
        load_state(tmp_path / "gone.safetensors", None, CPU)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999], ids=str)
def test_a_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "s.safetensors"
    save_state(path, trained(ENCODER))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(WeightsError, match=r"s\.safetensors: damaged"):
        load_state(path, None, CPU)


def test_a_weights_file_is_not_a_state(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_weights(path, build_model(MODEL), "a test")
    with pytest.raises(WeightsError, match=r"model\.safetensors: not a training state"):
        load_state(path, None, CPU)


def drop(prefix: str) -> Callable[[Tensors], Tensors]:
    """Leave out the first tensor whose name begins so."""

    def change(tensors: Tensors) -> Tensors:
        first = next(name for name in sorted(tensors) if name.startswith(prefix))
        return {name: t for name, t in tensors.items() if name != first}

    return change


def reshape_ema(tensors: Tensors) -> Tensors:
    return {n: t[..., None] if n.startswith("ema.") else t for n, t in tensors.items()}


def poison_model(tensors: Tensors) -> Tensors:
    return {n: t * math.nan if n.startswith("model.") else t for n, t in tensors.items()}


@pytest.mark.parametrize(
    "change",
    [
        drop("model."),
        drop("ema."),
        drop("adam.exp_avg."),
        drop("adam.exp_avg_sq."),
        reshape_ema,
        poison_model,
    ],
    ids=["no-model", "no-ema", "no-first", "no-second", "misshapen-ema", "not-finite"],
)
def test_an_incomplete_state_is_refused(
    tmp_path: Path, change: Callable[[Tensors], Tensors]
) -> None:
    path = tmp_path / "s.safetensors"
    save_state(path, trained(ENCODER))
    tensors, metadata = read_tensors(path)
    write_tensors(path, change(tensors), metadata)
    with pytest.raises(WeightsError, match=r"s\.safetensors: "):
        load_state(path, ENCODER, CPU)


def test_a_state_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"):
        save_state(tmp_path / "gone" / "s.safetensors", trained(ENCODER))
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------ trained model


@STAGES
def test_trained_model_holds_the_average_of_the_trained_network(config: TrainConfig) -> None:
    state = trained(config)
    model = trained_model(state)
    network = model.rrdb if config.stage == "encoder" else model.denoise_fn
    assert dict.fromkeys(state.ema, True) == {
        n: torch.equal(t, state.ema[n]) for n, t in network.state_dict().items()
    }


@STAGES
def test_trained_model_holds_the_frozen_network_as_it_was(config: TrainConfig) -> None:
    fresh, model = build_model(MODEL, seed=1), trained_model(trained(config))
    networks = ((fresh.denoise_fn, model.denoise_fn), (fresh.rrdb, model.rrdb))
    before, after = networks[config.stage == "diffusion"]
    assert all(torch.equal(t, after.state_dict()[n]) for n, t in before.state_dict().items())


def test_trained_model_is_a_copy_ready_for_use() -> None:
    state = trained(ENCODER)
    before, model = values(state), trained_model(state)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(7)
    after = values(state)
    assert [name for name in before if not torch.equal(before[name], after[name])] == []
    assert not model.training
