"""From a training state to a weights file that others can use, with a stub of its model card."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from sam_diffsr_cli import __version__
from sam_diffsr_cli.atomic import atomic_path
from sam_diffsr_cli.checkpoints.card import card_beside, make_card
from sam_diffsr_cli.checkpoints.inspection import inspect_file
from sam_diffsr_cli.checkpoints.store import load_weights, save_weights
from sam_diffsr_cli.choices import StateChoice
from sam_diffsr_cli.config import undistilled
from sam_diffsr_cli.errors import InputError, SamsrError
from sam_diffsr_cli.networks.growing import with_config
from sam_diffsr_cli.networks.model import SuperResolver
from sam_diffsr_cli.recipes.records import Recipe, Stage
from sam_diffsr_cli.recipes.text import to_toml
from sam_diffsr_cli.training.folder import RunFolder
from sam_diffsr_cli.training.journal import JOURNAL_NAME, ValidationEntry, read_journal
from sam_diffsr_cli.training.state import TrainState, trained_model

__all__ = ["export", "export_run", "run_facts", "write_best"]


def export_run(
    folder: RunFolder,
    path: Path,
    which: StateChoice,
    dtype: torch.dtype,
    notify: Callable[[str], None],
) -> Stage:
    """Write the weights of a run, finished or not: of the last stage that has any.

    Args:
        folder: Of the run.
        path: Of the weights file; the card goes beside it, with the suffix ``.md``.
        which: The newest state, or the best validation.
        dtype: Of the numbers in the file.
        notify: Told of states that are damaged and passed over.

    Returns:
        The stage they are of.

    Raises:
        InputError: There is no run, or it has no such weights; or ``path`` cannot be written.
        WeightsError: A file of the run is damaged, or a parameter does not fit ``dtype``.
    """
    recipe = folder.read_recipe()
    for config in reversed(recipe.plan):
        stage, best = config.stage, folder.best_path(config.stage)
        if which == "last":
            state = folder.latest(config, torch.device("cpu"), notify)
            if state is None:
                continue
            export(folder, state, path, dtype)
            return stage
        if best.is_file():
            loaded = load_weights(best)
            save_weights(path, loaded.model, loaded.source, dtype, _without_places(recipe))
            _write_card(folder, path)
            return stage
    what = "no state yet" if which == "last" else "no validation yet"
    raise InputError(f"{folder.path}: {what}", hint="train some steps first")


def export(
    folder: RunFolder,
    state: TrainState,
    path: Path,
    dtype: torch.dtype = torch.float16,
    *,
    keep_card: bool = False,
) -> None:
    """Write the averaged parameters of a state, and the card beside it.

    With ``keep_card`` a card that is there stays: its maker may have filled it in.

    Raises:
        InputError: The file cannot be written.
        WeightsError: A parameter does not fit ``dtype``.
    """
    recipe = folder.read_recipe()
    model = _usable(trained_model(state), state)
    save_weights(path, model, _source(recipe, state), dtype, _without_places(recipe))
    if not (keep_card and card_beside(path).exists()):
        _write_card(folder, path)


def write_best(folder: RunFolder, state: TrainState, model: SuperResolver) -> None:
    """Write ``model``, the averages of ``state``, as the best of its stage so far."""
    recipe = folder.read_recipe()
    usable = _usable(model, state)
    path = folder.best_path(state.config.stage)
    save_weights(path, usable, _source(recipe, state), torch.float32, _without_places(recipe))


def _usable(model: SuperResolver, state: TrainState) -> SuperResolver:
    """Leave out what is not trained yet: distilled networks, and steps after the first stage."""
    if state.config.stage != "distill" and model.config.diffusion.distilled_steps:
        model = with_config(model, undistilled(model.config))
    if state.config.stage == "encoder":
        untrained = replace(model.config.diffusion, sampling_steps=0)
        model.config = replace(model.config, diffusion=untrained)
    return model


def _source(recipe: Recipe, state: TrainState) -> str:
    photos = ", ".join(Path(place).name for place in recipe.data.photos) or "unnamed photos"
    masks = ", with structure masks" if recipe.data.masks else ""
    begun = f", begun from {Path(recipe.data.init).name}" if recipe.data.init else ""
    return (
        f"samsr {__version__} train, {recipe.preset} recipe, {state.config.stage} stage, "
        f"step {state.step} of {state.config.steps}, on {photos}{masks}{begun}"
    )


def run_facts(recipe: Recipe, state: TrainState) -> Sequence[tuple[str, str]]:
    """Return what a reader of the run wants to know first, as names and values."""
    config, model = state.config, recipe.model
    network = next(state.network.parameters()).device
    return (
        ("preset", recipe.preset),
        ("photos", ", ".join(recipe.data.photos)),
        ("masks", recipe.data.masks or "none"),
        ("started from", recipe.data.init or "fresh parameters"),
        ("stage", f"{config.stage}, step {state.step} of {config.steps}"),
        ("networks", f"{model.encoder.kind} encoder, {model.unet.kind} U-Net, x{model.scale}"),
        ("batch", f"{config.batch} crops of {config.patch} pixels"),
        ("rate", f"{config.learning_rate:g}, {config.schedule}"),
        ("modulation", f"{config.modulation}, {config.mask_norm} norm"),
        ("precision", f"{config.precision} on {network}"),
        ("seed", str(config.seed)),
        ("samsr", __version__),
    )


def _write_card(folder: RunFolder, path: Path) -> None:
    """Write what is known of the model; what only its maker knows is left to fill in."""
    options = f"--weights {shlex.quote(path.name)}"
    title = f"Model card: {path.stem}"
    card = make_card(inspect_file(path), title, options, validations=_validations(folder))
    with atomic_path(card_beside(path)) as temporary:
        temporary.write_text(card, encoding="utf-8", errors="backslashreplace")


def _without_places(recipe: Recipe) -> str:
    """Write a recipe without where files lie on this machine."""
    data = recipe.data
    bare = replace(
        data,
        photos=tuple(Path(place).name for place in data.photos),
        masks=Path(data.masks).name,
        val=Path(data.val).name,
        init=Path(data.init).name,
        cache="",
    )
    return to_toml(replace(recipe, data=bare))


def _validations(folder: RunFolder) -> list[tuple[str, ...]]:
    try:
        entries = read_journal(folder.path / JOURNAL_NAME)
    except SamsrError:
        return []
    return [
        (entry.stage, str(entry.step), _number(entry.psnr_y, 2), _number(entry.loss, 5))
        for entry in entries
        if isinstance(entry, ValidationEntry)
    ]


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
