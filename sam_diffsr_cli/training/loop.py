"""The training loop, as a generator: the caller owns progress, saving and stopping."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from sam_diffsr_cli.data.loader import prefetch
from sam_diffsr_cli.device import memory_errors
from sam_diffsr_cli.errors import ResourceError
from sam_diffsr_cli.recipes.records import TrainConfig
from sam_diffsr_cli.training.batches import MEMORY_HINT, BatchSource, Piece
from sam_diffsr_cli.training.engine import Engine
from sam_diffsr_cli.training.objective import Objective
from sam_diffsr_cli.training.state import TrainState

__all__ = ["MAX_BAD_STEPS", "TrainStep", "learning_rate", "train"]

MAX_BAD_STEPS = 20
"""More steps than this in a row without a finite gradient end the run."""

MEAN_LOSS_STEPS = 100
"""The mean loss is that of all steps up to so many, and then follows by this share of a step."""


@dataclass(frozen=True, slots=True)
class TrainStep:
    """One step done.

    Attributes:
        step: Its number, from 1.
        loss: Mean over the whole batch.
        mean_loss: Running mean, over about the last hundred steps.
        learning_rate: Of this step.
        gradient_norm: Before clipping.
        was_skipped: The gradient was not finite and no parameter was changed.
        wait_s: Seconds spent waiting for the batch.
        stops: Some process was asked to stop; all of them are told at the same step.
    """

    step: int
    loss: float
    mean_loss: float
    learning_rate: float
    gradient_norm: float
    was_skipped: bool
    wait_s: float
    stops: bool


def learning_rate(step: int, config: TrainConfig) -> float:
    """Rate of step ``step``, from 0: a linear warm-up, then a cosine, or halving at intervals."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    if config.schedule == "halving":
        return config.learning_rate * 0.5 ** (step // config.halve_every)
    past = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    cosine = (1 + math.cos(math.pi * past)) / 2
    return config.learning_rate * (config.final_rate + (1 - config.final_rate) * cosine)


def _never() -> bool:
    return False


def train(
    state: TrainState,
    source: BatchSource,
    engine: Engine,
    *,
    workers: int = 0,
    stop: Callable[[], bool] = _never,
) -> Iterator[TrainStep]:
    """Train ``state`` in place until ``state.config.steps`` are done, yielding after each step.

    Step ``i`` sees the same crops, steps ``t`` and noise whatever went before, since all are drawn
    from (seed, stage, i). A step whose gradient is not finite changes nothing but, in fp16, the
    scale of the loss.

    Args:
        state: The run; may be saved between steps.
        source: Its batches.
        engine: Its processes, each with an equal ``state``.
        workers: Threads that prepare batches.
        stop: Asked at each step whether this process should stop.

    Yields:
        A record of each step.

    Raises:
        ConfigError: The batch cannot be shared out.
        ResourceError: The gradient stayed non-finite, or memory ran out.
    """
    config = state.config
    source.share.rows(config.batch)
    objective = engine.wrap(Objective(state.model, config))
    bad = 0
    waited = time.perf_counter()
    for pieces in prefetch(source.make, range(state.step, config.steps), workers):
        wait_s = time.perf_counter() - waited
        asked = stop()
        with memory_errors(MEMORY_HINT):
            loss = _backward(state, objective, pieces, engine)
            value, stops = engine.mean(torch.stack([loss, loss.new_tensor(float(asked))])).tolist()
            norm = _clip(state)
            is_bad = not (math.isfinite(norm) and math.isfinite(value))
            _step(state, is_bad=is_bad, loss=value)
        bad = bad + 1 if is_bad else 0
        if bad > MAX_BAD_STEPS:
            raise ResourceError(
                f"the gradient was not finite in {bad} steps in a row",
                hint="lower the learning rate or use --precision fp32; the last state is kept",
            )
        rate = learning_rate(state.step - 1, config)
        mean = value if state.mean_loss is None else state.mean_loss
        yield TrainStep(state.step, value, mean, rate, norm, is_bad, wait_s, stops > 0)
        waited = time.perf_counter()


def _backward(
    state: TrainState, objective: nn.Module, pieces: list[Piece], engine: Engine
) -> Tensor:
    """Leave the gradient of the whole batch in the parameters; return this process's loss."""
    state.optimizer.zero_grad(set_to_none=True)
    losses = []
    for number, piece in enumerate(pieces, start=1):
        is_last = number == len(pieces)
        batch, draws = piece.batch, piece.draws
        with contextlib.nullcontext() if is_last else engine.keep_local(objective):
            loss: Tensor = objective(batch, draws.steps, draws.noise)
            state.scaler.scale(loss / len(pieces)).backward()  # type: ignore[no-untyped-call]  # torch's stub
        losses.append(loss.detach())
    return torch.stack(losses).mean()


def _clip(state: TrainState) -> float:
    """Clip the gradient, the same on every process; return its norm before that."""
    state.scaler.unscale_(state.optimizer)
    most = state.config.clip_norm or math.inf
    return float(nn.utils.clip_grad_norm_(state.network.parameters(), most))


def _step(state: TrainState, *, is_bad: bool, loss: float) -> None:
    """Apply the gradient unless it is bad; the average follows, slowly only once it is warm."""
    config = state.config
    if is_bad:
        state.skipped += 1
    else:
        for group in state.optimizer.param_groups:
            group["lr"] = learning_rate(state.step, config)
        state.scaler.step(state.optimizer)
        decay = min(config.ema_decay, (1 + state.step) / (10 + state.step))
        averages, parameters = list(state.ema.values()), list(state.network.parameters())
        follow = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]  # torch's stub
        follow(averages, parameters, state.step)
        counted = min(state.step - state.skipped + 1, MEAN_LOSS_STEPS)
        last = loss if state.mean_loss is None else state.mean_loss
        state.mean_loss = last + (loss - last) / counted
    if state.scaler.is_enabled():
        state.scaler.update()
    state.step += 1
