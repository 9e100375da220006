"""A weights file whose networks are read when each is first run.

A file may hold networks for clean photos and for others, and a run without steps needs no noise
predictor: what is never run is checked, and never kept.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from sam_diffsr_cli.checkpoints.heads import SOURCE_KEY, config_in, entries_of, opened
from sam_diffsr_cli.checkpoints.store import (
    LoadedWeights,
    check_finite,
    load_strict,
    networks_on_meta,
)
from sam_diffsr_cli.errors import WeightsError

__all__ = ["defer_weights"]

Settle = Callable[[nn.Module], nn.Module]


class _File(NamedTuple):
    """A file, and what tells that it is still the same."""

    path: Path
    bytes: int
    modified_ns: int


def defer_weights(path: Path, settle: Settle) -> LoadedWeights:
    """Check a file that ``save_weights`` wrote, and read each network before its first run.

    Args:
        path: Of the file, which must stay as it is until all is read that is run.
        settle: Brings a network that was read, float32 and on the CPU, to where it shall run.

    Returns:
        The model in ``eval`` mode; parameters that were not read yet are on the ``meta`` device.

    Raises:
        WeightsError: The file is missing, damaged, without our metadata, or does not fit itself;
            also at a first run, if it was changed meanwhile.
    """
    source = _identify(path)
    with opened(path, "pt") as file:
        metadata = file.metadata() or {}
        model = networks_on_meta(entries_of(file), config_in(path, metadata), path)
        for name in file.keys():  # noqa: SIM118
            check_finite(name, file.get_tensor(name), path)
    model.before_run = partial(_before_run, file=source, settle=settle)
    return LoadedWeights(model.eval(), metadata.get(SOURCE_KEY, ""))


def _identify(path: Path) -> _File:
    try:
        found = path.stat()
    except OSError as error:
        raise WeightsError(f"{path}: no such weights file") from error
    return _File(path, found.st_size, found.st_mtime_ns)


def _before_run(name: str, network: nn.Module, *, file: _File, settle: Settle) -> None:
    """Read the network unless it was."""
    if not any(parameter.is_meta for parameter in network.parameters()):
        return
    if _identify(file.path) != file:
        raise WeightsError(
            f"{file.path}: was changed while it was in use", hint="start again to use the new file"
        )
    # Whoever runs it may do without gradients; the parameters can have them all the same.
    with torch.inference_mode(mode=False), opened(file.path, "pt") as source:
        names = network.state_dict().keys()
        tensors = {each: source.get_tensor(f"{name}.{each}").float() for each in names}
        load_strict(network, tensors, file.path, assign=True)
    settle(network)
