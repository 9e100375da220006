"""Refining a distilled network: its objective, what an update changes, and going on."""

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d

from sam_diffsr_cli.checkpoints.store import load_weights, save_weights
from sam_diffsr_cli.data.crops import Batch
from sam_diffsr_cli.degradation.levels import CLEAN, Levels
from sam_diffsr_cli.diffusion.residual import residual_to_image
from sam_diffsr_cli.errors import ConfigError
from sam_diffsr_cli.recipes.records import TrainConfig
from sam_diffsr_cli.sampling_config import SamplingConfig
from sam_diffsr_cli.training.batches import BatchSource, Piece
from sam_diffsr_cli.upscaling.chain import make_chain
from tests.helpers import TINY, TINY_DISTILLED, draw_photos, shaken_model, write_weights
from tests.workshop.tools import refine_distilled, refining
from tests.workshop.tools.backbones import Backbone
from tests.workshop.tools.refining import (
    Dial,
    Judge,
    Refiner,
    enlarge,
    hinge,
    objective,
    usual_dial,
    vividness,
)

STAGE = TrainConfig(stage="distill", steps=3, learning_rate=1e-3, ema_decay=0.998, precision="fp32")
SIDE = 64


def _features(images: Tensor) -> list[Tensor]:
    return [avg_pool2d(images, 2), avg_pool2d(images, 4).sin()]


BACKBONES = [
    Backbone(features=_features),
    Backbone(features=lambda images: [images.cos()], weights=(torch.tensor([0.5, 1.0, 0.0]),)),
]


def _batch() -> tuple[Batch, Tensor]:
    generator = torch.Generator().manual_seed(3)
    hr = torch.rand(2, 3, SIDE, SIDE, generator=generator) * 2 - 1
    told = torch.rand(2, 3, generator=generator)
    batch = Batch(hr, avg_pool2d(hr, 4), torch.zeros(2, 1, SIDE, SIDE), told, told)
    return batch, torch.randn(hr.shape, generator=generator)


def _refiner(*, expert: bool = False) -> Refiner:
    torch.manual_seed(4)
    model = shaken_model(TINY_DISTILLED, 0.02)
    return Refiner(model, BACKBONES, replace(STAGE, expert=expert), growth=3.0)


def test_the_weight_grows_with_the_row() -> None:
    usual = Dial(70)
    assert vividness(usual, usual, 3.0) == 1
    assert vividness(Dial(80), usual, 3.0) == pytest.approx(3)
    assert vividness(Dial(50), usual, 3.0) == pytest.approx(1 / 9)
    assert vividness(Dial(31), usual, 1.0) == 1


def test_the_weight_grows_with_the_share_that_is_kept() -> None:
    usual = Dial(70, 0.5)
    assert vividness(usual, usual, 3.0) == 1
    assert vividness(Dial(70, 1.0), usual, 3.0) == pytest.approx(3)
    assert vividness(Dial(70, 0.25), usual, 3.0) == pytest.approx(3**-0.5)


@pytest.mark.parametrize(
    ("changes", "clean", "dirty"),
    [
        ({}, Dial(7), Dial(7)),
        ({"sampling_dirty_start": 8, "sampling_share": 0.5}, Dial(7, 0.5), Dial(8, 0.5)),
        ({"sampling_share": 0.5, "sampling_dirty_share": 0.75}, Dial(7, 0.5), Dial(7, 0.75)),
    ],
    ids=str,
)
def test_the_usual_dial_is_that_of_the_model(
    changes: dict[str, Any], clean: Dial, dirty: Dial
) -> None:
    chain = replace(TINY_DISTILLED.diffusion, **changes)
    assert usual_dial(chain, is_clean=True) == clean
    assert usual_dial(chain, is_clean=False) == dirty


def test_the_objective_is_as_it_is_written() -> None:
    error, scores = torch.tensor(0.2), [torch.tensor([3.0, 5.0]), torch.tensor(-1.0)]
    distance, learnt = torch.tensor(0.7), torch.tensor(0.4)
    seen = 0.4 * 0.7 + 0.4
    expected = 100 * 0.2 + 2 * (seen - 0.3 * (4 - 1) / 2)
    assert float(objective(error, distance, learnt, scores, 2.0)) == pytest.approx(expected)


