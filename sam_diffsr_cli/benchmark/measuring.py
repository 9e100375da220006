"""One case measured, in this process: run, then counted."""

import torch

from sam_diffsr_cli.benchmark.cost import Cost, count_cost
from sam_diffsr_cli.benchmark.memory import process_peak
from sam_diffsr_cli.benchmark.models import open_model
from sam_diffsr_cli.benchmark.records import BenchCase, BenchMeasurement, Effort
from sam_diffsr_cli.benchmark.timing import time_work
from sam_diffsr_cli.upscaling.speed import Enlarging, Report, Work

__all__ = ["measure_case"]


def _count(runner: Enlarging, work: Work) -> Cost:
    """Count the work without doing it; what is held includes the result."""
    config = runner.upscaler.config
    windows = ((r.last - r.first, c.last - c.first) for r, c in runner.plan(work))
    cost = count_cost(config, windows, work.steps, runner.upscaler.precision)
    result = 3 * config.scale**2 * work.height * work.width
    return cost._replace(held=cost.held + result)


def measure_case(case: BenchCase, effort: Effort, report: Report) -> BenchMeasurement:
    """Load the model, time the case, and count it.

    In a process of its own, so that its memory is not hidden by that of another case.

    Args:
        case: What to measure.
        effort: How often, and for how long at most.
        report: Told the share that is done.

    Raises:
        InputError: The device is not there, or there are too many steps.
        ResourceError: Memory ran out.
        WeightsError: The model cannot be used.
    """
    device = torch.device(case.device)
    upscaler = open_model(case.model, device, case.precision)
    runner = Enlarging(upscaler, case.tile)
    timing = time_work(runner, case.work, effort, report)
    # Before anything is counted, which takes memory too.
    memory = process_peak(device)
    cost = _count(runner, case.work)
    if memory is not None and timing.piece is not None:
        memory += cost.held - _count(runner, timing.piece).held
    return BenchMeasurement(
        seconds=timing.seconds,
        scaled_from=timing.piece,
        scale=upscaler.config.scale,
        flops=cost.flops,
        moved=cost.moved,
        memory=memory,
        memory_is_measured=timing.piece is None,
    )
