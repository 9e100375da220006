"""The simulated cluster against what can be known of it without one."""

import heapq
import itertools
import json
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sam_diffsr_cli.batch.pipeline import WRITERS, Outcome, Stages, Written, run_batch
from sam_diffsr_cli.batch.plan import Job
from sam_diffsr_cli.batch.sources import Source
from sam_diffsr_cli.pictures.records import Frame, Picture
from sam_diffsr_cli.workers import pool
from sam_diffsr_cli.workers.messages import Idle, Lost, Task
from sam_diffsr_cli.workers.pool import MOST_AT_ONCE, SHARE_AT_ONCE
from tests.workshop.benchmarks import simulated_pool
from tests.workshop.benchmarks.assumptions import Cluster
from tests.workshop.benchmarks.cluster import Run, draw_sizes, simulate
from tests.workshop.benchmarks.simulate_cluster import main, rate_alone
from tests.workshop.benchmarks.simulated_pool import JOB, SimulatedPool

STEADY = Cluster(
    gpus=1,
    spread=0.0,
    latency_ms=0.0,
    storage_gb_s=1e9,
    driver_s=0.0,
    driver_worker_s=0.0,
    start_s=0.0,
    restart_s=5.0,
    deaths_per_hour=0.0,
    slow_share=0.0,
    decode_s=0.1,
    cpu_s=100 / 16,
    encode_s=0.1 / 16,
)
"""A picture a second; nothing is shared, drawn or lost, and nothing else takes time."""

MIXED = replace(STEADY, spread=0.4, latency_ms=1.0, storage_gb_s=10.0, driver_s=1e-3)


def batch(cluster: Cluster, count: int) -> Run:
    return simulate(cluster, draw_sizes(cluster, count))


def rate(cluster: Cluster, count: int) -> float:
    return count / batch(cluster, count).makespan_s


def efficiency(cluster: Cluster, count: int) -> float:
    return rate(cluster, count) / (cluster.gpus * rate_alone(cluster))


