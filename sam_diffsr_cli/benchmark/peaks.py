"""The most that a device does per second: products, convolutions, copies.

Each is the best of several, since whatever else runs on the machine can only make it slower.
"""

import math
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from sam_diffsr_cli.benchmark.kernels import name_kernel
from sam_diffsr_cli.benchmark.records import Peaks
from sam_diffsr_cli.choices import Precision
from sam_diffsr_cli.device import DTYPES

__all__ = ["measure_peaks"]

Clock = Callable[[], float]

MATRIX_SIDES = {"cpu": 2048}
OTHER_MATRIX_SIDE = 8192
"""Side of the matrices: large enough for every core, small enough to be quick."""

CONVOLUTIONS = ((64, 256), (96, 256), (128, 128), (192, 64), (64, 1024))
"""Channels, and side of the picture, of 3x3 convolutions in the presets on 256x256 pixels."""

COPIED_BYTES = 2**28
"""More than most caches hold."""

SAMPLES, SAMPLE_S, LONGEST_S = 7, 0.02, 1.5
"""A peak is the best of so many samples of at least so long, within about so long in all."""


@torch.inference_mode()
def measure_peaks(device: torch.device, precision: Precision) -> Peaks:
    """Measure a device in a number format.

    In a process of its own: on CUDA it lets matrix products round fp32 as convolutions do.
    """
    dtype = DTYPES[precision]
    # Else fp32 convolutions would pass the peak of fp32 products.
    torch.set_float32_matmul_precision("high" if torch.backends.cudnn.allow_tf32 else "highest")
    side = MATRIX_SIDES.get(device.type, OTHER_MATRIX_SIDE)
    matrix = torch.randn(side, side, device=device).to(dtype)
    source = torch.zeros(COPIED_BYTES, dtype=torch.uint8, device=device)
    target = torch.zeros_like(source)
    matmul_s = _best_seconds(lambda: matrix @ matrix, device)
    copy_s = _best_seconds(lambda: target.copy_(source), device)
    return Peaks(
        device=str(device),
        precision=precision,
        matmul=2 * side**3 / matmul_s,
        convolution=max(_convolution_rate(c, s, device, dtype) for c, s in CONVOLUTIONS),
        bandwidth=2 * COPIED_BYTES / copy_s,
        threads=torch.get_num_threads() if device.type == "cpu" else 0,
        kernels=name_kernel(*_operands(96, 64, device, dtype)) if device.type == "cpu" else "",
    )


def _convolution_rate(channels: int, side: int, device: torch.device, dtype: torch.dtype) -> float:
    """Time a 3x3 convolution in the memory format that the networks have; FLOPs per second."""
    x, weight = _operands(channels, side, device, dtype)
    seconds = _best_seconds(lambda: conv2d(x, weight, padding=1), device)
    return 2 * 9 * channels**2 * side**2 / seconds


def _operands(
    channels: int, side: int, device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Draw a picture and a 3x3 kernel of so many channels."""

    def random(*shape: int) -> Tensor:
        tensor = torch.randn(shape, device=device).to(dtype)
        return tensor.contiguous(memory_format=torch.channels_last)

    return random(1, channels, side, side), random(channels, channels, 3, 3)


def _best_seconds(
    call: Callable[[], Tensor], device: torch.device, clock: Clock = time.perf_counter
) -> float:
    """Return the seconds of the fastest of several calls, after one that warms up."""

    def seconds(count: int) -> float:
        began = clock()
        for _ in range(count):
            call()
        if device.type != "cpu":
            torch.accelerator.synchronize(device)
        return (clock() - began) / count

    seconds(1)
    began, best = clock(), seconds(1)
    count = max(1, math.ceil(SAMPLE_S / best))
    for _ in range(SAMPLES):
        best = min(best, seconds(count))
        if clock() - began > LONGEST_S:
            break
    return best
