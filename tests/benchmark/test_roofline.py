"""The verdict on made-up numbers: 100 GFLOP/s of products, 10 GB/s of copies."""

import pytest

from sam_diffsr_cli.benchmark.roofline import judge
from tests.benchmark.samples import PEAKS


@pytest.mark.parametrize(
    ("flops", "moved", "seconds", "text"),
    [
        (61e9, 1e9, 1.0, "compute-bound, 61 % of peak"),
        (10e9, 7e9, 1.0, "memory-bound, 70 % of bandwidth"),
        (10e9, 2e9, 1.0, "overhead-bound, 20 % of the roof"),
        (20e9, 1e9, 1.0, "overhead-bound, 20 % of the roof"),
        (50e9, 5e9, 1.0, "compute-bound, 50 % of peak"),
        (100e9, 1e9, 10.0, "overhead-bound, 10 % of the roof"),
        (10e9, 12e9, 1.0, "memory-bound, 120 % of bandwidth"),
        (25e9, 1e9, 1.0, "compute-bound, 25 % of peak"),
    ],
    ids=["compute", "memory", "idle-memory", "idle", "ridge", "slow", "cached", "least"],
)
def test_the_verdict_names_what_binds_and_its_share(
    flops: float, moved: float, seconds: float, text: str
) -> None:
    assert str(judge(flops, moved, seconds, PEAKS)) == text


def test_the_share_is_a_fraction() -> None:
    verdict = judge(61e9, 1e9, 1.0, PEAKS)
    assert verdict.bound == "compute"
    assert verdict.share == pytest.approx(0.61)
