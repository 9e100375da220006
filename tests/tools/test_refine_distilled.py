"""Refining a distilled network: its objective, what an update changes, and going on."""

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d

from sam_diffsr_cli.checkpoints.store import load_weights, save_weights
from sam_diffsr_cli.data.crops import Batch
from sam_diffsr_cli.degradation.levels import CLEAN, Levels
from sam_diffsr_cli.networks.model import SuperResolver, build_model
from sam_diffsr_cli.sampling_config import SamplingConfig
from sam_diffsr_cli.upscaling.chain import make_chain
from tests.helpers import TINY
from tests.workshop.tools import refine_distilled
from tests.workshop.tools.refining import (
    Refiner,
    enlarge,
    feature_distance,
    rate_share,
    vividness,
)

CONFIG = replace(
    TINY,
    encoder=replace(TINY.encoder, num_levels=3),
    clean_expert=True,
    diffusion=replace(
        TINY.diffusion,
        distilled_steps=2,
        sampling_steps=2,
        sampling_sampler="distilled",
        sampling_spacing="quadratic",
        sampling_start=6,
        sampling_dirty_start=7,
    ),
)
SIDE = 64


def _features(images: Tensor) -> list[Tensor]:
    return [avg_pool2d(images, 2), avg_pool2d(images, 4).sin()]


def _model() -> SuperResolver:
    """Give a model whose noise predictors answer something other than nothing."""
    model = build_model(CONFIG, seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.02)
    return model


def _batch() -> tuple[Batch, Tensor]:
    generator = torch.Generator().manual_seed(3)
    hr = torch.rand(2, 3, SIDE, SIDE, generator=generator) * 2 - 1
    told = torch.rand(2, 3, generator=generator)
    batch = Batch(hr, avg_pool2d(hr, 4), torch.zeros(2, 1, SIDE, SIDE), told, told)
    return batch, torch.randn(hr.shape, generator=generator)


def _refiner(*, expert: bool = False) -> Refiner:
    torch.manual_seed(4)
    return Refiner(_model(), _features, expert=expert, growth=3.0)


def test_the_distance_is_of_directions() -> None:
    x, y = torch.rand(2, 1, 5, 4, 4).unbind()
    assert float(feature_distance([x], [3 * x])) == pytest.approx(0, abs=1e-6)
    assert float(feature_distance([x], [-x])) == pytest.approx(4, abs=1e-4)
    halves = float(feature_distance([x, x], [y, x]))
    assert halves == pytest.approx(float(feature_distance([x], [y])) / 2, abs=1e-6)


def test_the_weight_grows_with_the_row() -> None:
    assert vividness(70, 70, 3.0) == 1
    assert vividness(80, 70, 3.0) == pytest.approx(3)
    assert vividness(50, 70, 3.0) == pytest.approx(1 / 9)
    assert vividness(31, 70, 1.0) == 1


def test_the_rate_rises_then_falls() -> None:
    shares = [rate_share(step, 1000) for step in range(1000)]
    top = shares.index(max(shares))
    assert shares[:top] == sorted(shares[:top])
    assert shares[top:] == sorted(shares[top:], reverse=True)
    assert shares[0] == pytest.approx(1 / 50)
    assert shares[-1] == pytest.approx(0.02, abs=1e-4)


def test_rows_are_the_usual_one_the_vivid_ones_or_any_that_it_may_start_at() -> None:
    diffusion = replace(CONFIG.diffusion, num_timesteps=100)
    generator = torch.Generator().manual_seed(0)
    rows = [refine_distilled.draw_row(diffusion, 70, generator) for _ in range(4000)]
    count = Counter(rows)
    assert min(rows) == diffusion.least_distilled_start
    assert max(rows) == diffusion.last_start == 99
    assert count[70] / len(rows) == pytest.approx(0.35, abs=0.03)
    vivid = sum(number for row, number in count.items() if row >= 79)
    assert vivid / len(rows) == pytest.approx(0.4 + 0.25 * 21 / 75, abs=0.03)


