"""Real files of every format that is read, one for each thing that it may hold beside its pixels.

None is made by the code under test; the matrix of the page on formats is measured with them.
"""

import io
import struct
from collections.abc import Iterator
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, PngImagePlugin

from sam_diffsr_cli.pictures.kinds import can_read_heif
from tests.pictures import heic_samples, samples
from tests.pictures.samples import chunk, levels, photo, saved
from tests.pictures.test_jpeg_behind import extended, motion_photo, phone_photo, stereo

__all__ = ["COMMENT", "DENSITY", "DURATIONS", "PLAYS", "draw_files"]

DENSITY = (200.0, 100.0)
COMMENT = b"a word on it"
PLAYS = 3
DURATIONS = (70, 130, 200)
P3 = (12, 13)
"""Display P3 with the curve of sRGB (ITU-T H.273)."""


def draw_files() -> Iterator[tuple[str, str, bytes]]:
    """Yield the format, what the file holds, and the file."""
    makers = {
        "PNG": _png,
        "JPEG": _jpeg,
        "WebP": _webp,
        "TIFF": _tiff,
        "GIF": _gif,
        "BMP": _bmp,
        "AVIF": _avif,
        "JPEG XL": _jxl,
        "HEIC": _heic,
    }
    for name, make in makers.items():
        for holds, data in make():
            yield name, holds, data


def _drawn(channels: int = 3) -> np.ndarray:
    """Soft colours, none of them near the edge of sRGB."""
    colours = (photo(48, 64) // 2 + 60).astype(np.uint8)
    alpha = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1))[..., None]
    return colours if channels == 3 else np.concatenate([colours, alpha], axis=2)


def _frames() -> list[Image.Image]:
    return [Image.fromarray(np.kron(levels(3, 4, 3, seed=k), np.ones((8, 8, 1), np.uint8))) for k in range(3)]  # fmt: skip  # noqa: E501


def _moving(image_format: str, **options: Any) -> bytes:
    first, *others = _frames()
    return saved(
        first,
        image_format,
        save_all=True,
        append_images=others,
        duration=list(DURATIONS),
        **options,
    )


def _beside(image_format: str, *, density: bool = False) -> Iterator[tuple[str, bytes]]:
    """What Pillow writes in the same way into several formats."""
    pixels = _drawn()
    yield "profile", saved(pixels, image_format, icc_profile=samples.p3_profile())
    yield "EXIF", saved(pixels, image_format, exif=samples.with_prefix(samples.exif(1)))
    if density:
        yield "density", saved(pixels, image_format, dpi=DENSITY)


def _png() -> Iterator[tuple[str, bytes]]:
    yield from _beside("PNG", density=True)
    told = chunk(b"cICP", bytes((*P3, 0, 1)))
    yield "colour by numbers", samples.png(_drawn(), told)
    deep = _drawn().astype(np.uint16) * 257 + 5
    yield "16 bits", samples.png(deep)
    yield "alpha", samples.png(_drawn(4))
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", samples.xmp(1).decode())
    yield "XMP", saved(_drawn(), "PNG", pnginfo=info)
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", COMMENT.decode())
    yield "comment or text", saved(_drawn(), "PNG", pnginfo=info)
    yield "trailer", samples.png(_drawn()) + b"what stands behind"
    yield "unknown part", samples.png(_drawn(), chunk(b"zzZz", b"nobody knows"))
    yield "animation", _moving("PNG", loop=PLAYS)


def _jpeg() -> Iterator[tuple[str, bytes]]:
    yield from _beside("JPEG", density=True)
    yield "XMP", saved(_drawn(), "JPEG", xmp=samples.xmp(1))
    yield "extended XMP", extended("A gull. " * 9000)
    yield "IPTC", saved(_drawn(), "JPEG", extra=samples.app13(samples.photoshop()))
    yield "comment or text", saved(_drawn(), "JPEG", comment=COMMENT)
    yield "12 bits", bytes(imagecodecs.jpeg8_encode(_drawn().astype(np.uint16) * 16, 95, bitspersample=12))  # fmt: skip  # noqa: E501
    yield "gain map", phone_photo()[0]
    yield "video behind it", motion_photo()
    yield "second view", stereo()
    yield "trailer", saved(_drawn(), "JPEG") + b"what stands behind"
    unknown = b"\xff\xe9" + struct.pack(">H", 14) + b"nobody knows"
    yield "unknown part", saved(_drawn(), "JPEG", extra=unknown)


def _webp() -> Iterator[tuple[str, bytes]]:
    yield from _beside("WEBP")
    yield "XMP", saved(_drawn(), "WEBP", xmp=samples.xmp(1))
    yield "alpha", saved(_drawn(4), "WEBP", lossless=True, exact=True)
    yield "animation", _moving("WEBP", loop=PLAYS, lossless=True)
    plain = saved(_drawn(), "WEBP", exif=samples.with_prefix(samples.exif(1)))
    unknown = b"zzzz" + struct.pack("<I", 12) + b"nobody knows"
    size = struct.pack("<I", len(plain) - 8 + len(unknown))
    yield "unknown part", plain[:4] + size + plain[8:] + unknown
    yield "trailer", plain + b"what stands behind"


