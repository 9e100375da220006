"""What was asked for is found, and what is missing is fetched only if the user wants it."""

import hashlib
import io
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from sam_diffsr_cli.cli.app import app
from sam_diffsr_cli.cli.data_sets import make_fetcher
from sam_diffsr_cli.data import known_sets, resolving
from sam_diffsr_cli.data.known_sets import KnownSet, MissingSetError
from sam_diffsr_cli.download import DownloadSource
from sam_diffsr_cli.errors import InputError, InterruptedRun
from tests.file_server import FileServer, serve


def resolve_data(names: Sequence[str], root: Path | None, *, download: bool) -> tuple[Path, ...]:
    return resolving.resolve_data(names, root, make_fetcher(download=download))


def make_archive(folder: str) -> bytes:
    buffer, picture = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (4, 4)).save(picture, "PNG")
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"{folder}/0001.png", picture.getvalue())
    return buffer.getvalue()


# Made once: the time of day is in them.
ARCHIVES = {f"{name}.zip": make_archive(f"{name}_HR") for name in ("One", "Two")}


def made_up(name: str, *, tells_size: bool) -> KnownSet:
    archive = ARCHIVES[f"{name}.zip"]
    digest = hashlib.md5(archive, usedforsecurity=False).hexdigest()
    size = len(archive) if tells_size else None
    source = DownloadSource(f"https://example.invalid/{name}.zip", f"md5:{digest}", size)
    return KnownSet(name, f"{name}_HR", 1, source, "for research only")


ONE, TWO = made_up("One", tells_size=True), made_up("Two", tells_size=False)


