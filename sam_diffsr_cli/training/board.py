"""TensorBoard's event files of a training run: one folder a stage, written through torch.

TensorBoard is optional and takes seconds to import, so nothing of it is imported before a
``Boards`` is made.
"""

import contextlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from sam_diffsr_cli.errors import ConfigError
from sam_diffsr_cli.packages import install_command

__all__ = ["Boards"]


class _Board(Protocol):
    """What is used of ``torch.utils.tensorboard.SummaryWriter``."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None: ...

    def add_image(
        self, tag: str, img_tensor: np.ndarray, global_step: int, *, dataformats: str
    ) -> None: ...

    def close(self) -> None: ...


class Boards:
    """The event files of a run, opened stage by stage as they are written to."""

    def __init__(self, folder: Path) -> None:
        """Prepare to write under ``folder``, which need not exist.

        Raises:
            ConfigError: TensorBoard cannot be imported.
        """
        self._folder = folder
        self._make = _import_writer()
        self._boards: dict[str, _Board] = {}

    def write(
        self, stage: str, step: int, scalars: Mapping[str, float | None], sample: Path | None
    ) -> None:
        """Write numbers as ``stage/name``, and a picture as ``stage/sample``.

        Numbers that are None or not finite are left out, and so is a picture that cannot be read.

        Raises:
            OSError: The files cannot be written.
        """
        board = self._open(stage, step)
        for name, value in scalars.items():
            if value is not None and math.isfinite(value):
                board.add_scalar(f"{stage}/{name}", value, step)
        pixels = None if sample is None else _read_pixels(sample)
        if pixels is not None:
            board.add_image(f"{stage}/sample", pixels, step, dataformats="HWC")

    def rewind(self, stage: str, step: int, later_stages: Sequence[str]) -> None:
        """Hide what was written of ``stage`` after ``step``; remove the files of later stages.

        Raises:
            OSError: The files cannot be written or removed.
        """
        self.close()
        for later in later_stages:
            for events in (self._folder / later).glob("events.out.tfevents.*"):
                events.unlink()
        self._open(stage, step + 1)

    def close(self) -> None:
        """Write out what is still in memory, and close.

        Raises:
            OSError: The files cannot be written.
        """
        with contextlib.ExitStack() as stack:
            while self._boards:
                stack.callback(self._boards.popitem()[1].close)

    def _open(self, stage: str, first_step: int) -> _Board:
        """Give the writer of a stage; a new one hides what was written from ``first_step`` on.

        The first of a run says so too, with nothing to hide: TensorBoard takes the first such
        word that it meets for the start of the run, and acts only on the following ones.
        """
        if stage not in self._boards:
            folder = str(self._folder / stage)
            self._boards[stage] = self._make(folder, purge_step=first_step)
        return self._boards[stage]


def _import_writer() -> Any:  # noqa: ANN401 - torch leaves it untyped
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - slow, and optional
    except ImportError as error:
        raise ConfigError(
            f"tensorboard cannot be imported ({error})",
            hint=f"{install_command('tensorboard')}, or train without it",
        ) from error
    return SummaryWriter


def _read_pixels(path: Path) -> np.ndarray | None:
    """Decode a picture as ``(H, W, 3)`` uint8; None when it is missing or damaged."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
