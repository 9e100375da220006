"""What names on the command line mean."""

import io
import os
from pathlib import Path

import pytest

from sam_diffsr_cli.batch.sources import Source, gather_sources
from sam_diffsr_cli.errors import InputError
from tests.helpers import touch

pytestmark = pytest.mark.usefixtures("place")


def gather(*names: str, recursive: bool = False, leave_out: str = "out") -> dict[str, str]:
    """Return what was found: each path and its place inside the output folder."""
    found = gather_sources(names, recursive=recursive, leave_out=Path(leave_out))
    return {source.name: source.inside.as_posix() for source in found}


def test_a_file_is_itself_under_its_own_name() -> None:
    touch("deep/a.jpg")
    assert gather("deep/a.jpg") == {"deep/a.jpg": "a.jpg"}


def test_a_file_needs_no_picture_suffix() -> None:
    touch("scan.dat", "noname")
    assert gather("scan.dat", "noname") == {"scan.dat": "scan.dat", "noname": "noname"}


def test_a_missing_file_is_left_for_the_reader_to_report() -> None:
    assert gather("gone.png") == {"gone.png": "gone.png"}


def test_a_folder_is_its_pictures_in_order_of_name() -> None:
    touch("in/b.png", "in/a.JPG", "in/notes.txt", "in/c.webp")
    assert list(gather("in")) == ["in/a.JPG", "in/b.png", "in/c.webp"]


def test_hidden_files_of_a_folder_are_left_out() -> None:
    touch("in/a.png", "in/.b.png", "in/.hidden/c.png")
    assert list(gather("in", recursive=True)) == ["in/a.png"]


def test_a_hidden_file_named_outright_is_taken() -> None:
    touch(".b.png")
    assert gather(".b.png") == {".b.png": ".b.png"}


def test_subfolders_are_left_alone_unless_asked_for() -> None:
    touch("in/a.png", "in/sub/b.png")
    assert gather("in") == {"in/a.png": "a.png"}


def test_recursion_mirrors_the_tree() -> None:
    touch("in/a.png", "in/sub/b.png", "in/sub/deep/c.tif")
    assert gather("in", recursive=True) == {
        "in/a.png": "a.png",
        "in/sub/b.png": "sub/b.png",
        "in/sub/deep/c.tif": "sub/deep/c.tif",
    }


def test_the_output_folder_inside_the_input_is_not_searched() -> None:
    touch("in/a.png", "in/out/a.png", "in/out/deep/b.png", "in/outer/c.png")
    assert list(gather("in", recursive=True, leave_out="in/out")) == ["in/a.png", "in/outer/c.png"]


def test_the_output_folder_is_known_by_another_spelling() -> None:
    touch("in/a.png", "in/out/a.png", "in/x/y.txt")
    assert list(gather("in", recursive=True, leave_out="in/x/../out")) == ["in/a.png"]


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs links")
def test_a_link_to_a_folder_above_is_not_a_loop() -> None:
    touch("in/a.png")
    Path("in/again").symlink_to("..", target_is_directory=True)
    assert gather("in", recursive=True) == {"in/a.png": "a.png"}


def test_a_folder_without_pictures_is_an_error_that_names_it() -> None:
    touch("in/notes.txt", "in/sub/a.png")
    with pytest.raises(InputError, match="in: no pictures") as caught:
        gather("in")
    assert "--recursive" in str(caught.value.hint)


@pytest.mark.parametrize("pattern", ["in/*", "in/?.*", "in/[ab].png"])
def test_a_pattern_is_the_pictures_it_matches(pattern: str) -> None:
    touch("in/a.png", "in/b.png", "in/c.txt", "in/sub.png/d.png")
    assert gather(pattern) == {"in/a.png": "a.png", "in/b.png": "b.png"}


def test_two_stars_enter_subfolders() -> None:
    touch("in/a.png", "in/x/y/b.png")
    assert sorted(gather("in/**/*.png")) == ["in/a.png", "in/x/y/b.png"]


def test_a_pattern_without_a_match_is_an_error_that_names_it() -> None:
    touch("in/c.txt")
    with pytest.raises(InputError, match=r"in/\*: no picture matches"):
        gather("in/*")


@pytest.mark.parametrize("name", ["a[1].png", "what?.png", "st*r.png", "@list.png", "@"])
def test_a_file_that_exists_is_that_file_whatever_its_name_looks_like(name: str) -> None:
    touch(name, "a1.png", "whatx.png", "stir.png")
    assert gather(name) == {name: name}


