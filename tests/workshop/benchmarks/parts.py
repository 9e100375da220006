"""What a batch is made of, measured part by part: files, planning, start-up, and the driver.

Seconds of the processor are told beside those of the clock: on a busy machine they change less.
"""

import asyncio
import contextlib
import io
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from sam_diffsr_cli.batch.estimate import estimate_work
from sam_diffsr_cli.batch.manifest import Manifest
from sam_diffsr_cli.batch.naming import name_jobs
from sam_diffsr_cli.batch.pipeline import Outcome
from sam_diffsr_cli.batch.plan import Job, Naming, ResumeState
from sam_diffsr_cli.batch.report import FailureLog
from sam_diffsr_cli.batch.sources import Source
from sam_diffsr_cli.batch.stages import BatchSettings
from sam_diffsr_cli.batch.work import EnlargeConfig, config_of, share_jobs
from sam_diffsr_cli.cli.batch import print_outcome
from sam_diffsr_cli.pictures.encoders import WriteOptions
from sam_diffsr_cli.pictures.formats import format_named
from sam_diffsr_cli.pictures.reading import read_picture
from sam_diffsr_cli.pictures.records import Limits
from sam_diffsr_cli.pictures.writing import encode_picture, prepare_metadata
from sam_diffsr_cli.sampling_config import SamplingConfig
from sam_diffsr_cli.upscaling.frames import UpscaleRun, enlarge_frame
from sam_diffsr_cli.upscaling.model import load_upscaler
from sam_diffsr_cli.upscaling.sizes import Size
from sam_diffsr_cli.workers.messages import Idle, Task, WorkerPool
from sam_diffsr_cli.workers.processes import LocalPool

__all__ = [
    "Cost",
    "load_order",
    "time_decoding",
    "time_driver",
    "time_encoding",
    "time_enlarging",
    "time_planning",
    "time_start",
]

IDLE_S = 3600.0
MEGA = 1e6


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """Seconds of the processor and of the clock for each of something, and its megabytes."""

    cpu_s: float
    wall_s: float
    mb: float = 0.0


class _Watch:
    """Adds up both kinds of seconds."""

    def __init__(self, cpu: Callable[[], float] = time.thread_time) -> None:
        self._cpu = cpu
        self.cpu_s = self.wall_s = 0.0

    @contextlib.contextmanager
    def run(self) -> Iterator[None]:
        cpu_s, wall_s = self._cpu(), time.perf_counter()
        yield
        self.cpu_s += self._cpu() - cpu_s
        self.wall_s += time.perf_counter() - wall_s

    def cost(self, units: float, size: float = 0.0) -> Cost:
        return Cost(cpu_s=self.cpu_s / units, wall_s=self.wall_s / units, mb=size / MEGA / units)


# ----------------------------------------------------------------------------- files


def time_decoding(paths: Sequence[Path]) -> Cost:
    """Read pictures as a batch does; for a megapixel."""
    watch, pixels, size = _Watch(), 0, 0
    for path in paths:
        with watch.run():
            picture = read_picture(path, Limits())
        pixels += picture.size[0] * picture.size[1]
        size += path.stat().st_size
    return watch.cost(pixels / MEGA, size)


def time_encoding(paths: Sequence[Path], name: str) -> Cost:
    """Write pictures in a format as a batch does, but into memory; for a megapixel."""
    watch, pixels, size, target = _Watch(), 0, 0, format_named(name)
    for path in paths:
        picture, file = read_picture(path, Limits()), io.BytesIO()
        with watch.run():
            metadata, _ = prepare_metadata(picture, target, "{}", strip=False)
            encode_picture(file, picture, target, metadata, WriteOptions())
        pixels += picture.size[0] * picture.size[1]
        size += file.tell()
    return watch.cost(pixels / MEGA, size)


def time_enlarging(paths: Sequence[Path], steps: int, folder: Path) -> Cost:
    """Enlarge pictures with the default model on one core; for an output megapixel."""
    watch, pixels, threads = _Watch(), 0, torch.get_num_threads()
    run = UpscaleRun(
        upscaler=load_upscaler(None, torch.device("cpu")),
        sampling=SamplingConfig(steps=steps, tile=0),
        scale=4.0,
        folder=folder,
    )
    torch.set_num_threads(1)
    for path in paths:
        frame = read_picture(path, Limits()).frames[0].pixels
        with watch.run():
            result = enlarge_frame(run, frame, None)
        pixels += result.shape[0] * result.shape[1]
    torch.set_num_threads(threads)
    return watch.cost(pixels / MEGA)


# ----------------------------------------------------------------------------- the driver


