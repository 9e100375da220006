"""Recipes as text: TOML in and out, and single values given as ``key=value``. Keys are strict."""

import dataclasses
import difflib
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sam_diffsr_cli.errors import ConfigError
from sam_diffsr_cli.recipes.records import RECIPES, STAGES, Recipe
from sam_diffsr_cli.strict import parse

__all__ = ["differences", "from_toml", "overlay", "parse_setting", "read_toml", "to_toml"]

NONE = "none"
"""TOML has no null; this stands for it."""

Flat = dict[str, Any]
"""Values of a recipe by dotted key, such as ``encoder.steps``."""


def to_toml(recipe: Recipe) -> str:
    """Write every value of a recipe as TOML that ``from_toml`` reads."""
    sections: dict[str, list[str]] = {"": []}
    for key, value in _flatten(recipe).items():
        section, _, name = key.rpartition(".")
        sections.setdefault(section, []).append(f"{name} = {_to_value(key, value)}")
    parts = [
        "\n".join(([f"[{section}]"] if section else []) + lines)
        for section, lines in sections.items()
    ]
    return "\n\n".join(parts) + "\n"


def _to_value(key: str, value: object) -> str:
    if value is None:
        return json.dumps(NONE)
    try:
        # JSON's numbers, strings, booleans and lists are TOML's too.
        text = json.dumps(value, ensure_ascii=False)
        text.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(f"{key}: {value!r} cannot be written as text") from error
    return text.replace("\x7f", "\\u007f")


def from_toml(text: str, preset: str | None = None) -> Recipe:
    """Read a recipe: what ``text`` says, over ``preset`` or the preset that it names.

    Raises:
        ConfigError: It is not TOML, or a key or value is not one of a recipe.
    """
    values = _read(text)
    named = values.pop("preset", "lite")
    name = preset or named
    base = RECIPES.get(name) if isinstance(name, str) else None
    if base is None:
        raise ConfigError(f"preset is {name!r}, allowed: {', '.join(RECIPES)}")
    return overlay(base, values)


def read_toml(path: Path) -> str:
    """Read a recipe's file as text.

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from error


def _read(text: str) -> Flat:
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # A plain ValueError is a number of thousands of digits.
        raise ConfigError(f"the recipe is not TOML: {error}") from error
    flat: Flat = {}
    _spread(document, "", flat)
    return flat


def _spread(table: Mapping[str, Any], prefix: str, flat: Flat) -> None:
    for name, value in table.items():
        if isinstance(value, dict):
            _spread(value, f"{prefix}{name}.", flat)
        else:
            flat[f"{prefix}{name}"] = value


def parse_setting(text: str) -> tuple[str, object]:
    """Read ``key=value``: the value as TOML, or as plain text where it is not.

    Raises:
        ConfigError: There is no ``=`` or no key.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {text}: not key=value", hint="such as --set batch=8")
    try:
        return key.strip(), tomllib.loads(f"value = {value.strip()}")["value"]
    except (ValueError, RecursionError):
        return key.strip(), value.strip()


def overlay(recipe: Recipe, values: Mapping[str, object]) -> Recipe:
    """Lay values over a recipe.

    Args:
        recipe: What they are laid over.
        values: By dotted key. A key of a stage without its stage goes to all that have it, to the
            one that distils only where it is trained.

    Raises:
        ConfigError: A key or value is not one of a recipe.
    """
    flat = _flatten(recipe)
    trained = values.get("stages", recipe.stages)
    distils = isinstance(trained, (list, tuple)) and "distill" in trained
    stages = STAGES if distils else STAGES[:2]
    for key, value in values.items():
        of_stages = [f"{stage}.{key}" for stage in stages]
        places = [key] if key in flat else [place for place in of_stages if place in flat]
        if key == "preset":
            raise ConfigError("preset: what values are laid over", hint="choose it by --preset")
        if not places:
            raise ConfigError(f"{key}: no such key in a recipe", hint=_nearest(key, flat))
        given = list(value) if isinstance(value, tuple) else value
        for place in places:
            flat[place] = None if given == NONE and place in _OPTIONAL else given
    nested: dict[str, Any] = {}
    for key, value in {**_spread_all(recipe), **flat}.items():
        *path, name = key.split(".")
        table = nested
        for part in path:
            table = table.setdefault(part, {})
        table[name] = value
    result = parse(Recipe, nested, "recipe")
    assert isinstance(result, Recipe)  # noqa: S101 - what was asked for
    return result


def _nearest(key: str, flat: Flat) -> str:
    """Suggest keys: those of that name in another section, else those that look like it."""
    names = [name for name in flat if name != "preset"]
    elsewhere = [name for name in names if name.rpartition(".")[2] == key.rpartition(".")[2]]
    bare = [name.removeprefix("diffusion.") for name in names if name.startswith("diffusion.")]
    close = elsewhere or difflib.get_close_matches(key, sorted(names + bare), n=3)
    return f"did you mean {' or '.join(close)}?" if close else "--print-config lists the keys"


def _flatten(recipe: Recipe) -> Flat:
    """Spread what can be said of a recipe over dotted keys."""
    return {key: value for key, value in _spread_all(recipe).items() if key not in _NAMES}


def _spread_all(recipe: Recipe) -> Flat:
    flat: Flat = {}
    _spread(json.loads(json.dumps(dataclasses.asdict(recipe))), "", flat)
    return flat


def differences(first: Recipe, second: Recipe, leave_out: Sequence[str] = ()) -> list[str]:
    """Tell what differs, ``key: value, value``, but for the sections in ``leave_out``."""
    one, other = _flatten(first), _flatten(second)
    return [
        f"{key}: {one[key]!r}, {other[key]!r}"
        for key in one
        if one[key] != other[key] and key.partition(".")[0] not in leave_out
    ]


_NAMES = frozenset(
    {
        *(f"{stage}.stage" for stage in STAGES),
        *(
            f"{stage}.{key}"
            for stage in ("encoder", "distill")
            for key in ("modulation", "mask_norm")
        ),
        "distill.timesteps",
        *(f"{stage}.teacher_steps" for stage in STAGES if stage != "distill"),
    }
)
"""Keys that are not said: a stage's name is its section, masks shift the noise of one stage alone,
and there is a teacher in one."""
_OPTIONAL = frozenset({"model.diffusion.sigma_data"})
