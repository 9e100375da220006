"""Deterministic damage to picture files, blind and with a knowledge of how formats are built."""

import struct
import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

__all__ = ["mutant"]

Random = np.random.Generator

HUGE = (
    0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 127, 128, 255, 256, 257, 1023, 4096, 20_000, 32_767, 32_768,
    40_000, 50_000, 65_535, 65_536, 100_000, 2**20, 2**24 - 1, 2**27, 2**30, 2**31 - 1, 2**31,
    2**32 - 2, 2**32 - 1,
)  # fmt: skip
BLOB_EDITS = 3
BOXES = (
    b"ispe pixi av1C iloc iinf iprp ipma meta mvhd stsz stco stsc stts tkhd irot imir colr mdat"
    b" hvcC clap clli mdcv pitm iref infe auxC jxlc jxlp Exif brob jbrd"
).split()


def mutant(seeds: Mapping[str, bytes], seed: int, index: int) -> tuple[str, bytes]:
    """Make mutant ``index`` of a run: the name of the seed that it comes from, and its bytes."""
    rng = np.random.default_rng((seed, index))
    names = sorted(seeds)
    name = names[index % len(names)]
    data = bytearray(seeds[name])
    aware = _AWARE.get(name.rpartition(".")[2])
    for _ in range(1 if rng.random() < 0.6 else int(rng.geometric(0.4))):
        if aware is not None and rng.random() < 0.6:
            data = bytearray(aware(data, rng))
        else:
            others = [seeds[other] for other in names]
            _BLIND[rng.integers(len(_BLIND))](data, rng, others)
    return name, bytes(data)


def _place(data: bytearray, rng: Random, length: int = 1) -> int:
    """Choose an offset; headers, which are at the front, more often."""
    last = max(1, len(data) - length + 1)
    return int(rng.integers(min(last, 64) if rng.random() < 0.4 else last))


def _flip(data: bytearray, rng: Random, _others: Sequence[bytes]) -> None:
    for _ in range(int(rng.integers(1, 9))):
        if data:
            data[_place(data, rng)] ^= 1 << int(rng.integers(8))


def _run(data: bytearray, rng: Random, _others: Sequence[bytes]) -> None:
    first, length = _place(data, rng), int(rng.integers(1, 33))
    if rng.random() < 0.5:
        data[first : first + length] = bytes([int(rng.choice((0, 1, 127, 128, 255)))]) * length
    else:
        data[first : first + length] = rng.bytes(length)


def _cut(data: bytearray, rng: Random, _others: Sequence[bytes]) -> None:
    del data[int(rng.integers(len(data) + 1)) :]


def _drop(data: bytearray, rng: Random, _others: Sequence[bytes]) -> None:
    first = _place(data, rng)
    del data[first : first + int(rng.integers(1, 65))]


def _repeat(data: bytearray, rng: Random, _others: Sequence[bytes]) -> None:
    first = _place(data, rng)
    piece = data[first : first + int(rng.integers(1, 129))]
    data[first:first] = piece * int(rng.integers(1, 20))


def _splice(data: bytearray, rng: Random, others: Sequence[bytes]) -> None:
    other = others[int(rng.integers(len(others)))]
    first, length = int(rng.integers(len(other))), int(rng.integers(1, 400))
    place = _place(data, rng)
    gone = length if rng.random() < 0.5 else 0
    data[place : place + gone] = other[first : first + length]


def _number(data: bytearray, rng: Random, _others: Sequence[bytes]) -> None:
    """Write a number that is likely to matter, as some width and byte order."""
    letter = str(rng.choice(list("BHHIIQ")))
    order = str(rng.choice(list("<>")))
    size = struct.calcsize(letter)
    place = _place(data, rng, size)
    value = int(rng.choice(HUGE)) % 2 ** (8 * size)
    data[place : place + size] = struct.pack(order + letter, value)


_Blind = Callable[[bytearray, Random, Sequence[bytes]], None]
_BLIND: tuple[_Blind, ...] = (
    *(3 * (_flip, _number)), _run, _run, _splice, _repeat, _drop, _cut
)  # fmt: skip


def _blob(blob: bytes, rng: Random) -> bytes:
    """Damage a part in place of a whole file."""
    data = bytearray(blob)
    for _ in range(int(rng.integers(1, BLOB_EDITS + 1))):
        (_flip, _run, _number, _number, _drop, _repeat)[int(rng.integers(6))](data, rng, ())
    return bytes(data)


def _png(data: bytearray, rng: Random) -> bytes:
    """Edit chunks and put their checksums right, so that the edit reaches the decoder."""
    chunks, place = [], 8
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        if place + 12 + length > len(data):
            break
        kind = bytes(data[place + 4 : place + 8])
        chunks.append((kind, bytes(data[place + 8 : place + 8 + length])))
        place += 12 + length
    if not chunks:
        return bytes(data)
    which = int(rng.integers(len(chunks)))
    kind, body = chunks[which]
    action = int(rng.integers(6))
    if action == 0:
        chunks.insert(int(rng.integers(len(chunks) + 1)), chunks[which])
    elif action == 1:
        del chunks[which]
    elif action == 2:
        other = int(rng.integers(len(chunks)))
        chunks[which], chunks[other] = chunks[other], chunks[which]
    elif action == 3 and kind in (b"IDAT", b"iCCP", b"zTXt", b"fdAT"):
        chunks[which] = kind, _repacked(body, rng)
    else:
        chunks[which] = kind, _blob(body, rng)
    built = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    ]
    return bytes(data[:8]) + b"".join(built)


