"""``samsr masks``: what each subcommand writes, prints and exits with."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco
from scipy.io import savemat
from typer.testing import CliRunner

from sam_diffsr_cli.choices import MaskNorm
from sam_diffsr_cli.cli.app import app
from sam_diffsr_cli.cli.masks import masks_app
from sam_diffsr_cli.masks.encoding import read_encoding
from tests.halting import Halt
from tests.helpers import PATIENCE_S, Ran
from tests.helpers import samsr as run_samsr
from tests.masks.samples import rectangle, save_masks

samsr = partial(run_samsr, "masks")
SUBCOMMANDS = ("build", "import", "show", "stats", "verify")
SIZE = (48, 64)
LIGHT = ("--segmenter", "felzenszwalb", "--region-scale", "50", "--least-area", "20")

Content = dict[str, bytes | None]


def build(folder: Path, *more: str, out: str = "masks") -> Ran:
    return samsr("build", "--data", folder / "photos", "--out", folder / out, *LIGHT, *more)


def start(
    folder: Path, *more: str, out: str = "masks", halt: Halt | None = None
) -> "subprocess.Popen[str]":
    """Start ``masks build`` as a process of its own."""
    named = ["--data", str(folder / "photos"), "--out", str(folder / out)]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "sam_diffsr_cli", "masks", "build", *named, *LIGHT, *more],
        text=True,
        env=os.environ | (halt.environment() if halt else {}),
        **pipes,
    )


def blocks(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A photo of coloured blocks with a little noise: several regions."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 230, (3, 4, 3))
    rows, columns = (np.arange(n) * k // n for n, k in zip(size, (3, 4), strict=True))
    noise = rng.integers(0, 20, (*size, 3))
    return np.asarray(coarse[rows][:, columns] + noise, dtype=np.uint8)


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


NAMES = ("a.jpg", "a.png", "b.png", "sub/a.png", "sub/c.webp", "sub/deep/d.png")
MASK_NAMES = ["a.jpg.json", "a.png.json", "b.json", "sub/a.json", "sub/c.json", "sub/deep/d.json"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Holds ``photos``, a small tree with a shared stem."""
    for seed, name in enumerate(NAMES):
        save(tmp_path / "photos" / name, blocks(seed))
    return tmp_path


def content(folder: Path) -> Content:
    """Read a whole tree, hidden files too; folders are None."""
    return {
        path.relative_to(folder).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }


def mask_names(folder: Path) -> list[str]:
    names = (p.relative_to(folder).as_posix() for p in folder.rglob("*.json"))
    return sorted(name for name in names if name != "manifest.json")


def stamps(folder: Path) -> dict[Path, tuple[int, int]]:
    return {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in folder.rglob("*.json")}


def coco_mask(record: dict[str, Any]) -> np.ndarray:
    """Decode a record without the code under test."""
    segmentation = record["segmentation"]
    found = coco.decode({**segmentation, "counts": segmentation["counts"].encode()})
    return np.asarray(found, dtype=bool)


# --------------------------------------------------------------------------------------- help


