"""Folders give up their pictures: all of them, in order, and no loop is entered."""

import os
from pathlib import Path

import pytest

from sam_diffsr_cli.pictures.finding import find_pictures

NAMES = (
    "b.png", "a.JPG", "c.tiff", "d.webp", "notes.txt", ".hidden.png", "sub/z.png", "sub/a.gif",
    ".cache/x.png", "sub/.old/y.png", "folder.png/inner.avif", "sub/deeper/w.bmp",
)  # fmt: skip


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in NAMES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def found(folder: Path, *, recursive: bool = True, leave_out: Path | None = None) -> list[str]:
    paths = find_pictures(folder, recursive=recursive, leave_out=leave_out)
    return [path.relative_to(folder).as_posix() for path in paths]


def test_one_folder_is_listed_by_name_without_hidden_files_and_folders(tree: Path) -> None:
    assert found(tree, recursive=False) == ["a.JPG", "b.png", "c.tiff", "d.webp"]


def test_the_folders_below_follow_by_name_without_hidden_ones(tree: Path) -> None:
    assert found(tree) == [
        "a.JPG", "b.png", "c.tiff", "d.webp", "folder.png/inner.avif", "sub/a.gif", "sub/z.png",
        "sub/deeper/w.bmp",
    ]  # fmt: skip


def test_a_folder_named_as_a_picture_is_no_picture(tree: Path) -> None:
    assert "folder.png" not in found(tree, recursive=False)


def test_a_hidden_folder_that_is_named_outright_is_searched(tree: Path) -> None:
    assert found(tree / ".cache") == ["x.png"]


def test_the_folder_left_out_is_not_entered(tree: Path) -> None:
    assert not [name for name in found(tree, leave_out=tree / "sub") if name.startswith("sub")]


def test_a_folder_left_out_is_known_by_any_path_to_it(tree: Path) -> None:
    roundabout = tree / "folder.png" / ".." / "sub"
    assert found(tree, leave_out=roundabout) == found(tree, leave_out=tree / "sub")


def test_leaving_out_the_folder_itself_leaves_out_nothing(tree: Path) -> None:
    assert found(tree, leave_out=tree) == found(tree)


def test_a_folder_to_leave_out_need_not_exist(tree: Path) -> None:
    assert found(tree, leave_out=tree / "not there") == found(tree)


def test_a_link_to_a_file_is_followed(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "picture.bin"
    elsewhere.touch()
    (tree / "link.png").symlink_to(elsewhere)
    assert "link.png" in found(tree)


def test_a_link_to_a_folder_is_not_entered(
    tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "far.png").touch()
    (tree / "link").symlink_to(elsewhere, target_is_directory=True)
    assert "link/far.png" not in found(tree)


def test_a_loop_of_links_ends(tree: Path) -> None:
    before = found(tree)
    (tree / "sub" / "again").symlink_to(tree, target_is_directory=True)
    assert found(tree) == before


def test_an_empty_folder_has_no_pictures(tmp_path: Path) -> None:
    assert found(tmp_path) == []


def test_paths_begin_with_the_folder_as_it_was_given(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree)
    assert list(find_pictures(Path("sub"), recursive=False)) == [
        Path("sub/a.gif"), Path("sub/z.png"),
    ]  # fmt: skip


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no FIFOs")
def test_a_fifo_is_listed_without_being_opened(tree: Path) -> None:
    os.mkfifo(tree / "pipe.png")
    assert "pipe.png" in found(tree, recursive=False)
