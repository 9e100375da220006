"""What is counted of single operations, by hand."""

import pytest
import torch

from sam_diffsr_cli.networks.counting import WorkCounter


def work_of(body: str) -> WorkCounter:
    """Follow a few operations on ``x``, 1000 numbers, and ``y``, the first 10 of them."""
    x = torch.ones(1000)
    with WorkCounter() as counter:
        exec(body, {"x": x, "y": x[:10], "torch": torch})  # noqa: S102 - our own text
    return counter


def test_a_product_takes_two_flops_for_each_of_its_multiplications() -> None:
    assert work_of("x.view(25, 40) @ x.view(40, 25)").flops == 2 * 25 * 40 * 25


@pytest.mark.parametrize(
    ("body", "moved"),
    [
        ("x.relu()", 2 * 4000),
        ("x + x", 3 * 4000),
        ("x.add_(1)", 2 * 4000),
        ("x.view(10, 100).transpose(0, 1)[3:]", 0),
        ("y.relu()", 2 * 40),
        ("torch.ones(1).expand(500).relu()", 4 + 4 + 2000),
        ("torch.cat([x, y])", 2 * 4040),
    ],
    ids=["one", "two", "in-place", "view", "part", "expanded", "cat"],
)
def test_bytes_are_those_that_an_operation_reads_and_writes(body: str, moved: int) -> None:
    assert work_of(body).moved == moved


def test_what_is_held_at_a_time_counts_what_is_freed_once() -> None:
    assert work_of("for _ in range(5): z = x.relu(); del z").most_held == 4000


def test_what_is_kept_adds_up() -> None:
    assert work_of("kept = [x.relu() for _ in range(5)]").most_held == 5 * 4000
