"""What XMP announces behind a JPEG: a gain map, a video, and the container that lists them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sam_diffsr_cli.pictures.xml_tree import Element, Name

__all__ = ["Announced", "announce"]

HDR = ("http://ns.adobe.com/hdr-gain-map/1.0/", "http://ns.apple.com/HDRGainMap/1.0/")
CAMERA = "http://ns.google.com/photos/1.0/camera/"
CONTAINER = "http://ns.google.com/photos/1.0/container/"
ITEM = "http://ns.google.com/photos/1.0/container/item/"
DYNAMIC_DEPTH = "http://ns.google.com/photos/dd/1.0/"
"""How the namespaces begin that describe a depth map and list it in a container of their own."""

DIRECTORY = Name(CONTAINER, "Directory")
MOTION = ("MotionPhoto", "MicroVideo")
"""How the names of the properties begin that tell of a video."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Announced:
    """What is carried behind the picture.

    ``gain_map`` is its size in bytes, None where there is none; ``lengths`` maps the sizes that the
    parts had to those they have.
    """

    gain_map: int | None = None
    has_video: bool = False
    lengths: Mapping[int, int] = field(default_factory=dict)


def announce(root: Element, carried: Announced) -> None:
    """Leave in a packet only what is there, with its size; the packet is edited in place."""
    for element in root.walk():
        if carried.gain_map is None:
            _drop(element, lambda name: name.space in HDR)
        if not carried.has_video:
            _drop(element, lambda name: name.space == CAMERA and name.local.startswith(MOTION))
        if not carried.lengths:
            _drop(element, lambda name: name.space.startswith(DYNAMIC_DEPTH))
    for element in root.walk():
        for child in element.elements:
            if child.name == DIRECTORY:
                _keep_items(child, carried)
        element.remove(lambda child: child.name == DIRECTORY and _is_idle(child))


def _drop(element: Element, is_unwanted: Callable[[Name], bool]) -> None:
    """Take properties out, whether they are attributes or elements."""
    for name in [name for name in element.attributes if is_unwanted(name)]:
        del element.attributes[name]
    element.remove(lambda child: is_unwanted(child.name))


def _is_idle(directory: Element) -> bool:
    """Whether a container lists nothing but the photo itself."""
    semantics = [_field(each, "Semantic") for each in directory.walk()]
    return not [each for each in semantics if each not in (None, "Primary")]


def _field(element: Element, local: str) -> str | None:
    name = Name(ITEM, local)
    if name in element.attributes:
        return element.attributes[name]
    return next((child.text for child in element.elements if child.name == name), None)


def _put(element: Element, local: str, value: str) -> None:
    name = Name(ITEM, local)
    if name in element.attributes:
        element.attributes[name] = value
    for child in element.elements:
        if child.name == name:
            child.children = [value]


def _keep_items(directory: Element, carried: Announced) -> None:
    """Take out the items of what is not carried, and tell the sizes of the others."""
    for sequence in directory.elements:
        sequence.remove(lambda entry: _new_length(entry, carried) is None)
        for item in sequence.elements:
            for element in item.walk():
                _put(element, "Length", _new_length(item, carried) or "")
                if carried.lengths and _field(element, "Semantic") == "Primary":
                    # What padded the photo from the picture behind it is not written.
                    _put(element, "Padding", "0")


def _new_length(entry: Element, carried: Announced) -> str | None:
    """Return the size an entry of the container has now; None where it is not carried."""
    semantic, length = _below(entry, "Semantic"), _below(entry, "Length") or "0"
    if semantic is None or semantic == "Primary":
        return length
    if semantic == "GainMap":
        return None if carried.gain_map is None else str(carried.gain_map)
    if semantic == "MotionPhoto":
        return length if carried.has_video else None
    new = carried.lengths.get(int(length)) if length.isdecimal() else None
    return None if new is None else str(new)


def _below(entry: Element, local: str) -> str | None:
    found = (_field(each, local) for each in entry.walk())
    return next((each for each in found if each is not None), None)
