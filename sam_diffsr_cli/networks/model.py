"""The whole model: encoder, noise predictor, and the configuration that ties them.

Submodules are called ``rrdb`` and ``denoise_fn`` as in the official checkpoints, whatever the
preset, so that one naming serves every weights file.
"""

import dataclasses
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch import Tensor, nn

from sam_diffsr_cli import resize
from sam_diffsr_cli.config import FEATURE_STRIDE, ModelConfig
from sam_diffsr_cli.diffusion.preconditioning import precondition
from sam_diffsr_cli.diffusion.schedule import Schedule, extract
from sam_diffsr_cli.networks.encoders import EncoderOutput, ResidualEncoder, RRDBNet
from sam_diffsr_cli.networks.folded_unet import FoldedUNet
from sam_diffsr_cli.networks.steady import add
from sam_diffsr_cli.networks.unet import FullUNet

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Condition",
    "Part",
    "SuperResolver",
    "build_encoder",
    "build_model",
]

Part = Literal["rrdb", "denoise_fn", "distilled_denoise_fn"]
"""The encoder, the noise predictor, and the one to which its path was distilled."""


class Condition(NamedTuple):
    """What the chain knows of the photo.

    ``features``, each ``(B, C, h, w)``; ``base`` ``(B, 3, H, W)`` in [-1, 1], what the residual is
    taken against; ``sr`` ``(B, 3, H, W)`` in [-1, 1], the encoder's own answer. ``is_clean`` says
    that the experts for clean photos made it and go on with it. ``prepared`` is what the noise
    predictor makes of the features, where that was done beforehand.
    """

    features: tuple[Tensor, ...]
    base: Tensor
    sr: Tensor
    is_clean: bool = False
    prepared: Tensor | None = None


def _run_as_it_is(_name: str, _network: nn.Module) -> None:
    """Take a network that has its parameters."""


