"""EXIF after enlarging: upright, its pixels those of the result, all else byte for byte as it was.

The TIFF structure is patched in place rather than written anew, since a maker's notes hold offsets
into it that no other writer knows.
"""

import struct
from collections.abc import Container, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from sam_diffsr_cli.pictures.change import Change
from sam_diffsr_cli.pictures.pixel_metadata import Rule, exif_rules

__all__ = [
    "moved_area",
    "orientation_of",
    "scaled_rational",
    "upright_exif",
    "without_orientation",
]

ORIENTATION, EXIF_IFD, INTEROPERABILITY = 0x0112, 0x8769, 0xA005
SHORT, LONG, IFD = 3, 4, 13
NUMBERS = {SHORT: "H", LONG: "I", 5: "II", 10: "ii", 11: "f", 12: "d"}
"""How each type of number is packed; two are a fraction."""

ACROSS = {0x011A: 0x011B, 0xA20E: 0xA20F}
"""What tells pixels in a unit of length along the width, and what tells them along the height."""

MOST_SHORT = 65_535
MOST_DIRECTORIES = 3
MOST_ENTRIES = 1000
"""No real directory has as many."""


class _Entry(NamedTuple):
    """One 12-byte directory entry: where it lies, its fields, and where its directory lies."""

    offset: int
    tag: int
    kind: int
    number: int
    directory: int


def _byte_order(exif: bytes) -> str:
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(exif[:4]))
    if order is None:
        raise ValueError("not a TIFF structure")
    return order


def _entries(exif: bytes, order: str, offset: int) -> Iterator[_Entry]:
    (count,) = struct.unpack_from(f"{order}H", exif, offset)
    if count > MOST_ENTRIES:
        raise ValueError("too many entries")
    for index in range(count):
        place = offset + 2 + 12 * index
        tag, kind, number = struct.unpack_from(f"{order}HHI", exif, place)
        yield _Entry(place, tag, kind, number, offset)


def _value(exif: bytes, order: str, entry: _Entry) -> int:
    """Read a single SHORT or LONG."""
    letter = {SHORT: "H", LONG: "I", IFD: "I"}.get(entry.kind)
    if letter is None or entry.number != 1:
        raise ValueError("not a whole number")
    (value,) = struct.unpack_from(order + letter, exif, entry.offset + 8)
    return int(value)


def orientation_of(exif: bytes) -> int | None:
    """Read the orientation, 1 (upright) to 8; None when there is none or it is damaged."""
    try:
        order = _byte_order(exif)
        (first,) = struct.unpack_from(f"{order}I", exif, 4)
        for entry in _entries(exif, order, first):
            if entry.tag == ORIENTATION:
                value = _value(exif, order, entry)
                return value if 1 <= value <= 8 else None
    except (struct.error, ValueError):
        pass
    return None


def upright_exif(exif: bytes, change: Change) -> bytes | None:
    """Bring what speaks of pixels up to date, by the table of ``pixel_metadata``.

    Returns:
        The patched bytes, as long as they were unless a number outgrew its place; None when they
        are damaged.
    """
    patched, rules = bytearray(exif), exif_rules()
    pairs: dict[Rule, list[_Entry]] = {}
    outside: set[int] = set()
    try:
        order = _byte_order(exif)
        (first,) = struct.unpack_from(f"{order}I", exif, 4)
        for entry in _main_entries(exif, order, first):
            rule = rules.get(entry.tag, "keep")
            if rule == "upright":
                _put(patched, order, entry, 1, SHORT)
            elif rule in {"width", "height"}:
                _put(patched, order, entry, change.after[rule == "width"], LONG)
            elif rule in {"area", "place"}:
                outside |= _move(patched, order, entry, change)
            elif rule in {"across", "down", "density"}:
                pairs.setdefault(rule, []).append(entry)
        # The next directory is the thumbnail: small, and turned as the photo was.
        (count,) = struct.unpack_from(f"{order}H", exif, first)
        end = first + 2 + 12 * count
        patched[end : end + 4] = bytes(len(patched[end : end + 4]))
        removed = outside.union(tag for tag, rule in rules.items() if rule == "remove")
    except (struct.error, ValueError):
        return None
    _set_pairs(patched, order, pairs, change)
    try:
        # Entries move, so that it comes last.
        for directory in {entry.directory for entry in _main_entries(exif, order, first)}:
            _drop_entries(patched, order, directory, removed)
    except (struct.error, ValueError):
        # Directories that overlap.
        return None
    return bytes(patched)


