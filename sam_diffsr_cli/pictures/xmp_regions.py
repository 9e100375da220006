"""Regions and crops of XMP: faces and the like, turned with the pixels and enlarged with them.

Fractions are of the picture as it was stored, or as it stands upright where the size that goes with
them says so.
"""

from collections.abc import Iterator
from dataclasses import replace

from sam_diffsr_cli.pictures.change import Change, Point, Rectangle
from sam_diffsr_cli.pictures.pixel_metadata import SPACES, name_of
from sam_diffsr_cli.pictures.xml_tree import Element, Name

__all__ = ["move_crops", "move_regions"]

_AREA = "http://ns.adobe.com/xmp/sType/Area#"
_DIMENSIONS = "http://ns.adobe.com/xap/1.0/sType/Dimensions#"
_DESCRIPTION = Name("http://www.w3.org/1999/02/22-rdf-syntax-ns#", "Description")
_REGIONS, _APPLIED = name_of("mwg-rs:Regions"), name_of("mwg-rs:AppliedToDimensions")
_RECTANGLE, _BOUNDARY = name_of("MPReg:Rectangle"), name_of("Iptc4xmpExt:RegionBoundary")


class _Fields:
    """The fields of a structure, which RDF may write as attributes or as elements."""

    def __init__(self, element: Element, space: str) -> None:
        self._space = space
        self._holders = [
            element,
            *(child for child in element.elements if child.name == _DESCRIPTION),
        ]

    def text(self, local: str) -> str | None:
        """Return a field as it is written; None when there is none."""
        name = Name(self._space, local)
        for holder in self._holders:
            if name in holder.attributes:
                return holder.attributes[name]
            for child in holder.elements:
                if child.name == name:
                    return child.text
        return None

    def number(self, local: str) -> float | None:
        """Return a field that is a number; None when there is none."""
        try:
            return float(self.text(local) or "")
        except ValueError:
            return None

    def put(self, local: str, value: float | str) -> None:
        """Give a field that is there another value."""
        name = Name(self._space, local)
        written = value if isinstance(value, str) else f"{round(value, 6):.10g}"
        for holder in self._holders:
            if name in holder.attributes:
                holder.attributes[name] = written
            for child in holder.elements:
                if child.name == name:
                    child.children = [written]

    def add(self, local: str, value: float) -> None:
        """Give a field a value, as an attribute where it was not there."""
        if self.text(local) is not None:
            self.put(local, value)
            return
        name = Name(self._space, local)
        for holder in self._holders:
            for other, written in list(holder.written.items()):
                if other.space == self._space:
                    prefix = written.partition(":")[0]
                    holder.written[name] = f"{prefix}:{local}"
                    holder.attributes[name] = f"{round(value, 6):.10g}"
                    return

    def put_all(self, **values: float | None) -> None:
        """Give several fields other values; None leaves one alone."""
        for local, value in values.items():
            if value is not None:
                self.put(local, value)


def _of_name(root: Element, name: Name) -> Iterator[Element]:
    return (element for element in root.walk() if element.name == name)


def move_regions(root: Element, change: Change) -> None:
    """Move the regions of the Metadata Working Group, of Microsoft, and of the IPTC."""
    for regions in list(_of_name(root, _REGIONS)):
        _move_group(regions, change)
    for holder in root.walk():
        _move_rectangle(holder, change)
        if holder.name == _BOUNDARY:
            _move_boundary(_Fields(holder, SPACES["Iptc4xmpExt"]), holder, change)


def _move_group(regions: Element, change: Change) -> None:
    applied = [_Fields(each, _DIMENSIONS) for each in _of_name(regions, _APPLIED)]
    size = (applied[0].number("h"), applied[0].number("w")) if applied else (None, None)
    if change.is_quarter and _is_upright(size, change):
        change = replace(change, turn=1)
    for element in regions.walk():
        fields = _Fields(element, _AREA)
        if fields.number("x") is not None and element.name != _DESCRIPTION:
            _move_area(fields, change)
    for dimensions in applied:
        if dimensions.text("unit") in (None, "pixel"):
            dimensions.put_all(h=change.after[0], w=change.after[1])


def _is_upright(size: tuple[float | None, float | None], change: Change) -> bool:
    """Whether regions apply to the upright picture, by whether it is wider than high."""
    height, width = size
    if height is None or width is None or height == width:
        return False
    upright = change.before[1] > change.before[0]
    return (width > height) == upright and change.before[0] != change.before[1]