def test_the_judge_is_to_raise_what_it_says_of_photos_and_lower_the_rest() -> None:
    real, fake = [torch.tensor([0.5, 3.0]), torch.tensor(1.0)], [torch.tensor(-0.25)]
    assert float(hinge(real, fake)) == pytest.approx(0.5 / 2 / 2 + 0.75)


def test_a_judge_has_a_map_of_scores_for_each_feature_and_the_pixels() -> None:
    images = torch.rand(2, 3, SIDE, SIDE)
    scores = Judge([3, 3])(images, _features(images))
    assert [tuple(each.shape) for each in scores] == [
        (2, 1, 32, 32),
        (2, 1, 16, 16),
        (2, 1, 16, 16),
    ]


def test_rows_are_the_usual_one_the_vivid_ones_or_any_that_it_may_start_at() -> None:
    diffusion = replace(TINY_DISTILLED.diffusion, num_timesteps=100, highest_start=0)
    dials = [refine_distilled.draw_dial(diffusion, Dial(70), seed) for seed in range(4000)]
    assert {dial.share for dial in dials} == {1.0}
    rows = [dial.start for dial in dials]
    count = Counter(rows)
    assert min(rows) == diffusion.least_distilled_start
    assert max(rows) == diffusion.last_start == 99
    assert count[70] / len(rows) == pytest.approx(0.5, abs=0.03)
    vivid = sum(number for row, number in count.items() if row >= 79)
    assert vivid / len(rows) == pytest.approx(0.25 + 0.25 * 21 / 75, abs=0.03)


def test_shares_are_the_usual_one_vivid_ones_or_any_where_the_model_keeps_one() -> None:
    usual, chain = Dial(70, 0.5), replace(TINY_DISTILLED.diffusion, sampling_share=0.5)
    dials = [refine_distilled.draw_dial(chain, usual, seed) for seed in range(4000)]
    # One that is distilled anew keeps all at first, and is dialled by the share all the same.
    whole = replace(chain, sampling_share=1.0)
    kept = {refine_distilled.draw_dial(whole, Dial(70), seed) for seed in range(50)}
    assert {dial.start for dial in kept} == {70}
    assert len({dial.share for dial in kept}) > 10
    assert {dial.start for dial in dials} == {70}
    shares = torch.tensor([dial.share for dial in dials])
    assert 0.25 <= float(shares.min()) < 0.27
    assert 0.99 < float(shares.max()) <= 1
    assert float((shares == 0.5).double().mean()) == pytest.approx(0.5, abs=0.03)
    vivid = float((shares >= 0.8).double().mean())
    assert vivid == pytest.approx(0.25 + 0.25 * 0.2 / 0.75, abs=0.03)


def test_a_share_of_what_is_drawn_is_on_the_image() -> None:
    model, (batch, noise) = shaken_model(TINY_DISTILLED, 0.02), _batch()
    with torch.no_grad():
        base = model.condition(batch.lr, batch.told, expert=False).base
        drawn, part = (
            enlarge(model, batch, Dial(7, share), noise, expert=False).sr - base
            for share in (1.0, 0.25)
        )
    inside = drawn.abs() < 0.99 / TINY_DISTILLED.diffusion.residual_scale
    assert float(inside.float().mean()) > 0.5
    assert torch.allclose(part[inside], 0.25 * drawn[inside], atol=1e-5)


@pytest.mark.parametrize("expert", [False, True])
def test_an_image_is_that_of_two_steps_of_ddim(*, expert: bool) -> None:
    model, (batch, noise) = shaken_model(TINY_DISTILLED, 0.02), _batch()
    levels = CLEAN if expert else Levels(0.5, 0.5, 0.5)
    chain = make_chain(
        TINY_DISTILLED, SamplingConfig(steps=2, sampler="distilled", start=7), levels
    )
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
        scale = TINY_DISTILLED.diffusion.residual_scale
        expected = residual_to_image(x, condition.base, scale)
        found = enlarge(model, batch, Dial(7), noise, expert=expert)
    assert torch.allclose(found.sr, expected, atol=1e-4)
    assert torch.allclose(found.wanted, batch.hr, atol=1e-6)


