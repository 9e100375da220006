"""What refines a distilled network: its objective, its judge, and an update of both.

    loss = 100 |sr - hr|^2 + w (0.4 d_0 + (d_1 + d_2) - 0.3 mean_l D_l(f_l(sr)))
    w = growth^((start - usual start) / 10 + 2 (share - usual share))

d_i are LPIPS' distances in features of three networks (``backbones``): EfficientNet-Lite0, whose
features f_l are judged too, VGG16 and AlexNet. D_l are small discriminators of each of these
features, and one of the pixels, under the hinge loss and spectral norms (Projected GANs, Sauer et
al. 2021; Miyato et al. 2018). sr has a share of what was drawn. w grows with what is the
dial from faithful to vivid, the share where the model keeps one and the row at which the chain
starts where it keeps all, so that it goes on being that.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import relu
from torch.nn.utils import clip_grad_norm_
from torch.nn.utils.parametrizations import spectral_norm
from torch.optim.swa_utils import get_ema_multi_avg_fn

from sam_diffsr_cli.chain_config import DiffusionConfig
from sam_diffsr_cli.data.crops import Batch
from sam_diffsr_cli.device import number_format
from sam_diffsr_cli.diffusion.distillation import distillation_plan
from sam_diffsr_cli.diffusion.residual import fade_chroma, residual_to_image
from sam_diffsr_cli.diffusion.solvers import make_solver
from sam_diffsr_cli.errors import ConfigError
from sam_diffsr_cli.networks.model import SuperResolver
from sam_diffsr_cli.recipes.records import TrainConfig
from sam_diffsr_cli.sampling import run_solver
from tests.workshop.tools.backbones import Backbone

JUDGE_RATE = 2e-4
ERROR, FEATURES, LEARNT, JUDGED = 100.0, 0.4, 1.0, 0.3
"""Weights of the mean squared error, of the distance in the features that are judged, of those
with learnt weights, and of the discriminators."""


class Judge(nn.Module):
    """Discriminators of features and one of pixels, each a map of scores: high for photos."""

    def __init__(self, channels: Sequence[int]) -> None:
        """Build one for each number of channels."""
        super().__init__()
        self.heads = nn.ModuleList(_stack((count, 64, 64, 1), (1, 3, 1)) for count in channels)
        self.pixels = _stack((3, 32, 48, 64, 64, 1), (3,) * 5, (1, 2, 1, 2, 1))

    def forward(self, images: Tensor, features: Sequence[Tensor]) -> list[Tensor]:
        """Score images ``(B, 3, H, W)`` and their features."""
        pairs = zip(self.heads, features, strict=True)
        return [head(feature) for head, feature in pairs] + [self.pixels(images)]


def _stack(
    widths: Sequence[int], sizes: Sequence[int], strides: Sequence[int] = (1, 1, 1)
) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i, (size, stride) in enumerate(zip(sizes, strides, strict=True)):
        conv = nn.Conv2d(widths[i], widths[i + 1], size, stride, size // 2)
        layers += [spectral_norm(conv), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers[:-1])


class Dial(NamedTuple):
    """The row at which chains start, and the share of what they draw that is put on the base."""

    start: int
    share: float = 1.0


def usual_dial(diffusion: DiffusionConfig, *, is_clean: bool) -> Dial:
    """Return what a model takes by default; the second is 1 where it keeps all that is drawn."""
    clean, dirty = diffusion.shares_of("distilled")
    share = clean if is_clean else dirty or clean
    return Dial(diffusion.usual_start(is_clean=is_clean), share)


def vividness(dial: Dial, usual: Dial, growth: float) -> float:
    """Weight of what is judged: ``growth`` for ten rows more, or for half of what is drawn."""
    return float(growth ** ((dial.start - usual.start) / 10 + 2 * (dial.share - usual.share)))


def objective(
    error: Tensor, distance: Tensor, learnt: Tensor, scores: Sequence[Tensor], weight: float
) -> Tensor:
    """Return what the network is to lower, a scalar.

    Args:
        error: Mean squared error of its image.
        distance: Of the features that are judged to those of the truth.
        learnt: Sum of the distances in the other networks.
        scores: Of its image, as ``Judge`` gives them.
        weight: Of what is judged, ``vividness``.
    """
    seen = FEATURES * distance + LEARNT * learnt
    return ERROR * error + weight * (seen - JUDGED * _mean(scores))


def hinge(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Return what the judge is to lower: mean over its heads of max(0, 1 - D) + max(0, 1 + D).

    The first is of the scores of photos, the second of those of the network's images.
    """
    return _mean([relu(1 - each) for each in real]) + _mean([relu(1 + each) for each in fake])


def _mean(scores: Sequence[Tensor]) -> Tensor:
    """Mean over the heads, each of them over its own map."""
    return torch.stack([score.mean() for score in scores]).mean()


class Enlarged(NamedTuple):
    """Images ``(B, 3, H, W)``, not clipped, and what they should be.

    That is the truth, but for colours that the model leaves to its encoder: those are the same in
    both, so that nothing is told apart by them.
    """

    sr: Tensor
    wanted: Tensor


def enlarge(
    model: SuperResolver, batch: Batch, dial: Dial, noise: Tensor, *, expert: bool
) -> Enlarged:
    """Run the distilled network from a row to the image, and keep a share of what it draws."""
    diffusion = model.config.diffusion
    plan = distillation_plan(diffusion, 1, dial.start)
    with torch.no_grad():
        told = None if expert else batch.told
        condition = model.condition(batch.lr, told, expert=expert)

    def denoise(x_t: Tensor, t: Tensor) -> Tensor:
        return model.predict_eps(x_t, t, condition, plan.student, distilled=True)

    x = noise * plan.deviation
    for step in run_solver(denoise, x, make_solver(plan.student, "distilled"), lambda _: noise):
        x = step.x
    base, chroma = condition.base, diffusion.sampling_chroma
    return Enlarged(
        residual_to_image(dial.share * fade_chroma(x, chroma), base, diffusion.residual_scale),
        base + fade_chroma(batch.hr - base, chroma),
    )