def test_every_subcommand_is_listed_here() -> None:
    assert sorted(c.name or "" for c in masks_app.registered_commands) == sorted(SUBCOMMANDS)


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_a_subcommand_has_help_with_an_example(name: str) -> None:
    result = CliRunner().invoke(app, ["masks", name, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert f"Example: samsr masks {name}" in result.stdout


# -------------------------------------------------------------------------------------- build


def test_build_mirrors_the_tree_and_keeps_shared_stems_apart(folder: Path) -> None:
    result = build(folder)
    assert result.exit_code == 0, result.stderr
    assert mask_names(folder / "masks") == MASK_NAMES


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools
def test_built_regions_cover_each_photo_once(folder: Path) -> None:
    build(folder)
    for name in MASK_NAMES:
        records = json.loads((folder / "masks" / name).read_text(encoding="utf-8"))
        assert len(records) > 3
        masks = np.stack([coco_mask(record) for record in records])
        assert (masks.sum(axis=0) == 1).all()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools
def test_built_records_tell_area_and_box(folder: Path) -> None:
    build(folder)
    for record in json.loads((folder / "masks/b.json").read_text(encoding="utf-8")):
        mask = coco_mask(record)
        y, x = np.nonzero(mask)
        left, top = int(x.min()), int(y.min())
        box = [left, top, int(x.max()) - left + 1, int(y.max()) - top + 1]
        assert (record["area"], record["bbox"]) == (int(mask.sum()), box)
        assert record["segmentation"]["size"] == [*SIZE]


def test_the_manifest_says_that_these_are_not_masks_of_sam(folder: Path) -> None:
    build(folder)
    manifest = json.loads((folder / "masks/manifest.json").read_text(encoding="utf-8"))
    assert manifest["made_by"] == {
        "segmenter": "felzenszwalb",
        "is_sam": False,
        "region_scale": 50.0,
        "sigma": 0.8,
        "least_area": 20,
    }


def test_other_options_are_refused_and_change_nothing(folder: Path) -> None:
    build(folder)
    before = content(folder / "masks")
    result = build(folder, "--sigma", "1.5")
    assert result.exit_code == 4
    assert "other options (sigma)" in result.stderr
    assert content(folder / "masks") == before


def test_masks_of_unknown_origin_are_refused(folder: Path) -> None:
    save_masks(folder / "masks/b.json", rectangle(slice(3), slice(3), SIZE))
    result = build(folder)
    assert result.exit_code == 4
    assert "choose an empty --out" in result.stderr


def test_a_second_run_does_nothing_again(folder: Path) -> None:
    build(folder)
    before = stamps(folder / "masks")
    result = build(folder)
    assert result.exit_code == 0
    assert stamps(folder / "masks") == before
    assert "0 photos to segment, 6 are there already" in result.stderr


def test_a_later_run_does_what_is_missing_only(folder: Path) -> None:
    build(folder)
    whole = content(folder / "masks")
    (folder / "masks/sub/a.json").unlink()
    before = stamps(folder / "masks")
    build(folder)
    after = stamps(folder / "masks")
    assert content(folder / "masks") == whole
    assert {path: after[path] for path in before} == before


def test_masks_may_lie_among_the_photos(folder: Path) -> None:
    for _ in range(2):
        assert build(folder, out="photos/masks").exit_code == 0
    assert mask_names(folder / "photos/masks") == MASK_NAMES


def test_what_killed_runs_left_is_removed(folder: Path) -> None:
    build(folder)
    whole = content(folder / "masks")
    for place in ("", "sub", "sub/deep"):
        (folder / "masks" / place / ".samsr-x.part.json").write_text("[")
    assert build(folder).exit_code == 0
    assert content(folder / "masks") == whole


def test_a_run_killed_before_its_manifest_was_whole_does_not_block_the_next(folder: Path) -> None:
    (folder / "masks").mkdir()
    (folder / "masks/.samsr-x.part.json").write_text("{")
    assert build(folder).exit_code == 0
    assert mask_names(folder / "masks") == MASK_NAMES


@pytest.mark.slow
def test_a_run_killed_twice_and_resumed_equals_an_unbroken_one(tmp_path: Path) -> None:
    for seed in range(8):
        save(tmp_path / f"photos/{'sub/' * (seed % 2)}{seed}.png", blocks(seed, (300, 400)))
    assert build(tmp_path, out="whole").exit_code == 0
    for count in (2, 4):
        halt = Halt(tmp_path / "halt", tmp_path / "masks", count, pattern="*.json")
        process = start(tmp_path, halt=halt)
        halt.wait(process)
        process.kill()
        process.communicate()
    there = stamps(tmp_path / "masks")
    assert build(tmp_path).exit_code == 0
    assert content(tmp_path / "masks") == content(tmp_path / "whole")
    after = stamps(tmp_path / "masks")
    finished = [path for path in there if not path.name.startswith(".")]
    assert {path: after[path] for path in finished} == {path: there[path] for path in finished}


def test_shards_together_equal_one_run_and_do_no_photo_twice(folder: Path) -> None:
    build(folder, out="whole")
    counts = []
    for index in (2, 1, 3):
        before = stamps(folder / "masks")
        result = build(folder, "--shard", f"{index}/3", "--json")
        assert result.exit_code == 0, result.stderr
        counts.append(json.loads(result.stdout)["count"])
        after = stamps(folder / "masks")
        assert {path: after[path] for path in before} == before
        new = {p.name for p in after.keys() - before.keys()} - {"manifest.json"}
        assert len(new) == counts[-1]
    assert counts == [2, 2, 2]
    assert content(folder / "masks") == content(folder / "whole")


@pytest.mark.parametrize("text", ["2", "a/b", "0/3", "4/3", ""])
def test_a_bad_shard_is_an_input_error(folder: Path, text: str) -> None:
    result = build(folder, "--shard", text)
    assert result.exit_code == 3
    assert f"--shard {text}" in result.stderr
    assert not (folder / "masks").exists()


@pytest.mark.slow
def test_two_workers_equal_one_process(folder: Path) -> None:
    build(folder, out="whole")
    process = start(folder, "--workers", "2")
    printed, told = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, printed) == (0, ""), told
    assert content(folder / "masks") == content(folder / "whole")
    assert "6 photos done" in told


@pytest.mark.slow
def test_workers_tell_together_what_failed(folder: Path) -> None:
    (folder / "photos/b.png").write_bytes(b"no picture")
    result = build(folder, "--workers=2", "--json")
    assert result.exit_code == 6
    document = json.loads(result.stdout)
    assert (document["count"], document["already_there"]) == (6, 0)
    assert [entry["photo"] for entry in document["failed"]] == [str(folder / "photos/b.png")]
    assert document["megapixels"] == pytest.approx(5 * SIZE[0] * SIZE[1] / 1e6, abs=2e-3)
    assert mask_names(folder / "masks") == [name for name in MASK_NAMES if name != "b.json"]


@pytest.mark.slow
@pytest.mark.parametrize("missing", [(), ("sub/a.json",)], ids=["all there", "one missing"])
def test_workers_refuse_other_options(folder: Path, missing: tuple[str, ...]) -> None:
    build(folder)
    for name in missing:
        (folder / "masks" / name).unlink()
    (folder / "masks/failures.txt").write_text("of an earlier run\n", encoding="utf-8")
    before = content(folder / "masks")
    result = build(folder, "--workers", "2", "--sigma", "1.5")
    assert (result.exit_code, result.stdout) == (4, "")
    assert "other options (sigma)" in result.stderr
    assert content(folder / "masks") == before


def test_a_corrupt_photo_is_told_and_the_others_are_done(folder: Path) -> None:
    good = (folder / "photos/b.png").read_bytes()
    (folder / "photos/b.png").write_bytes(good[: len(good) // 2])
    result = build(folder)
    assert result.exit_code == 6
    assert "b.png" in result.stderr
    assert mask_names(folder / "masks") == [name for name in MASK_NAMES if name != "b.json"]
    lines = (folder / "masks/failures.txt").read_text(encoding="utf-8").splitlines()
    assert [line.split("\t")[0] for line in lines] == [str(folder / "photos/b.png")]
    (folder / "photos/b.png").write_bytes(good)
    assert build(folder).exit_code == 0
    assert mask_names(folder / "masks") == MASK_NAMES
    assert not (folder / "masks/failures.txt").exists()


def test_a_folder_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    result = build(tmp_path)
    assert result.exit_code == 3
    assert "photos: not a folder" in result.stderr


def test_an_empty_folder_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    result = build(tmp_path)
    assert result.exit_code == 3
    assert "photos: no pictures" in result.stderr
    assert not (tmp_path / "masks").exists()


def test_build_prints_one_document(folder: Path) -> None:
    result = build(folder, "--json")
    document = json.loads(result.stdout)
    assert document.pop("seconds") > 0
    regions = sum(
        len(json.loads((folder / "masks" / name).read_text(encoding="utf-8")))
        for name in MASK_NAMES
    )
    assert document == {
        "samsr": 1,
        "count": 6,
        "already_there": 0,
        "failed": [],
        "regions": regions,
        "megapixels": round(6 * SIZE[0] * SIZE[1] / 1e6, 3),
    }


def test_build_prints_one_document_also_when_photos_fail(folder: Path) -> None:
    (folder / "photos/b.png").write_bytes(b"no picture")
    result = build(folder, "--json")
    assert result.exit_code == 6
    (failed,) = json.loads(result.stdout)["failed"]
    assert failed["photo"] == str(folder / "photos/b.png")
    assert "b.png" in failed["error"]


def test_a_refused_build_prints_one_document(folder: Path) -> None:
    result = build(folder, "--json", "--shard", "5/2")
    assert json.loads(result.stdout)["exit_code"] == result.exit_code == 3


# ------------------------------------------------------------------------------------- import


def label_map() -> np.ndarray:
    labels = np.zeros(SIZE, dtype=np.uint8)
    labels[5:20, 5:30] = 1
    labels[25:40, 20:60] = 9
    return labels


def save_foreign(folder: Path) -> Path:
    """One file of each kind that is read."""
    folder.mkdir(exist_ok=True)
    save_masks(folder / "records.json", rectangle(slice(9), slice(9), SIZE))
    np.save(folder / "encoding.npy", np.linspace(-1, 1, SIZE[0] * SIZE[1]).reshape(SIZE))
    save(folder / "labels.png", label_map())
    person = np.empty((1, 1), dtype=[("Segmentation", object), ("Boundaries", object)])
    person["Segmentation"][0, 0] = label_map() + 1
    person["Boundaries"][0, 0] = label_map() * 0
    cells = np.empty((1, 1), dtype=object)
    cells[0, 0] = person
    savemat(folder / "bsds.mat", {"groundTruth": cells})
    return folder


def test_masks_of_every_kind_serve_after_import(tmp_path: Path) -> None:
    source = save_foreign(tmp_path / "source")
    result = samsr("import", source, "--out", tmp_path / "masks")
    assert result.exit_code == 0, result.stderr
    for name in ("records", "encoding", "labels", "bsds"):
        save(tmp_path / f"photos/{name}.png", blocks(0))
    verified = samsr("verify", "--data", tmp_path / "photos", "--masks", tmp_path / "masks")
    assert verified.exit_code == 0, verified.stderr


def test_imported_masks_are_not_mixed_with_built_ones(folder: Path) -> None:
    samsr("import", save_foreign(folder / "source"), "--out", folder / "masks")
    assert build(folder).exit_code == 4
    build(folder, out="built")
    assert samsr("import", folder / "source", "--out", folder / "built").exit_code == 4


def test_an_import_may_be_repeated(tmp_path: Path) -> None:
    source = save_foreign(tmp_path / "source")
    samsr("import", source, "--out", tmp_path / "masks")
    before = content(tmp_path / "masks")
    assert samsr("import", source, "--out", tmp_path / "masks").exit_code == 0
    names = [name for name in before if not name.endswith(".npz")]
    after = content(tmp_path / "masks")
    assert {n: after[n] for n in names} == {n: before[n] for n in names}
    assert after.keys() == before.keys()


def test_damaged_files_are_told_and_the_others_come_over(tmp_path: Path) -> None:
    source = save_foreign(tmp_path / "source")
    (source / "cut.json").write_text("[{", encoding="utf-8")
    (source / "cut.png").write_bytes((source / "labels.png").read_bytes()[:50])
    result = samsr("import", source, "--out", tmp_path / "masks")
    assert result.exit_code == 6
    assert "cut.json" in result.stderr
    assert "cut.png" in result.stderr
    assert mask_names(tmp_path / "masks") == ["bsds.json", "labels.json", "records.json"]
    assert (tmp_path / "masks/encoding.npz").is_file()


def test_a_folder_with_nothing_to_import_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source/a.txt").touch()
    result = samsr("import", tmp_path / "source", "--out", tmp_path / "masks")
    assert result.exit_code == 3
    assert "nothing to import" in result.stderr
    assert not (tmp_path / "masks").exists()


# --------------------------------------------------------------------------------------- show


@pytest.fixture
def shown(tmp_path: Path) -> Path:
    """Holds a dark photo with one region and its masks."""
    save(tmp_path / "photos/sub/a.png", np.full((*SIZE, 3), 40, dtype=np.uint8))
    save_masks(tmp_path / "masks/sub/a.json", rectangle(slice(10, 30), slice(20, 50), SIZE))
    return tmp_path


def show(folder: Path, *more: str | Path) -> Ran:
    named = ("--masks", folder / "masks", "--data", folder / "photos")
    return samsr("show", folder / "photos/sub/a.png", *named, *more)


def test_show_draws_regions_at_the_left_and_the_encoding_at_the_right(shown: Path) -> None:
    result = show(shown, "--out", shown / "a-masks.png")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.strip() == str(shown / "a-masks.png")
    height, width = SIZE
    with Image.open(shown / "a-masks.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    assert pixels.shape == (height, 2 * width + 8, 3)
    mask = rectangle(slice(10, 30), slice(20, 50), SIZE)
    is_drawn = (pixels[:, :width] != 40).any(axis=2)
    assert is_drawn[mask].all()
    assert not is_drawn[~rectangle(slice(10, 31), slice(20, 51), SIZE)].any()
    is_encoded = (pixels[:, -width:] != 128).any(axis=2)
    assert np.array_equal(is_encoded, mask)


@pytest.mark.parametrize("norm", ["image", "region"])
def test_show_draws_the_norm_asked_for(shown: Path, norm: MaskNorm) -> None:
    # Two regions of different shares: the ratio of their values tells the norm.
    path = save_masks(
        shown / "masks/sub/a.json",
        rectangle(slice(40), slice(60), SIZE),
        rectangle(slice(4), slice(4), SIZE),
    )
    show(shown, "--mask-norm", norm, "--out", shown / "a-masks.png")
    encoding = read_encoding(path, shown / "masks", SIZE, norm).numpy()
    with Image.open(shown / "a-masks.png") as image:
        drawn = np.asarray(image.convert("RGB")).astype(float)[:, -SIZE[1] :]
    strength = np.abs(drawn - 128).max(axis=2)
    expected = np.sqrt(abs(encoding[0, 0]) / np.abs(encoding).max())
    assert strength[0, 0] / strength.max() == pytest.approx(expected, abs=0.02)


def test_show_without_out_prints_blocks_without_escape_codes(shown: Path) -> None:
    result = show(shown)
    assert result.exit_code == 0, result.stderr
    assert "\u2580" in result.stdout
    assert "\x1b" not in result.stdout
    assert len({len(line) for line in result.stdout.splitlines()}) == 1


def test_show_takes_the_folder_of_the_photo_when_none_is_named(shown: Path) -> None:
    save(shown / "photos/a.png", blocks(0))
    save_masks(shown / "masks/a.json", rectangle(slice(3), slice(3), SIZE))
    result = samsr(
        "show", shown / "photos/a.png", "--masks", shown / "masks", "--out", shown / "x.png"
    )
    assert result.exit_code == 0, result.stderr
    assert (shown / "x.png").is_file()


def test_show_draws_an_encoding_without_regions(shown: Path) -> None:
    (shown / "masks/sub/a.json").unlink()
    (shown / "source/sub").mkdir(parents=True)
    np.save(shown / "source/sub/a.npy", np.ones(SIZE))
    samsr("import", shown / "source", "--out", shown / "more")
    named = ("--masks", shown / "more", "--data", shown / "photos", "--out", shown / "x.png")
    assert samsr("show", shown / "photos/sub/a.png", *named).exit_code == 0
    with Image.open(shown / "x.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    assert (pixels[:, : SIZE[1]] == 40).all()
    assert (pixels[:, -SIZE[1] :] != 128).all()


def test_a_photo_without_masks_is_an_input_error_with_a_hint(shown: Path) -> None:
    (shown / "masks/sub/a.json").unlink()
    result = show(shown)
    assert result.exit_code == 3
    assert "has no masks" in result.stderr
    assert "samsr masks build" in result.stderr


def test_a_photo_outside_the_folder_is_an_input_error(shown: Path) -> None:
    photo = save(shown / "a.png", blocks(0))
    result = samsr("show", photo, "--masks", shown / "masks", "--data", shown / "photos")
    assert result.exit_code == 3
    assert "does not lie in" in result.stderr


def test_a_picture_of_masks_is_a_png(shown: Path) -> None:
    result = show(shown, "--out", shown / "a.jpg")
    assert result.exit_code == 3
    assert "a.jpg: a picture of masks is a .png" in result.stderr


def test_a_photo_that_is_not_there_is_an_input_error(shown: Path) -> None:
    (shown / "photos/sub/a.png").unlink()
    assert show(shown).exit_code == 3


# -------------------------------------------------------------------------------------- stats


def save_counted(folder: Path) -> Path:
    """Files of 2, 1 and 0 regions on 10x20 photos."""
    size = (10, 20)
    save_masks(
        folder / "a.json",
        rectangle(slice(None), slice(0, 10), size),
        rectangle(slice(0, 5), slice(8, 18), size),
    )
    save_masks(folder / "sub/b.json", rectangle(slice(0, 1), slice(0, 1), size))
    save_masks(folder / "c.json")
    return folder


def test_stats_count_regions_and_coverage(tmp_path: Path) -> None:
    result = samsr("stats", "--masks", save_counted(tmp_path), "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    coverage, overlap = document.pop("coverage"), document.pop("overlap")
    assert coverage == pytest.approx((140 / 200 + 1 / 200 + 0) / 3)
    assert overlap == pytest.approx((10 / 200) / 3)
    assert document == {
        "samsr": 1,
        "files": 3,
        "regions": 3,
        "fewest": 0,
        "median": 1.0,
        "most": 2,
        "shares": [0.0001, 0.001, 0.01, 0.1, 1.0],
        "histogram": [0, 0, 1, 0, 2],
    }


def test_stats_are_printed_for_people(tmp_path: Path) -> None:
    lines = samsr("stats", "--masks", save_counted(tmp_path)).stdout.splitlines()
    assert [line.split() for line in lines[:4]] == [
        ["files", "3"],
        ["regions", "3"],
        ["regions", "per", "photo", "0", "to", "2,", "median", "1"],
        ["covered", "23.5", "%,", "twice", "1.7", "%"],
    ]
    assert [line.split()[7] for line in lines[4:]] == ["0", "0", "1", "0", "2"]


@pytest.mark.parametrize("more", [(), ("--json",)], ids=["text", "json"])
def test_stats_leave_damaged_files_out_and_say_so(tmp_path: Path, more: tuple[str, ...]) -> None:
    (save_counted(tmp_path) / "bad.json").write_text("[{", encoding="utf-8")
    result = samsr("stats", "--masks", tmp_path, *more)
    assert result.exit_code == 6
    assert "bad.json" in result.stderr
    assert "1 of 4 mask files are damaged" in result.stderr
    if more:
        assert json.loads(result.stdout)["files"] == 3


def test_stats_of_damaged_files_only_are_one_document(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("[{", encoding="utf-8")
    result = samsr("stats", "--masks", tmp_path, "--json")
    assert json.loads(result.stdout)["exit_code"] == result.exit_code == 6


def test_stats_of_a_folder_without_masks_are_an_input_error(tmp_path: Path) -> None:
    result = samsr("stats", "--masks", tmp_path)
    assert result.exit_code == 3
    assert "holds no mask files" in result.stderr


# ------------------------------------------------------------------------------------- verify


def verify(folder: Path) -> Ran:
    return samsr("verify", "--data", folder / "photos", "--masks", folder / "masks")


def test_built_masks_are_found_good(folder: Path) -> None:
    build(folder)
    result = verify(folder)
    assert result.exit_code == 0, result.stderr
    assert "6 photos, all with masks" in result.stderr


def test_verify_names_each_photo_that_has_no_usable_masks(folder: Path) -> None:
    build(folder)
    (folder / "masks/a.jpg.json").unlink()
    save_masks(folder / "masks/a.png.json", rectangle(slice(3), slice(3), SIZE[::-1]))
    (folder / "masks/b.json").write_text("[{", encoding="utf-8")
    save_masks(folder / "masks/sub/c.json")
    result = verify(folder)
    assert result.exit_code == 6
    assert "4 of 6 photos have no usable masks" in result.stderr
    for name in (
        "photos/a.jpg: has",
        "masks/a.png.json: masks are",
        "b.json: not",
        "c.json: holds",
    ):
        assert name in result.stderr
    assert "d.json" not in result.stderr


def test_verify_of_no_photos_is_an_input_error(tmp_path: Path) -> None:
    for name in ("photos", "masks"):
        (tmp_path / name).mkdir()
    result = verify(tmp_path)
    assert result.exit_code == 3
    assert "no pictures" in result.stderr


def test_verify_of_a_folder_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    assert verify(tmp_path).exit_code == 3
