"""What a user may ask of a batch of pictures."""

from dataclasses import dataclass, field
from pathlib import Path

from sam_diffsr_cli.choices import Engine, OnExists
from sam_diffsr_cli.pictures.records import Limits
from sam_diffsr_cli.sampling_config import SamplingOptions

__all__ = ["BatchOptions"]


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchOptions:
    """What a user may ask of a batch of pictures; the defaults are those of ``samsr upscale``.

    Attributes:
        scale: Times as high and wide, 1 to 16; None is the model's own.
        sampling: Quality, steps, sampler, seed and tile.
        image_format: ``png``, ``jpg``, ...; None keeps each picture's own.
        file_quality: Of JPEG, WebP and AVIF, 1 to 100.
        lossless: Exact pixels in WebP.
        strip_metadata: Drop EXIF, ICC, XMP, texts and the record.
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
    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    image_format: str | None = None
    file_quality: int = 95
    lossless: bool = False
    strip_metadata: bool = False
    recursive: bool = False
    strict: bool = False
    suffix: str = ""
    on_exists: OnExists = "error"
    manifest: Path | None = None
    fail_fast: bool = False
    max_megapixels: float = 200.0
    workers: int | None = None
    gpus: str | None = None
    engine: Engine = "local"
    ray_address: str | None = None
    device: str = "auto"
    precision: str = "auto"
    model: str | Path | None = None

    @property
    def limits(self) -> Limits:
        """How large inputs may be."""
        return Limits(max_pixels=int(self.max_megapixels * 1e6))
