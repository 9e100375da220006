"""From the options of ``samsr train`` to one recipe: default < preset < file < --set < option."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from sam_diffsr_cli.config import ModelConfig
    from sam_diffsr_cli.recipes.records import Recipe

__all__ = [
    "TrainRequest",
    "default_out",
    "is_main_process",
    "request_from",
    "resolve_recipe",
    "settle",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainRequest:
    """The options as they were given; ``options`` are values of the recipe by their keys."""

    data: tuple[str, ...]
    out: Path | None
    masks: Path | None
    val: Path | None
    init: str | None
    resume: bool
    data_root: Path | None
    download: bool
    cache: Path | None
    preset: str | None
    recipe: Path | None
    settings: tuple[str, ...]
    stage: str | None
    options: Mapping[str, object]
    print_config: bool
    dry_run: bool
    save_every: int
    save_minutes: float
    validate_every: int
    keep: int
    tensorboard: bool
    device: str
    workers: int | None
    compile_network: bool


_KEYS = {
    "batch": "batch",
    "accumulate": "accumulate",
    "patch": "patch",
    "learning_rate": "learning_rate",
    "modulation": "modulation",
    "mask_norm": "mask_norm",
    "seed": "seed",
    "precision": "precision",
    "encoder_steps": "encoder.steps",
    "diffusion_steps": "diffusion.steps",
    "hold_out": "data.hold_out",
}
"""Options that are values of the recipe, and their keys in it."""


def request_from(given: Mapping[str, Any]) -> TrainRequest:
    """Sort the options of the command line, by their names, into a request."""
    rest = {name: value for name, value in given.items() if name not in _KEYS}
    for name in ("data", "settings"):
        rest[name] = tuple(rest[name] or ())
    values = {_KEYS[name]: given[name] for name in _KEYS if given[name] is not None}
    return TrainRequest(**rest, options=values)


def resolve_recipe(request: TrainRequest) -> "Recipe":
    """Lay everything that was given over what the run has, or over the preset.

    Raises:
        ConfigError: A key or value is not one of a recipe, or with ``--resume`` the result is not
            the recipe of the run.
        InputError: With ``--resume`` there is no run.
    """
    from sam_diffsr_cli.recipes.text import overlay, parse_setting

    base = _stored(request) if request.resume else _fresh(request)
    given = dict(map(parse_setting, request.settings))
    if request.stage is not None:
        given["stages"] = ["encoder", "diffusion"] if request.stage == "both" else [request.stage]
    given |= {**_places(request), **request.options}
    if not request.resume:
        # The base has it, as the file that it stands for.
        given.pop("data.init", None)
    asked = overlay(base, given)
    if request.resume:
        from sam_diffsr_cli.training.folder import refuse_other

        _refuse_preset(request, base)
        refuse_other(asked, base, _run_folder(request))
    return asked


def _places(request: TrainRequest) -> dict[str, object]:
    """Return what was given of where things lie."""
    places: dict[str, object] = {}
    if request.data:
        places["data.photos"] = list(request.data)
    for key in ("masks", "val", "cache"):
        path = getattr(request, key)
        if path is not None:
            places[f"data.{key}"] = str(path.resolve())
    return places


def _run_folder(request: TrainRequest) -> Path:
    from sam_diffsr_cli.errors import InputError

    if request.out is not None:
        return request.out
    if request.data:
        return _named_out(request.data, request.preset or "lite")
    raise InputError("--resume needs the folder of the run", hint="give it with --out")


def _stored(request: TrainRequest) -> "Recipe":
    """Read the recipe that a run was started with."""
    from sam_diffsr_cli.errors import InputError
    from sam_diffsr_cli.training.folder import RunFolder

    if request.recipe is not None:
        raise InputError("--recipe and --resume exclude each other: the run has its recipe")
    if request.init is not None:
        raise InputError("--init and --resume exclude each other: the run has begun")
    folder = RunFolder(_run_folder(request))
    with _told_of(folder.recipe_path):
        return folder.read_recipe()


def _refuse_preset(request: TrainRequest, stored: "Recipe") -> None:
    from sam_diffsr_cli.errors import ConfigError

    if request.preset is not None and request.preset != stored.preset:
        raise ConfigError(
            f"--preset {request.preset}: the run was started with {stored.preset}",
            hint="leave --preset out to go on",
        )


def _fresh(request: TrainRequest) -> "Recipe":
    """Take the preset and the recipe's file; with ``--init`` the network is that of its file."""
    from sam_diffsr_cli.checkpoints.finding import find_model
    from sam_diffsr_cli.recipes.records import recipe_for
    from sam_diffsr_cli.recipes.text import from_toml, overlay, parse_setting, read_toml

    text = "" if request.recipe is None else read_toml(request.recipe)
    with _told_of(request.recipe):
        recipe = from_toml(text, request.preset)
        said = dict(map(parse_setting, request.settings)).get("data.init") or recipe.data.init
        init = request.init or str(said)
        if not init:
            return recipe
        path = find_model(init).path.resolve()
        network, kind = _network(path)
        if request.preset is None and request.recipe is None:
            recipe = recipe_for(network, kind)
        else:
            recipe = overlay(replace(recipe, model=network), _said_of_network(text))
        return replace(recipe, data=replace(recipe.data, init=str(path)))


def _network(init: Path) -> "tuple[ModelConfig, str]":
    """Read the network of a weights file, and name the preset that is of its kind."""
    from sam_diffsr_cli.checkpoints.store import read_config
    from sam_diffsr_cli.recipes.records import RECIPES

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
    import tomllib

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
def _told_of(path: Path | None) -> Iterator[None]:
    """Say in errors which file the recipe is in."""
    from sam_diffsr_cli.errors import ConfigError

    try:
        yield
    except ConfigError as error:
        if path is None:
            raise
        raise ConfigError(f"{path}: {error}", hint=error.hint) from error


def default_out(recipe: "Recipe") -> Path:
    """Name the folder of a run after what it is trained on."""
    return _named_out(recipe.data.photos, recipe.preset)


def _named_out(photos: Sequence[str], preset: str) -> Path:
    names = "+".join(Path(place).name for place in photos)
    return Path("runs") / f"{names or 'photos'}-{preset}"


def settle(recipe: "Recipe", device: "torch.device") -> "Recipe":
    """Settle the number format, by the device or by what ``accelerate launch`` was told."""
    from sam_diffsr_cli.device import resolve_precision

    launched = os.environ.get("ACCELERATE_MIXED_PRECISION", "")
    wish = launched if launched in {"bf16", "fp16"} else "auto"
    stages = [
        replace(config, precision=resolve_precision(wish, device, trains=True))
        if config.precision == "auto"
        else config
        for config in (recipe.encoder, recipe.diffusion)
    ]
    return replace(recipe, encoder=stages[0], diffusion=stages[1])


def is_main_process() -> bool:
    """Tell whether this is the process that talks, by what a launcher says."""
    return os.environ.get("RANK", "0") == "0"
