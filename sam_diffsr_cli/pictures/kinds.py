"""What a file is, by its first bytes: one table of all that has a name, read here or not.

Suffixes say little: phones and web pages call HEIC and WebP ``.jpg``. Where the bytes are a TIFF's,
a raw file of a camera is told apart by its tags.
"""

import io
import struct
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from typing import BinaryIO, NamedTuple

from sam_diffsr_cli.packages import install_command

__all__ = ["HEAD_BYTES", "HEIF_EXTRA", "RAW_HINT", "Kind", "can_read_heif", "kind_of"]

HEAD_BYTES = 1 << 16
"""As much of a file as is looked at."""

HEIF_EXTRA = f"{install_command('pi-heif')}, and it is read"
RAW_HINT = "develop it first, and give the TIFF or PNG; a raw photo is no picture yet"
CONVERT = "convert it to PNG or TIFF first"
VIDEO = "take single pictures out of it first"
DRAWING = "export it as PNG at the size you need; a drawing needs no enlarging"


class Kind(NamedTuple):
    """A kind of file: its name, and what to do with one that is not read (None: it is read)."""

    name: str
    hint: str | None = CONVERT


READ = tuple(Kind(name, None) for name in ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF"))
PNG, JPEG, WEBP, TIFF, BMP, GIF, AVIF = READ
JXL, HEIC, HEIF = Kind("JPEG XL", None), Kind("HEIC", HEIF_EXTRA), Kind("HEIF", HEIF_EXTRA)

SIGNATURES: tuple[tuple[int, bytes, Kind], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", PNG),
    (0, b"\xff\xd8\xff\xf7", Kind("JPEG-LS")),
    (0, b"\xff\xd8\xff", JPEG),
    (8, b"WEBP", WEBP),
    (0, b"II*\0", TIFF),
    (0, b"MM\0*", TIFF),
    (0, b"II+\0", TIFF),
    (0, b"MM\0+", TIFF),
    (0, b"GIF8", GIF),
    (0, b"\xff\x0a", JXL),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", JXL),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", Kind("JPEG 2000")),
    (0, b"\xff\x4f\xff\x51", Kind("JPEG 2000 (a bare code stream)")),
    (0, b"II\xbc\x01", Kind("JPEG XR")),
    (0, b"FUJIFILMCCD-RAW", Kind("a raw photo (RAF of Fujifilm)", RAW_HINT)),
    (0, b"IIRO", Kind("a raw photo (ORF of Olympus)", RAW_HINT)),
    (0, b"IIRS", Kind("a raw photo (ORF of Olympus)", RAW_HINT)),
    (0, b"MMOR", Kind("a raw photo (ORF of Olympus)", RAW_HINT)),
    (0, b"IIU\0", Kind("a raw photo (RW2 of Panasonic or Leica)", RAW_HINT)),
    (0, b"FOVb", Kind("a raw photo (X3F of Sigma)", RAW_HINT)),
    (0, b"\0MRM", Kind("a raw photo (MRW of Minolta)", RAW_HINT)),
    (6, b"HEAPCCDR", Kind("a raw photo (CRW of Canon)", RAW_HINT)),
    (0, b"8BPS\0\1", Kind("a Photoshop document (PSD)", "export it as PNG or TIFF")),
    (0, b"8BPS\0\2", Kind("a large Photoshop document (PSB)", "export it as PNG or TIFF")),
    (0, b"gimp xcf", Kind("a GIMP document (XCF)", "export it as PNG or TIFF")),
    (0, b"\x76\x2f\x31\x01", Kind("OpenEXR")),
    (0, b"#?RADIANCE", Kind("Radiance HDR")),
    (0, b"#?RGBE", Kind("Radiance HDR")),
    (0, b"DDS ", Kind("a DDS texture")),
    (0, b"\xabKTX ", Kind("a KTX texture")),
    (0, b"qoif", Kind("QOI")),
    (0, b"BPG\xfb", Kind("BPG")),
    (0, b"FLIF", Kind("FLIF")),
    (0, b"farbfeld", Kind("farbfeld")),
    (0, b"\x8aMNG", Kind("MNG")),
    (0, b"\x8bJNG", Kind("JNG")),
    (0, b"SIMPLE  =", Kind("FITS")),
    (128, b"DICM", Kind("DICOM")),
    (0, b"SDPX", Kind("DPX")),
    (0, b"XPDS", Kind("DPX")),
    (0, b"\x59\xa6\x6a\x95", Kind("a Sun raster")),
    (0, b"\0\0\1\0", Kind("an icon (ICO)")),
    (0, b"\0\0\2\0", Kind("a cursor (CUR)")),
    (0, b"icns", Kind("an icon (ICNS)")),
    (0, b"AT&TFORM", Kind("DjVu")),
    (0, b"%PDF-", Kind("PDF", "export its pages as PNG")),
    (0, b"%!PS", Kind("PostScript", "export its pages as PNG")),
    (0, b"\xc5\xd0\xd3\xc6", Kind("PostScript (EPS)", "export its pages as PNG")),
    (0, b"\xd7\xcd\xc6\x9a", Kind("WMF", DRAWING)),
    (40, b" EMF", Kind("EMF", DRAWING)),
    (8, b"AVI ", Kind("a video (AVI)", VIDEO)),
    (0, b"\x1a\x45\xdf\xa3", Kind("a video (Matroska or WebM)", VIDEO)),
    (0, b"BM", BMP),
)
"""Where a signature stands, its bytes, and what it is the signature of; longer ones go first."""

