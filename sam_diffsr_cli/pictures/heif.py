"""HEIC and HEIF, read by an extra (pi-heif, which only decodes). They are never written.

The decoder turns and crops as the file says, and converts no colours.
"""

from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures.avif import light_chunks, properties_of
from sam_diffsr_cli.pictures.boxes import ItemProperties, check_texts
from sam_diffsr_cli.pictures.colour_numbers import colour_of_codes, named_codes
from sam_diffsr_cli.pictures.embedded import with_colour
from sam_diffsr_cli.pictures.exif import without_orientation
from sam_diffsr_cli.pictures.kinds import HEIF_EXTRA, can_read_heif
from sam_diffsr_cli.pictures.records import Frame, Metadata, Picture

__all__ = ["HEIF_NAME", "read_heif", "size_of_heif"]

HEIF_NAME = "HEIF"
CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "RGBa": 4}
EXIF_PREFIX = b"Exif\0\0"


def size_of_heif(file: BinaryIO, name: str) -> tuple[int, int]:
    """Read the upright height and width of the picture that the file shows.

    Raises:
        InputError: The extra is not installed.
    """
    width, height = _open(file, name).size
    return height, width


def read_heif(file: BinaryIO, name: str) -> Picture:
    """Read the picture that the file shows, with what stands beside it.

    Raises:
        InputError: The extra is not installed.
        ValueError: It is damaged.
    """
    image = _open(file, name)
    boxes = properties_of(file) or ItemProperties()
    bits = int(image.info.get("bit_depth", 8))
    pixels = _pixels(image, bits)
    return Picture(
        format=HEIF_NAME,
        frames=(Frame(pixels),),
        metadata=_metadata(image, boxes, gray=pixels.shape[2] < 3),
        turned=boxes.orientation,
        bits=bits if bits > 8 else None,
    )


def _open(file: BinaryIO, name: str) -> Any:  # noqa: ANN401 - the extra's own kind of image
    if not can_read_heif():
        raise InputError(f"{name}: is HEIC, which needs an extra", hint=HEIF_EXTRA)
    import pi_heif  # noqa: PLC0415 - an extra

    check_texts(file)
    file.seek(0)
    opened = pi_heif.open_heif(file, convert_hdr_to_8bit=False, hdr_to_16bit=False)
    return opened[opened.primary_index]


def _pixels(image: Any, bits: int) -> np.ndarray:  # noqa: ANN401
    """Return ``(H, W, C)``: uint8, or uint16 with its top brought to 65535."""
    mode = image.mode.partition(";")[0]
    levels = np.asarray(image)
    pixels = levels[..., None] if levels.ndim == 2 else levels
    if CHANNELS.get(mode, pixels.shape[2]) != pixels.shape[2]:
        raise ValueError(f"pixels of kind {image.mode}")
    if bits > 8:
        top = 2**bits - 1
        pixels = pixels.astype(np.uint32).clip(0, top)
        pixels = ((pixels * 65535 + top // 2) // top).astype(np.uint16)
    if image.premultiplied_alpha:
        pixels = _divided(pixels)
    return np.array(pixels)


def _divided(pixels: np.ndarray) -> np.ndarray:
    """Undo the premultiplying of the colours by alpha."""
    top = np.iinfo(pixels.dtype).max
    alpha = np.maximum(pixels[..., -1:].astype(np.float64), 1)
    colour = (pixels[..., :-1] * (top / alpha)).clip(0, top).round().astype(pixels.dtype)
    return np.concatenate([colour, pixels[..., -1:]], axis=2)


def _metadata(image: Any, boxes: ItemProperties, *, gray: bool) -> Metadata:  # noqa: ANN401
    exif = image.info.get("exif")
    if exif:
        # The turn is done, whatever EXIF says of it.
        exif = without_orientation(exif.removeprefix(EXIF_PREFIX))
    found = Metadata(
        icc=image.info.get("icc_profile") or None,
        exif=exif or None,
        xmp=image.info.get("xmp") or None,
        png_chunks=tuple(light_chunks(boxes)),
    )
    numbers = image.info.get("nclx_profile")
    if found.icc is not None or not numbers:
        return found
    codes = named_codes(int(numbers["color_primaries"]), int(numbers["transfer_characteristics"]))
    return with_colour(replace(found, icc=None), colour_of_codes(codes, "nclx"), gray=gray)
