"""One case measured, in this process: run, then counted."""

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from sam_diffsr_cli.benchmark.cost import Cost, count_cost
from sam_diffsr_cli.benchmark.memory import process_peak
from sam_diffsr_cli.benchmark.models import open_model
from sam_diffsr_cli.benchmark.records import BenchCase, BenchMeasurement, Effort, Work
from sam_diffsr_cli.benchmark.timing import Ran, Report, time_work
from sam_diffsr_cli.sampling_config import SamplingConfig
from sam_diffsr_cli.tiling import Tile, plan_tiles
from sam_diffsr_cli.upscaling.frames import UpscaleRun, enlarge_frame
from sam_diffsr_cli.upscaling.model import Upscaler
from sam_diffsr_cli.upscaling.tiles import context_margin

__all__ = ["measure_case", "step_seconds"]


@dataclass(frozen=True, slots=True)
class _Enlarging:
    """Enlarges noise with one model and tile, by the model's own scale."""

    upscaler: Upscaler
    tile: int

    def run(self, work: Work, report: Report) -> Ran:
        """Do ``work`` once."""
        marks: list[float] = []

        def mark(share: float) -> None:
            marks.append(time.perf_counter())
            report(share)

        levels = np.random.default_rng(0)
        pixels = levels.integers(256, size=(work.height, work.width, 3), dtype=np.uint8)
        sampling = SamplingConfig(steps=work.steps, tile=self.tile)
        scale = self.upscaler.config.scale
        run = UpscaleRun(upscaler=self.upscaler, sampling=sampling, scale=scale, progress=mark)
        began = time.perf_counter()
        enlarge_frame(run, pixels)
        return Ran(time.perf_counter() - began, step_seconds(marks, work.steps))

    def area(self, work: Work) -> int:
        """Return the input pixels that are computed."""
        return sum(tile.area for tile in self.plan(work))

    def plan(self, work: Work) -> list[Tile]:
        """Cut the picture as it is cut when it is run."""
        config = self.upscaler.config
        multiple = config.size_multiple
        height, width = (
            max(config.least_size, side + -side % multiple) for side in (work.height, work.width)
        )
        return plan_tiles((height, width), self.tile, context_margin(work.steps), multiple)

    def count(self, work: Work) -> Cost:
        """Count the work without doing it; what is held includes the result."""
        config = self.upscaler.config
        windows = ((r.last - r.first, c.last - c.first) for r, c in self.plan(work))
        cost = count_cost(config, windows, work.steps, self.upscaler.precision)
        result = 3 * config.scale**2 * work.height * work.width
        return cost._replace(held=cost.held + result)


def step_seconds(marks: Sequence[float], steps: int) -> float:
    """Return what a step takes over the whole picture, 0 where there is but one.

    Args:
        marks: When each step of each tile was done, in order. Before the first of a tile, its
            condition was computed too.
        steps: Of each tile.
    """
    if steps < 2:
        return 0.0
    gaps = (after - before for before, after in itertools.pairwise(marks))
    return sum(gap for place, gap in enumerate(gaps, 1) if place % steps) / (steps - 1)


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
    machine = _Enlarging(upscaler, case.tile)
    timing = time_work(machine, case.work, effort, report)
    # Before anything is counted, which takes memory too.
    memory = process_peak(device)
    cost = machine.count(case.work)
    if memory is not None and timing.piece is not None:
        memory += cost.held - machine.count(timing.piece).held
    return BenchMeasurement(
        seconds=timing.seconds,
        scaled_from=timing.piece,
        scale=upscaler.config.scale,
        flops=cost.flops,
        moved=cost.moved,
        memory=memory,
        memory_is_measured=timing.piece is None,
    )
