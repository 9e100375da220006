"""One frame enlarged: its colours through the network's sRGB and back, its alpha, any scale."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from sam_diffsr_cli import resize
from sam_diffsr_cli.choices import DEFAULT_SCALE
from sam_diffsr_cli.degradation.levels import CLEAN, Levels
from sam_diffsr_cli.device import derive_seed, memory_errors
from sam_diffsr_cli.errors import ShapeError
from sam_diffsr_cli.pictures.channels import BT601, gray_of
from sam_diffsr_cli.pictures.colour import ColourPath, colour_path
from sam_diffsr_cli.pictures.records import has_alpha
from sam_diffsr_cli.sampling_config import SamplingConfig
from sam_diffsr_cli.tiling import Tile
from sam_diffsr_cli.upscaling.canvas import new_canvas
from sam_diffsr_cli.upscaling.cleaning import find_levels
from sam_diffsr_cli.upscaling.model import Upscaler
from sam_diffsr_cli.upscaling.passes import PassPlan, plan_passes, resize_pixels
from sam_diffsr_cli.upscaling.sizes import Size, Target
from sam_diffsr_cli.upscaling.tiles import Progress, enlarge_tiles
from sam_diffsr_cli.upscaling.transparency import alpha_bounds, fill_levels, unit_tensor
from sam_diffsr_cli.upscaling.windows import Windows, paste

__all__ = ["UpscaleRun", "enlarge_frame"]

OVERLAP = 4
"""Context of the bicubic that carries colours beyond sRGB, in input pixels; it reaches 2."""

NATIVE_SHARE = 0.9
"""Of a frame's time, about what colour takes when alpha is enlarged too."""