def _move_area(fields: _Fields, change: Change) -> None:
    x, y = fields.number("x") or 0.0, fields.number("y") or 0.0
    width, height, across = (fields.number(local) for local in ("w", "h", "d"))
    if fields.text("unit") == "pixel":
        place = change.pixel(x, y)
        extent = change.pixel_extent(width or 0.0, height or 0.0)
        if across is not None:
            across *= float(change.factors[0])
    else:
        moved = change.rectangle(Rectangle(x, y, width or 0.0, height or 0.0))
        place, extent = (moved.x, moved.y), (moved.width, moved.height)
    fields.put_all(x=place[0], y=place[1], w=extent[0], h=extent[1], d=across)


def _turned_corner(change: Change, corner: Rectangle) -> Rectangle:
    """Turn a rectangle whose x and y are those of its upper left corner."""
    x, y, width, height = corner
    moved = change.rectangle(Rectangle(x + width / 2, y + height / 2, width, height))
    left, top = moved.x - moved.width / 2, moved.y - moved.height / 2
    return Rectangle(left, top, moved.width, moved.height)


def _move_rectangle(holder: Element, change: Change) -> None:
    """Turn Microsoft's ``left, top, width, height``."""
    if change.turn == 1:
        return
    if _RECTANGLE not in holder.written and not holder.children:
        return
    fields = _Fields(holder, _RECTANGLE.space)
    try:
        numbers = [float(part) for part in (fields.text(_RECTANGLE.local) or "").split(",")]
    except ValueError:
        return
    if len(numbers) == 4:
        moved = _turned_corner(change, Rectangle(*numbers))
        fields.put(_RECTANGLE.local, ", ".join(f"{round(value, 6):.10g}" for value in moved))


def _move_boundary(fields: _Fields, holder: Element, change: Change) -> None:
    """Move a rectangle by its corner, a circle by its centre, or each corner of a polygon."""
    in_pixels = fields.text("rbUnit") == "pixel"
    height, width = change.stored if in_pixels else (1, 1)
    new_height, new_width = change.after if in_pixels else (1, 1)
    shape = fields.text("rbShape")
    space = SPACES["Iptc4xmpExt"]
    spots = [_Fields(each, space) for each in holder.walk() if each is not holder]
    for each in spots if shape == "polygon" else [fields]:
        x, y = each.number("rbX"), each.number("rbY")
        if x is None or y is None:
            continue
        w, h = fields.number("rbW") or 0.0, fields.number("rbH") or 0.0
        area = Rectangle(x / width, y / height, w / width, h / height)
        moved = _turned_corner(change, area)
        each.put_all(rbX=moved.x * new_width, rbY=moved.y * new_height)
        if shape == "rectangle":
            each.put_all(rbW=moved.width * new_width, rbH=moved.height * new_height)
    radius = fields.number("rbRx")
    if radius is not None and in_pixels:
        fields.put("rbRx", radius * float(change.factors[0]))
    elif radius is not None and change.is_quarter:
        # It is a fraction of the width, which has become the height.
        fields.put("rbRx", radius * change.stored[1] / change.stored[0])


def move_crops(root: Element, change: Change) -> None:
    """Turn a crop that is still to be done; a size of it in pixels grows."""
    for element in root.walk():
        if element.name != _DESCRIPTION:
            continue
        fields = _Fields(element, SPACES["crs"])
        if fields.text("HasCrop") is None:
            continue
        if (fields.text("AlreadyApplied") or "").lower() == "true":
            continue
        _move_crop(fields, change)


def _move_crop(fields: _Fields, change: Change) -> None:
    def edge(local: str, usual: float) -> float:
        found = fields.number(local)
        return usual if found is None else found

    top, left = edge("CropTop", 0), edge("CropLeft", 0)
    bottom, right = edge("CropBottom", 1), edge("CropRight", 1)
    if change.turn != 1:
        corners = [change.point(Point(left, top)), change.point(Point(right, bottom))]
        xs, ys = zip(*corners, strict=True)
        for local, value in zip(
            ("CropTop", "CropLeft", "CropBottom", "CropRight"),
            (min(ys), min(xs), max(ys), max(xs)),
            strict=True,
        ):
            fields.add(local, value)
        angle = fields.number("CropAngle")
        if angle is not None and change.is_mirrored:
            fields.put("CropAngle", -angle)
    width, height = fields.number("CropWidth"), fields.number("CropHeight")
    if width is None or height is None:
        return
    if fields.number("CropUnits") == 0:
        width, height = change.pixel_extent(width, height)
    elif change.is_quarter:
        width, height = height, width
    fields.put_all(CropWidth=width, CropHeight=height)
