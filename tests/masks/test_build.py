"""Building masks: which file is whose, how it was made, and what became of each photo."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sam_diffsr_cli.errors import ConfigError, InputError
from sam_diffsr_cli.masks.build import (
    BuildStep,
    MaskJob,
    Shard,
    build_masks,
    open_manifest,
    plan_masks,
    read_manifest,
    write_failures,
)
from sam_diffsr_cli.masks.regions import read_masks
from sam_diffsr_cli.masks.segmenters import Felzenszwalb, label_records
from sam_diffsr_cli.masks.store import find_mask_file, read_records
from sam_diffsr_cli.masks.work import MaskOptions, plan_build, start_build
from sam_diffsr_cli.pictures.records import Limits

SIZE = (24, 31)
KIND = {"segmenter": "halves", "options": 1}


class Halves:
    """Cuts a photo into its left and its right half."""

    description: dict[str, Any] = KIND

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def segment(self, pixels: np.ndarray) -> list[dict[str, Any]]:
        self.seen.append(pixels)
        labels = np.zeros(pixels.shape[:2], dtype=int)
        labels[:, pixels.shape[1] // 2 :] = 1
        return label_records(labels)


def save(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def planned(folder: Path) -> dict[str, str]:
    jobs = plan_masks(folder / "photos", folder / "masks")
    return {
        j.photo.relative_to(folder / "photos").as_posix(): j.target.relative_to(
            folder / "masks"
        ).as_posix()
        for j in jobs
    }


# ---------------------------------------------------------------------------------- segmenters


@pytest.mark.parametrize("size", [(40, 61), (1, 1), (1, 9), (2, 2), (9, 1)], ids=str)
def test_felzenszwalb_cuts_the_whole_photo_into_regions(
    size: tuple[int, int], tmp_path: Path
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    records = Felzenszwalb(region_scale=20, least_area=5).segment(pixels)
    (tmp_path / "a.json").write_text(json.dumps(records), encoding="utf-8")
    masks = read_masks(tmp_path / "a.json", size).numpy()
    assert (masks.sum(axis=0) == 1).all()


def test_felzenszwalb_finds_a_bright_square() -> None:
    pixels = np.zeros((40, 60, 3), dtype=np.uint8)
    pixels[10:30, 20:50] = 255
    records = Felzenszwalb(sigma=0).segment(pixels)
    assert [(r["area"], r["bbox"]) for r in records] == [
        (1800, [0, 0, 60, 40]),
        (600, [20, 10, 30, 20]),
    ]


def test_felzenszwalb_says_that_it_is_not_sam() -> None:
    assert Felzenszwalb(sigma=1.5).description == {
        "segmenter": "felzenszwalb",
        "is_sam": False,
        "region_scale": 300.0,
        "sigma": 1.5,
        "least_area": 200,
    }


@settings(deadline=None)
@given(
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    seed=st.integers(0, 1000),
    skip=st.sampled_from([None, 0, 3]),
)
def test_records_of_labels_tell_area_and_box(
    height: int, width: int, seed: int, skip: int | None
) -> None:
    labels = np.random.default_rng(seed).integers(-1, 4, (height, width))
    found = label_records(labels, skip)
    expected = []
    for value in set(labels.ravel().tolist()) - {skip}:
        y, x = np.nonzero(labels == value)
        box = [min(x), min(y), max(x) - min(x) + 1, max(y) - min(y) + 1]
        expected.append((len(y), [int(n) for n in box]))
    assert sorted((r["area"], r["bbox"]) for r in found) == sorted(expected)
    assert [r["area"] for r in found] == sorted((r["area"] for r in found), reverse=True)


# --------------------------------------------------------------------------------------- plan


def test_mask_files_mirror_the_tree_of_photos(tmp_path: Path) -> None:
    touch(tmp_path / "photos", "b.JPG", "sub/a.png", "sub/deep/a.webp", "note.txt", ".hidden.png")
    assert planned(tmp_path) == {
        "b.JPG": "b.json",
        "sub/a.png": "sub/a.json",
        "sub/deep/a.webp": "sub/deep/a.json",
    }


def test_photos_that_share_a_stem_have_their_whole_names(tmp_path: Path) -> None:
    touch(tmp_path / "photos", "a.jpg", "a.png", "b.png", "sub/a.png")
    assert planned(tmp_path) == {
        "a.jpg": "a.jpg.json",
        "a.png": "a.png.json",
        "b.png": "b.json",
        "sub/a.png": "sub/a.json",
    }


NAMES = ["a.jpg", "a.png", "a.jpg.png", "a.jpg.jpg", "a.png.jpg", "b.png"]


@given(names=st.sets(st.sampled_from(NAMES), min_size=1))
@settings(deadline=None)
def test_every_photo_finds_the_file_that_is_planned_for_it(
    names: set[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("names")
    touch(folder / "photos", *names)
    jobs = plan_masks(folder / "photos", folder / "masks")
    (folder / "masks").mkdir()
    for job in jobs:
        job.target.touch(exist_ok=False)
    found = [find_mask_file(j.photo, folder / "photos", folder / "masks") for j in jobs]
    assert found == [j.target for j in jobs]


def test_a_folder_of_masks_among_the_photos_is_not_entered(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "masks/b.png")
    jobs = plan_masks(tmp_path, tmp_path / "masks")
    assert [job.photo for job in jobs] == [tmp_path / "a.png"]


def test_a_folder_without_photos_is_an_input_error(tmp_path: Path) -> None:
    touch(tmp_path, "a.txt")
    with pytest.raises(InputError, match="no pictures"):
        plan_masks(tmp_path, tmp_path / "masks")


def test_a_folder_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gone: not a folder"):
        plan_masks(tmp_path / "gone", tmp_path / "masks")


# -------------------------------------------------------------------------------------- shards


@pytest.mark.parametrize("text", ["1/1", "2/8", "8/8"])
def test_a_shard_is_read(text: str) -> None:
    shard = Shard.parse(text)
    assert f"{shard.index}/{shard.count}" == text


@pytest.mark.parametrize(
    "text", ["", "1", "/", "1/", "/2", "a/b", "1/2/3", "-1/2", "1.5/2", "1 / 2"]
)
def test_other_text_is_no_shard(text: str) -> None:
    with pytest.raises(InputError, match="expected i/n, as in 2/8"):
        Shard.parse(text)


@pytest.mark.parametrize("text", ["0/2", "3/2", "0/0", "1/0"])
def test_a_shard_out_of_range_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=f"--shard {text}: allowed are 1/N to N/N"):
        Shard.parse(text)


# ------------------------------------------------------------------------------------ manifest


def test_the_manifest_says_how_masks_were_made(tmp_path: Path) -> None:
    open_manifest(tmp_path / "masks", KIND)
    found = read_manifest(tmp_path / "masks")
    assert found.pop("tool").startswith("samsr ")
    assert found == {"samsr_masks": 1, "made_by": KIND}


def test_the_manifest_of_the_same_options_is_left_as_it_is(tmp_path: Path) -> None:
    open_manifest(tmp_path, KIND)
    before = (tmp_path / "manifest.json").stat()
    touch(tmp_path, "a.json")
    open_manifest(tmp_path, dict(KIND))
    after = (tmp_path / "manifest.json").stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)


def test_other_options_are_refused_and_named(tmp_path: Path) -> None:
    open_manifest(tmp_path, KIND)
    with pytest.raises(ConfigError, match=r"other options \(new, options\)"):
        open_manifest(tmp_path, {"segmenter": "halves", "options": 2, "new": 1})


@pytest.mark.parametrize("name", ["a.json", "sub/a.json"])
def test_masks_of_unknown_origin_are_not_mixed_with(tmp_path: Path, name: str) -> None:
    touch(tmp_path, name)
    with pytest.raises(ConfigError, match=r"without a manifest\.json"):
        open_manifest(tmp_path, KIND)
    assert not (tmp_path / "manifest.json").exists()


def test_what_a_killed_process_left_is_no_mask(tmp_path: Path) -> None:
    touch(tmp_path, ".samsr-x.part.json")
    open_manifest(tmp_path, KIND)
    assert read_manifest(tmp_path)["made_by"] == KIND


def test_masks_that_another_process_makes_meanwhile_are_not_of_unknown_origin(
    tmp_path: Path,
) -> None:
    class Slow(type(tmp_path)):  # type: ignore[misc]
        """A folder into which another process writes just before it is looked into."""

        def rglob(self, pattern: str, **more: Any) -> Any:
            open_manifest(tmp_path, KIND)
            touch(tmp_path, "a.json")
            return super().rglob(pattern, **more)

    open_manifest(Slow(tmp_path), KIND)
    assert read_manifest(tmp_path)["made_by"] == KIND


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "3", '{"samsr_masks": 1}', '{"samsr_masks": 2, "made_by": {}}', "\x00"],
    ids=repr,
)
def test_a_damaged_manifest_is_an_input_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"manifest\.json: damaged"):
        open_manifest(tmp_path, KIND)


def test_a_file_in_the_place_of_the_folder_is_an_input_error(tmp_path: Path) -> None:
    touch(tmp_path, "masks")
    with pytest.raises(InputError, match="masks: cannot be a folder"):
        open_manifest(tmp_path / "masks", KIND)


# ------------------------------------------------------------------------------------ building


def build(folder: Path, segmenter: Halves | None = None) -> list[BuildStep]:
    jobs = plan_masks(folder / "photos", folder / "masks")
    return list(build_masks(jobs, segmenter or Halves(), Limits()))


def test_each_photo_gets_the_regions_of_its_pixels(tmp_path: Path) -> None:
    first, second = save(tmp_path / "photos/a.png", 1), save(tmp_path / "photos/sub/b.png", 2)
    segmenter = Halves()
    steps = build(tmp_path, segmenter)
    for seen, photo in zip(segmenter.seen, (first, second), strict=True):
        assert np.array_equal(seen, np.asarray(Image.open(photo)))
    assert [(step.regions, step.error) for step in steps] == [(2, None), (2, None)]
    masks = read_masks(tmp_path / "masks/sub/b.json", SIZE).numpy()
    # The larger half first, the right one with the middle column.
    assert masks[0, :, 15:].all()
    assert masks[1, :, :15].all()


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "I;16"])
def test_photos_of_any_kind_are_segmented_as_rgb(tmp_path: Path, mode: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    (tmp_path / "photos").mkdir()
    kinds = {"I;16": Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)}
    image = kinds.get(mode) or Image.fromarray(pixels).convert(mode)
    image.save(tmp_path / "photos/a.png")
    segmenter = Halves()
    (step,) = build(tmp_path, segmenter)
    assert step.error is None
    assert [(p.shape, p.dtype.name) for p in segmenter.seen] == [((*SIZE, 3), "uint8")]


def test_a_photo_that_lies_on_its_side_is_segmented_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "photos").mkdir()
    Image.new("RGB", SIZE).save(tmp_path / "photos/a.jpg", exif=exif)
    build(tmp_path)
    (first, *_) = read_records(tmp_path / "masks/a.json")
    assert first["segmentation"]["size"] == [*SIZE]


def test_a_photo_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    touch(tmp_path, "photos/a.png")
    save(tmp_path / "photos/b.png")
    bad, good = build(tmp_path)
    assert isinstance(bad.error, InputError)
    assert good.error is None
    assert [p.name for p in (tmp_path / "masks").iterdir()] == ["b.json"]


def test_a_file_in_the_place_of_a_folder_does_not_stop_the_others(tmp_path: Path) -> None:
    save(tmp_path / "photos/a/x.png")
    save(tmp_path / "photos/b.png")
    touch(tmp_path, "masks/a")
    errors = {step.job.photo.name: step.error for step in build(tmp_path)}
    assert errors["b.png"] is None
    assert "cannot be a folder" in str(errors["x.png"])


# ------------------------------------------------------------------------------------ failures


def steps_of(*names: str) -> list[BuildStep]:
    """Steps that failed, and one that did not."""
    good = BuildStep(MaskJob(Path("good.png"), Path("good.json")), regions=3)
    failed = [
        BuildStep(MaskJob(Path(n), Path(n)), error=InputError(f"{n}: no picture")) for n in names
    ]
    return [good, *failed]


def test_failures_are_listed_with_their_reason(tmp_path: Path) -> None:
    path = write_failures(tmp_path, Shard(), steps_of("a.png", "b.png"))
    assert path == tmp_path / "failures.txt"
    assert path.read_text(encoding="utf-8") == (
        "a.png\ta.png: no picture\nb.png\tb.png: no picture\n"
    )


def test_a_list_of_failures_goes_when_there_are_none(tmp_path: Path) -> None:
    touch(tmp_path, "failures.txt")
    assert write_failures(tmp_path, Shard(), steps_of()) is None
    assert list(tmp_path.iterdir()) == []


def test_each_shard_has_its_own_list_of_failures(tmp_path: Path) -> None:
    write_failures(tmp_path, Shard(1, 2), steps_of("a.png"))
    write_failures(tmp_path, Shard(2, 2), steps_of())
    assert [p.name for p in tmp_path.iterdir()] == ["failures-1-of-2.txt"]


def test_a_whole_run_replaces_the_lists_of_shards(tmp_path: Path) -> None:
    write_failures(tmp_path, Shard(1, 2), steps_of("a.png"))
    write_failures(tmp_path, Shard(), steps_of("b.png"))
    assert [p.name for p in tmp_path.iterdir()] == ["failures.txt"]


def test_a_missing_package_is_told_before_the_first_photo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photos").mkdir()
    for name in ("a", "b"):
        Image.new("RGB", (8, 8)).save(tmp_path / "photos" / f"{name}.png")
    monkeypatch.setitem(sys.modules, "skimage.segmentation", None)
    options = MaskOptions(
        data=str(tmp_path / "photos"), out=tmp_path / "masks", segmenter="felzenszwalb"
    )
    with pytest.raises(ConfigError, match="needs scikit-image") as caught:
        start_build(plan_build(options))
    assert caught.value.hint == "pip install scikit-image"
    assert not (tmp_path / "masks").exists()


SAM_KIND = {"segmenter": "sam", "is_sam": True, "points_per_batch": 64}


def test_the_points_at_a_time_are_part_of_how_masks_are_made(tmp_path: Path) -> None:
    open_manifest(tmp_path, SAM_KIND)
    open_manifest(tmp_path, SAM_KIND)
    with pytest.raises(ConfigError, match=r"other options \(points_per_batch\)"):
        open_manifest(tmp_path, SAM_KIND | {"points_per_batch": 1})


def test_masks_of_a_version_that_did_not_tell_the_points_are_gone_on_with(tmp_path: Path) -> None:
    open_manifest(tmp_path, {"segmenter": "sam", "is_sam": True})
    open_manifest(tmp_path, SAM_KIND)
