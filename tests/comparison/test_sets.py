"""Which files belong together, and what they are called."""

from pathlib import Path

import pytest

from sam_diffsr_cli.comparison.sets import Matches, match_sets, open_sets
from sam_diffsr_cli.errors import InputError


def fill(folder: Path, *names: str) -> Path:
    """Make a folder of files that only have names."""
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()
    return folder


def match(*folders: Path, truth: Path | None = None) -> Matches:
    return match_sets(open_sets([str(folder) for folder in folders], truth))


def names_of(matches: Matches) -> dict[str, list[str]]:
    return {name: [p.name for p in files.values()] for name, files in matches.pictures.items()}


def test_pictures_are_matched_by_stem(tmp_path: Path) -> None:
    a = fill(tmp_path / "a", "cat.png", "dog.png", "notes.txt")
    b = fill(tmp_path / "b", "cat.jpg", "dog.webp")
    assert names_of(match(a, b)) == {"cat": ["cat.png", "cat.jpg"], "dog": ["dog.png", "dog.webp"]}


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (("cat.png", "dog.png"), ("cat_x4.png", "dog_x4.png")),
        (("cat.png", "dog.png"), ("sr-cat.png", "sr-dog.png")),
        (("cat_x4.png", "dog_x4.png"), ("cat_x4_bicubic.png", "dog_x4_bicubic.png")),
        (("cat.png", "dog.png"), ("catx4.png", "dogx4.png")),
        (("cat.png",), ("cat_x4.png",)),
        (("cat.png",), ("cat_x4.png", "dog_x4.png")),
        (("cat_LR.png", "cut_LR.png"), ("cat_HR.png", "cut_HR.png")),
    ],
)
def test_what_all_names_of_a_folder_share_is_taken_off(
    tmp_path: Path, left: tuple[str, ...], right: tuple[str, ...]
) -> None:
    matches = match(fill(tmp_path / "a", *left), fill(tmp_path / "b", *right))
    shared = min(len(left), len(right))
    assert list(names_of(matches).values()) == [list(p) for p in zip(left, right, strict=False)]
    assert len(matches.pictures) == shared


def test_names_that_end_alike_by_chance_are_left_whole(tmp_path: Path) -> None:
    # img_001 and img_101 share an end and a start that mean nothing in the other folder.
    a = fill(tmp_path / "a", "img_001.png", "img_101.png")
    b = fill(tmp_path / "b", "img_001_x4.png", "img_101_x4.png", "img_102_x4.png")
    assert list(match(a, b).pictures) == ["img_001", "img_101"]


def test_nothing_is_taken_off_without_need(tmp_path: Path) -> None:
    a = fill(tmp_path / "a", "my_cat.png", "my_dog.png")
    b = fill(tmp_path / "b", "my_cat.png", "my_dog.png")
    assert list(match(a, b).pictures) == ["my_cat", "my_dog"]


def test_what_is_not_in_all_is_told(tmp_path: Path) -> None:
    a = fill(tmp_path / "a", "cat.png", "dog.png")
    b = fill(tmp_path / "b", "cat.png", "fox.png")
    truth = fill(tmp_path / "hr", "cat.png", "dog.png", "fox.png")
    matches = match(a, b, truth=truth)
    assert list(matches.pictures) == ["cat"]
    assert {(label, path.name) for label, path in matches.left_out} == {
        ("a", "dog.png"),
        ("b", "fox.png"),
        ("truth", "dog.png"),
        ("truth", "fox.png"),
    }


def test_no_picture_in_common_is_an_error(tmp_path: Path) -> None:
    a, b = fill(tmp_path / "a", "cat.png", "dog.png"), fill(tmp_path / "b", "fox.png", "owl.png")
    with pytest.raises(InputError, match="no picture is in all of"):
        match(a, b)


def test_single_pictures_are_one_picture_whatever_their_names(tmp_path: Path) -> None:
    folder = fill(tmp_path / "a", "old.png", "new.jpg", "hr.png")
    sets = open_sets([str(folder / "old.png"), str(folder / "new.jpg")], folder / "hr.png")
    matches = match_sets(sets)
    assert [each.label for each in sets] == ["old", "new", "truth"]
    assert names_of(matches) == {"hr": ["old.png", "new.jpg", "hr.png"]}


def test_a_single_picture_is_found_in_a_folder(tmp_path: Path) -> None:
    a = fill(tmp_path / "a", "cat.png", "dog.png")
    b = fill(tmp_path / "b", "dog_x4.png")
    assert list(match(a, b / "dog_x4.png").pictures) == ["dog"]


def test_labels_are_folder_names_or_as_given(tmp_path: Path) -> None:
    a, b = fill(tmp_path / "a", "cat.png"), fill(tmp_path / "b", "cat.png")
    sets = open_sets([str(a), f"my own={b}"], None)
    assert [each.label for each in sets] == ["a", "my own"]


def test_folders_of_one_name_are_told_apart_by_those_above(tmp_path: Path) -> None:
    places = [fill(tmp_path / run / "out", "cat.png") for run in ("one", "two")]
    labels = [each.label for each in open_sets([str(place) for place in places], None)]
    assert labels == ["one/out", "two/out"]


def test_pictures_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    places = [fill(tmp_path / run, "cat.png") / "cat.png" for run in ("one", "two")]
    labels = [each.label for each in open_sets([str(place) for place in places], None)]
    assert labels == ["one/cat", "two/cat"]


def test_a_folder_with_an_equals_sign_is_that_folder(tmp_path: Path) -> None:
    place = fill(tmp_path / "steps=4", "cat.png")
    other = fill(tmp_path / "b", "cat.png")
    assert open_sets([str(place), str(other)], None)[0].label == "steps=4"


@pytest.mark.parametrize("names", [("x={a}", "x={b}"), ("truth={a}", "{b}")])
def test_two_of_one_label_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    a, b = fill(tmp_path / "a", "cat.png"), fill(tmp_path / "b", "cat.png")
    with pytest.raises(InputError, match="are called"):
        open_sets([name.format(a=a, b=b) for name in names], a)


def test_the_same_folder_twice_is_refused(tmp_path: Path) -> None:
    a = fill(tmp_path / "a", "cat.png")
    with pytest.raises(InputError, match="are called 'a'"):
        open_sets([str(a), str(a)], None)


def test_two_files_of_one_stem_are_refused_by_name(tmp_path: Path) -> None:
    a = fill(tmp_path / "a", "cat.png", "cat.jpg")
    with pytest.raises(InputError, match=r"cat\.png and .*cat\.jpg are one picture"):
        open_sets([str(a)], None)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere: no such file or folder"):
        open_sets([str(tmp_path / "nowhere")], None)


def test_a_folder_without_pictures_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a: no pictures in this folder"):
        open_sets([str(fill(tmp_path / "a", "notes.txt"))], None)


@pytest.mark.parametrize(("left", "right"), [("cat_1.png", "cat_2.png"), ("a-cat.png", "cat.png")])
def test_of_a_single_name_nothing_is_taken_off_but_a_scale(
    left: str, right: str, tmp_path: Path
) -> None:
    a, b = fill(tmp_path / "a", left), fill(tmp_path / "b", right)
    with pytest.raises(InputError, match="no picture is in all of"):
        match(a, b)
