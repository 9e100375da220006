"""``samsr train``: its options; ``train_run`` runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sam_diffsr_cli.choices import (
    DegradeKind,
    MaskNorm,
    Modulation,
    PrecisionChoice,
    Preset,
    StageChoice,
)
from sam_diffsr_cli.cli.options import option
from sam_diffsr_cli.cli.train_export import export

if TYPE_CHECKING:
    from sam_diffsr_cli.training.options import TrainOptions

__all__ = ["train_app"]

FILES, RECIPE, KEEPING, MACHINE = "Files", "Recipe", "Keeping", "Machine"

train_app = typer.Typer(invoke_without_command=True)
train_app.command("export")(export)


@train_app.callback()
def train(  # noqa: PLR0913, PLR0917 - one parameter per option
    context: typer.Context,
    data: Annotated[
        list[str] | None,
        option(FILES, "Folder of sharp photos, or DIV2K, Flickr2K or DF2K; several times."),
    ] = None,
    out: Annotated[
        Path | None,
        option(FILES, "Folder of the run.", show_default="runs/DATA-PRESET"),
    ] = None,
    masks: Annotated[
        Path | None, option(FILES, "Folder of masks, as `samsr masks` makes them.")
    ] = None,
    val: Annotated[
        Path | None, option(FILES, "Folder of photos to validate with.", show_default="held out")
    ] = None,
    hold_out: Annotated[
        int | None,
        option(FILES, "Photos to hold out, a tenth at most.", min=0, show_default="8"),
    ] = None,
    init: Annotated[
        str | None,
        option(FILES, "Model to start from, as --model takes it elsewhere; brings its network."),
    ] = None,
    resume: Annotated[  # noqa: FBT002
        bool, option(FILES, "Go on with the run in --out.", "--resume")
    ] = False,
    data_root: Annotated[
        Path | None,
        option(FILES, "Folder that holds known sets.", show_default="$SAMSR_DATA"),
    ] = None,
    download: Annotated[  # noqa: FBT002
        bool, option(FILES, "Fetch known sets without asking.", "--download")
    ] = False,
    cache: Annotated[
        Path | None,
        option(FILES, "Folder for decoded photos.", show_default="OUT/cache"),
    ] = None,
    preset: Annotated[
        Preset | None,
        option(RECIPE, "Network and recipe to begin from.", show_default="lite"),
    ] = None,
    recipe: Annotated[
        Path | None, option(RECIPE, "TOML file laid over the preset.", "--recipe")
    ] = None,
    settings: Annotated[
        list[str] | None,
        option(RECIPE, "key=value laid over both, as diffusion.batch=8; several times.", "--set"),
    ] = None,
    stage: Annotated[
        StageChoice | None,
        option(
            RECIPE,
            "What to train: encoder and diffusion, or one stage; all but the encoder need --init.",
            show_default="both",
        ),
    ] = None,
    encoder_steps: Annotated[
        int | None, option(RECIPE, "Steps of this stage.", min=1, show_default="12000")
    ] = None,
    diffusion_steps: Annotated[
        int | None, option(RECIPE, "Steps of this stage.", min=1, show_default="10000")
    ] = None,
    distill_steps: Annotated[
        int | None, option(RECIPE, "Steps of this stage.", min=1, show_default="2000")
    ] = None,
    batch: Annotated[
        int | None, option(RECIPE, "Crops a step.", min=1, show_default="16; 4 to distil")
    ] = None,
    accumulate: Annotated[
        int | None,
        option(RECIPE, "Pieces a batch is computed in: memory.", min=1, show_default="1"),
    ] = None,
    patch: Annotated[
        int | None, option(RECIPE, "Side of a crop, pixels.", min=16, show_default="96")
    ] = None,
    learning_rate: Annotated[
        float | None,
        option(RECIPE, "Highest rate of every stage.", show_default="0.0005, 0.0003, 0.0002"),
    ] = None,
    degrade: Annotated[
        DegradeKind | None,
        option(
            RECIPE,
            "What crops suffer: blur, noise and compression, or as Real-ESRGAN.",
            show_default="none",
        ),
    ] = None,
    modulation: Annotated[
        Modulation | None,
        option(RECIPE, "How masks shift the noise.", show_default="released"),
    ] = None,
    mask_norm: Annotated[
        MaskNorm | None,
        option(RECIPE, "Mean over the image, or the region.", show_default="image"),
    ] = None,
    seed: Annotated[
        int | None, option(RECIPE, "Decides everything random.", min=0, show_default="0")
    ] = None,
    precision: Annotated[
        PrecisionChoice | None,
        option(RECIPE, "auto: bf16 on CUDA that has it, else fp32.", show_default="auto"),
    ] = None,
    print_config: Annotated[  # noqa: FBT002
        bool, option(RECIPE, "Print the recipe as TOML, and stop.", "--print-config")
    ] = False,
    dry_run: Annotated[  # noqa: FBT002
        bool, option(RECIPE, "Tell memory, FLOPs and time, and stop.", "--dry-run")
    ] = False,
    save_every: Annotated[
        int, option(KEEPING, "Steps between states; 0: by time alone.", min=0)
    ] = 1000,
    save_minutes: Annotated[
        float, option(KEEPING, "Minutes between states; 0: by steps alone.", min=0)
    ] = 10.0,
    validate_every: Annotated[
        int, option(KEEPING, "Steps between validations; 0: at the end alone.", min=0)
    ] = 2000,
    keep: Annotated[int, option(KEEPING, "States kept of each stage.", min=1)] = 2,
    tensorboard: Annotated[  # noqa: FBT002
        bool, option(KEEPING, "Write TensorBoard's files too.", "--tensorboard")
    ] = False,
    device: Annotated[str, option(MACHINE, "auto, cpu, cuda, cuda:N or mps.")] = "auto",
    workers: Annotated[
        int | None, option(MACHINE, "Threads that cut crops.", min=0, show_default="by device")
    ] = None,
    compile_network: Annotated[  # noqa: FBT002
        bool, option(MACHINE, "Compile the network: faster on GPUs.", "--compile")
    ] = False,
) -> None:
    """Train a model on a folder of photos: the encoder first, then the diffusion.

    Example: samsr train --data DIV2K
    """
    if context.invoked_subcommand is not None:
        return
    from sam_diffsr_cli.training.options import TrainOptions

    options = TrainOptions(
        data=tuple(data or ()),
        out=out,
        masks=masks,
        val=val,
        hold_out=hold_out,
        init=init,
        resume=resume,
        data_root=data_root,
        cache=cache,
        preset=preset,
        recipe=recipe,
        settings=tuple(settings or ()),
        stage=stage,
        encoder_steps=encoder_steps,
        diffusion_steps=diffusion_steps,
        distill_steps=distill_steps,
        batch=batch,
        accumulate=accumulate,
        patch=patch,
        learning_rate=learning_rate,
        degrade=degrade,
        modulation=modulation,
        mask_norm=mask_norm,
        seed=seed,
        precision=precision,
        save_every=save_every,
        save_minutes=save_minutes,
        validate_every=validate_every,
        keep=keep,
        tensorboard=tensorboard,
        device=device,
        workers=workers,
        compile_network=compile_network,
    )
    _run(options, download=download, print_config=print_config, dry_run=dry_run)


def _run(options: "TrainOptions", *, download: bool, print_config: bool, dry_run: bool) -> None:
    """Print the recipe, for which torch is not needed, tell what it will take, or train."""
    from sam_diffsr_cli.training.resolve import resolve_recipe

    recipe = resolve_recipe(options)
    if print_config:
        from sam_diffsr_cli.recipes.text import to_toml

        typer.echo(to_toml(recipe), nl=False)
        return
    if not dry_run:
        from sam_diffsr_cli.data.known_sets import check_data

        check_data(recipe.data.photos, options.data_root)
    from sam_diffsr_cli.cli.train_run import run_training

    run_training(recipe, options, download=download, dry_run=dry_run)