@pytest.mark.parametrize("expert", [False, True])
def test_an_image_is_that_of_two_steps_of_ddim(*, expert: bool) -> None:
    model, (batch, noise) = _model().eval(), _batch()
    levels = CLEAN if expert else Levels(0.5, 0.5, 0.5)
    chain = make_chain(CONFIG, SamplingConfig(steps=2, sampler="distilled", start=7), levels)
    schedule = chain.schedule
    assert schedule is not None
    with torch.no_grad():
        condition = model.condition(batch.lr, None if expert else batch.told, expert=expert)
        x = noise * chain.deviation
        for t in (1, 0):
            rows = torch.full((2,), t)
            eps = model.predict_eps(x, rows, condition, schedule, distilled=True).double()
            signal, below = schedule.alphas_cumprod[t], schedule.alphas_cumprod_prev[t]
            x_start = ((x - (1 - signal).sqrt() * eps) / signal.sqrt()).clamp(-1, 1)
            towards = (x - signal.sqrt() * x_start) / (1 - signal).sqrt()
            x = (below.sqrt() * x_start + (1 - below).sqrt() * towards).float()
        expected = x.clamp(-1, 1) / CONFIG.diffusion.residual_scale + condition.base
        found = enlarge(model, batch, 7, noise, expert=expert)
    assert torch.allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("expert", "name"), [(False, "distilled_denoise_fn."), (True, "clean_distilled_denoise_fn.")]
)
def test_an_update_changes_one_network_alone_and_its_average_slower(
    *, expert: bool, name: str
) -> None:
    refiner, (batch, noise) = _refiner(expert=expert), _batch()
    before = {key: value.clone() for key, value in refiner.model.state_dict().items()}
    first = refiner.update(batch, 7, noise, 1.0)
    assert set(first) == {"error", "features", "doubt", "judge"}
    after = {key: value.clone() for key, value in refiner.model.state_dict().items()}
    changed = {key for key, value in after.items() if not torch.equal(value, before[key])}
    assert changed
    assert all(key.startswith(name) for key in changed)
    with refiner.averaged() as model:
        for key in changed:
            step, kept = after[key] - before[key], model.state_dict()[key] - before[key]
            assert float(kept.abs().max()) < float(step.abs().max()) / 100
    assert all(torch.equal(value, after[key]) for key, value in refiner.model.state_dict().items())


def test_updates_bring_the_image_nearer_to_the_truth() -> None:
    refiner, (batch, noise) = _refiner(), _batch()
    errors = [refiner.update(batch, 7, noise, 1.0)["error"] for _ in range(12)]
    assert errors[-1] < errors[0]


def test_what_goes_on_from_a_state_is_what_was_not_stopped(tmp_path: Path) -> None:
    refiner, (batch, noise) = _refiner(), _batch()
    refiner.update(batch, 7, noise, 1.0)
    torch.save(refiner.state(), tmp_path / "state")
    other = _refiner()
    other.restore(torch.load(tmp_path / "state", weights_only=True))
    assert refiner.update(batch, 6, noise, 0.5) == other.update(batch, 6, noise, 0.5)
    pairs = zip(refiner.average, other.average, strict=True)
    assert all(torch.equal(first, second) for first, second in pairs)


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give a command of few steps on one picture, with pooling in the backbone's place."""
    levels = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    (tmp_path / "photos").mkdir()
    Image.fromarray(levels).save(tmp_path / "photos" / "a.png")
    save_weights(tmp_path / "model.safetensors", _model(), "test", torch.float32)
    places = [str(tmp_path / "model.safetensors"), str(tmp_path / "out.safetensors")]
    monkeypatch.setattr(refine_distilled, "load_backbone", lambda: _features)
    return ["x", *places, "--data", str(tmp_path / "photos"), "--batch", "1", "--patch", str(SIDE)]


def test_the_command_goes_on_at_the_next_step(
    line: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    make = refine_distilled.Source.make

    def noted(source: refine_distilled.Source, step: int, usual: int) -> tuple[Batch, int, Tensor]:
        made.append(step)
        return make(source, step, usual)

    monkeypatch.setattr(refine_distilled.Source, "make", noted)
    for more in (["--steps", "2"], ["--steps", "1", "--resume"]):
        monkeypatch.setattr(sys, "argv", line + more)
        refine_distilled.main()
    assert made == [0, 1, 2]
    before, after = _model().state_dict(), load_weights(tmp_path / "out.safetensors").model
    changed = {
        key
        for key, value in after.state_dict().items()
        if not torch.allclose(value, before[key], atol=1e-3, rtol=1e-3)
    }
    assert all(key.startswith("distilled_denoise_fn.") for key in changed)
