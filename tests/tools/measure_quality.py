"""Measure a weights file against bicubic on folders of ground-truth pictures.

    python tests/tools/measure_quality.py BENCH/Set5 BENCH/Set14 BENCH/B100:30 \
        --weights weights/samsr-lite-x4.safetensors --steps 0 4

Protocol: the picture is cropped top-left to a multiple of the scale; LR by MATLAB bicubic on uint8;
results rounded to uint8; PSNR and SSIM (11x11 Gaussian, sigma 1.5) on Y of BT.601, shaved by the
scale; LPIPS with the SqueezeNet backbone on RGB, not shaved. ``:N`` takes the first N by name.
LPIPS finds its backbone under TORCH_HOME. Needs the extra ``measure``.
"""

import argparse
import functools
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from sam_diffsr_cli import resize
from sam_diffsr_cli.config import SamplingConfig
from sam_diffsr_cli.device import resolve_device, resolve_precision
from sam_diffsr_cli.pictures.finding import find_pictures
from sam_diffsr_cli.pictures.reading import read_picture
from sam_diffsr_cli.pictures.records import Limits, rgb_levels
from sam_diffsr_cli.upscaling.frames import Run, enlarge_frame
from sam_diffsr_cli.upscaling.model import Upscaler, load_upscaler

Enlarge = Callable[[np.ndarray], np.ndarray]
Distance = Callable[[np.ndarray, np.ndarray], float]


def to_tensor(pixels: np.ndarray) -> torch.Tensor:
    """Turn ``(H, W, 3)`` uint8 into ``(1, 3, H, W)`` float64 levels."""
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].double()


def to_pixels(levels: torch.Tensor) -> np.ndarray:
    """Turn levels back into ``(H, W, 3)`` uint8."""
    return levels[0].permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).numpy()


def luma(pixels: np.ndarray, shave: int) -> np.ndarray:
    """Y of BT.601 in 16..235, as MATLAB's rgb2ycbcr, without ``shave`` pixels of border."""
    y: np.ndarray = 16 + pixels.astype(np.float64) @ np.array([65.481, 128.553, 24.966]) / 255
    return y[shave:-shave, shave:-shave]


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two luma planes, dB."""
    return float(10 * np.log10(255**2 / np.mean((a - b) ** 2)))


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Structural similarity of two luma planes (Wang et al. 2004)."""
    from skimage.metrics import structural_similarity

    value = structural_similarity(
        a, b, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    return float(value)


def make_lpips() -> Distance:
    """Build LPIPS with the SqueezeNet backbone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import lpips

        network = lpips.LPIPS(net="squeeze", verbose=False).eval()

    def distance(a: np.ndarray, b: np.ndarray) -> float:
        with torch.inference_mode():
            pair = [(to_tensor(p) / 127.5 - 1).float() for p in (a, b)]
            return float(network(*pair))

    return distance


def ground_truth(place: str, scale: int) -> list[np.ndarray]:
    """Read ``FOLDER`` or ``FOLDER:N``, each picture cropped to a multiple of ``scale``."""
    folder, _, count = place.partition(":")
    paths = list(find_pictures(Path(folder), recursive=False))[: int(count) if count else None]
    pictures = [rgb_levels(read_picture(path, Limits()).frames[0].pixels) for path in paths]
    return [p[: p.shape[0] // scale * scale, : p.shape[1] // scale * scale] for p in pictures]


def enlargers(upscaler: Upscaler, steps: list[int], seed: int, tile: int) -> dict[str, Enlarge]:
    """Name each way to enlarge: bicubic, and the model at each number of steps."""
    scale = upscaler.config.scale
    ways: dict[str, Enlarge] = {
        "bicubic": lambda lr: to_pixels(resize.upscale_uint8(to_tensor(lr), scale))
    }
    for count in steps:
        sampling = SamplingConfig(steps=count, seed=seed, tile=tile)
        run = Run(upscaler=upscaler, sampling=sampling, scale=scale)
        ways[f"steps {count}"] = functools.partial(enlarge_frame, run)
    return ways


def measure(place: str, ways: dict[str, Enlarge], scale: int, lpips: Distance) -> None:
    """Print one line per way: PSNR-Y / SSIM-Y / LPIPS, means over the pictures."""
    truths = ground_truth(place, scale)
    lows = [to_pixels(resize.downscale_uint8(to_tensor(hr), scale)) for hr in truths]
    for name, enlarge in ways.items():
        rows = []
        for hr, lr in zip(truths, lows, strict=True):
            sr = enlarge(lr)
            planes = luma(sr, scale), luma(hr, scale)
            rows.append((psnr(*planes), ssim(*planes), lpips(sr, hr)))
        means = np.mean(rows, axis=0)
        print(f"{place:40} {name:10} {means[0]:.2f} / {means[1]:.4f} / {means[2]:.3f}", flush=True)


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("places", nargs="+", help="FOLDER or FOLDER:N")
    parser.add_argument("--weights", type=Path, help="default: the bundled file")
    parser.add_argument("--steps", type=int, nargs="*", help="default: 0 and the model's own")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tile", type=int, default=SamplingConfig(steps=0).tile)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    options = parser.parse_args()
    device = resolve_device(options.device)
    precision = resolve_precision(options.precision, device)
    upscaler = load_upscaler(options.weights, device, precision)
    steps = options.steps or [0, upscaler.config.diffusion.sampling_steps]
    ways = enlargers(upscaler, steps, options.seed, options.tile)
    lpips = make_lpips()
    for place in options.places:
        measure(place, ways, upscaler.config.scale, lpips)


if __name__ == "__main__":
    main()
