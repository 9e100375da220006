"""A picture in memory: its frames, and all that travels beside the pixels.

Pixels are ``(H, W, C)``, uint8 or uint16, with 1 (gray), 2 (gray, alpha), 3 (RGB) or 4 (RGB, alpha)
channels; alpha is not premultiplied. A still picture has one frame.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from sam_diffsr_cli.choices import DEFAULT_MAX_MEGAPIXELS
from sam_diffsr_cli.pictures.change import Change, Cut
from sam_diffsr_cli.pictures.colour_numbers import Colour
from sam_diffsr_cli.pictures.directories import Directory
from sam_diffsr_cli.pictures.jpeg_behind import Behind
from sam_diffsr_cli.pictures.ledger import Part

__all__ = [
    "STRIPPED",
    "Frame",
    "Kind",
    "Limits",
    "Made",
    "Metadata",
    "Picture",
    "has_alpha",
    "rgb_levels",
    "to_8_bits",
]


def has_alpha(pixels: np.ndarray) -> bool:
    """Whether the last channel of ``(H, W, C)`` is transparency."""
    return pixels.shape[2] in (2, 4)


def rgb_levels(pixels: np.ndarray) -> np.ndarray:
    """Reduce ``(H, W, C)`` of any kind to RGB of 8 bits, ``(H, W, 3)``; alpha is left out."""
    colour = pixels[..., : pixels.shape[2] - has_alpha(pixels)]
    if colour.dtype == np.uint16:
        colour = to_8_bits(colour)
    return np.array(np.broadcast_to(colour, (*colour.shape[:2], 3)))


def to_8_bits(levels: np.ndarray) -> np.ndarray:
    """Reduce uint16 levels to the nearest uint8 levels."""
    return ((levels.astype(np.uint32) + 128) // 257).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: upright pixels, and for how long it is shown in an animation."""

    pixels: np.ndarray
    duration_ms: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Metadata:
    """What a file says beside its pixels, each as the bytes that were read.

    ``exif`` is a TIFF structure without the ``Exif`` prefix; ``png_chunks`` are the text, time,
    density and colour chunks of a PNG; ``photoshop`` is the body of a JPEG's APP13 segment, which
    holds IPTC. ``tiff`` are a TIFF page's own names, units and places, and ``pages`` what further
    pages say, the second first. ``colour`` is what numbers in the file tell of its colours where no
    profile does; ``icc`` is then made of it, or None where no profile could say it or none is
    needed. ``behind`` is what goes behind a JPEG's picture, and further segments of it.
    """

    icc: bytes | None = None
    colour: Colour | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    comment: bytes | None = None
    photoshop: bytes | None = None
    png_chunks: tuple[tuple[bytes, bytes], ...] = ()
    behind: Behind | None = None
    tiff: Directory | None = None
    pages: tuple["Metadata", ...] = ()

    def of_page(self, index: int) -> "Metadata":
        """Return what page ``index`` says; a page that says nothing has the first one's profile."""
        if index == 0:
            return self
        if index <= len(self.pages):
            return self.pages[index - 1]
        return Metadata(icc=self.icc, dpi=self.dpi)


STRIPPED = Metadata()
"""Nothing beside the pixels."""


class Made(NamedTuple):
    """The upright height and width of the frame that was read, and what of it was kept (None: all).

    ``factor`` is how many times as high and wide it has become.
    """

    before: tuple[int, int]
    cut: Cut | None = None
    factor: float = 1.0


Kind = Literal["still", "animation", "pages", "views"]
"""What several frames are; views are of one thing, and the first is the photo."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """The content of a picture file.

    ``kind`` says what several frames are; ``plays`` is how often an animation is shown (0: for
    ever); ``notes`` are sentences for the user on what could not be taken as it is, and ``parts``
    is the ledger of the file. ``turned`` is the EXIF orientation that the pixels had in the file,
    and ``read_size`` the upright height and width they had there (None: they have it still).
    ``bits`` says how many of the 16 of deep pixels mean something (None: all). ``quality`` is what
    the tables of a JPEG say it was saved with. ``is_exact`` says that its format may lose something
    of the pixels, and that this file did not. ``levels`` is how dirty it was taken for,
    ``estimate`` how dirty it was estimated to be. ``made``
    tells of each frame how it came from the one that was read, where that is known.
    """

    format: str
    frames: tuple[Frame, ...]
    kind: Kind = "still"
    plays: int = 0
    metadata: Metadata = STRIPPED
    notes: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    turned: int = 1
    read_size: tuple[int, int] | None = None
    bits: int | None = None
    quality: int | None = None
    is_exact: bool = False
    levels: Mapping[str, float] | None = None
    estimate: Mapping[str, float] | None = None
    made: tuple[Made, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the first frame."""
        height, width = self.frames[0].pixels.shape[:2]
        return height, width

    @property
    def is_deep(self) -> bool:
        """Whether a frame has 16 bits a channel."""
        return any(frame.pixels.dtype == np.uint16 for frame in self.frames)

    @property
    def has_alpha(self) -> bool:
        """Whether a frame has transparency."""
        return any(has_alpha(frame.pixels) for frame in self.frames)

    def change_of(self, index: int) -> Change:
        """Return what happened to the pixels of a frame since it was read."""
        height, width = self.frames[index].pixels.shape[:2]
        if index < len(self.made):
            made = self.made[index]
            return Change(self.turned, made.before, (height, width), made.cut)
        (above, across), first = self.read_size or self.size, self.size
        # All frames grow by the same factor; only the first one's size before is kept.
        before = max(1, round(height * above / first[0])), max(1, round(width * across / first[1]))
        return Change(self.turned, before, (height, width))

    def with_frames(self, frames: tuple[Frame, ...]) -> "Picture":
        """Return the same picture with other pixels."""
        return replace(self, frames=frames, read_size=self.read_size or self.size)


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a file may ask for before it is refused; ``max_pixels`` counts all frames together."""

    max_pixels: int = int(DEFAULT_MAX_MEGAPIXELS * 1e6)
    max_frames: int = 10_000
