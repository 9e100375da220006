"""``samsr train``: from a folder of photos to a weights file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from sam_diffsr_cli.config import TrainConfig
    from sam_diffsr_cli.data.crops import TrainingPhoto
    from sam_diffsr_cli.training.run import Run
    from sam_diffsr_cli.training.state import TrainState

__all__ = ["train"]

PATHS, RECIPE, MACHINE = "Files", "Recipe", "Machine"
REPORT_EVERY = 10


def train(  # noqa: PLR0913, PLR0917 - one parameter per option
    data: Annotated[
        Path,
        typer.Option(
            help="Folder of sharp photos, or DIV2K or Flickr2K under $SAMSR_DATA.",
            rich_help_panel=PATHS,
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="Folder of the run: states and weights.", rich_help_panel=PATHS)
    ],
    masks: Annotated[
        Path | None,
        typer.Option(help="Folder of <photo stem>.json mask files.", rich_help_panel=PATHS),
    ] = None,
    init: Annotated[
        Path | None, typer.Option(help="Weights file to start from.", rich_help_panel=PATHS)
    ] = None,
    resume: Annotated[  # noqa: FBT002
        bool, typer.Option("--resume", help="Go on with the run in --out.", rich_help_panel=PATHS)
    ] = False,
    save_every: Annotated[
        int, typer.Option(min=1, help="Steps between states written.", rich_help_panel=PATHS)
    ] = 500,
    preset: Annotated[
        Literal["lite", "paper"], typer.Option(help="Network.", rich_help_panel=RECIPE)
    ] = "lite",
    stage: Annotated[
        Literal["both", "encoder", "diffusion"],
        typer.Option(help="What to train; diffusion alone needs --init.", rich_help_panel=RECIPE),
    ] = "both",
    encoder_steps: Annotated[
        int | None,
        typer.Option(
            min=1, help="Steps of this stage.", show_default="12000", rich_help_panel=RECIPE
        ),
    ] = None,
    diffusion_steps: Annotated[
        int | None,
        typer.Option(
            min=1, help="Steps of this stage.", show_default="10000", rich_help_panel=RECIPE
        ),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Crops a step.", rich_help_panel=RECIPE)
    ] = None,
    patch: Annotated[
        int | None, typer.Option(min=16, help="Side of a crop, pixels.", rich_help_panel=RECIPE)
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Peak rate of both stages.", rich_help_panel=RECIPE)
    ] = None,
    modulation: Annotated[
        Literal["none", "released", "paper"] | None,
        typer.Option(help="How masks shift the noise.", rich_help_panel=RECIPE),
    ] = None,
    mask_norm: Annotated[
        Literal["image", "region"] | None,
        typer.Option(help="Mean over the image, or the region.", rich_help_panel=RECIPE),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Decides everything random.", rich_help_panel=RECIPE)
    ] = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.", rich_help_panel=MACHINE)
    ] = "auto",
    precision: Annotated[
        Literal["auto", "fp32", "bf16"],
        typer.Option(help="auto: bf16 on CUDA, else fp32.", rich_help_panel=MACHINE),
    ] = "auto",
) -> None:
    """Train a model on a folder of photos: the encoder first, then the diffusion.

    Example: samsr train --data photos/ --out run/
    """
    from sam_diffsr_cli.config import PRESETS
    from sam_diffsr_cli.device import resolve_device, resolve_precision
    from sam_diffsr_cli.training.run import Run

    torch_device = resolve_device(device)
    given = {
        "batch": batch,
        "patch": patch,
        "learning_rate": learning_rate,
        "modulation": modulation,
        "mask_norm": mask_norm,
        "seed": seed,
        "precision": resolve_precision(precision, torch_device),
    }
    stages = _stages(stage, {"encoder": encoder_steps, "diffusion": diffusion_steps}, given)
    run = Run(folder=out, model=PRESETS[preset], stages=stages, init=init, save_every=save_every)
    _train(run, data, masks, torch_device, resume=resume)


def _stages(
    stage: str, steps: dict[str, int | None], given: "Mapping[str, object]"
) -> "tuple[TrainConfig, ...]":
    """Lay the options that were given over the recipe of each stage."""
    from dataclasses import replace

    from sam_diffsr_cli.config import DIFFUSION_TRAINING, ENCODER_TRAINING

    overrides = {name: value for name, value in given.items() if value is not None}
    stages = []
    for recipe in (ENCODER_TRAINING, DIFFUSION_TRAINING):
        if stage in ("both", recipe.stage):
            chosen = steps[recipe.stage]
            own = overrides if chosen is None else {**overrides, "steps": chosen}
            stages.append(replace(recipe, **own))  # type: ignore[arg-type]  # checked by typer
    return tuple(stages)


def _train(
    run: "Run", data: Path, masks: Path | None, device: "torch.device", *, resume: bool
) -> None:
    from sam_diffsr_cli.cli.console import note
    from sam_diffsr_cli.data.known_sets import find_data
    from sam_diffsr_cli.errors import InputError
    from sam_diffsr_cli.training.loop import check_patch
    from sam_diffsr_cli.training.photos import place_photos
    from sam_diffsr_cli.training.run import export, open_stage, refuse_existing

    first = run.stages[0]
    has_state = resume and run.state_path(first).exists()
    if first.stage == "diffusion" and run.init is None and not has_state:
        raise InputError("--stage diffusion needs a trained encoder", hint="give it with --init")
    check_patch(first.patch, run.model.scale, run.model.size_multiple)
    data = find_data(data)
    if not resume:
        refuse_existing(run, run.stages)
    try:
        run.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{run.folder}: cannot be a folder ({error.strerror})") from error
    # Opened before the photos are read, so that a wrong --resume is told at once.
    state = open_stage(run, run.stages[0], device, resume=resume)
    photos = place_photos(_load_photos(run, data, masks), device)
    for index, stage in enumerate(run.stages):
        if index:
            state = open_stage(run, stage, device, resume=resume)
        _train_stage(run, state, photos)
    path = export(run, state, f"samsr train on {len(photos)} photos of {data.name}")
    note(f"weights written: {path}")


def _load_photos(run: "Run", data: Path, masks: Path | None) -> "list[TrainingPhoto]":
    from sam_diffsr_cli.cli.console import note
    from sam_diffsr_cli.data.crops import crop_side
    from sam_diffsr_cli.errors import InputError
    from sam_diffsr_cli.training.photos import load_photos

    recipe = run.stages[0]
    photos = []
    for loaded in load_photos(
        data, masks, recipe.mask_norm, crop_side(recipe.patch, run.model.scale)
    ):
        if loaded.photo is None:
            note(f"left out: {loaded.reason}")
        else:
            photos.append(loaded.photo)
    if not photos:
        raise InputError(f"{data}: no usable photos", hint="pictures, larger than --patch")
    with_masks = sum(photo.spe is not None for photo in photos)
    if masks is not None and not with_masks:
        raise InputError(
            f"{masks}: no masks of these photos", hint="<photo stem>.json is looked for"
        )
    megapixels = sum(p.pixels.shape[1] * p.pixels.shape[2] for p in photos) / 1e6
    note(f"{len(photos)} photos, {megapixels:.1f} megapixels, {with_masks} with masks")
    return photos


def _train_stage(run: "Run", state: "TrainState", photos: "list[TrainingPhoto]") -> None:
    import time

    from sam_diffsr_cli.cli.console import progress
    from sam_diffsr_cli.training.run import run_stage

    recipe, path = state.config, run.state_path(state.config)
    began, first = time.monotonic(), state.step
    with progress(f"{recipe.stage} stage", recipe.steps, state.step) as report:
        for step in run_stage(state, photos, path, run.save_every):
            if step.step % REPORT_EVERY == 0:
                rate = recipe.batch * (step.step - first) / (time.monotonic() - began)
                report(
                    step.step,
                    f"step {step.step} loss {step.mean_loss:.5f} {rate:.1f} crops/s",
                )