def _set_pairs(
    exif: bytearray, order: str, pairs: Mapping[Rule, Sequence[_Entry]], change: Change
) -> None:
    """Scale what counts pixels in a unit of length, and let axes change places."""
    densities = pairs.get("density", [])
    resolutions = [*pairs.get("across", [])[:1], *pairs.get("down", [])[:1]]
    if change.is_quarter and len(densities) <= 2:
        turned = _turned_axes(exif, order, densities)
        _set_numbers(exif, order, densities[::-1], turned, (Fraction(1), Fraction(1)))
    targets = _turned_axes(exif, order, resolutions) if change.is_quarter else resolutions
    sources = resolutions[::-1] if change.is_quarter else resolutions
    factors = [change.factors[entry.tag in ACROSS.values()] for entry in targets]
    _set_numbers(exif, order, sources, targets, factors)


def _turned_axes(exif: bytearray, order: str, entries: Sequence[_Entry]) -> list[_Entry]:
    """Return where numbers go that change places; one that is alone becomes the other axis's."""
    if len(entries) != 1:
        return [*entries]
    tag = (ACROSS | {down: across for across, down in ACROSS.items()})[entries[0].tag]
    # The two tags are neighbours, so that a directory stays in order.
    struct.pack_into(f"{order}H", exif, entries[0].offset, tag)
    return [entries[0]._replace(tag=tag)]


def _drop_entries(exif: bytearray, order: str, directory: int, tags: Container[int]) -> None:
    """Take entries out of a directory: those behind them move up, and nothing else moves."""
    entries = list(_entries(bytes(exif), order, directory))
    kept = [entry for entry in entries if entry.tag not in tags]
    if len(kept) == len(entries):
        return
    begin, end = directory + 2, directory + 2 + 12 * len(entries)
    rest = b"".join(bytes(exif[entry.offset : entry.offset + 12]) for entry in kept)
    whole = exif[begin : end + 4]
    exif[begin : end + 4] = (rest + whole[12 * len(entries) :]).ljust(len(whole), b"\0")
    struct.pack_into(f"{order}H", exif, directory, len(kept))


def _main_entries(exif: bytes, order: str, first: int) -> Iterator[_Entry]:
    """Yield the entries of the first directory, of EXIF's below it, and of interoperability's."""
    following = [first]
    for directory in following:
        for entry in _entries(exif, order, directory):
            if entry.tag in (EXIF_IFD, INTEROPERABILITY) and len(following) < MOST_DIRECTORIES:
                following.append(_value(exif, order, entry))
            yield entry


def _move(exif: bytearray, order: str, entry: _Entry, change: Change) -> set[int]:
    """Turn and enlarge a point, a circle or a rectangle about its centre; nothing else is one.

    Returns:
        The entry's tag where its place was cut off, so that it is to be removed; else nothing.
    """
    letter = {SHORT: "H", LONG: "I"}.get(entry.kind)
    if letter is None or entry.number not in (2, 3, 4):
        return set()
    size = entry.number * (2 if entry.kind == SHORT else 4)
    (place,) = (
        (entry.offset + 8,)
        if size <= 4
        else struct.unpack_from(f"{order}I", exif, entry.offset + 8)
    )
    try:
        numbers = struct.unpack_from(f"{order}{entry.number}{letter}", exif, place)
    except struct.error:
        return set()
    values = moved_area(numbers, change)
    if change.is_cut and not change.shows(*numbers[:2]):
        return {entry.tag}
    if max(values) > MOST_SHORT and entry.kind == SHORT:
        exif += bytes(len(exif) % 2)
        place, letter = len(exif), "I"
        exif += bytes(4 * len(values))
        struct.pack_into(f"{order}HHII", exif, entry.offset, entry.tag, LONG, len(values), place)
    struct.pack_into(f"{order}{len(values)}{letter}", exif, place, *values)
    return set()