def _tiff() -> Iterator[tuple[str, bytes]]:
    def drawn(pixels: np.ndarray | None = None, **options: Any) -> bytes:
        chosen = _drawn() if pixels is None else pixels
        return samples.tiff(chosen, **({"photometric": "rgb"} | options))

    yield "profile", drawn(iccprofile=samples.p3_profile())
    p3 = (680, 1000, 320, 1000, 265, 1000, 690, 1000, 150, 1000, 60, 1000)
    white = (3127, 10000, 3290, 10000)
    yield "colour by numbers", drawn(extratags=[(318, 5, 2, white, True), (319, 5, 6, p3, True)])
    yield "10 bits", drawn(_drawn().astype(np.uint16) * 4, bitspersample=10)
    yield "16 bits", drawn(_drawn().astype(np.uint16) * 257 + 5)
    yield "floating point", drawn((_drawn() / 255).astype(np.float32))
    yield "alpha", drawn(_drawn(4), extrasamples=["unassalpha"])
    yield "EXIF", drawn(extratags=[(271, 2, 12, b"Acme Optics\0", True)])
    xmp, iptc = samples.xmp(1), samples.photoshop().removeprefix(b"Photoshop 3.0\0")
    yield "XMP", drawn(extratags=[(700, 1, len(xmp), xmp, True)])
    yield "IPTC", drawn(extratags=[(34377, 1, len(iptc), iptc, True)])
    yield "density", drawn(resolution=DENSITY, resolutionunit="INCH")
    yield "unknown part", drawn(extratags=[(60000, 2, 12, b"nobody knows", True)])
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for pixels in (_drawn(), _drawn()[:20, :30]):
            writer.write(pixels, photometric="rgb", metadata=None)
    yield "pages", file.getvalue()


def _gif() -> Iterator[tuple[str, bytes]]:
    yield "comment or text", saved(_drawn(), "GIF", comment=COMMENT)
    clear = _drawn(4)
    clear[..., 3] = np.where(clear[..., 3] > 127, 255, 0)
    yield "clear pixels", saved(clear, "GIF")
    yield "animation", _moving("GIF", loop=PLAYS - 1)
    plain = saved(_drawn(), "GIF")
    place = plain.index(b"\x2c\0\0\0\0")
    unknown = b"\x21\xff\x0bMAKERMAKER1\x0cnobody knows\0"
    yield "unknown part", plain[:place] + unknown + plain[place:]
    yield "trailer", plain + b"what stands behind"


def _bmp() -> Iterator[tuple[str, bytes]]:
    yield "density", saved(_drawn(), "BMP", dpi=DENSITY)
    pixels, icc = _drawn(), samples.p3_profile()
    rows = pixels[::-1, :, ::-1].tobytes()
    head = struct.pack("<IiiHHIIiiII", 124, 64, 48, 1, 24, 0, len(rows), 2835, 2835, 0, 0)
    space = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0) + struct.pack("<I", 0x4D424544)
    place = struct.pack("<4I", 4, 124 + len(rows), len(icc), 0)
    whole = head + space + bytes(48) + place + rows + icc
    yield "profile", struct.pack("<2sIII", b"BM", 14 + len(whole), 0, 138) + whole
    yield "trailer", saved(_drawn(), "BMP") + b"what stands behind"


def _avif() -> Iterator[tuple[str, bytes]]:
    yield from _beside("AVIF")
    yield "XMP", saved(_drawn(), "AVIF", xmp=samples.xmp(1))
    told = {"primaries": P3[0], "transfer": P3[1], "matrix": 6}
    yield "colour by numbers", bytes(imagecodecs.avif_encode(_drawn(), level=100, **told))
    deep = (_drawn().astype(np.uint16) * 4).clip(0, 1023)
    yield "10 bits", bytes(imagecodecs.avif_encode(deep, level=100, bitspersample=10))
    yield "alpha", saved(_drawn(4), "AVIF", quality=100)
    yield "animation", _moving("AVIF")


def _jxl() -> Iterator[tuple[str, bytes]]:
    stream = bytes(imagecodecs.jpegxl_encode(_drawn(), lossless=True, usecontainer=False))
    yield "EXIF", _boxed(stream, b"Exif", bytes(4) + samples.exif(1))
    yield "XMP", _boxed(stream, b"xml ", samples.xmp(1))
    yield "unknown part", _boxed(stream, b"zzzz", b"nobody knows")
    yield "16 bits", bytes(imagecodecs.jpegxl_encode(_drawn().astype(np.uint16) * 257 + 5, lossless=True))  # fmt: skip  # noqa: E501
    yield "alpha", bytes(imagecodecs.jpegxl_encode(_drawn(4), lossless=True))


def _boxed(stream: bytes, kind: bytes, body: bytes) -> bytes:
    """A JPEG XL file made of boxes (ISO/IEC 18181-2)."""
    boxes = ((b"JXL ", b"\r\n\x87\n"), (b"ftyp", b"jxl \0\0\0\0jxl "), (kind, body), (b"jxlc", stream))  # fmt: skip  # noqa: E501
    return b"".join(struct.pack(">I4s", 8 + len(data), name) + data for name, data in boxes)


def _heic() -> Iterator[tuple[str, bytes]]:
    if not can_read_heif():
        return
    yield "profile", heic_samples.WITH_PROFILE
    yield "10 bits", heic_samples.DEEP
    yield "alpha", heic_samples.ALPHA
    yield "EXIF", heic_samples.WITH_EXIF
