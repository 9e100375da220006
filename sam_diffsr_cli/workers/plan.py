"""Which workers there are to be: how many, on which devices, of which kind."""

from dataclasses import dataclass
from importlib.util import find_spec

import torch

from sam_diffsr_cli.choices import Engine
from sam_diffsr_cli.device import resolve_device
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.packages import install_command
from sam_diffsr_cli.strict import parse_whole

__all__ = ["WorkerPlan", "plan_workers", "worker_devices"]


@dataclass(frozen=True, slots=True)
class WorkerPlan:
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


def plan_workers(
    workers: int | None, gpus: str | None, device: str, engine: Engine, address: str | None
) -> WorkerPlan | None:
    """Read the options; None where the process is to do the work itself.

    Args:
        workers: How many.
        gpus: ``all``, or numbers with commas.
        device: What ``--device`` was given.
        engine: Its name.
        address: Of a Ray cluster that runs already.

    Raises:
        InputError: The options exclude each other, a GPU is not there, or Ray is not installed.
    """
    if engine == "local":
        if address is not None:
            raise InputError("--ray-address needs --engine ray")
        devices = worker_devices(workers, gpus, device)
        return WorkerPlan("local", tuple(devices)) if devices else None
    if gpus is not None or device not in {"auto", "cpu"}:
        raise InputError(
            "--engine ray excludes --gpus, and --device but for cpu",
            hint="its workers take the GPUs that the cluster has",
        )
    if find_spec("ray") is None:
        raise InputError("--engine ray needs Ray", hint=install_command("ray"))
    return WorkerPlan("ray", (device,), size=workers, address=address)


def worker_devices(workers: int | None, gpus: str | None, device: str) -> list[str]:
    """Name a device for each worker; empty where the process does the work itself.

    Args:
        workers: How many; None leaves it to ``gpus``.
        gpus: ``all``, or numbers with commas; None for the one device.
        device: What ``--device`` was given.

    Raises:
        InputError: The options exclude each other, or a GPU is not there.
    """
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
    count = torch.cuda.device_count()
    if not count:
        raise InputError("--gpus: no CUDA device here", hint="samsr doctor tells why")
    if gpus == "all":
        return list(range(count))
    parsed = [parse_whole(part) for part in gpus.split(",")]
    numbers = list(dict.fromkeys(number for number in parsed if number is not None))
    if None in parsed:
        raise InputError(f"--gpus {gpus}: expected all, or numbers such as 0,1")
    if max(numbers) >= count:
        raise InputError(f"--gpus {gpus}: the GPUs here are 0 to {count - 1}")
    return numbers
