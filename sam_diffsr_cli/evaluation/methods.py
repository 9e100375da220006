"""Ways to enlarge a picture: filters, the model at some number of steps, and finished results."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from PIL import Image

from sam_diffsr_cli import resize
from sam_diffsr_cli.chain_config import SAMPLERS, Level, Quality, Sampler
from sam_diffsr_cli.errors import InputError, ShapeError
from sam_diffsr_cli.evaluation.sets import Case, ResultFolder, Truth, is_folder
from sam_diffsr_cli.pictures.reading import read_levels
from sam_diffsr_cli.sampling_config import SamplingConfig
from sam_diffsr_cli.upscaling.chain import check_steps
from sam_diffsr_cli.upscaling.frames import UpscaleRun, enlarge_frame
from sam_diffsr_cli.upscaling.model import Upscaler
from sam_diffsr_cli.upscaling.tiles import choose_tile

__all__ = ["Enlarge", "Method", "make_method"]

Enlarge = Callable[[Case, Truth, int], np.ndarray]

FILTERS = ("bicubic", "lanczos")
LEVELS: Mapping[str, Quality] = {
    "default": "balanced",
    "fast": "fast",
    "best": "best",
    "plain": "plain",
}
STEPS = re.compile(r"steps:(?P<steps>[0-9]{1,9})(?::(?P<sampler>\w*))?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """A way to enlarge.

    Attributes:
        name: As it is shown.
        steps: Of the diffusion, None where there is no model.
        is_random: Whether the seed matters.
        enlarge: Turns a case, its truth and a seed into ``(H, W, 3)`` uint8.
        results: The folder of finished results, None where they are made here.
    """

    name: str
    steps: int | None
    is_random: bool
    enlarge: Enlarge
    results: ResultFolder | None = None


def make_method(
    text: str, upscaler: Upscaler, tile: int | None = None, clean: int | None = None
) -> Method:
    """Make the method that ``text`` names.

    Args:
        text: ``bicubic``, ``lanczos``, ``default``, ``fast``, ``best``, ``plain``, ``steps:N``,
            ``steps:N:SAMPLER``, or a folder of finished results, also as ``name=folder``.
        upscaler: The model, for those with steps; its scale is everybody's.
        tile: As in ``SamplingConfig``; None is chosen by free memory.
        clean: As in ``SamplingConfig``.

    Raises:
        InputError: It names nothing, or the steps are out of range.
    """
    if text in FILTERS:
        return Method(name=text, steps=None, is_random=False, enlarge=_filter(text, upscaler))
    if text in LEVELS:
        level = upscaler.config.diffusion.level(LEVELS[text])
        return _model(text, upscaler, SamplingConfig(**level._asdict(), clean=clean), tile)
    if match := STEPS.fullmatch(text):
        steps = int(match["steps"])
        diffusion = upscaler.config.diffusion
        start = diffusion.sampling_start
        sampler = match["sampler"] or diffusion.sampler_of(steps, start)
        if sampler not in SAMPLERS:
            raise InputError(
                f"--method {text}: unknown sampler {sampler}", hint=f"one of {', '.join(SAMPLERS)}"
            )
        sampler = cast("Sampler", sampler)
        check_steps(upscaler.config, steps, start, sampler)
        shares = diffusion.shares_of(sampler)
        level = Level(steps, sampler, start, diffusion.sampling_dirty_start, *shares)
        sampling = SamplingConfig(**level._asdict(), clean=clean)
        return _model(text.replace(":", " "), upscaler, sampling, tile)
    name, equals, place = ("", "", text) if is_folder(text) else text.partition("=")
    folder = Path(place if equals else text)
    if not is_folder(place if equals else text):
        raise InputError(
            f"--method {text}: unknown",
            hint="bicubic, lanczos, default, fast, best, plain, steps:N[:SAMPLER], or a folder",
        )
    if name in (".", "..") or "/" in name or "\\" in name:
        raise InputError(f"--method {text}: {name} cannot be the name of a folder")
    return _finished(name or folder.resolve().name, ResultFolder(folder))


def _filter(name: str, upscaler: Upscaler) -> Enlarge:
    scale = upscaler.config.scale

    def bicubic(case: Case, _truth: Truth, _seed: int) -> np.ndarray:
        levels = torch.from_numpy(case.lr.copy()).permute(2, 0, 1)[None].double()
        large = resize.upscale_uint8(levels, scale)[0].permute(1, 2, 0)
        pixels: np.ndarray = large.to(torch.uint8).contiguous().numpy()
        return pixels

    def lanczos(case: Case, _truth: Truth, _seed: int) -> np.ndarray:
        size = (case.hr.shape[1], case.hr.shape[0])
        return np.asarray(Image.fromarray(case.lr).resize(size, Image.Resampling.LANCZOS))

    return bicubic if name == "bicubic" else lanczos


def _model(name: str, upscaler: Upscaler, sampling: SamplingConfig, tile: int | None) -> Method:
    steps = sampling.steps
    sampling = replace(sampling, tile=choose_tile(upscaler, steps) if tile is None else tile)
    run = UpscaleRun(upscaler=upscaler, sampling=sampling, scale=upscaler.config.scale)

    def enlarge(case: Case, _truth: Truth, seed: int) -> np.ndarray:
        return enlarge_frame(replace(run, sampling=replace(sampling, seed=seed)), case.lr)

    return Method(name=name, steps=steps, is_random=steps > 0, enlarge=enlarge)


def _finished(name: str, folder: ResultFolder) -> Method:
    def enlarge(case: Case, truth: Truth, _seed: int) -> np.ndarray:
        path = folder.find(truth)
        pixels = read_levels(path)
        height, width = case.hr.shape[:2]
        missing = pixels.shape[0] < height or pixels.shape[1] < width
        if (
            missing
            or pixels.shape[0] - height >= MOST_EXTRA
            or pixels.shape[1] - width >= MOST_EXTRA
        ):
            raise ShapeError(
                f"{path}: {pixels.shape[1]}x{pixels.shape[0]} does not fit the truth's "
                f"{width}x{height}"
            )
        return pixels[:height, :width]

    return Method(name=name, steps=None, is_random=False, enlarge=enlarge, results=folder)


MOST_EXTRA = 16
"""A result may be this much larger than the cropped truth, as when the whole one was enlarged."""
