"""Which segmenter was chosen, as a record that can be sent to another process and loaded there."""

from dataclasses import dataclass
from pathlib import Path

import torch

from sam_diffsr_cli.choices import SamType
from sam_diffsr_cli.masks.sam import SamOptions, SamSegmenter, load_sam
from sam_diffsr_cli.masks.segmenters import Felzenszwalb, Segmenter

__all__ = ["Choice", "SamChoice", "load_segmenter"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SamChoice:
    """SAM before it is loaded."""

    checkpoint: Path
    sam_type: SamType
    options: SamOptions


Choice = Felzenszwalb | SamChoice


def load_segmenter(choice: Choice, device: torch.device) -> Segmenter:
    """Load what was chosen; Felzenszwalb's has nothing to load, and runs on the processor.

    Raises:
        ConfigError: segment-anything or torchvision cannot be imported.
        WeightsError: The checkpoint is missing, damaged, or holds another SAM.
    """
    if isinstance(choice, Felzenszwalb):
        return choice
    model, digest = load_sam(choice.checkpoint, choice.sam_type, device)
    return SamSegmenter(
        model=model, sam_type=choice.sam_type, digest=digest, options=choice.options
    )