def _ignore(_told: object) -> None:
    """Take a report and do nothing with it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UpscaleRun:
    """What one enlarging needs: model, sampling, scale or size, and whom to tell.

    ``size`` is what is asked for instead of ``scale``. ``folder`` is where a result too large for
    memory is mapped from. ``levels`` is how dirty the photo is taken for, None to find it
    (``upscaling.cleaning``).
    """

    upscaler: Upscaler
    sampling: SamplingConfig
    scale: float = DEFAULT_SCALE
    size: Size | None = None
    folder: Path = Path()
    levels: Levels | None = None
    progress: Progress = _ignore
    notify: Callable[[str], None] = _ignore

    def target_of(self, size: tuple[int, int]) -> Target:
        """Decide what becomes of a frame of a height and a width.

        Raises:
            InputError: The scale is out of range.
        """
        return (self.size or Size(scale=self.scale)).resolve(size)


def enlarge_frame(run: UpscaleRun, pixels: np.ndarray, icc: bytes | None = None) -> np.ndarray:
    """Enlarge one frame.

    Args:
        run: Model, sampling, and scale or size.
        pixels: ``(h, w, C)``, uint8 or uint16, C 1 to 4; not changed.
        icc: The profile that the pixels are in, or None for sRGB.

    Returns:
        ``(H, W, C)`` of the same dtype, H and W the rounded ``scale`` times h and w, or what the
        size comes to for them.

    Raises:
        InputError: The scale or the number of steps is out of range.
        ShapeError: ``pixels`` is not such an array.
        ResourceError: Memory or disk space ran out.
    """
    if pixels.ndim != 3 or min(pixels.shape) == 0 or pixels.shape[2] > 4:
        raise ShapeError(f"expected pixels (h, w, 1 to 4), got {pixels.shape}")
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ShapeError(f"expected uint8 or uint16 pixels, got {pixels.dtype}")
    target = run.target_of((pixels.shape[0], pixels.shape[1]))
    path = colour_path(icc, 1 if pixels.shape[2] < 3 else 3)
    if run.levels is None and target.factor >= 1:
        levels = find_levels(run.upscaler, run.sampling.clean, pixels, icc)
        run = replace(run, levels=levels)
    top, left, bottom, right = target.window
    pixels = pixels[top:bottom, left:right]
    plan = plan_passes(
        (pixels.shape[0], pixels.shape[1]),
        target.factor,
        run.upscaler.config.scale,
        target.whole,
        wrap=run.sampling.wrap,
    )
    with memory_errors("use a smaller --tile"):
        whole = _run_passes(run, pixels, path, plan)
    down, across = target.corner
    return whole[down : down + target.size[0], across : across + target.size[1]]


def _run_passes(
    run: UpscaleRun, pixels: np.ndarray, path: ColourPath | None, plan: PassPlan
) -> np.ndarray:
    """Run the model as often as planned, with the resizing in between and after."""
    native, wrap = run.upscaler.config.scale, run.sampling.wrap

    def allocate(shape: tuple[int, int, int]) -> np.ndarray:
        return new_canvas(shape, pixels.dtype, run.folder)

    shares = plan.shares((pixels.shape[0], pixels.shape[1]), native)
    for index in range(plan.passes):
        if index and index == plan.passes - 1 and plan.middle is not None:
            extent = plan.cut[0] / native, plan.cut[1] / native
            pixels = resize_pixels(pixels, plan.middle, extent, allocate, wrap=wrap)
        pixels = _run_pass(_of_pass(run, index, shares), pixels, path)
    if not plan.passes:
        pixels = _with_filled(pixels)
    pixels = pixels[: plan.cut[0], : plan.cut[1]]
    if plan.size != plan.cut:
        pixels = resize_pixels(pixels, plan.size, plan.size, allocate, wrap=wrap)
    if not plan.passes:
        run.progress(1.0)
    return pixels


def _with_filled(pixels: np.ndarray) -> np.ndarray:
    """Copy pixels, with colours where nothing is seen that may be mixed with those around."""
    filled = pixels.copy()
    colours = pixels.shape[2] - has_alpha(pixels)
    if has_alpha(pixels):
        filled[..., :colours] = fill_levels(pixels[..., :colours], pixels[..., colours:])
    return filled


def _of_pass(run: UpscaleRun, index: int, shares: Sequence[float]) -> UpscaleRun:
    """Give a pass its own noise and its part of the progress; what the first made is clean."""
    if len(shares) == 1:
        return run
    before = sum(shares[:index])
    seed = run.sampling.seed if index == 0 else derive_seed(run.sampling.seed, "pass", index)
    return replace(
        run,
        sampling=replace(run.sampling, seed=seed),
        levels=run.levels if index == 0 else CLEAN,
        progress=lambda share: run.progress(before + share * shares[index]),
    )


def _run_pass(run: UpscaleRun, pixels: np.ndarray, path: ColourPath | None) -> np.ndarray:
    """Enlarge by the model's own scale."""
    height, width, channels = pixels.shape
    scale = run.upscaler.config.scale
    canvas = new_canvas((scale * height, scale * width, channels), pixels.dtype, run.folder)
    colours = channels - has_alpha(pixels)
    colour, alpha = pixels[..., :colours], pixels[..., colours:]
    top = np.iinfo(pixels.dtype).max
    if not has_alpha(pixels):
        _enlarge_colour(run, colour, path, canvas)
        return canvas
    if int(alpha.min()) == top:
        canvas[..., colours] = top
        _enlarge_colour(run, colour, path, canvas[..., :colours])
        return canvas
    shown = replace(run, progress=lambda share: run.progress(NATIVE_SHARE * share))
    _enlarge_colour(shown, fill_levels(colour, alpha), path, canvas[..., :colours])
    _enlarge_alpha(run, alpha, canvas[..., colours])
    return canvas


