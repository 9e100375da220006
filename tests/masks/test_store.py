"""Mask files: lists of COCO run-length records, one file a photo."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pycocotools import mask as coco

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.masks.regions import iterate_masks, read_masks
from sam_diffsr_cli.masks.rle import encode_mask
from sam_diffsr_cli.masks.store import (
    find_mask_file,
    find_mask_files,
    read_records,
    write_records,
)
from tests.masks.samples import runs_of


def record(mask: np.ndarray, *, is_text: bool) -> dict[str, Any]:
    packed = coco.encode(np.asfortranarray(mask, dtype=np.uint8))
    counts = packed["counts"].decode("ascii") if is_text else runs_of(mask)
    return {"segmentation": {"size": list(mask.shape), "counts": counts}, "area": int(mask.sum())}


def draw_masks(count: int, size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(0).random((count, *size)) < 0.4


@pytest.mark.parametrize("is_text", [False, True], ids=["list", "text"])
def test_file_gives_its_masks_in_order(tmp_path: Path, is_text: bool) -> None:
    masks = draw_masks(3, (7, 5))
    path = tmp_path / "photo.json"
    path.write_text(json.dumps([record(mask, is_text=is_text) for mask in masks]), encoding="utf-8")
    assert torch.equal(read_masks(path, (7, 5)), torch.from_numpy(masks))


def test_file_without_masks_gives_none(tmp_path: Path) -> None:
    path = tmp_path / "photo.json"
    path.write_text("[]", encoding="utf-8")
    masks = read_masks(path, (7, 5))
    assert tuple(masks.shape) == (0, 7, 5)
    assert masks.dtype == torch.bool


def segmentation(size: Any, counts: Any) -> Any:
    return [{"segmentation": {"size": size, "counts": counts}}]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="null"),
        pytest.param(7, id="number"),
        pytest.param("text", id="text"),
        pytest.param([1], id="record-is-a-number"),
        pytest.param([{}], id="record-without-segmentation"),
        pytest.param([{"segmentation": [[1, 2, 3, 4]]}], id="polygon"),
        pytest.param([{"segmentation": {"counts": [6]}}], id="without-size"),
        pytest.param([{"segmentation": {"size": [2, 3]}}], id="without-counts"),
        pytest.param(segmentation([2], [6]), id="size-of-one-number"),
        pytest.param(segmentation([2, 3, 1], [6]), id="size-of-three-numbers"),
        pytest.param(segmentation(["a", 3], [6]), id="size-of-text"),
        pytest.param(segmentation([-2, -3], [6]), id="negative-size"),
        pytest.param(segmentation([0, 3], []), id="empty-size"),
        pytest.param(segmentation([2, 3], [5]), id="runs-too-short"),
        pytest.param(segmentation([2, 3], [5, 2]), id="runs-too-long"),
        pytest.param(segmentation([2, 3], [7, -1]), id="negative-run"),
        pytest.param(segmentation([2, 3], [[6]]), id="nested-runs"),
        pytest.param(segmentation([2, 3], None), id="null-runs"),
        pytest.param(segmentation([2, 3], ["a"]), id="text-in-runs"),
        pytest.param(segmentation([2, 3], "5"), id="text-runs-too-short"),
        pytest.param(segmentation([2, 3], "6\n"), id="text-with-a-foreign-character"),
        pytest.param(segmentation([2, 3], "5~"), id="text-with-a-character-out-of-range"),
        pytest.param(segmentation([2, 3], "6X"), id="text-that-ends-within-a-number"),
    ],
)
def test_malformed_file_is_an_input_error_naming_it(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "photo.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match=r"photo\.json"):
        read_masks(path, (2, 3))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"size": [2, 3], "counts": [1000000000000000000000]}', id="run"),
        pytest.param('{"size": [2, 3], "counts": "oooooooooooooo1"}', id="run-in-text"),
        pytest.param('{"size": [Infinity, 3], "counts": [6]}', id="size"),
    ],
)
def test_number_out_of_all_proportion_is_an_input_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "photo.json"
    path.write_text(f'[{{"segmentation": {text}}}]', encoding="utf-8")
    with pytest.raises(InputError, match=r"photo\.json"):
        read_masks(path, (2, 3))


def test_runs_whose_sum_wraps_around_are_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "photo.json"
    path.write_text(json.dumps(segmentation([2, 3], [2**62, 2**62, 2**62, 2**62 + 6])))
    with pytest.raises(InputError, match=r"photo\.json"):
        read_masks(path, (2, 3))


def test_a_size_out_of_all_proportion_allocates_nothing(tmp_path: Path) -> None:
    path = tmp_path / "photo.json"
    path.write_text(json.dumps([{"segmentation": {"size": [10**7, 10**7], "counts": [10**14]}}]))
    with pytest.raises(InputError, match=r"photo\.json"):
        read_masks(path, (2, 3))


@pytest.mark.parametrize("content", [b"", b"[", b"\xff\xfe\x00"], ids=["empty", "cut", "binary"])
def test_file_that_is_not_json_is_an_input_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "photo.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a list of COCO"):
        read_masks(path, (2, 3))


def test_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read masks"):
        read_masks(tmp_path / "photo.json", (2, 3))


def test_masks_of_another_size_are_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "photo.json"
    path.write_text(json.dumps([record(draw_masks(1, (3, 2))[0], is_text=True)]), encoding="utf-8")
    with pytest.raises(InputError, match=r"\(3, 2\), the photo is \(2, 3\)"):
        read_masks(path, (2, 3))


@pytest.mark.parametrize("size", [[2.0, 3.0], [True, 3], ["2", "3"]], ids=str)
def test_a_size_that_is_not_of_whole_numbers_is_an_input_error(tmp_path: Path, size: Any) -> None:
    path = tmp_path / "photo.json"
    path.write_text(json.dumps(segmentation(size, [6])), encoding="utf-8")
    with pytest.raises(InputError, match=r"photo\.json"):
        read_records(path)


# --------------------------------------------------------------------------------- one by one


def test_masks_come_one_by_one_in_order(tmp_path: Path) -> None:
    masks = draw_masks(3, (7, 5))
    path = tmp_path / "photo.json"
    write_records(path, [{"segmentation": encode_mask(mask)} for mask in masks])
    found = list(iterate_masks(path, (7, 5)))
    assert [(tuple(mask.shape), mask.dtype) for mask in found] == [((7, 5), torch.bool)] * 3
    assert torch.equal(torch.stack(found), torch.from_numpy(masks))


def test_a_mask_is_not_decoded_before_it_is_asked_for(tmp_path: Path) -> None:
    good = encode_mask(draw_masks(1, (2, 3))[0])
    path = tmp_path / "photo.json"
    write_records(path, [{"segmentation": good}, *segmentation([2, 3], [5])])
    masks = iterate_masks(path, (2, 3))
    assert tuple(next(masks).shape) == (2, 3)
    with pytest.raises(InputError, match=r"photo\.json: not a list of COCO"):
        next(masks)


def test_every_size_is_checked_before_the_first_mask_comes(tmp_path: Path) -> None:
    good = encode_mask(draw_masks(1, (2, 3))[0])
    path = tmp_path / "photo.json"
    write_records(path, [{"segmentation": good}, *segmentation([3, 2], [6])])
    with pytest.raises(InputError, match=r"\(3, 2\), the photo is \(2, 3\)"):
        next(iterate_masks(path, (2, 3)))


# ------------------------------------------------------------------------------------ writing


def test_records_are_written_as_the_tools_of_sam_write_them(tmp_path: Path) -> None:
    mask = draw_masks(1, (7, 5))[0]
    path = tmp_path / "photo.json"
    written = {"segmentation": encode_mask(mask), "area": int(mask.sum()), "bbox": [0, 0, 5, 7]}
    write_records(path, [written, {**written, "predicted_iou": 0.9}])
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found == [
        {**record(mask, is_text=True), "bbox": [0, 0, 5, 7]},
        {**record(mask, is_text=True), "bbox": [0, 0, 5, 7], "predicted_iou": 0.9},
    ]


def test_written_records_are_read(tmp_path: Path) -> None:
    masks = draw_masks(3, (7, 5))
    path = tmp_path / "photo.json"
    write_records(path, [{"segmentation": encode_mask(mask)} for mask in masks])
    assert torch.equal(read_masks(path, (7, 5)), torch.from_numpy(masks))


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "photo.json"
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(TypeError):
        write_records(path, [{"segmentation": object()}])
    assert [p.name for p in tmp_path.iterdir()] == ["photo.json"]
    assert path.read_text(encoding="utf-8") == "[]"


def test_a_folder_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gone"):
        write_records(tmp_path / "gone" / "photo.json", [])


# ------------------------------------------------------------------------------------ finding

PLACES = ("sub/a.jpg.json", "sub/a.json", "sub/a.npz", "a.json", "a.npz")
"""Where the masks of ``sub/a.jpg`` are looked for, in this order."""


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


@pytest.mark.parametrize("first", range(len(PLACES)), ids=PLACES)
def test_masks_are_looked_for_in_order(tmp_path: Path, first: int) -> None:
    touch(tmp_path / "masks", *PLACES[first:])
    found = find_mask_file(tmp_path / "sub/a.jpg", tmp_path, tmp_path / "masks")
    assert found == tmp_path / "masks" / PLACES[first]


def test_photos_that_share_a_stem_find_their_own(tmp_path: Path) -> None:
    touch(tmp_path / "masks", "a.jpg.json", "a.png.json")
    found = [find_mask_file(tmp_path / n, tmp_path, tmp_path / "masks") for n in ("a.jpg", "a.png")]
    assert found == [tmp_path / "masks/a.jpg.json", tmp_path / "masks/a.png.json"]


def test_masks_of_another_photo_are_not_found(tmp_path: Path) -> None:
    touch(tmp_path / "masks", "b.json", "other/a.json", "a.png.json", "a.txt")
    assert find_mask_file(tmp_path / "sub/a.jpg", tmp_path, tmp_path / "masks") is None


@pytest.mark.parametrize("stem", ["a" * 251, "\u2603" * 83], ids=["ascii", "utf-8"])
@pytest.mark.parametrize("folder", [".", "sub"])
def test_a_photo_whose_name_leaves_no_room_for_an_ending_has_no_masks(
    tmp_path: Path, stem: str, folder: str
) -> None:
    photo = tmp_path / folder / f"{stem}.png"
    assert find_mask_file(photo, tmp_path, tmp_path) is None


def test_a_folder_of_that_name_is_no_mask_file(tmp_path: Path) -> None:
    (tmp_path / "masks/a.json").mkdir(parents=True)
    assert find_mask_file(tmp_path / "a.jpg", tmp_path, tmp_path / "masks") is None


def test_mask_files_are_listed_without_the_manifest_and_hidden_files(tmp_path: Path) -> None:
    touch(tmp_path, "b.json", "sub/a.json", "manifest.json", ".samsr-x.part.json", "failures.txt")
    assert find_mask_files(tmp_path) == [tmp_path / "b.json", tmp_path / "sub/a.json"]


def test_a_folder_without_mask_files_is_an_input_error(tmp_path: Path) -> None:
    touch(tmp_path, "manifest.json")
    with pytest.raises(InputError, match="holds no mask files"):
        find_mask_files(tmp_path)


def test_listing_a_folder_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gone: not a folder"):
        find_mask_files(tmp_path / "gone")


def test_a_flat_mask_file_is_not_taken_from_a_photo_at_the_top(tmp_path: Path) -> None:
    photos, masks = tmp_path / "photos", tmp_path / "masks"
    (photos / "x").mkdir(parents=True)
    masks.mkdir()
    (masks / "a.json").write_text("[]")
    (photos / "x" / "a.png").touch()
    assert find_mask_file(photos / "x" / "a.png", photos, masks) == masks / "a.json"
    (photos / "a.jpg").touch()
    assert find_mask_file(photos / "x" / "a.png", photos, masks) is None
    assert find_mask_file(photos / "a.jpg", photos, masks) == masks / "a.json"
