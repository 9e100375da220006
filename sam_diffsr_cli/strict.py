"""Frozen records that check themselves, and their strict JSON form. Standard library only."""

import contextlib
import dataclasses
import functools
import json
import numbers
import os
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from sam_diffsr_cli.errors import ConfigError, InputError

__all__ = [
    "LATER",
    "allow",
    "conform",
    "from_json",
    "parse",
    "parse_whole",
    "require",
    "to_json",
]

Record = TypeVar("Record")

MOST_DIGITS = 15
"""Of a whole number in a text: far above any count or side, and read by Python without a fuss."""

MOST_TOLD = 200
"""Characters of a value that errors tell."""

LATER = types.MappingProxyType({"later": True})
"""Marks fields that files of earlier versions do not have; these mean the default."""


def require(holds: bool, name: str, value: object, allowed: str) -> None:  # noqa: FBT001
    """Raise ``ConfigError`` with the field, its value and what is allowed, unless ``holds``."""
    if not holds:
        raise ConfigError(f"{name} is {_short(value)}, allowed: {allowed}")


def allow(holds: bool, name: str, value: object, allowed: str) -> None:  # noqa: FBT001
    """Raise ``InputError`` with the option of this field and what is allowed, unless ``holds``."""
    if not holds:
        option = name.replace("_", "-")
        raise InputError(f"--{option} {_short(value)}: allowed are {allowed}")


def parse_whole(text: str) -> int | None:
    """Read a whole number of ASCII digits; None where it is none, or absurdly long."""
    good = text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS
    return int(text) if good else None


def _short(value: object) -> str:
    """Write a value, of which hostile files may have endless ones, in a line."""
    text = repr(value)
    return text if len(text) <= MOST_TOLD else f"{text[:MOST_TOLD]}..."


def to_json(config: object) -> str:
    """Write a configuration record as JSON text with sorted keys."""
    if not dataclasses.is_dataclass(config) or isinstance(config, type):
        raise TypeError(f"not a configuration record: {config!r}")
    return json.dumps(dataclasses.asdict(config), sort_keys=True)


def from_json(cls: type[Record], text: str) -> Record:
    """Read what ``to_json`` wrote; unknown and missing keys are refused.

    Raises:
        ConfigError: The text is not JSON, or a key or value does not fit ``cls``.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"configuration is not JSON: {error}") from error
    return typing.cast("Record", parse(cls, value, "configuration"))


def parse(kind: Any, value: Any, where: str) -> Any:  # noqa: ANN401 - the JSON edge
    """Check ``value`` against the type ``kind`` and convert lists to tuples.

    Raises:
        ConfigError: It does not fit; ``where`` says which one it was.
    """
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _parse_record(kind, value, where)
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        rest = next(a for a in args if a is not type(None))
        return None if value is None else parse(rest, value, where)
    if origin in (dict, Mapping) and isinstance(value, dict):
        return {name: parse(args[1], item, f"{where}.{name}") for name, item in value.items()}
    if origin is tuple and isinstance(value, list):
        return tuple(parse(args[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    return _parse_plain(kind, value, where)


def _parse_plain(kind: Any, value: Any, where: str) -> Any:  # noqa: ANN401 - the JSON edge
    """Check a value that holds no others."""
    if typing.get_origin(kind) is Literal:
        if any(value == a and type(value) is type(a) for a in typing.get_args(kind)):
            return value
    elif kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return _to_float(value, where)
    elif kind in (int, str, bool) and type(value) is kind:
        return value
    raise ConfigError(f"{where} is {_short(value)}, allowed: {_allowed(kind)}")


def _allowed(kind: Any) -> str:  # noqa: ANN401 - the JSON edge
    """Say in words which values a type has."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return ", ".join(map(str, args))
    if origin in (dict, Mapping):
        return f"an object, each {_allowed(args[1])}"
    if origin is tuple:
        count = "" if args[-1] is Ellipsis else f" of {len(args)}"
        return f"a list{count}, each {_allowed(args[0])}"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(map(_allowed, args))
    return _WORDS.get(kind) or f"a {kind.__name__}"