def _repacked(body: bytes, rng: Random) -> bytes:
    """Damage what is compressed somewhere in a body."""
    start = max(0, body.find(b"\x78"))
    unpacker = zlib.decompressobj()
    try:
        plain = unpacker.decompress(body[start:], 1 << 20)
    except zlib.error:
        return _blob(body, rng)
    return body[:start] + zlib.compress(_blob(plain, rng))


def _tiff(data: bytearray, rng: Random) -> bytes:
    """Edit a field of a directory: its tag, type, count or value."""
    if len(data) < 16:
        return bytes(data)
    order = "<" if data[:2] == b"II" else ">"
    (place,) = struct.unpack_from(order + "I", data, 4)
    if place + 2 > len(data):
        return bytes(data)
    (count,) = struct.unpack_from(order + "H", data, place)
    entry = place + 2 + 12 * int(rng.integers(max(1, min(count, 40))))
    if entry + 12 > len(data):
        return bytes(data)
    tag = struct.unpack_from(order + "H", data, entry)[0]
    action = int(rng.integers(5))
    if action == 0:
        struct.pack_into(order + "H", data, entry, tag + int(rng.integers(-3, 4)) & 0xFFFF)
    elif action == 1:
        struct.pack_into(order + "H", data, entry + 2, int(rng.integers(0, 20)))
    elif action == 2:
        struct.pack_into(order + "I", data, entry + 4, int(rng.choice(HUGE)))
    elif tag == 259:
        packings = (1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946, 34712, 34887, 34925, 34933, 50000, 50001)
        struct.pack_into(order + "H", data, entry + 8, int(rng.choice(packings)))
    elif action == 3:
        struct.pack_into(order + "H", data, entry + 8, int(rng.choice(HUGE)) & 0xFFFF)
    else:
        struct.pack_into(order + "I", data, entry + 8, int(rng.choice(HUGE)))
    return bytes(data)


def _jpeg(data: bytearray, rng: Random) -> bytes:
    """Edit the body or the length of a segment."""
    places, place = [], 2
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != 0xDA:
        places.append(place)
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    if not places:
        return bytes(data)
    place = places[int(rng.integers(len(places)))]
    length = int.from_bytes(data[place + 2 : place + 4], "big")
    if rng.random() < 0.3:
        data[place + 2 : place + 4] = struct.pack(">H", int(rng.choice(HUGE)) & 0xFFFF)
        return bytes(data)
    body = _blob(bytes(data[place + 4 : place + 2 + length]), rng)[:65_533]
    data[place + 2 : place + 2 + length] = struct.pack(">H", len(body) + 2) + body
    return bytes(data)


def _riff(data: bytearray, rng: Random) -> bytes:
    """Edit a chunk of a WebP; sizes are put right, now and then not."""
    chunks, place = [], 12
    while place + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, place + 4)
        if place + 8 + length > len(data):
            break
        chunks.append((bytes(data[place : place + 4]), bytes(data[place + 8 : place + 8 + length])))
        place += 8 + length + length % 2
    if not chunks:
        return bytes(data)
    which = int(rng.integers(len(chunks)))
    kind, body = chunks[which]
    if rng.random() < 0.2:
        chunks.insert(int(rng.integers(len(chunks) + 1)), (kind, body))
    else:
        chunks[which] = kind, _blob(body, rng)
    built = b"".join(k + struct.pack("<I", len(b)) + b + b"\0" * (len(b) % 2) for k, b in chunks)
    size = len(built) + 4 if rng.random() < 0.9 else int(rng.choice(HUGE))
    return b"RIFF" + struct.pack("<I", size) + b"WEBP" + built


def _boxes(data: bytearray, rng: Random) -> bytes:
    """Edit a field close to the name of a box of an AVIF, HEIC or JPEG XL."""
    found = [place for name in BOXES if (place := bytes(data).find(name)) >= 4]
    if not found:
        return bytes(data)
    place = found[int(rng.integers(len(found)))] + 4 * int(rng.integers(-1, 6))
    letter = ">I" if rng.random() < 0.5 else ">H"
    size = struct.calcsize(letter)
    if place + size <= len(data):
        struct.pack_into(letter, data, place, int(rng.choice(HUGE)) % 2 ** (8 * size))
    return bytes(data)


_Aware = Callable[[bytearray, Random], bytes]
_AWARE: dict[str, _Aware] = {
    "png": _png, "tif": _tiff, "jpg": _jpeg, "webp": _riff, "avif": _boxes,
    "heic": _boxes, "jxl": _boxes,
}  # fmt: skip
