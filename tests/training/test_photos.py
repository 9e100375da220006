"""Training photos are read once, with their masks; those that cannot be used are named."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from typer.testing import CliRunner

from sam_diffsr_cli.cli.app import app
from sam_diffsr_cli.data.crops import TrainingPhoto, draw_batch
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.masks.position import MaskNorm, structural_position_encoding
from sam_diffsr_cli.masks.rle import encode_mask
from sam_diffsr_cli.masks.store import write_records
from sam_diffsr_cli.training.photos import LoadedPhoto, load_photos, place_photos


def levels(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def save(path: Path, height: int = 20, width: int = 24, seed: int = 0) -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(levels(height, width, seed)).save(path)
    return path


def save_masks(path: Path, height: int, width: int, top_rows: int) -> None:
    """One mask of the top rows, as run lengths down the columns, background first."""
    runs = [0] + [top_rows, height - top_rows] * width
    record = {"segmentation": {"size": [height, width], "counts": runs}}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps([record]))


def load(folder: Path, masks: Path | None = None, least_side: int = 16) -> list[LoadedPhoto]:
    return list(load_photos(folder, masks, "image", least_side))


def only(loaded: list[LoadedPhoto]) -> TrainingPhoto:
    (record,) = loaded
    assert record.photo is not None, record.reason
    return record.photo


def test_a_photo_is_loaded_with_its_name_and_pixels(tmp_path: Path) -> None:
    photo = only(load(save(tmp_path / "a.png").parent))
    assert photo.name == "a.png"
    assert photo.pixels.dtype == torch.uint8
    assert torch.equal(photo.pixels, torch.from_numpy(levels(20, 24)).permute(2, 0, 1))


def test_pixels_are_laid_out_for_cutting(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    assert only(load(tmp_path)).pixels.is_contiguous()


def test_photos_of_subfolders_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for name in ("b.png", "a.png", "sub/a.png", ".hidden.png"):
        save(tmp_path / name)
    paths = [record.path.relative_to(tmp_path).as_posix() for record in load(tmp_path)]
    assert paths == ["a.png", "b.png", "sub/a.png"]


def test_photos_are_read_one_after_the_other(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    late = save(tmp_path / "b.png")
    records = load_photos(tmp_path, None, "image", 16)
    next(records)
    late.write_text("broken meanwhile")
    assert next(records).photo is None


def test_an_unreadable_file_is_left_out_with_the_reason(tmp_path: Path) -> None:
    save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_text("not a picture")
    bad, good = load(tmp_path)
    assert bad.photo is None
    assert "bad.png" in bad.reason
    assert good.photo is not None
    assert good.reason == ""


@pytest.mark.parametrize(("height", "width"), [(15, 40), (40, 15)], ids=["low", "narrow"])
def test_a_photo_that_is_too_small_is_left_out_with_its_size(
    tmp_path: Path, height: int, width: int
) -> None:
    save(tmp_path / "small.png", height, width)
    (record,) = load(tmp_path, least_side=16)
    assert record.photo is None
    assert f"small.png: {height}x{width} is less than 16" in record.reason


def test_a_photo_of_just_the_least_side_is_used(tmp_path: Path) -> None:
    save(tmp_path / "a.png", 16, 16)
    assert only(load(tmp_path, least_side=16)).pixels.shape == (3, 16, 16)


def test_without_masks_there_is_no_encoding(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    assert only(load(tmp_path)).spe is None


def test_a_photo_without_a_mask_file_has_no_encoding(tmp_path: Path) -> None:
    save(tmp_path / "photos/a.png")
    save_masks(tmp_path / "masks/b.json", 20, 24, 5)
    assert only(load(tmp_path / "photos", tmp_path / "masks")).spe is None


@pytest.mark.parametrize("norm", ["image", "region"])
def test_masks_become_the_encoding_of_their_photo(tmp_path: Path, norm: MaskNorm) -> None:
    save(tmp_path / "photos/a.png")
    save_masks(tmp_path / "masks/a.json", 20, 24, 5)
    mask = torch.zeros(1, 20, 24, dtype=torch.bool)
    mask[:, :5] = True
    (record,) = load_photos(tmp_path / "photos", tmp_path / "masks", norm, 16)
    assert record.photo is not None
    assert record.photo.spe is not None
    assert torch.equal(record.photo.spe[0], structural_position_encoding(mask, norm))
    assert bool((record.photo.spe[0, :5] != 0).all())


def test_masks_of_another_size_leave_the_photo_out_with_the_reason(tmp_path: Path) -> None:
    save(tmp_path / "photos/a.png", 20, 24)
    save_masks(tmp_path / "masks/a.json", 24, 20, 5)
    (record,) = load(tmp_path / "photos", tmp_path / "masks")
    assert record.photo is None
    assert "a.json: masks are (24, 20), the photo is (20, 24)" in record.reason


@pytest.mark.parametrize("text", ["", "{", '{"a": 1}', "[3]", '[{"segmentation": 5}]'], ids=repr)
def test_damaged_masks_leave_the_photo_out_with_the_reason(tmp_path: Path, text: str) -> None:
    save(tmp_path / "photos/a.png")
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks/a.json").write_text(text)
    (record,) = load(tmp_path / "photos", tmp_path / "masks")
    assert record.photo is None
    assert "a.json: not a list of COCO run-length masks" in record.reason


def test_an_empty_folder_gives_nothing(tmp_path: Path) -> None:
    assert load(tmp_path) == []


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gone: not a folder"):
        load(tmp_path / "gone")


def test_a_mask_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    with pytest.raises(InputError, match="gone: not a folder"):
        load(tmp_path, masks=tmp_path / "gone")


def test_on_the_cpu_photos_stay_where_they_are() -> None:
    photo = TrainingPhoto("a", torch.zeros(3, 4, 4, dtype=torch.uint8))
    assert place_photos([photo], torch.device("cpu")) == [photo]


# ------------------------------------------------------------------- from the file to the crop

BRIGHT = (slice(9, 41), slice(70, 117))
"""An off-centre rectangle of the marked photo, without any symmetry."""

DRAWN = 400


def save_marked(folder: Path) -> None:
    """A photo that is white just where its mask lies, and says in its levels which way is up."""
    height, width = 84, 150
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[..., 0] = np.arange(height)[:, None]
    pixels[..., 1] = np.arange(width)
    pixels[BRIGHT] = 255
    mask = np.zeros((height, width), dtype=bool)
    mask[BRIGHT] = True
    for name in ("photos", "masks"):
        (folder / name).mkdir()
    Image.fromarray(pixels).save(folder / "photos/a.png")
    write_records(folder / "masks/a.json", [{"segmentation": encode_mask(mask)}])


def steps_along(crop: Tensor) -> tuple[int, ...]:
    """How red and green step along the first row and the first column."""
    return tuple(
        int(crop[channel, y, x] - crop[channel, 0, 0])
        for channel in (0, 1)
        for y, x in ((0, 1), (1, 0))
    )


@pytest.mark.parametrize("norm", ["image", "region"])
def test_a_mask_lands_on_its_pixels_after_crop_flip_and_turn(
    tmp_path: Path, norm: MaskNorm
) -> None:
    save_marked(tmp_path)
    (loaded,) = load_photos(tmp_path / "photos", tmp_path / "masks", norm, 16)
    assert loaded.photo is not None
    batch = draw_batch([loaded.photo], DRAWN, 32, 4, torch.Generator().manual_seed(0))
    is_bright = (batch.hr == 1).all(dim=1)
    assert torch.equal(batch.spe[:, 0] != 0, is_bright)
    # Of the crops many have an edge of the rectangle, in every orientation.
    has_edge = is_bright.flatten(1).any(dim=1) & ~is_bright.flatten(1).all(dim=1)
    starts_dark = ~is_bright[:, :2, :2].flatten(1).any(dim=1)
    telling = ((batch.hr + 1) * 127.5).round()[has_edge & starts_dark]
    assert len(telling) > DRAWN / 5
    assert len({steps_along(crop) for crop in telling}) == 8


def test_photos_without_masks_have_a_zero_encoding_beside_those_with(tmp_path: Path) -> None:
    save_marked(tmp_path)
    save(tmp_path / "photos/plain.png", 84, 150)
    loaded = load(tmp_path / "photos", tmp_path / "masks")
    photos = [record.photo for record in loaded if record.photo is not None]
    assert [photo.spe is None for photo in photos] == [False, True]
    batch = draw_batch(photos, 100, 32, 4, torch.Generator().manual_seed(0))
    # Blue is black or white in the marked photo only.
    is_plain = (batch.hr[:, 2].abs() != 1).flatten(1).any(dim=1)
    has_encoding = (batch.spe != 0).flatten(1).any(dim=1)
    assert 0 < int(is_plain.sum()) < 100
    assert not has_encoding[is_plain].any()
    assert has_encoding[~is_plain].any()


def test_training_counts_the_photos_with_masks(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        save(tmp_path / f"photos/{name}.png", 100, 110)
    save_masks(tmp_path / "masks/b.json", 100, 110, 40)
    places = ["--data", tmp_path / "photos", "--masks", tmp_path / "masks", "--out", tmp_path / "r"]
    steps = ["--stage", "encoder", "--encoder-steps", "1", "--batch", "1", "--patch", "64"]
    arguments = ["train", *map(str, places), *steps, "--device", "cpu"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.stderr
    assert "3 photos, 0.0 megapixels, 1 with masks" in result.stderr


def test_masks_of_other_photos_only_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "photos/a.png", 100, 110)
    save_masks(tmp_path / "masks/b.json", 100, 110, 40)
    places = ["--data", tmp_path / "photos", "--masks", tmp_path / "masks", "--out", tmp_path / "r"]
    crops = ["--patch", "64", "--device", "cpu"]
    result = CliRunner().invoke(app, ["train", *map(str, places), *crops])
    assert result.exit_code == 3
    assert "no masks of these photos" in result.stderr
