"""What lies behind the picture of a JPEG: gain and depth maps, other views, previews, a video."""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from PIL import Image

from sam_diffsr_cli.pictures.change import Change
from sam_diffsr_cli.pictures.exif import upright_exif
from sam_diffsr_cli.pictures.jpeg_structure import (
    APP1,
    APP2,
    PRIMARY,
    Segment,
    insert_segments,
    join_pictures,
    read_index,
    read_segments,
    segment_bytes,
)

__all__ = [
    "CARRIED_ROLES",
    "EXIF_PREFIX",
    "ISO_PREFIX",
    "MAPS",
    "Attached",
    "Behind",
    "Found",
    "find_behind",
    "recoded",
    "turned_behind",
]

ISO_PREFIX = b"urn:iso:std:iso:ts:21496:-1\0"
"""Begins the segment of a gain map's numbers, and in the photo the one that announces them."""

EXIF_PREFIX = b"Exif\0\0"
TURNED: Mapping[str, Any] = {"quality": 97, "subsampling": 0}
HDR_MARKS = (b"http://ns.adobe.com/hdr-gain-map/1.0/", b"HDRGainMap", b"aux:hdrgainmap")
DEPTH_MARKS = (b"aux:depth", b"aux:disparity", b"/depthmap/", b"matte")
TYPE = 0xFF_FFFF
PREVIEWS = (0x01_0001, 0x01_0002, 0x01_0003, 0x01_0004, 0x01_0005)
VIEWS = (0x02_0001, 0x02_0002, 0x02_0003)
"""MPF types: large thumbnails; parts of a panorama, the two of a stereo pair, and other angles."""

FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of frame headers."""

_NOT_ZERO = re.compile(rb"[^\0]")
_KEPT_IN_TURNED = (*range(0xE1, 0xEE), 0xEF, 0xFE)
_TRANSPOSED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

MAPS = ("gain map", "depth map")
CARRIED_ROLES = ("gain map", "depth map", "view", "picture")
Role = Literal["gain map", "depth map", "view", "preview", "picture"]


@dataclass(frozen=True, slots=True)
class Attached:
    """A JPEG behind the photo's: what it is, its MPF attributes, and its bytes."""

    role: Role
    kind: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Behind:
    """What is carried behind a JPEG, and whole segments that go into the photo itself.

    ``kind`` are the MPF attributes of the photo.
    """

    pictures: tuple[Attached, ...] = ()
    trailer: bytes = b""
    segments: tuple[bytes, ...] = ()
    kind: int = PRIMARY

    @property
    def views(self) -> tuple[Attached, ...]:
        """Other views of the same thing, as large as the photo."""
        return tuple(each for each in self.pictures if each.role == "view")

    @property
    def gain_map(self) -> bytes | None:
        """The gain map, None where there is none."""
        return next((each.data for each in self.pictures if each.role == "gain map"), None)

    def only_views(self) -> "Behind":
        """Return the views alone, without what their files say beside the pixels."""
        views = [replace(each, data=_bare(each.data)) for each in self.views]
        return Behind(tuple(views), kind=self.kind)

    def with_views(self, views: Sequence[bytes]) -> "Behind":
        """Return the same with other bytes for each view, or without views."""
        new = iter(views)
        pictures = [
            each if each.role != "view" else replace(each, data=next(new, b""))
            for each in self.pictures
        ]
        return replace(self, pictures=tuple(each for each in pictures if each.data))

    def write(self, base: bytes) -> bytes:
        """Put all of it into and behind a JPEG, with an index of the pictures."""
        data = insert_segments(base, b"".join(self.segments))
        if self.pictures:
            further = [(each.kind, each.data) for each in self.pictures]
            data = join_pictures(data, further, self.kind)
        return data + self.trailer


class Found(NamedTuple):
    """The segments of a JPEG, the pictures behind it, and the rest."""

    segments: list[Segment]
    pictures: list[Attached]
    trailer: bytes
    kind: int = PRIMARY

    def carried(self) -> Behind | None:
        """What of it is carried into another JPEG; None when nothing is."""
        pictures = tuple(each for each in self.pictures if each.role in CARRIED_ROLES)
        has_map = any(each.role == "gain map" for each in pictures)
        segments = tuple(
            segment_bytes(each.marker, each.body)
            for each in self.segments
            if has_map and each.marker == APP2 and each.body.startswith(ISO_PREFIX)
        )
        if not (pictures or self.trailer or segments):
            return None
        return Behind(pictures, self.trailer, segments, self.kind)


