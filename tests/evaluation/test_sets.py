"""Truths are found and cropped as the protocol says; inputs are made, or found by name."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sam_diffsr_cli import resize
from sam_diffsr_cli.errors import InputError, ShapeError
from sam_diffsr_cli.evaluation.protocols import PROTOCOLS, find_protocol
from sam_diffsr_cli.evaluation.sets import ResultFolder, Truth, find_set, read_pair, stamp
from tests.helpers import NINES

STANDARD = find_protocol("standard", 4)


def write(path: Path, height: int, width: int, seed: int = 0) -> np.ndarray:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def truth_of(path: Path) -> Truth:
    return next(t for t in find_set(str(path.parent)).truths if t.path == path)


def named(name: str, *rivals: str) -> Truth:
    """A truth that is not there."""
    return Truth(Path("elsewhere", name), name, f"{Path(name).stem}.png", rivals)


# ------------------------------------------------------------------------------------ protocols


def test_standard_shaves_the_scale_and_samdiffsr_nothing() -> None:
    assert [find_protocol(name, 3).shave for name in PROTOCOLS] == [3, 0]


def test_samdiffsr_gives_inputs_even_sides() -> None:
    assert [find_protocol(name, 4).modulus for name in PROTOCOLS] == [4, 8]


def test_a_shave_of_ones_own_is_in_the_name() -> None:
    own = find_protocol("standard", 4, 7)
    assert own.shave == 7
    assert "shave 7" in own.facts["protocol"]


@pytest.mark.parametrize(("name", "shave"), [("other", None), ("standard", -1)])
def test_what_is_no_protocol_is_refused(name: str, shave: int | None) -> None:
    with pytest.raises(InputError, match=r"--protocol other|--shave -1"):
        find_protocol(name, 4, shave)


# ----------------------------------------------------------------------------------------- sets


def test_a_set_is_a_folder_with_its_subfolders_by_path(tmp_path: Path) -> None:
    for name in ("b.png", "a.png", "sub/c.png"):
        write(tmp_path / "Set" / name, 8, 8)
    found = find_set(str(tmp_path / "Set"))
    assert found.name == "Set"
    assert [truth.picture for truth in found.truths] == ["a.png", "b.png", "sub/c.png"]


def test_the_first_n_are_those_by_name(tmp_path: Path) -> None:
    for name in ("b.png", "a.png", "c.png"):
        write(tmp_path / "Set" / name, 8, 8)
    found = find_set(f"{tmp_path / 'Set'}:2")
    assert found.name == "Set, first 2"
    assert [truth.picture for truth in found.truths] == ["a.png", "b.png"]


def test_a_folder_whose_name_looks_like_a_count_is_itself(tmp_path: Path) -> None:
    write(tmp_path / "Set:2" / "a.png", 8, 8)
    assert find_set(str(tmp_path / "Set:2")).name == "Set:2"


def test_a_set_without_a_name_before_its_equals_sign_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a" / "a.png", 8, 8)
    for count in ("", ":1"):
        with pytest.raises(InputError, match="there is no name before ="):
            find_set(f"={tmp_path / 'a'}{count}")


def test_a_count_of_more_digits_than_any_is_no_count(tmp_path: Path) -> None:
    write(tmp_path / "a" / "a.png", 8, 8)
    with pytest.raises(InputError, match="not a folder"):
        find_set(f"{tmp_path / 'a'}:{NINES}")


@pytest.mark.parametrize("name", ["nothing", "empty"])
def test_a_set_without_pictures_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=f"{name}: (not a folder|no pictures)"):
        find_set(str(tmp_path / name))


# ---------------------------------------------------------------------------------------- pairs


def test_a_truth_is_cropped_top_left_and_its_input_made_from_that(tmp_path: Path) -> None:
    pixels = write(tmp_path / "a.png", 35, 42)
    case = read_pair(truth_of(tmp_path / "a.png"), None, STANDARD, 4)
    assert np.array_equal(case.hr, pixels[:32, :40])
    levels = torch.from_numpy(pixels[:32, :40].copy()).permute(2, 0, 1)[None].double()
    expected = resize.downscale_uint8(levels, 4)[0].permute(1, 2, 0).numpy()
    assert np.array_equal(case.lr, expected)


def test_a_gray_truth_is_read_as_colour(tmp_path: Path) -> None:
    Image.fromarray(np.full((16, 16), 90, np.uint8)).save(tmp_path / "a.png")
    assert read_pair(truth_of(tmp_path / "a.png"), None, STANDARD, 4).hr.shape == (16, 16, 3)


@pytest.mark.parametrize("size", [(8, 10), (9, 11)], ids=["floor", "ceiling"])
def test_a_given_input_is_taken_and_cropped(tmp_path: Path, size: tuple[int, int]) -> None:
    write(tmp_path / "hr" / "a.png", 35, 42)
    given = write(tmp_path / "lr" / "a.png", *size, seed=1)
    case = read_pair(
        truth_of(tmp_path / "hr" / "a.png"), ResultFolder(tmp_path / "lr"), STANDARD, 4
    )
    assert np.array_equal(case.lr, given[:8, :10])


def test_an_input_of_another_scale_is_refused_with_both_sizes(tmp_path: Path) -> None:
    write(tmp_path / "hr" / "a.png", 32, 40)
    write(tmp_path / "lr" / "a.png", 16, 20)
    with pytest.raises(ShapeError, match=r"a\.png: 20x16 is not a 4th of the truth's 40x32"):
        read_pair(truth_of(tmp_path / "hr" / "a.png"), ResultFolder(tmp_path / "lr"), STANDARD, 4)


@pytest.mark.parametrize("name", ["baby.jpg", "baby_x4.png", "babyx4.png", "baby-SR.png"])
def test_a_result_is_found_by_its_beginning(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, 8, 8)
    write(tmp_path / "babylon.png", 8, 8)
    assert ResultFolder(tmp_path).find(named("baby.png")).name == name


def test_the_exact_name_is_preferred(tmp_path: Path) -> None:
    for name in ("baby.png", "baby_old.png"):
        write(tmp_path / name, 8, 8)
    assert ResultFolder(tmp_path).find(named("baby.jpg")).name == "baby.png"


@pytest.mark.parametrize(
    ("names", "words"),
    [(["other.png"], "no picture for baby.png"), (["baby_a.png", "baby_b.png"], "several")],
    ids=["none", "several"],
)
def test_a_result_that_is_not_plain_is_refused(
    tmp_path: Path, names: list[str], words: str
) -> None:
    for name in names:
        write(tmp_path / name, 8, 8)
    with pytest.raises(InputError, match=words):
        ResultFolder(tmp_path).find(named("baby.png"))


def test_a_result_of_a_longer_name_belongs_to_the_truth_of_that_name(tmp_path: Path) -> None:
    write(tmp_path / "hr" / "img.png", 8, 8)
    write(tmp_path / "hr" / "img_1.png", 8, 8)
    write(tmp_path / "sr" / "img_1_x4.png", 8, 8)
    short, long = find_set(str(tmp_path / "hr")).truths
    results = ResultFolder(tmp_path / "sr")
    assert results.find(long).name == "img_1_x4.png"
    with pytest.raises(InputError, match=r"no picture for img\.png"):
        results.find(short)


def test_in_a_tree_the_result_in_the_same_place_is_taken(tmp_path: Path) -> None:
    for folder, suffix in (("hr", "jpg"), ("sr", "png")):
        write(tmp_path / folder / "x" / f"1.{suffix}", 8, 8)
        write(tmp_path / folder / "y" / f"1.{suffix}", 8, 8)
    results = ResultFolder(tmp_path / "sr")
    found = [results.find(truth) for truth in find_set(str(tmp_path / "hr")).truths]
    assert found == [tmp_path / "sr" / "x" / "1.png", tmp_path / "sr" / "y" / "1.png"]


def test_results_of_names_that_differ_in_the_suffix_are_kept_apart(tmp_path: Path) -> None:
    for name in ("cat.png", "cat.bmp", "dog.bmp"):
        write(tmp_path / name, 8, 8)
    outputs = [truth.output for truth in find_set(str(tmp_path)).truths]
    assert outputs == ["cat.bmp.png", "cat.png.png", "dog.png"]


def test_a_set_can_be_given_a_name(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        write(tmp_path / "HR" / name, 8, 8)
    found = find_set(f"Set5={tmp_path / 'HR'}:1")
    assert (found.name, len(found.truths)) == ("Set5", 1)


def test_a_folder_with_an_equals_sign_is_itself(tmp_path: Path) -> None:
    write(tmp_path / "lr=0.1" / "a.png", 8, 8)
    assert find_set(str(tmp_path / "lr=0.1")).name == "lr=0.1"


def test_what_is_left_out_is_no_truth(tmp_path: Path) -> None:
    write(tmp_path / "a.png", 8, 8)
    write(tmp_path / "kept" / "b.png", 8, 8)
    found = find_set(str(tmp_path), tmp_path / "kept")
    assert [truth.picture for truth in found.truths] == ["a.png"]


def test_a_stamp_changes_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write(path, 8, 8)
    first = stamp([path])
    assert stamp([path]) == first
    write(path, 8, 9)
    assert stamp([path]) != first
    with pytest.raises(InputError, match=r"gone\.png: cannot be read"):
        stamp([tmp_path / "gone.png"])
