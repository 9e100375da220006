"""The pages of the documentation, which come with the package: their names, titles and texts."""

import re
from importlib.resources import files

from sam_diffsr_cli.errors import InputError

__all__ = ["read_page", "topics"]

_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
"""A link or picture of Markdown: whether it is a picture, its words, and where it leads."""


def topics() -> dict[str, str]:
    """Return the title of each page by its name, in order of names."""
    pages = sorted(p.name for p in files(__name__).iterdir() if p.name.endswith(".md"))
    return {name.removesuffix(".md"): _title(name) for name in pages}


def read_page(topic: str) -> str:
    """Return a page as Markdown for a terminal, where links between files lead nowhere.

    A link to another page becomes its words and the command that shows it, one to another file
    its words; those to the web stay.

    Args:
        topic: Name of a page, as in `topics`.

    Raises:
        InputError: There is no such page.
    """
    known = topics()
    if topic not in known:
        raise InputError(f"help {topic}: no such topic", hint=f"topics: {', '.join(known)}")

    def without_file(link: re.Match[str]) -> str:
        picture, words, target = link.groups()
        page, _, _ = target.partition("#")
        if "://" in target:
            return link[0]
        if page.removesuffix(".md") in known:
            return f"{words} (`samsr help {page.removesuffix('.md')}`)"
        return f"({words})" if picture else words

    return _LINK.sub(without_file, _text(f"{topic}.md"))


def _title(name: str) -> str:
    return _text(name).partition("\n")[0].removeprefix("# ")


def _text(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")
