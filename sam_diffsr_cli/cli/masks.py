"""``samsr masks``: building, importing, showing and checking the masks that training uses."""

from pathlib import Path
from typing import Annotated

import typer

from sam_diffsr_cli.choices import MaskNorm, SamType, SegmenterName
from sam_diffsr_cli.cli.options import Device, Json, option
from sam_diffsr_cli.cli.render import CommandResult

__all__ = ["masks_app"]

SAM, FELZENSZWALB, WORK = "SAM", "Felzenszwalb", "Work"
masks_app = typer.Typer(
    help="Build, import, show and check the structure masks that training uses.",
    no_args_is_help=True,
)

Data = Annotated[
    Path, typer.Option(help="Folder of photos, or DIV2K or Flickr2K under $SAMSR_DATA.")
]
Out = Annotated[Path, typer.Option(help="Folder for the masks; the tree is mirrored.")]
Masks = Annotated[Path, typer.Option(help="Folder of masks.")]
Norm = Annotated[MaskNorm, typer.Option(help="Mean over the image, or the region.")]


@masks_app.command("build")
def build(  # noqa: PLR0913, PLR0917 - one parameter per option
    data: Data,
    out: Out,
    segmenter: Annotated[
        SegmenterName,
        typer.Option(help="felzenszwalb is a light stand-in without a checkpoint."),
    ] = "sam",
    sam: Annotated[
        SamType,
        option(SAM, "Which SAM; custom takes its size from --checkpoint."),
    ] = "vit_h",
    checkpoint: Annotated[
        Path | None, option(SAM, "SAM's .pth file.", show_default="fetched once")
    ] = None,
    points_per_side: Annotated[int, option(SAM, "Points asked about, squared.", min=1)] = 32,
    points_per_batch: Annotated[
        int, option(SAM, "Points at a time: fewer need less memory.", min=1)
    ] = 64,
    pred_iou_thresh: Annotated[float, option(SAM, "Least predicted quality.", min=0, max=1)] = 0.88,
    stability_score_thresh: Annotated[float, option(SAM, "Least stability.", min=0, max=1)] = 0.95,
    box_nms_thresh: Annotated[float, option(SAM, "Overlap of duplicates.", min=0, max=1)] = 0.7,
    max_side: Annotated[
        int, option(SAM, "Larger photos are segmented smaller; 0: never.", min=0)
    ] = 2048,
    region_scale: Annotated[float, option(FELZENSZWALB, "Size of regions.", min=1)] = 300.0,
    sigma: Annotated[float, option(FELZENSZWALB, "Smoothing, pixels.", min=0)] = 0.8,
    least_area: Annotated[int, option(FELZENSZWALB, "Smallest region, pixels.", min=1)] = 200,
    shard: Annotated[str, option(WORK, "This process's part, as in 2/8.")] = "1/1",
    workers: Annotated[
        int | None,
        option(
            WORK,
            "Processes that share the pictures.",
            min=1,
            show_default="one on each GPU with SAM, else 1",
        ),
    ] = None,
    gpus: Annotated[
        str | None,
        option(
            WORK, "A process on each GPU: all, or numbers such as 0,1.", show_default="all with SAM"
        ),
    ] = None,
    device: Device = "auto",
    as_json: Json = False,  # noqa: FBT002, ARG001 - read where results are rendered
) -> CommandResult:
    """Cut every photo into regions; run it again to go on where it stopped.

    Example: samsr masks build --data DIV2K --out masks/
    Example: samsr masks build --data photos/ --out masks/ --segmenter felzenszwalb
    """
    from sam_diffsr_cli.cli.masks_build import show_build
    from sam_diffsr_cli.masks.build import Shard
    from sam_diffsr_cli.masks.sam import SamOptions
    from sam_diffsr_cli.masks.segmenters import Felzenszwalb
    from sam_diffsr_cli.masks.work import MaskOptions

    asked = SamOptions(
        points_per_side=points_per_side,
        points_per_batch=points_per_batch,
        pred_iou_thresh=pred_iou_thresh,
        stability_score_thresh=stability_score_thresh,
        box_nms_thresh=box_nms_thresh,
        max_side=max_side,
    )
    light = Felzenszwalb(region_scale=region_scale, sigma=sigma, least_area=least_area)
    options = MaskOptions(
        data=data,
        out=out,
        segmenter=segmenter,
        sam=sam,
        checkpoint=checkpoint,
        sam_options=asked,
        felzenszwalb=light,
        shard=Shard.parse(shard),
        workers=workers,
        gpus=gpus,
        device=device,
    )
    return show_build(options)


@masks_app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of masks made elsewhere.")],
    out: Out,
) -> CommandResult:
    """Take over masks: COCO run-length JSON, .npy encodings, label maps (PNG, BSDS .mat).

    Example: samsr masks import sam_masks/ --out masks/
    """
    from sam_diffsr_cli.cli.console import print_error, progress
    from sam_diffsr_cli.cli.masks_build import show_summary
    from sam_diffsr_cli.masks.build import open_manifest
    from sam_diffsr_cli.masks.importing import find_foreign, import_masks

    paths = find_foreign(source, out)
    open_manifest(out, {"segmenter": "imported"})
    steps = []
    with progress("import", len(paths)) as report:
        for step in import_masks(paths, source, out):
            steps.append(step)
            if step.error is not None:
                print_error(str(step.error), step.error.hint)
            report(len(steps), step.job.photo.name)
    return show_summary(steps, len(paths), 0, "files")


@masks_app.command("show")
def show(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="A photo.")],
    masks: Masks,
    data: Annotated[
        Path | None, typer.Option(help="Folder the masks mirror.", show_default="one above IMAGE")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="A .png to write.", show_default="the terminal")
    ] = None,
    mask_norm: Norm = "image",
) -> None:
    """Show the regions over the photo, and their encoding beside it.

    Example: samsr masks show photos/cat.jpg --masks masks/ --out cat-masks.png
    """
    from sam_diffsr_cli.cli.masks_view import print_picture
    from sam_diffsr_cli.masks.showing import draw_photo, write_picture

    picture = draw_photo(image, masks, data, mask_norm)
    if out is None:
        print_picture(picture)
        return
    write_picture(out, picture)
    typer.echo(str(out))


@masks_app.command("stats")
def stats(masks: Masks, as_json: Json = False) -> CommandResult:  # noqa: FBT002, ARG001 - as above
    """Count regions, coverage and sizes.

    Example: samsr masks stats --masks masks/
    """
    from sam_diffsr_cli.cli.masks_view import show_stats

    return show_stats(masks)


@masks_app.command("verify")
def verify(data: Data, masks: Masks) -> None:
    """Check that every photo has readable masks of its own size.

    Example: samsr masks verify --data photos/ --masks masks/
    """
    from sam_diffsr_cli.cli.console import note, print_error
    from sam_diffsr_cli.data.known_sets import find_one
    from sam_diffsr_cli.errors import InputError, PartialFailure
    from sam_diffsr_cli.masks.survey import verify_photos

    verdicts = list(verify_photos(find_one(str(data), None), masks))
    if not verdicts:
        raise InputError(f"{data}: no pictures in this folder")
    bad = [verdict for verdict in verdicts if verdict.problem]
    for verdict in bad:
        print_error(verdict.problem)
    if bad:
        raise PartialFailure(f"{len(bad)} of {len(verdicts)} photos have no usable masks")
    note(f"{len(verdicts)} photos, all with masks of their size")
