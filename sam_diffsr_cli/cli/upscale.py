"""``samsr upscale``: from photos to larger, sharper photos. Options and their meaning."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sam_diffsr_cli.chain_config import Quality, Sampler
from sam_diffsr_cli.choices import (
    DEFAULT_FILE_QUALITY,
    DEFAULT_MAX_MEGAPIXELS,
    Engine,
    OnExists,
    Subsampling,
)
from sam_diffsr_cli.cli.options import Device, Json, Precision, Weights, option
from sam_diffsr_cli.cli.render import CommandResult
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.process import CUDA_BINDINGS, leave_out
from sam_diffsr_cli.sampling_config import SamplingOptions, parse_clean

if TYPE_CHECKING:
    from sam_diffsr_cli.batch.options import BatchOptions
    from sam_diffsr_cli.upscaling.size_text import SizeText

__all__ = ["upscale"]

STANDARD = "-"
SIZE, RESULT, FILES, MACHINE = "Size", "Result", "Files", "Machine"
OWN = "that of --quality"


def upscale(  # noqa: PLR0913, PLR0917 - one parameter per option
    places: Annotated[
        list[str],
        typer.Argument(
            metavar="IN... [OUT]",
            help="IN: pictures, folders, quoted patterns, URLs, @LIST (a file of these), - for "
            "stdin. OUT: a folder or its URL; for one picture a file, or -; without it one picture "
            "is written beside its input, as cat-x4.jpg.",
        ),
    ],
    scale: Annotated[
        str | None,
        option(SIZE, "As 2, 2.5, 2x or 200%: 1 to 16 times.", show_default="the model's"),
    ] = None,
    width: Annotated[int | None, option(SIZE, "So many pixels wide.")] = None,
    height: Annotated[int | None, option(SIZE, "So many pixels high.")] = None,
    fit: Annotated[
        str | None, option(SIZE, "The largest inside, as 3840x2160.", metavar="WxH")
    ] = None,
    fill: Annotated[
        str | None, option(SIZE, "Exactly; what sticks out is cut off.", metavar="WxH")
    ] = None,
    min_size: Annotated[int | None, option(SIZE, "The shorter side, at least.")] = None,
    megapixels: Annotated[float | None, option(SIZE, "So many million pixels.")] = None,
    paper: Annotated[
        str | None, option(SIZE, "Inside paper, as 30x20cm, 8x10in.", "--print", metavar="PAPER")
    ] = None,
    dpi: Annotated[
        float | None,
        option(SIZE, "Print density to tell; with --print 300.", show_default="the input's"),
    ] = None,
    only_larger: Annotated[  # noqa: FBT002
        bool, option(SIZE, "Leave out what would not grow.", "--only-larger")
    ] = False,
    steps: Annotated[
        int | None,
        option(RESULT, "Diffusion steps; 0 is the fast, smooth answer.", min=0, show_default=OWN),
    ] = None,
    quality: Annotated[
        Quality,
        option(RESULT, "Steps and sampler by the model's own measure; plain: the published chain."),
    ] = "balanced",
    sampler: Annotated[
        Sampler | None, option(RESULT, "Way down the chain.", show_default=OWN)
    ] = None,
    clean: Annotated[
        str,
        option(
            RESULT,
            "Clean compression and noise: auto by the estimate, off, or 0 to 100.",
            metavar="auto|off|0..100",
        ),
    ] = "auto",
    detail: Annotated[
        int | None,
        option(
            RESULT,
            "From faithful (0: no diffusion) to vivid (100).",
            min=0,
            max=100,
            show_default=OWN,
        ),
    ] = None,
    ensemble: Annotated[
        int | None,
        option(RESULT, "Mean of the encoder's answers to 2, 4, 8 orientations.", show_default=OWN),
    ] = None,
    seed: Annotated[
        int | None, option(RESULT, "Same seed, same picture.", min=0, show_default="0")
    ] = None,
    wrap: Annotated[  # noqa: FBT002
        bool, option(RESULT, "Textures: borders meet, and the result tiles.", "--wrap")
    ] = False,
    image_format: Annotated[
        str | None,
        option(
            RESULT,
            "png, jpg, webp, tif, bmp, gif, avif or jxl.",
            "--format",
            show_default="each picture's own",
        ),
    ] = None,
    file_quality: Annotated[
        int, option(RESULT, "Of JPEG, WebP, AVIF, JPEG XL.", min=1, max=100)
    ] = DEFAULT_FILE_QUALITY,
    subsampling: Annotated[Subsampling, option(RESULT, "Of a JPEG's colours.")] = "444",
    progressive: Annotated[  # noqa: FBT002
        bool, option(RESULT, "JPEG that shows coarsely at first.", "--progressive")
    ] = False,
    lossless: Annotated[  # noqa: FBT002
        bool, option(RESULT, "Exact pixels in WebP, JPEG XL.", "--lossless")
    ] = False,
    strip_metadata: Annotated[  # noqa: FBT002
        bool, option(RESULT, "Drop EXIF, ICC, XMP, texts and the record.", "--strip-metadata")
    ] = False,
    recursive: Annotated[  # noqa: FBT002
        bool, option(FILES, "Enter subfolders; OUT mirrors them.", "--recursive", "-r")
    ] = False,
    strict: Annotated[  # noqa: FBT002
        bool,
        option(FILES, "Pictures that a folder holds and that are left out fail.", "--strict"),
    ] = False,
    suffix: Annotated[str, option(FILES, "Added to names, as in cat_x4.png.")] = "",
    on_exists: Annotated[
        OnExists,
        option(FILES, "When an output is there already; skip resumes a run."),
    ] = "error",
    preserve_times: Annotated[  # noqa: FBT002
        bool, option(FILES, "Outputs have their inputs' times.", "--preserve-times")
    ] = False,
    manifest: Annotated[
        Path | None,
        option(FILES, "Keep in this file what is done, and go on where a run of it ended."),
    ] = None,
    report: Annotated[
        Path | None,
        option(FILES, "Write an .html page of what changed and what was made up.", metavar="PAGE"),
    ] = None,
    dry_run: Annotated[  # noqa: FBT002
        bool, option(FILES, "Tell the plan and stop.", "--dry-run")
    ] = False,
    fail_fast: Annotated[  # noqa: FBT002
        bool, option(FILES, "Stop at the first failure.", "--fail-fast")
    ] = False,
    quiet: Annotated[  # noqa: FBT002
        bool, option(FILES, "Print errors only.", "--quiet", "-q")
    ] = False,
    verbose: Annotated[  # noqa: FBT002
        bool, option(FILES, "Tell how dirty each picture is found to be.", "--verbose", "-v")
    ] = False,
    as_json: Json = False,  # noqa: FBT002
    tile: Annotated[
        int | None,
        option(
            MACHINE,
            "Side of a tile in input pixels; 0: no tiles.",
            min=0,
            show_default="by free memory",
        ),
    ] = None,
    max_megapixels: Annotated[
        float,
        option(MACHINE, "Larger inputs are refused before decoding; all frames count.", min=0.0),
    ] = DEFAULT_MAX_MEGAPIXELS,
    workers: Annotated[
        int | None, option(MACHINE, "Processes that share the pictures.", min=1, show_default="1")
    ] = None,
    gpus: Annotated[
        str | None,
        option(
            MACHINE,
            "A process on each GPU: all, or numbers such as 0,1.",
            show_default="one process",
        ),
    ] = None,
    engine: Annotated[
        Engine,
        option(
            MACHINE, "Workers on this machine, or on a Ray cluster that shares the files' disk."
        ),
    ] = "local",
    ray_address: Annotated[
        str | None,
        option(
            MACHINE,
            "Of the cluster, as host:port.",
            show_default="$RAY_ADDRESS, else one of its own",
        ),
    ] = None,
    device: Device = "auto",
    precision: Precision = "auto",
    weights: Weights = None,
) -> CommandResult:
    """Enlarge pictures, whatever they are, and keep all that is in them.

    Example: samsr upscale cat.jpg
    Example: samsr upscale photos/ larger/ --scale 4
    Example: samsr upscale photos/ screen/ --fit 3840x2160 --only-larger
    Example: samsr upscale -r --format webp --on-exists skip library/ larger/
    Example: curl ... | samsr upscale - - --format png > large.png
    """
    from sam_diffsr_cli.batch.options import BatchOptions
    from sam_diffsr_cli.upscaling.size_text import SizeText

    options = BatchOptions(
        sampling=SamplingOptions(
            quality=quality,
            steps=steps,
            sampler=sampler,
            seed=seed or 0,
            tile=tile,
            clean=parse_clean(clean),
            detail=detail,
            ensemble=ensemble,
            wrap=wrap,
        ),
        image_format=image_format,
        file_quality=file_quality,
        lossless=lossless,
        strip_metadata=strip_metadata,
        subsampling=subsampling,
        progressive=progressive,
        preserve_times=preserve_times,
        recursive=recursive,
        strict=strict,
        suffix=suffix,
        on_exists=on_exists,
        manifest=manifest,
        fail_fast=fail_fast,
        max_megapixels=max_megapixels,
        workers=workers,
        gpus=gpus,
        engine=engine,
        ray_address=ray_address,
        device=device,
        precision=precision,
        model=weights,
    )
    box = (fit, fill, min_size, megapixels)
    size = SizeText(scale, width, height, *box, paper, dpi, only_larger)
    return _start(places, size, options, (dry_run, as_json, quiet, verbose), report)


def _start(
    places: list[str],
    size: "SizeText",
    options: "BatchOptions",
    shown: tuple[bool, bool, bool, bool],
    report: Path | None,
) -> CommandResult:
    """Plan the batch, and show it as asked for: without doing it, as JSON, quietly, with a page."""
    from sam_diffsr_cli.batch.naming import name_batch, split_places

    dry_run, as_json, is_quiet, verbose = shown
    if report is not None:
        if dry_run:
            raise InputError(
                "--report and --dry-run exclude each other: a plan has nothing to show",
                hint="samsr preview shows a few places beforehand",
            )
        from sam_diffsr_cli.comparison.page import check_place

        replaces = options.on_exists == "overwrite"
        check_place(report, overwrite=replaces, hint="--on-exists overwrite")
    options = replace(options, size=size.resolve(), dpi=size.density)
    sources, target, options = split_places(places, options)
    if as_json and target == STANDARD:
        raise InputError("--json and OUT - both want standard output", hint="name a file")
    named = name_batch(sources, target, options, looks=not (dry_run or as_json))
    # 12 MB and 60 ms of every start.
    leave_out(CUDA_BINDINGS)
    from sam_diffsr_cli.batch.request import plan_batch
    from sam_diffsr_cli.cli.batch import show_batch

    batch = plan_batch(sources, target, options, named)
    return show_batch(
        batch,
        dry_run=dry_run,
        as_json=as_json,
        is_quiet=is_quiet,
        verbose=verbose,
        report=report,
    )
