"""Sets are found by name, and only their training photos are taken."""

from pathlib import Path

import pytest
from PIL import Image

from sam_diffsr_cli.data.known_sets import (
    DIV2K,
    FLICKR2K,
    KNOWN_SETS,
    KnownSet,
    MissingSetError,
    data_root,
    find_data,
    find_one,
)
from sam_diffsr_cli.errors import InputError

SINGLE = [DIV2K, FLICKR2K]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable is set, and there is nothing in the working directory."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    monkeypatch.delenv("SAMSR_DATA", raising=False)


def add_photo(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(folder / "0001.png")
    return folder


def test_the_names_are_those_in_use() -> None:
    assert {name: [s.name for s in sets] for name, sets in KNOWN_SETS.items()} == {
        "DIV2K": ["DIV2K"],
        "Flickr2K": ["Flickr2K"],
        "DF2K": ["DIV2K", "Flickr2K"],
    }


@pytest.mark.parametrize("known", SINGLE, ids=lambda known: known.name)
def test_a_set_has_an_address_and_a_digest_of_full_length(known: KnownSet) -> None:
    algorithm, _, digits = known.source.digest.partition(":")
    assert known.source.url.startswith("https://")
    assert (algorithm, len(bytes.fromhex(digits))) == ("md5", 16)
    assert "research" in known.terms


def test_a_folder_is_itself(tmp_path: Path) -> None:
    assert find_data(str(tmp_path), None) == (tmp_path,)


@pytest.mark.parametrize("known", SINGLE, ids=lambda known: known.name)
def test_a_folder_laid_out_as_a_set_gives_its_training_photos(
    known: KnownSet, tmp_path: Path
) -> None:
    for folder in (known.folder, "DIV2K_valid_HR", "LR_bicubic"):
        add_photo(tmp_path / "somewhere" / folder)
    place = tmp_path / "somewhere"
    assert find_data(str(place), None) == (place / known.folder,)


def test_a_folder_laid_out_as_both_sets_gives_both(tmp_path: Path) -> None:
    inner = [add_photo(tmp_path / "all" / known.folder) for known in SINGLE]
    assert find_data(str(tmp_path / "all"), None) == tuple(inner)


@pytest.mark.parametrize("name", ["DIV2K", "div2k", "Div2k"])
@pytest.mark.parametrize("depth", ["DIV2K/DIV2K_train_HR", "DIV2K_train_HR"])
def test_a_name_is_looked_up_in_any_case_of_letters(name: str, depth: str, tmp_path: Path) -> None:
    place = add_photo(tmp_path / depth)
    assert find_data(name, tmp_path) == (place,)


def test_a_name_is_looked_up_where_the_variable_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = add_photo(tmp_path / "DIV2K_train_HR")
    monkeypatch.setenv("SAMSR_DATA", str(tmp_path))
    assert find_data("DIV2K", None) == (place,)


def test_a_root_that_is_given_goes_before_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = add_photo(tmp_path / "given" / "DIV2K_train_HR")
    add_photo(tmp_path / "named" / "DIV2K_train_HR")
    monkeypatch.setenv("SAMSR_DATA", str(tmp_path / "named"))
    assert data_root(tmp_path / "given") == tmp_path / "given"
    assert find_data("DIV2K", tmp_path / "given") == (place,)


@pytest.mark.parametrize("parent", ["", "DF2K", "{name}"])
def test_both_sets_are_found_by_their_common_name(parent: str, tmp_path: Path) -> None:
    places = [add_photo(tmp_path / parent.format(name=s.name) / s.folder) for s in SINGLE]
    assert find_data("DF2K", tmp_path) == tuple(places)


def test_the_folder_of_both_is_not_that_of_one(tmp_path: Path) -> None:
    add_photo(tmp_path / "DF2K" / "Flickr2K_HR")
    with pytest.raises(MissingSetError):
        find_data("Flickr2K", tmp_path)


def test_one_set_of_two_that_is_not_there_is_told(tmp_path: Path) -> None:
    add_photo(tmp_path / "DIV2K_train_HR")
    with pytest.raises(MissingSetError, match=r"^Flickr2K: not found") as caught:
        find_data("DF2K", tmp_path)
    assert caught.value.missing == (FLICKR2K,)


def test_a_set_without_a_picture_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "DIV2K" / "DIV2K_train_HR").mkdir(parents=True)
    (tmp_path / "DIV2K" / "DIV2K_train_HR" / "readme.txt").touch()
    with pytest.raises(MissingSetError):
        find_data("DIV2K", tmp_path)


@pytest.mark.parametrize("root", [True, False], ids=["empty root", "no root"])
def test_a_set_that_is_not_there_names_what_to_do(root: bool, tmp_path: Path) -> None:
    with pytest.raises(MissingSetError, match="DIV2K: not found") as caught:
        find_data("DIV2K", tmp_path if root else None)
    assert (str(tmp_path) if root else "SAMSR_DATA is not set") in str(caught.value)
    for way in ("SAMSR_DATA", "DIV2K/DIV2K_train_HR", "--download"):
        assert way in (caught.value.hint or "")


def test_a_folder_of_photos_with_the_name_of_a_set_goes_before_the_root(tmp_path: Path) -> None:
    add_photo(tmp_path / "DIV2K_train_HR")
    add_photo(Path("DIV2K"))
    assert find_data("DIV2K", tmp_path) == (Path("DIV2K"),)


@pytest.mark.parametrize("name", KNOWN_SETS)
def test_a_set_in_the_working_directory_goes_before_the_root(name: str, tmp_path: Path) -> None:
    for known in KNOWN_SETS[name]:
        add_photo(tmp_path / known.folder)
        add_photo(Path(name) / known.folder)
    assert find_data(name, tmp_path) == tuple(Path(name) / s.folder for s in KNOWN_SETS[name])


def test_an_unfinished_download_in_the_working_directory_is_no_set() -> None:
    add_photo(Path("DIV2K") / ".DIV2K_train_HR.part")
    with pytest.raises(MissingSetError):
        find_data("DIV2K", Path())


def test_validation_photos_alone_are_no_set() -> None:
    add_photo(Path("DIV2K") / "DIV2K_valid_HR")
    with pytest.raises(MissingSetError):
        find_data("DIV2K", Path())


def test_another_name_is_told_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not a folder.*DIV2K, Flickr2K, DF2K"):
        find_data(str(tmp_path / "gone"), None)


def test_where_one_folder_is_wanted_several_are_told(tmp_path: Path) -> None:
    places = [add_photo(tmp_path / known.folder) for known in SINGLE]
    with pytest.raises(InputError, match="one is taken at a time") as caught:
        find_one("DF2K", tmp_path)
    assert all(f"--data {place}" in (caught.value.hint or "") for place in places)
    assert find_one("Flickr2K", tmp_path) == places[1]
