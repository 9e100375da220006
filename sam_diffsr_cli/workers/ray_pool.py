"""Workers as Ray actors, on one machine or many that share a file system.

What workers load, such as weights, travels through Ray's object store, so that only items need the
shared disk.
"""

import os
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import ray
import torch
from ray.exceptions import RayError

from sam_diffsr_cli.errors import ResourceError, SamsrError
from sam_diffsr_cli.workers.messages import Done, Event, Idle, ItemResult, Lost, Refused, Task
from sam_diffsr_cli.workers.worker import MovableConfig, Worker

__all__ = ["RayPool", "RayWorker"]

Made = TypeVar("Made", bound=ItemResult)

PATIENCE_S = 60.0
"""For the files that are being written when all is stopped."""

START_PATIENCE_S = 300.0
"""For the first worker to start."""

POLL_S = 5.0
KNOCK_S = 10.0


class RayWorker:
    """What runs in an actor: it loads what it needs once."""

    def __init__(self) -> None:
        """Hold nothing yet: what goes wrong in here could not be told from a death."""
        self.worker: Worker[Any] | None = None
        self.is_stopped = False

    def start(
        self, config: MovableConfig[Any], content: bytes, device: str, threads: int
    ) -> SamsrError | None:
        """Load it, on the device that Ray has assigned; return what it refuses with."""
        if device == "cpu":
            torch.set_num_threads(threads)
        with tempfile.TemporaryDirectory(prefix="samsr-") as folder:
            try:
                self.worker = config.unpack(content, Path(folder)).start(torch.device(device))
            except SamsrError as error:
                return error
        return None

    def do(self, tasks: Sequence[Task[Any]]) -> Iterator[tuple[int, ItemResult]]:
        """Do tasks; stop after the item at hand when told to."""
        assert self.worker is not None  # noqa: S101 - tasks come after the start
        done = self.worker.do(tasks)
        try:
            for each in done:
                yield each
                if self.is_stopped:
                    break
        finally:
            done.close()
        yield from self.worker.late

    def stop(self) -> None:
        """Ask for an end; runs beside ``do``."""
        self.is_stopped = True