def dispatches(left: int) -> list[int]:
    """Say how many pictures one worker is handed each time."""
    sizes = []
    while left:
        sizes.append(max(1, min(MOST_AT_ONCE, left // SHARE_AT_ONCE)))
        left -= sizes[-1]
    return sizes


@pytest.mark.parametrize("slowest", ["decode", "enlarge", "encode"])
def test_one_worker_takes_the_time_of_its_slowest_stage(
    slowest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulated_pool, "WRITERS", 1)
    stages = {"decode": 0.3, "enlarge": 0.2, "encode": 0.5} | {slowest: 2.0}
    cluster = replace(
        STEADY,
        start_s=7.0,
        decode_s=stages["decode"],
        cpu_s=stages["enlarge"] * STEADY.gpu_speed / 16,
        encode_s=stages["encode"] / 16,
    )
    # Each dispatch fills the pipeline and drains it; in between the slowest stage is never idle.
    expected = sum(sum(stages.values()) + (n - 1) * 2.0 for n in dispatches(100))
    assert batch(cluster, 100).makespan_s == pytest.approx(7.0 + expected, rel=1e-9)


def test_requests_are_waited_for_and_volume_takes_its_time() -> None:
    cluster = replace(
        STEADY, latency_ms=250.0, read_requests=2, write_requests=4, storage_gb_s=0.001
    )
    read_s = 0.1 + 2 * 0.25 + cluster.input_mb
    write_s = 0.1 + 4 * 0.25 + 16 * cluster.output_mb
    assert write_s > max(read_s, 1.0)
    # The storage serves one at a time, but with one picture there is nothing beside it.
    assert batch(cluster, 1).makespan_s == pytest.approx(read_s + 1.0 + write_s, rel=1e-6)


@pytest.mark.parametrize("storage_gb_s", [0.05, 10.0])
def test_twice_the_gpus_are_never_slower(storage_gb_s: float) -> None:
    cluster = replace(MIXED, storage_gb_s=storage_gb_s)
    rates = [rate(replace(cluster, gpus=gpus), 1500) for gpus in (1, 2, 4, 8, 16)]
    assert rates == sorted(rates)


def test_what_shares_nothing_scales() -> None:
    cluster = replace(STEADY, spread=0.4, gpus=16)
    few, many = efficiency(cluster, 16 * 20), efficiency(cluster, 16 * 300)
    assert few < many
    assert 0.97 < many <= 1.01


def test_storage_that_is_too_slow_is_named_and_sets_the_time() -> None:
    cluster = replace(MIXED, gpus=8, storage_gb_s=0.01)
    sizes = draw_sizes(cluster, 500)
    run = simulate(cluster, sizes)
    volume_mb = sum(sizes) * (cluster.input_mb + 16 * cluster.output_mb)
    assert run.bottleneck == "storage"
    assert run.busy["storage"] > 0.98
    assert run.makespan_s == pytest.approx(volume_mb / 10, rel=0.02)


def test_a_driver_that_is_too_slow_is_named_and_sets_the_time() -> None:
    run = batch(replace(MIXED, gpus=8, driver_s=0.2, driver_worker_s=0.1), 500)
    assert run.bottleneck == "driver"
    assert run.makespan_s == pytest.approx(500 * (0.2 + 8 * 0.1), rel=0.02)


def test_writers_that_are_too_slow_are_named_until_more_workers_share_the_gpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = replace(STEADY, gpus=2, cores_per_gpu=12 * WRITERS, encode_s=4 * WRITERS / 16)
    # So that no time is lost between dispatches.
    monkeypatch.setattr(pool, "MOST_AT_ONCE", 400)
    alone = batch(cluster, 800)
    shared = batch(replace(cluster, workers_per_gpu=12), 800)
    assert alone.bottleneck == "writers"
    assert alone.steady_rate() == pytest.approx(2 / 4, rel=0.1)
    assert shared.bottleneck == "GPU"
    assert shared.steady_rate() == pytest.approx(2.0, rel=0.03)


def test_too_few_cores_are_named_and_set_the_rate() -> None:
    cluster = replace(
        STEADY, gpus=2, workers_per_gpu=8, cores_per_gpu=2, decode_s=0.5, encode_s=3.5 / 16
    )
    run = batch(cluster, 400)
    assert run.bottleneck == "cores"
    assert run.steady_rate() == pytest.approx(2 * 2 / 4, rel=0.03)


def test_slow_workers_hold_up_no_more_than_their_own_share() -> None:
    even = batch(replace(MIXED, gpus=10), 2000).makespan_s
    uneven = batch(replace(MIXED, gpus=10, slow_share=0.2, slowdown=4.0), 2000).makespan_s
    # Eight whole workers and two quarters of one.
    assert uneven == pytest.approx(even * 10 / 8.5, rel=0.03)


def test_deaths_only_lengthen_a_batch() -> None:
    runs = [batch(replace(MIXED, gpus=8, deaths_per_hour=n), 1000) for n in (0, 20, 200)]
    assert [run.deaths > 0 for run in runs] == [False, True, True]
    times = [run.makespan_s for run in runs]
    assert times == sorted(times)
    assert times[0] < times[1] < times[2]


def test_each_death_costs_the_time_of_another_start() -> None:
    cluster = replace(MIXED, deaths_per_hour=40.0)
    runs = [batch(replace(cluster, restart_s=restart_s), 400) for restart_s in (10.0, 70.0)]
    assert runs[0].deaths == runs[1].deaths > 0
    lost_s = 60.0 * runs[0].deaths
    assert runs[1].makespan_s - runs[0].makespan_s == pytest.approx(lost_s, rel=1e-6)


def test_what_a_dead_worker_is_given_is_done_by_nobody() -> None:
    pool = SimulatedPool.start(STEADY, [1.0])
    assert pool.wait() == Idle(0)
    pool._die(0, 0.0)
    pool.give(0, [Task(0, JOB)])
    assert isinstance(pool.wait(), Lost)
    pool.restart(0)
    assert pool.wait() == Idle(0)
    assert pool.written == 0


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(1, 300),
    gpus=st.integers(1, 9),
    shared=st.integers(1, 3),
    deaths=st.sampled_from([0.0, 30.0, 1500.0]),
)
@example(seed=0, count=3, gpus=2, shared=2, deaths=1500.0)
def test_every_picture_is_done_once(
    seed: int, count: int, gpus: int, shared: int, deaths: float
) -> None:
    cluster = replace(
        MIXED, seed=seed, gpus=gpus, workers_per_gpu=shared, deaths_per_hour=deaths, slow_share=0.3
    )
    run = batch(cluster, count)
    assert len(set(run.done)) == len(run.done)
    assert len(run.done) + run.failed == count == len(run.ends)
    assert run.written >= len(run.done)
    if not deaths:
        assert sorted(run.done) == list(range(count))
        assert run.written == count
    assert run.ends == sorted(run.ends)
    assert all(0 <= share <= 1 + 1e-9 for share in run.busy.values())


def test_the_same_seed_gives_the_same_run_and_another_seed_another() -> None:
    cluster = replace(MIXED, gpus=4, deaths_per_hour=50.0, slow_share=0.3)
    assert batch(cluster, 300) == batch(cluster, 300)
    assert batch(cluster, 300) != batch(replace(cluster, seed=1), 300)


def test_sizes_have_the_mean_and_the_spread_that_were_asked_for() -> None:
    sizes = np.array(draw_sizes(replace(MIXED, input_mp=2.0, spread=0.5), 20_000))
    assert sizes.mean() == pytest.approx(2.0, rel=0.02)
    assert np.log(sizes).std() == pytest.approx(0.5, rel=0.02)


# ----------------------------------------------------------------------------- a real worker


FACTORS = (2.5, 0.4, 1.0, 0.4, 1.0, 0.4, 1.0, 0.3)
"""Pictures of a dispatch, as parts of the usual one."""


class VirtualClock:
    """A clock for threads that only sleep: it goes on when each of them sleeps or waits.

    So what is timed is the order of things alone, on a busy machine too. The system is asked what
    a thread does: one that could run, but has no processor, is not waiting.
    """

    CHECKS, PAUSE_S = 4, 0.001

    def __init__(self) -> None:
        self.now_s = 0.0
        self._sleepers: list[tuple[float, int, threading.Event]] = []
        self._lock, self._number = threading.Lock(), itertools.count()

    def sleep(self, seconds: float) -> None:
        woken = threading.Event()
        with self._lock:
            heapq.heappush(self._sleepers, (self.now_s + seconds, next(self._number), woken))
        woken.wait()

    def run(self, work: Callable[[], None]) -> float:
        """Do the work in a thread of its own; return how long it took."""
        began_s = self.now_s
        thread = threading.Thread(target=work)
        thread.start()
        while thread.is_alive():
            if not self._is_still():
                continue
            with self._lock:
                if self._sleepers:
                    self.now_s, _, woken = heapq.heappop(self._sleepers)
                    woken.set()
        return self.now_s - began_s

    def _is_still(self) -> bool:
        """Whether nothing went on, and no thread could have, at several looks in a row."""
        number = len(self._sleepers)
        for _ in range(self.CHECKS):
            # Meanwhile who waits for the interpreter gets it.
            time.sleep(self.PAUSE_S)
            if number != len(self._sleepers) or any(map(_is_running, _other_threads())):
                return False
        return True


def _other_threads() -> list[Path]:
    own = str(threading.get_native_id())
    return [task for task in Path("/proc/self/task").iterdir() if task.name != own]


def _is_running(task: Path) -> bool:
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0] in {"R", "D"}
    except OSError:
        # It has ended meanwhile.
        return False


def pipeline_s(stages_s: Sequence[float], side: int) -> float:
    """Time the pipeline itself, with stages that only sleep, on results that take no memory."""
    clock = VirtualClock()

    def wait(stage: int, job: Job) -> None:
        clock.sleep(stages_s[stage] * FACTORS[jobs.index(job)])

    def read(job: Job) -> Picture:
        wait(0, job)
        rows = round(side * FACTORS[jobs.index(job)])
        pixels = np.broadcast_to(np.uint8(0), (rows, side, 3))
        return Picture(format="PNG", frames=(Frame(pixels),))

    def enlarge(job: Job, picture: Picture, _notify: object) -> Picture:
        wait(1, job)
        return picture

    def write(job: Job, _picture: Picture) -> Written:
        wait(2, job)
        return Written((), job.target)

    jobs = [Job(Source(Path(str(n)), Path(str(n))), None) for n in range(len(FACTORS))]
    outcomes: list[Outcome] = []
    taken_s = clock.run(
        lambda: outcomes.extend(run_batch(jobs, Stages(read=read, enlarge=enlarge, write=write)))
    )
    assert len(outcomes) == len(jobs)
    return taken_s


def dispatch_s(stages_s: Sequence[float], side: int) -> float:
    """Simulate the same."""
    read_s, enlarge_s, write_s = stages_s
    size = side**2 / 16e6
    cluster = replace(
        STEADY,
        decode_s=read_s / size,
        cpu_s=enlarge_s / size * STEADY.gpu_speed / 16,
        encode_s=write_s / size / 16,
    )
    pool = SimulatedPool.start(cluster, [size * factor for factor in FACTORS])
    assert pool.wait() == Idle(0)
    pool.give(0, [Task(index, JOB) for index in range(len(FACTORS))])
    while not isinstance(pool.wait(), Idle):
        pass
    return pool.driver.free


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc what threads do")
@pytest.mark.parametrize(
    ("stages_s", "side"),
    [
        ((0.06, 0.02, 0.03), 4000),
        ((0.02, 0.06, 0.03), 4000),
        ((0.02, 0.03, 0.06), 4000),
        ((0.02, 0.05, 0.06), 7000),
        ((0.02, 0.05, 0.06), 10_000),
    ],
    ids=["read", "enlarge", "write", "the first must be written", "every large one must be"],
)
def test_a_dispatch_takes_as_long_as_in_the_real_pipeline(
    stages_s: tuple[float, float, float], side: int
) -> None:
    assert pipeline_s(stages_s, side) == pytest.approx(dispatch_s(stages_s, side), rel=0.001)


# ----------------------------------------------------------------------------- the command


def test_the_command_prints_a_table_and_writes_the_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sizing.json"
    given = ["--pictures", "400", "--gpus", "2,4", "--format", "jpg", "--json", str(path)]
    assert main([*given, "--gpu-speed", "50", "--seed", "3"]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    document = json.loads(path.read_text(encoding="utf-8"))
    assert [line.split("|")[1].strip() for line in lines] == ["GPUs", "---", "2", "4"]
    assert [row["gpus"] for row in document["rows"]] == [2, 4]
    assert document["cluster"]["gpu_speed"] == 50
    assert document["cluster"]["encode_s"] < Cluster().encode_s
    assert document["rows"][0]["hours"] > document["rows"][1]["hours"]
    assert "assumed, not measured" in captured.err
