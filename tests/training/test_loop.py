"""The loop: its rate, clipping, average, and what it does when a gradient is not finite."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from sam_diffsr_cli.config import (
    DiffusionConfig,
    EncoderConfig,
    ModelConfig,
    TrainConfig,
    UNetConfig,
)
from sam_diffsr_cli.data.crops import TrainingPhoto, draw_batch
from sam_diffsr_cli.device import derive_seed
from sam_diffsr_cli.errors import ConfigError, ResourceError
from sam_diffsr_cli.models.model import build_model
from sam_diffsr_cli.training.loop import (
    MAX_BAD_STEPS,
    TrainStep,
    check_patch,
    learning_rate,
    train,
)
from sam_diffsr_cli.training.objective import batch_loss, make_chain
from sam_diffsr_cli.training.state import TrainState, new_state

MODEL = ModelConfig(
    encoder=EncoderConfig(kind="residual", num_feat=8, num_block=2),
    unet=UNetConfig(kind="folded", widths=(8, 8)),
    diffusion=DiffusionConfig(
        base="encoder", residual_scale=4.0, sigma_data=0.33, sampling_steps=2, num_timesteps=10
    ),
)
ENCODER = TrainConfig(stage="encoder", steps=8, batch=2, patch=16, learning_rate=1e-3)
DENOISER = replace(ENCODER, stage="diffusion")
STAGES = pytest.mark.parametrize("config", [ENCODER, DENOISER], ids=["encoder", "diffusion"])
CPU = torch.device("cpu")


def photo(*, is_poisoned: bool = False) -> TrainingPhoto:
    """A photo of noise; the encoding of a poisoned one makes every gradient not a number."""
    pixels = torch.randint(
        256, (3, 60, 60), dtype=torch.uint8, generator=torch.Generator().manual_seed(4)
    )
    return TrainingPhoto("p", pixels, torch.full((1, 60, 60), math.nan) if is_poisoned else None)


def start(config: TrainConfig) -> TrainState:
    return new_state(build_model(MODEL, seed=1), config, CPU)


def run(state: TrainState, *, is_poisoned: bool = False) -> list[TrainStep]:
    return list(train(state, [photo(is_poisoned=is_poisoned)]))


def values(state: TrainState) -> dict[str, Tensor]:
    """Everything that a step may change, copied."""
    everything = {f"model.{name}": t for name, t in state.model.state_dict().items()}
    everything |= {f"ema.{name}": t for name, t in state.ema.items()}
    for name, parameter in state.network.named_parameters():
        for key, moment in state.optimizer.state[parameter].items():
            everything[f"adam.{name}.{key}"] = moment
    return {name: tensor.detach().clone() for name, tensor in everything.items()}


def assert_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


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


def test_a_step_uses_the_rate_of_its_number() -> None:
    state = start(replace(ENCODER, steps=4, warmup_steps=2))
    for step in train(state, [photo()]):
        (group,) = state.optimizer.param_groups
        assert group["lr"] == learning_rate(step.step - 1, state.config)


# -------------------------------------------------------------------------------------- patch


@pytest.mark.parametrize("patch", [16, 32, 96])
def test_a_patch_that_fits_is_taken(patch: int) -> None:
    check_patch(patch, scale=4, size_multiple=4)


@pytest.mark.parametrize("patch", [8, 20, 97])
def test_a_patch_that_does_not_fit_is_refused_with_what_does(patch: int) -> None:
    with pytest.raises(ConfigError, match=f"patch is {patch}, allowed: multiples of 16"):
        check_patch(patch, scale=4, size_multiple=4)


def test_training_refuses_a_patch_that_does_not_fit() -> None:
    state = start(replace(ENCODER, patch=20))
    with pytest.raises(ConfigError, match="patch is 20"):
        next(train(state, [photo()]))


# ------------------------------------------------------------------------------------- a step


def gradients(state: TrainState, step: int) -> list[Tensor]:
    """The gradient of one step, taken without the loop."""
    config = state.config
    seed = derive_seed(config.seed, config.stage, step)
    generator = torch.Generator().manual_seed(derive_seed(seed, "crops"))
    batch = draw_batch([photo()], config.batch, config.patch, MODEL.scale, generator)
    loss = batch_loss(state.model, batch, make_chain(state.model, config), config, seed)
    return list(torch.autograd.grad(loss, list(state.network.parameters())))


def global_norm(tensors: Sequence[Tensor]) -> float:
    return math.sqrt(sum(float(t.double().square().sum()) for t in tensors))


@STAGES
@pytest.mark.parametrize("clip_norm", [1e-4, 1e6], ids=["clipped", "free"])
def test_gradient_is_clipped_and_adam_steps_along_it(config: TrainConfig, clip_norm: float) -> None:
    """Two hand-made steps of Adam (Kingma and Ba 2015, algorithm 1) with the clipped gradient."""
    config = replace(config, clip_norm=clip_norm, steps=2, warmup_steps=0)
    by_hand, state = start(config), start(config)
    moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in by_hand.network.parameters()]
    for step in range(2):
        grads = gradients(by_hand, step)
        norm = global_norm(grads)
        shrink = min(1.0, clip_norm / norm)
        assert (shrink < 1) == (clip_norm < 1)
        with torch.no_grad():
            for i, parameter in enumerate(by_hand.network.parameters()):
                grad, (first, second) = grads[i] * shrink, moments[i]
                moments[i] = (0.9 * first + 0.1 * grad, 0.999 * second + 0.001 * grad**2)
                mean = moments[i][0] / (1 - 0.9 ** (step + 1))
                square = moments[i][1] / (1 - 0.999 ** (step + 1))
                parameter.sub_(learning_rate(step, config) * mean / (square.sqrt() + 1e-8))
    run(state)
    pairs = zip(state.network.parameters(), by_hand.network.parameters(), strict=True)
    for i, (parameter, expected) in enumerate(pairs):
        torch.testing.assert_close(parameter, expected, rtol=1e-4, atol=1e-6)
        first = state.optimizer.state[parameter]["exp_avg"]
        torch.testing.assert_close(first, moments[i][0], rtol=1e-3, atol=1e-9)


def test_the_gradient_reported_is_that_before_clipping() -> None:
    config = replace(DENOISER, clip_norm=1e-4, steps=1)
    expected = global_norm(gradients(start(config), 0))
    (step,) = run(start(config))
    assert step.gradient_norm == pytest.approx(expected, rel=1e-4)
    assert step.gradient_norm > config.clip_norm


@STAGES
def test_only_the_network_of_the_stage_is_changed(config: TrainConfig) -> None:
    state, fresh = start(config), build_model(MODEL, seed=1)
    run(state)
    trained, frozen = (
        ("rrdb", "denoise_fn") if config.stage == "encoder" else ("denoise_fn", "rrdb")
    )
    after = state.model.state_dict()
    changed = {name for name, t in fresh.state_dict().items() if not torch.equal(t, after[name])}
    assert any(name.startswith(trained) for name in changed)
    assert not any(name.startswith(frozen) for name in changed)


def test_training_makes_the_loss_smaller() -> None:
    """The encoder learns one flat photo, which bicubic renders too bright, within a few steps."""
    flat = TrainingPhoto("flat", torch.full((3, 40, 40), 200, dtype=torch.uint8))
    config = replace(ENCODER, steps=60, warmup_steps=0, learning_rate=1e-2, loss="l2")
    state = start(config)
    with torch.no_grad():
        state.model.rrdb.head.bias.fill_(-0.5)  # type: ignore[operator, union-attr]  # Module
    losses = [step.loss for step in train(state, [flat])]
    assert losses[-1] < 0.1 * losses[0]


def test_steps_are_numbered_from_one_to_the_last() -> None:
    state = start(ENCODER)
    assert [step.step for step in run(state)] == list(range(1, 9))
    assert state.step == 8


def test_a_finished_run_does_nothing_more() -> None:
    state = start(ENCODER)
    run(state)
    before = values(state)
    assert run(state) == []
    assert_equal(values(state), before)


def test_same_seed_gives_the_same_run() -> None:
    first, second = start(DENOISER), start(DENOISER)
    assert run(first) == run(second)
    assert_equal(values(first), values(second))


def test_other_seed_gives_another_run() -> None:
    one, other = (run(start(replace(DENOISER, seed=seed))) for seed in (1, 2))
    assert [step.loss for step in one] != [step.loss for step in other]


def test_mean_loss_begins_at_the_first_loss_and_follows_slowly() -> None:
    steps = run(start(DENOISER))
    mean = steps[0].loss
    for step in steps:
        mean = 0.99 * mean + 0.01 * step.loss
        assert step.mean_loss == pytest.approx(mean, rel=1e-9)


# ---------------------------------------------------------------------------------------- EMA


@pytest.mark.parametrize("ema_decay", [0.999, 0.2, 0.0], ids=str)
def test_ema_follows_its_formula(ema_decay: float) -> None:
    """ema <- d * ema + (1 - d) * parameter with d = min(ema_decay, (1 + i) / (10 + i))."""
    state = start(replace(ENCODER, ema_decay=ema_decay))
    expected = {name: p.detach().clone() for name, p in state.network.named_parameters()}
    for step in train(state, [photo()]):
        i = step.step - 1
        decay = min(ema_decay, (1 + i) / (10 + i))
        for name, parameter in state.network.named_parameters():
            expected[name] = decay * expected[name] + (1 - decay) * parameter.detach()
            torch.testing.assert_close(
                state.ema[name].detach(), expected[name], rtol=1e-5, atol=1e-8
            )


def test_ema_is_not_the_network_itself() -> None:
    state = start(ENCODER)
    run(state)
    parameters = dict(state.network.named_parameters())
    assert any(not torch.equal(state.ema[name], parameters[name]) for name in parameters)


def test_ema_keeps_no_history_of_the_steps() -> None:
    """Else memory grows with every step."""
    state = start(ENCODER)
    run(state)
    assert [name for name, average in state.ema.items() if average.requires_grad] == []


# ------------------------------------------------------------------------ not finite gradients


def test_a_step_without_a_finite_gradient_changes_nothing_and_is_counted() -> None:
    state = start(replace(DENOISER, steps=4))
    run(state)
    state.config = replace(state.config, steps=5)
    before, mean = values(state), state.mean_loss
    (step,) = run(state, is_poisoned=True)
    assert step.was_skipped
    assert step.step == state.step == 5
    assert not math.isfinite(step.gradient_norm)
    assert state.mean_loss == mean
    assert_equal(values(state), before)


def test_training_goes_on_after_a_skipped_step() -> None:
    state = start(replace(DENOISER, steps=1))
    run(state, is_poisoned=True)
    state.config = replace(state.config, steps=2)
    before = values(state)
    (step,) = run(state)
    assert not step.was_skipped
    assert any(
        not torch.equal(before[name], value)
        for name, value in values(state).items()
        if name in before
    )


def test_too_many_bad_steps_in_a_row_end_the_run() -> None:
    state = start(replace(DENOISER, steps=100))
    steps = train(state, [photo(is_poisoned=True)])
    for _ in range(MAX_BAD_STEPS):
        assert next(steps).was_skipped
    with pytest.raises(ResourceError, match="not finite") as caught:
        next(steps)
    assert caught.value.hint


def test_bad_steps_between_good_ones_do_not_end_the_run() -> None:
    state = start(replace(DENOISER, steps=3 * MAX_BAD_STEPS, batch=1))
    steps = list(train(state, [photo(), photo(is_poisoned=True)]))
    assert sum(step.was_skipped for step in steps) > MAX_BAD_STEPS
    assert state.step == 3 * MAX_BAD_STEPS
    assert all(bool(torch.isfinite(p).all()) for p in state.network.parameters())
