"""The table of picture formats: their names, and what each can hold. No codec is imported here."""

from dataclasses import dataclass
from typing import Literal, Protocol

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures.kinds import can_read_heif

__all__ = [
    "FOREIGN_SUFFIXES",
    "FORMATS",
    "HEIF_SUFFIXES",
    "Format",
    "Named",
    "format_kept",
    "format_named",
    "format_of",
    "is_picture_name",
    "is_readable_name",
]


class Named(Protocol):
    """What has a suffix: a path of this machine, or of a store."""

    @property
    def suffix(self) -> str:
        """The end of the name, from its last dot."""
        ...


Kept = Literal["icc", "exif", "xmp", "dpi", "comment", "text", "iptc", "codes"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """What a format can hold: ``bits`` a channel at most, ``keeps`` the metadata.

    ``codes`` in it are code points that tell colours.

    ``frames`` is what several frames can be in it. ``lossless`` says when its pixels are exact.
    """

    name: str
    suffixes: tuple[str, ...]
    longest_side: int
    keeps: frozenset[Kept]
    lossless: Literal["always", "optional", "never"]
    alpha: bool = True
    bits: int = 8
    frames: Literal["animation", "pages"] | None = None


_BESIDE: frozenset[Kept] = frozenset({"icc", "exif", "xmp", "dpi"})

FORMATS: tuple[Format, ...] = (
    Format(
        name="PNG",
        suffixes=(".png", ".apng"),
        longest_side=2**31 - 1,
        keeps=_BESIDE | {"text", "codes", "iptc"},
        lossless="always",
        bits=16,
        frames="animation",
    ),
    Format(
        name="JPEG",
        suffixes=(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
        longest_side=65_500,
        keeps=_BESIDE | {"comment", "iptc"},
        lossless="never",
        alpha=False,
    ),
    Format(
        name="WEBP",
        suffixes=(".webp",),
        longest_side=16_383,
        keeps=_BESIDE - {"dpi"},
        lossless="optional",
        frames="animation",
    ),
    Format(
        name="TIFF",
        suffixes=(".tif", ".tiff"),
        longest_side=2**31 - 1,
        keeps=_BESIDE | {"iptc"},
        lossless="always",
        bits=16,
        frames="pages",
    ),
    Format(
        name="BMP",
        suffixes=(".bmp", ".dib"),
        longest_side=2**31 - 1,
        keeps=frozenset({"dpi"}),
        lossless="always",
        alpha=False,
    ),
    Format(
        name="GIF",
        suffixes=(".gif",),
        longest_side=65_535,
        keeps=frozenset({"comment"}),
        lossless="never",
        frames="animation",
    ),
    Format(
        name="AVIF",
        suffixes=(".avif", ".avifs"),
        longest_side=32_768,
        keeps=_BESIDE - {"dpi"} | {"codes"},
        lossless="never",
        bits=12,
        frames="animation",
    ),
    Format(
        name="JXL",
        suffixes=(".jxl",),
        longest_side=2**18,
        keeps=frozenset({"exif", "xmp", "codes"}),
        lossless="optional",
        bits=16,
    ),
)
"""JPEG's field goes to 65,535, but its usual encoder stops at 65,500."""

FOREIGN_SUFFIXES = frozenset(
    (".heic", ".heif", ".hif", ".jp2", ".exr", ".hdr", ".psd", ".tga", ".svg", ".dng", ".raw")
)
"""A name that ends so is meant to be a picture, of a kind that samsr does not write."""

HEIF_SUFFIXES = frozenset((".heic", ".heif", ".hif"))
"""Of pictures that an extra reads, and nothing writes."""

_BY_SUFFIX = {suffix: each for each in FORMATS for suffix in each.suffixes}


def is_picture_name(path: Named) -> bool:
    """Whether the suffix is that of a format in the table."""
    return path.suffix.lower() in _BY_SUFFIX


def is_readable_name(path: Named) -> bool:
    """Whether the suffix is that of a picture that is read with what is installed."""
    return is_picture_name(path) or (path.suffix.lower() in HEIF_SUFFIXES and can_read_heif())


def format_kept(name: str) -> Format:
    """Return the format in which a picture of the format ``name`` is written again."""
    known = (each for each in FORMATS if each.name == name)
    # PNG holds all that HEIC does, which is only read.
    return next(known, FORMATS[0])


def format_of(path: Named) -> Format:
    """Return the format that a file's suffix names.

    Raises:
        InputError: The suffix is unknown.
    """
    found = _BY_SUFFIX.get(path.suffix.lower())
    if found is None:
        known = ", ".join(each.suffixes[0] for each in FORMATS)
        raise InputError(f"{path}: unknown format", hint=f"use one of {known}")
    return found


def format_named(name: str) -> Format:
    """Return a format by Pillow's name, or by a suffix without its dot.

    Raises:
        InputError: There is no such format.
    """
    for each in FORMATS:
        if name.upper() == each.name or f".{name.lower()}" in each.suffixes:
            return each
    known = ", ".join(each.suffixes[0][1:] for each in FORMATS)
    raise InputError(f"--format {name}: unknown", hint=f"use one of {known}")
