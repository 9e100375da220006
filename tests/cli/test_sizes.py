"""Sizes, density, times and textures, through the command."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sam_diffsr_cli import Size
from sam_diffsr_cli import upscale as upscale_image
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.upscaling.model import load_upscaler
from tests.helpers import Ran, draw_photos, samsr, write_weights

SHAPES = {"a.png": (6, 9), "b.png": (9, 6), "c.png": (1, 1), "d.png": (40, 50), "e.png": (3, 70)}
"""Heights and widths."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_weights(tmp_path_factory.mktemp("weights") / "tiny.safetensors")


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    for name, size in SHAPES.items():
        draw_photos(tmp_path / name[0], [name], size)
    folder = tmp_path / "mixed"
    folder.mkdir()
    for name in SHAPES:
        (tmp_path / name[0] / name).rename(folder / name)
    return folder


def upscale(weights: Path, *arguments: object) -> Ran:
    return samsr("upscale", *arguments, "--weights", weights, "--device", "cpu", "--steps", 0)


def sizes(folder: Path) -> dict[str, tuple[int, int]]:
    """Widths and heights of what is in a folder."""
    found = {}
    for path in sorted(folder.iterdir()):
        with Image.open(path) as image:
            found[path.name] = image.size
    return found


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--fit", "30x20"], [(30, 20), (13, 20), (20, 20), (25, 20), (30, 1)]),
        (["--width", "18"], [(18, 12), (18, 27), (18, 18), (18, 14), (18, 1)]),
        (["--fill", "20x10"], [(20, 10)] * 5),
        (["--megapixels", "0.0006"], [(30, 20), (20, 30), (24, 24), (27, 22), (118, 5)]),
        (["--print", "1x2in", "--dpi", "10"], [(15, 10), (10, 15), (10, 10), (13, 10), (20, 1)]),
        (["--min-size", "6"], [(9, 6), (6, 9), (6, 6), (50, 40), (140, 6)]),
        (["--scale", "200%"], [(18, 12), (12, 18), (2, 2), (100, 80), (140, 6)]),
    ],
)
def test_every_picture_of_a_folder_gets_the_size(
    mixed: Path, weights: Path, tmp_path: Path, arguments: list[str], expected: list[object]
) -> None:
    ran = upscale(weights, mixed, tmp_path / "out", *arguments, "--json")
    assert ran.exit_code == 0, ran.stdout
    assert list(sizes(tmp_path / "out").values()) == expected
    files = json.loads(ran.stdout)["files"]
    assert [(f["size_out"]["width"], f["size_out"]["height"]) for f in files] == expected
    planned = upscale(weights, mixed, tmp_path / "none", *arguments, "--json", "--dry-run")
    files = json.loads(planned.stdout)["files"]
    assert [(f["size_out"]["width"], f["size_out"]["height"]) for f in files] == expected


def test_what_would_not_grow_is_left_out_if_so_asked(
    mixed: Path, weights: Path, tmp_path: Path
) -> None:
    ran = upscale(weights, mixed, tmp_path / "out", "--fit", "30x20", "--only-larger", "--json")
    assert ran.exit_code == 0
    assert list(sizes(tmp_path / "out")) == ["a.png", "b.png", "c.png"]
    document = json.loads(ran.stdout)
    states = [each["status"] for each in document["files"]]
    assert states == ["done", "done", "done", "left_out", "left_out"]
    assert document["plan"]["too_large"] == 2
    again = upscale(
        weights, mixed, tmp_path / "new", "--fit", "30x20", "--only-larger", "--dry-run"
    )
    assert "d.png: left out, since it does not grow" in again.stdout
    assert "left out, not growing: 2" in again.stderr
    assert "a.png (9x6 to 30x20)" in again.stdout


def test_what_is_shrunk_or_beyond_the_model_is_told(
    mixed: Path, weights: Path, tmp_path: Path
) -> None:
    ran = upscale(weights, mixed, tmp_path / "out", "--fit", "30x20")
    assert "d.png: shrunk from 50x40 to 25x20, without the model" in ran.stderr
    assert "c.png: 20 times is more than 16: the rest is bicubic" in ran.stderr
    assert "a.png:" not in ran.stderr


