"""The batches of a stage: each step's crops and draws follow from the seed and its number."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from sam_diffsr_cli.chain_config import DiffusionConfig
from sam_diffsr_cli.data.crops import Batch, Crop, CropPlan, Degrader, TrainingPhoto, cut
from sam_diffsr_cli.device import derive_seed, memory_errors
from sam_diffsr_cli.recipes.records import TrainConfig
from sam_diffsr_cli.training.engine import Share
from sam_diffsr_cli.training.objective import Draws, draw, draw_start

__all__ = ["MEMORY_HINT", "BatchSource", "Piece"]

MEMORY_HINT = "use a smaller batch or patch, or a larger accumulate"


@dataclass(frozen=True, slots=True)
class Piece:
    """What one forward and backward pass sees."""

    batch: Batch
    draws: Draws


@dataclass(frozen=True, slots=True)
class BatchSource:
    """Makes this process's pieces of any step's batch.

    ``photos`` are those that ``plan`` was made for; ``diffusion`` is the chain;
    ``degrader`` makes the low-resolution twins, None by bicubic alone.
    """

    photos: Sequence[TrainingPhoto]
    plan: CropPlan
    config: TrainConfig
    diffusion: DiffusionConfig
    device: torch.device
    share: Share
    degrader: Degrader | None = None

    def make(self, step: int) -> list[Piece]:
        """Cut the crops of a step, from 0, and draw its noise, on the device of training."""
        seed = derive_seed(self.config.seed, self.config.stage, step)
        generator = torch.Generator().manual_seed(derive_seed(seed, "crops"))
        crops = self.plan.draw(self.config.batch, generator)
        with memory_errors(MEMORY_HINT):
            return [
                self._piece(seed, rows, crops[rows.start : rows.stop])
                for rows in self.share.rows(self.config.batch)
            ]

    def _piece(self, seed: int, rows: range, crops: Sequence[Crop]) -> Piece:
        seeds = [derive_seed(seed, "degrade", row) for row in rows]
        batch = self._moved(cut(self.photos, crops, self.plan, self.degrader, seeds))
        usual, patch = self.config.timesteps, self.plan.patch
        draws = draw(seed, rows, self.diffusion.num_timesteps, patch, self.device, usual)
        if self.config.stage == "distill":
            start = draw_start(seed, self.diffusion, is_clean=self.config.expert)
            draws = replace(draws, steps=(start,) * len(rows))
        return Piece(batch, draws)

    def _moved(self, batch: Batch) -> Batch:
        if self.device.type == "cuda" and batch.hr.device.type == "cpu":
            batch = batch.pin_memory()
        return batch.to(self.device, non_blocking=True)
