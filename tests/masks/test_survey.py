"""Numbers over masks and the check of a folder, against folders made by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.masks.packing import pack_encoding
from sam_diffsr_cli.masks.survey import FileSurvey, summarise, survey_file, verify_photos
from tests.masks.samples import rectangle, save_masks

SIZE = (10, 20)


def save_photo(path: Path, size: tuple[int, int] = SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size[::-1]).save(path)
    return path


def problems(folder: Path) -> dict[str, str]:
    verdicts = verify_photos(folder / "photos", folder / "masks")
    return {v.photo.relative_to(folder / "photos").as_posix(): v.problem for v in verdicts}


# ------------------------------------------------------------------------------------- numbers


def test_a_file_is_surveyed(tmp_path: Path) -> None:
    left, right = (
        rectangle(slice(None), slice(0, 10), SIZE),
        rectangle(slice(0, 5), slice(8, 18), SIZE),
    )
    found = survey_file(save_masks(tmp_path / "a.json", left, right))
    assert found.shares == (0.5, 0.25)
    assert found.coverage == (100 + 50 - 10) / 200
    assert found.overlap == 10 / 200


def test_a_file_without_regions_covers_nothing(tmp_path: Path) -> None:
    assert survey_file(save_masks(tmp_path / "a.json")) == FileSurvey((), 0.0, 0.0)


def test_numbers_add_up_over_files() -> None:
    files = [
        FileSurvey((0.5, 0.00005, 0.0001, 1.0), 1.0, 0.5),
        FileSurvey((0.0005, 0.05), 0.5, 0.0),
        FileSurvey((), 0.0, 0.1),
        FileSurvey((0.005, 0.005, 0.005), 0.1, 0.0),
    ]
    found = summarise(files)
    assert (found.files, found.regions) == (4, 9)
    assert (found.fewest, found.median, found.most) == (0, 2.5, 4)
    assert found.coverage == pytest.approx(0.4)
    assert found.overlap == pytest.approx(0.15)
    # Below a ten-thousandth, a thousandth, a hundredth, a tenth, and the whole.
    assert found.histogram == (2, 1, 3, 1, 2)


def test_numbers_of_a_file_without_regions_are_zero() -> None:
    found = summarise([FileSurvey((), 0.0, 0.0)])
    assert (found.regions, found.histogram) == (0, (0, 0, 0, 0, 0))


@pytest.mark.parametrize("other", [(20, 10), (1, 20), (10, 1)], ids=str)
def test_masks_of_several_sizes_are_an_input_error(tmp_path: Path, other: tuple[int, int]) -> None:
    every = slice(None)
    path = save_masks(
        tmp_path / "a.json", rectangle(every, every, SIZE), rectangle(every, every, other)
    )
    with pytest.raises(InputError, match=r"a\.json: damaged \(masks of several sizes"):
        survey_file(path)


def test_a_size_out_of_all_proportion_is_an_input_error(tmp_path: Path) -> None:
    record = {"segmentation": {"size": [10**8, 10**8], "counts": [10**16]}}
    (tmp_path / "a.json").write_text(json.dumps([record]), encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.json: damaged"):
        survey_file(tmp_path / "a.json")


def test_damaged_runs_are_an_input_error(tmp_path: Path) -> None:
    record = {"segmentation": {"size": [2, 3], "counts": [5]}}
    (tmp_path / "a.json").write_text(json.dumps([record]), encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.json: damaged"):
        survey_file(tmp_path / "a.json")


# ---------------------------------------------------------------------------------- the check


def test_photos_with_masks_of_their_size_have_no_problem(tmp_path: Path) -> None:
    for name in ("b", "sub/a"):
        save_photo(tmp_path / f"photos/{name}.png")
        save_masks(tmp_path / f"masks/{name}.json", rectangle(slice(3), slice(4), SIZE))
    assert problems(tmp_path) == {"b.png": "", "sub/a.png": ""}


def test_a_photo_that_lies_on_its_side_is_measured_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rows are columns
    (tmp_path / "photos").mkdir()
    Image.new("RGB", SIZE).save(tmp_path / "photos/a.jpg", exif=exif)
    upright = rectangle(slice(3), slice(4), (SIZE[0], SIZE[1]))
    save_masks(tmp_path / "masks/a.json", upright)
    assert problems(tmp_path) == {"a.jpg": ""}


def test_each_problem_is_told(tmp_path: Path) -> None:
    for name in ("missing", "size", "corrupt", "runs", "none", "good"):
        save_photo(tmp_path / f"photos/{name}.png")
    region = rectangle(slice(3), slice(4), SIZE)
    save_masks(tmp_path / "masks/good.json", region)
    save_masks(tmp_path / "masks/size.json", region.T)
    save_masks(tmp_path / "masks/none.json")
    (tmp_path / "masks/corrupt.json").write_text("[{", encoding="utf-8")
    record = {"segmentation": {"size": [*SIZE], "counts": [5]}}
    (tmp_path / "masks/runs.json").write_text(json.dumps([record]), encoding="utf-8")
    found = problems(tmp_path)
    assert found.pop("good.png") == ""
    assert "missing.png: has no masks" in found.pop("missing.png")
    assert "size.json: masks are (20, 10), the photo is (10, 20)" in found.pop("size.png")
    assert "corrupt.json: not a list" in found.pop("corrupt.png")
    assert "runs.json: not a list" in found.pop("runs.png")
    assert "none.json: holds no mask" in found.pop("none.png")
    assert not found


def test_a_photo_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.png").write_text("no picture")
    save_masks(tmp_path / "masks/a.json", rectangle(slice(3), slice(4), SIZE))
    assert "a.png" in problems(tmp_path)["a.png"]


def test_ready_made_encodings_are_checked_too(tmp_path: Path) -> None:
    sizes = {"good": SIZE, "size": SIZE[::-1], "corrupt": SIZE}
    (tmp_path / "masks").mkdir()
    for name, size in sizes.items():
        save_photo(tmp_path / f"photos/{name}.png")
        packed = pack_encoding(np.zeros(size, dtype=np.float32), "")
        data = packed[: len(packed) // 2] if name == "corrupt" else packed
        (tmp_path / f"masks/{name}.npz").write_bytes(data)
    found = problems(tmp_path)
    assert found["good.png"] == ""
    assert "size.npz: the encoding is (20, 10), the photo is (10, 20)" in found["size.png"]
    assert "corrupt.npz: not a kept encoding" in found["corrupt.png"]


@pytest.mark.parametrize("gone", ["photos", "masks"])
def test_a_folder_that_is_not_there_is_an_input_error(tmp_path: Path, gone: str) -> None:
    kept = {"photos": "masks", "masks": "photos"}[gone]
    (tmp_path / kept).mkdir()
    with pytest.raises(InputError, match=f"{gone}: not a folder"):
        problems(tmp_path)
