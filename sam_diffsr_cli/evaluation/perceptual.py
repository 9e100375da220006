"""LPIPS, from the package that its authors keep, when it is installed."""

import urllib.error
import warnings
from collections.abc import Callable
from typing import Literal

import numpy as np
import torch

from sam_diffsr_cli.errors import ConfigError, ShapeError
from sam_diffsr_cli.packages import install_command

__all__ = ["Backbone", "Distance", "make_lpips"]

Backbone = Literal["squeeze", "alex", "vgg"]
Distance = Callable[[np.ndarray, np.ndarray], float]

LEAST_SIDE = {"squeeze": 17, "alex": 31, "vgg": 16}
"""What is left of a smaller picture when the backbone has shrunk it is nothing."""


def make_lpips(backbone: Backbone, device: torch.device) -> Distance:
    """Build the distance (Zhang et al. 2018): of ``(H, W, 3)`` uint8 twice, lower is closer.

    The distance raises ShapeError for pictures that are too small for the backbone.

    Raises:
        ConfigError: The package is missing, or its backbone cannot be fetched.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import lpips  # noqa: PLC0415 - an optional extra

            network = lpips.LPIPS(net=backbone, verbose=False).eval().to(device)
    except ImportError as error:
        raise ConfigError(
            "--lpips needs the package lpips", hint=install_command("lpips")
        ) from error
    except (urllib.error.URLError, OSError, RuntimeError) as error:
        raise ConfigError(
            f"--lpips {backbone}: its backbone is not there and cannot be fetched ({error})",
            hint="put torchvision's file into hub/checkpoints of the folder that TORCH_HOME names",
        ) from error

    @torch.inference_mode()
    def distance(sr: np.ndarray, hr: np.ndarray) -> float:
        height, width = hr.shape[:2]
        least = LEAST_SIDE[backbone]
        if min(height, width) < least:
            raise ShapeError(
                f"pictures of {width}x{height} are too small for --lpips {backbone}",
                hint=f"it needs {least}x{least} pixels; leave --lpips out",
            )
        pair = [torch.from_numpy(p.copy()).permute(2, 0, 1)[None] for p in (sr, hr)]
        scaled = [(p.to(device, torch.float32) / 127.5) - 1 for p in pair]
        return float(network(*scaled))

    return distance