@pytest.fixture(autouse=True)
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """Two small sets are known, and a server has them."""
    sets = {"One": (ONE,), "Two": (TWO,), "DF2K": (ONE, TWO)}
    monkeypatch.setattr(known_sets, "KNOWN_SETS", sets)
    monkeypatch.delenv("SAMSR_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.chdir(tmp_path)
    with serve() as running:
        monkeypatch.setenv("SAMSR_DATA_URL", running.url)
        running.files = dict(ARCHIVES)
        yield running


class Screen(io.StringIO):
    """A terminal: what is typed on it, or what it shows."""

    def isatty(self) -> bool:
        return True


Type = Callable[[str], Screen]


@pytest.fixture
def type_in(monkeypatch: pytest.MonkeyPatch) -> Type:
    """Sit down at a terminal and type; the screen is returned."""

    def sit_down(typed: str) -> Screen:
        screen = Screen()
        monkeypatch.setattr(sys, "stdin", Screen(typed))
        monkeypatch.setattr(sys, "stderr", screen)
        return screen

    return sit_down


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "sets"


def add_photo(folder: Path) -> Path:
    folder.mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(folder / "a.png")
    return folder


def fetched(root: Path, *names: str) -> tuple[Path, ...]:
    return tuple(root / name / f"{name}_HR" for name in names)


def test_folders_and_names_are_found_in_their_order(root: Path, tmp_path: Path) -> None:
    own, two = add_photo(tmp_path / "own"), add_photo(root / "Two_HR")
    one = add_photo(root / "One_HR")
    assert resolve_data(["two", str(own), "One"], root, download=False) == (two, own, one)


def test_the_same_folder_is_taken_once(root: Path, tmp_path: Path) -> None:
    one, two = add_photo(root / "One_HR"), add_photo(root / "Two_HR")
    (tmp_path / "link").symlink_to(one)
    names = [str(two), "DF2K", "One", str(tmp_path / "link"), "sets/Two_HR"]
    assert resolve_data(names, root, download=False) == (two, one)


def test_what_is_there_is_not_fetched(root: Path, server: FileServer) -> None:
    add_photo(root / "One_HR")
    resolve_data(["One"], root, download=True)
    assert server.asked == []


def test_what_is_missing_is_fetched_without_a_terminal_when_told_to(
    root: Path, server: FileServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert resolve_data(["DF2K"], root, download=True) == fetched(root, "One", "Two")
    told = capsys.readouterr()
    assert told.out == ""
    for words in ("One: 1 photos", "for research only", f"{server.url}/Two.zip", "Two_HR"):
        assert words in told.err


def test_only_what_is_missing_is_fetched(root: Path, server: FileServer) -> None:
    one = add_photo(root / "One_HR")
    found = resolve_data(["DF2K", "Two"], root, download=True)
    assert found == (one, *fetched(root, "Two"))
    assert {name for _, name, _ in server.asked} == {"Two.zip"}


def test_it_is_fetched_to_where_the_variable_says(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMSR_DATA", str(root))
    assert resolve_data(["One"], None, download=True) == fetched(root, "One")


def test_without_a_folder_to_fetch_into_one_is_asked_for(server: FileServer) -> None:
    with pytest.raises(InputError, match="One: no folder to fetch into") as caught:
        resolve_data(["One"], None, download=True)
    assert "--data-root" in (caught.value.hint or "")
    assert server.asked == []


def test_nothing_is_fetched_without_a_terminal_or_being_told_to(
    root: Path, server: FileServer
) -> None:
    with pytest.raises(MissingSetError, match="One and Two: not found") as caught:
        resolve_data(["One", "Two"], root, download=False)
    assert "--download" in (caught.value.hint or "")
    assert server.asked == []


def test_a_wrong_name_is_told_before_anything_is_fetched(root: Path, server: FileServer) -> None:
    with pytest.raises(InputError, match="gone: not a folder"):
        resolve_data(["One", "gone"], root, download=True)
    assert server.asked == []


def test_at_a_terminal_a_yes_fetches(root: Path, type_in: Type) -> None:
    screen = type_in("y\n")
    assert resolve_data(["One"], root, download=False) == fetched(root, "One")
    assert "One is not there; fetch it? [y/N]" in screen.getvalue()


def test_the_question_names_size_origin_place_and_terms(
    root: Path, type_in: Type, server: FileServer
) -> None:
    screen = type_in("n\n")
    with pytest.raises(MissingSetError):
        resolve_data(["One"], root, download=False)
    shown = screen.getvalue()
    told = ("0.0 GB", f"{server.url}/One.zip", str(root / "One" / "One_HR"), "for research only")
    assert all(words in shown for words in told)


def test_a_size_that_is_not_known_is_asked_of_the_server(
    root: Path, type_in: Type, server: FileServer
) -> None:
    server.files["Two.zip"] = bytes(120_000_000)
    screen = type_in("n\n")
    with pytest.raises(MissingSetError):
        resolve_data(["Two"], root, download=False)
    assert server.asked == [("HEAD", "Two.zip", "")]
    assert "0.1 GB" in screen.getvalue()


def test_a_server_that_is_gone_is_told_after_a_yes(
    root: Path, type_in: Type, server: FileServer
) -> None:
    server.files.clear()
    screen = type_in("y\n")
    with pytest.raises(InputError, match=r"cannot be fetched .*404"):
        resolve_data(["Two"], root, download=False)
    assert "its size is not known" in screen.getvalue()


@pytest.mark.parametrize("typed", ["n\n", "\n"], ids=["no", "nothing"])
def test_at_a_terminal_all_but_a_yes_fetches_nothing(
    typed: str, root: Path, type_in: Type, server: FileServer
) -> None:
    type_in(typed)
    with pytest.raises(MissingSetError, match="One: not found"):
        resolve_data(["One"], root, download=False)
    assert server.asked == []
    assert not root.exists()


def test_each_set_is_asked_about(root: Path, type_in: Type, server: FileServer) -> None:
    type_in("y\nn\n")
    with pytest.raises(MissingSetError, match="Two: not found"):
        resolve_data(["DF2K"], root, download=False)
    assert [name for method, name, _ in server.asked if method == "GET"] == ["One.zip"]


def test_stopping_at_the_question_is_an_interruption(root: Path, type_in: Type) -> None:
    type_in("")
    with pytest.raises(InterruptedRun, match="nothing was fetched"):
        resolve_data(["One"], root, download=False)


@pytest.mark.parametrize("closed", ["stdin", "stderr"])
def test_where_only_one_end_is_a_terminal_nobody_is_asked(
    closed: str, root: Path, type_in: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = type_in("y\n")
    monkeypatch.setattr(sys, closed, io.StringIO("y\n"))
    with pytest.raises(MissingSetError):
        resolve_data(["One"], root, download=False)
    assert screen.getvalue() == ""


@pytest.mark.parametrize("command", ["build", "verify"])
def test_masks_take_one_set_at_a_time(
    command: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMSR_DATA", str(root))
    places = [add_photo(root / known.folder) for known in (ONE, TWO)]
    masks = "--out" if command == "build" else "--masks"
    result = CliRunner().invoke(app, ["masks", command, "--data", "DF2K", masks, "masks"])
    assert result.exit_code == InputError.exit_code
    assert "run it once for each" in result.stderr
    assert all(f"--data {place}" in result.stderr for place in places)


def test_masks_are_built_of_a_set_by_its_name(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMSR_DATA", str(root))
    add_photo(root / "One" / "One_HR")
    add_photo(root / "One" / "One_valid_HR")
    light = ["--segmenter", "felzenszwalb", "--out", "masks"]
    result = CliRunner().invoke(app, ["masks", "build", "--data", "One", *light])
    assert result.exit_code == 0, result.output
    assert [path.name for path in Path("masks").glob("[!m]*")] == ["a.json"]
