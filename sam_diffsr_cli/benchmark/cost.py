"""The work of a run, counted on tensors that have a shape but no contents."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from sam_diffsr_cli.choices import Precision
from sam_diffsr_cli.config import ModelConfig
from sam_diffsr_cli.device import number_format
from sam_diffsr_cli.diffusion.gaussian import p_mean
from sam_diffsr_cli.diffusion.schedule import make_schedule
from sam_diffsr_cli.networks.counting import WorkCounter
from sam_diffsr_cli.networks.model import build_model

__all__ = ["Cost", "count_cost"]


class Cost(NamedTuple):
    """FLOPs (2 per multiply-add), bytes read and written, and the most bytes held at a time."""

    flops: int
    moved: int
    held: int


def count_cost(
    config: ModelConfig, windows: Iterable[tuple[int, int]], steps: int, precision: Precision
) -> Cost:
    """Count a run over ``windows``, one after another.

    FLOPs are those of convolutions and products. Bytes are those of every tensor that an operation
    reads or writes, as if nothing was fused or cached; drawing noise and checks are left out.
    Weights are not in ``held``.

    Args:
        config: Of the model.
        windows: Height and width of each tile with its context, in input pixels that the model can
            take.
        steps: Of the diffusion.
        precision: Number format of convolutions.
    """
    flops = moved = held = 0
    for (height, width), count in Counter(windows).items():
        each = _count_window(config, (height, width), steps, precision)
        flops += count * each.flops
        moved += count * each.moved
        held = max(held, each.held)
    return Cost(flops, moved, held)


def _count_window(
    config: ModelConfig, size: tuple[int, int], steps: int, precision: Precision
) -> Cost:
    """Count the condition, and one step for all of them."""
    height, width = size
    with FakeTensorMode(), torch.inference_mode():
        model, schedule = build_model(config).eval(), make_schedule(config.diffusion)
        lr = torch.zeros(1, 3, height, width)
        x_t = torch.zeros(1, 3, config.scale * height, config.scale * width)
        t = torch.zeros(1, dtype=torch.int64)
        with WorkCounter() as counter, number_format(precision, torch.device("cpu")):
            # As what is timed: not by the experts for clean photos.
            levels = torch.ones(1, config.encoder.num_levels) if config.encoder.num_levels else None
            condition = model.condition(lr, levels, expert=False)
            flops, moved = counter.flops, counter.moved
            if steps:
                # Once for all steps, as a tile does.
                condition = model.prepare(condition)
                flops, moved = counter.flops, counter.moved
                p_mean(x_t, t, model.predict_eps(x_t, t, condition, schedule), schedule)
        step_flops = counter.flops - flops
        step_moved = counter.moved - moved
    return Cost(flops + steps * step_flops, moved + steps * step_moved, counter.most_held)
