"""The authors' checkpoints: PyTorch files, read under restriction, into our modules.

Layout: ``{"global_step": int, "state_dict": {"model": {...}}, ...}``. A diffusion checkpoint holds
``denoise_fn.*``, ``rrdb.*`` and the schedule's tables; an encoder checkpoint the encoder's names
alone. Every name may start with ``module.``. SRDiff, from whose code theirs comes, writes the same.
"""

import pickle
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sam_diffsr_cli.checkpoints.store import load_strict
from sam_diffsr_cli.config import ModelConfig
from sam_diffsr_cli.diffusion.schedule import make_schedule
from sam_diffsr_cli.errors import WeightsError
from sam_diffsr_cli.networks.model import SuperResolver, build_encoder, build_model

__all__ = [
    "NETWORKS",
    "OfficialCheckpoint",
    "check_schedule",
    "load_official",
    "load_official_encoder",
    "read_checkpoint",
    "read_official",
]

PARALLEL_PREFIX = "module."
NETWORKS = ("denoise_fn.", "rrdb.")
SCHEDULE_TOLERANCE = 1e-6

MOST_ENTRIES = 100_000
MOST_PICKLE_BYTES = 64 << 20
"""Of a checkpoint's table of names; theirs take some 100 kB."""


@dataclass(frozen=True, slots=True)
class OfficialCheckpoint:
    """The tensors of a checkpoint by name, and the step it was written at, None if it says none."""

    tensors: dict[str, Tensor]
    global_step: int | None

    @property
    def networks(self) -> dict[str, Tensor]:
        """Those of the two networks of a diffusion checkpoint."""
        return {name: t for name, t in self.tensors.items() if name.startswith(NETWORKS)}


def read_official(path: Path) -> dict[str, Tensor]:
    """Return the tensors of ``read_checkpoint``."""
    return read_checkpoint(path).tensors


def read_checkpoint(path: Path) -> OfficialCheckpoint:
    """Read an official checkpoint, on the CPU, without the ``module.`` prefix.

    The file is untrusted: only tensors and plain containers are unpickled, and nothing is unpacked
    that is larger than the file.

    Raises:
        WeightsError: The file is missing, damaged, holds other objects, or has another layout.
    """
    _check_archive(path)
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such checkpoint") from error
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path}: damaged, or it holds objects that are not tensors; nothing was run"
        ) from error
    except Exception as error:  # the unpickler fails in many ways on bytes that are not a pickle
        raise WeightsError(f"{path}: damaged, or not a PyTorch checkpoint ({error})") from error
    state = content.get("state_dict") if isinstance(content, dict) else None
    tensors = state.get("model") if isinstance(state, dict) else None
    if not isinstance(tensors, dict) or not all(isinstance(t, Tensor) for t in tensors.values()):
        raise WeightsError(f"{path}: no tensors under state_dict.model")
    step = content.get("global_step")
    return OfficialCheckpoint(
        {_bare(str(name)): tensor for name, tensor in tensors.items()},
        step if type(step) is int else None,
    )


def _bare(name: str) -> str:
    """Take off what parallel training puts before the names of a module, or of one inside."""
    name = name.removeprefix(PARALLEL_PREFIX)
    for network in NETWORKS:
        if name.startswith(network + PARALLEL_PREFIX):
            return network + name.removeprefix(network + PARALLEL_PREFIX)
    return name


def _check_archive(path: Path) -> None:
    """Refuse archives that torch would never write, and that could be larger than they are."""
    try:
        if not path.is_file():
            problem = "no such checkpoint" if not path.exists() else "not a file, or damaged"
            raise WeightsError(f"{path}: {problem}")
        if zipfile.is_zipfile(path):
            _check_zip(path)
        elif tarfile.is_tarfile(path):
            raise WeightsError(f"{path}: a tar archive, which PyTorch has not written since 2017")
    except (OSError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise WeightsError(f"{path}: damaged, or not a PyTorch checkpoint ({error})") from error


def _check_zip(path: Path) -> None:
    """Check that all entries are stored as they are, as torch stores them."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    if len(entries) > MOST_ENTRIES:
        raise WeightsError(f"{path}: an archive of {len(entries)} entries is no checkpoint")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise WeightsError(f"{path}: compressed inside, which no checkpoint of PyTorch is")
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise WeightsError(f"{path}: claims to hold more than it does")
    largest = max((e.file_size for e in entries if e.filename.endswith(".pkl")), default=0)
    if largest > MOST_PICKLE_BYTES:
        raise WeightsError(f"{path}: its table of names has {largest >> 20} MiB")


def load_official(path: Path, config: ModelConfig) -> SuperResolver:
    """Load a diffusion checkpoint into the networks of ``config``, in ``eval`` mode.

    Raises:
        WeightsError: The file cannot be read, a tensor does not fit, or the schedule that it was
            trained with is not that of ``config``.
    """
    checkpoint = read_checkpoint(path)
    model = build_model(config)
    load_strict(model, checkpoint.networks, path)
    check_schedule(checkpoint, config, path)
    return model.eval()


def check_schedule(checkpoint: OfficialCheckpoint, config: ModelConfig, path: Path) -> None:
    """Compare the betas that a diffusion checkpoint was trained with.

    Raises:
        WeightsError: They are missing, or are not those of ``config``.
    """
    betas = checkpoint.tensors.get("betas")
    expected = make_schedule(config.diffusion).betas
    if betas is None or betas.shape != expected.shape:
        raise WeightsError(f"{path}: not a diffusion checkpoint of {len(expected)} steps")
    if not float((betas.double() - expected).abs().max()) <= SCHEDULE_TOLERANCE:  # also NaN
        raise WeightsError(f"{path}: trained with another noise schedule")


def load_official_encoder(path: Path, config: ModelConfig) -> nn.Module:
    """Load an encoder checkpoint into the encoder of ``config``, in ``eval`` mode.

    Raises:
        WeightsError: The file cannot be read, or a tensor does not fit.
    """
    encoder = build_encoder(config)
    load_strict(encoder, read_official(path), path)
    return encoder.eval()
