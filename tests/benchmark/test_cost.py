"""Counted work against sums by hand, PyTorch's own count of a real run, and known figures."""

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from sam_diffsr_cli.benchmark.cost import Cost, count_cost
from sam_diffsr_cli.config import LITE, PAPER, ModelConfig
from sam_diffsr_cli.networks.model import build_model
from sam_diffsr_cli.sampling_config import SamplingConfig
from sam_diffsr_cli.upscaling.frames import UpscaleRun, enlarge_frame
from sam_diffsr_cli.upscaling.model import Upscaler
from tests.helpers import TINY, TINY_FULL

SIDE = 64
AREA = SIDE * SIDE

# Multiply-adds of TINY for an input pixel, layer by layer: inputs * outputs * 3 * 3.
ENCODER = 9 * (3 * 8 + 2 * 2 * 8 * 8 + 8 * 8 + 8 * 48)
LEVEL = 9 * 2 * 2 * 8 * 8
PROJECTIONS = 8 * 8 + 16 * 8
UNET = 9 * (96 * 8 + 8 * 48 + 8 * 8) + PROJECTIONS + 2 * LEVEL + (9 * 8 * 8 + LEVEL) // 4
# Of these, what is computed once for all steps: of the base and of the features.
PREPARED = 9 * 48 * 8 + 8 * 8
# And of a step, whatever the picture: the embedding, and what it shifts in six blocks.
EMBEDDING = 8 * 32 + 32 * 8 + 6 * 8 * 16


def tflop_per_megapixel(config: ModelConfig, steps: int) -> float:
    cost = count_cost(config, [(SIDE, SIDE)], steps, "fp32")
    return cost.flops / 1e12 / (AREA * config.scale**2 / 1e6)


def test_flops_without_steps_are_those_summed_by_hand() -> None:
    assert count_cost(TINY, [(SIDE, SIDE)], 0, "fp32").flops == 2 * AREA * ENCODER


def test_flops_of_each_step_are_those_summed_by_hand() -> None:
    still, three = (count_cost(TINY, [(SIDE, SIDE)], n, "fp32").flops for n in (0, 3))
    step = AREA * (UNET - PREPARED) + EMBEDDING
    assert three - still == 2 * (AREA * PREPARED + 3 * step)


@pytest.mark.parametrize(
    ("config", "steps", "known"),
    [(LITE, 6, 1.14), (LITE, 0, 0.11), (PAPER, 0, 1.70)],
    ids=["lite", "lite-still", "paper-encoder"],
)
def test_work_of_the_presets_is_what_is_known(
    config: ModelConfig, steps: int, known: float
) -> None:
    assert tflop_per_megapixel(config, steps) == pytest.approx(known, rel=0.02)


@pytest.mark.slow
def test_a_step_of_the_paper_is_what_is_known() -> None:
    step = tflop_per_megapixel(PAPER, 1) - tflop_per_megapixel(PAPER, 0)
    assert step == pytest.approx(1.50, rel=0.02)


@pytest.mark.parametrize("config", [TINY, TINY_FULL], ids=["folded", "full"])
@pytest.mark.parametrize("steps", [0, 2])
def test_flops_are_those_of_a_real_run(config: ModelConfig, steps: int) -> None:
    upscaler = Upscaler(model=build_model(config).eval(), device=torch.device("cpu"))
    run = UpscaleRun(upscaler=upscaler, sampling=SamplingConfig(steps=steps, tile=0), scale=4)
    with FlopCounterMode(display=False) as counter:
        enlarge_frame(run, np.zeros((24, 16, 3), np.uint8))
    assert count_cost(config, [(24, 16)], steps, "fp32").flops == counter.get_total_flops()


@pytest.mark.slow
def test_windows_add_up_but_for_what_is_held() -> None:
    one, other = (count_cost(TINY, [size], 2, "fp32") for size in ((16, 16), (32, 16)))
    both = count_cost(TINY, [(16, 16), (32, 16), (16, 16)], 2, "fp32")
    assert both == Cost(2 * one.flops + other.flops, 2 * one.moved + other.moved, other.held)


@pytest.mark.slow
def test_flops_are_the_same_in_every_number_format() -> None:
    assert len({count_cost(TINY, [(16, 16)], 1, p).flops for p in ("fp32", "bf16", "fp16")}) == 1


@pytest.mark.slow
def test_short_numbers_move_and_hold_fewer_bytes() -> None:
    long, short = (count_cost(LITE, [(SIDE, SIDE)], 6, p) for p in ("fp32", "bf16"))
    assert 0.5 * long.moved < short.moved < 0.8 * long.moved
    assert 0.5 * long.held < short.held < 0.8 * long.held


def test_a_large_picture_is_counted_without_its_memory() -> None:
    cost = count_cost(LITE, [(8192, 8192)], 6, "fp32")
    assert cost.flops / 1e12 / (8192**2 * 16 / 1e6) == pytest.approx(1.14, rel=0.02)
    assert cost.held > 2**37