class RayPool(Generic[Made]):
    """So many actors of a cluster, which is found by its address or started on this machine."""

    def __init__(
        self,
        config: MovableConfig[Made],
        *,
        size: int | None,
        device: str,
        address: str | None,
    ) -> None:
        """Join the cluster and start the actors.

        Args:
            config: What to do.
            size: How many; None for one on each GPU of the cluster, or on each machine without.
            device: ``cpu`` to leave its GPUs alone, else ``auto``.
            address: Of the cluster; None for ``RAY_ADDRESS``, else a new one on this machine.

        Raises:
            ResourceError: The cluster cannot be reached.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            if address is not None:
                _knock(address)
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        except (OSError, RuntimeError, ValueError) as error:
            raise ResourceError(
                f"no Ray cluster at {address or 'RAY_ADDRESS'} ({error})",
                hint="start one with: ray start --head; its token, if any, is RAY_AUTH_TOKEN",
            ) from error
        total = ray.cluster_resources()
        gpus = 0 if device == "cpu" else int(total.get("GPU", 0))
        machines = sum(name.startswith("node:") and not name.endswith("__") for name in total)
        self.size = size or gpus or max(1, machines)
        self._config, self._device = config, "cuda" if gpus else "cpu"
        self.names: Sequence[str] = (f"Ray, {self._device}",) * self.size
        self._cpus = 1 if gpus else max(1, int(total.get("CPU", 1)) // self.size)
        self._gpus = min(1.0, gpus / self.size) if gpus else 0.0
        self._content = ray.put(config.pack())
        self._actors: list[Any] = [None] * self.size
        self._watched: list[Any] = [None] * self.size
        self._is_starting = [True] * self.size
        self._told: tuple[int, Any] | None = None
        self._began, self._has_started = time.monotonic(), False
        self._head = str(ray.get_runtime_context().gcs_address)
        self._is_gone = False
        for worker in range(self.size):
            self.restart(worker)

    def restart(self, worker: int) -> None:
        """Start an actor where there is none.

        Raises:
            ResourceError: The cluster's head is gone.
        """
        self._check_head()
        # Two at a time, so that it can be told to stop while it works.
        actor_class: Any = ray.remote(RayWorker)
        actor = actor_class.options(
            num_cpus=self._cpus, num_gpus=self._gpus, max_concurrency=2
        ).remote()
        self._actors[worker] = actor
        self._is_starting[worker] = True
        self._watched[worker] = actor.start.remote(
            self._config, self._content, self._device, self._cpus
        )

    def give(self, worker: int, tasks: Sequence[Task[Any]]) -> None:
        """Hand tasks to an idle worker."""
        streamed = self._actors[worker].do.options(num_returns="streaming")
        self._watched[worker] = streamed.remote(
            [replace(task, item=task.item.absolute()) for task in tasks]
        )

    def wait(self) -> Event[Made]:
        """Wait for the next thing that happens.

        Raises:
            ResourceError: The cluster has no room for a single worker, or its head is gone.
        """
        while True:
            watched = [each for each in self._watched if each is not None]
            ready, _ = ray.wait(watched, num_returns=1, timeout=POLL_S)
            if ready:
                worker = next(n for n, each in enumerate(self._watched) if each is ready[0])
                return self._receive(worker)
            self._check_head()
            if not self._has_started and time.monotonic() - self._began > START_PATIENCE_S:
                raise ResourceError(
                    f"no worker could start in {START_PATIENCE_S:.0f} s",
                    hint=f"each needs {self._cpus} CPUs and {self._gpus:g} GPUs: see ray status",
                )

    def _check_head(self) -> None:
        """See that the head is there: Ray itself ends the process a minute after it is not."""
        try:
            _knock(self._head)
        except OSError as error:
            self._is_gone = True
            raise ResourceError(
                f"the Ray cluster at {self._head} is gone",
                hint="what is written is whole; --manifest or --on-exists skip goes on from it",
            ) from error

    def _receive(self, worker: int) -> Event[Made]:
        watched = self._watched[worker]
        try:
            if self._is_starting[worker]:
                refused = ray.get(watched)
                self._watched[worker], self._is_starting[worker] = None, False
                self._has_started = True
                return Idle(worker) if refused is None else Refused(worker, refused)
            made = next(watched)
            # Kept: a signal may come before the caller has taken note of it.
            self._told = worker, made
            return Done(worker, *ray.get(made))
        except StopIteration:
            self._watched[worker] = None
            return Idle(worker)
        except RayError as error:
            self._watched[worker] = self._actors[worker] = None
            return Lost(worker, _reason(error))

    def close(self) -> list[Done[Made]]:
        """Stop all; files that are being written are finished, and told.

        The item that was told last is told again, as that may have been cut off.
        """
        if self._is_gone:
            return []
        busy = [n for n in range(self.size) if self._watched[n] is not None]
        late: list[Done[Made]] = []
        if self._told is not None:
            worker, made = self._told
            with suppress(RayError):
                late.append(Done(worker, *ray.get(made)))
        for worker in busy:
            if not self._is_starting[worker]:
                self._actors[worker].stop.remote()
        until = time.monotonic() + PATIENCE_S
        while any(self._is_draining(worker) for worker in busy) and time.monotonic() < until:
            event = self._drain(until)
            if isinstance(event, Done):
                late.append(event)
        ray.shutdown()
        return late

    def _is_draining(self, worker: int) -> bool:
        return self._watched[worker] is not None and not self._is_starting[worker]

    def _drain(self, until: float) -> Event[Made] | None:
        workers = [n for n in range(self.size) if self._is_draining(n)]
        watched = [self._watched[n] for n in workers]
        ready, _ = ray.wait(watched, timeout=max(0.0, until - time.monotonic()))
        if not ready:
            return None
        return self._receive(next(n for n in workers if self._watched[n] is ready[0]))


def _knock(address: str) -> None:
    """Find out whether anything listens there, for which Ray would take minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError("expected host:port")
    socket.create_connection((host, int(port)), KNOCK_S).close()


def _reason(error: RayError) -> str:
    """Say in one line what Ray says in many."""
    first = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first}"[:200]
