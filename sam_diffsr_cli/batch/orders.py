"""What a worker is told to do: a batch's settings without the network, which it loads itself.

``Order`` is of pictures to enlarge, ``MaskOrder`` of photos to cut into regions.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from sam_diffsr_cli.batch.plan import Naming
from sam_diffsr_cli.batch.stages import Settings
from sam_diffsr_cli.batch.worker import Hand, MaskHand
from sam_diffsr_cli.device import Precision
from sam_diffsr_cli.errors import WeightsError
from sam_diffsr_cli.masks.build import open_manifest
from sam_diffsr_cli.masks.choice import Choice, load_segmenter
from sam_diffsr_cli.pictures.encoders import WriteOptions
from sam_diffsr_cli.pictures.records import Limits
from sam_diffsr_cli.sampling_config import SamplingConfig
from sam_diffsr_cli.upscaling.model import load_upscaler

__all__ = ["MaskOrder", "Order", "order_of", "settle"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """All of ``Settings`` that can be sent to another process.

    ``weights`` is the model's file, which must still be the one of ``digest``; ``name`` is what
    records call it.
    """

    weights: Path
    name: str
    digest: str
    precision: Precision
    sampling: SamplingConfig
    scale: float
    naming: Naming
    limits: Limits
    options: WriteOptions

    def start(self, device: torch.device) -> Hand:
        """Load the model.

        Raises:
            WeightsError: As ``settle``.
        """
        return Hand(settle(self, device))


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskOrder:
    """A segmenter that is not loaded yet, and the folder ``out`` of all the masks."""

    choice: Choice
    out: Path
    limits: Limits

    def start(self, device: torch.device) -> MaskHand:
        """Load the segmenter, and see in the manifest that all masks are made by the same.

        Raises:
            ConfigError: ``out`` holds masks made in another way, or SAM cannot be imported.
            InputError: ``out`` cannot be written.
            WeightsError: SAM's checkpoint is missing, damaged, or holds another SAM.
        """
        segmenter = load_segmenter(self.choice, device)
        open_manifest(self.out, segmenter.description)
        return MaskHand(segmenter, self.limits)


def order_of(settings: Settings) -> Order:
    """Take the settings apart."""
    path = settings.upscaler.path
    assert path is not None  # noqa: S101 - a model that was not loaded has no place in a batch
    return Order(
        weights=path.resolve(),
        name=settings.upscaler.name,
        digest=settings.upscaler.digest,
        precision=settings.upscaler.precision,
        sampling=settings.sampling,
        scale=settings.scale,
        naming=settings.naming,
        limits=settings.limits,
        options=settings.options,
    )


def settle(order: Order, device: torch.device) -> Settings:
    """Load the model, and put the settings together again.

    Raises:
        WeightsError: The file is missing, damaged, or has been replaced.
    """
    upscaler = load_upscaler(order.weights, device, order.precision)
    if upscaler.digest != order.digest:
        raise WeightsError(f"{order.weights}: was replaced while the batch started")
    return Settings(
        upscaler=replace(upscaler, name=order.name),
        sampling=order.sampling,
        scale=order.scale,
        naming=order.naming,
        limits=order.limits,
        options=order.options,
    )
