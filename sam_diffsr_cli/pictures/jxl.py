"""JPEG XL: stills, with their bits and colours, by a codec that tells neither.

What is lossless tells any colours; a lossy file is written only of sRGB in 8 bits, since there the
colours are part of how it is coded. One made of a JPEG is read as that JPEG, byte for byte.
"""

import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO, NamedTuple, TypedDict

import imagecodecs
import numpy as np

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.packages import install_command
from sam_diffsr_cli.pictures.boxes import children_of, pack_box
from sam_diffsr_cli.pictures.colour_numbers import Codes, Colour, colour_of_codes
from sam_diffsr_cli.pictures.embedded import with_colour
from sam_diffsr_cli.pictures.exif import without_orientation
from sam_diffsr_cli.pictures.jxl_colour import with_jxl_colour
from sam_diffsr_cli.pictures.jxl_header import (
    JxlColour,
    JxlHeader,
    read_header,
)
from sam_diffsr_cli.pictures.profiles import SRGB_CURVE, Chromaticities, ToneCurve, power_curve
from sam_diffsr_cli.pictures.records import Frame, Metadata, Picture

__all__ = ["JXL_NAME", "can_tell", "jpeg_inside", "read_jxl", "size_of_jxl", "write_jxl"]

JXL_NAME = "JXL"
PROFILE_EXTRA = f"{install_command('pillow-jxl-plugin')}, and it is read"
CONTAINER = pack_box(b"JXL ", b"\r\n\x87\n") + pack_box(b"ftyp", b"jxl \0\0\0\0jxl ")
P3 = (0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
KNOWN_PRIMARIES: dict[tuple[float, ...], int] = {
    (0.640, 0.330, 0.300, 0.600, 0.150, 0.060): 1,
    P3: 12,
}
KNOWN_PRIMARIES[(0.708, 0.292, 0.170, 0.797, 0.131, 0.046)] = 9
TRANSFERS = (1, 8, 13, 16, 17, 18)
"""The code points that the header shares with H.273."""

D65, LINEAR, SRGB = (0.3127, 0.3290), 8, 13
BARE = b"\xff\x0a"
"""The beginning of a code stream without boxes."""

FAST: dict[str, Any] = {"effort": 7, "numthreads": 8}
"""The codec's own effort; its threads change no byte."""


class _Beside(NamedTuple):
    exif: bytes | None
    xmp: bytes | None


def size_of_jxl(file: BinaryIO, _name: str) -> tuple[int, int]:
    """Read the upright height and width."""
    file.seek(0)
    return read_header(file.read()).size


def jpeg_inside(file: BinaryIO) -> bytes | None:
    """Return the JPEG that the file was made of; None when it was made of pixels."""
    file.seek(0)
    data = file.read()
    kinds = {box.kind for box in children_of(data)} if data[:2] != BARE else set[bytes]()
    if b"jbrd" not in kinds:
        return None
    try:
        return bytes(imagecodecs.jpegxl_decode_jpeg(data, numthreads=1))
    except (RuntimeError, ValueError):
        return None


def read_jxl(file: BinaryIO, name: str) -> Picture:
    """Read a still; of an animation the first frame, which is noted.

    Raises:
        InputError: Its colours are told by a profile that only an extra reads.
        ValueError: It is damaged.
    """
    file.seek(0)
    data = file.read()
    header = read_header(data)
    notes = []
    icc = None
    if header.has_icc:
        icc, levels = _with_profile(data, name)
        if header.is_lossy:
            notes.append("its colours came as linear light of 8 bits, coarse in the dark")
    else:
        levels = _decoded(data)
    if header.is_animation:
        notes.append("its animation became a still picture, the first frame")
    pixels, more = _pixels(levels, header)
    beside = _beside(data)
    metadata = Metadata(icc=icc, exif=beside.exif, xmp=beside.xmp)
    if icc is None:
        metadata = with_colour(metadata, _colour_of(header.colour), gray=pixels.shape[2] < 3)
    bits = None if header.is_float or not 8 < header.bits < 16 else header.bits
    return Picture(
        format=JXL_NAME,
        frames=(Frame(pixels),),
        metadata=metadata,
        notes=(*notes, *more),
        turned=header.orientation,
        bits=bits,
    )


def _with_profile(data: bytes, name: str) -> tuple[bytes, np.ndarray]:
    """Find the profile by a library that tells it; the codec's pixels are in it."""
    try:
        from pillow_jxl import Decoder  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise InputError(f"{name}: is JPEG XL with an ICC profile", hint=PROFILE_EXTRA) from error
    *_, icc, _boxes = Decoder(num_threads=1)(data)
    return bytes(icc), _decoded(data)


def _decoded(data: bytes) -> np.ndarray:
    """Decode the first frame alone, however many there are."""
    return np.asarray(imagecodecs.jpegxl_decode(data, index=0, numthreads=8))


def _pixels(levels: np.ndarray, header: JxlHeader) -> tuple[np.ndarray, list[str]]:
    """Bring decoded levels of any kind to ``(H, W, C)`` of 8 or 16 bits; also notes."""
    pixels = levels[..., None] if levels.ndim == 2 else levels
    notes = []
    if pixels.ndim != 3 or not 1 <= pixels.shape[2] <= 4:
        raise ValueError("pixels of an unknown kind")
    if pixels.dtype.kind == "f":
        floats = np.nan_to_num(pixels.astype(np.float64))
        if floats.min() < 0 or floats.max() > 1:
            notes.append("its light beyond white or black was clipped")
        pixels = (floats.clip(0, 1) * 65535).round().astype(np.uint16)
    elif pixels.dtype == np.uint16 and header.bits < 16:
        top = 2**header.bits - 1
        whole = pixels.astype(np.uint32).clip(0, top)
        pixels = ((whole * 65535 + top // 2) // top).astype(np.uint16)
    elif pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"pixels of kind {pixels.dtype}")
    return pixels, notes


def _beside(data: bytes) -> _Beside:
    """Find EXIF and XMP among the boxes, packed by Brotli or not; the turn is done."""
    found: dict[bytes, bytes] = {}
    for kind, body in _boxes(data):
        found.setdefault(kind, body)
    exif = found.get(b"Exif", b"")[4:]
    return _Beside(without_orientation(exif) if exif else None, found.get(b"xml ") or None)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    for box in children_of(data) if data[:2] != BARE else ():
        if box.kind == b"brob":
            try:
                yield box.body[:4], bytes(imagecodecs.brotli_decode(box.body[4:]))
            except (RuntimeError, ValueError):
                continue
        else:
            yield box.kind, box.body


def _colour_of(told: JxlColour) -> Colour:
    chromaticities = Chromaticities(*told.primaries, *told.white)
    if told.gamma is not None:
        curve = power_curve(1 / told.gamma) if told.gamma > 0 else SRGB_CURVE
        return Colour(chromaticities, (curve,), None, "header")
    number = KNOWN_PRIMARIES.get(told.primaries) if told.white == D65 else None
    if number is not None:
        return colour_of_codes(Codes(number, told.transfer), "header")
    meant = colour_of_codes(Codes(1, told.transfer), "header")
    return replace(meant, chromaticities=chromaticities, codes=None)


# ---------------------------------------------------------------------------------- writing


def can_tell(colour: Colour) -> bool:
    """Whether the header can say it."""
    return _told(colour) is not None


def _told(colour: Colour | None) -> JxlColour | None:
    """Return the header's way to say it; None when there is none."""
    if colour is None:
        return JxlColour()
    white, primaries = tuple(colour.chromaticities[6:]), tuple(colour.chromaticities[:6])
    how = _transfer_of(colour)
    return None if how is None else JxlColour(white=white, primaries=primaries, **how)


class _Transfer(TypedDict, total=False):
    """The fields of ``JxlColour`` that tell a transfer."""

    transfer: int
    gamma: float


def _transfer_of(colour: Colour) -> _Transfer | None:
    codes, curves = colour.codes, set(colour.curves)
    if codes is not None and not codes.is_narrow and codes.transfer in TRANSFERS:
        return {"transfer": codes.transfer}
    if curves == {SRGB_CURVE}:
        return {"transfer": SRGB}
    power = next(iter(curves)) if len(curves) == 1 else ToneCurve(table=(0, 1))
    if power.table or power.kind or not 1 <= power.parameters[0] <= 10:
        return None
    gamma = power.parameters[0]
    return {"transfer": LINEAR} if gamma == 1 else {"gamma": 1 / gamma}


def write_jxl(
    file: BinaryIO, picture: Picture, metadata: Metadata, quality: int, *, lossless: bool
) -> None:
    """Write a still.

    Args:
        file: Written from where it stands.
        picture: Of any kind of pixels.
        metadata: Its ``colour`` is told in the header.
        quality: 1 to 100, of sRGB in 8 bits when not ``lossless``.
        lossless: Whether pixels must be exact; others than sRGB in 8 bits always are.

    Raises:
        ValueError: The encoder refuses the picture.
    """
    pixels = picture.frames[0].pixels
    levels = np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    told = _told(metadata.colour)
    if told is None:
        raise ValueError("colours that JPEG XL cannot tell")
    if lossless or pixels.dtype == np.uint16 or told != JxlColour():
        stream = _stream_of(_lossless(levels, picture.bits))
        stream = with_jxl_colour(stream, told)
    else:
        # How libjxl turns a JPEG's quality into a distance, of the qualities above 30.
        distance = 0.1 + (100 - max(quality, 30)) * 0.09
        stream = _stream_of(imagecodecs.jpegxl_encode(levels, distance=distance, **FAST))
    file.write(CONTAINER)
    if metadata.exif is not None:
        file.write(pack_box(b"Exif", bytes(4) + metadata.exif))
    if metadata.xmp is not None:
        file.write(pack_box(b"xml ", metadata.xmp))
    file.write(struct.pack(">I4sQ", 1, b"jxlc", 16 + len(stream)) + stream)


def _lossless(levels: np.ndarray, bits: int | None) -> bytes:
    if levels.dtype == np.uint16 and bits is not None:
        top = 2**bits - 1
        levels = ((levels.astype(np.uint32) * top + 32767) // 65535).astype(np.uint16)
        return bytes(imagecodecs.jpegxl_encode(levels, lossless=True, bitspersample=bits, **FAST))
    return bytes(imagecodecs.jpegxl_encode(levels, lossless=True, **FAST))


def _stream_of(data: bytes | bytearray) -> bytes:
    """Return the code stream of a file, joined where it comes in parts."""
    whole = bytes(data)
    if whole[:2] == BARE:
        return whole
    boxes = list(children_of(whole))
    parts = [box.body[4:] for box in boxes if box.kind == b"jxlp"]
    return b"".join([box.body for box in boxes if box.kind == b"jxlc"] or parts)
