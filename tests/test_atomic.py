"""A file is written whole or not at all, and nothing is left beside it."""

import errno
import os
import stat
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from sam_diffsr_cli.atomic import atomic_path, remove_leftovers, try_lock
from sam_diffsr_cli.errors import InputError, ResourceError


class _StoppedError(Exception):
    """Something that goes wrong while writing."""


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_was_written_takes_the_place_of_the_path(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "a.txt").read_text() == "new"
    assert listing(tmp_path) == ["a.txt"]


def test_an_old_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old, and longer")
    with atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "a.txt").read_text() == "new"


def test_the_old_file_is_there_until_the_new_one_is_whole(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")
    with atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
        assert (tmp_path / "a.txt").read_text() == "old"


def test_the_temporary_file_is_hidden_beside_the_path_with_its_suffix(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a.png") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".")
        assert temporary.suffix == ".png"


def test_two_writers_do_not_share_a_temporary_file(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a.txt") as one, atomic_path(tmp_path / "a.txt") as other:
        assert one != other


@pytest.mark.parametrize("failure", [_StoppedError, KeyboardInterrupt, OSError])
def test_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, failure: type[BaseException]
) -> None:
    (tmp_path / "a.txt").write_text("old")

    def write_half() -> None:
        with atomic_path(tmp_path / "a.txt") as temporary:
            temporary.write_text("half")
            raise failure

    with pytest.raises(failure):
        write_half()
    assert (tmp_path / "a.txt").read_text() == "old"
    assert listing(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT], ids=["disk", "quota"])
def test_a_full_disk_is_a_resource_error_and_leaves_nothing(tmp_path: Path, code: int) -> None:
    with (
        pytest.raises(ResourceError, match=r"a\.txt: no space left"),
        atomic_path(tmp_path / "a.txt"),
    ):
        raise OSError(code, os.strerror(code))
    assert listing(tmp_path) == []


def test_another_system_error_is_not_called_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="broken") as caught, atomic_path(tmp_path / "a.txt"):
        raise OSError(errno.EIO, "broken")
    assert caught.value.errno == errno.EIO


def test_a_missing_folder_is_an_input_error_with_the_name(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"gone.a\.txt: cannot write here"),
        atomic_path(tmp_path / "gone" / "a.txt"),
    ):
        pass
    assert listing(tmp_path) == []


def test_permissions_are_those_of_an_ordinary_new_file(tmp_path: Path) -> None:
    (tmp_path / "ordinary.txt").touch()
    with atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
    ordinary, written = (
        stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ordinary.txt", "a.txt")
    )
    assert written == ordinary


def test_the_umask_is_as_it_was(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with atomic_path(tmp_path / "a.txt") as temporary:
            temporary.write_text("new")
        assert os.umask(0o027) == 0o027
        assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640
    finally:
        os.umask(before)


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "x.png").mkdir()
    with pytest.raises(InputError, match="is a folder"), atomic_path(tmp_path / "x.png"):
        pytest.fail("the body must not run")
    assert [p.name for p in tmp_path.iterdir()] == ["x.png"]


def test_another_run_that_clears_up_does_not_take_what_is_about_to_get_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def clear_then_replace(temporary: Path, path: Path) -> Path:
        assert remove_leftovers(tmp_path) == 0
        return replace(temporary, path)

    monkeypatch.setattr(Path, "replace", clear_then_replace)
    with atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_file_that_is_taken_for_a_leftover_as_it_is_made_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that begins removes the file of another before that has locked it."""
    make = tempfile.mkstemp
    removed: list[int] = []

    def make_for_another(*args: Any, **options: Any) -> tuple[int, str]:
        made = make(*args, **options)
        if not removed:
            removed.append(remove_leftovers(tmp_path))
        return made

    monkeypatch.setattr(tempfile, "mkstemp", make_for_another)
    with atomic_path(tmp_path / "a.txt") as temporary:
        assert remove_leftovers(tmp_path) == 0
        # Not made by writing.
        with temporary.open("r+b") as file:
            file.write(b"whole")
    assert removed == [1]
    assert (tmp_path / "a.txt").read_text() == "whole"
    assert listing(tmp_path) == ["a.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be removed there")
def test_a_leftover_is_locked_until_it_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".samsr-x.part.txt").touch()
    unlink = Path.unlink
    lockable: list[bool] = []

    def look_then_unlink(path: Path, **options: Any) -> None:
        if path.exists():
            with path.open("rb") as file:
                lockable.append(try_lock(file.fileno()))
        unlink(path, **options)

    monkeypatch.setattr(Path, "unlink", look_then_unlink)
    assert remove_leftovers(tmp_path) == 1
    assert lockable == [False]
    assert listing(tmp_path) == []


def test_a_folder_where_nothing_stays_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = tempfile.mkstemp

    def make_and_lose(*args: Any, **options: Any) -> tuple[int, str]:
        handle, name = make(*args, **options)
        Path(name).unlink()
        return handle, name

    monkeypatch.setattr(tempfile, "mkstemp", make_and_lose)
    with (
        pytest.raises(InputError, match=r"a\.txt: cannot write here \(.*removed at once"),
        atomic_path(tmp_path / "a.txt"),
    ):
        pass
