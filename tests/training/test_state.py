"""A training state comes back from its file bit for bit, or says why it does not."""

import errno
import json
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import Tensor

from sam_diffsr_cli.checkpoints.store import read_tensors, save_weights, write_tensors
from sam_diffsr_cli.errors import (
    ConfigError,
    InputError,
    ResourceError,
    WeightsError,
)
from sam_diffsr_cli.networks.model import build_model
from sam_diffsr_cli.recipes.records import TrainConfig
from sam_diffsr_cli.training.loop import TrainStep
from sam_diffsr_cli.training.state import (
    MODEL_KEY,
    PROGRESS_KEY,
    TRAIN_KEY,
    TrainState,
    load_state,
    save_state,
    trained_model,
)
from tests.helpers import TINY
from tests.training import tiny
from tests.training.tiny import CPU, different, photos, start, values

ENCODER = replace(tiny.ENCODER, steps=3, batch=2, precision="fp32")
DENOISER = replace(ENCODER, stage="diffusion")
STAGES = pytest.mark.parametrize("config", [ENCODER, DENOISER], ids=["encoder", "diffusion"])
Tensors = dict[str, Tensor]
Trained = Callable[..., TrainState]


@pytest.fixture
def trained(steps_of: Callable[..., Iterator[TrainStep]]) -> Trained:
    """A function that trains a new state to its end, or an old one for some more steps."""

    def train(
        config: TrainConfig,
        state: TrainState | None = None,
        *,
        is_poisoned: bool = False,
    ) -> TrainState:
        state = state or start(config)
        state.config = config
        for _ in steps_of(state, photos(is_poisoned=is_poisoned)):
            pass
        return state

    return train


def assert_same(one: TrainState, other: TrainState) -> None:
    assert different(values(one), values(other)) == []
    for name in ("step", "skipped", "mean_loss", "best", "elapsed_s", "photos", "config"):
        assert getattr(one, name) == getattr(other, name), name
    assert one.scaler.state_dict() == other.scaler.state_dict()
    assert one.model.config == other.model.config


# --------------------------------------------------------------------------------- round trip


@STAGES
def test_round_trip_is_exact(tmp_path: Path, config: TrainConfig, trained: Trained) -> None:
    state = trained(config)
    state.best, state.elapsed_s, state.photos = -0.125, 12.5, "these"
    save_state(tmp_path / "s.safetensors", state)
    assert_same(load_state(tmp_path / "s.safetensors", config, CPU), state)


def test_round_trip_of_a_run_not_yet_begun_is_exact(tmp_path: Path) -> None:
    state = start(ENCODER)
    save_state(tmp_path / "s.safetensors", state)
    assert_same(load_state(tmp_path / "s.safetensors", ENCODER, CPU), state)


def test_round_trip_after_nothing_but_skipped_steps_is_exact(
    tmp_path: Path, trained: Trained
) -> None:
    state = trained(DENOISER, is_poisoned=True)
    save_state(tmp_path / "s.safetensors", state)
    assert_same(load_state(tmp_path / "s.safetensors", DENOISER, CPU), state)


def test_round_trip_after_a_skipped_step_is_exact(tmp_path: Path, trained: Trained) -> None:
    """Adam counts the steps it made, not those that were skipped."""
    state = trained(replace(DENOISER, steps=4), trained(DENOISER), is_poisoned=True)
    assert (state.step, state.skipped) == (4, 1)
    save_state(tmp_path / "s.safetensors", state)
    assert_same(load_state(tmp_path / "s.safetensors", state.config, CPU), state)


def test_round_trip_keeps_the_scale_of_the_loss(tmp_path: Path, trained: Trained) -> None:
    """Lowered by two skipped steps, and one good step on its way up again."""
    config = replace(DENOISER, precision="fp16", steps=2)
    state = trained(config, is_poisoned=True)
    trained(replace(config, steps=3), state)
    save_state(tmp_path / "s.safetensors", state)
    loaded = load_state(tmp_path / "s.safetensors", state.config, CPU)
    assert loaded.scaler.get_scale() == start(config).scaler.get_scale() / 4
    assert_same(loaded, state)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_only_fp16_scales_the_loss(precision: Literal["fp32", "bf16"]) -> None:
    assert not start(replace(ENCODER, precision=precision)).scaler.is_enabled()
    assert start(replace(ENCODER, precision="fp16")).scaler.is_enabled()


@STAGES
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_state_that_was_loaded_trains_on_as_the_one_that_was_saved(
    tmp_path: Path,
    config: TrainConfig,
    precision: Literal["fp32", "bf16", "fp16"],
    trained: Trained,
) -> None:
    config = replace(config, precision=precision)
    state, longer = trained(config), replace(config, steps=6)
    save_state(tmp_path / "s.safetensors", state)
    loaded = load_state(tmp_path / "s.safetensors", config, CPU)
    assert_same(trained(longer, loaded), trained(longer, state))


