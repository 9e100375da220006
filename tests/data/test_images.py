"""Pictures come back as they were written, and what cannot be read or written says why."""

import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, JpegImagePlugin

from sam_diffsr_cli.data.images import (
    SUFFIXES,
    Photo,
    check_format,
    find_photos,
    read_photo,
    walk_photos,
    write_photo,
)
from sam_diffsr_cli.errors import InputError

ARTIST, ORIENTATION = 0x013B, 0x0112
LOSSY_LEVELS = 6.0
"""Mean error of a smooth picture at quality 95; 1 to 2 is usual."""


def levels(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def smooth(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([255 * y / height, 255 * x / width, 128 + 0 * x], axis=-1).astype(np.uint8)


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_16_bit(colour_type: int, channels: int) -> bytes:
    """A 3x2 PNG of 16 bits a channel, which Pillow can write for gray only."""
    rows = b"".join(b"\0" + bytes(range(2 * 3 * channels)) for _ in range(2))
    header = struct.pack(">IIBBBBB", 3, 2, 16, colour_type, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


# ------------------------------------------------------------------------------- round trips


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (13, 1), (31, 18)], ids=str)
def test_png_round_trip_is_exact(tmp_path: Path, size: tuple[int, int]) -> None:
    photo = Photo(levels(*size, 3))
    write_photo(tmp_path / "a.png", photo)
    back = read_photo(tmp_path / "a.png")
    assert np.array_equal(back.rgb, photo.rgb)
    assert back.rgb.dtype == np.uint8
    assert back.alpha is None
    assert not back.is_gray


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp"])
def test_lossy_round_trip_is_close(tmp_path: Path, suffix: str) -> None:
    photo = Photo(smooth(40, 56))
    write_photo(tmp_path / f"a{suffix}", photo)
    error = read_photo(tmp_path / f"a{suffix}").rgb.astype(float) - photo.rgb
    assert float(np.abs(error).mean()) < LOSSY_LEVELS


def test_jpeg_keeps_colour_at_full_resolution(tmp_path: Path) -> None:
    write_photo(tmp_path / "a.jpg", Photo(levels(16, 16, 3)))
    with Image.open(tmp_path / "a.jpg") as image:
        assert JpegImagePlugin.get_sampling(image) == 0


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_gray_stays_gray(tmp_path: Path, suffix: str) -> None:
    source, target = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    Image.fromarray(smooth(9, 12)[..., 0]).save(source)
    photo = read_photo(source)
    assert photo.is_gray
    write_photo(target, photo)
    with Image.open(target) as image:
        assert image.mode == "L"


def test_gray_png_keeps_its_levels(tmp_path: Path) -> None:
    gray = levels(9, 12)
    Image.fromarray(gray).save(tmp_path / "a.png")
    photo = read_photo(tmp_path / "a.png")
    assert np.array_equal(photo.rgb, np.repeat(gray[..., None], 3, axis=-1))
    write_photo(tmp_path / "b.png", photo)
    with Image.open(tmp_path / "b.png") as image:
        assert np.array_equal(np.asarray(image), gray)


def test_alpha_is_kept_with_the_colours_below_it(tmp_path: Path) -> None:
    photo = Photo(levels(8, 9, 3), alpha=levels(8, 9, seed=1))
    write_photo(tmp_path / "a.png", photo)
    back = read_photo(tmp_path / "a.png")
    assert back.alpha is not None
    assert np.array_equal(back.alpha, levels(8, 9, seed=1))
    assert np.array_equal(back.rgb, photo.rgb)


def test_gray_with_alpha_stays_both(tmp_path: Path) -> None:
    both = levels(6, 5, 2)
    bands = [Image.fromarray(both[..., i]) for i in range(2)]
    Image.merge("LA", bands).save(tmp_path / "a.png")
    photo = read_photo(tmp_path / "a.png")
    assert photo.is_gray
    write_photo(tmp_path / "b.png", photo)
    with Image.open(tmp_path / "b.png") as image:
        assert image.mode == "LA"
        assert np.array_equal(np.asarray(image), both)


def test_a_transparent_palette_colour_becomes_alpha(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([250, 0, 0, 0, 0, 250])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "a.png", transparency=1)
    photo = read_photo(tmp_path / "a.png")
    assert photo.alpha is not None
    assert photo.alpha.tolist() == [[255, 0]]
    assert photo.rgb[0, 0].tolist() == [250, 0, 0]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_icc_profile_is_kept(tmp_path: Path, suffix: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    write_photo(tmp_path / f"a{suffix}", Photo(smooth(8, 8), icc_profile=profile))
    assert read_photo(tmp_path / f"a{suffix}").icc_profile == profile


def test_the_profile_of_inks_is_dropped_with_the_inks(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new("CMYK", (8, 8)).save(tmp_path / "a.jpg", icc_profile=profile)
    assert read_photo(tmp_path / "a.jpg").icc_profile is None


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_exif_is_kept(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[ARTIST] = "somebody"
    Image.fromarray(smooth(8, 8)).save(tmp_path / f"a{suffix}", exif=exif)
    write_photo(tmp_path / f"b{suffix}", read_photo(tmp_path / f"a{suffix}"))
    with Image.open(tmp_path / f"b{suffix}") as image:
        assert image.getexif()[ARTIST] == "somebody"


UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: a[::-1].transpose(1, 0, 2),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: a[:, ::-1].transpose(1, 0, 2),
}
"""What a viewer does with the stored rows and columns (EXIF 2.3, tag 274)."""


def save_turned(path: Path, stored: np.ndarray, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[ARTIST] = "somebody"
    Image.fromarray(stored).save(path, exif=exif)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    stored = levels(5, 8, 3)
    save_turned(tmp_path / "a.png", stored, orientation)
    assert np.array_equal(read_photo(tmp_path / "a.png").rgb, UPRIGHT[orientation](stored))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once_and_its_tag_dropped(
    tmp_path: Path, orientation: int
) -> None:
    save_turned(tmp_path / "a.png", levels(5, 8, 3), orientation)
    photo = read_photo(tmp_path / "a.png")
    write_photo(tmp_path / "b.png", photo)
    assert np.array_equal(read_photo(tmp_path / "b.png").rgb, photo.rgb)
    with Image.open(tmp_path / "b.png") as image:
        assert ORIENTATION not in image.getexif()
        assert image.getexif()[ARTIST] == "somebody"


def exif_block(*tags: tuple[int, int, bytes]) -> bytes:
    """An EXIF block of one-value tags: (tag, type, 4 bytes of value)."""
    entries = b"".join(struct.pack("<HHI4s", tag, kind, 1, value) for tag, kind, value in tags)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


RESOLUTION, BYTE, SHORT, FLOAT = 0x011A, 1, 3, 11
TURNED = (ORIENTATION, SHORT, b"\6\0\0\0")


@pytest.mark.parametrize(
    ("tags", "size"),
    [
        ([(RESOLUTION, BYTE, bytes(4))], (6, 8)),
        ([(ARTIST, FLOAT, bytes(4))], (6, 8)),
        ([TURNED, (ARTIST, FLOAT, bytes(4))], (8, 6)),
    ],
    ids=["resolution-of-bytes", "artist-a-number", "artist-a-number-and-turned"],
)
def test_a_photo_with_mistyped_exif_is_read_upright(
    tmp_path: Path, tags: list[tuple[int, int, bytes]], size: tuple[int, int]
) -> None:
    Image.fromarray(smooth(6, 8)).save(tmp_path / "a.jpg", exif=exif_block(*tags))
    assert read_photo(tmp_path / "a.jpg").rgb.shape[:2] == size


def test_pixels_that_were_read_can_be_changed(tmp_path: Path) -> None:
    write_photo(tmp_path / "a.png", Photo(levels(4, 4, 3), alpha=levels(4, 4)))
    photo = read_photo(tmp_path / "a.png")
    assert photo.alpha is not None
    assert photo.rgb.flags.writeable
    assert photo.alpha.flags.writeable


# ------------------------------------------------------------------------ what cannot be read


def make_missing(path: Path) -> None:
    del path


def make_empty(path: Path) -> None:
    path.touch()


def make_text(path: Path) -> None:
    path.write_text("not a picture at all")


def make_folder(path: Path) -> None:
    path.mkdir()


def make_truncated(path: Path) -> None:
    Image.fromarray(levels(64, 64, 3)).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def make_gif(path: Path) -> None:
    Image.fromarray(levels(4, 4)).save(path, format="GIF")


def make_16_bit_gray(path: Path) -> None:
    Image.fromarray(levels(4, 4).astype(np.uint16) * 257).save(path)


def make_16_bit_colour(path: Path) -> None:
    path.write_bytes(png_16_bit(colour_type=2, channels=3))


def make_16_bit_gray_alpha(path: Path) -> None:
    path.write_bytes(png_16_bit(colour_type=4, channels=2))


def make_16_bit_colour_alpha(path: Path) -> None:
    path.write_bytes(png_16_bit(colour_type=6, channels=4))


def make_animated(path: Path) -> None:
    frames = [Image.fromarray(levels(8, 8, 3, seed=i)) for i in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


UNUSABLE: dict[str, tuple[Callable[[Path], None], str]] = {
    "gone.png": (make_missing, "no such file"),
    "empty.png": (make_empty, "not a PNG, JPEG or WebP"),
    "text.jpg": (make_text, "not a PNG, JPEG or WebP"),
    "gif.png": (make_gif, "not a PNG, JPEG or WebP"),
    "folder.png": (make_folder, "unreadable"),
    "half.jpg": (make_truncated, "damaged"),
    "half.png": (make_truncated, "damaged"),
    "half.webp": (make_truncated, "damaged|not a PNG, JPEG or WebP"),
    "deep_gray.png": (make_16_bit_gray, "16-bit"),
    "deep_colour.png": (make_16_bit_colour, "16-bit"),
    "deep_gray_alpha.png": (make_16_bit_gray_alpha, "16-bit"),
    "deep_colour_alpha.png": (make_16_bit_colour_alpha, "16-bit"),
    "moving.png": (make_animated, "animated"),
    "moving.webp": (make_animated, "animated"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_unusable_file_is_refused_with_its_name_and_the_reason(tmp_path: Path, name: str) -> None:
    make, reason = UNUSABLE[name]
    make(tmp_path / name)
    with pytest.raises(InputError, match=reason) as caught:
        read_photo(tmp_path / name)
    assert name in str(caught.value)


def test_too_many_pixels_are_refused_before_they_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_photo(tmp_path / "big.png", Photo(levels(20, 20, 3)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300)
    with pytest.raises(InputError, match=r"big\.png: more pixels"):
        read_photo(tmp_path / "big.png")


# --------------------------------------------------------------------- what cannot be written

OPAQUE = Photo(smooth(8, 8))
CLEAR = replace(OPAQUE, alpha=levels(8, 8))


@pytest.mark.parametrize(
    ("name", "photo", "reason"),
    [
        ("a.jpg", CLEAR, "transparency"),
        ("a.JPEG", CLEAR, "transparency"),
        ("a.bmp", OPAQUE, "unknown format"),
        ("a", OPAQUE, "unknown format"),
        ("gone/a.png", OPAQUE, "cannot write here"),
        ("a.jpg", replace(OPAQUE, exif=b"Exif\0\0" + bytes(70_000)), "cannot be written"),
    ],
    ids=["alpha-jpg", "alpha-JPEG", "bmp", "no-suffix", "no-folder", "exif-too-long"],
)
def test_impossible_write_says_why_and_leaves_nothing_behind(
    tmp_path: Path, name: str, photo: Photo, reason: str
) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        write_photo(tmp_path / name, photo)
    assert name in str(caught.value)
    assert listing(tmp_path) == []


def test_failed_write_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    write_photo(path, OPAQUE)
    before = path.read_bytes()
    with pytest.raises(InputError):
        write_photo(path, Photo(levels(8, 8, 3), exif=b"Exif\0\0" + bytes(70_000)))
    assert path.read_bytes() == before
    assert listing(tmp_path) == ["a.jpg"]


def test_write_replaces_the_old_file(tmp_path: Path) -> None:
    write_photo(tmp_path / "a.png", OPAQUE)
    write_photo(tmp_path / "a.png", Photo(levels(3, 4, 3)))
    assert np.array_equal(read_photo(tmp_path / "a.png").rgb, levels(3, 4, 3))
    assert listing(tmp_path) == ["a.png"]


@pytest.mark.parametrize(
    ("suffix", "side", "fits"),
    [
        (".webp", 16_383, True),
        (".webp", 16_384, False),
        (".jpg", 65_535, True),
        (".jpg", 65_536, False),
        (".png", 65_536, True),
    ],
)
def test_longest_side_is_checked_for_each_format(suffix: str, side: int, *, fits: bool) -> None:
    photo = Photo(np.zeros((1, side, 3), dtype=np.uint8))
    if fits:
        check_format(Path(f"a{suffix}"), photo)
    else:
        with pytest.raises(InputError, match=f"{side} pixels"):
            check_format(Path(f"a{suffix}"), photo)


def test_longest_side_is_checked_after_enlarging() -> None:
    photo = Photo(np.zeros((4096, 1, 3), dtype=np.uint8))
    check_format(Path("a.webp"), photo, scale=3)
    with pytest.raises(InputError, match="16384 pixels"):
        check_format(Path("a.webp"), photo, scale=4)


def test_writing_does_not_change_the_photo(tmp_path: Path) -> None:
    rgb, alpha = levels(6, 6, 3), levels(6, 6)
    write_photo(tmp_path / "a.png", Photo(rgb, alpha, is_gray=True))
    assert np.array_equal(rgb, levels(6, 6, 3))
    assert np.array_equal(alpha, levels(6, 6))


# ------------------------------------------------------------------------------------ folders


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in (
        "b.png", "a.JPG", "c.jpeg", "d.webp", "notes.txt", ".hidden.png", "sub/z.png", "sub/a.png",
        ".cache/x.png", "sub/.old/y.png", "folder.png/inner.jpg",
    ):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def test_find_photos_lists_one_folder_by_name_without_hidden_files(tree: Path) -> None:
    assert [path.name for path in find_photos(tree)] == ["a.JPG", "b.png", "c.jpeg", "d.webp"]


def test_walk_photos_goes_down_by_path_without_hidden_files_and_folders(tree: Path) -> None:
    assert [path.relative_to(tree).as_posix() for path in walk_photos(tree)] == [
        "a.JPG",
        "b.png",
        "c.jpeg",
        "d.webp",
        "folder.png/inner.jpg",
        "sub/a.png",
        "sub/z.png",
    ]


def test_a_hidden_folder_above_does_not_hide_the_photos(tmp_path: Path) -> None:
    folder = tmp_path / ".photos"
    folder.mkdir()
    (folder / "a.png").touch()
    assert list(walk_photos(folder)) == [folder / "a.png"]


def test_the_first_picture_of_a_camera_mpo_is_the_photo(tmp_path: Path) -> None:
    first, preview = Image.new("RGB", (16, 12), (200, 40, 40)), Image.new("RGB", (16, 12))
    first.save(tmp_path / "phone.jpg", format="MPO", save_all=True, append_images=[preview])
    photo = read_photo(tmp_path / "phone.jpg")
    assert photo.rgb.shape == (12, 16, 3)
    assert abs(int(photo.rgb[..., 0].mean()) - 200) <= 3