class SuperResolver(nn.Module):
    """Encoder and noise predictor of one ``ModelConfig``.

    ``before_run`` is called with the name of a network and the network each time before it is run:
    its parameters may be read from a file no sooner than that.
    """

    def __init__(self, config: ModelConfig) -> None:
        """Build both networks with fresh parameters."""
        super().__init__()
        self.config = config
        self.before_run: Callable[[str, nn.Module], None] = _run_as_it_is
        self.rrdb = build_encoder(config)
        self.denoise_fn = _build_denoiser(config)
        if config.diffusion.distilled_steps:
            self.distilled_denoise_fn = _build_denoiser(config)
        if config.clean_expert:
            untold = dataclasses.replace(config.encoder, num_levels=0, sees_blocks=False)
            self.clean_rrdb = build_encoder(
                dataclasses.replace(config, encoder=untold, clean_expert=False)
            )
            self.clean_denoise_fn = _build_denoiser(config)
            if config.diffusion.distilled_steps:
                self.clean_distilled_denoise_fn = _build_denoiser(config)

    def network(self, part: Part, *, expert: bool = False) -> nn.Module:
        """Return one of the networks; ``expert`` for those of photos that are taken for clean."""
        return self._ready(f"clean_{part}" if expert else part)

    def _ready(self, name: str) -> nn.Module:
        network = self.get_submodule(name)
        self.before_run(name, network)
        return network

    def upsampled(self, lr: Tensor) -> Tensor:
        """Return ``lr_up``: ``lr`` resized by MATLAB bicubic, with the model's divisor.

        Args:
            lr: ``(B, 3, h, w)`` in [-1, 1].

        Returns:
            ``(B, 3, H, W)``, in about [-1, 1] (bicubic overshoots).
        """
        unit = (lr + 1) / 2 * (255 / self.config.lr_divisor)
        return resize.upscale(unit, self.config.scale) * 2 - 1

    def encode(
        self,
        lr: Tensor,
        levels: Tensor | None = None,
        stride: int = 1,
        *,
        expert: bool = True,
    ) -> EncoderOutput:
        """Run the encoder on ``lr``, ``(B, 3, h, w)`` in [-1, 1].

        ``levels`` ``(B, 3)`` is ignored by an encoder that is told none; without it, one that is
        takes the photos for clean. Of the features, every ``stride``-th is kept, none of them if it
        is 0. Photos that are all clean go to the expert, if there is one and ``expert`` allows it.
        """
        output: EncoderOutput
        if expert and self.is_for_expert(levels):
            output = self.network("rrdb", expert=True)(lr, stride=stride)
        elif self.config.encoder.num_levels:
            output = self.network("rrdb")(lr, levels, stride=stride)
        else:
            output = self.network("rrdb")(lr, stride=stride)
        return output

    def is_for_expert(self, levels: Tensor | None) -> bool:
        """Whether photos of these levels are for the experts for clean ones."""
        return self.config.clean_expert and (levels is None or not bool(levels.any()))

    def estimate_levels(self, lr: Tensor) -> Tensor:
        """Estimate how dirty ``lr``, ``(B, 3, h, w)`` in [-1, 1], is: ``(B, 3)``, about [0, 1].

        Only for a model whose ``config.encoder.num_levels`` is not 0.
        """
        levels: Tensor = self._ready("rrdb.estimator")(lr)
        return levels

    def condition(
        self, lr: Tensor, levels: Tensor | None = None, *, expert: bool = True
    ) -> Condition:
        """Encode ``lr``, ``(B, 3, h, w)`` in [-1, 1], told ``levels`` as in ``encode``.

        ``h`` and ``w`` must be multiples of ``config.size_multiple``.
        """
        output = self.encode(lr, levels, FEATURE_STRIDE, expert=expert)
        return self.condition_of(output, lr, is_clean=expert and self.is_for_expert(levels))

    def condition_of(self, output: EncoderOutput, lr: Tensor, *, is_clean: bool) -> Condition:
        """Make a condition of what ``encode`` gave for ``lr``, by the expert or not."""
        sr = output.sr.float().clamp(-1, 1)
        base = sr if self.config.diffusion.base == "encoder" else self.upsampled(lr)
        return Condition(output.features, base, sr, is_clean)

    def prepare(self, condition: Condition, *, distilled: bool = False) -> Condition:
        """Do beforehand what ``predict_eps`` would do at every step; the features are let go."""
        network = self._denoiser(condition, distilled=distilled)
        prepared = network.prepare(condition.features, condition.base)
        return condition._replace(features=(), prepared=prepared)

    def _denoiser(self, condition: Condition, *, distilled: bool) -> FoldedUNet | FullUNet:
        part: Part = "distilled_denoise_fn" if distilled else "denoise_fn"
        network = self.network(part, expert=condition.is_clean)
        assert isinstance(network, (FoldedUNet, FullUNet))  # noqa: S101 - for the type checker
        return network

    def predict_eps(
        self,
        x_t: Tensor,
        t: Tensor,
        condition: Condition,
        schedule: Schedule,
        *,
        distilled: bool = False,
    ) -> Tensor:
        """Predict the noise in ``x_t``.

        Args:
            x_t: Noisy residual, ``(B, 3, H, W)``, float32.
            t: Row of ``schedule`` of each item, ``(B,)``, int64 on the CPU.
            condition: From ``condition`` on the same photos, maybe by way of ``prepare``.
            schedule: The chain that is run, whole or respaced.
            distilled: Ask the distilled network, for which the chain must be one of its own.

        Returns:
            ``eps``, shape of ``x_t``, float32.
        """
        sigma_data = self.config.diffusion.sigma_data
        network = self._denoiser(condition, distilled=distilled)
        rows = schedule.timesteps[t]
        if sigma_data is None:
            return _predict(network, x_t, None, rows, condition).float()
        skip, out, scale_in = (
            extract(factor, t, x_t) for factor in precondition(schedule.alphas_cumprod, sigma_data)
        )
        inner = _predict(network, x_t, scale_in, rows, condition)
        return add(skip * x_t, out * inner.float())


def _predict(
    network: FoldedUNet | FullUNet,
    x: Tensor,
    scale_in: Tensor | None,
    steps: Tensor,
    condition: Condition,
) -> Tensor:
    """Ask a network about ``x``, scaled if it is to be.

    What is scaled has no name here, so that ``predict`` is the only one to hold it.
    """
    steps = steps.to(x.device)
    predicted: Tensor
    if condition.prepared is None:
        predicted = network(_scaled(x, scale_in), steps, condition.features, condition.base)
    else:
        predicted = network.predict(_scaled(x, scale_in), steps, condition.prepared)
    return predicted


def _scaled(x: Tensor, factor: Tensor | None) -> Tensor:
    return x if factor is None else factor * x


def build_encoder(config: ModelConfig) -> nn.Module:
    """Build the condition encoder alone, with fresh parameters."""
    encoder = config.encoder
    num_feat, num_block = encoder.num_feat, encoder.num_block
    if encoder.kind == "rrdb":
        return RRDBNet(num_feat=num_feat, num_block=num_block, scale=config.scale)
    return ResidualEncoder(
        num_feat=num_feat,
        num_block=num_block,
        scale=config.scale,
        num_levels=encoder.num_levels,
        sees_blocks=encoder.sees_blocks,
    )


def _build_denoiser(config: ModelConfig) -> nn.Module:
    network = FullUNet if config.unet.kind == "full" else FoldedUNet
    return network(
        widths=config.unet.widths,
        condition_features=config.encoder.num_condition_features,
        scale=config.scale,
    )


def build_model(config: ModelConfig, seed: int = 0) -> SuperResolver:
    """Build the model with parameters drawn from ``seed``; the global random state is kept."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SuperResolver(config)
