"""What there is to choose from, and what is taken where nothing is chosen, each once.

Options, records and the code share them.
"""

from typing import Literal

__all__ = [
    "DEFAULT_FILE_QUALITY",
    "DEFAULT_MAX_MEGAPIXELS",
    "DEFAULT_SCALE",
    "MOST_WORKERS",
    "DegradeKind",
    "Engine",
    "LpipsNetwork",
    "MaskNorm",
    "Modulation",
    "OnExists",
    "Precision",
    "PrecisionChoice",
    "Preset",
    "ProtocolName",
    "SamType",
    "SegmenterName",
    "StageChoice",
    "StateChoice",
    "Subsampling",
]

DEFAULT_SCALE = 4.0
"""Times as high and wide: what the bundled model was trained for."""

DEFAULT_FILE_QUALITY = 95
"""Of JPEG, WebP, AVIF and JPEG XL, 1 to 100."""

DEFAULT_MAX_MEGAPIXELS = 200.0
"""Of a picture, all its frames together, before it is decoded."""

Precision = Literal["fp16", "bf16", "fp32"]
PrecisionChoice = Literal["auto", "fp32", "bf16", "fp16"]
"""``auto`` is by the device."""

OnExists = Literal["skip", "overwrite", "rename", "error"]
"""What to do where an output is there already."""

Engine = Literal["local", "ray"]
"""Where workers run."""

Subsampling = Literal["444", "422", "420"]
"""How many pixels share a colour in a JPEG."""

Preset = Literal["lite", "paper"]
StageChoice = Literal["both", "encoder", "diffusion", "distill"]
StateChoice = Literal["last", "best"]
DegradeKind = Literal["none", "photo", "second-order"]
Modulation = Literal["none", "released", "paper"]
"""How the structure of a photo shifts the noise (``diffusion.structural_noise``)."""

MaskNorm = Literal["image", "region"]
"""Over what the mean of a region's encoding is taken (``masks.position``)."""

SegmenterName = Literal["sam", "felzenszwalb"]
SamType = Literal["vit_h", "vit_l", "vit_b", "custom"]

ProtocolName = Literal["standard", "samdiffsr"]
LpipsNetwork = Literal["none", "squeeze", "alex", "vgg"]

MOST_WORKERS = 10_000
"""Processes that share work: more than any cluster here was simulated with."""
