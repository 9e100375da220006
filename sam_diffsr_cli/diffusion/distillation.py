"""Progressive distillation (Salimans and Ho 2022): few steps that land where many would.

The teacher goes down a path of many deterministic steps. The student is to cover several of them
at once by a single step of DDIM; this file decides the rows of both, and what the student should
answer for that.
"""

import functools
from typing import NamedTuple

import torch
from torch import Tensor

from sam_diffsr_cli.chain_config import DiffusionConfig
from sam_diffsr_cli.diffusion.gaussian import require_same_shape
from sam_diffsr_cli.diffusion.schedule import (
    Schedule,
    extract,
    make_schedule,
    respace,
    sampling_timesteps,
)
from sam_diffsr_cli.diffusion.solvers import Solver, make_solver

__all__ = ["DistillationPlan", "distillation_plan", "distillation_target", "teacher_timesteps"]


class DistillationPlan(NamedTuple):
    """One chain for both.

    ``student`` and ``teacher`` are their chains, respaced, and ``solver`` the teacher's way down.
    ``shared`` says of each row of the student at which row of the teacher it lies. ``deviation`` is
    that of the noise they start from.
    """

    student: Schedule
    teacher: Schedule
    solver: Solver
    shared: tuple[int, ...]
    deviation: float


@functools.cache
def distillation_plan(config: DiffusionConfig, calls: int, start: int = 0) -> DistillationPlan:
    """Plan the chains that start at one row.

    Args:
        config: The trained chain; its ``distilled_steps`` is not 0.
        calls: Of the teacher for each step of the student, at least 1.
        start: Row that both start at; 0 for the last.

    Returns:
        The plan, on the CPU.
    """
    rows = sampling_timesteps(
        config.num_timesteps, config.distilled_steps, config.sampling_spacing, start
    )
    finer = teacher_timesteps(rows, calls)
    whole = make_schedule(config)
    teacher = respace(whole, finer)
    shared = torch.searchsorted(finer, rows)
    deviation = float(teacher.sqrt_one_minus_alphas_cumprod[-1]) if start else 1.0
    solver = make_solver(teacher, "dpmpp_2m")
    places = tuple(shared.tolist())
    return DistillationPlan(respace(whole, rows), teacher, solver, places, deviation)


def teacher_timesteps(rows: Tensor, calls: int) -> Tensor:
    """Divide each step of a chain into ``calls`` of about equal length.

    Args:
        rows: ``(S,)`` int64, strictly rising.
        calls: At least 1. A step over fewer rows than that is divided into all of them.

    Returns:
        ``(S', )`` int64, strictly rising, S' <= S * calls, with every one of ``rows``.
    """
    ends = torch.cat([rows.new_full((1,), -1), rows])
    shares = torch.arange(1, calls + 1, dtype=torch.float64) / calls
    finer = ends[:-1, None] + (ends.diff()[:, None] * shares).round().to(torch.int64)
    # Some steps are over fewer rows than calls.
    within: Tensor = finer[finer > ends[:-1, None]].unique()  # type: ignore[no-untyped-call]
    return within


def distillation_target(x_t: Tensor, x_s: Tensor, t: Tensor, schedule: Schedule) -> Tensor:
    """Return the noise whose prediction makes one step of DDIM lead from ``x_t`` to ``x_s``.

    x_start = (x_s - (n_s / n_t) x_t) / (a_s - (n_s / n_t) a_t), a = sqrt(alphas_cumprod),
    n = sqrt(1 - alphas_cumprod), s the row below t (Salimans and Ho 2022, algorithm 2); clipped to
    [-1, 1] as at inference; and the noise is (x_t - a_t x_start) / n_t.

    Args:
        x_t: Where the step starts, ``(B, 3, H, W)``.
        x_s: Where it should end, same shape.
        t: Row of each item in ``schedule``, ``(B,)``, int64 on the CPU; s is t - 1, and below row 0
            there is no noise.
        schedule: The student's chain.

    Returns:
        ``eps``, same shape.

    Raises:
        ShapeError: ``x_t`` and ``x_s`` differ in shape.
    """
    require_same_shape(x_t, x_s, "x_t and x_s")
    signal = extract(schedule.sqrt_alphas_cumprod, t, x_t)
    noise = extract(schedule.sqrt_one_minus_alphas_cumprod, t, x_t)
    signal_s = extract(schedule.alphas_cumprod_prev.sqrt(), t, x_t)
    kept = extract((1 - schedule.alphas_cumprod_prev).sqrt(), t, x_t) / noise
    x_start = ((x_s - kept * x_t) / (signal_s - kept * signal)).clamp(-1, 1)
    return (x_t - signal * x_start) / noise