def test_saving_does_not_change_the_state(tmp_path: Path, trained: Trained) -> None:
    state = trained(ENCODER)
    before = values(state)
    save_state(tmp_path / "s.safetensors", state)
    assert different(values(state), before) == []


def test_any_recipe_is_taken_when_none_is_asked_for(tmp_path: Path) -> None:
    save_state(tmp_path / "s.safetensors", start(DENOISER))
    assert load_state(tmp_path / "s.safetensors", None, CPU).config == DENOISER


@STAGES
def test_only_the_network_of_the_stage_is_trained_after_loading(
    tmp_path: Path, config: TrainConfig
) -> None:
    save_state(tmp_path / "s.safetensors", start(config))
    state = load_state(tmp_path / "s.safetensors", config, CPU)
    assert all(parameter.requires_grad for parameter in state.network.parameters())
    trainable = sum(parameter.requires_grad for parameter in state.model.parameters())
    assert trainable == sum(1 for _ in state.network.parameters())


# -------------------------------------------------------------------------------------- files


@pytest.fixture
def path(tmp_path: Path, trained: Trained) -> Path:
    """A state after three steps."""
    path = tmp_path / "s.safetensors"
    save_state(path, trained(ENCODER))
    return path


@pytest.mark.parametrize(
    "other",
    [
        replace(ENCODER, steps=4),
        replace(ENCODER, learning_rate=1e-5),
        replace(ENCODER, seed=1),
        replace(ENCODER, precision="bf16"),
        DENOISER,
    ],
    ids=["steps", "rate", "seed", "precision", "stage"],
)
def test_a_state_of_another_recipe_is_refused(path: Path, other: TrainConfig) -> None:
    with pytest.raises(ConfigError, match=r"s\.safetensors: made with another recipe") as caught:
        load_state(path, other, CPU)
    assert caught.value.hint


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gone\.safetensors"):
        load_state(tmp_path / "gone.safetensors", None, CPU)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999], ids=str)
def test_a_truncated_file_is_refused(path: Path, share: float) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(WeightsError, match=r"s\.safetensors: damaged"):
        load_state(path, None, CPU)


def test_a_weights_file_is_not_a_state(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_weights(path, build_model(TINY), "a test")
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
def test_an_incomplete_state_is_refused(path: Path, change: Callable[[Tensors], Tensors]) -> None:
    tensors, metadata = read_tensors(path)
    write_tensors(path, change(tensors), metadata)
    with pytest.raises(WeightsError, match=r"s\.safetensors: "):
        load_state(path, ENCODER, CPU)


@pytest.mark.parametrize("key", [MODEL_KEY, TRAIN_KEY, PROGRESS_KEY])
@pytest.mark.parametrize("text", ["", "{", "[]", '{"step": 3}'])
def test_damaged_metadata_is_refused_by_name(path: Path, key: str, text: str) -> None:
    tensors, metadata = read_tensors(path)
    write_tensors(path, tensors, metadata | {key: text})
    with pytest.raises(WeightsError, match=r"s\.safetensors: "):
        load_state(path, None, CPU)


def test_an_fp16_state_without_its_scale_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    save_state(path, start(replace(ENCODER, precision="fp16")))
    tensors, metadata = read_tensors(path)
    progress = json.loads(metadata[PROGRESS_KEY]) | {"scaler": {}}
    write_tensors(path, tensors, metadata | {PROGRESS_KEY: json.dumps(progress)})
    with pytest.raises(WeightsError, match=r"s\.safetensors: damaged metadata"):
        load_state(path, None, CPU)


def test_a_state_in_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"):
        save_state(tmp_path / "gone" / "s.safetensors", start(ENCODER))
    assert list(tmp_path.iterdir()) == []


def full(_: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_the_state_that_was_there(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResourceError, match=r"s\.safetensors: no space left") as caught:
        save_state(path, start(ENCODER))
    assert caught.value.hint
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


# ------------------------------------------------------------------------------ trained model


@STAGES
def test_trained_model_holds_the_average_of_the_trained_network(
    config: TrainConfig, trained: Trained
) -> None:
    state = trained(config)
    model = trained_model(state)
    network = model.rrdb if config.stage == "encoder" else model.denoise_fn
    assert different(network.state_dict(), state.ema) == []


@STAGES
def test_trained_model_holds_the_frozen_network_as_it_was(
    config: TrainConfig, trained: Trained
) -> None:
    fresh, model = build_model(TINY, seed=1), trained_model(trained(config))
    networks = ((fresh.denoise_fn, model.denoise_fn), (fresh.rrdb, model.rrdb))
    before, after = networks[config.stage == "diffusion"]
    assert different(before.state_dict(), after.state_dict()) == []


def test_trained_model_is_a_copy_ready_for_use(trained: Trained) -> None:
    state = trained(ENCODER)
    before, model = values(state), trained_model(state)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(7)
    assert different(values(state), before) == []
    assert not model.training
