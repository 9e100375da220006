"""Distillation: the rows of both chains, and that the target leads where the teacher went."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sam_diffsr_cli.chain_config import DiffusionConfig
from sam_diffsr_cli.config import LITE, distilled
from sam_diffsr_cli.diffusion.distillation import (
    distillation_plan,
    distillation_target,
    teacher_timesteps,
)
from sam_diffsr_cli.diffusion.schedule import make_schedule, respace
from sam_diffsr_cli.errors import ShapeError
from sam_diffsr_cli.sampling import reverse_process

CHAIN = distilled(LITE).diffusion


@given(rows=st.sets(st.integers(0, 99), min_size=1), calls=st.integers(1, 6))
def test_a_teacher_meets_every_row_of_its_student(rows: set[int], calls: int) -> None:
    student = torch.tensor(sorted(rows))
    teacher = teacher_timesteps(student, calls).tolist()
    assert teacher == sorted(set(teacher))
    assert rows <= set(teacher)
    for before, row in pairwise([-1, *sorted(rows)]):
        within = [t for t in teacher if before < t <= row]
        assert len(within) == min(calls, row - before)


def test_one_call_for_each_step_is_the_chain_itself() -> None:
    rows = torch.tensor([5, 22, 50])
    assert torch.equal(teacher_timesteps(rows, 1), rows)
    assert teacher_timesteps(rows, 3).tolist() == [1, 3, 5, 11, 16, 22, 31, 41, 50]


@pytest.mark.parametrize("start", [0, 36, 50, 80])
def test_a_plan_starts_both_at_one_row_and_strength(start: int) -> None:
    plan = distillation_plan(CHAIN, 3, start)
    teacher, student = plan.teacher.timesteps, plan.student.timesteps
    assert int(teacher[-1]) == int(student[-1]) == (start or 99)
    assert torch.equal(teacher[torch.tensor(plan.shared)], student)
    noise = float(plan.teacher.sqrt_one_minus_alphas_cumprod[-1])
    assert plan.deviation == (noise if start else 1.0)


def test_the_target_leads_one_step_of_ddim_to_where_the_teacher_went() -> None:
    schedule = respace(make_schedule(DiffusionConfig()), torch.tensor([5, 22, 50]))
    generator = torch.Generator().manual_seed(0)
    residual = (0.2 * torch.randn(1, 3, 4, 4, generator=generator)).double()
    noise = torch.randn(1, 3, 4, 4, generator=generator).double()
    path = [
        schedule.sqrt_alphas_cumprod[t] * residual
        + schedule.sqrt_one_minus_alphas_cumprod[t] * noise
        for t in range(3)
    ]
    # Somewhere near a path of its own, as another network would go.
    ends = [residual * 0.9, *(x + 0.01 for x in path[:2])]

    def student(x_t: Tensor, t: Tensor) -> Tensor:
        torch.testing.assert_close(x_t, ([*ends[1:], path[2]])[int(t)])
        return distillation_target(x_t, ends[int(t)], t, schedule)

    steps = list(reverse_process(student, path[2], schedule, lambda _: noise, "distilled"))
    for step in steps:
        torch.testing.assert_close(step.x, ends[step.t], rtol=0, atol=1e-12)


def test_the_target_asks_for_no_residual_beyond_what_is_kept() -> None:
    schedule = respace(make_schedule(DiffusionConfig()), torch.tensor([5, 50]))
    t, x_t = torch.tensor([0]), torch.full((1, 3, 2, 2), 0.1)
    target = distillation_target(x_t, torch.full_like(x_t, 3.0), t, schedule)
    signal, noise = schedule.sqrt_alphas_cumprod[0], schedule.sqrt_one_minus_alphas_cumprod[0]
    torch.testing.assert_close((x_t - noise * target) / signal, torch.ones_like(x_t))


def test_shapes_must_agree() -> None:
    schedule = make_schedule(DiffusionConfig())
    with pytest.raises(ShapeError, match="x_t and x_s"):
        distillation_target(
            torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 5), torch.tensor([3]), schedule
        )


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
@pytest.mark.parametrize("highest", [0, 60, 80])
def test_no_row_stands_for_two_steps_of_the_distilled_network(steps: int, highest: int) -> None:
    chain = DiffusionConfig(
        highest_start=highest, distilled_steps=steps, sampling_spacing="quadratic"
    )
    place: dict[int, int] = {}
    for start in range(chain.least_distilled_start, chain.last_start + 1):
        for step, row in enumerate(distillation_plan(chain, 1, start).student.timesteps.tolist()):
            assert place.setdefault(row, step) == step
