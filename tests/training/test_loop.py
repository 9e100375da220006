"""The loop: its rate, its step by hand, its average."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from sam_diffsr_cli.config import ModelConfig
from sam_diffsr_cli.data.crops import TrainingPhoto
from sam_diffsr_cli.networks.model import build_model
from sam_diffsr_cli.recipes.records import TrainConfig
from sam_diffsr_cli.training import loop
from sam_diffsr_cli.training.loop import TrainStep, learning_rate
from sam_diffsr_cli.training.objective import Objective
from sam_diffsr_cli.training.state import TrainState
from tests.helpers import TINY
from tests.training import tiny
from tests.training.tiny import FULL_MODEL, different, facts, start, values

ENCODER = replace(tiny.ENCODER, steps=8, batch=2, precision="fp32")
DENOISER = replace(ENCODER, stage="diffusion")
STAGES = pytest.mark.parametrize("config", [ENCODER, DENOISER], ids=["encoder", "diffusion"])
Trainer = Callable[..., Iterator[TrainStep]]

# ------------------------------------------------------------------------------ learning rate

RATED = TrainConfig(stage="encoder", steps=100, warmup_steps=20, learning_rate=2e-3, final_rate=0.1)


def test_rate_rises_evenly_to_the_peak_during_warm_up() -> None:
    rates = [learning_rate(step, RATED) for step in range(20)]
    assert rates == pytest.approx([2e-3 * k / 20 for k in range(1, 21)], rel=1e-12)


def test_rate_is_highest_right_after_warm_up() -> None:
    assert learning_rate(20, RATED) == RATED.learning_rate
    assert max(learning_rate(step, RATED) for step in range(100)) == RATED.learning_rate


def test_rate_falls_at_every_step_after_the_peak() -> None:
    rates = [learning_rate(step, RATED) for step in range(20, 101)]
    assert all(later < earlier for earlier, later in pairwise(rates))


def test_rate_is_the_mean_of_peak_and_end_half_way() -> None:
    assert learning_rate(60, RATED) == pytest.approx(2e-3 * (1 + 0.1) / 2, rel=1e-12)


def test_rate_ends_at_its_final_share() -> None:
    assert learning_rate(100, RATED) == pytest.approx(2e-4, rel=1e-12)
    assert learning_rate(99, RATED) == pytest.approx(2e-4, rel=0.01)


def test_rate_begins_at_the_peak_without_warm_up() -> None:
    assert learning_rate(0, replace(RATED, warmup_steps=0)) == RATED.learning_rate


def test_rate_of_a_run_shorter_than_its_warm_up_keeps_rising() -> None:
    config = replace(RATED, steps=10)
    assert learning_rate(9, config) == pytest.approx(2e-3 * 10 / 20, rel=1e-12)


def test_halving_rate_is_halved_at_each_interval() -> None:
    config = replace(RATED, schedule="halving", halve_every=30, warmup_steps=0)
    rates = [learning_rate(step, config) for step in range(100)]
    assert rates == [2e-3] * 30 + [1e-3] * 30 + [5e-4] * 30 + [2.5e-4] * 10


def test_halving_rate_warms_up_too() -> None:
    config = replace(RATED, schedule="halving", halve_every=30)
    assert learning_rate(0, config) == pytest.approx(2e-3 / 20, rel=1e-12)
    assert learning_rate(29, config) == 2e-3
    assert learning_rate(30, config) == 1e-3


def test_a_step_uses_the_rate_of_its_number(steps_of: Trainer) -> None:
    state = start(replace(ENCODER, steps=4, warmup_steps=2))
    for step in steps_of(state):
        (group,) = state.optimizer.param_groups
        assert group["lr"] == learning_rate(step.step - 1, state.config) == step.learning_rate


# ------------------------------------------------------------------------------------- a step


def gradients(state: TrainState, step: int) -> list[Tensor]:
    """The gradient of one step, taken without the loop."""
    (piece,) = tiny.source(state.config).make(step)
    batch, draws = piece.batch, piece.draws
    objective = Objective(state.model, state.config)
    loss = objective(batch, draws.steps, draws.noise)
    return list(torch.autograd.grad(loss, list(state.network.parameters())))


def global_norm(tensors: Sequence[Tensor]) -> float:
    return math.sqrt(sum(float(t.double().square().sum()) for t in tensors))


@STAGES
@pytest.mark.parametrize("clip_norm", [1e-4, 1e6, 0.0], ids=["clipped", "free", "never"])
def test_gradient_is_clipped_and_adam_steps_along_it(
    config: TrainConfig, clip_norm: float, steps_of: Trainer
) -> None:
    """Two hand-made steps of Adam (Kingma and Ba 2015, algorithm 1) with the clipped gradient."""
    config = replace(config, clip_norm=clip_norm, steps=2, warmup_steps=0)
    by_hand, state = start(config), start(config)
    moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in by_hand.network.parameters()]
    for step in range(2):
        grads = gradients(by_hand, step)
        norm = global_norm(grads)
        shrink = min(1.0, clip_norm / norm) if clip_norm else 1.0
        assert (shrink < 1) == (0 < clip_norm < 1)
        with torch.no_grad():
            for i, parameter in enumerate(by_hand.network.parameters()):
                grad, (first, second) = grads[i] * shrink, moments[i]
                moments[i] = (0.9 * first + 0.1 * grad, 0.999 * second + 0.001 * grad**2)
                mean = moments[i][0] / (1 - 0.9 ** (step + 1))
                square = moments[i][1] / (1 - 0.999 ** (step + 1))
                parameter.sub_(learning_rate(step, config) * mean / (square.sqrt() + 1e-8))
    list(steps_of(state))
    pairs = zip(state.network.parameters(), by_hand.network.parameters(), strict=True)
    for i, (parameter, expected) in enumerate(pairs):
        torch.testing.assert_close(parameter, expected, rtol=1e-4, atol=1e-6)
        first = state.optimizer.state[parameter]["exp_avg"]
        torch.testing.assert_close(first, moments[i][0], rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize("clip_norm", [1e-4, 0.0], ids=["clipped", "never"])
def test_the_gradient_reported_is_that_before_clipping(clip_norm: float, steps_of: Trainer) -> None:
    config = replace(DENOISER, clip_norm=clip_norm, steps=1)
    expected = global_norm(gradients(start(config), 0))
    (step,) = steps_of(start(config))
    assert step.gradient_norm == pytest.approx(expected, rel=1e-4)
    assert step.gradient_norm > config.clip_norm


def test_a_large_gradient_is_left_as_it_is_without_a_norm(steps_of: Trainer) -> None:
    state = start(replace(ENCODER, clip_norm=0.0, steps=1, loss="l2"))
    with torch.no_grad():
        state.model.rrdb.head.bias.fill_(-50)  # type: ignore[operator, union-attr]  # Module
    (step,) = steps_of(state)
    applied = [p.grad for p in state.network.parameters() if p.grad is not None]
    assert step.gradient_norm > 10
    assert global_norm(applied) == pytest.approx(step.gradient_norm, rel=1e-5)


@STAGES
@pytest.mark.parametrize("model", [TINY, FULL_MODEL], ids=["folded", "full"])
def test_only_the_network_of_the_stage_is_changed(
    config: TrainConfig, model: ModelConfig, steps_of: Trainer
) -> None:
    state, fresh = start(config, model), build_model(model, seed=1)
    list(steps_of(state))
    trained, frozen = (
        ("rrdb", "denoise_fn") if config.stage == "encoder" else ("denoise_fn", "rrdb")
    )
    after = state.model.state_dict()
    changed = {name for name, t in fresh.state_dict().items() if not torch.equal(t, after[name])}
    assert any(name.startswith(trained) for name in changed)
    assert not any(name.startswith(frozen) for name in changed)


def test_training_makes_the_loss_smaller(steps_of: Trainer) -> None:
    """The encoder learns one flat photo, which it first renders too dark, within a few steps."""
    flat = TrainingPhoto("flat", torch.full((3, 40, 40), 200, dtype=torch.uint8))
    config = replace(ENCODER, steps=60, warmup_steps=0, learning_rate=1e-2, loss="l2")
    state = start(config)
    with torch.no_grad():
        state.model.rrdb.head.bias.fill_(-0.5)  # type: ignore[operator, union-attr]  # Module
    losses = [step.loss for step in steps_of(state, [flat])]
    assert losses[-1] < 0.1 * losses[0]


def test_steps_are_numbered_from_one_to_the_last(steps_of: Trainer) -> None:
    state = start(ENCODER)
    assert [step.step for step in steps_of(state)] == list(range(1, 9))
    assert state.step == 8


def test_a_finished_run_does_nothing_more(steps_of: Trainer) -> None:
    state = start(ENCODER)
    list(steps_of(state))
    before = values(state)
    assert list(steps_of(state)) == []
    assert different(values(state), before) == []


def test_same_seed_gives_the_same_run(steps_of: Trainer) -> None:
    first, second = start(DENOISER), start(DENOISER)
    assert facts(steps_of(first)) == facts(steps_of(second))
    assert different(values(first), values(second)) == []


def test_other_seed_gives_another_run(steps_of: Trainer) -> None:
    one, other = (list(steps_of(start(replace(DENOISER, seed=seed)))) for seed in (1, 2))
    assert [step.loss for step in one] != [step.loss for step in other]


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_threads_that_prepare_batches_change_nothing(workers: int, steps_of: Trainer) -> None:
    alone, helped = start(DENOISER), start(DENOISER)
    assert facts(steps_of(helped, workers=workers)) == facts(steps_of(alone))
    assert different(values(helped), values(alone)) == []


def test_mean_loss_is_the_mean_of_all_steps_of_a_short_run(steps_of: Trainer) -> None:
    losses = []
    for step in steps_of(start(DENOISER)):
        losses.append(step.loss)
        assert step.mean_loss == pytest.approx(sum(losses) / len(losses), rel=1e-9)


def test_mean_loss_of_a_long_run_follows_slowly(
    steps_of: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "MEAN_LOSS_STEPS", 2)
    first, second, *rest = steps_of(start(DENOISER))
    mean = (first.loss + second.loss) / 2
    for step in rest:
        mean += (step.loss - mean) / 2
        assert step.mean_loss == pytest.approx(mean, rel=1e-9)


# ---------------------------------------------------------------------------------------- EMA


@pytest.mark.parametrize("ema_decay", [0.999, 0.2], ids=str)
def test_ema_follows_its_formula(ema_decay: float, steps_of: Trainer) -> None:
    """ema <- d * ema + (1 - d) * parameter with d = min(ema_decay, (1 + i) / (10 + i))."""
    state = start(replace(ENCODER, ema_decay=ema_decay))
    expected = {name: p.detach().clone() for name, p in state.network.named_parameters()}
    for step in steps_of(state):
        i = step.step - 1
        decay = min(ema_decay, (1 + i) / (10 + i))
        for name, parameter in state.network.named_parameters():
            expected[name] = decay * expected[name] + (1 - decay) * parameter.detach()
            torch.testing.assert_close(
                state.ema[name].detach(), expected[name], rtol=1e-5, atol=1e-8
            )


def test_ema_without_decay_is_the_last_parameters(steps_of: Trainer) -> None:
    state = start(replace(ENCODER, ema_decay=0.0))
    for _ in steps_of(state):
        assert different(dict(state.network.named_parameters()), state.ema) == []


def test_ema_is_not_the_network_itself(steps_of: Trainer) -> None:
    state = start(ENCODER)
    list(steps_of(state))
    assert different(dict(state.network.named_parameters()), state.ema)


def test_ema_keeps_no_history_of_the_steps(steps_of: Trainer) -> None:
    """Else memory grows with every step."""
    state = start(ENCODER)
    list(steps_of(state))
    assert [name for name, average in state.ema.items() if average.requires_grad] == []
