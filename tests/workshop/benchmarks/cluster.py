"""A batch on a cluster that only pretends: how long it takes, and what is busy meanwhile."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from sam_diffsr_cli.batch.work import share_jobs
from tests.workshop.benchmarks.assumptions import Cluster
from tests.workshop.benchmarks.simulated_pool import JOB, SimulatedPool

__all__ = ["Run", "draw_sizes", "simulate"]


def draw_sizes(cluster: Cluster, count: int) -> list[float]:
    """Draw the megapixels of pictures, log-normal, whose mean is ``input_mp``."""
    rng, spread = random.Random(cluster.seed), cluster.spread  # noqa: S311 - no secret
    # Its mean is exp(spread**2 / 2).
    return [cluster.input_mp * rng.lognormvariate(-(spread**2) / 2, spread) for _ in range(count)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What came of a simulated batch.

    ``ends`` says when the driver was through with each picture, in order, and ``done`` which it
    was; ``failed`` are those that were given up. ``written`` counts also what was written twice,
    since its worker died before the driver heard of it. ``busy`` is each part's share of the time
    since the workers were ready; the one with the largest share bounds the rest.
    """

    start_s: float
    makespan_s: float
    ends: list[float]
    done: list[int]
    failed: int
    deaths: int
    written: int
    busy: dict[str, float]

    @property
    def bottleneck(self) -> str:
        """Name what is busiest."""
        return max(self.busy, key=lambda name: self.busy[name])

    def steady_rate(self) -> float:
        """Return pictures a second in the middle half of the run."""
        quarter = len(self.ends) // 4
        first, last = self.ends[quarter], self.ends[-quarter - 1]
        return (len(self.ends) - 1 - 2 * quarter) / (last - first)


def simulate(cluster: Cluster, sizes: Sequence[float]) -> Run:
    """Run a batch of pictures, given by their megapixels, on workers that pretend."""
    pool = SimulatedPool.start(cluster, sizes)
    ends: list[float] = []
    failed = 0
    for outcome in share_jobs([JOB] * len(sizes), pool):
        ends.append(pool.driver.free)
        failed += outcome.status == "failed"
    return Run(
        start_s=cluster.start_s,
        makespan_s=pool.driver.free,
        ends=ends,
        done=pool.heard,
        failed=failed,
        deaths=pool.deaths,
        written=pool.written,
        busy=pool.shares(pool.driver.free - cluster.start_s),
    )
