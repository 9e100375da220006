"""The training loop, as a generator: the caller owns progress, saving and stopping."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from sam_diffsr_cli.config import TrainConfig
from sam_diffsr_cli.data.crops import Batch, TrainingPhoto, draw_batch
from sam_diffsr_cli.device import derive_seed, memory_errors
from sam_diffsr_cli.errors import ConfigError, ResourceError
from sam_diffsr_cli.training.objective import batch_loss, make_chain
from sam_diffsr_cli.training.state import TrainState

__all__ = ["TrainStep", "check_patch", "learning_rate", "train"]

MAX_BAD_STEPS = 20
"""More steps than this in a row without a finite loss and gradient end the run."""

MEAN_LOSS_DECAY = 0.99


@dataclass(frozen=True, slots=True)
class TrainStep:
    """One step done: its number from 1, its loss, the running mean, and the gradient's norm.

    ``was_skipped`` says that the gradient was not finite and no parameter was changed.
    """

    step: int
    loss: float
    mean_loss: float
    gradient_norm: float
    was_skipped: bool


def learning_rate(step: int, config: TrainConfig) -> float:
    """Rate of step ``step`` (from 0): linear warm-up, then a cosine down to ``final_rate``."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    past = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    cosine = (1 + math.cos(math.pi * past)) / 2
    return config.learning_rate * (config.final_rate + (1 - config.final_rate) * cosine)


def check_patch(patch: int, scale: int, size_multiple: int) -> None:
    """Refuse a patch that the networks cannot take.

    Raises:
        ConfigError: ``patch`` is not a multiple of ``scale * size_multiple``.
    """
    unit = scale * size_multiple
    if patch % unit:
        raise ConfigError(f"patch is {patch}, allowed: multiples of {unit}")


def _batch(state: TrainState, photos: Sequence[TrainingPhoto], seed: int) -> Batch:
    scale, config = state.model.config.scale, state.config
    generator = torch.Generator().manual_seed(seed)
    batch = draw_batch(photos, config.batch, config.patch, scale, generator)
    device = next(state.network.parameters()).device
    return Batch(*(tensor.to(device) for tensor in (batch.hr, batch.lr, batch.spe)))


def _update(state: TrainState, step: int) -> None:
    """Apply the clipped gradient and let the average follow, slowly only once it is warm."""
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(step, state.config)
    state.optimizer.step()
    decay = min(state.config.ema_decay, (1 + step) / (10 + step))
    with torch.no_grad():
        for average, parameter in zip(state.ema.values(), state.network.parameters(), strict=True):
            average.lerp_(parameter, 1 - decay)


def train(state: TrainState, photos: Sequence[TrainingPhoto]) -> Iterator[TrainStep]:
    """Train ``state`` in place until ``state.config.steps`` are done, yielding after each step.

    Step ``i`` sees the same crops, steps ``t`` and noise whatever went before, since all are drawn
    from (seed, stage, i). A step whose gradient is not finite changes nothing.

    Args:
        state: The run; may be saved between steps.
        photos: Decoded training photos.

    Yields:
        A record of each step.

    Raises:
        ConfigError: The patch does not fit the networks.
        ResourceError: The gradient stayed non-finite, or memory ran out.
    """
    model_config, config = state.model.config, state.config
    check_patch(config.patch, model_config.scale, model_config.size_multiple)
    chain = make_chain(state.model, config)
    parameters = list(state.network.parameters())
    bad = 0
    while state.step < config.steps:
        seed = derive_seed(config.seed, config.stage, state.step)
        batch = _batch(state, photos, derive_seed(seed, "crops"))
        state.optimizer.zero_grad(set_to_none=True)
        with memory_errors("use a smaller --batch or --patch"):
            loss = batch_loss(state.model, batch, chain, config, seed)
            loss.backward()  # type: ignore[no-untyped-call]  # torch's stub
        norm = float(torch.nn.utils.clip_grad_norm_(parameters, config.clip_norm))
        value = float(loss.detach())
        is_bad = not (math.isfinite(norm) and math.isfinite(value))
        bad = bad + 1 if is_bad else 0
        if bad > MAX_BAD_STEPS:
            raise ResourceError(
                f"the gradient was not finite in {bad} steps in a row",
                hint="lower --learning-rate or use --precision fp32",
            )
        if not is_bad:
            _update(state, state.step)
            last = value if state.mean_loss is None else state.mean_loss
            state.mean_loss = MEAN_LOSS_DECAY * last + (1 - MEAN_LOSS_DECAY) * value
        state.step += 1
        yield TrainStep(state.step, value, state.mean_loss or value, norm, is_bad)