def _enlarge_colour(
    run: UpscaleRun, colour: np.ndarray, path: ColourPath | None, canvas: np.ndarray
) -> None:
    """Enlarge gray or RGB levels into ``canvas``."""
    windows = Windows(colour, run.upscaler.config, wrap=run.sampling.wrap)

    def window_of(tile: Tile) -> Tensor:
        levels = windows.cut(tile)
        if path is None:
            return unit_tensor(levels).expand(-1, 3, -1, -1) * 2 - 1
        return unit_tensor(path.to_srgb(_to_16_bits(levels))) * 2 - 1

    scale = run.upscaler.config.scale
    for tile, core in enlarge_tiles(
        run.upscaler,
        windows.size,
        window_of,
        run.sampling,
        run.progress,
        run.notify,
        run.levels or CLEAN,
        windows.period,
    ):
        sr = (core.permute(1, 2, 0).numpy() + 1) / 2
        if path is not None:
            sr = _back_to_native(sr, windows.cut(tile), tile, path, scale)
        elif colour.shape[2] == 1:
            sr = gray_of(sr)[..., None]
        paste(canvas, windows.place(tile, scale), sr)


def _to_16_bits(levels: np.ndarray) -> np.ndarray:
    return levels if levels.dtype == np.uint16 else levels.astype(np.uint16) * 257


def _back_to_native(
    sr: np.ndarray, native: np.ndarray, tile: Tile, path: ColourPath, scale: int
) -> np.ndarray:
    """Bring a result from sRGB to the photo's space, with the colours that sRGB cannot hold.

    back(sr) + bicubic(native) - back(bicubic(to_srgb(native))): where nothing was clipped the last
    two cancel, elsewhere their difference is what the clipping took.

    Args:
        sr: The core's result, sRGB in [0, 1], ``(H, W, 3)``.
        native: The tile with its context, levels in the photo's space.
        tile: Where the core lies in it.
        path: The way to sRGB and back.
        scale: Of the model.

    Returns:
        ``(H, W, 1 or 3)`` in about [0, 1].
    """
    cuts, cores = [], []
    for span in tile:
        begin = max(span.first, span.start - OVERLAP)
        cuts.append(slice(begin - span.first, min(span.last, span.stop + OVERLAP) - span.first))
        cores.append(slice(scale * (span.start - begin), scale * (span.stop - begin)))
    levels = _to_16_bits(native[cuts[0], cuts[1]])

    def enlarged(values: np.ndarray) -> np.ndarray:
        larger: np.ndarray = resize.upscale(unit_tensor(values), scale)[0].permute(1, 2, 0).numpy()
        core: np.ndarray = larger[cores[0], cores[1]]
        return core

    def back(unit: np.ndarray) -> np.ndarray:
        whole = (unit.clip(0, 1) * 65535).round().astype(np.uint16)
        return path.from_srgb(whole).astype(np.float32) / 65535

    result: np.ndarray = back(sr) + enlarged(levels) - back(enlarged(path.to_srgb(levels)))
    return result


def _enlarge_alpha(run: UpscaleRun, alpha: np.ndarray, canvas: np.ndarray) -> None:
    """Enlarge transparency by the encoder, kept between its neighbours' values.

    What was wholly opaque or clear stays so, and edges are as sharp as those of the colours.
    """
    windows = Windows(alpha, run.upscaler.config, wrap=run.sampling.wrap)
    sampling = replace(run.sampling, steps=0)

    def window_of(tile: Tile) -> Tensor:
        return unit_tensor(windows.cut(tile)).expand(-1, 3, -1, -1) * 2 - 1

    def progress(share: float) -> None:
        run.progress(NATIVE_SHARE + (1 - NATIVE_SHARE) * share)

    scale = run.upscaler.config.scale
    for tile, core in enlarge_tiles(
        run.upscaler,
        windows.size,
        window_of,
        sampling,
        progress,
        run.notify,
        CLEAN,
        windows.period,
    ):
        rows, columns = (slice(s.start - s.first, s.stop - s.first) for s in tile)
        lowest, highest = (
            interpolate(bound[..., rows, columns], scale_factor=scale, mode="nearest")[0, 0]
            for bound in alpha_bounds(unit_tensor(windows.cut(tile)))
        )
        sr = torch.tensordot(torch.tensor(BT601), core, dims=1).add(1).div(2)
        paste(canvas, windows.place(tile, scale), sr.clamp(lowest, highest).numpy())
