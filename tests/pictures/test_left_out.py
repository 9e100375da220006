"""What a folder holds and is not taken is counted by its kind, with the reason."""

import os
from pathlib import Path

import pytest

from sam_diffsr_cli.batch.sources import gather_sources
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures.finding import find_pictures
from sam_diffsr_cli.pictures.left_out import LeftOut
from tests.pictures.samples import levels, saved

JPEG = saved(levels(4, 4, 3), "JPEG")
CANON = b"II*\0\x10\0\0\0CR\2\0" + bytes(32)


def put(folder: Path, **files: bytes) -> Path:
    for name, data in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def counts(
    folder: Path, *, recursive: bool = True, leave_out: Path | None = None
) -> dict[str, int]:
    left_out = LeftOut()
    list(find_pictures(folder, recursive=recursive, leave_out=leave_out, left_out=left_out))
    return {name: count for (name, _), count in left_out.counts.items()}


def test_kinds_are_told_by_the_first_bytes(tmp_path: Path) -> None:
    put(tmp_path, a_jpg=JPEG, b_CR2=CANON, c_dat=CANON, d_psd=b"8BPS\0\1")
    assert counts(tmp_path) == {
        "a raw photo (CR2 of Canon)": 2,
        "a Photoshop document (PSD)": 1,
    }


def test_a_picture_without_its_suffix_is_counted_by_its_kind(tmp_path: Path) -> None:
    assert counts(put(tmp_path, noext=JPEG)) == {"JPEG": 1}


def test_a_name_tells_the_kind_where_the_bytes_do_not(tmp_path: Path) -> None:
    put(tmp_path, a_NEF=b"short", b_dng=b"x", c_psd=b"x")
    assert counts(tmp_path) == {"a raw photo": 2, "PSD": 1}


def test_files_of_a_store_are_counted_by_their_names() -> None:
    left_out = LeftOut()
    for suffix in (".heic", ".CR2", ".txt"):
        left_out.add_name(suffix)
    assert {name for name, _ in left_out.counts} == {"HEIC", "a raw photo", "txt files"}


def test_an_mpo_is_a_picture(tmp_path: Path) -> None:
    put(tmp_path, a_mpo=JPEG)
    assert [path.name for path in find_pictures(tmp_path, recursive=False)] == ["a.mpo"]


def test_other_files_are_counted_by_their_suffix(tmp_path: Path) -> None:
    assert counts(put(tmp_path, a_txt=b"x", b_TXT=b"y", c=b"z")) == {"txt files": 2, "files": 1}


def test_pictures_below_a_folder_that_is_not_entered_are_counted(tmp_path: Path) -> None:
    put(tmp_path, a_jpg=JPEG, sub__b_jpg=JPEG, sub__c_txt=b"x", sub__deep__d_png=b"x")
    assert counts(tmp_path, recursive=False) == {"pictures": 2}
    assert counts(tmp_path) == {"txt files": 1}


def test_the_folder_that_is_not_searched_is_not_counted(tmp_path: Path) -> None:
    put(tmp_path, a_jpg=JPEG, out__b_jpg=JPEG, out__c_txt=b"x")
    assert counts(tmp_path, recursive=False, leave_out=tmp_path / "out") == {}


def test_hidden_pictures_are_counted_but_are_no_failure(tmp_path: Path) -> None:
    (tmp_path / ".a.jpg").write_bytes(JPEG)
    (tmp_path / ".notes").write_bytes(b"x")
    left_out = LeftOut()
    list(find_pictures(tmp_path, recursive=True, left_out=left_out))
    assert left_out.line() == "left out of folders: pictures: 1 (hidden; name them outright)"
    assert left_out.pictures == 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are none")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert counts(tmp_path) == {"files": 1}


def test_a_link_to_a_folder_is_counted(tmp_path: Path) -> None:
    put(tmp_path, a_jpg=JPEG, sub__b_jpg=JPEG)
    (tmp_path / "link").symlink_to(tmp_path / "sub")
    assert counts(tmp_path) == {"links": 1}


def test_the_line_names_counts_kinds_and_reasons(tmp_path: Path) -> None:
    put(tmp_path, a_jpg=JPEG, b_CR2=CANON, c_txt=b"x", noext=JPEG, _d_jpg=JPEG)
    left_out = LeftOut()
    gather_sources([str(tmp_path)], recursive=False, leave_out=None, left_out=left_out)
    # What nothing is to be done about comes last.
    assert left_out.line() == (
        "left out of folders: JPEG: 1 (not called as pictures are; name them outright, or rename "
        "them), raw photo (CR2 of Canon): 1 (develop it first, and give the TIFF or PNG; a raw "
        "photo is no picture yet), pictures: 1 (hidden; name them outright), txt files: 1 (no "
        "pictures, as far as is known)"
    )
    assert left_out.pictures == 2


def test_nothing_left_out_is_nothing_to_say(tmp_path: Path) -> None:
    left_out = LeftOut()
    gather_sources(
        [str(put(tmp_path, a_jpg=JPEG))], recursive=False, leave_out=None, left_out=left_out
    )
    assert left_out.line() is None


def test_a_folder_without_pictures_says_what_it_holds(tmp_path: Path) -> None:
    put(tmp_path, b_CR2=CANON)
    with pytest.raises(InputError, match="no pictures") as caught:
        gather_sources([str(tmp_path)], recursive=False, leave_out=None)
    assert "raw photo (CR2 of Canon): 1" in str(caught.value.hint)
