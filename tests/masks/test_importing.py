"""Masks made elsewhere come over with the regions they had."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco
from scipy.io import savemat

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.masks.build import BuildStep
from sam_diffsr_cli.masks.encoding import read_encoding
from sam_diffsr_cli.masks.importing import find_foreign, import_masks
from sam_diffsr_cli.masks.regions import read_masks

SIZE = (6, 9)


def label_map() -> np.ndarray:
    """0 around, 1 of 12 pixels, 7 of 8."""
    labels = np.zeros(SIZE, dtype=np.uint8)
    labels[1:4, 1:5] = 1
    labels[4:6, 5:9] = 7
    return labels


def expected_masks() -> np.ndarray:
    """The regions of ``label_map``, the largest first."""
    return np.stack([label_map() == 1, label_map() == 7])


def run(folder: Path, out: Path) -> list[BuildStep]:
    return list(import_masks(find_foreign(folder, Path("elsewhere")), folder, out))


def import_one(path: Path, out: Path) -> BuildStep:
    (step,) = run(path.parent, out)
    return step


def masks_in(path: Path, size: tuple[int, int] = SIZE) -> np.ndarray:
    return read_masks(path, size).numpy()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "masks"


# ------------------------------------------------------------------------------------ records


def coco_counts(mask: np.ndarray) -> str:
    text: str = coco.encode(np.asfortranarray(mask, dtype=np.uint8))["counts"].decode("ascii")
    return text


def coco_runs(mask: np.ndarray) -> list[int]:
    flat = mask.ravel(order="F").tolist()
    edges = [0, *(i for i in range(1, len(flat)) if flat[i] != flat[i - 1]), len(flat)]
    return [0] * flat[0] + np.diff(edges).tolist()


@pytest.mark.parametrize("is_text", [True, False], ids=["text", "list"])
def test_run_lengths_come_over_in_order(source: Path, out: Path, is_text: bool) -> None:
    masks = expected_masks()[::-1]
    encode = coco_counts if is_text else coco_runs
    records = [{"segmentation": {"size": [*SIZE], "counts": encode(m)}} for m in masks]
    (source / "a.json").write_text(json.dumps(records), encoding="utf-8")
    assert import_one(source / "a.json", out).regions == 2
    assert np.array_equal(masks_in(out / "a.json"), masks)


def test_lists_of_runs_become_text_and_the_rest_stays(source: Path, out: Path) -> None:
    mask = expected_masks()[0]
    record = {
        "segmentation": {"size": [*SIZE], "counts": coco_runs(mask)},
        "area": 12,
        "bbox": [1, 1, 4, 3],
        "predicted_iou": 0.97,
    }
    (source / "a.json").write_text(json.dumps([record]), encoding="utf-8")
    import_one(source / "a.json", out)
    (found,) = json.loads((out / "a.json").read_text(encoding="utf-8"))
    assert found == {**record, "segmentation": {"size": [*SIZE], "counts": coco_counts(mask)}}


# ---------------------------------------------------------------------------------- encodings


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_an_encoding_comes_over_exactly(source: Path, out: Path, dtype: Any) -> None:
    encoding = np.random.default_rng(0).normal(size=SIZE).astype(dtype)
    np.save(source / "a.npy", encoding)
    step = import_one(source / "a.npy", out)
    assert step.job.target == out / "a.npz"
    found = read_encoding(out / "a.npz", out, SIZE, "image").numpy()
    assert np.array_equal(found, encoding.astype(np.float32))


@pytest.mark.parametrize("shape", [(1, *SIZE), (*SIZE, 1), (1, 1, *SIZE)], ids=str)
def test_an_encoding_may_have_axes_of_length_one(
    source: Path, out: Path, shape: tuple[int, ...]
) -> None:
    encoding = np.random.default_rng(0).normal(size=SIZE).astype(np.float32)
    np.save(source / "a.npy", encoding.reshape(shape))
    import_one(source / "a.npy", out)
    assert np.array_equal(read_encoding(out / "a.npz", out, SIZE, "image").numpy(), encoding)


def test_an_imported_encoding_has_no_region_norm(source: Path, out: Path) -> None:
    np.save(source / "a.npy", np.zeros(SIZE, dtype=np.float32))
    import_one(source / "a.npy", out)
    with pytest.raises(InputError, match="image norm only"):
        read_encoding(out / "a.npz", out, SIZE, "region")


# ------------------------------------------------------------------------------------- labels


def colours() -> Image.Image:
    """The labels 1 and 7 as colours that differ in one channel each."""
    table = np.zeros((8, 3), dtype=np.uint8)
    table[1], table[7] = (3, 0, 0), (3, 0, 1)
    return Image.fromarray(table[label_map()])


def palette() -> Image.Image:
    image = Image.fromarray(label_map()).convert("P")
    # Two entries of one colour: the index is the label, not the colour.
    image.putpalette([200, 10, 10] * 8)
    return image


def with_alpha(image: Image.Image) -> Image.Image:
    image.putalpha(255)
    return image


MAPS: dict[str, Image.Image] = {
    "8-bit": Image.fromarray(label_map()),
    "16-bit": Image.fromarray(label_map().astype(np.uint16) * 4000),
    "palette": palette(),
    "rgb": colours(),
    "rgb-alpha": with_alpha(colours()),
    "gray-alpha": with_alpha(Image.fromarray(label_map())),
}


@pytest.mark.parametrize("image", MAPS.values(), ids=MAPS)
def test_a_png_of_labels_gives_its_regions_without_0(
    source: Path, out: Path, image: Image.Image
) -> None:
    image.save(source / "a.png")
    assert import_one(source / "a.png", out).regions == 2
    assert np.array_equal(masks_in(out / "a.json"), expected_masks())


def test_a_png_of_two_levels_gives_one_region(source: Path, out: Path) -> None:
    Image.fromarray(label_map() > 0).save(source / "a.png")
    import_one(source / "a.png", out)
    assert np.array_equal(masks_in(out / "a.json"), label_map()[None] > 0)


def test_records_of_a_png_have_area_and_box(source: Path, out: Path) -> None:
    Image.fromarray(label_map()).save(source / "a.png")
    import_one(source / "a.png", out)
    found = json.loads((out / "a.json").read_text(encoding="utf-8"))
    assert [(r["area"], r["bbox"]) for r in found] == [(12, [1, 1, 4, 3]), (8, [5, 4, 4, 2])]


def test_a_photo_is_no_map_of_labels(source: Path, out: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (160, 160, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(source / "a.png")
    step = import_one(source / "a.png", out)
    assert "this is a picture" in str(step.error)
    assert not (out / "a.json").exists()


# --------------------------------------------------------------------------------------- BSDS


def save_bsds(path: Path, *maps: np.ndarray) -> Path:
    """Write as BSDS500 does: a cell row of 1x1 structs, one a person."""
    cells = np.empty((1, len(maps)), dtype=object)
    for index, labels in enumerate(maps):
        kinds = [("Segmentation", object), ("Boundaries", object)]
        person = np.empty((1, 1), dtype=kinds)
        person["Segmentation"][0, 0] = labels.astype(np.uint16)
        person["Boundaries"][0, 0] = np.zeros(labels.shape, dtype=np.uint8)
        cells[0, index] = person
    savemat(path, {"groundTruth": cells})
    return path


def test_the_finest_of_a_bsds_file_is_taken(source: Path, out: Path) -> None:
    coarse, fine = np.ones(SIZE), label_map() + 1
    path = save_bsds(source / "a.mat", coarse, fine, np.where(fine > 1, 2, 1))
    assert import_one(path, out).regions == 3
    expected = np.stack([fine == label for label in (1, 2, 8)])
    assert np.array_equal(masks_in(out / "a.json"), expected)


def test_a_bsds_file_of_one_person_is_read(source: Path, out: Path) -> None:
    assert import_one(save_bsds(source / "a.mat", label_map() + 1), out).regions == 3


# ------------------------------------------------------------------------------------- folders


def test_the_tree_is_mirrored(source: Path, out: Path) -> None:
    (source / "sub").mkdir()
    for name in ("a.png", "sub/a.png", "sub/b.PNG"):
        Image.fromarray(label_map()).save(source / name)
    run(source, out)
    names = sorted(p.relative_to(out).as_posix() for p in out.rglob("*.json"))
    assert names == ["a.json", "sub/a.json", "sub/b.json"]


def test_manifests_and_hidden_files_are_left_alone(source: Path) -> None:
    for name in ("manifest.json", "._a.png", ".samsr-x.part.json", "read.txt", "a.png"):
        (source / name).touch()
    assert find_foreign(source, Path("elsewhere")) == [source / "a.png"]


def test_of_two_files_for_one_photo_the_second_is_told(source: Path, out: Path) -> None:
    record = {"segmentation": {"size": [*SIZE], "counts": coco_counts(expected_masks()[1])}}
    (source / "a.json").write_text(json.dumps([record]), encoding="utf-8")
    Image.fromarray(label_map()).save(source / "a.png")
    first, second = run(source, out)
    assert first.error is None
    assert "a.png: left out, a.json is for the same photo" in str(second.error)
    assert np.array_equal(masks_in(out / "a.json"), expected_masks()[1:])


def test_a_folder_with_nothing_to_import_is_an_input_error(source: Path) -> None:
    (source / "photo.jpg").touch()
    with pytest.raises(InputError, match="nothing to import") as caught:
        find_foreign(source, Path("elsewhere"))
    assert caught.value.hint == ".json, .mat, .npy, .png are read"


def test_a_folder_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gone: not a folder"):
        find_foreign(tmp_path / "gone", Path("elsewhere"))


def test_a_file_in_the_place_of_a_folder_is_told(source: Path, out: Path) -> None:
    (source / "sub").mkdir()
    Image.fromarray(label_map()).save(source / "sub/a.png")
    out.mkdir()
    (out / "sub").touch()
    (step,) = run(source, out)
    assert "cannot be a folder" in str(step.error)


# ------------------------------------------------------------------------------------- damage


def damage_cut_png(path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 9, (99, 99), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-400])


def damage_jpeg_named_png(path: Path) -> None:
    Image.fromarray(label_map()).save(path, format="JPEG")


def damage_cut_npy(path: Path) -> None:
    np.save(path, np.zeros(SIZE))
    path.write_bytes(path.read_bytes()[:-8])


def damage_infinite(path: Path) -> None:
    np.save(path, np.full(SIZE, np.inf))


def damage_one_axis(path: Path) -> None:
    np.save(path, np.zeros(9))


def damage_text_array(path: Path) -> None:
    np.save(path, np.full(SIZE, "a"))


def damage_pickle(path: Path) -> None:
    np.save(path, np.array([[None]]), allow_pickle=True)


def damage_archive(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04" + bytes(99))


def damage_empty(path: Path) -> None:
    path.touch()


def damage_json(path: Path) -> None:
    path.write_text("[{", encoding="utf-8")


def damage_runs(path: Path) -> None:
    record = {"segmentation": {"size": [*SIZE], "counts": "5"}}
    path.write_text(json.dumps([record]), encoding="utf-8")


def damage_vast(path: Path) -> None:
    record = {"segmentation": {"size": [10**8, 10**8], "counts": [10**16]}}
    path.write_text(json.dumps([record]), encoding="utf-8")


def damage_other_mat(path: Path) -> None:
    savemat(path, {"something": np.zeros(3)})


def damage_deep_mat(path: Path) -> None:
    save_bsds(path, np.ones((*SIZE, 2)))


def damage_cut_mat(path: Path) -> None:
    save_bsds(path, label_map())
    path.write_bytes(path.read_bytes()[:-90])


DAMAGES = {
    "cut-png": ("a.png", damage_cut_png),
    "jpeg-named-png": ("a.png", damage_jpeg_named_png),
    "empty-png": ("a.png", damage_empty),
    "cut-npy": ("a.npy", damage_cut_npy),
    "infinite-npy": ("a.npy", damage_infinite),
    "npy-of-one-axis": ("a.npy", damage_one_axis),
    "npy-of-text": ("a.npy", damage_text_array),
    "npy-of-objects": ("a.npy", damage_pickle),
    "npy-that-is-an-archive": ("a.npy", damage_archive),
    "empty-npy": ("a.npy", damage_empty),
    "cut-json": ("a.json", damage_json),
    "runs-too-short": ("a.json", damage_runs),
    "size-out-of-all-proportion": ("a.json", damage_vast),
    "mat-of-something-else": ("a.mat", damage_other_mat),
    "mat-of-three-axes": ("a.mat", damage_deep_mat),
    "cut-mat": ("a.mat", damage_cut_mat),
    "empty-mat": ("a.mat", damage_empty),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named_and_the_others_come_over(
    source: Path, out: Path, damage: str
) -> None:
    name, make = DAMAGES[damage]
    make(source / name)
    Image.fromarray(label_map()).save(source / "z.png")
    bad, good = run(source, out)
    assert isinstance(bad.error, InputError)
    assert name in str(bad.error)
    assert good.error is None
    assert [p.name for p in out.iterdir()] == ["z.json"]
