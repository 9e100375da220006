"""What a simulated batch is made of, and where each number comes from.

"Measured" is by ``tests.workshop.benchmarks.measure_workers`` on two cores; all else is an
assumption, to be replaced by what is known of a cluster. Each is an option of
``tests.workshop.benchmarks.simulate_cluster``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

__all__ = ["ENCODINGS", "Cluster", "Times"]

ENCODINGS: Mapping[str, tuple[float, float]] = {
    "png": (0.29, 1.02),
    "jpg": (0.0081, 0.28),
}
"""Seconds and MB for each megapixel that is written: measured, of the model's own results."""


def _given(default: float, what: str, origin: str) -> Any:
    return field(default=default, metadata={"what": what, "origin": origin})


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """Everything that decides how long a batch takes; megabytes and gigabytes are decimal."""

    gpus: int = _given(8, "GPUs", "the question")
    workers_per_gpu: int = _given(1, "workers that share a GPU", "what --gpus all starts")
    cores_per_gpu: int = _given(12, "processors for the workers of a GPU", "assumption")
    input_mp: float = _given(1.0, "mean megapixels of a picture", "the question")
    spread: float = _given(0.4, "deviation of the logarithm of the megapixels", "assumption")
    scale: float = _given(4.0, "times as high and wide", "the model's")
    input_mb: float = _given(0.47, "MB of an input megapixel", "333 JPEG photos")
    output_mb: float = _given(
        ENCODINGS["png"][1], "MB of an output megapixel", "measured, --format"
    )
    decode_s: float = _given(0.02, "s to decode an input megapixel", "measured")
    encode_s: float = _given(
        ENCODINGS["png"][0], "s to encode an output megapixel", "measured, --format"
    )
    cpu_s: float = _given(5.5, "s to enlarge, for an output megapixel, on two cores", "measured")
    gpu_speed: float = _given(
        100.0, "times as fast as two cores is a GPU", "assumption: no GPU was measured"
    )
    storage_gb_s: float = _given(10.0, "GB/s of the shared storage, both ways", "assumption")
    latency_ms: float = _given(1.0, "ms for a request to the storage", "assumption")
    read_requests: int = _given(3, "requests to read a picture", "counted in batch/stages.py")
    write_requests: int = _given(7, "requests to write a picture", "counted in atomic.py")
    plan_requests: int = _given(3, "requests to plan a picture", "counted by strace")
    plan_s: float = _given(1e-4, "s of the driver to plan a picture", "measured")
    driver_s: float = _given(1e-3, "s of the driver for each picture that is done", "measured")
    driver_worker_s: float = _given(1e-6, "and for each worker that it watches", "measured, Ray")
    start_s: float = _given(10.0, "s until a worker is ready", "measured")
    restart_s: float = _given(30.0, "s until a worker that died is replaced", "assumption")
    deaths_per_hour: float = _given(0.005, "deaths of a worker in an hour", "assumption")
    slow_share: float = _given(0.02, "share of the workers that are slow", "assumption")
    slowdown: float = _given(1.5, "times as long as others these take", "assumption")
    seed: int = _given(0, "seed of sizes, slow workers and deaths", "any")

    @property
    def workers(self) -> int:
        """How many processes there are."""
        return self.gpus * self.workers_per_gpu


@dataclass(frozen=True, kw_only=True, slots=True)
class Times:
    """Seconds that each stage takes for a megapixel of the input.

    Beside them those that a picture waits for the storage to answer, and that the driver takes.
    """

    fetch: float
    decode: float
    enlarge: float
    encode: float
    store: float
    fetch_wait: float
    store_wait: float
    driver: float

    @classmethod
    def of(cls, cluster: Cluster) -> Self:
        """Work them out."""
        area, gb_s, latency_s = cluster.scale**2, cluster.storage_gb_s, cluster.latency_ms / 1e3
        return cls(
            fetch=cluster.input_mb / (1e3 * gb_s),
            decode=cluster.decode_s,
            enlarge=area * cluster.cpu_s / cluster.gpu_speed,
            encode=area * cluster.encode_s,
            store=area * cluster.output_mb / (1e3 * gb_s),
            fetch_wait=cluster.read_requests * latency_s,
            store_wait=cluster.write_requests * latency_s,
            driver=cluster.driver_s + cluster.driver_worker_s * cluster.workers,
        )
