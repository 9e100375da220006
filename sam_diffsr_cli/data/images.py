"""Reading and writing pictures. The only place that knows PIL, and its (width, height) order.

Pixels are uint8 RGB ``(H, W, 3)``. Orientation is applied when reading; gray, transparency, the
ICC profile and EXIF travel beside the pixels and are put back when writing.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from sam_diffsr_cli.atomic import atomic_path
from sam_diffsr_cli.errors import InputError

__all__ = [
    "SUFFIXES",
    "Photo",
    "check_format",
    "find_photos",
    "read_photo",
    "walk_photos",
    "write_photo",
]

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
JPEG_SUFFIXES = (".jpg", ".jpeg")
QUALITY = 95
LONGEST_SIDE = {".jpg": 65_535, ".jpeg": 65_535, ".webp": 16_383}
WIDE_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
ORIENTATION_TAG = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns a picture of each EXIF orientation upright."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture in memory.

    ``rgb`` is uint8 ``(H, W, 3)``; ``alpha`` uint8 ``(H, W)`` or None; ``is_gray`` says that the
    file had one channel.
    """

    rgb: np.ndarray
    alpha: np.ndarray | None = None
    is_gray: bool = False
    icc_profile: bytes | None = None
    exif: bytes | None = None


def find_photos(folder: Path) -> list[Path]:
    """List the pictures directly inside ``folder``, by name; hidden files are left out."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )


def walk_photos(folder: Path) -> Iterator[Path]:
    """Yield every picture below ``folder``, by path; hidden files and folders are left out."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() in SUFFIXES and not hidden and path.is_file():
            yield path


def read_photo(path: Path) -> Photo:
    """Read a PNG, JPEG or WebP file.

    Raises:
        InputError: The file is missing, unreadable, not such a picture, animated, or deeper than
            8 bits.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=("PNG", "JPEG", "WEBP")) as image:
                _refuse_unsupported(image, path)
                image.load()
                return _to_photo(image)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{path}: not a PNG, JPEG or WebP picture") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: more pixels than is safe to decode ({error})") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise InputError(f"{path}: damaged or unreadable ({error})") from error


def _refuse_unsupported(image: Image.Image, path: Path) -> None:
    # A camera's MPO is a JPEG whose further pictures are previews; the first is the photo.
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise InputError(f"{path}: animated pictures are not supported", hint="extract the frames")
    # Pillow reads 16-bit colour as 8 bits and says so only in the decoder's arguments.
    if image.mode in WIDE_MODES or any(
        ";16" in str(tile[3]) for tile in getattr(image, "tile", ())
    ):
        raise InputError(
            f"{path}: 16-bit pictures are not supported", hint="convert to 8 bits per channel"
        )


def _to_photo(image: Image.Image) -> Photo:
    icc_profile = image.info.get("icc_profile")
    exif = _read_exif(image)
    turn = UPRIGHT.get(exif.pop(ORIENTATION_TAG, 1))
    upright = image if turn is None else image.transpose(turn)
    has_alpha = upright.has_transparency_data
    is_gray = upright.mode in ("1", "L", "LA")
    if has_alpha:
        rgba = np.asarray(upright.convert("RGBA"))
        rgb, alpha = rgba[..., :3].copy(), rgba[..., 3].copy()
    else:
        rgb, alpha = np.array(upright.convert("RGB")), None
    if upright.mode == "CMYK":
        icc_profile = None  # It described inks; the pixels are RGB now.
    return Photo(rgb, alpha, is_gray, icc_profile, _exif_bytes(exif))


def _read_exif(image: Image.Image) -> Image.Exif:
    """Read EXIF; none when it is damaged, which must not cost the photo."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return image.getexif()
    except Exception:  # noqa: BLE001 - Pillow fails in many ways on damaged fields
        return Image.Exif()


def _exif_bytes(exif: Image.Exif) -> bytes | None:
    """Write EXIF anew; None when there is none, or its fields are of types they cannot have."""
    try:
        return exif.tobytes() if len(exif) else None
    except Exception:  # noqa: BLE001 - Pillow fails in many ways on mistyped fields
        return None


def check_format(path: Path, photo: Photo, scale: int = 1) -> None:
    """Refuse, before any work, a format that could not hold ``photo`` enlarged ``scale`` times.

    Raises:
        InputError: The suffix is unknown, JPEG would have to hold transparency, or a side is
            longer than the format allows.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: unknown format", hint=f"use one of {', '.join(SUFFIXES)}")
    if photo.alpha is not None and suffix in JPEG_SUFFIXES:
        raise InputError(f"{path}: JPEG cannot hold transparency", hint="write a .png")
    side = scale * max(photo.rgb.shape[:2])
    if side > LONGEST_SIDE.get(suffix, side):
        raise InputError(f"{path}: {side} pixels are too long for {suffix}", hint="write a .png")


def write_photo(path: Path, photo: Photo) -> None:
    """Write a picture in the format of its suffix, atomically; an existing file is replaced.

    JPEG is written at quality 95 without chroma subsampling, WebP at quality 95.

    Raises:
        InputError: The format cannot hold the picture, or the folder cannot be written.
        ResourceError: The disk is full.
    """
    check_format(path, photo)
    suffix = path.suffix.lower()
    options: dict[str, object] = {}
    if suffix in JPEG_SUFFIXES:
        options = {"quality": QUALITY, "subsampling": 0}
    elif suffix == ".webp":
        options = {"quality": QUALITY}
    if photo.icc_profile:
        options["icc_profile"] = photo.icc_profile
    if photo.exif:
        options["exif"] = photo.exif
    image = _to_image(photo)
    with atomic_path(path) as temporary:
        try:
            image.save(temporary, **options)  # type: ignore[arg-type]  # options of three formats
        except (ValueError, SyntaxError) as error:
            raise InputError(f"{path}: cannot be written ({error})") from error


def _to_image(photo: Photo) -> Image.Image:
    image = Image.fromarray(photo.rgb)
    if photo.is_gray:
        image = image.convert("L")
    if photo.alpha is not None:
        image.putalpha(Image.fromarray(photo.alpha))
    return image
