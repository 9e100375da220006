"""What a user may ask of a batch of pictures."""

import math
from dataclasses import dataclass, field
from pathlib import Path

from sam_diffsr_cli.choices import (
    DEFAULT_FILE_QUALITY,
    DEFAULT_MAX_MEGAPIXELS,
    MOST_WORKERS,
    Engine,
    OnExists,
    Subsampling,
)
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures.encoders import SUBSAMPLINGS, WriteOptions
from sam_diffsr_cli.pictures.formats import format_named
from sam_diffsr_cli.pictures.records import Limits
from sam_diffsr_cli.sampling_config import SamplingOptions
from sam_diffsr_cli.strict import allow, conform
from sam_diffsr_cli.upscaling.size_text import parse_dpi
from sam_diffsr_cli.upscaling.sizes import Size, check_scale, check_wrap

__all__ = ["BatchOptions", "check_jpeg_options", "check_options"]


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchOptions:
    """What a user may ask of a batch of pictures; the defaults are those of ``samsr upscale``.

    Attributes:
        scale: Times as high and wide, 1 to 16; None is the model's own.
        size: Instead of ``scale``: a size that every picture is to have.
        sampling: Quality, steps, sampler, seed and tile.
        image_format: ``png``, ``jpg``, ...; None keeps each picture's own.
        file_quality: Of JPEG, WebP, AVIF and JPEG XL, 1 to 100.
        lossless: Exact pixels in WebP and JPEG XL.
        strip_metadata: Drop EXIF, ICC, XMP, texts and the record.
        subsampling: Of a JPEG's colours: ``444``, ``422`` or ``420``.
        progressive: JPEGs that show coarsely at first.
        dpi: Print density to tell, in pixels an inch; None keeps each picture's own.
        preserve_times: Outputs have the times of their inputs.
        recursive: Enter subfolders; the output folder mirrors them.
        strict: A picture that a folder holds and that is not taken is a failure.
        suffix: Added to the names of outputs.
        on_exists: What to do when an output is there already.
        manifest: File that keeps what is done, to go on from.
        fail_fast: Stop at the first failure.
        max_megapixels: Larger inputs are refused before decoding.
        workers: Processes that share the pictures; None is one.
        gpus: ``all``, or numbers with commas: a process on each.
        engine: Workers on this machine, or on a Ray cluster.
        ray_address: Of the cluster, ``host:port``.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``.
        model: Bundled name, weights file, or a name on the Hub; None is the bundled default.
    """

    scale: float | None = None
    size: Size | None = None
    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    image_format: str | None = None
    file_quality: int = DEFAULT_FILE_QUALITY
    lossless: bool = False
    strip_metadata: bool = False
    subsampling: Subsampling = "444"
    progressive: bool = False
    dpi: float | None = None
    preserve_times: bool = False
    recursive: bool = False
    strict: bool = False
    suffix: str = ""
    on_exists: OnExists = "error"
    manifest: Path | None = None
    fail_fast: bool = False
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS
    workers: int | None = None
    gpus: str | None = None
    engine: Engine = "local"
    ray_address: str | None = None
    device: str = "auto"
    precision: str = "auto"
    model: str | Path | None = None

    def __post_init__(self) -> None:
        conform(self)
        allow(1 <= self.file_quality <= 100, "file_quality", self.file_quality, "1 to 100")
        good = 0 < self.max_megapixels < math.inf
        allow(good, "max_megapixels", self.max_megapixels, "numbers above 0")
        good = self.workers is None or 1 <= self.workers <= MOST_WORKERS
        allow(good, "workers", self.workers, f"1 to {MOST_WORKERS}")

    @property
    def limits(self) -> Limits:
        """How large inputs may be."""
        return Limits(max_pixels=int(self.max_megapixels * 1e6))

    @property
    def writing(self) -> WriteOptions:
        """How files are written."""
        return WriteOptions(
            quality=self.file_quality,
            lossless=self.lossless,
            strip_metadata=self.strip_metadata,
            subsampling=self.subsampling,
            progressive=self.progressive,
            dpi=self.dpi,
        )


def check_options(options: BatchOptions) -> None:
    """Refuse what no picture could be made by.

    Raises:
        InputError: A value is out of range, two exclude each other, or one has nothing to act on.
    """
    if options.scale is not None:
        if options.size is not None:
            raise InputError("--scale and a size exclude each other", hint="leave one out")
        check_scale(options.scale)
    if options.dpi is not None:
        parse_dpi(options.dpi)
    check_wrap(options.size, wrap=options.sampling.wrap)
    if options.subsampling not in SUBSAMPLINGS:
        allowed = ", ".join(SUBSAMPLINGS)
        raise InputError(f"--subsampling {options.subsampling}: allowed are {allowed}")
    if options.image_format is not None and format_named(options.image_format).name != "JPEG":
        check_jpeg_options(options, f"--format is {options.image_format}")


def check_jpeg_options(options: BatchOptions, why_not: str) -> None:
    """Refuse options of JPEG where no JPEG is written.

    Args:
        options: What was asked for.
        why_not: Tells that none is, as ``--format is png``.

    Raises:
        InputError: One is given.
    """
    for name, given in (
        ("--subsampling", options.subsampling != "444"),
        ("--progressive", options.progressive),
    ):
        if given:
            raise InputError(f"{name} is for JPEG, and {why_not}")
