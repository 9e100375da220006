"""Networks of two models in one: which are whose, and where it starts."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sam_diffsr_cli.checkpoints.store import load_weights, save_weights
from sam_diffsr_cli.networks.model import build_model
from tests.helpers import TINY, TINY_DISTILLED, shaken_model
from tests.workshop.tools.combine_networks import ESTIMATOR, combine, main

TOLD = replace(TINY, encoder=replace(TINY.encoder, num_levels=3))


@pytest.mark.parametrize("network", ["rrdb", "denoise_fn"])
def test_a_network_is_the_others_and_all_else_is_kept(network: str) -> None:
    model, other = build_model(TOLD, seed=1), build_model(TOLD, seed=2)
    found = combine(model, other, [network], {}).state_dict()
    own, theirs = model.state_dict(), other.state_dict()
    for name, values in found.items():
        is_theirs = name.startswith(f"{network}.") and not name.startswith(ESTIMATOR)
        assert torch.equal(values, (theirs if is_theirs else own)[name]), name
    assert any(not torch.equal(values, own[name]) for name, values in found.items())


def test_a_share_lies_between_the_two() -> None:
    model, other = build_model(TOLD, seed=1), build_model(TOLD, seed=2)
    found = combine(model, other, ["denoise_fn"], {}, share=0.25).state_dict()
    own, theirs = model.state_dict(), other.state_dict()
    for name, values in found.items():
        share = 0.25 if name.startswith("denoise_fn.") else 0.0
        assert torch.allclose(values, (1 - share) * own[name] + share * theirs[name]), name


def test_the_start_is_as_it_is_told() -> None:
    model = build_model(TOLD)
    chain = combine(model, model, [], {"sampling_start": 4, "sampling_dirty_start": 6}).config
    expected = replace(TOLD.diffusion, sampling_start=4, sampling_dirty_start=6)
    assert chain == replace(TOLD, diffusion=expected)


def test_the_command_says_how_the_model_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, out = tmp_path / "model.safetensors", tmp_path / "out.safetensors"
    save_weights(model, shaken_model(TINY_DISTILLED, 0.02), "test", torch.float32)
    how = (
        *("--start", "sampling_start=6", "--start", "best_steps=2"),
        *("--start", "best_start=0", "--kept"),
        *("sampling_share=0.25", "--sampler", "best_sampler=distilled"),
    )
    monkeypatch.setattr(sys, "argv", ["x", str(model), str(model), str(out), *how])
    main()
    expected = replace(
        TINY_DISTILLED.diffusion,
        sampling_start=6,
        best_start=0,
        best_steps=2,
        sampling_share=0.25,
        best_sampler="distilled",
    )
    assert load_weights(out).model.config.diffusion == expected


def test_networks_that_one_lacks_are_refused() -> None:
    model = build_model(TOLD)
    for network in ("clean_rrdb", "rrd", ""):
        with pytest.raises(ValueError, match="is not in both models"):
            combine(model, model, [network], {})


def test_networks_of_another_build_are_refused() -> None:
    wider = replace(TOLD, encoder=replace(TOLD.encoder, num_feat=16))
    with pytest.raises(RuntimeError, match="size mismatch"):
        combine(build_model(TOLD), build_model(wider), ["rrdb"], {})


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_is_of_one(share: float) -> None:
    model = build_model(TOLD)
    with pytest.raises(ValueError, match="share is"):
        combine(model, model, ["rrdb"], {}, share=share)
