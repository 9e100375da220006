"""The loss of each stage on one batch, and the randomness that goes into it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sam_diffsr_cli.chain_config import DiffusionConfig
from sam_diffsr_cli.data.crops import Batch
from sam_diffsr_cli.device import derive_seed, number_format
from sam_diffsr_cli.diffusion.distillation import distillation_plan, distillation_target
from sam_diffsr_cli.diffusion.loss import distance, noise_error, noisy_pair
from sam_diffsr_cli.diffusion.residual import image_to_residual
from sam_diffsr_cli.diffusion.schedule import make_schedule, modulation_coefficients
from sam_diffsr_cli.errors import ConfigError
from sam_diffsr_cli.networks.model import Condition, SuperResolver
from sam_diffsr_cli.recipes.records import TrainConfig
from sam_diffsr_cli.sampling import run_solver

__all__ = ["Draws", "Objective", "draw", "draw_start"]

WHOLE_SHARE = 0.1
"""Of the draws, if most are of the cleaner rows, those of any row: the whole published chain
(``--quality plain``) goes on working."""

USUAL_SHARE = 0.6
"""Of the batches that are distilled, those that start where the model usually does; the others
start anywhere that it may."""

ESTIMATOR_WEIGHT = 0.2
"""Of the estimator's error beside the image's. They share no parameter; Adam ignores the size but
for the clipping of the common gradient."""


@dataclass(frozen=True, slots=True)
class Draws:
    """What chance decides for each crop: the step, from 0, and the noise, ``(B, 3, P, P)``."""

    steps: tuple[int, ...]
    noise: Tensor


def draw(  # noqa: PLR0913, PLR0917 - what decides them
    seed: int,
    rows: Sequence[int],
    num_timesteps: int,
    patch: int,
    device: torch.device,
    usual: int = 0,
) -> Draws:
    """Draw steps and noise for some rows of a batch, the same however the batch is divided.

    Args:
        seed: Of the batch.
        rows: Numbers of the crops in the batch.
        num_timesteps: Length of the trained chain.
        patch: Side of the crops.
        device: Where the noise is drawn; another kind of device draws other noise.
        usual: Rows of the chain that most of the steps are drawn from; 0 for all of them.
    """
    noise = torch.empty(len(rows), 3, patch, patch, device=device)
    chance, on_device = torch.Generator(), torch.Generator(device)
    steps = []
    for place, row in enumerate(rows):
        own = derive_seed(seed, row)
        chance.manual_seed(own)
        step = int(torch.randint(num_timesteps, (), generator=chance))
        if usual and float(torch.rand((), generator=chance)) >= WHOLE_SHARE:
            step = int(torch.randint(usual, (), generator=chance))
        steps.append(step)
        torch.randn(3, patch, patch, generator=on_device.manual_seed(own), out=noise[place])
    return Draws(tuple(steps), noise)


def draw_start(seed: int, diffusion: DiffusionConfig, *, is_clean: bool) -> int:
    """Draw the row at which the chains of a batch that is distilled start.

    ``is_clean`` says that the network is that of photos that are taken for clean.
    """
    chance = torch.Generator().manual_seed(derive_seed(seed, "start"))
    usual = diffusion.usual_start(is_clean=is_clean)
    if float(torch.rand((), generator=chance)) < USUAL_SHARE:
        return usual
    least, most = diffusion.least_distilled_start, diffusion.last_start
    return int(torch.randint(least, most + 1, (), generator=chance))


class Objective(nn.Module):
    """The model with the loss of one stage on top, so that one module can be shared out."""

    def __init__(self, model: SuperResolver, config: TrainConfig) -> None:
        """Take a model, whose ``requires_grad`` the caller sets, and the stage.

        Raises:
            ConfigError: The precision is not resolved.
        """
        super().__init__()
        if config.precision == "auto":
            raise ConfigError("precision is 'auto', allowed here: fp32, bf16 or fp16")
        self.model, self.config = model, config
        self.precision = config.precision
        self.schedule = make_schedule(model.config.diffusion)
        self.coefficients = modulation_coefficients(self.schedule, config.modulation)

    def forward(self, batch: Batch, steps: Sequence[int], noise: Tensor) -> Tensor:
        """Return the loss of the stage on one batch, a scalar.

        ``encoder``: distance of the encoder's image to ``hr``, and where the encoder has an
        estimator, its mean squared error. (A mean absolute one is least for the median, which is 0
        for levels that more than half of the photos do not have.)
        ``diffusion``: distance of the predicted to the modulated noise, with the encoder frozen
        (SAM-DiffSR, section 3).
        ``distill``: the same distance for the distilled network, to the noise that leads it along
        the path of the noise predictor, which is frozen too.

        Args:
            batch: Crops, with their encodings and levels.
            steps: Of the chain, from 0, one an item; ``distill``: the row that all start at. Not a
                tensor: the chain's tables are on the CPU, and what shares a module out moves
                tensors to its device.
            noise: Standard normal, ``(B, 3, P, P)``.
        """
        model, kind, hr = self.model, self.config.loss, batch.hr
        expert = self.config.expert
        told = None if expert else batch.told
        with number_format(self.precision, hr.device):
            if self.config.stage == "encoder":
                encoded = model.encode(batch.lr, told, expert=expert)
                loss = distance(encoded.sr.float() - hr, kind)
                if model.config.encoder.num_levels and not expert:
                    error = model.estimate_levels(batch.lr).float() - batch.levels
                    loss = loss + ESTIMATOR_WEIGHT * error.square().mean()
                return loss
            with torch.no_grad():
                condition = model.condition(batch.lr, told, expert=expert)
            if self.config.stage == "distill":
                return self._distillation_loss(condition, steps[0], noise)
            scale = model.config.diffusion.residual_scale
            x_start = image_to_residual(hr, condition.base, scale)
            t = torch.tensor(steps, dtype=torch.int64)
            pair = noisy_pair(x_start, t, noise, batch.spe, self.schedule, self.coefficients)
            eps = model.predict_eps(pair.x_t, t, condition, self.schedule)
        error = noise_error(eps, pair.target, t, self.schedule, model.config.diffusion.sigma_data)
        return distance(error, kind)

    def _distillation_loss(self, condition: Condition, start: int, noise: Tensor) -> Tensor:
        """Compare the distilled network with where the noise predictor goes, at all its steps."""
        model, diffusion = self.model, self.model.config.diffusion
        plan = distillation_plan(diffusion, self.config.teacher_steps, start)

        def teach(x_t: Tensor, t: Tensor) -> Tensor:
            return model.predict_eps(x_t, t, condition, plan.teacher)

        with torch.no_grad():
            path = [noise * plan.deviation]
            steps = run_solver(teach, path[0], plan.solver, lambda _: noise)
            path += [step.x for step in steps]
            # From the start down: the state at a row of the student, then the state below it.
            last = len(plan.teacher) - 1
            places = [last - row for row in plan.shared[::-1]] + [last + 1]
            count, size = len(plan.shared), len(noise)
            x_t = torch.cat([path[place] for place in places[:-1]])
            x_s = torch.cat([path[place] for place in places[1:]])
            t = torch.arange(count - 1, -1, -1).repeat_interleave(size)
            target = distillation_target(x_t, x_s, t, plan.student)
            repeated = condition._replace(
                features=tuple(each.repeat(count, 1, 1, 1) for each in condition.features),
                base=condition.base.repeat(count, 1, 1, 1),
            )
        eps = model.predict_eps(x_t, t, repeated, plan.student, distilled=True)
        error = noise_error(eps, target, t, plan.student, diffusion.sigma_data)
        return distance(error, self.config.loss)
