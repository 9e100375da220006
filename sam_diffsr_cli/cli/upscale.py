"""``samsr upscale``: from photos to larger, sharper photos. Options and their meaning."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from sam_diffsr_cli.chain_config import Quality, Sampler
from sam_diffsr_cli.cli.options import Device, Json, Precision, Weights
from sam_diffsr_cli.cli.render import CommandResult
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.sampling_config import SamplingOptions, parse_clean

__all__ = ["upscale"]

STANDARD = "-"
RESULT, FILES, MACHINE = "Result", "Files", "Machine"


def upscale(  # noqa: PLR0913, PLR0917 - one parameter per option
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="IN...",
            help="Pictures, folders, quoted patterns, URLs, @LIST (a file of these), - for stdin.",
        ),
    ],
    target: Annotated[
        str,
        typer.Argument(metavar="OUT", help="A folder or its URL; for one picture a file, or -."),
    ],
    scale: Annotated[
        float | None,
        typer.Option(
            help="Times as high and wide, 1 to 16, whole or decimal.",
            show_default="the model's",
            rich_help_panel=RESULT,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Diffusion steps; 0 is the fast, smooth answer.",
            show_default="that of --quality",
            rich_help_panel=RESULT,
        ),
    ] = None,
    quality: Annotated[
        Quality,
        typer.Option(
            help="Steps and sampler by the model's own measure; plain: the whole published chain.",
            rich_help_panel=RESULT,
        ),
    ] = "balanced",
    sampler: Annotated[
        Sampler | None,
        typer.Option(
            help="Way down the chain.", show_default="that of --quality", rich_help_panel=RESULT
        ),
    ] = None,
    clean: Annotated[
        str,
        typer.Option(
            help="Clean compression and noise: auto by the estimate, off, or 0 to 100.",
            metavar="auto|off|0..100",
            rich_help_panel=RESULT,
        ),
    ] = "auto",
    detail: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=100,
            help="From faithful (0: no diffusion) to vivid (100).",
            show_default="that of --quality",
            rich_help_panel=RESULT,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, help="Same seed, same picture.", show_default="0", rich_help_panel=RESULT
        ),
    ] = None,
    image_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="png, jpg, webp, tif, bmp, gif, avif or jxl.",
            show_default="each picture's own",
            rich_help_panel=RESULT,
        ),
    ] = None,
    file_quality: Annotated[
        int,
        typer.Option(min=1, max=100, help="Of JPEG, WebP, AVIF, JPEG XL.", rich_help_panel=RESULT),
    ] = 95,
    lossless: Annotated[  # noqa: FBT002
        bool,
        typer.Option("--lossless", help="Exact pixels in WebP, JPEG XL.", rich_help_panel=RESULT),
    ] = False,
    strip_metadata: Annotated[  # noqa: FBT002
        bool,
        typer.Option(
            "--strip-metadata",
            help="Drop EXIF, ICC, XMP, texts and the record.",
            rich_help_panel=RESULT,
        ),
    ] = False,
    recursive: Annotated[  # noqa: FBT002
        bool,
        typer.Option(
            "--recursive", "-r", help="Enter subfolders; OUT mirrors them.", rich_help_panel=FILES
        ),
    ] = False,
    strict: Annotated[  # noqa: FBT002
        bool,
        typer.Option(
            "--strict",
            help="Pictures that a folder holds and that are left out are a failure.",
            rich_help_panel=FILES,
        ),
    ] = False,
    suffix: Annotated[
        str, typer.Option(help="Added to names, as in cat_x4.png.", rich_help_panel=FILES)
    ] = "",
    on_exists: Annotated[
        Literal["skip", "overwrite", "rename", "error"],
        typer.Option(
            help="When an output is there already; skip resumes a run.", rich_help_panel=FILES
        ),
    ] = "error",
    manifest: Annotated[
        Path | None,
        typer.Option(
            help="Keep in this file what is done, and go on where a run of it ended.",
            rich_help_panel=FILES,
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="PAGE",
            help="Write an .html page of what changed and what was made up.",
            rich_help_panel=FILES,
        ),
    ] = None,
    dry_run: Annotated[  # noqa: FBT002
        bool, typer.Option("--dry-run", help="Tell the plan and stop.", rich_help_panel=FILES)
    ] = False,
    fail_fast: Annotated[  # noqa: FBT002
        bool, typer.Option("--fail-fast", help="Stop at the first failure.", rich_help_panel=FILES)
    ] = False,
    as_json: Json = False,  # noqa: FBT002
    tile: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Side of a tile in input pixels; 0: no tiles.",
            show_default="by free memory",
            rich_help_panel=MACHINE,
        ),
    ] = None,
    max_megapixels: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="Larger inputs are refused before decoding; all frames count.",
            rich_help_panel=MACHINE,
        ),
    ] = 200.0,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes that share the pictures.",
            show_default="1",
            rich_help_panel=MACHINE,
        ),
    ] = None,
    gpus: Annotated[
        str | None,
        typer.Option(
            help="A process on each GPU: all, or numbers such as 0,1.",
            show_default="one process",
            rich_help_panel=MACHINE,
        ),
    ] = None,
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(
            help="Workers on this machine, or on a Ray cluster that shares the files' disk.",
            rich_help_panel=MACHINE,
        ),
    ] = "local",
    ray_address: Annotated[
        str | None,
        typer.Option(
            help="Of the cluster, as host:port.",
            show_default="$RAY_ADDRESS, else one of its own",
            rich_help_panel=MACHINE,
        ),
    ] = None,
    device: Device = "auto",
    precision: Precision = "auto",
    weights: Weights = None,
) -> CommandResult:
    """Enlarge pictures, whatever they are, and keep all that is in them.

    Example: samsr upscale photos/ larger/ --scale 4
    Example: samsr upscale -r --format webp --on-exists skip library/ larger/
    Example: samsr upscale "scans/*.tif" cat.jpg larger/ --scale 2.5 --dry-run
    Example: curl ... | samsr upscale - - --format png > large.png
    """
    from sam_diffsr_cli.batch.naming import name_batch
    from sam_diffsr_cli.batch.options import BatchOptions

    if as_json and target == STANDARD:
        raise InputError("--json and OUT - both want standard output", hint="name a file")
    options = BatchOptions(
        scale=scale,
        sampling=SamplingOptions(
            quality=quality,
            steps=steps,
            sampler=sampler,
            seed=seed or 0,
            tile=tile,
            clean=parse_clean(clean),
            detail=detail,
        ),
        image_format=image_format,
        file_quality=file_quality,
        lossless=lossless,
        strip_metadata=strip_metadata,
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
    if report is not None:
        from sam_diffsr_cli.comparison.page import check_place

        check_place(report, overwrite=on_exists == "overwrite", hint="--on-exists overwrite")
    named = name_batch(sources, target, options, looks=not (dry_run or as_json))
    from sam_diffsr_cli.batch.request import plan_batch
    from sam_diffsr_cli.cli.batch import show_batch

    batch = plan_batch(sources, target, options, named)
    return show_batch(batch, dry_run=dry_run, as_json=as_json, report=report)
