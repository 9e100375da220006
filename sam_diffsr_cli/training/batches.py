"""The batches of a stage: each step's crops and draws follow from the seed and its number."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from sam_diffsr_cli.data.crops import Batch, CropPlan, TrainingPhoto, cut
from sam_diffsr_cli.device import derive_seed
from sam_diffsr_cli.recipes.records import TrainConfig
from sam_diffsr_cli.training.engine import Share
from sam_diffsr_cli.training.objective import Draws, draw

__all__ = ["BatchSource", "Piece"]


@dataclass(frozen=True, slots=True)
class Piece:
    """What one forward and backward pass sees."""

    batch: Batch
    draws: Draws


@dataclass(frozen=True, slots=True)
class BatchSource:
    """Makes this process's pieces of any step's batch.

    ``photos`` are those that ``plan`` was made for; ``num_timesteps`` is the chain's length.
    """

    photos: Sequence[TrainingPhoto]
    plan: CropPlan
    config: TrainConfig
    num_timesteps: int
    device: torch.device
    share: Share

    def make(self, step: int) -> list[Piece]:
        """Cut the crops of a step, from 0, and draw its noise, on the device of training."""
        seed = derive_seed(self.config.seed, self.config.stage, step)
        generator = torch.Generator().manual_seed(derive_seed(seed, "crops"))
        crops = self.plan.draw(self.config.batch, generator)
        pieces = []
        for rows in self.share.rows(self.config.batch):
            own = crops[rows.start : rows.stop]
            batch = self._moved(cut(self.photos, own, self.plan.patch, self.plan.scale))
            draws = draw(seed, rows, self.num_timesteps, self.plan.patch, self.device)
            pieces.append(Piece(batch, draws))
        return pieces

    def _moved(self, batch: Batch) -> Batch:
        parts = (batch.hr, batch.lr, batch.spe)
        if self.device.type == "cuda" and batch.hr.device.type == "cpu":
            parts = tuple(part.pin_memory() for part in parts)  # type: ignore[assignment]  # three
        hr, lr, spe = (part.to(self.device, non_blocking=True) for part in parts)
        return Batch(hr, lr, spe)
