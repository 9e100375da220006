"""Matched pictures are checked and measured before they are shown."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from sam_diffsr_cli.comparison.measuring import (
    check_picture,
    check_sizes,
    make_picture,
    mean_rows,
)
from sam_diffsr_cli.comparison.records import MetricRow
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures.xmp import with_record
from tests.comparison.samples import panels, pixels


def save(path: Path, content: np.ndarray, record: str = "") -> Path:
    path = path.with_suffix(".webp")
    options: dict[str, Any] = {"lossless": True, "exact": True}
    if record:
        options["xmp"] = with_record(None, record)
    Image.fromarray(content).save(path, **options)
    return path


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    made = panels(0)
    return {label: save(tmp_path / label, made[label]) for label in ("default", "truth")}


def test_numbers_are_those_of_the_truth(files: dict[str, Path]) -> None:
    (row,) = check_picture("cat", files, 4).rows
    made = {label: content[4:-4, 4:-4] for label, content in panels(0).items()}
    expected = peak_signal_noise_ratio(made["truth"], made["default"], data_range=255)
    assert (row.method, row.picture) == ("default", "cat")
    assert row.values["PSNR-RGB"] == pytest.approx(expected)
    assert row.values["PSNR-Y"] > row.values["PSNR-RGB"]
    assert 0.5 < row.values["SSIM-Y"] < 1


def test_without_a_truth_nothing_is_measured(files: dict[str, Path]) -> None:
    del files["truth"]
    assert check_picture("cat", files, 4).rows == ()


def test_a_picture_too_small_to_measure_has_no_values(tmp_path: Path) -> None:
    small = {label: save(tmp_path / label, pixels(0)[:9, :9]) for label in ("a", "truth")}
    (row,) = check_picture("cat", small, 4).rows
    assert row.values == {}


def test_a_truth_that_is_a_little_larger_is_cut(tmp_path: Path, files: dict[str, Path]) -> None:
    larger = np.pad(panels(0)["truth"], ((0, 3), (0, 15), (0, 0)))
    wide = files | {"truth": save(tmp_path / "larger", larger)}
    check_sizes(wide)
    assert check_picture("cat", wide, 4).rows == check_picture("cat", files, 4).rows
    shown = make_picture("cat", wide).panels["truth"]
    np.testing.assert_array_equal(np.asarray(shown), panels(0)["truth"])


@pytest.mark.parametrize(
    ("label", "size"),
    [("truth", (144, 192)), ("truth", (127, 192)), ("other", (129, 192)), ("other", (128, 96))],
)
def test_sizes_that_differ_are_refused_by_both_names(
    tmp_path: Path, files: dict[str, Path], label: str, size: tuple[int, int]
) -> None:
    files[label] = save(tmp_path / "odd", np.zeros((*size, 3), dtype=np.uint8))
    with pytest.raises(InputError, match=rf"odd\.webp has {size[1]}x{size[0]} .*default\.webp"):
        check_sizes(files)


def test_what_cannot_be_read_is_not_a_matter_of_size(
    tmp_path: Path, files: dict[str, Path]
) -> None:
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(b"no picture")
    check_sizes({"damaged": damaged, **files})


def test_a_damaged_file_is_named(files: dict[str, Path]) -> None:
    whole = files["default"].read_bytes()
    files["default"].write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"default\.webp"):
        check_picture("cat", files, 4)


def test_what_made_a_file_is_read_from_it(tmp_path: Path, files: dict[str, Path]) -> None:
    record = '{"tool":"samsr 0.1.0","sha256":"3856","steps":6}'
    files["default"] = save(tmp_path / "told", pixels(0), record)
    assert check_picture("cat", files, 4).made_by == {
        "default": "tool samsr 0.1.0, sha256 3856, steps 6"
    }


@pytest.mark.parametrize("record", ["by hand", '["by", "hand"]'])
def test_a_record_of_another_kind_is_told_as_it_is(
    tmp_path: Path, files: dict[str, Path], record: str
) -> None:
    files["default"] = save(tmp_path / "told", pixels(0), record)
    assert check_picture("cat", files, 4).made_by == {"default": record}


def test_means_are_over_the_pictures_that_have_a_value() -> None:
    rows = [
        MetricRow("a", "cat", {"PSNR-Y": 20.0, "SSIM-Y": 0.5}),
        MetricRow("a", "dog", {"PSNR-Y": 30.0}),
        MetricRow("b", "cat", {"PSNR-Y": math.inf}),
        MetricRow("c", "cat", {}),
    ]
    found = list(mean_rows(rows, ["a", "b", "c"]))
    assert found == [
        MetricRow("a", None, {"PSNR-Y": 25.0, "SSIM-Y": 0.5}),
        MetricRow("b", None, {"PSNR-Y": math.inf}),
    ]
