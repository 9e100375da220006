"""Photos as the work of a pool: what a worker is told, and what it does."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from sam_diffsr_cli.errors import DiskFullError
from sam_diffsr_cli.masks.build import BuildStep, MaskJob, build_mask, open_manifest
from sam_diffsr_cli.masks.choice import Choice, load_segmenter
from sam_diffsr_cli.masks.segmenters import Segmenter
from sam_diffsr_cli.pictures.records import Limits
from sam_diffsr_cli.workers.messages import Task

__all__ = ["MaskConfig", "MaskWorker"]


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskConfig:
    """A segmenter that is not loaded yet, and the folder ``out`` of all the masks."""

    choice: Choice
    out: Path
    limits: Limits

    def start(self, device: torch.device) -> "MaskWorker":
        """Load the segmenter, and see in the manifest that all masks are made by the same.

        Raises:
            ConfigError: ``out`` holds masks made in another way, or SAM cannot be imported.
            InputError: ``out`` cannot be written.
            WeightsError: SAM's checkpoint is missing, damaged, or holds another SAM.
        """
        segmenter = load_segmenter(self.choice, device)
        open_manifest(self.out, segmenter.description)
        return MaskWorker(segmenter, self.limits)


@dataclass(slots=True)
class MaskWorker:
    """Cuts photos into regions with a segmenter that is loaded; nothing of it is ever late."""

    segmenter: Segmenter
    limits: Limits
    late: tuple[tuple[int, BuildStep], ...] = ()

    def do(self, tasks: Sequence[Task[MaskJob]]) -> Generator[tuple[int, BuildStep], None, None]:
        """Write the masks of each task's photo.

        Yields:
            The index and the step of each.
        """
        for task in tasks:
            try:
                step = build_mask(task.item, self.segmenter, self.limits)
            except DiskFullError as error:
                step = BuildStep(task.item, error=error)
            yield task.index, step