def time_planning(folder: Path, count: int) -> Cost:
    """Plan a batch of so many files that are no pictures, and note it; for one."""
    photos = folder / "planned"
    photos.mkdir()
    for number in range(count):
        (photos / f"{number:08}.jpg").touch()
    watch = _Watch()
    out = str(folder / "nowhere")
    with watch.run():
        _, jobs = name_jobs([str(photos)], out, Naming())
        estimate_work(jobs, Size(scale=4.0), Limits(), 4)
        with Manifest(folder / "planned.manifest", {}) as manifest:
            manifest.add_plan(jobs, ResumeState())
    return watch.cost(count)


class _IdleWorker:
    """Does every task at once."""

    late: Sequence[tuple[int, Outcome]] = ()

    def do(self, tasks: Sequence[Task[Job]]) -> Generator[tuple[int, Outcome], None, None]:
        for task in tasks:
            yield task.index, Outcome(task.item, size_in=(1000, 1000), size_out=(4000, 4000))


@dataclass(frozen=True, slots=True)
class _IdleOrder:
    def start(self, _device: torch.device) -> _IdleWorker:
        return _IdleWorker()


def time_driver(order: EnlargeConfig, engine: str, workers: int, count: int, watched: int) -> Cost:
    """Run a batch whose pictures take no time; seconds of the driver for each.

    Args:
        order: What workers are told, which they do not do.
        engine: ``local`` or ``ray``.
        workers: That answer.
        count: Of pictures.
        watched: Workers in all, with those that never answer; with Ray only.
    """
    with tempfile.TemporaryDirectory() as name:
        jobs = _pretended_jobs(Path(name), count)
        if engine == "local":
            pool: WorkerPool[Job, Outcome] = LocalPool(_IdleOrder(), ["cpu"] * workers)
            return _drive(jobs, pool, Path(name))
        from sam_diffsr_cli.workers import ray_pool

        with mock.patch.object(ray_pool, "RayWorker", _idle_hand()):
            pool = ray_pool.RayPool(order, size=workers, device="cpu", address=None)
            pool._watched += _pending(watched - workers)
            return _drive(jobs, pool, Path(name))


def _pretended_jobs(folder: Path, count: int) -> list[Job]:
    names = [folder / f"{number:08}.jpg" for number in range(count)]
    return [Job(Source(name, Path(name.name)), folder / "out" / name.name) for name in names]


def _drive(jobs: Sequence[Job], pool: WorkerPool[Job, Outcome], folder: Path) -> Cost:
    """Do what ``samsr upscale`` does with each outcome; the first ones are not counted."""
    watch = _Watch(time.process_time)
    with (
        Manifest(folder / "driven.manifest", {}) as manifest,
        (folder / "stdout").open("w", encoding="utf-8") as stdout,
        contextlib.redirect_stdout(stdout),
        contextlib.closing(share_jobs(jobs, pool)) as outcomes,
    ):
        first, log = len(jobs) // 10, FailureLog()
        for _ in range(first):
            next(outcomes)
        with watch.run():
            for outcome in outcomes:
                manifest.add(outcome)
                print_outcome(outcome, len(jobs), log, lists=True)
    return watch.cost(len(jobs) - first)


def _idle_hand() -> type:
    from sam_diffsr_cli.workers.ray_pool import RayWorker

    class IdleHand(RayWorker):
        def start(self, *_: Any) -> None:
            self.worker = _IdleWorker()

    return IdleHand


def _pending(count: int) -> list[Any]:
    """Return what Ray is to watch of so many workers that never answer."""
    import ray

    class Sleeper:
        async def drip(self) -> Any:
            await asyncio.sleep(IDLE_S)
            yield None

    actor_class: Any = ray.remote(Sleeper)
    sleeper = actor_class.options(num_cpus=0, max_concurrency=1000).remote()
    return [sleeper.drip.options(num_returns="streaming").remote() for _ in range(count)]


# ----------------------------------------------------------------------------- start-up


def load_order(model: str | None, out: Path) -> EnlargeConfig:
    """Tell workers to enlarge pictures into a folder with a model, on the CPU."""
    settings = BatchSettings(
        upscaler=load_upscaler(model, torch.device("cpu")),
        sampling=SamplingConfig(steps=0),
        size=Size(scale=4.0),
        naming=Naming(folder=out),
        limits=Limits(),
        options=WriteOptions(),
    )
    return config_of(settings)


def time_start(order: EnlargeConfig, engine: str) -> float:
    """Return the seconds until a worker has loaded the model; with Ray without its own start."""
    if engine == "local":
        began = time.monotonic()
        pool: WorkerPool[Job, Outcome] = LocalPool(order, ["cpu"])
    else:
        from sam_diffsr_cli.workers.ray_pool import RayPool

        pool = RayPool(order, size=1, device="cpu", address=None)
        began = pool._began
    with contextlib.closing(pool):
        event = pool.wait()
        assert isinstance(event, Idle), event
        return time.monotonic() - began
