"""Several workers for one batch: which devices they are on, and what each of them did."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sam_diffsr_cli.batch.crew import Crew
    from sam_diffsr_cli.batch.orders import Order
    from sam_diffsr_cli.batch.pipeline import Outcome

__all__ = ["CrewPlan", "open_crew", "plan_crew", "tell_workers", "worker_devices"]

Engine = Literal["local", "ray"]


@dataclass(frozen=True, slots=True)
class CrewPlan:
    """Which workers there are to be.

    On this machine one for each of ``devices``; with Ray ``size`` on the one kind of device, or as
    many as its cluster has GPUs or machines.
    """

    engine: Engine
    devices: tuple[str, ...] = ()
    size: int | None = None
    address: str | None = None

    @property
    def sharing(self) -> int:
        """How many share the memory of one device; Ray counts on each of its machines."""
        if self.engine == "ray":
            return self.size or 1
        return max(map(self.devices.count, self.devices))


def plan_crew(
    workers: int | None, gpus: str | None, device: str, engine: tuple[Engine, str | None]
) -> CrewPlan | None:
    """Read the options; None where the process is to do the work itself.

    Args:
        workers: How many.
        gpus: ``all``, or numbers with commas.
        device: What ``--device`` was given.
        engine: Its name, and Ray's address.

    Raises:
        InputError: The options exclude each other, a GPU is not there, or Ray is not installed.
    """
    from importlib.util import find_spec

    from sam_diffsr_cli.errors import InputError

    name, address = engine
    if name == "local":
        if address is not None:
            raise InputError("--ray-address needs --engine ray")
        devices = worker_devices(workers, gpus, device)
        return CrewPlan("local", tuple(devices)) if devices else None
    if gpus is not None or device not in {"auto", "cpu"}:
        raise InputError(
            "--engine ray excludes --gpus, and --device but for cpu",
            hint="its workers take the GPUs that the cluster has",
        )
    if find_spec("ray") is None:
        raise InputError("--engine ray needs Ray", hint="install it: pip install 'samsr[ray]'")
    return CrewPlan("ray", (device,), size=workers, address=address)


def open_crew(plan: CrewPlan, order: "Order") -> "Crew":
    """Start the workers.

    Raises:
        ResourceError: The cluster cannot be reached.
    """
    if plan.engine == "local":
        from sam_diffsr_cli.batch.processes import LocalCrew

        return LocalCrew(order, plan.devices)
    from sam_diffsr_cli.batch.ray_crew import RayCrew

    return RayCrew(order, size=plan.size, device=plan.devices[0], address=plan.address)


def worker_devices(workers: int | None, gpus: str | None, device: str) -> "list[str]":
    """Name a device for each worker; empty where the process does the work itself.

    Args:
        workers: How many; None leaves it to ``gpus``.
        gpus: ``all``, or numbers with commas; None for the one device.
        device: What ``--device`` was given.

    Raises:
        InputError: The options exclude each other, or a GPU is not there.
    """
    from sam_diffsr_cli.device import resolve_device
    from sam_diffsr_cli.errors import InputError

    if gpus is None:
        place = str(resolve_device(device))
        return [place] * workers if workers is not None and workers > 1 else []
    if device not in {"auto", "cuda"}:
        raise InputError(f"--gpus and --device {device} exclude each other")
    numbers = _numbers(gpus)
    each, rest = divmod(workers or len(numbers), len(numbers))
    if rest or not each:
        raise InputError(
            f"--workers {workers}: not a multiple of the {len(numbers)} GPUs",
            hint="each GPU gets as many",
        )
    return [f"cuda:{number}" for number in numbers] * each


def _numbers(gpus: str) -> list[int]:
    """Read the GPUs' numbers, and check that they are there."""
    import torch

    from sam_diffsr_cli.errors import InputError

    count = torch.cuda.device_count()
    if not count:
        raise InputError("--gpus: no CUDA device here", hint="samsr doctor tells why")
    if gpus == "all":
        return list(range(count))
    parts = gpus.split(",")
    if not all(part.isdecimal() for part in parts):
        raise InputError(f"--gpus {gpus}: expected all, or numbers such as 0,1")
    numbers = list(dict.fromkeys(map(int, parts)))
    if max(numbers) >= count:
        raise InputError(f"--gpus {gpus}: the GPUs here are 0 to {count - 1}")
    return numbers


def tell_workers(outcomes: "Sequence[Outcome]", names: "Sequence[str]") -> list[str]:
    """Say for each worker what it did, and how fast, while it had something to do."""
    lines = []
    for worker, device in enumerate(names):
        own = [outcome for outcome in outcomes if outcome.worker == worker]
        done = [outcome for outcome in own if outcome.size_out is not None]
        pixels = sum(o.frames * o.size_out[0] * o.size_out[1] for o in done if o.size_out)
        seconds = sum(outcome.enlarge_s for outcome in own)
        speed = f", {seconds / pixels * 1e6:.2f} s/MP" if pixels else ""
        failed = sum(outcome.status == "failed" for outcome in own)
        bad = f", {failed} failed" if failed else ""
        noun = "picture" if len(own) == 1 else "pictures"
        lines.append(
            f"worker {worker} on {device}: {len(own)} {noun}, "
            f"{pixels / 1e6:.1f} megapixels{speed}{bad}"
        )
    return lines