def test_a_folder_that_exists_is_that_folder_whatever_its_name_looks_like() -> None:
    touch("@x[1]/a.png")
    assert gather("@x[1]") == {"@x[1]/a.png": "a.png"}


def test_a_list_is_the_files_on_its_lines() -> None:
    touch("in/a.png", "b.png")
    Path("list.txt").write_text("in/a.png\n\n# a remark\nb.png\n", encoding="utf-8")
    assert gather("@list.txt") == {"in/a.png": "a.png", "b.png": "b.png"}


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"], ids=["plain", "with a mark"])
def test_a_list_from_windows_reads_the_same(bom: bytes) -> None:
    Path("list.txt").write_bytes(bom + "h\u00e4.png\r\nb c.png\r\n".encode())
    assert list(gather("@list.txt")) == ["h\u00e4.png", "b c.png"]


def test_spaces_in_a_list_belong_to_the_names() -> None:
    Path("list.txt").write_text(" a .png\nb.png ", encoding="utf-8")
    assert list(gather("@list.txt")) == [" a .png", "b.png "]


def test_names_in_a_list_are_not_patterns() -> None:
    touch("a1.png")
    Path("list.txt").write_text("a[1].png\n@b.png\n", encoding="utf-8")
    assert list(gather("@list.txt")) == ["a[1].png", "@b.png"]


def test_a_folder_in_a_list_is_its_pictures() -> None:
    touch("in/a.png", "in/sub/b.png")
    Path("list.txt").write_text("in\n", encoding="utf-8")
    assert gather("@list.txt") == {"in/a.png": "a.png"}


def test_recursion_keeps_the_folders_of_listed_files() -> None:
    touch("x/a.png", "y/z/a.png")
    Path("list.txt").write_text("x/a.png\ny/z/a.png\n", encoding="utf-8")
    assert gather("@list.txt", recursive=True) == {"x/a.png": "x/a.png", "y/z/a.png": "y/z/a.png"}


def test_a_listed_path_never_leaves_the_output_folder(place: Path) -> None:
    touch("a.png")
    names = ["../a.png", "x/../../a.png", str(place / "a.png")]
    Path("list.txt").write_text("\n".join(names), encoding="utf-8")
    for name in names:
        assert gather("@list.txt", recursive=True)[name] == "a.png"


def test_a_list_comes_from_standard_input_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a.png\nb.png\n"))
    assert list(gather("@-")) == ["a.png", "b.png"]


@pytest.mark.parametrize(
    ("content", "words"), [(b"\n# only this\n \n", "is empty"), (b"\xff\xfe\xff", "not UTF-8")]
)
def test_a_list_without_names_is_an_error(content: bytes, words: str) -> None:
    Path("list.txt").write_bytes(content)
    with pytest.raises(InputError, match=f"@list.txt: .*{words}"):
        gather("@list.txt")


def test_a_missing_list_is_an_error_that_names_it() -> None:
    with pytest.raises(InputError, match=r"@gone\.txt: the list cannot be read"):
        gather("@gone.txt")


def test_a_listed_name_that_no_disk_can_hold_is_left_for_the_reader() -> None:
    long = "x" * 300 + ".png"
    Path("list.txt").write_text(f"{long}\na\0b.png\n", encoding="utf-8")
    assert list(gather("@list.txt")) == [long, "a\0b.png"]


def test_a_dash_is_standard_input() -> None:
    assert gather_sources(["-"], recursive=False, leave_out=None) == [Source(None, Path("stdin"))]


def test_a_dash_is_standard_input_even_beside_a_file_of_that_name() -> None:
    touch("-")
    assert gather_sources(["-"], recursive=False, leave_out=None)[0].path is None
    assert gather_sources(["./-"], recursive=False, leave_out=None)[0].path == Path("-")


def test_a_picture_named_twice_is_taken_once_in_the_first_place(place: Path) -> None:
    touch("in/a.png", "in/b.png")
    names = ("in/b.png", "in", "./in/b.png", str(place / "in" / "b.png"), "in/*.png")
    assert list(gather(*names)) == ["in/b.png", "in/a.png"]


def test_names_keep_their_order() -> None:
    touch("z.png", "in/m.png", "a.png")
    assert list(gather("z.png", "in", "a.png")) == ["z.png", "in/m.png", "a.png"]
