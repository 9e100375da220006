"""samsr from Python: an image or files enlarged, a model trained, masks built, results measured.

Nothing here prints, and what goes wrong is a ``SamsrError``, which tells the option and what to do.
What takes long gives its events as they come; closing such a generator stops the work, and what is
written is whole. Records of options have the names and the defaults of the command line.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from sam_diffsr_cli.batch.options import BatchOptions
from sam_diffsr_cli.batch.pipeline import Outcome
from sam_diffsr_cli.batch.request import plan_batch
from sam_diffsr_cli.batch.run import run
from sam_diffsr_cli.chain_config import Quality, Sampler
from sam_diffsr_cli.choices import DEFAULT_SCALE
from sam_diffsr_cli.data.fetching import fetch_set
from sam_diffsr_cli.data.known_sets import KnownSet
from sam_diffsr_cli.device import resolve_device, resolve_precision
from sam_diffsr_cli.errors import InputError, SamsrError
from sam_diffsr_cli.evaluation.request import EvaluateOptions, plan_evaluation
from sam_diffsr_cli.evaluation.run import Failure, ImageScores
from sam_diffsr_cli.evaluation.run import evaluate as evaluate_plan
from sam_diffsr_cli.masks.build import BuildStep
from sam_diffsr_cli.masks.work import MaskOptions, plan_build, start_build
from sam_diffsr_cli.sampling_config import SamplingOptions, parse_clean
from sam_diffsr_cli.training.options import TrainOptions
from sam_diffsr_cli.training.start import Hooks, TrainEvent, train_with
from sam_diffsr_cli.upscaling.frames import UpscaleRun
from sam_diffsr_cli.upscaling.images import enlarge_array, enlarge_image
from sam_diffsr_cli.upscaling.model import Upscaler, load_upscaler
from sam_diffsr_cli.upscaling.options import resolve_sampling
from sam_diffsr_cli.upscaling.sizes import Size, check_wrap

__all__ = ["SamsrError", "build_masks", "evaluate", "load", "train", "upscale", "upscale_files"]


AnyImage = TypeVar("AnyImage", Image.Image, np.ndarray)


def _ignore(_: float) -> None:
    """Take the share that is done and do nothing with it."""


def load(
    model: str | Path | None = None, device: str = "auto", precision: str = "auto"
) -> Upscaler:
    """Load a model once, for many calls of ``upscale``.

    Args:
        model: Bundled name, weights file, or ``org/name[@revision][:file]`` on the Hub; None is
            the bundled default.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``.

    Raises:
        InputError: The device is not there, or the text names no model.
        WeightsError: The file is missing, damaged, or cannot be fetched.
    """
    if not (model is None or isinstance(model, (str, Path))):
        raise InputError(f"model is {model!r}, which is neither a name, a path, nor a loaded model")
    place = resolve_device(device)
    return load_upscaler(model, place, resolve_precision(precision, place))


def upscale(  # noqa: PLR0913 - one parameter per option of the command
    image: AnyImage,
    scale: float | None = None,
    *,
    size: Size | None = None,
    model: Upscaler | str | Path | None = None,
    quality: Quality = "balanced",
    steps: int | None = None,
    sampler: Sampler | None = None,
    seed: int = 0,
    tile: int | None = None,
    clean: int | str | None = None,
    detail: int | None = None,
    ensemble: int | None = None,
    wrap: bool = False,
    progress: Callable[[float], None] = _ignore,
) -> AnyImage:
    """Enlarge one image.

    Args:
        image: A Pillow image; or an array ``(h, w)`` or ``(h, w, 1 to 4)`` of gray, gray and alpha,
            RGB, or RGB and alpha, uint8 or uint16 in sRGB, alpha not premultiplied. Not changed.
        scale: Times as high and wide, 1 to 16, whole or decimal; None is 4, or as ``size`` says.
        size: Instead of ``scale``: a width, a height, a box to fit or fill, or megapixels.
        model: What ``load`` gave; a name or a file is loaded for this call, by default the bundled
            one, on the device that ``load`` picks.
        quality: ``fast``, ``balanced``, ``best``, or ``plain`` for the whole published chain.
        steps: Of the diffusion, from 0 to as many as the model has; None is that of ``quality``.
        sampler: Way down the chain; None is that of ``quality``.
        seed: Same seed, same picture; 0 to 2^63 - 1.
        tile: Longest side of a tile in pixels of ``image``, 0 for one piece, else 16 or more; None
            is by the free memory. It does not show in the result.
        clean: How dirty the image is taken for, 0 or ``off`` (clean) to 100 (as dirty as any that
            the model was trained on); None or ``auto`` is by the model's estimate.
        detail: From faithful to vivid, 0 to 100; None is that of ``quality``.
        ensemble: Orientations of the image, 1, 2, 4 or 8, whose answers by the encoder are
            averaged; None is that of ``quality``.
        wrap: The image is a pattern that repeats, and so is the result.
        progress: Called with the share that is done, in (0, 1].

    Returns:
        The same kind, ``scale`` times as high and wide, rounded, or of that size. An array has as
        many axes, channels and bits; a Pillow image is gray or RGB with or without alpha, and has
        the ICC profile of ``image``.

    Raises:
        ShapeError: It is not such an array.
        InputError: A value is out of range or of another kind, or the image of a kind that cannot
            be enlarged.
        WeightsError: The model cannot be loaded.
        ResourceError: Memory or disk space ran out.
    """
    if not isinstance(image, (Image.Image, np.ndarray)):
        raise InputError(f"expected a Pillow image or an array, got {type(image).__name__}")
    if scale is not None and size is not None:
        raise InputError("a scale and a size exclude each other", hint="leave one out")
    if not callable(progress):
        raise InputError(f"progress is {progress!r}, which cannot be called")
    if not (size is None or isinstance(size, Size)):
        raise InputError(f"size is {size!r}, which is no Size", hint="as Size(fit=(1920, 1080))")
    if size is not None and size.only_larger:
        raise InputError("only_larger leaves out files; ask the image for its size instead")
    wanted_size = size or Size(scale=DEFAULT_SCALE if scale is None else scale)
    check_wrap(wanted_size, wrap=wrap)
    options = SamplingOptions(
        quality=quality,
        steps=steps,
        sampler=sampler,
        seed=seed,
        tile=tile,
        clean=parse_clean(clean) if isinstance(clean, str) else clean,
        detail=detail,
        ensemble=ensemble,
        wrap=wrap,
    )
    upscaler = model if isinstance(model, Upscaler) else load(model)
    wanted = UpscaleRun(
        upscaler=upscaler,
        sampling=resolve_sampling(upscaler, options),
        size=wanted_size,
        folder=Path(tempfile.gettempdir()),
        progress=progress,
    )
    if isinstance(image, np.ndarray):
        # A subclass may do other things with its axes.
        return enlarge_array(wanted, np.asarray(image))
    return enlarge_image(wanted, image)


def upscale_files(
    sources: str | Path | Sequence[str | Path],
    out: str | Path,
    options: BatchOptions | None = None,
) -> Iterator[Outcome]:
    """Enlarge picture files, keeping all that is in them, as ``samsr upscale`` does.

    Args:
        sources: Pictures, folders, patterns or URLs.
        out: A folder or its URL; for one picture a file.
        options: What else is asked for. ``workers`` are processes that import the main script: it
            must begin its work below ``if __name__ == "__main__":``.

    Returns:
        What became of each picture, as they come. One that fails is an outcome with its ``error``;
        the work ends early when no space is left.

    Raises:
        InputError: An option or a name cannot be used; nothing was written.
        WeightsError: The model cannot be loaded.
    """
    names = [sources] if isinstance(sources, (str, Path)) else list(_iterate(sources))
    for name in (*names, out):
        if not isinstance(name, (str, PathLike)):
            raise InputError(f"{name!r} is no name of a file or folder")
    if not names:
        raise InputError("no pictures are named")
    if "-" in (*names, out):
        raise InputError("-: standard input and output are for the command line")
    target = out if isinstance(out, str) else fspath(out)
    return run(plan_batch([fspath(name) for name in names], target, options or BatchOptions()))


def _iterate(sources: object) -> Iterable[str | Path]:
    if isinstance(sources, Iterable) and not isinstance(sources, bytes):
        return sources
    raise InputError(f"sources is {sources!r}, allowed: names of pictures and folders")


def train(
    options: TrainOptions,
    *,
    stop: Callable[[], bool] = lambda: False,
    notify: Callable[[str], None] = lambda _: None,
    download: bool = False,
) -> Iterator[TrainEvent]:
    """Train a model on folders of photos, or go on with a run, as ``samsr train`` does.

    Args:
        options: Photos, folder of the run, recipe, and how it is run.
        stop: Asked at each step; True saves and raises ``InterruptedRun``.
        notify: Told what is out of the ordinary.
        download: Fetch known sets that are not there.

    Yields:
        Photos as they are read, stages as they begin, steps, validations, and at the end
        ``RunFinished`` with the weights.

    Raises:
        ConfigError: The recipe cannot be, or the run cannot go on from its states.
        InputError: There are no photos, or a run is already there.
        ResourceError: Memory or disk ran out; the states written before are whole.
        InterruptedRun: ``stop`` said so; the state is saved.
    """
    hooks = Hooks(stop=stop, notify=notify, fetch=_fetch if download else None)
    yield from train_with(options, hooks)


def _fetch(known: KnownSet, root: Path) -> None:
    fetch_set(known, root, lambda _done, _name: None)


def build_masks(options: MaskOptions) -> Iterator[BuildStep]:
    """Build the masks of a folder of photos that are not there yet, as ``samsr masks build`` does.

    Returns:
        A step after each photo, as they come; one that fails has its ``error``.

    Raises:
        InputError: There are no photos, or the folder of masks cannot be written.
        ConfigError: The masks there were made in another way.
        WeightsError: SAM's checkpoint cannot be used.
    """
    return start_build(plan_build(options))


def evaluate(options: EvaluateOptions) -> Iterator[ImageScores | Failure]:
    """Measure how close enlarged pictures come to the truth, as ``samsr evaluate`` does.

    Returns:
        The numbers of each picture, method and seed, as they come, or why there are none.

    Raises:
        InputError: A set, method or protocol is not known.
        WeightsError: The model cannot be loaded.
    """
    return evaluate_plan(plan_evaluation(options))
