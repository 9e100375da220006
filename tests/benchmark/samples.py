"""A small model, and rows made up for tests that measure nothing."""

from pathlib import Path
from typing import Any

from sam_diffsr_cli.benchmark.records import Case, Measured, Peaks, Row, Work
from sam_diffsr_cli.checkpoints.store import save_weights
from sam_diffsr_cli.config import DiffusionConfig, EncoderConfig, ModelConfig, UNetConfig
from sam_diffsr_cli.models.model import build_model

TINY = ModelConfig(
    encoder=EncoderConfig(kind="residual", num_feat=8, num_block=2),
    unet=UNetConfig(kind="folded", widths=(8, 8)),
    diffusion=DiffusionConfig(
        num_timesteps=10, base="encoder", residual_scale=4.0, sigma_data=0.33, sampling_steps=2
    ),
)
TINY_FULL = ModelConfig(
    encoder=EncoderConfig(kind="rrdb", num_feat=8, num_block=2),
    unet=UNetConfig(kind="full", widths=(8, 8, 8, 8)),
    diffusion=DiffusionConfig(num_timesteps=10, sampling_steps=2),
)
PEAKS = Peaks(device="cpu", precision="fp32", matmul=100e9, convolution=80e9, bandwidth=10e9)


def write_tiny(folder: Path) -> Path:
    path = folder / "tiny.safetensors"
    save_weights(path, build_model(TINY), "made up for a test")
    return path


def case(model: str = "default", steps: int = 6, **values: Any) -> Case:
    work = Work(height=100, width=200, steps=steps)
    given: dict[str, Any] = {"device": "cpu", "precision": "fp32", "is_own": True, "work": work}
    given["tile"] = 256
    return Case(model=model, **given | values)


def measured(*seconds: float, **values: Any) -> Measured:
    """A result of 0.32 megapixels, 2 TFLOP and 50 GB."""
    given: dict[str, Any] = {
        "seconds": seconds or (10.0,),
        "scaled_from": None,
        "scale": 4,
        "flops": 2 * 10**12,
        "moved": 50 * 10**9,
        "memory": 2**30,
        "memory_is_measured": True,
    }
    return Measured(**given | values)


def row(model: str = "default", *seconds: float, **values: Any) -> Row:
    return Row(case=case(model, **values), measured=measured(*seconds), peaks=PEAKS)
