"""The tables of the ablation; its networks are trained by hand."""

from typing import Any

import pytest

from tests.workshop.benchmarks.ablate_noise import Found, differences, table


def means(psnr_y: float) -> dict[str, Any]:
    return {"Set5": {"psnr_y": psnr_y, "lpips": 0.25, "lr_psnr": 40.0}}


FOUND: Found = {
    ("none", 0): means(28.0),
    ("paper", 0): means(27.5),
    ("none", 1): means(30.0),
    ("paper", 1): means(29.3),
}


def test_means_have_standard_errors_over_the_seeds() -> None:
    rows = table(FOUND).splitlines()[2:]
    assert rows[0] == "| none | 29.000 \u00b1 1.000 / 0.2500 \u00b1 0.0000 / 40.00 \u00b1 0.00 |"
    assert rows[1].startswith("| paper | 28.400 \u00b1 0.900 /")


@pytest.mark.slow
def test_differences_are_from_the_first_and_paired_by_seed() -> None:
    (row,) = differences(FOUND).splitlines()[2:]
    assert row == "| paper | -0.600 \u00b1 0.100 / +0.0000 \u00b1 0.0000 / +0.00 \u00b1 0.00 |"
