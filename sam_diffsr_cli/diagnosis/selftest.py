"""A drawn picture enlarged on each device, and compared with bicubic and with the CPU."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sam_diffsr_cli.diagnosis.gathering import first_line
from sam_diffsr_cli.diagnosis.records import Device, SelfTest
from sam_diffsr_cli.errors import ConfigError, SamsrError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

__all__ = ["check_result", "draw_picture", "run_selftests"]

HEIGHT, WIDTH = 24, 32

MOST_FROM_BICUBIC = 12.0
"""The bundled model is at 4 levels on average; noise, or a gray area, would be at 60."""

MOST_FROM_CPU = 4
"""Number formats differ by a level."""


def draw_picture() -> "np.ndarray":
    """Draw edges of several kinds: a diagonal, a disk, and a ramp, one in each channel.

    Returns:
        ``(24, 32, 3)`` uint8.
    """
    import numpy as np

    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    diagonal = np.where(rows + columns < 26, 60, 190)
    disk = np.where((columns - 16) ** 2 + (rows - 12) ** 2 < 60, 220, 40)
    return np.stack([diagonal, disk, 8 * columns], axis=-1).astype(np.uint8)


def run_selftests(devices: "Sequence[Device]") -> Iterator[SelfTest]:
    """Test each device as its turn comes; the CPU, when it is first, is what others must equal."""
    reference: np.ndarray | None = None
    for device in devices:
        try:
            result, seconds = _enlarge(device)
            from_bicubic, from_cpu = _distances(result, reference)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
            yield _failed(device, error)
            continue
        if device.name == "cpu":
            reference = result
        problem = check_result(result.shape, from_bicubic, from_cpu)
        yield SelfTest(
            device=device.name,
            precision=device.precision,
            seconds=round(seconds, 3),
            from_bicubic=round(from_bicubic, 3),
            from_cpu=from_cpu,
            error=problem,
            exit_code=0 if problem is None else ConfigError.exit_code,
        )


def _failed(device: Device, error: Exception) -> SelfTest:
    is_ours = isinstance(error, SamsrError)
    return SelfTest(
        device=device.name,
        precision=device.precision,
        error=str(error) if is_ours else first_line(error),
        exit_code=error.exit_code if isinstance(error, SamsrError) else ConfigError.exit_code,
    )


def _enlarge(device: Device) -> "tuple[np.ndarray, float]":
    """Enlarge the drawn picture with the bundled model: the result, and the seconds it took."""
    import torch

    from sam_diffsr_cli.device import memory_errors, resolve_precision
    from sam_diffsr_cli.sampling_config import SamplingConfig
    from sam_diffsr_cli.upscaling.frames import UpscaleRun, enlarge_frame
    from sam_diffsr_cli.upscaling.model import load_upscaler

    place = torch.device(device.name)
    precision = resolve_precision("auto", place)
    with memory_errors("close other programs"):
        upscaler = load_upscaler(None, place, precision)
        run = UpscaleRun(upscaler=upscaler, sampling=SamplingConfig(steps=1, tile=0), scale=4)
        began = time.perf_counter()
        return enlarge_frame(run, draw_picture()), time.perf_counter() - began


def _distances(result: "np.ndarray", reference: "np.ndarray | None") -> tuple[float, int | None]:
    """Measure the mean distance from bicubic, and the largest from the reference, in levels."""
    import numpy as np
    from PIL import Image

    picture = Image.fromarray(draw_picture())
    larger = picture.resize((4 * WIDTH, 4 * HEIGHT), Image.Resampling.BICUBIC)
    if result.shape != (4 * HEIGHT, 4 * WIDTH, 3):
        return float("inf"), None
    signed = result.astype(np.int32)
    from_bicubic = float(np.abs(signed - np.asarray(larger)).mean())
    return from_bicubic, None if reference is None else int(np.abs(signed - reference).max())


def check_result(shape: tuple[int, ...], from_bicubic: float, from_cpu: int | None) -> str | None:
    """Judge a result of the self-test.

    Returns:
        What is wrong with it, or None.
    """
    if shape != (4 * HEIGHT, 4 * WIDTH, 3):
        return f"a result of the wrong size {shape}"
    if from_bicubic > MOST_FROM_BICUBIC:
        return f"wrong values: {from_bicubic:.1f} levels from bicubic on average"
    if from_cpu is not None and from_cpu > MOST_FROM_CPU:
        return f"wrong values: up to {from_cpu} levels from what the CPU computes"
    return None
