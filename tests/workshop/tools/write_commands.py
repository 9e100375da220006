"""Write the page of all commands and options anew: ``tests.workshop.tools.write_commands``.

What it says is read from the commands themselves, so that a test can ask whether it is still true.
"""

import inspect
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import typer
from typer.models import ArgumentInfo, OptionInfo

import sam_diffsr_cli
from sam_diffsr_cli.cli.app import app

PAGE = Path(sam_diffsr_cli.__file__).parent / "docs" / "commands.md"
HEAD = """# Commands and their options

What `samsr COMMAND --help` says, on one page; it is made of the commands themselves
(`python -m tests.workshop.tools.write_commands`). `samsr --version` prints the version, and
`samsr --install-completion` completes commands and options in the shell.
"""
PLAIN = {int: "whole number", float: "number", str: "text", Path: "path", bool: ""}


def commands(group: typer.Typer = app, prefix: str = "samsr") -> Iterator[tuple[str, Any]]:
    """Go over all that can be run, and the function that does it."""
    for command in group.registered_commands:
        if command.callback is not None:
            name = command.name or command.callback.__name__.replace("_", "-")
            yield f"{prefix} {name}", command.callback
    for below in group.registered_groups:
        inner = below.typer_instance
        assert inner is not None
        name = f"{prefix} {below.name}"
        callback = inner.registered_callback
        if callback is not None and callback.callback is not None:
            yield name, callback.callback
        yield from commands(inner, name)


def write_page() -> str:
    """Write the whole page."""
    return "\n".join([HEAD, *(_section(name, run) for name, run in commands())])


def _section(name: str, run: Callable[..., object]) -> str:
    about = inspect.cleandoc(run.__doc__ or "").replace("\b", "").replace("\\b", "")
    words, _, _ = about.partition("Example:")
    examples = [x.partition(":")[2].strip() for x in about.splitlines() if x.startswith("Example:")]
    hints = get_type_hints(run, include_extras=True)
    rows = [
        _row(parameter, hints[parameter.name])
        for parameter in inspect.signature(run).parameters.values()
        if parameter.annotation is not typer.Context and get_args(hints[parameter.name])
    ]
    table = ["| | | |", "|---|---|---|", *(row for row in rows if row)]
    code = ["```sh", *examples, "```"]
    return "\n".join([f"## {name}", "", words.strip(), "", *code, "", *table, ""])


def _row(parameter: inspect.Parameter, hint: object) -> str:
    """Describe an option or argument: its names, what it takes, what it does."""
    base, *extras = get_args(hint)
    infos = [info for info in extras if isinstance(info, (OptionInfo, ArgumentInfo))]
    if not infos:
        return ""
    info = infos[0]
    shown = ", ".join(f"`{name}`" for name in _names(info, parameter.name))
    text = " ".join((info.help or "").split())
    told = _default(info, parameter.default)
    takes = "" if isinstance(info, ArgumentInfo) else _takes(info, base)
    cells = (shown, takes, f"{text} {told}".strip())
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _names(info: OptionInfo | ArgumentInfo, name: str) -> list[str]:
    if isinstance(info, ArgumentInfo):
        return [info.metavar or name.upper()]
    # Typer reads the first name where a default would stand if there were no annotation.
    told = [x for x in (info.default, *(info.param_decls or ())) if isinstance(x, str)]
    names = [name for text in told for name in text.split("/")]
    return names or [f"--{name.replace('_', '-')}"]


def _takes(info: OptionInfo, base: Any) -> str:
    """Say what an option takes: names, a kind of number and its range, or nothing."""
    if info.metavar:
        return str(info.metavar)
    if get_origin(base) in {Union, types.UnionType}:
        base = next(kind for kind in get_args(base) if kind is not type(None))
    if get_origin(base) is list:
        return f"{_takes(info, get_args(base)[0])}, several times"
    if get_origin(base) is Literal:
        return "|".join(map(str, get_args(base)))
    if hasattr(base, "__value__"):
        return _takes(info, base.__value__)
    kind = PLAIN[base]
    if info.min is None:
        return kind
    bounds = f"from {info.min:g}" if info.max is None else f"{info.min:g} to {info.max:g}"
    return f"{kind} {bounds}"


def _default(info: OptionInfo | ArgumentInfo, value: object) -> str:
    if isinstance(info.show_default, str):
        return f"[{info.show_default}]"
    if value in (None, inspect.Parameter.empty, False, ""):
        return ""
    return "[on]" if value is True else f"[{value}]"


if __name__ == "__main__":
    PAGE.write_text(write_page(), encoding="utf-8")