def test_colours_that_are_left_to_the_encoder_are_its_own_in_the_truth_too() -> None:
    chain = replace(TINY_DISTILLED.diffusion, sampling_chroma=0.0)
    model = shaken_model(replace(TINY_DISTILLED, diffusion=chain), 0.02)
    batch, noise = _batch()
    with torch.no_grad():
        base = model.condition(batch.lr, batch.told, expert=False).base
        found = enlarge(model, batch, Dial(7), noise, expert=False)
    luma = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    for image in found:
        added = image - base
        assert float(added.std(dim=1).max()) < 1e-6
    wanted = ((found.wanted - batch.hr) * luma).sum(dim=1)
    assert float(wanted.abs().max()) < 1e-6
    assert float((found.sr - base).abs().max()) > 0.01


@pytest.mark.parametrize(
    ("expert", "name"), [(False, "distilled_denoise_fn."), (True, "clean_distilled_denoise_fn.")]
)
def test_an_update_changes_one_network_alone_and_its_average_slower(
    *, expert: bool, name: str
) -> None:
    refiner, (batch, noise) = _refiner(expert=expert), _batch()
    before = {key: value.clone() for key, value in refiner.model.state_dict().items()}
    first = refiner.update(batch, Dial(7), noise, 1e-3)
    assert set(first) == {"error", "features", "learnt", "score", "judge"}
    after = {key: value.clone() for key, value in refiner.model.state_dict().items()}
    changed = {key for key, value in after.items() if not torch.equal(value, before[key])}
    assert changed
    assert all(key.startswith(name) for key in changed)
    with refiner.averaged() as model:
        for key in changed:
            expected = before[key] + (after[key] - before[key]) * (1 - STAGE.ema_decay)
            assert torch.allclose(model.state_dict()[key], expected, rtol=0, atol=1e-7)
    assert all(torch.equal(value, after[key]) for key, value in refiner.model.state_dict().items())