_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    Path: "a path",
    types.NoneType: "None",
}


def _to_float(value: float, where: str) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise ConfigError(f"{where}: the number is too large") from error


@functools.cache
def _fields(kind: Any) -> tuple[dict[str, Any], frozenset[str]]:  # noqa: ANN401 - any record
    """Return the types of a record's fields, and the names of those that no version lacks."""
    fields = dataclasses.fields(kind)
    needed = frozenset(each.name for each in fields if not each.metadata.get("later"))
    return typing.get_type_hints(kind), needed


def _parse_record(kind: type, value: Any, where: str) -> Any:  # noqa: ANN401 - the JSON edge
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: expected an object, got {_short(value)}")
    hints, needed = _fields(kind)
    unknown, missing = sorted(value.keys() - hints.keys()), sorted(needed - value.keys())
    if unknown or missing:
        raise ConfigError(f"{where}: unknown keys {_short(unknown)}, missing keys {missing}")
    given = {name: hint for name, hint in hints.items() if name in value}
    return kind(**{name: _parse_field(hint, value[name], name) for name, hint in given.items()})


def _parse_field(kind: Any, value: Any, name: str) -> Any:  # noqa: ANN401 - the JSON edge
    """Parse what a field of a record holds; errors name a field of a record in it by its path."""
    try:
        return parse(kind, value, name)
    except ConfigError as error:
        is_its_own = str(error).startswith(f"{name}:")
        if is_its_own or not dataclasses.is_dataclass(kind):
            raise
        raise ConfigError(f"{name}.{error}", hint=error.hint) from error


def conform(record: object) -> None:
    """Give the fields of a record that is made in Python the types that they are declared with.

    For ``__post_init__``. NumPy's numbers become Python's, whole numbers become floats, lists
    tuples, and texts paths, where the declared type is such a one; nothing is rounded or cut.

    Raises:
        InputError: A value is of another kind.
    """
    cls: Any = type(record)
    for name, kind in _fields(cls)[0].items():
        value = getattr(record, name)
        try:
            object.__setattr__(record, name, _conformed(kind, value))
        except (TypeError, OverflowError):
            raise InputError(f"{name} is {_short(value)}, allowed: {_allowed(kind)}") from None


def _conformed(kind: Any, value: Any) -> Any:  # noqa: ANN401 - any field
    """Return the value as what ``kind`` takes; ``TypeError`` where it does not."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _conformed_to_one(args, value)
    if origin is tuple and isinstance(value, (tuple, list)):
        kinds = args[:1] * len(value) if args[-1] is Ellipsis else args
        if len(kinds) == len(value):
            return tuple(map(_conformed, kinds, value))
    elif origin is Literal:
        if isinstance(value, str) and value in args:
            return value
    elif kind in _CONVERTED:
        taken, convert = _CONVERTED[kind]
        is_taken = isinstance(value, taken) and isinstance(value, bool) <= (kind is bool)
        # No system has a file of such a name.
        if is_taken and not (kind is Path and "\0" in os.fspath(value)):
            return convert(value)
    elif isinstance(value, kind):
        return value
    raise TypeError


def _conformed_to_one(kinds: tuple[Any, ...], value: Any) -> Any:  # noqa: ANN401 - any field
    """Return the value as what it is, if that is allowed, or else as the first that takes it."""
    if type(value) in kinds:
        return value
    for kind in kinds:
        with contextlib.suppress(TypeError):
            return _conformed(kind, value)
    raise TypeError


_CONVERTED: Mapping[Any, tuple[Any, Any]] = {
    int: (numbers.Integral, int),
    float: (numbers.Real, float),
    bool: (bool, bool),
    str: (str, str),
    Path: ((str, os.PathLike), Path),
}
"""What is taken for a kind, and how it becomes one."""