def moved_area(numbers: Sequence[float], change: Change) -> list[int]:
    """Turn and enlarge (x, y), (x, y, diameter) or (x, y, width, height) about the centre."""
    place = change.pixel(numbers[0], numbers[1])
    extent = change.pixel_extent(numbers[2], numbers[-1]) if len(numbers) > 2 else ()
    values = (*place, *(extent if len(numbers) == 4 else extent[:1]))
    return [max(round(value), 0) for value in values]


def _set_numbers(
    exif: bytearray,
    order: str,
    sources: Sequence[_Entry],
    targets: Sequence[_Entry],
    factors: Sequence[Fraction],
) -> None:
    """Give each target the number of its source times a factor; what is no such number stays."""
    try:
        numbers = [_numbers(exif, order, entry) for entry in sources]
        for (number, denominator), target, factor in zip(numbers, targets, factors, strict=False):
            place, letters = _number_place(exif, order, target)
            values: tuple[float, ...]
            if len(letters) == 2:
                values = scaled_rational(number.numerator, number.denominator, factor, denominator)
            else:
                product = number * factor
                values = (float(product) if letters in "fd" else round(product),)
            struct.pack_into(order + letters, exif, place, *values)
    except (struct.error, ValueError, OverflowError, ZeroDivisionError):
        return


def _number_place(exif: bytearray, order: str, entry: _Entry) -> tuple[int, str]:
    """Find where a single number lies, and how it is packed."""
    letters = NUMBERS.get(entry.kind)
    if letters is None or entry.number != 1:
        raise ValueError("not a number")
    if struct.calcsize(f"{order}{letters}") <= 4:
        return entry.offset + 8, letters
    (place,) = struct.unpack_from(f"{order}I", exif, entry.offset + 8)
    return place, letters


def _numbers(exif: bytearray, order: str, entry: _Entry) -> tuple[Fraction, int]:
    """Read a single number, and the denominator it has."""
    place, letters = _number_place(exif, order, entry)
    values = struct.unpack_from(order + letters, exif, place)
    if len(values) == 2:
        return Fraction(*values), values[1]
    return Fraction(values[0]), 1


def scaled_rational(
    numerator: int, denominator: int, factor: Fraction, wanted: int | None = None
) -> tuple[int, int]:
    """Multiply a fraction; its denominator, or the wanted, stays where that gives whole numbers.

    Raises:
        ValueError: The result is beyond 32 bits.
        ZeroDivisionError: The denominator is 0.
    """
    result, wanted = Fraction(numerator, denominator) * factor, wanted or denominator
    whole = result * wanted
    if whole.denominator == 1 and abs(whole) < 2**32:
        return int(whole), wanted
    near = result.limit_denominator(2**16)
    if abs(near.numerator) >= 2**32:
        raise ValueError("beyond 32 bits")
    return near.numerator, near.denominator


def without_orientation(exif: bytes) -> bytes:
    """Take the orientation out: the entries behind it move up, and nothing else moves."""
    try:
        order = _byte_order(exif)
        (first,) = struct.unpack_from(f"{order}I", exif, 4)
        entries = list(_entries(exif, order, first))
    except (struct.error, ValueError):
        return exif
    patched, end = bytearray(exif), first + 2 + 12 * len(entries) + 4
    for place in [entry.offset for entry in entries if entry.tag == ORIENTATION][:1]:
        patched[place:end] = exif[place + 12 : end] + bytes(12)
        struct.pack_into(f"{order}H", patched, first, len(entries) - 1)
    return bytes(patched)


def _put(exif: bytearray, order: str, entry: _Entry, value: int, kind: int) -> None:
    """Write one number into an entry's own value field."""
    struct.pack_into(f"{order}HHII", exif, entry.offset, entry.tag, kind, 1, 0)
    struct.pack_into(order + ("H" if kind == SHORT else "I"), exif, entry.offset + 8, value)
