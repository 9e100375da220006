"""What a fuzz run does to each file: all that ``samsr upscale`` does to it but the enlarging."""

import contextlib
from pathlib import Path

from sam_diffsr_cli.atomic import atomic_path
from sam_diffsr_cli.errors import SamsrError
from sam_diffsr_cli.pictures.colour import colour_path
from sam_diffsr_cli.pictures.encoders import WriteOptions
from sam_diffsr_cli.pictures.formats import FORMATS, Format, format_kept
from sam_diffsr_cli.pictures.reading import read_head, read_picture
from sam_diffsr_cli.pictures.records import Limits, Picture
from sam_diffsr_cli.pictures.writing import (
    check_fits,
    encode_picture,
    prepare_metadata,
)

__all__ = ["try_file"]

LIMITS = Limits(max_pixels=2_000_000, max_frames=50)
RECORD = '{"tool":"samsr"}'


def try_file(path: Path, out: Path, turn: int) -> str:
    """Read ``path`` and write what it holds into ``out``: in its own format, and in another.

    Returns:
        ``decoded`` or ``refused``.

    Raises:
        Exception: Whatever is not ours, and is therefore a finding.
    """
    with contextlib.suppress(SamsrError):
        read_head(path, LIMITS)
    try:
        picture = read_picture(path, LIMITS)
    except SamsrError:
        return "refused"
    _check(picture)
    other = FORMATS[turn % len(FORMATS)]
    for index, target in enumerate((format_kept(picture.format), other)):
        _write(out / f"{index}{target.suffixes[0]}", picture, target, turn)
    return "decoded"


def _check(picture: Picture) -> None:
    """What every reader of a picture relies on, and its profile through the transforms."""
    pixels = sum(frame.pixels.shape[0] * frame.pixels.shape[1] for frame in picture.frames)
    assert 0 < pixels <= LIMITS.max_pixels, f"{pixels} pixels"
    for frame in picture.frames:
        assert frame.pixels.ndim == 3, frame.pixels.shape
        assert frame.pixels.shape[2] in (1, 2, 3, 4), frame.pixels.shape
        assert frame.pixels.dtype.name in ("uint8", "uint16"), frame.pixels.dtype
        channels = 1 if frame.pixels.shape[2] < 3 else 3
        path = colour_path(picture.metadata.icc, channels)
        if path is not None:
            path.from_srgb(path.to_srgb(frame.pixels[:4, :4, :channels].astype("uint16")))


def _write(path: Path, picture: Picture, target: Format, turn: int) -> None:
    options = WriteOptions(lossless=target.lossless != "never" and turn % 2 == 0)
    sizes = [(frame.pixels.shape[0], frame.pixels.shape[1]) for frame in picture.frames]
    try:
        check_fits(path.name, picture, sizes, target, lossless=options.lossless)
        metadata, _ = prepare_metadata(picture, target, RECORD, strip=turn % 5 == 0)
        with atomic_path(path) as temporary, temporary.open("r+b") as file:
            encode_picture(file, picture, target, metadata, options)
    except SamsrError:
        assert not path.exists(), "a file was left by a failed write"
