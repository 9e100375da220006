"""Where training runs: one process or several, through Hugging Face accelerate, its only importer.

accelerate finds out how it was launched (``accelerate launch``, ``torchrun`` or neither), opens the
process group and wraps the module. Number formats are torch's own, per stage: accelerate keeps one
for the whole process.
"""

import contextlib
import datetime as dt
import os
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs
from torch import Tensor, nn

from sam_diffsr_cli.device import derive_seed, resolve_device
from sam_diffsr_cli.errors import ConfigError

__all__ = ["Engine", "Share", "start_engine"]

PATIENCE = dt.timedelta(hours=12)
"""How long a process waits for the others: one of them may be validating or decoding photos."""

AGREED = 1 << 16
"""What is compared between processes is below this, so that sums of up to 256 are exact floats."""


@dataclass(frozen=True, slots=True)
class Share:
    """The part of every batch that a process computes, and in how many pieces."""

    rank: int = 0
    world: int = 1
    accumulate: int = 1

    def rows(self, batch: int) -> list[range]:
        """Return the rows of the batch that belong to each piece.

        Raises:
            ConfigError: The batch cannot be divided evenly.
        """
        pieces = self.world * self.accumulate
        if batch % pieces:
            raise ConfigError(
                f"batch is {batch}, which {self.world} processes with {self.accumulate} pieces "
                "each cannot share evenly",
                hint=f"use a multiple of {pieces}",
            )
        size = batch // pieces
        first = self.rank * self.accumulate
        return [range(i * size, (i + 1) * size) for i in range(first, first + self.accumulate)]


@dataclass(frozen=True, slots=True)
class Engine:
    """The processes of a run as one of them sees them."""

    device: torch.device
    accelerator: Accelerator

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and talks to people."""
        return bool(self.accelerator.is_main_process)

    @property
    def is_local_main(self) -> bool:
        """Whether this process does what each machine needs once."""
        return bool(self.accelerator.is_local_main_process)

    @property
    def world(self) -> int:
        """Number of processes."""
        return int(self.accelerator.num_processes)

    def share(self, accumulate: int) -> Share:
        """Return this process's share of every batch."""
        return Share(int(self.accelerator.process_index), self.world, accumulate)

    def wrap(self, module: nn.Module) -> nn.Module:
        """Let the gradients of ``module`` be averaged over the processes."""
        self.accelerator.free_memory()
        wrapped: nn.Module = self.accelerator.prepare_model(module, device_placement=False)
        return wrapped

    def keep_local(self, module: nn.Module) -> contextlib.AbstractContextManager[object]:
        """Leave gradients as they are for now; they are averaged by the next backward outside."""
        context: contextlib.AbstractContextManager[object] = self.accelerator.no_sync(module)
        return context

    def mean(self, values: Tensor) -> Tensor:
        """Average a tensor over the processes."""
        if self.world == 1:
            return values
        averaged: Tensor = self.accelerator.reduce(values, reduction="mean")
        return averaged

    def agrees(self, *values: int | str) -> bool:
        """Tell every process whether all of them have the same values."""
        own = float(derive_seed(*values) % AGREED)
        mine = torch.tensor(own, device=self.device)
        differs = torch.tensor(float(self.mean(mine) != mine), device=self.device)
        return float(self.mean(differs)) == 0

    def wait(self) -> None:
        """Wait until every process is here."""
        self.accelerator.wait_for_everyone()

    def close(self) -> None:
        """Leave the process group."""
        self.accelerator.end_training()


def start_engine(device: str) -> Engine:
    """Join the processes that were launched together, or run alone.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` (or ``cuda:N``) or ``mps``. Of several processes, each
            takes the GPU of its own number.

    Raises:
        InputError: The device is unknown or not available.
    """
    chosen = resolve_device(device)
    accelerator = Accelerator(
        cpu=chosen.type == "cpu",
        mixed_precision="no",
        kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)],
    )
    if accelerator.num_processes > 1 and chosen.type == "cuda":
        chosen = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return Engine(chosen, accelerator)