BRANDS: dict[bytes, Kind] = {
    **dict.fromkeys((b"avif", b"avis"), AVIF),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), HEIC),
    b"crx ": Kind("a raw photo (CR3 of Canon)", RAW_HINT),
    b"jxl ": JXL,
    **dict.fromkeys((b"jp2 ", b"jpx ", b"jpm "), Kind("JPEG 2000")),
    **dict.fromkeys((b"jpeg", b"jpgs", b"j2ki", b"avci", b"vvic", b"mif1", b"msf1", b"mif2"), HEIF),
    b"qt  ": Kind("a video (QuickTime)", VIDEO),
    **dict.fromkeys(
        (b"isom", b"iso2", b"mp41", b"mp42", b"M4V ", b"3gp4"), Kind("a video (MP4)", VIDEO)
    ),
}
"""Brands of files made of boxes, the surest first (ISO/IEC 14496-12, 4.3)."""

RAW_MAKERS = (
    (b"NIKON", "NEF of Nikon"),
    (b"SONY", "ARW of Sony"),
    (b"Canon", "CR2 of Canon"),
    (b"PENTAX", "PEF of Pentax"),
    (b"RICOH", "PEF of Pentax"),
    (b"SAMSUNG", "SRW of Samsung"),
    (b"Hasselblad", "3FR of Hasselblad"),
    (b"Phase One", "IIQ of Phase One"),
    (b"EASTMAN KODAK", "DCR of Kodak"),
)
MAKE, PHOTOMETRIC, COMPRESSION, SUB_DIRECTORIES, DNG_VERSION = 271, 262, 259, 330, 50706
MOSAICS = (32803, 34892)
"""A colour filter array, and its demosaiced but undeveloped form."""

RAW_COMPRESSIONS = (32767, 32769, 32770, 34713, 65000, 65535)
"""Of Sony, Epson, Samsung, Nikon, Kodak and Pentax."""

MOST_DIRECTORIES, MOST_ENTRIES, SHORT = 16, 512, 3


def kind_of(head: bytes, file: BinaryIO | None = None) -> Kind | None:
    """Name what a file is.

    Args:
        head: Its first ``HEAD_BYTES``, or all of it.
        file: It, seekable, where what tells a raw photo may lie further behind.

    Returns:
        None for what has no name here.
    """
    if head[4:8] == b"ftyp":
        return _kind_of_boxes(head)
    for place, signature, kind in SIGNATURES:
        if head.startswith(signature, place):
            return _raw_of(head, file or io.BytesIO(head)) or kind if kind is TIFF else kind
    start = head[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"<svg") or (start.startswith(b"<?xml") and b"<svg" in head[:4096]):
        return Kind("SVG", DRAWING)
    if start.startswith((b"<!doctype html", b"<html")):
        return Kind("a web page (HTML)", "download the picture itself")
    if len(head) > 2 and head[:1] == b"P" and head[1:2] in b"1234567FfY" and head[2:3].isspace():
        return Kind("PNM (PBM, PGM, PPM, PAM or PFM)")
    return None


def can_read_heif() -> bool:
    """Whether the extra that decodes HEIC is installed."""
    return find_spec("pi_heif") is not None


def _kind_of_boxes(head: bytes) -> Kind | None:
    size = min(int.from_bytes(head[:4], "big"), len(head))
    major, compatible = head[8:12], {head[i : i + 4] for i in range(16, size - 3, 4)}
    first = BRANDS.get(major)
    if first is not None and first is not HEIF:
        return first
    others = (kind for brand, kind in BRANDS.items() if brand in compatible)
    return next(others, first)


def _raw_of(head: bytes, file: BinaryIO) -> Kind | None:
    """Name a camera's raw file that has the form of a TIFF; None for other TIFFs."""
    if head[8:10] == b"CR":
        return Kind("a raw photo (CR2 of Canon)", RAW_HINT)
    make, is_raw = b"", False
    with suppress(struct.error):
        for tags in _directories(file, "<" if head[:2] == b"II" else ">"):
            if DNG_VERSION in tags:
                return Kind("a raw photo (DNG)", RAW_HINT)
            if not make and MAKE in tags:
                file.seek(tags[MAKE])
                make = file.read(32).partition(b"\0")[0].upper()
            photometric, compression = tags.get(PHOTOMETRIC, 0), tags.get(COMPRESSION, 0)
            is_raw |= photometric in MOSAICS or compression in RAW_COMPRESSIONS
    if not is_raw:
        return None
    names = (name for start, name in RAW_MAKERS if make.startswith(start.upper()))
    return Kind(f"a raw photo ({next(names, 'of a camera')})", RAW_HINT)


def _directories(file: BinaryIO, order: str) -> Iterator[dict[int, int]]:
    """Yield each directory as its tags' first values, or the places of longer ones."""

    def read(layout: str, place: int | None = None) -> tuple[int, ...]:
        if place is not None:
            file.seek(place)
        layout = order + layout
        return struct.unpack(layout, file.read(struct.calcsize(layout)))

    waiting, seen = [*read("I", 4)], set[int]()
    while waiting and len(seen) < MOST_DIRECTORIES:
        place = waiting.pop(0)
        if place == 0 or place in seen:
            continue
        seen.add(place)
        (count,) = read("H", place)
        tags: dict[int, int] = {}
        below = 0
        entries = [read("HHIHH") for _ in range(min(count, MOST_ENTRIES))]
        following = read("I")
        for tag, kind, number, first, second in entries:
            whole = struct.unpack(f"{order}I", struct.pack(f"{order}HH", first, second))[0]
            tags[tag] = first if kind == SHORT and number == 1 else whole
            below = number if tag == SUB_DIRECTORIES else below
        if below == 1:
            waiting.append(tags[SUB_DIRECTORIES])
        elif below:
            waiting += read(f"{min(below, MOST_DIRECTORIES)}I", tags[SUB_DIRECTORIES])
        yield tags
        waiting += following