def test_the_orientation_is_respected(weights: Path, tmp_path: Path) -> None:
    photo = draw_photos(tmp_path / "in", ["a.jpg"], (6, 12)) / "a.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(photo) as image:
        image.save(photo, exif=exif)
    assert upscale(weights, photo, tmp_path / "a.jpg", "--width", 24).exit_code == 0
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.size == (24, 48)
        assert image.getexif()[0x0112] == 1


def test_frames_and_pages_are_sized(weights: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    frames = [Image.new("RGB", (9, 6), colour) for colour in ("red", "green", "blue")]
    frames[0].save(folder / "a.gif", save_all=True, append_images=frames[1:])
    pages = [Image.new("RGB", size, "red") for size in ((9, 6), (5, 10))]
    pages[0].save(folder / "b.tif", save_all=True, append_images=pages[1:])
    assert upscale(weights, folder, tmp_path / "out", "--fit", "18x18").exit_code == 0
    with Image.open(tmp_path / "out" / "a.gif") as image:
        assert (image.size, getattr(image, "n_frames", 1)) == ((18, 12), 3)
    with Image.open(tmp_path / "out" / "b.tif") as image:
        assert image.size == (18, 12)
        image.seek(1)
        assert image.size == (9, 18)


def test_a_run_with_a_manifest_goes_on_by_the_same_size_only(
    mixed: Path, weights: Path, tmp_path: Path
) -> None:
    kept = ["--manifest", tmp_path / "m.jsonl"]
    assert upscale(weights, mixed, tmp_path / "out", "--fit", "30x20", *kept).exit_code == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    assert upscale(weights, mixed, tmp_path / "out", "--fit", "30x20", *kept).exit_code == 0
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    ran = upscale(weights, mixed, tmp_path / "out", "--fit", "30x21", *kept)
    assert ran.exit_code == 3
    assert "its run had size fit 30x20, this one has fit 30x21" in ran.stderr


def test_the_record_says_the_size_and_what_it_came_to(
    mixed: Path, weights: Path, tmp_path: Path
) -> None:
    upscale(weights, mixed / "a.png", tmp_path / "a.png", "--width", 18)
    with Image.open(tmp_path / "a.png") as image:
        xmp = str(image.info["XML:com.adobe.xmp"]).replace("&quot;", '"')
    assert '"scale":2.0,"size":"width 18"' in xmp


@pytest.mark.slow
def test_workers_write_the_same_sizes_and_bytes(mixed: Path, weights: Path, tmp_path: Path) -> None:
    for out, more in (("one", []), ("two", ["--workers", 2])):
        ran = upscale(weights, mixed, tmp_path / out, "--fill", "20x10", "--wrap", *more)
        assert ran.exit_code == 3
        ran = upscale(weights, mixed, tmp_path / out, "--fill", "20x10", *more)
        assert ran.exit_code == 0
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / n).iterdir()} for n in ("one", "two"))
    assert one == two


def test_times_are_those_of_the_input_if_so_asked(
    mixed: Path, weights: Path, tmp_path: Path
) -> None:
    os.utime(mixed / "a.png", ns=(10**18, 11**17))
    upscale(weights, mixed / "a.png", tmp_path / "a.png", "--preserve-times")
    assert (tmp_path / "a.png").stat().st_mtime_ns == 11**17
    upscale(weights, mixed / "a.png", tmp_path / "b.png")
    assert (tmp_path / "b.png").stat().st_mtime_ns != 11**17


def test_what_is_piped_has_no_times(mixed: Path, weights: Path) -> None:
    command = ("upscale", mixed / "a.png", "-", "--steps", 0, "--weights", weights)
    ran = samsr(*command, "--device", "cpu", "--preserve-times")
    assert ran.exit_code == 0
    assert "its times were not kept: only files on disk have any" in ran.stderr


