"""The blocks of a GIF (GIF89a): what Pillow does not tell of them, and the ledger."""

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO, NamedTuple

from sam_diffsr_cli.pictures.ledger import Part, credentials
from sam_diffsr_cli.pictures.records import Frame, Metadata

__all__ = [
    "list_gif_parts",
    "read_comment",
    "read_loop",
    "read_packet",
    "read_profile",
    "with_disposals",
    "within_screen",
]

IMAGE, EXTENSION, END = 0x2C, 0x21, 0x3B
PLAIN_TEXT, CONTROL, COMMENT, APPLICATION = 0x01, 0xF9, 0xFE, 0xFF
LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
XMP_NAME, PROFILE_NAME = b"XMP DataXMP", b"ICCRGBG1012"
PROFILE_MARK = b"acsp"
XMP_TRAILER = b"\x01\xff\xfe\xfd"
WAITS, DISPOSAL, STAYS = 0b10, 0b11100, 0b100
MOST_COMMENT = 1 << 20


class _Block(NamedTuple):
    """One block: its name, the label of an extension, its data, its bytes, and where it is."""

    name: str
    label: int
    data: bytes
    size: int
    place: int = 0


def _blocks(file: BinaryIO) -> Iterator[_Block]:
    """Yield the blocks up to the end of the picture, or of the file."""
    file.seek(0)
    head = file.read(13)
    if len(head) < 13 or not head.startswith(b"GIF8"):
        return
    if head[12]:
        yield _Block("pixel aspect ratio", -1, head[12:], 1)
    _skip_palette(file, head[10])
    while (kind := file.read(1)) and kind[0] != END:
        begin = file.tell() - 1
        if kind[0] == IMAGE:
            descriptor = file.read(9)
            _skip_palette(file, descriptor[8])
            file.read(1)
            for _ in _sub_blocks(file):
                pass
            yield _Block("pixels", -1, b"", file.tell() - begin)
        elif kind[0] == EXTENSION:
            label = file.read(1)[0]
            parts = list(_sub_blocks(file))
            size = file.tell() - begin
            data = b"".join(_body(label, parts))
            yield _Block(_name_of(label, parts), label, data, size, begin)
        else:
            raise ValueError("an unknown block")
    place = file.tell()
    behind = file.seek(0, io.SEEK_END) - place
    if behind > 0:
        yield _Block("data behind the end", -1, b"", behind)


def _skip_palette(file: BinaryIO, flags: int) -> None:
    if flags & 0x80:
        file.seek(3 << ((flags & 7) + 1), io.SEEK_CUR)


def _sub_blocks(file: BinaryIO) -> Iterator[bytes]:
    while length := file.read(1)[0]:
        data = file.read(length)
        if len(data) < length:
            raise ValueError("cut short")
        yield data


def _name_of(label: int, parts: list[bytes]) -> str:
    if label == APPLICATION:
        return (parts[0] if parts else b"").decode("latin-1")
    names = {PLAIN_TEXT: "plain text", CONTROL: "control", COMMENT: "comment"}
    return names.get(label, f"extension {label:#04x}")


def _body(label: int, parts: list[bytes]) -> list[bytes]:
    if label == APPLICATION and parts[:1] == [XMP_NAME]:
        # The packet is not divided: what look like lengths are letters of it.
        return [bytes((len(part),)) + part for part in parts[1:]]
    return parts[1:] if label == APPLICATION else parts


def read_loop(file: BinaryIO) -> int | None:
    """Return the number of repeats that the file tells (0: for ever); None when it tells none."""
    for block in _blocks(file):
        is_loop = block.label == APPLICATION and block.name.encode("latin-1") in LOOPS
        if is_loop and len(block.data) >= 3 and block.data[0] == 1:
            return int.from_bytes(block.data[1:3], "little")
    return None


def read_packet(file: BinaryIO) -> bytes | None:
    """Return the XMP packet; None when there is none."""
    for block in _blocks(file):
        if block.label == APPLICATION and block.name.encode("latin-1") == XMP_NAME:
            # Behind it all bytes stand in falling order, so that any reader finds its end.
            return block.data.rpartition(XMP_TRAILER)[0] or None
    return None


def read_profile(file: BinaryIO) -> bytes | None:
    """Return the ICC profile (ICC.1:2010, B.6); None when there is none."""
    for block in _blocks(file):
        if block.label == APPLICATION and block.name.encode("latin-1") == PROFILE_NAME:
            return block.data if block.data[36:40] == PROFILE_MARK else None
    return None


def with_disposals(file: BinaryIO) -> BinaryIO:
    """Return a GIF whose frames stay where nothing is said of them, which is what that means.

    Pillow 13 disposes of such a frame as of the one before it. The file itself is returned where
    there is nothing to change, or it is damaged.
    """
    flags_at = 3
    try:
        controls = [block for block in _blocks(file) if block.label == CONTROL and block.data]
    except (IndexError, ValueError):
        controls = []
    unsaid = [block for block in controls if not block.data[0] & DISPOSAL]
    file.seek(0)
    if len(controls) < 2 or not unsaid:
        return file
    data = bytearray(file.read())
    for block in unsaid:
        data[block.place + flags_at] |= STAYS
    file.seek(0)
    return io.BytesIO(data)


def within_screen(frames: list[Frame], screen: tuple[int, int]) -> tuple[list[Frame], list[str]]:
    """Leave of frames what viewers show: what lies on a screen of this height and width.

    Pillow 13 lets the screen grow with a later frame that does not fit it, from that frame on.
    """
    if all(frame.pixels.shape[:2] == screen for frame in frames):
        return frames, []
    height, width = screen
    shown = [replace(frame, pixels=frame.pixels[:height, :width]) for frame in frames]
    return shown, [
        f"what frames hold beyond {width}x{height} pixels is never seen: it was left out"
    ]


def read_comment(file: BinaryIO) -> bytes | None:
    """Return the comments, wherever they stand, a line between them."""
    found = [block.data for block in _blocks(file) if block.label == COMMENT and block.data]
    return b"\n".join(found)[:MOST_COMMENT] or None


def list_gif_parts(file: BinaryIO, metadata: Metadata) -> Iterator[Part]:
    """List every block; pixels, and what tells times and repetition, are written anew."""
    for block in _blocks(file):
        raw = block.name.encode("latin-1")
        if block.name == "pixels" or (block.label == APPLICATION and raw in LOOPS):
            yield Part(name=block.name, size=block.size, fate="rewritten")
        elif block.label == CONTROL:
            yield Part(name=block.name, size=block.size, fate="rewritten")
            if block.data and block.data[0] & WAITS:
                yield Part(name="waiting for the user", size=1, fate="not carried")
        elif block.label == APPLICATION and raw.startswith(b"C2PA"):
            yield credentials(block.size)
        elif block.label == COMMENT and block.data in (metadata.comment or b""):
            yield Part(name=block.name, size=block.size, fate="carried")
        elif block.label == APPLICATION and raw == XMP_NAME and metadata.xmp is not None:
            yield Part(name="XMP", size=block.size, fate="carried")
        elif block.label == APPLICATION and raw == PROFILE_NAME and metadata.icc == block.data:
            yield Part(name="ICC profile", size=block.size, fate="carried")
        else:
            yield Part(name=block.name, size=block.size, fate="not carried")
