"""The loss of each stage on one batch."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sam_diffsr_cli.config import TrainConfig
from sam_diffsr_cli.data.crops import Batch
from sam_diffsr_cli.diffusion.loss import distance, noise_error, noisy_pair
from sam_diffsr_cli.diffusion.residual import image_to_residual
from sam_diffsr_cli.diffusion.schedule import (
    Coefficients,
    Schedule,
    make_schedule,
    modulation_coefficients,
)
from sam_diffsr_cli.models.model import SuperResolver

__all__ = ["Chain", "batch_loss", "make_chain"]


@dataclass(frozen=True, slots=True)
class Chain:
    """The trained chain and how masks shift its noise."""

    schedule: Schedule
    coefficients: Coefficients


def make_chain(model: SuperResolver, config: TrainConfig) -> Chain:
    """Build the tables that ``batch_loss`` reads."""
    schedule = make_schedule(model.config.diffusion)
    return Chain(schedule, modulation_coefficients(schedule, config.modulation))


def batch_loss(
    model: SuperResolver, batch: Batch, chain: Chain, config: TrainConfig, seed: int
) -> Tensor:
    """Return the loss of ``config.stage`` on one batch, a scalar.

    ``encoder``: distance of the encoder's image to ``hr``.
    ``diffusion``: distance of the predicted to the modulated noise at random steps, with the
    encoder frozen (SAM-DiffSR, section 3).

    Args:
        model: The model; gradients reach only the network of the stage.
        batch: Crops on the device of the model.
        chain: From ``make_chain``.
        config: The stage.
        seed: Decides the steps ``t`` and the noise.
    """
    device = batch.hr.device
    with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
        if config.stage == "encoder":
            return distance(model.rrdb(batch.lr).sr.float() - batch.hr, config.loss)
        with torch.no_grad():
            condition = model.condition(batch.lr)
        x_start = image_to_residual(batch.hr, condition.base, model.config.diffusion.residual_scale)
        t = torch.randint(
            len(chain.schedule),
            (len(x_start),),
            generator=torch.Generator().manual_seed(seed),
        )
        noise = torch.randn(
            x_start.shape, device=device, generator=torch.Generator(device).manual_seed(seed)
        )
        tables = (chain.schedule, chain.coefficients)
        pair = noisy_pair(x_start, t, noise, batch.spe, tables)
        eps = model.predict_eps(pair.x_t, t, condition, chain.schedule)
    error = noise_error(eps, pair.target, t, chain.schedule, model.config.diffusion.sigma_data)
    return distance(error, config.loss)