def test_a_jpeg_is_subsampled_and_progressive_if_so_asked(
    mixed: Path, weights: Path, tmp_path: Path
) -> None:
    for name, more, layout in (
        ("444.jpg", [], (1, 1)),
        ("422.jpg", ["--subsampling", "422"], (2, 1)),
        ("420.jpg", ["--subsampling", "420", "--progressive"], (2, 2)),
    ):
        assert upscale(weights, mixed / "d.png", tmp_path / name, *more).exit_code == 0
        with Image.open(tmp_path / name) as image:
            first = image.layer[0]  # type: ignore[attr-defined] # of Pillow's JPEG reader
            assert tuple(first[1:3]) == layout
            assert bool(image.info.get("progressive")) == ("--progressive" in more)
    ran = upscale(weights, mixed, tmp_path / "out", "--format", "png", "--progressive")
    assert ran.exit_code == 3
    assert "--progressive is for JPEG, and --format is png" in ran.stderr


@pytest.mark.parametrize(
    ("options", "name"),
    [(["--progressive"], "--progressive"), (["--subsampling", "420"], "--subsampling")],
)
def test_what_is_for_jpeg_is_refused_where_no_output_is_one(
    mixed: Path, weights: Path, tmp_path: Path, options: list[str], name: str
) -> None:
    ran = upscale(weights, mixed / "a.png", tmp_path / "x.png", *options)
    assert ran.exit_code == 3
    assert f"{name} is for JPEG, and {tmp_path / 'x.png'} is none" in ran.stderr
    ran = upscale(weights, mixed, tmp_path / "out", *options)
    assert ran.exit_code == 3
    assert f"{name} is for JPEG, and no output is one" in ran.stderr
    assert not (tmp_path / "out").exists()
    # One of several is.
    with Image.open(mixed / "a.png") as image:
        image.convert("RGB").save(mixed / "a.jpg")
    assert upscale(weights, mixed, tmp_path / "out", *options).exit_code == 0


def test_a_print_tells_its_density(mixed: Path, weights: Path, tmp_path: Path) -> None:
    upscale(weights, mixed / "a.png", tmp_path / "a.jpg", "--print", "1x1in", "--dpi", 30)
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.size == (30, 20)
        assert image.info["dpi"] == (30, 30)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scale", "abc"], "--scale abc: is no scale"),
        (["--scale", "2", "--fit", "9x9"], "--scale and --fit exclude each other"),
        (["--fit", "300x"], "--fit 300x: is no size"),
        (["--print", "30x20"], "--print 30x20: is no size of paper"),
        (["--only-larger"], "--only-larger needs a size"),
        (["--width", "0"], "--width 0: allowed are 1 to"),
        (["--dpi", "0"], "--dpi 0: allowed are 1 to"),
        (["--wrap", "--fill", "9x9"], "--wrap and --fill exclude each other"),
    ],
)
def test_a_size_that_cannot_be_is_refused(
    mixed: Path, weights: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    ran = upscale(weights, mixed, tmp_path / "out", *arguments)
    assert ran.exit_code == 3
    assert message in ran.stderr
    assert not (tmp_path / "out").exists()


def test_from_python_an_image_gets_a_size(weights: Path) -> None:
    import torch

    model = load_upscaler(weights, torch.device("cpu"))
    pixels = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    large = upscale_image(pixels, size=Size(fit=(30, 30)), model=model, steps=0)
    assert large.shape == (20, 30, 3)
    filled = upscale_image(Image.fromarray(pixels), size=Size(fill=(7, 7)), model=model, steps=0)
    assert filled.size == (7, 7)
    with pytest.raises(InputError, match="exclude each other"):
        upscale_image(pixels, 2, size=Size(width=9), model=model)
    with pytest.raises(InputError, match="--wrap and --fill exclude each other"):
        upscale_image(pixels, size=Size(fill=(7, 7)), model=model, steps=0, wrap=True)
    shrunk = upscale_image(pixels, size=Size(width=3), model=model, steps=0)
    assert shrunk.shape == (2, 3, 3)