class Refiner:
    """The network that is refined, its judge, the average, and an update of them all."""

    def __init__(
        self,
        model: SuperResolver,
        backbones: Sequence[Backbone],
        config: TrainConfig,
        growth: float,
    ) -> None:
        """Take a model, of which all but the distilled network is frozen.

        Args:
            model: Has a distilled network.
            backbones: That are looked into; the features of the first are judged too.
            config: Of a stage that distils; of it the rate, the clipping, the average, the number
                format and which of the networks it is are heeded.
            growth: Of the weight of what is judged, as ``vividness`` takes it.

        Raises:
            ConfigError: The precision is not resolved.
        """
        if config.precision == "auto":
            raise ConfigError("precision is 'auto', allowed here: fp32, bf16 or fp16")
        self.model, self.backbones = model.requires_grad_(False).eval(), backbones
        self.precision = config.precision
        self.config, self.growth = config, growth
        self.usual = usual_dial(model.config.diffusion, is_clean=config.expert)
        network = model.network("distilled_denoise_fn", expert=config.expert)
        self.network = network.requires_grad_(True).to(memory_format=torch.channels_last)
        (judged, *_) = self.look(torch.zeros(1, 3, 64, 64))
        self.judge = Judge([each.shape[1] for each in judged]).to(memory_format=torch.channels_last)
        self.average = [each.detach().clone() for each in self.network.parameters()]
        self.drawing = torch.optim.Adam(
            self.network.parameters(), config.learning_rate, (0.9, 0.99)
        )
        self.judging = torch.optim.Adam(self.judge.parameters(), JUDGE_RATE, (0.5, 0.99))

    def update(self, batch: Batch, dial: Dial, noise: Tensor, rate: float) -> dict[str, float]:
        """Make one step of the network, at a rate, and of its judge; return the losses."""
        with number_format(self.precision, batch.hr.device):
            sr, hr = enlarge(self.model, batch, dial, noise, expert=self.config.expert)
            sr = sr.float()
        with torch.no_grad():
            (wanted, *_) = looked = self.look(hr)
        (found, *_) = seen = self.look(sr)
        error = (sr - hr).square().mean()
        sets = zip(self.backbones, seen, looked, strict=True)
        distance, *others = [backbone.distance(x, y) for backbone, x, y in sets]
        learnt = torch.stack(others).sum()
        weight = vividness(dial, self.usual, self.growth)
        self.judge.requires_grad_(False)
        scores = self.score(sr, found)
        self.judge.requires_grad_(True)
        for group in self.drawing.param_groups:
            group["lr"] = rate
        self.drawing.zero_grad()
        objective(error, distance, learnt, scores, weight).backward()  # type: ignore[no-untyped-call]
        clip_grad_norm_(self.network.parameters(), self.config.clip_norm)
        self.drawing.step()
        fakes = self.score(sr.detach(), [each.detach() for each in found])
        judged = hinge(self.score(hr, wanted), fakes)
        self.judging.zero_grad()
        judged.backward()  # type: ignore[no-untyped-call]  # torch's stub
        self.judging.step()
        decay = self.config.ema_decay
        follow = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]  # torch's stub
        with torch.no_grad():
            follow(self.average, list(self.network.parameters()), None)
        parts = {"error": error, "features": distance, "learnt": learnt}
        parts |= {"score": _mean(scores), "judge": judged}
        return {name: float(part.detach()) for name, part in parts.items()}

    def look(self, images: Tensor) -> list[list[Tensor]]:
        """Return the features of images ``(B, 3, H, W)`` in all the backbones, in fp32."""
        images = images.contiguous(memory_format=torch.channels_last)
        with number_format(self.precision, images.device):
            seen = [backbone.features(images) for backbone in self.backbones]
        return [[feature.float() for feature in features] for features in seen]

    def score(self, images: Tensor, features: Sequence[Tensor]) -> list[Tensor]:
        """Return the judge's scores of images and their features, in fp32."""
        with number_format(self.precision, images.device):
            scores = self.judge(images.contiguous(memory_format=torch.channels_last), features)
        return [score.float() for score in scores]

    @contextmanager
    def averaged(self) -> Iterator[SuperResolver]:
        """Give the model with the average in the place of the parameters."""
        parameters = list(self.network.parameters())
        own = [each.detach().clone() for each in parameters]
        _put(self.average, parameters)
        try:
            yield self.model
        finally:
            _put(own, parameters)

    def state(self) -> dict[str, Any]:
        """Return all that an update changes."""
        return {
            "network": self.network.state_dict(),
            "judge": self.judge.state_dict(),
            "drawing": self.drawing.state_dict(),
            "judging": self.judging.state_dict(),
            "average": self.average,
        }

    def take_judge(self, state: dict[str, Any]) -> None:
        """Begin with the judge of another run, as its ``state`` gave it."""
        self.judge.load_state_dict(state["judge"])
        self.judging.load_state_dict(state["judging"])

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what ``state`` gave."""
        self.network.load_state_dict(state["network"])
        self.drawing.load_state_dict(state["drawing"])
        self.take_judge(state)
        self.average = state["average"]


def _put(values: Sequence[Tensor], parameters: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for value, parameter in zip(values, parameters, strict=True):
            parameter.copy_(value)
