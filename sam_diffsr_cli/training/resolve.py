"""From what was asked of a training to one recipe: default < preset < file < --set < option.

What needs torch is imported where it is used: a recipe is resolved and printed without it.
"""

# ruff: noqa: PLC0415 - see above

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam_diffsr_cli.config import ModelConfig, distilled, undistilled
from sam_diffsr_cli.errors import ConfigError, InputError
from sam_diffsr_cli.recipes.records import RECIPES, Recipe, recipe_for
from sam_diffsr_cli.recipes.text import from_toml, overlay, parse_setting, read_toml
from sam_diffsr_cli.training.options import TrainOptions

if TYPE_CHECKING:
    import torch

__all__ = [
    "default_out",
    "is_main_process",
    "resolve_recipe",
    "resolve_recipe_precision",
]


def resolve_recipe(options: TrainOptions) -> Recipe:
    """Lay everything that was given over what the run has, or over the preset.

    Raises:
        ConfigError: A key or value is not one of a recipe, or with ``--resume`` the result is not
            the recipe of the run.
        InputError: With ``--resume`` there is no run.
    """
    base = _stored(options) if options.resume else _fresh(options)
    given = dict(map(parse_setting, options.settings))
    if options.stage is not None:
        given["stages"] = ["encoder", "diffusion"] if options.stage == "both" else [options.stage]
    given |= {**_places(options), **options.recipe_values}
    if not options.resume:
        # The base has it, as the file that it stands for.
        given.pop("data.init", None)
        return _with_whole_share(overlay(_for_stages(base, given), given), given)
    from sam_diffsr_cli.training.folder import refuse_other

    asked = overlay(base, given)
    _refuse_preset(options, base)
    refuse_other(asked, base, _run_folder(options))
    return asked


def _for_stages(base: Recipe, given: Mapping[str, object]) -> Recipe:
    """Give the model distilled networks where that stage is trained, and only there."""
    stages = given.get("stages", base.stages)
    if not isinstance(stages, (list, tuple)) or "distill" not in stages:
        # Networks that were distilled from one that is trained on do not fit it any more.
        return replace(base, model=undistilled(base.model))
    if base.model.diffusion.distilled_steps:
        return base
    return replace(base, model=distilled(base.model))


def _with_whole_share(recipe: Recipe, given: Mapping[str, object]) -> Recipe:
    """Put all that a network draws which is distilled anew on the base, unless a share is given.

    The share of the model that it begins with is of a network that draws more than it should.
    """
    chain, expert = recipe.model.diffusion, recipe.distill.expert
    if "distill" not in recipe.stages or not chain.sampling_share:
        return recipe
    clean = expert or not recipe.model.clean_expert
    whole = (
        {"sampling_share": 1.0, "best_share": 0.0}
        if clean
        else {"sampling_dirty_share": 1.0, "best_dirty_share": 0.0}
    )
    changes: dict[str, Any] = {
        name: share for name, share in whole.items() if f"model.diffusion.{name}" not in given
    }
    chain = replace(chain, **changes)
    return replace(recipe, model=replace(recipe.model, diffusion=chain))


def _places(options: TrainOptions) -> dict[str, object]:
    """Return what was given of where things lie."""
    places: dict[str, object] = {}
    if options.data:
        places["data.photos"] = list(options.data)
    for key in ("masks", "val", "cache"):
        path = getattr(options, key)
        if path is not None:
            places[f"data.{key}"] = str(path.resolve())
    return places


def _run_folder(options: TrainOptions) -> Path:

    if options.out is not None:
        return options.out
    if options.data:
        return _named_out(options.data, options.preset or "lite")
    raise InputError("--resume needs the folder of the run", hint="give it with --out")