@pytest.mark.parametrize(
    ("weights", "part", "falls"),
    [
        ((1, 0, 0, 0), "error", True),
        ((0, 1, 0, 0), "features", True),
        ((0, 0, 1, 0), "learnt", True),
        ((0, 0, 0, 1), "score", False),
    ],
    ids=["error", "features", "learnt", "score"],
)
def test_updates_bring_each_part_where_it_is_to_go(
    weights: tuple[float, float, float, float],
    part: str,
    falls: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, weight in zip(("ERROR", "FEATURES", "LEARNT", "JUDGED"), weights, strict=True):
        monkeypatch.setattr(refining, name, weight)
    monkeypatch.setattr(refining, "JUDGE_RATE", 0.0)
    refiner, (batch, noise) = _refiner(), _batch()
    values = [refiner.update(batch, Dial(7), noise, 1e-3)[part] for _ in range(12)]
    assert (values[-1] < values[0]) is falls


def test_the_judge_learns_which_are_photos() -> None:
    refiner, (batch, noise) = _refiner(), _batch()
    before = [refiner.update(batch, Dial(7), noise, 0.0)["judge"] for _ in range(30)]
    assert before[-1] < before[0]
    with torch.no_grad():
        sr = enlarge(refiner.model, batch, Dial(7), noise, expert=False)
        real = refiner.judge(sr.wanted, _features(sr.wanted))
        fake = refiner.judge(sr.sr, _features(sr.sr))
    assert sum(float(r.mean() - f.mean()) for r, f in zip(real, fake, strict=True)) > 0


def test_what_is_judged_weighs_by_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    weights: list[float] = []

    def noted(error: Tensor, *seen: Any) -> Tensor:
        weights.append(seen[-1])
        return objective(error, *seen)

    monkeypatch.setattr(refining, "objective", noted)
    refiner, (batch, noise) = _refiner(), _batch()
    for start in (refiner.usual.start, refiner.usual.start + 1):
        refiner.update(batch, Dial(start), noise, 1e-3)
    assert weights == [1, pytest.approx(3**0.1)]


def test_the_parameters_come_back_when_writing_the_average_fails() -> None:
    refiner, (batch, noise) = _refiner(), _batch()
    refiner.update(batch, Dial(7), noise, 1e-3)
    own = [each.clone() for each in refiner.network.parameters()]
    with pytest.raises(OSError, match="full"), refiner.averaged():
        raise OSError("full")
    assert all(map(torch.equal, own, refiner.network.parameters()))


def test_a_number_format_is_that_of_the_networks_alone() -> None:
    seen: set[torch.dtype] = set()

    def noted(images: Tensor) -> list[Tensor]:
        features = [conv2d(images, torch.ones(4, 3, 3, 3))]
        seen.update(each.dtype for each in features)
        return features

    backbones = [Backbone(features=noted), Backbone(features=noted, weights=(torch.ones(4),))]
    config = replace(STAGE, precision="bf16")
    model = shaken_model(TINY_DISTILLED, 0.02)
    (features, _) = Refiner(model, backbones, config, growth=3.0).look(torch.ones(1, 3, 8, 8))
    assert seen == {torch.bfloat16}
    assert features[0].dtype == torch.float32


def test_a_format_that_is_not_resolved_is_refused() -> None:
    model = shaken_model(TINY_DISTILLED, 0.02)
    with pytest.raises(ConfigError, match="precision is 'auto'"):
        Refiner(model, BACKBONES, replace(STAGE, precision="auto"), growth=3.0)


def test_what_goes_on_from_a_state_is_what_was_not_stopped(tmp_path: Path) -> None:
    refiner, (batch, noise) = _refiner(), _batch()
    refiner.update(batch, Dial(7), noise, 1e-3)
    torch.save(refiner.state(), tmp_path / "state")
    other = _refiner()
    other.restore(torch.load(tmp_path / "state", weights_only=True))
    assert refiner.update(batch, Dial(6), noise, 1e-4) == other.update(batch, Dial(6), noise, 1e-4)
    pairs = zip(refiner.average, other.average, strict=True)
    assert all(torch.equal(first, second) for first, second in pairs)


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give a command of few steps on one picture, with pooling in the backbone's place."""
    photos = draw_photos(tmp_path / "photos", ["a.png"], (300, 300))
    model, out = tmp_path / "model.safetensors", tmp_path / "out.safetensors"
    save_weights(model, shaken_model(TINY_DISTILLED, 0.02), "test", torch.float32)
    monkeypatch.setattr(refine_distilled, "load_backbones", lambda: BACKBONES)
    small = ("--batch", "1", "--patch", str(SIDE))
    return ["x", str(model), str(out), "--data", str(photos), *small]


def test_the_command_goes_on_at_the_next_step(
    line: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    make = BatchSource.make

    def noted(source: BatchSource, step: int) -> list[Piece]:
        made.append(step)
        return make(source, step)

    monkeypatch.setattr(BatchSource, "make", noted)
    for more in (["--steps", "2"], ["--steps", "1", "--resume"]):
        monkeypatch.setattr(sys, "argv", line + more)
        refine_distilled.main()
    assert made == [0, 1, 2]
    before = shaken_model(TINY_DISTILLED, 0.02).state_dict()
    after = load_weights(tmp_path / "out.safetensors").model.state_dict()
    changed = {key for key in after if not torch.equal(after[key].half(), before[key].half())}
    assert changed
    assert all(key.startswith("distilled_denoise_fn.") for key in changed)


def test_the_command_takes_the_discriminators_of_another_run_and_the_rate_it_is_told(
    line: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, rates = _refiner(), []
    torch.save(other.state() | {"steps": 5}, tmp_path / "state")
    update = Refiner.update

    def noted(refiner: Refiner, *how: Any) -> dict[str, float]:
        pairs = zip(refiner.judge.parameters(), other.judge.parameters(), strict=True)
        assert all(torch.equal(own, theirs) for own, theirs in pairs)
        rates.append(refiner.config.learning_rate)
        return update(refiner, *how)

    monkeypatch.setattr(Refiner, "update", noted)
    how = ["--steps", "1", "--judge", str(tmp_path / "state"), "--learning-rate", "1e-5"]
    monkeypatch.setattr(sys, "argv", line + how)
    refine_distilled.main()
    assert rates == [1e-5]


def test_a_model_without_a_distilled_network_is_refused(
    line: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_weights(tmp_path / "model.safetensors", TINY)
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit, match="has no distilled network"):
        refine_distilled.main()
