"""Residual diffusion super-resolution with structure-modulated noise (SAM-DiffSR).

The names below are loaded when they are first used: importing the package alone loads no torch.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sam_diffsr_cli.api import build_masks, evaluate, load, train, upscale, upscale_files
    from sam_diffsr_cli.batch.options import BatchOptions
    from sam_diffsr_cli.errors import SamsrError
    from sam_diffsr_cli.evaluation.request import EvaluateOptions
    from sam_diffsr_cli.masks.work import MaskOptions
    from sam_diffsr_cli.sampling_config import SamplingOptions
    from sam_diffsr_cli.training.options import TrainOptions
    from sam_diffsr_cli.upscaling.sizes import Size

__all__ = [
    "BatchOptions",
    "EvaluateOptions",
    "MaskOptions",
    "SamplingOptions",
    "SamsrError",
    "Size",
    "TrainOptions",
    "__version__",
    "build_masks",
    "evaluate",
    "load",
    "train",
    "upscale",
    "upscale_files",
]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Load a name of the public face (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sam_diffsr_cli import api  # noqa: PLC0415 - it loads torch

    globals()[name] = found = getattr(api, name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
