"""Finding the facts. A library that is broken is a fact as well, so each is imported by itself."""

import importlib
import os
import platform
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import psutil

from sam_diffsr_cli import __version__
from sam_diffsr_cli.checkpoints.registry import DEFAULT_MODEL, DIGESTS, bundled_weights
from sam_diffsr_cli.diagnosis.records import Device, Facts, Library, Machine, Model, TorchBuild
from sam_diffsr_cli.errors import WeightsError

if TYPE_CHECKING:
    import torch

__all__ = ["first_line", "gather_facts"]

Answer = TypeVar("Answer")

PILLOW_FEATURES = {"avif": "AVIF", "webp": "WebP", "littlecms2": "LittleCMS"}
CODECS = ("CMS", "PNG", "LZW", "DEFLATE", "ZSTD", "JPEG8")
"""What we, and tifffile for us, use of imagecodecs."""


def gather_facts() -> Facts:
    """Look at the machine, torch, the devices, the bundled model and the libraries."""
    build: TorchBuild | None = None
    devices: tuple[Device, ...] = ()
    auto = error = None
    with warnings.catch_warnings():
        # What torch warns of is asked for, and told in its place.
        warnings.simplefilter("ignore")
        try:
            build = _torch_build()
            devices, auto = _devices()
        except Exception as failure:  # noqa: BLE001 - a broken torch fails in many ways
            error = first_line(failure)
        libraries = tuple(_library(name) for name in ("numpy", "pillow", "tifffile", "imagecodecs"))
    return Facts(
        machine=_machine(),
        torch=None if error else build,
        torch_error=error,
        devices=devices,
        auto=auto,
        model=_model(),
        libraries=libraries,
    )


def first_line(error: BaseException) -> str:
    """Put an error into one line, its kind included."""
    text = str(error).strip().split("\n", maxsplit=1)[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _or_none(ask: Callable[[], Answer]) -> Answer | None:
    """Ask a device; None when it cannot answer, which the self-test will tell about."""
    try:
        return ask()
    except Exception:  # noqa: BLE001 - a device that is ill fails in many ways
        return None


def _machine() -> Machine:
    affinity = getattr(os, "sched_getaffinity", None)
    return Machine(
        samsr=__version__,
        python=platform.python_version(),
        platform=platform.platform(),
        architecture=platform.machine(),
        processors=len(affinity(0)) if affinity else os.cpu_count() or 1,
        # The kernel's own text, since an Intel Python is told that it runs on Intel.
        is_apple_silicon=platform.system() == "Darwin" and "ARM64" in platform.version(),
        has_nvidia_driver=shutil.which("nvidia-smi") is not None
        or Path("/proc/driver/nvidia").exists(),
        has_amd_driver=Path("/dev/kfd").exists(),
        visible_devices=os.environ.get("CUDA_VISIBLE_DEVICES"),
    )


def _torch_build() -> TorchBuild:
    import torch

    from sam_diffsr_cli.device import has_native_bf16

    cuda, rocm = torch.version.cuda, torch.version.hip
    return TorchBuild(
        version=str(torch.__version__),
        cuda=cuda,
        rocm=rocm,
        has_mps=torch.backends.mps.is_built(),
        threads=torch.get_num_threads(),
        has_native_bf16=has_native_bf16(),
        gpu_error=_gpu_error() if cuda or rocm else None,
    )


def _gpu_error() -> str | None:
    """Ask torch why it sees no GPU."""
    import torch

    if torch.cuda.is_available():
        return None
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]  # torch has no types here
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        return first_line(error).partition(". Please")[0]
    return "no error is reported"


def _devices() -> tuple[tuple[Device, ...], str]:
    """List the devices, the CPU first, and name the one that ``auto`` picks."""
    import torch

    from sam_diffsr_cli.device import resolve_device

    found = [torch.device("cpu")]
    if torch.cuda.is_available():
        found += [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append(torch.device("mps"))
    auto = resolve_device("auto")
    if auto.type == "cuda":
        auto = torch.device("cuda", torch.cuda.current_device())
    return tuple(_device(device) for device in found), str(auto)


def _device(device: "torch.device") -> Device:
    import torch

    from sam_diffsr_cli.device import free_memory, resolve_precision

    titles: dict[str, Callable[[], str]] = {
        "cpu": _processor,
        "cuda": lambda: torch.cuda.get_device_name(device),
        "mps": lambda: "Apple's GPU",
    }
    totals: dict[str, Callable[[], int]] = {
        "cpu": lambda: int(psutil.virtual_memory().total),
        "cuda": lambda: torch.cuda.mem_get_info(device)[1],
        "mps": torch.mps.recommended_max_memory,
    }
    return Device(
        name=str(device),
        title=_or_none(titles[device.type]) or "unknown",
        precision=_or_none(lambda: resolve_precision("auto", device)) or "unknown",
        free=_or_none(lambda: free_memory(device)),
        total=_or_none(totals[device.type]),
    )


def _processor() -> str:
    """Name the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def _model() -> Model:
    try:
        path = bundled_weights()
    except WeightsError as error:
        return Model(name=DEFAULT_MODEL, error=str(error), hint=error.hint)
    except OSError as error:
        return Model(name=DEFAULT_MODEL, error=first_line(error))
    return Model(name=DEFAULT_MODEL, path=str(path), sha256=DIGESTS[DEFAULT_MODEL])


def _library(name: str) -> Library:
    try:
        module = importlib.import_module("PIL" if name == "pillow" else name)
        ask = {"pillow": _pillow_features, "imagecodecs": _codecs}.get(name)
        present, lacking = ask(module) if ask else ((), ())
    except Exception as error:  # noqa: BLE001 - a broken library fails in many ways
        return Library(name=name, error=first_line(error))
    return Library(name=name, version=module.__version__, features=present, lacking=lacking)


def _pillow_features(_module: object) -> tuple[tuple[str, ...], tuple[str, ...]]:
    from PIL import features

    present, lacking = [], []
    for key, title in PILLOW_FEATURES.items():
        if features.check(key):
            present.append(f"{title} {features.version(key) or ''}".rstrip())
        else:
            lacking.append(title)
    return tuple(present), tuple(lacking)


def _codecs(module: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:  # noqa: ANN401 - any version
    has = {name: bool(getattr(getattr(module, name, None), "available", False)) for name in CODECS}
    return tuple(n for n in CODECS if has[n]), tuple(n for n in CODECS if not has[n])
