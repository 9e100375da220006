"""XMP properties that speak of pixels, brought up to date by the table of ``pixel_metadata``."""

from fractions import Fraction

from sam_diffsr_cli.pictures.change import Change
from sam_diffsr_cli.pictures.exif import moved_area, scaled_rational
from sam_diffsr_cli.pictures.pixel_metadata import MetadataRow, Rule, xmp_rules
from sam_diffsr_cli.pictures.xml_tree import Element, Name
from sam_diffsr_cli.pictures.xmp_regions import move_crops, move_regions

__all__ = ["update_pixels"]

_LISTED = Name("http://www.w3.org/1999/02/22-rdf-syntax-ns#", "li")


def update_pixels(root: Element, change: Change) -> list[str]:
    """Edit a packet in place; return a name for each thing removed that the user is told of."""
    rules = xmp_rules()
    told: list[str] = []
    # Values are scaled each by its own factor and swapped then; where the factors differ a little,
    # by rounding of the size, the density of pixels differs by as little.
    pairs = _pairs(rules) if change.is_quarter else []
    if not change.is_cut:
        move_regions(root, change)
        move_crops(root, change)
    for element in root.walk():
        for row, name in _rows_of(element, rules):
            if change.is_cut and row.rule in {"region", "crop"}:
                _remove(element, name)
                told.append(f"XMP's {row.title}")
            elif row.rule in {"remove", "remove if turned"}:
                if row.rule == "remove" or change.moves:
                    _remove(element, name)
                    told += [f"XMP's {row.title}"] if row.noted else []
            else:
                _set(element, name, row.rule, change)
        for pair in pairs:
            _swap(element, *pair)
    return list(dict.fromkeys(told))


def _rows_of(element: Element, rules: dict[Name, MetadataRow]) -> list[tuple[MetadataRow, Name]]:
    """Find the rows of the properties right at an element; a removal of all comes first."""
    names = [*element.attributes, *(child.name for child in element.elements)]
    return [
        (row, name)
        for name in dict.fromkeys(names)
        for row in (rules.get(Name(name.space, "")), rules.get(name))
        if row is not None
    ]


def _remove(element: Element, name: Name) -> None:
    element.attributes.pop(name, None)
    element.remove(lambda child: child.name == name)


def _set(element: Element, name: Name, rule: Rule, change: Change) -> None:
    """Give a property its new value, whether it is an attribute or an element."""
    if name in element.attributes:
        new = _new_text(element.attributes[name], rule, change)
        if new is not None:
            element.attributes[name] = new
    for child in element.elements:
        if child.name == name and rule in {"area", "place"}:
            _move_listed(child, change)
        elif child.name == name and not child.elements:
            new = _new_text(child.text, rule, change)
            if new is not None:
                child.children = [new]


def _new_text(text: str, rule: Rule, change: Change) -> str | None:
    """Return the new value; None where it stays, or is no number."""
    height, width = change.after
    fixed = {"upright": 1, "width": width, "height": height}
    if rule in fixed:
        return str(fixed[rule])
    by_width = rule in {"across", "pixels across"}
    factor = change.factors[not by_width]
    try:
        if rule in {"pixels across", "pixels down"}:
            return str(round(Fraction(text.strip()) * factor))
        if rule in {"across", "down"}:
            return _scaled(text, factor)
    except (ValueError, ZeroDivisionError):
        return None
    return None


def _scaled(text: str, factor: Fraction) -> str:
    numerator, slash, denominator = text.strip().partition("/")
    if not slash:
        return f"{float(Fraction(numerator) * factor):.10g}"
    parts = scaled_rational(int(numerator), int(denominator), factor)
    return f"{parts[0]}/{parts[1]}"


def _move_listed(element: Element, change: Change) -> None:
    """Turn and enlarge a list of two to four numbers."""
    items = [each for each in element.walk() if each.name == _LISTED]
    try:
        numbers = [float(item.text) for item in items]
    except ValueError:
        return
    if len(numbers) in (2, 3, 4):
        for item, value in zip(items, moved_area(numbers, change), strict=True):
            item.children = [str(value)]


def _pairs(rules: dict[Name, MetadataRow]) -> list[tuple[Name, Name]]:
    """List the properties that tell the same of the two axes."""
    found = []
    for kinds in ({"density"}, {"across", "down"}):
        names = [name for name, row in rules.items() if row.rule in kinds]
        for space in dict.fromkeys(name.space for name in names):
            first, second = (name for name in names if name.space == space)
            found.append((first, second))
    return found


def _swap(element: Element, first: Name, second: Name) -> None:
    """Let two values change places, whether they are attributes or elements, or one of each.

    One that is alone becomes the other.
    """
    other = {first: second, second: first}
    for name in other.keys() & element.attributes.keys():
        _write_as(element, other[name], name)
    attributes = element.attributes.items()
    element.attributes = {other.get(name, name): value for name, value in attributes}
    for child in element.elements:
        if child.name in other:
            _write_as(child, other[child.name], child.name)
            child.name = other[child.name]


def _write_as(element: Element, name: Name, known: Name) -> None:
    """Let a name be written with the prefix of one that is."""
    prefix, colon, _ = element.written[known].rpartition(":")
    element.written.setdefault(name, f"{prefix}{colon}{name.local}")
