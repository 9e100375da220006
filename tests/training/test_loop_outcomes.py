"""The loop: gradients that are not finite, number formats, pieces of a batch, and stopping."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Literal

import pytest
import torch
from torch import Tensor

from sam_diffsr_cli.errors import ConfigError, ResourceError
from sam_diffsr_cli.recipes.records import TrainConfig
from sam_diffsr_cli.training.engine import Engine, Share
from sam_diffsr_cli.training.loop import MAX_BAD_STEPS, TrainStep, train
from sam_diffsr_cli.training.state import TrainState
from tests.training import tiny
from tests.training.tiny import different, facts, photos, start, values

ENCODER = replace(tiny.ENCODER, precision="fp32")
DENOISER = replace(ENCODER, stage="diffusion")
STAGES = pytest.mark.parametrize("config", [ENCODER, DENOISER], ids=["encoder", "diffusion"])
POISONED = photos(is_poisoned=True)
Trainer = Callable[..., Iterator[TrainStep]]


def more(state: TrainState, steps: int) -> TrainState:
    """Let a run that is over go on."""
    state.config = replace(state.config, steps=state.step + steps)
    return state


# ------------------------------------------------------------------------ not finite gradients


def test_a_step_without_a_finite_gradient_changes_nothing_and_is_counted(
    steps_of: Trainer,
) -> None:
    state = start(replace(DENOISER, steps=4))
    list(steps_of(state))
    before, mean = values(state), state.mean_loss
    (step,) = steps_of(more(state, 1), POISONED)
    assert step.was_skipped
    assert step.step == state.step == 5
    assert not math.isfinite(step.gradient_norm)
    assert (state.skipped, state.mean_loss) == (1, mean)
    assert different(values(state), before) == []


def test_the_mean_loss_told_of_a_skipped_step_is_that_before(steps_of: Trainer) -> None:
    state = start(replace(DENOISER, steps=2))
    list(steps_of(state))
    (step,) = steps_of(more(state, 1), POISONED)
    assert step.mean_loss == state.mean_loss
    assert math.isfinite(step.mean_loss)


def test_training_goes_on_after_a_skipped_step(steps_of: Trainer) -> None:
    state = start(replace(DENOISER, steps=1))
    list(steps_of(state, POISONED))
    before = {name: p.detach().clone() for name, p in state.network.named_parameters()}
    (step,) = steps_of(more(state, 1))
    assert not step.was_skipped
    assert different(before, dict(state.network.named_parameters()))


def test_too_many_bad_steps_in_a_row_end_the_run(steps_of: Trainer) -> None:
    steps = steps_of(start(replace(DENOISER, steps=100)), POISONED)
    for _ in range(MAX_BAD_STEPS):
        assert next(steps).was_skipped
    with pytest.raises(ResourceError, match="not finite") as caught:
        next(steps)
    assert caught.value.hint


def test_bad_steps_between_good_ones_do_not_end_the_run(steps_of: Trainer) -> None:
    state = start(replace(DENOISER, steps=3 * MAX_BAD_STEPS, batch=1))
    steps = list(steps_of(state, [photos()[0], POISONED[1]]))
    assert state.skipped == sum(step.was_skipped for step in steps) > MAX_BAD_STEPS
    assert state.step == 3 * MAX_BAD_STEPS
    assert all(bool(torch.isfinite(p).all()) for p in state.network.parameters())


# ------------------------------------------------------------------------------ number formats


@STAGES
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_short_numbers_train_nearly_as_fp32_does(
    config: TrainConfig, precision: Literal["bf16", "fp16"], steps_of: Trainer
) -> None:
    exact, rounded = start(config), start(replace(config, precision=precision))
    expected = [step.loss for step in steps_of(exact)]
    steps = list(steps_of(rounded))
    assert [step.loss for step in steps] == pytest.approx(expected, rel=0.03)
    assert [step.loss for step in steps] != expected
    assert all(parameter.dtype == torch.float32 for parameter in rounded.network.parameters())
    assert rounded.skipped == 0


@STAGES
def test_fp16_reports_and_clips_the_gradient_without_its_scale(
    config: TrainConfig, steps_of: Trainer
) -> None:
    config = replace(config, steps=1, clip_norm=1e-2)
    (exact,) = steps_of(start(config))
    state = start(replace(config, precision="fp16"))
    (step,) = steps_of(state)
    assert step.gradient_norm == pytest.approx(exact.gradient_norm, rel=0.03)
    total = sum(
        float(p.grad.square().sum()) for p in state.network.parameters() if p.grad is not None
    )
    assert math.sqrt(total) == pytest.approx(1e-2, rel=1e-3)


def test_fp16_halves_the_scale_of_the_loss_after_a_skipped_step(steps_of: Trainer) -> None:
    state = start(replace(DENOISER, precision="fp16", steps=3))
    before = state.scaler.get_scale()
    steps = list(steps_of(state, POISONED))
    assert all(step.was_skipped for step in steps)
    assert state.scaler.get_scale() == before / 2**3


def test_fp16_keeps_the_scale_of_the_loss_after_good_steps(steps_of: Trainer) -> None:
    state = start(replace(DENOISER, precision="fp16", steps=3))
    before = state.scaler.get_scale()
    list(steps_of(state))
    assert state.scaler.get_scale() == before


def test_fp16_finds_a_scale_by_itself(steps_of: Trainer) -> None:
    """One that is far too large overflows until it is not."""
    state = start(replace(DENOISER, precision="fp16", steps=15))
    state.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**32)
    steps = list(steps_of(state))
    assert steps[0].was_skipped
    assert not steps[-1].was_skipped


# -------------------------------------------------------------------------- pieces of a batch


def gradients_of_steps(steps: Iterator[TrainStep], state: TrainState) -> list[dict[str, Tensor]]:
    return [
        {n: p.grad.clone() for n, p in state.network.named_parameters() if p.grad is not None}
        for _ in steps
    ]


@STAGES
@pytest.mark.parametrize("accumulate", [2, 4])
def test_a_batch_in_pieces_trains_as_a_whole_one(
    config: TrainConfig, accumulate: int, steps_of: Trainer
) -> None:
    # A rate at which the rounding of the smallest gradients, which Adam divides by their own
    # size, stays below the tolerance.
    config = replace(config, learning_rate=1e-4, clip_norm=0.0)
    whole, divided = start(config), start(replace(config, accumulate=accumulate))
    expected = gradients_of_steps(steps_of(whole), whole)
    for one, other in zip(gradients_of_steps(steps_of(divided), divided), expected, strict=True):
        tiny.assert_near(one, other)
    tiny.assert_near(values(divided), values(whole))


def test_a_batch_in_pieces_reports_the_numbers_of_the_whole(steps_of: Trainer) -> None:
    expected = list(steps_of(start(DENOISER)))
    steps = list(steps_of(start(replace(DENOISER, accumulate=4))))
    for name in ("loss", "gradient_norm"):
        found = [getattr(step, name) for step in steps]
        assert found == pytest.approx([getattr(step, name) for step in expected], rel=1e-4)


def test_a_piece_that_is_not_finite_skips_the_whole_step(steps_of: Trainer) -> None:
    state = start(replace(DENOISER, steps=12, accumulate=4))
    fresh = values(state)
    steps = list(steps_of(state, [photos()[0], POISONED[1]]))
    assert any(step.was_skipped for step in steps)
    assert fresh.keys() <= values(state).keys()
    assert all(bool(torch.isfinite(tensor).all()) for tensor in values(state).values())


def test_a_batch_that_cannot_be_shared_out_is_refused_before_the_first_step(
    engine: Engine,
) -> None:
    state = start(DENOISER)
    with pytest.raises(ConfigError, match="batch is 4"):
        next(train(state, tiny.source(DENOISER, Share(0, 3, 1)), engine))
    assert state.step == 0


# --------------------------------------------------------------------------- stopping, memory


def test_a_stop_is_told_by_the_step_at_which_it_was_asked(steps_of: Trainer) -> None:
    asked = iter([False, False, True, False])
    steps = steps_of(start(replace(ENCODER, steps=4)), stop=lambda: next(asked))
    assert [step.stops for step in steps] == [False, False, True, False]


def test_a_loop_that_is_left_and_entered_again_goes_on_where_it_was(steps_of: Trainer) -> None:
    whole, broken = start(DENOISER), start(DENOISER)
    expected = facts(steps_of(whole))
    steps = steps_of(broken, workers=2)
    before = facts(next(steps) for _ in range(3))
    steps.close()  # type: ignore[attr-defined]  # it is a generator
    assert before + facts(steps_of(broken)) == expected
    assert different(values(broken), values(whole)) == []


def test_memory_that_runs_out_is_told_with_the_way_out(
    steps_of: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    state = start(ENCODER)
    monkeypatch.setattr(state.model.rrdb, "forward", fail)
    with pytest.raises(ResourceError, match="out of memory") as caught:
        next(steps_of(state))
    assert "accumulate" in (caught.value.hint or "")
