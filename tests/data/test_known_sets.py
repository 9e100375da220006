"""Sets are found by name, and only their training photos are taken."""

from pathlib import Path

import pytest

from sam_diffsr_cli.data.known_sets import KNOWN_SETS, find_data
from sam_diffsr_cli.errors import InputError


def test_a_folder_is_itself(tmp_path: Path) -> None:
    assert find_data(tmp_path) == tmp_path


@pytest.mark.parametrize(("name", "inside"), KNOWN_SETS.items())
def test_a_folder_laid_out_as_a_set_gives_its_training_photos(
    name: str, inside: str, tmp_path: Path
) -> None:
    for folder in (inside, "DIV2K_valid_HR", "LR_bicubic"):
        (tmp_path / name / folder).mkdir(parents=True)
    assert find_data(tmp_path / name) == tmp_path / name / inside


@pytest.mark.parametrize("depth", ["DIV2K/DIV2K_train_HR", "DIV2K_train_HR"])
def test_a_name_is_looked_up(depth: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMSR_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path.parent)
    (tmp_path / depth).mkdir(parents=True)
    assert find_data(Path("DIV2K")) == tmp_path / depth


@pytest.mark.parametrize("root", [True, False], ids=["empty root", "no root"])
def test_a_set_that_is_not_there_names_the_variable(
    root: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SAMSR_DATA", raising=False)
    if root:
        monkeypatch.setenv("SAMSR_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="DIV2K: not found") as caught:
        find_data(Path("DIV2K"))
    assert "SAMSR_DATA" in (caught.value.hint or "")


def test_another_name_is_not_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a folder"):
        find_data(tmp_path / "gone")
