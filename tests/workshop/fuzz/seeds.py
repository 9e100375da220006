"""Small valid files of every format and mode that is read, as the start of a fuzz run."""

import io
import runpy
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, PngImagePlugin

__all__ = ["make_seeds"]

SIZE = (11, 14)
ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2))
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"'
    b' tiff:Orientation="6" tiff:ImageWidth="14"/></rdf:RDF></x:xmpmeta>'
)


def make_seeds() -> dict[str, bytes]:
    """Make every seed; the name ends in the suffix of the format."""
    makers = [
        _pngs,
        _animated_pngs,
        _jpegs,
        _phone_jpegs,
        _webps,
        _avifs,
        _gifs,
        _bmps,
        _tiffs,
        _deep_tiffs,
        _told_colours,
        _deep_jpegs,
        _deep_avifs,
        _jxls,
        _heics,
        _more_tiffs,
        _parts_of_the_rest,
    ]
    return {name: data for make in makers for name, data in make()}


def _levels(channels: int, kind: Any = np.uint8, shift: int = 0) -> np.ndarray:
    """Draw a ramp with a few hard edges, ``(*SIZE, channels)``."""
    rows, columns, channel = np.indices((*SIZE, channels))
    ramp = (rows * 19 + columns * 7 + channel * 61 + shift * 40 + (rows // 4) * 50) % 256
    top = np.iinfo(kind).max
    return np.asarray(ramp * (top // 255), dtype=kind)


def _image(mode: str, shift: int = 0) -> Image.Image:
    if mode == "RGBA":
        return Image.fromarray(_levels(4, shift=shift))
    if mode == "LA":
        return Image.fromarray(_levels(2, shift=shift))
    if mode == "L":
        return Image.fromarray(_levels(1, shift=shift)[..., 0])
    if mode == "I;16":
        return Image.fromarray(_levels(1, np.uint16, shift)[..., 0])
    image = Image.fromarray(_levels(3, shift=shift))
    if mode == "LAB":
        return Image.frombytes("LAB", image.size, image.tobytes())
    return image if mode == "RGB" else image.convert(mode)


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _exif(orientation: int = 6) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Maker"
    exif.get_ifd(0x8769)[0xA002] = SIZE[1]
    exif.get_ifd(0x8769)[0x9003] = "2020:02:02 02:02:02"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (1.0, 2.0, 3.0)
    return exif.tobytes()


def _profile(kind: str = "adobergb") -> bytes:
    made = bytes(imagecodecs.cms_profile(kind))
    # Without the time of day, which would make every run another.
    return made[:24] + bytes(12) + made[36:]


def chunk(kind: bytes, body: bytes) -> bytes:
    """Build one PNG chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _raw_png(levels: np.ndarray, *, interlaced: bool = False, extra: bytes = b"") -> bytes:
    """Write a PNG by hand, without filters."""
    height, width, channels = levels.shape
    depth, kind = 8 * levels.dtype.itemsize, {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, int(interlaced))
    passes = (*ADAM7, (1, 0, 2, 1)) if interlaced else ((0, 0, 1, 1),)
    big = levels.astype(levels.dtype.newbyteorder(">"))
    rows = b"".join(
        b"\0" + row.tobytes()
        for top, left, down, across in passes
        for row in big[top::down, left::across]
        if row.size
    )
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def _pngs() -> Iterator[tuple[str, bytes]]:
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        yield f"{mode.replace(';', '')}.png", _saved(_image(mode), "PNG")
    yield "p-trns.png", _saved(_image("P"), "PNG", transparency=bytes(range(40)))
    yield "rgb-trns.png", _saved(_image("RGB"), "PNG", transparency=(0, 61, 122))
    yield "l-trns.png", _saved(_image("L"), "PNG", transparency=19)
    for channels in (1, 2, 3, 4):
        yield f"deep{channels}.png", _raw_png(_levels(channels, np.uint16))
    yield "interlaced.png", _raw_png(_levels(3), interlaced=True)
    yield "deep-interlaced.png", _raw_png(_levels(4, np.uint16), interlaced=True)
    deep_key = chunk(b"tRNS", struct.pack(">HHH", 0, 61 * 257, 122 * 257))
    yield "deep-trns.png", _raw_png(_levels(3, np.uint16), extra=deep_key)
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "a" * 40)
    info.add_text("Packed", "b" * 90, zip=True)
    info.add_itxt("Comment", "c\u00e9", "fr", "d", zip=True)
    info.add_itxt("XML:com.adobe.xmp", XMP.decode())
    info.add(b"gAMA", struct.pack(">I", 45455))
    info.add(b"tIME", struct.pack(">HBBBBB", 2020, 2, 2, 2, 2, 2))
    options = {"pnginfo": info, "exif": _exif(), "icc_profile": _profile(), "dpi": (72, 96)}
    yield "beside.png", _saved(_image("RGB"), "PNG", **options)
    old = PngImagePlugin.PngInfo()
    hexed = "\n".join(("", "exif", str(len(_exif())), _exif().hex()))
    old.add_text("Raw profile type exif", hexed, zip=True)
    resources = b"8BIM\x04\x04\0\0" + struct.pack(">I", 8) + b"\x1c\2\xca\0\3old"
    for word, body in (("iptc", resources), ("xmp", XMP)):
        hexed = "\n".join(("", word, str(len(body)), body.hex()))
        old.add_text(f"Raw profile type {word}", hexed, zip=True)
    yield "raw-profile.png", _saved(_image("L"), "PNG", pnginfo=old)


def _animated_pngs() -> Iterator[tuple[str, bytes]]:
    for name, mode, more in (
        ("anim.png", "RGBA", {}),
        ("anim-p.png", "P", {}),
        ("anim-default.png", "RGB", {"default_image": True}),
        ("anim-blend.png", "RGBA", {"blend": 1, "disposal": 2}),
    ):
        yield name, _animated(mode, "PNG", duration=[40, 50, 60], loop=2, **more)


def _animated(mode: str, kind: str, **options: Any) -> bytes:
    rest = [_image(mode, shift) for shift in (1, 2)]
    return _saved(_image(mode), kind, save_all=True, append_images=rest, **options)


def _jpegs() -> Iterator[tuple[str, bytes]]:
    for mode in ("L", "RGB", "CMYK"):
        yield f"{mode}.jpg", _saved(_image(mode), "JPEG", quality=80)
    yield "progressive.jpg", _saved(_image("RGB"), "JPEG", progressive=True, subsampling=2)
    yield "restart.jpg", _saved(_image("RGB"), "JPEG", restart_marker_blocks=1)
    photoshop = b"\xff\xed\x00\x1cPhotoshop 3.0\x008BIM\x04\x04\x00\x00\x00\x00"
    options = {"exif": _exif(), "icc_profile": _profile(), "dpi": (72, 72), "comment": b"hi"}
    yield "beside.jpg", _saved(_image("RGB"), "JPEG", xmp=XMP, extra=photoshop, **options)
    yield "cmyk-icc.jpg", _saved(_image("CMYK"), "JPEG", icc_profile=_profile())
    yield "gray-icc.jpg", _saved(_image("L"), "JPEG", icc_profile=_profile("gray"))
    rest = [_image("RGB", 1)]
    yield "pair.jpg", _saved(_image("RGB"), "MPO", save_all=True, append_images=rest)


PHONE_XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"'
    b' xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/"'
    b' xmlns:GCamera="http://ns.google.com/photos/1.0/camera/"'
    b' xmlns:Container="http://ns.google.com/photos/1.0/container/"'
    b' xmlns:Item="http://ns.google.com/photos/1.0/container/item/"'
    b' xmlns:xmpNote="http://ns.adobe.com/xmp/note/"'
    b' xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/"'
    b' xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#"'
    b' tiff:Orientation="6" hdrgm:Version="1.0" GCamera:MotionPhoto="1"'
    b' xmpNote:HasExtendedXMP="0123456789ABCDEF0123456789ABCDEF">'
    b'<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:RegionList><rdf:Bag><rdf:li>'
    b'<rdf:Description><mwg-rs:Area stArea:x="0.2" stArea:y="0.3" stArea:w="0.1" stArea:h="0.1"/>'
    b"</rdf:Description></rdf:li></rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>"
    b'<Container:Directory><rdf:Seq><rdf:li rdf:parseType="Resource">'
    b'<Container:Item Item:Semantic="GainMap" Item:Length="99"/></rdf:li>'
    b"</rdf:Seq></Container:Directory></rdf:Description></rdf:RDF></x:xmpmeta>"
)


def _segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def _phone_jpegs() -> Iterator[tuple[str, bytes]]:
    """What lies in and behind the JPEGs of phones and stereo cameras."""
    bright = np.ones((32, 48, 4), np.float16)
    bright[..., 0] = np.linspace(0, 4, 48)
    gain_map = bytes(imagecodecs.ultrahdr_encode(bright, scale=2))
    extension = b"http://ns.adobe.com/xmp/extension/\0" + b"0123456789ABCDEF" * 2
    extension += struct.pack(">II", len(XMP), 0) + XMP
    told = _segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + PHONE_XMP)
    resources = b"Photoshop 3.0\0" + b"".join(
        b"8BIM" + struct.pack(">HHI", number, 0, 16) + bytes(range(16))
        for number in (1005, 1033, 1060, 2000)
    )
    told += _segment(0xE1, extension) + _segment(0xED, resources)
    told += _segment(0xEB, b"JP\0\1\0\0\0\1\0\0\0<jumb\0\0\0\x1ejumdc2pa")
    yield "gain-map.jpg", gain_map[:2] + told + gain_map[2:] + b"\0\0\0\x18ftypmp42"
    views = [_image("RGB", shift) for shift in (0, 1)]
    yield "views.jpg", _saved(views[0], "MPO", save_all=True, append_images=views[1:], exif=_exif())


def _webps() -> Iterator[tuple[str, bytes]]:
    for mode in ("RGB", "RGBA"):
        yield f"lossy-{mode}.webp", _saved(_image(mode), "WEBP", quality=60)
        yield f"lossless-{mode}.webp", _saved(_image(mode), "WEBP", lossless=True, exact=True)
    options = {"exif": _exif(3), "icc_profile": _profile(), "xmp": XMP}
    yield "beside.webp", _saved(_image("RGB"), "WEBP", **options)
    yield "anim.webp", _animated("RGBA", "WEBP", duration=[40, 50, 60], loop=1)


def _avifs() -> Iterator[tuple[str, bytes]]:
    for mode in ("RGB", "RGBA", "L"):
        yield f"{mode}.avif", _saved(_image(mode), "AVIF", quality=60, speed=10)
    options = {"exif": _exif(8), "icc_profile": _profile(), "xmp": XMP}
    yield "beside.avif", _saved(_image("RGB"), "AVIF", speed=10, **options)
    moving = bytearray(_animated("RGB", "AVIF", duration=[40, 50, 60], speed=10))
    for box in (b"mvhd", b"tkhd", b"mdhd"):
        # The times of making, 8 bytes each, behind the box's version.
        place = moving.index(box) + 8
        moving[place : place + 16] = bytes(16)
    yield "anim.avif", bytes(moving)


def _gifs() -> Iterator[tuple[str, bytes]]:
    for mode in ("L", "P", "1"):
        yield f"{mode}.gif", _saved(_image(mode), "GIF", comment=b"hello")
    profile, plain = _profile(), _saved(_image("P"), "GIF")
    parts = [profile[first : first + 255] for first in range(0, len(profile), 255)]
    told = b"".join(bytes((len(part),)) + part for part in parts)
    head = 13 + (3 << ((plain[10] & 7) + 1))
    block = b"!\xff\x0bICCRGBG1012" + told + b"\0"
    yield "profile.gif", plain[:head] + block + plain[head:]
    yield "clear.gif", _saved(_image("P"), "GIF", transparency=3, interlace=True)
    for disposal in (0, 1, 2, 3):
        options = {"duration": [40, 50, 60], "loop": 3, "disposal": disposal}
        yield f"anim{disposal}.gif", _animated("P", "GIF", **options)
    yield "anim-clear.gif", _animated("RGBA", "GIF", duration=70, disposal=2)


def _bmps() -> Iterator[tuple[str, bytes]]:
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        yield f"{mode}.bmp", _saved(_image(mode), "BMP", dpi=(96, 96))
    yield "bare.bmp", _saved(_image("RGB"), "DIB")
    yield "calibrated.bmp", _calibrated_bmp()
    palette = b"".join(bytes((i * 16, 255 - i * 16, i, 0)) for i in range(16))
    for name, kind, body in (
        ("rle8.bmp", (8, 1), "0501 0003 020304 00 0000 0201 01 00 00 0803 0001"),
        ("rle4.bmp", (4, 2), "0512 0004 3456 0000 0002 0101 0000 0834 0001"),
    ):
        yield name, _raw_bmp(8, 4, kind, palette, bytes.fromhex(body))
    masks = struct.pack("<III", 0xF800, 0x07E0, 0x001F)
    yield "packed.bmp", _raw_bmp(8, 4, (16, 3), masks, bytes(range(64)))


def _calibrated_bmp() -> bytes:
    """One whose header tells endpoints and gamma."""
    head = struct.pack("<IiiHHIIiiII", 108, 8, 4, 1, 24, 0, 96, 0, 0, 0, 0) + bytes(20)
    endpoints = (0.5151, 0.2412, -0.0011, 0.292, 0.6922, 0.0419, 0.1571, 0.0666, 0.7841)
    head += struct.pack("<9i", *(round(value * 2**30) for value in endpoints))
    body = head + struct.pack("<3I", *(144_180,) * 3) + bytes(range(96))
    return struct.pack("<2sIII", b"BM", 14 + len(body), 0, 14 + 108) + body


def _raw_bmp(width: int, height: int, kind: tuple[int, int], table: bytes, body: bytes) -> bytes:
    start = 14 + 40 + len(table)
    colours = len(table) // 4 if kind[0] <= 8 else 0
    info = struct.pack(
        "<IiiHHIIiiII", 40, width, height, 1, *kind, len(body), 2835, 2835, colours, 0
    )
    head = struct.pack("<2sIHHI", b"BM", start + len(body), 0, 0, start)
    return head + info + table + body


def _tiffs() -> Iterator[tuple[str, bytes]]:
    """Write what Pillow reads: 8 bits or less, and kinds that are refused."""
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "LAB", "I;16", "I", "F", "YCbCr"):
        yield f"{mode.replace(';', '')}.tif", _saved(_image(mode), "TIFF")
    packings = ("tiff_lzw", "packbits", "tiff_adobe_deflate", "jpeg", "zstd", "lzma")
    for packing in packings:
        yield f"{packing}.tif", _saved(_image("RGB"), "TIFF", compression=packing)
    for packing in ("group3", "group4", "tiff_ccitt"):
        yield f"{packing}.tif", _saved(_image("1"), "TIFF", compression=packing)
    options = {"icc_profile": _profile(), "dpi": (72, 96), "exif": _exif(), "description": "text"}
    yield "beside.tif", _saved(_image("RGB"), "TIFF", **options)
    yield "pages.tif", _animated("RGB", "TIFF", compression="tiff_lzw")


def _tiff(levels: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    with tifffile.TiffWriter(
        file, bigtiff=options.pop("bigtiff", False), byteorder=options.pop("byteorder", "<")
    ) as writer:
        for _ in range(options.pop("pages", 1)):
            writer.write(levels, metadata=None, **options)
    return file.getvalue()


def _deep_tiffs() -> Iterator[tuple[str, bytes]]:
    """Write 16 bits a sample, and 8 bits in layouts that Pillow does not write."""
    deep, rgb = _levels(3, np.uint16), {"photometric": "rgb"}
    alpha = {**rgb, "extrasamples": ["unassalpha"]}
    kinds: dict[str, Callable[[], bytes]] = {
        "plain": lambda: _tiff(deep, **rgb),
        "big-endian": lambda: _tiff(deep, byteorder=">", **rgb),
        "big": lambda: _tiff(deep, bigtiff=True, **rgb),
        "pages": lambda: _tiff(deep, pages=3, **rgb),
        "planar": lambda: _tiff(np.moveaxis(deep, -1, 0), planarconfig="separate", **rgb),
        "tiled": lambda: _tiff(deep, tile=(16, 16), **rgb),
        "strips": lambda: _tiff(deep, rowsperstrip=3, compression="zlib", **rgb),
        "predictor": lambda: _tiff(deep, compression="zlib", predictor=True, **rgb),
        "alpha": lambda: _tiff(_levels(4, np.uint16), **alpha),
        "premultiplied": lambda: _tiff(
            _levels(4, np.uint16), photometric="rgb", extrasamples=["assocalpha"]
        ),
        "spare": lambda: _tiff(
            _levels(5, np.uint16), photometric="rgb", extrasamples=["unassalpha", "unspecified"]
        ),
        "gray": lambda: _tiff(deep[..., 0], photometric="minisblack"),
        "inverse": lambda: _tiff(deep[..., 0], photometric="miniswhite"),
        "gray-alpha": lambda: _tiff(
            deep[..., :2], photometric="minisblack", planarconfig="contig", extrasamples=[2]
        ),
        "8-planar": lambda: _tiff(np.moveaxis(_levels(3), -1, 0), planarconfig="separate", **rgb),
        "8-tiled": lambda: _tiff(_levels(3), tile=(16, 16), compression="jpeg", **rgb),
        "turned": lambda: _tiff(deep, extratags=[(274, 3, 1, 6, True)], **rgb),
    }
    for packing in ("lzw", "packbits", "zstd", "lzma", "jpeg2000", "jpegxl", "lerc", "png"):
        kinds[packing] = lambda packing=packing: _tiff(  # type: ignore[misc]  # the loop's own
            deep, compression=packing, **rgb
        )
    for name, make in kinds.items():
        yield f"deep-{name}.tif", make()


def _told_colours() -> Iterator[tuple[str, bytes]]:
    """Write colours told by numbers."""
    points = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
    chrm = chunk(b"gAMA", struct.pack(">I", 50_000)) + chunk(b"cHRM", points)
    light = chunk(b"mDCV", bytes(range(24))) + chunk(b"cLLI", bytes(8))
    for name, before in (
        ("cicp", chunk(b"cICP", bytes((12, 13, 0, 1)))),
        ("hdr", chunk(b"cICP", bytes((9, 16, 0, 1))) + light),
        ("chrm", chrm),
    ):
        yield f"{name}.png", _raw_png(_levels(3), extra=before)
    table = tuple(range(0, 65536, 257))
    tags = [(318, 5, 2, (3127, 10000, 329, 1000)), (319, 5, 6, (64, 100, 33, 100) * 3)]
    yield "told.tif", _tiff(_levels(3), photometric="rgb", extratags=[*tags, (301, 3, 256, table)])


def _deep_jpegs() -> Iterator[tuple[str, bytes]]:
    for channels in (1, 3):
        levels = _levels(channels, np.uint16) >> 4
        plain = levels[..., 0] if channels == 1 else levels
        yield f"deep{channels}.jpg", bytes(imagecodecs.jpeg_encode(plain, bitspersample=12))
    yield "lossless.jpg", bytes(imagecodecs.ljpeg_encode(_levels(1)[..., 0]))


def _deep_avifs() -> Iterator[tuple[str, bytes]]:
    for bits in (10, 12):
        levels = _levels(4, np.uint16) >> (16 - bits)
        options: dict[str, Any] = {
            "bitspersample": bits,
            "primaries": 9,
            "transfer": 16,
            "matrix": 9,
        }
        yield f"deep{bits}.avif", bytes(imagecodecs.avif_encode(levels, speed=10, **options))
    codes: dict[str, Any] = {"primaries": 12, "transfer": 13, "matrix": 1}
    yield "told.avif", bytes(imagecodecs.avif_encode(_levels(3), speed=10, **codes))


def _jxls() -> Iterator[tuple[str, bytes]]:
    for channels in (1, 2, 3, 4):
        levels = _levels(channels, np.uint16 if channels > 2 else np.uint8)
        plain = levels[..., 0] if channels == 1 else levels
        yield f"exact{channels}.jxl", bytes(imagecodecs.jpegxl_encode(plain, lossless=True))
    yield "lossy.jxl", bytes(imagecodecs.jpegxl_encode(_levels(3), distance=2.0))
    light = _levels(3).astype(np.float32) / 128
    yield "float.jxl", bytes(imagecodecs.jpegxl_encode(light, lossless=True))
    frames = np.stack([_levels(3, shift=shift) for shift in range(3)])
    yield "anim.jxl", bytes(imagecodecs.jpegxl_encode(frames, lossless=True))
    whole = bytes(imagecodecs.jpegxl_encode(_levels(3), lossless=True, usecontainer=True))
    exif = struct.pack(">I", 12 + len(_exif()) - 6) + b"Exif" + bytes(4) + _exif()[6:]
    packed = b"xml " + bytes(imagecodecs.brotli_encode(XMP))
    yield "beside.jxl", whole + exif + struct.pack(">I4s", 8 + len(packed), b"brob") + packed
    jpeg = _saved(_image("RGB"), "JPEG", exif=_exif(), quality=80)
    yield "jpeg.jxl", bytes(imagecodecs.jpegxl_encode_jpeg(jpeg))


def _heics() -> Iterator[tuple[str, bytes]]:
    path = Path(__file__).parents[2] / "pictures" / "heic_samples.py"
    names = runpy.run_path(str(path))
    for name in ("PLAIN", "DEEP", "ALPHA", "WITH_EXIF", "WITH_PROFILE"):
        yield f"{name.lower()}.heic", names[name]


def _more_tiffs() -> Iterator[tuple[str, bytes]]:
    """Write kinds of samples, and what TIFFs say of their pixels."""
    rgb, deep = {"photometric": "rgb"}, _levels(3, np.uint16)
    for bits in (6, 10, 12, 14):
        levels = (deep >> (16 - bits)).astype(np.uint8 if bits < 8 else np.uint16)
        yield f"bits{bits}.tif", _tiff(levels, bitspersample=bits, **rgb)
    yield "half.tif", _tiff((_levels(3) / 100).astype(np.float16), **rgb)
    yield "float.tif", _tiff((_levels(1)[..., 0] / 100).astype(np.float32), compression="zlib")
    yield "whole32.tif", _tiff(deep.astype(np.uint32) << 16, **rgb)
    yield "inks16.tif", _tiff(_levels(4, np.uint16), photometric="separated")
    for kind in ("cielab", "icclab"):
        yield f"{kind}16.tif", _tiff(deep, photometric=kind)
    yield "ycbcr.tif", _tiff(_levels(3), photometric="ycbcr")
    for packing in ("zstd", "webp", "jpeg2000", "jpegxl", "lerc"):
        # LERC leaves bytes of memory at the end of blocks that are not whole.
        levels = _levels(3)[:8, :8] if packing == "lerc" else _levels(3)
        yield f"8-{packing}.tif", _tiff(levels, compression=packing, **rgb)
    yield (
        "palette-zstd.tif",
        _tiff(
            _levels(1)[..., 0],
            photometric="palette",
            colormap=np.arange(768, dtype=np.uint16).reshape(3, 256) * 80,
            compression="zstd",
        ),
    )
    keys = (1, 1, 0, 1, 1025, 0, 1, 2)
    places = [
        (33550, 12, 3, (0.5, 0.25, 0.0), True),
        (33922, 12, 6, (2.0, 4.0, 0.0, 100.0, 200.0, 0.0), True),
        (34264, 12, 16, tuple(map(float, range(16))), True),
        (34735, 3, len(keys), keys, True),
        (285, 2, 5, b"page\0", True),
    ]
    yield "geo.tif", _tiff(_levels(3), extratags=places, resolution=(2, 3), **rgb)
    # Without it, OME takes one from the clock.
    uuid = "00000000-0000-0000-0000-000000000000"
    for name, told in (("ome", {"UUID": uuid}), ("imagej", {})):
        file = io.BytesIO()
        stack = np.stack([_levels(1)[..., 0]] * 3)
        tifffile.imwrite(file, stack, photometric="minisblack", metadata=told, **{name: True})  # type: ignore[arg-type]  # as it is named
        yield f"{name}.tif", file.getvalue()
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(_levels(3), metadata=None, subifds=1, photometric="rgb")
        writer.write(_levels(3)[::2, ::2], metadata=None, subfiletype=1, photometric="rgb")
    yield "reduced.tif", file.getvalue()


def _parts_of_the_rest() -> Iterator[tuple[str, bytes]]:
    """Write an APNG of every disposal, and what stands beside other formats' pixels."""
    levels = _levels(4)
    frames = [(levels, 0, 0, 2, 0), (levels[3:9, 2:7], 2, 3, 2, 1), (levels[1:5, 1:5], 1, 1, 1, 1)]
    height, width = levels.shape[:2]
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"acTL", struct.pack(">II", len(frames), 2))
    number = 0
    for part, x, y, disposal, blending in frames:
        shape = (part.shape[1], part.shape[0], x, y, 1, 30, disposal, blending)
        body += chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, *shape))
        data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in part))
        is_first = number == 0
        body += chunk(b"IDAT", data) if is_first else chunk(b"fdAT", struct.pack(">I", number + 1) + data)  # fmt: skip  # noqa: E501
        number += 1 if is_first else 2
    yield "anim-parts.png", b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")
    gif = _saved(_image("P"), "GIF")
    place = gif.index(b"\x2c\0\0\0\0")
    blocks = b"\x21\xff\x0bANIMEXTS1.0\x03\1\3\0\0\x21\xfe\5hello\0\x21\1\3abc\0"
    yield "blocks.gif", gif[:place] + blocks + gif[place:]
    rows, icc = _levels(3).tobytes(), _profile()
    info = struct.pack("<IiiHHIIiiII", 124, width, height, 1, 24, 0, len(rows), 2835, 2835, 0, 0)
    info += struct.pack("<5I", 0xFF0000, 0xFF00, 0xFF, 0, 0x4D424544) + bytes(48)
    info += struct.pack("<4I", 4, 124 + len(rows), len(icc), 0)
    whole = info + rows + icc
    yield "profile.bmp", struct.pack("<2sIII", b"BM", 14 + len(whole), 0, 138) + whole