def _stored(options: TrainOptions) -> Recipe:
    """Read the recipe that a run was started with."""
    from sam_diffsr_cli.training.folder import RunFolder

    if options.recipe is not None:
        raise InputError("--recipe and --resume exclude each other: the run has its recipe")
    if options.init is not None:
        raise InputError("--init and --resume exclude each other: the run has begun")
    folder = RunFolder(_run_folder(options))
    with _naming_file(folder.recipe_path):
        return folder.read_recipe()


def _refuse_preset(options: TrainOptions, stored: Recipe) -> None:

    if options.preset is not None and options.preset != stored.preset:
        raise ConfigError(
            f"--preset {options.preset}: the run was started with {stored.preset}",
            hint="leave --preset out to go on",
        )


def _fresh(options: TrainOptions) -> Recipe:
    """Take the preset and the recipe's file; with ``--init`` the network is that of its file."""
    text = "" if options.recipe is None else read_toml(options.recipe)
    with _naming_file(options.recipe):
        recipe = from_toml(text, options.preset)
        said = dict(map(parse_setting, options.settings)).get("data.init") or recipe.data.init
        init = options.init or str(said)
        if not init:
            return recipe
        from sam_diffsr_cli.checkpoints.finding import find_model

        path = find_model(init).path.resolve()
        network, kind = _network(path)
        if options.preset is None and options.recipe is None:
            recipe = recipe_for(network, kind)
        else:
            recipe = overlay(replace(recipe, model=network), _said_of_network(text))
        return replace(recipe, data=replace(recipe.data, init=str(path)))


def _network(init: Path) -> tuple[ModelConfig, str]:
    """Read the network of a weights file, and name the preset that is of its kind."""
    from sam_diffsr_cli.checkpoints.heads import read_config

    network = read_config(init)
    kind = "lite" if network.unet.kind == "folded" else "paper"
    diffusion = network.diffusion
    if diffusion.sampling_steps == 0:
        # An encoder alone: how many steps the diffusion takes is still to be said.
        usual = RECIPES[kind].model.diffusion.sampling_steps
        steps = min(usual, diffusion.num_timesteps)
        network = replace(network, diffusion=replace(diffusion, sampling_steps=steps))
    return network, kind


def _said_of_network(text: str) -> dict[str, object]:
    """Return what a recipe's text says of the network, by dotted key."""
    said: dict[str, object] = {}
    waiting: list[tuple[str, object]] = [("model", tomllib.loads(text).get("model", {}))]
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(f"{key}.{name}", inner) for name, inner in value.items()]
        else:
            said[key] = value
    return said


@contextmanager
def _naming_file(path: Path | None) -> Iterator[None]:
    """Say in errors which file the recipe is in."""
    try:
        yield
    except ConfigError as error:
        if path is None:
            raise
        raise ConfigError(f"{path}: {error}", hint=error.hint) from error


def default_out(recipe: Recipe) -> Path:
    """Name the folder of a run after what it is trained on."""
    return _named_out(recipe.data.photos, recipe.preset)


def _named_out(photos: Sequence[str], preset: str) -> Path:
    names = "+".join(Path(place).name for place in photos)
    return Path("runs") / f"{names or 'photos'}-{preset}"


def resolve_recipe_precision(recipe: Recipe, device: "torch.device") -> Recipe:
    """Resolve the number format, by the device or by what ``accelerate launch`` was told."""
    from sam_diffsr_cli.device import resolve_precision

    launched = os.environ.get("ACCELERATE_MIXED_PRECISION", "")
    wish = launched if launched in {"bf16", "fp16"} else "auto"
    stages = [
        replace(config, precision=resolve_precision(wish, device, trains=True))
        if config.precision == "auto"
        else config
        for config in (recipe.encoder, recipe.diffusion, recipe.distill)
    ]
    return replace(recipe, encoder=stages[0], diffusion=stages[1], distill=stages[2])


def is_main_process() -> bool:
    """Tell whether this is the process that talks, by what a launcher says."""
    return os.environ.get("RANK", "0") == "0"