def find_behind(data: bytes) -> Found:
    """Take a JPEG file apart.

    Raises:
        ValueError: It is damaged.
    """
    segments, end = read_segments(data)
    kinds = {each.place: each.kind for each in read_index(segments)}
    own = kinds.pop(0, PRIMARY)
    pictures: list[Attached] = []
    frame = _frame_size(segments)
    while True:
        start = _next_start(data, end, kinds)
        try:
            inner, stop = read_segments(data, start)
        except ValueError:
            return Found(segments, pictures, data[end:], own)
        kind = kinds.get(start, 0)
        role = _role(inner, kind, same_size=_frame_size(inner) == frame)
        pictures.append(Attached(role, kind, data[start:stop]))
        end = stop


def _next_start(data: bytes, end: int, kinds: dict[int, int]) -> int:
    """Where the next picture begins: at once, behind zeros, or where the index says."""
    found = _NOT_ZERO.search(data, end)
    if found is not None and data.startswith(b"\xff\xd8", found.start()):
        return found.start()
    following = min((place for place in kinds if place > end), default=end)
    return end if data[end:following].strip(b"\0") else following


def _frame_size(segments: Sequence[Segment]) -> bytes:
    """Height and width, as a frame header has them."""
    return next((s.body[1:5] for s in segments if s.marker in FRAMES), b"")


def _role(segments: Sequence[Segment], kind: int, *, same_size: bool) -> Role:
    told = [s.body for s in segments if 0xE0 <= s.marker <= 0xEF]
    if any(body.startswith(ISO_PREFIX) or any(m in body for m in HDR_MARKS) for body in told):
        return "gain map"
    if any(mark in body for body in told for mark in DEPTH_MARKS):
        return "depth map"
    if kind & TYPE in PREVIEWS:
        return "preview"
    return "view" if kind & TYPE in VIEWS or same_size else "picture"


def turned_behind(behind: Behind, turn: int) -> Behind:
    """Turn the maps as the photo was turned by an EXIF orientation, 2 to 8.

    Anything else that was carried stays as it is. A map is compressed anew, with its own profile
    and numbers; left on its side it would brighten the wrong places.
    """
    pictures = tuple(
        replace(each, data=_turned(each.data, turn)) if each.role in MAPS else each
        for each in behind.pictures
    )
    return replace(behind, pictures=pictures)


def _turned(data: bytes, turn: int) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        if image.width * image.height > (Image.MAX_IMAGE_PIXELS or 0):
            raise ValueError("more pixels than is safe to decode")
        turned = image.transpose(_TRANSPOSED[turn])
    size = turned.height, turned.width
    return recoded(data, turned, Change(turn, size, size), TURNED)


def recoded(data: bytes, image: Image.Image, change: Change, coding: Mapping[str, Any]) -> bytes:
    """Compress a picture anew in the place of a JPEG, with that one's segments brought up to date.

    ``coding`` is Pillow's options of how.

    Raises:
        ValueError: ``data`` is damaged.
    """
    segments, _ = read_segments(data)
    file = io.BytesIO()
    image.save(file, format="JPEG", **coding)
    kept = (_upright(each, change) for each in segments if each.marker in _KEPT_IN_TURNED)
    return insert_segments(file.getvalue(), b"".join(kept))


def _bare(data: bytes) -> bytes:
    """Take out all segments that are not needed to decode a JPEG."""
    segments, end = read_segments(data)
    kept = [each for each in segments if each.marker not in _KEPT_IN_TURNED]
    coded = (data[each.place : each.place + each.size] for each in kept)
    return data[:2] + b"".join(coded) + data[end - 2 : end]


def _upright(segment: Segment, change: Change) -> bytes:
    body = segment.body
    if segment.marker == APP1 and body.startswith(EXIF_PREFIX):
        body = EXIF_PREFIX + (upright_exif(body[6:], change) or body[6:])
    return segment_bytes(segment.marker, body)
