"""XML read into a small tree and written again with its prefixes, as XMP needs it.

The parser is the standard library's; a document type is refused, so no entity can be expanded.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn
from xml.parsers import expat
from xml.sax.saxutils import escape

__all__ = ["Element", "Name", "parse_xml", "write_xml"]

DEEPEST = 100
MOST_NODES = 200_000
_ATTRIBUTE = {'"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
_XML = "http://www.w3.org/XML/1998/namespace"


class Name(NamedTuple):
    """A name by its namespace and its own part."""

    space: str
    local: str


@dataclass(slots=True)
class Element:
    """An element: its name as written, prefixes it declares, attributes, and what is in it.

    ``attributes`` and ``declared`` map names and prefixes to values, ``written`` a name to the
    form with the prefix of the file.
    """

    name: Name
    written: dict[Name, str]
    declared: dict[str, str] = field(default_factory=dict)
    attributes: dict[Name, str] = field(default_factory=dict)
    children: list["Element | str"] = field(default_factory=list)

    @property
    def elements(self) -> list["Element"]:
        """The elements right below it."""
        return [child for child in self.children if isinstance(child, Element)]

    @property
    def text(self) -> str:
        """The text right below it."""
        return "".join(child for child in self.children if isinstance(child, str))

    def walk(self) -> Iterator["Element"]:
        """Yield it and all below it."""
        yield self
        for child in self.elements:
            yield from child.walk()

    def remove(self, is_unwanted: Callable[["Element"], bool]) -> None:
        """Take out the elements right below it that are unwanted."""
        self.children = [
            child for child in self.children if isinstance(child, str) or not is_unwanted(child)
        ]


class _Builder:
    """Collects what the parser tells."""

    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._declared: dict[str, str] = {}
        self._nodes = 0

    def declare(self, prefix: str | None, uri: str | None) -> None:
        self._declared[prefix or ""] = uri or ""

    def start(self, name: str, attributes: list[str]) -> None:
        self._nodes += 1
        if len(self._open) >= DEEPEST or self._nodes > MOST_NODES:
            raise ValueError("XML that is too deep or too long")
        written: dict[Name, str] = {}
        element = Element(_name(name, written), written, self._declared)
        self._declared = {}
        for key, value in zip(attributes[::2], attributes[1::2], strict=True):
            element.attributes[_name(key, written)] = value
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def end(self, _name: str) -> None:
        self._open.pop()

    def text(self, text: str) -> None:
        if self._open:
            self._open[-1].children.append(text)


def _name(told: str, written: dict[Name, str]) -> Name:
    """Take apart the parser's ``namespace local prefix``."""
    parts = told.split(" ")
    name = Name(parts[0], parts[1]) if len(parts) > 1 else Name("", parts[0])
    prefix = "xml" if name.space == _XML else (parts[2] if len(parts) > 2 else "")
    written[name] = f"{prefix}:{name.local}" if prefix else name.local
    return name


def _refuse(*_told: object) -> NoReturn:
    raise ValueError("XML with a document type")


def parse_xml(data: bytes) -> Element:
    """Read a document into its root element; comments and instructions are left out.

    Raises:
        ValueError: It is not well formed, has a document type, or is absurdly deep.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.namespace_prefixes = True
    parser.ordered_attributes = True
    parser.buffer_text = True
    builder = _Builder()
    parser.StartNamespaceDeclHandler = builder.declare
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise ValueError(f"no XML ({error})") from error
    if builder.root is None:
        raise ValueError("no XML")
    return builder.root


def write_xml(element: Element) -> str:
    """Write an element with all below it; the prefixes are those that were read."""
    parts: list[str] = []
    _write(element, parts)
    return "".join(parts)


def _write(element: Element, parts: list[str]) -> None:
    name = element.written[element.name]
    parts.append(f"<{name}")
    for prefix, uri in element.declared.items():
        parts.append(f" xmlns{':' * bool(prefix)}{prefix}={_quoted(uri)}")
    for key, value in element.attributes.items():
        parts.append(f" {element.written[key]}={_quoted(value)}")
    if not element.children:
        parts.append("/>")
        return
    parts.append(">")
    for child in element.children:
        if isinstance(child, Element):
            _write(child, parts)
        else:
            parts.append(escape(child, {"\r": "&#13;"}))
    parts.append(f"</{name}>")


def _quoted(value: str) -> str:
    return f'"{escape(value, _ATTRIBUTE)}"'
