"""A set comes whole or not at all, and nothing but its photos leaves the archive."""

import errno
import hashlib
import io
import os
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import textwrap
import zipfile
from collections import namedtuple
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sam_diffsr_cli.data.fetching import fetch_set, source_of
from sam_diffsr_cli.data.known_sets import KnownSet
from sam_diffsr_cli.download import DownloadSource
from sam_diffsr_cli.errors import DiskFullError, InputError
from tests.file_server import FileServer, serve

ROOT = Path(__file__).resolve().parents[2]
COUNT = 3
Usage = namedtuple("Usage", ["total", "used", "free"])  # noqa: PYI024 - as shutil has it


def photo(seed: int) -> bytes:
    """A photo as a file, some 12 kB that cannot be compressed."""
    levels = np.random.default_rng(seed).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "PNG")
    return buffer.getvalue()


PHOTOS = {f"000{i}.png": photo(i) for i in range(1, COUNT + 1)}
GOOD = {f"Tiny_HR/{name}": content for name, content in PHOTOS.items()}
BESIDE = {
    "Tiny_valid_HR/0009.png": photo(9),
    "Tiny_LR_bicubic/X4/0001x4.png": photo(8),
    "Tiny_HR/readme.txt": b"of no use",
    "__MACOSX/Tiny_HR/._0001.png": b"of no use",
}


def in_zip(files: dict[str, bytes], *more: tuple[zipfile.ZipInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Tiny_HR/", b"")
        for name, content in files.items():
            archive.writestr(name, content)
        for info, content in more:
            archive.writestr(info, content)
    return buffer.getvalue()


def in_tar(files: dict[str, bytes], *more: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"Tiny/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in more:
            archive.addfile(info)
    return buffer.getvalue()


def described(archive: bytes, suffix: str = ".zip", *, size: int | None = None) -> KnownSet:
    digest = hashlib.md5(archive, usedforsecurity=False).hexdigest()
    source = DownloadSource(f"https://example.invalid/sets/tiny{suffix}", f"md5:{digest}", size)
    return KnownSet("Tiny", "Tiny_HR", COUNT, source, "for research")


ZIP, TAR = in_zip(GOOD | BESIDE), in_tar(GOOD | BESIDE)
TINY = described(ZIP)
FETCHED = "tiny.zip.fetched"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve() as running:
        running.files["tiny.zip"] = ZIP
        monkeypatch.setenv("SAMSR_DATA_URL", f"{running.url}/mirror/")
        yield running


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "sets"


def told_to_nobody(done: int, text: str) -> None:
    del done, text


def get(root: Path, known: KnownSet = TINY) -> Path:
    return fetch_set(known, root, told_to_nobody)


def below(folder: Path) -> list[str]:
    """List every file below, hidden ones too."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def leave_free(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 50, 0, free))


@pytest.mark.parametrize(("archive", "suffix"), [(ZIP, ".zip"), (TAR, ".tar")], ids=["zip", "tar"])
def test_the_training_photos_come_and_nothing_else(
    archive: bytes, suffix: str, server: FileServer, root: Path
) -> None:
    server.files[f"tiny{suffix}"] = archive
    folder = get(root, described(archive, suffix))
    assert folder == root / "Tiny" / "Tiny_HR"
    assert contents(folder) == PHOTOS
    assert below(root) == [f"Tiny/Tiny_HR/{name}" for name in PHOTOS]


def test_a_set_that_is_there_is_not_fetched(server: FileServer, root: Path) -> None:
    assert get(root) == get(root)
    assert len(server.asked) == 1


def test_two_at_once_fetch_it_once(server: FileServer, root: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(get, root) for _ in range(3)]
    assert {future.result() for future in futures} == {root / "Tiny" / "Tiny_HR"}
    assert len(server.asked) == 1


@pytest.mark.usefixtures("server")
def test_what_it_is_at_is_told(root: Path) -> None:
    told: list[tuple[int, str]] = []
    fetch_set(TINY, root, lambda done, text: told.append((done, text)))
    assert told == [
        (len(ZIP), "0 MB"),
        (len(ZIP), "photo 1 of 3"),
        (len(ZIP), "photo 2 of 3"),
        (len(ZIP), "photo 3 of 3"),
    ]


def test_a_mirror_takes_the_place_of_all_but_the_file_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMSR_DATA_URL", "https://mirror.invalid/a/b/")
    assert source_of(TINY).url == "https://mirror.invalid/a/b/tiny.zip"
    monkeypatch.delenv("SAMSR_DATA_URL")
    assert source_of(TINY) == TINY.source


def test_a_download_that_was_stopped_is_gone_on_with(server: FileServer, root: Path) -> None:
    root.mkdir()
    (root / f"{FETCHED}.part").write_bytes(ZIP[:1000])
    assert contents(get(root)) == PHOTOS
    assert server.ranges == ["bytes=1000-"]


@pytest.mark.parametrize(
    ("moment", "asked"), [("MB", 1), ("photo 2", 0)], ids=["after fetching", "while unpacking"]
)
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_what_was_killed_is_finished_by_the_next_run(
    moment: str, asked: int, server: FileServer, root: Path
) -> None:
    code = textwrap.dedent(f"""
        import os, signal
        from pathlib import Path
        from sam_diffsr_cli.data.fetching import fetch_set
        from sam_diffsr_cli.data.known_sets import KnownSet
        from sam_diffsr_cli.download import DownloadSource

        def report(done, text):
            if {moment!r} in text:
                os.kill(os.getpid(), signal.SIGKILL)

        fetch_set({TINY!r}, Path({str(root)!r}), report)
    """)
    died = subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT)  # noqa: S603 - ours
    assert died.returncode == -signal.SIGKILL
    assert not (root / "Tiny" / "Tiny_HR").exists()
    server.asked.clear()
    assert contents(get(root)) == PHOTOS
    assert below(root) == [f"Tiny/Tiny_HR/{name}" for name in PHOTOS]
    assert len(server.asked) == asked


def test_photos_that_a_killed_run_left_are_not_taken_over(server: FileServer, root: Path) -> None:
    left = root / "Tiny" / ".Tiny_HR.part"
    left.mkdir(parents=True)
    (left / "0001.png").write_bytes(b"half")
    (left / "0007.png").write_bytes(b"of another time")
    assert contents(get(root)) == PHOTOS
    assert len(server.asked) == 1


@pytest.mark.usefixtures("server")
def test_another_archive_is_refused_with_the_way_out(root: Path) -> None:
    other = described(in_zip(GOOD))
    with pytest.raises(InputError, match="not the published file") as caught:
        get(root, other)
    assert str(root / "tiny.zip") in (caught.value.hint or "")
    assert below(root) == []


def test_an_archive_that_is_gone_is_told_with_the_way_out(server: FileServer, root: Path) -> None:
    server.files.clear()
    with pytest.raises(InputError, match=r"cannot be fetched .*404") as caught:
        get(root)
    assert str(root / "Tiny" / "Tiny_HR") in (caught.value.hint or "")


def test_an_archive_that_the_user_put_there_is_used_and_kept(
    server: FileServer, root: Path
) -> None:
    root.mkdir()
    (root / "tiny.zip").write_bytes(ZIP)
    assert contents(get(root)) == PHOTOS
    assert (root / "tiny.zip").read_bytes() == ZIP
    assert server.asked == []


@pytest.mark.usefixtures("server")
def test_an_archive_of_the_user_that_is_not_whole_is_told_and_kept(root: Path) -> None:
    root.mkdir()
    (root / "tiny.zip").write_bytes(ZIP[:1000])
    with pytest.raises(InputError, match=r"tiny\.zip: not the published file"):
        get(root)
    assert below(root) == ["tiny.zip"]


def zip_entry(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


def tar_entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


HOSTILE_ZIPS = {
    "up": zip_entry("../Tiny_HR/0003.png"),
    "far up": zip_entry("Tiny_HR/../../../Tiny_HR/0003.png"),
    "absolute": zip_entry("/Tiny_HR/0003.png"),
    "link": zip_entry("Tiny_HR/0003.png", stat.S_IFLNK | 0o777),
    "device": zip_entry("Tiny_HR/0003.png", stat.S_IFCHR | 0o644),
    "backslash": zip_entry("Tiny_HR/x\\..\\0003.png"),
    "drive": zip_entry("Tiny_HR/c:0003.png"),
    "twice": zip_entry("again/Tiny_HR/0002.png"),
}
HOSTILE_TARS = {
    "up": tar_entry("../Tiny_HR/0003.png"),
    "absolute": tar_entry("/Tiny_HR/0003.png"),
    "symbolic link": tar_entry("Tiny/Tiny_HR/0003.png", tarfile.SYMTYPE, "/etc/passwd"),
    "hard link": tar_entry("Tiny/Tiny_HR/0003.png", tarfile.LNKTYPE, "Tiny/Tiny_HR/0001.png"),
    "device": tar_entry("Tiny/Tiny_HR/0003.png", tarfile.CHRTYPE),
    "pipe": tar_entry("Tiny/Tiny_HR/0003.png", tarfile.FIFOTYPE),
    "folder": tar_entry("Tiny/Tiny_HR/0003.png", tarfile.DIRTYPE),
}
TWO = {name: content for name, content in GOOD.items() if "0003" not in name}


def check_refused(known: KnownSet, root: Path, match: str) -> None:
    with pytest.raises(InputError, match=match):
        get(root, known)
    assert below(root.parent) == [f"sets/tiny{known.source.url[-4:]}.fetched"]


@pytest.mark.parametrize("entry", HOSTILE_ZIPS.values(), ids=HOSTILE_ZIPS)
def test_a_zip_with_what_is_no_photo_among_the_photos_is_refused(
    entry: zipfile.ZipInfo, server: FileServer, root: Path
) -> None:
    archive = in_zip(TWO, (entry, b"hostile"))
    server.files["tiny.zip"] = archive
    check_refused(described(archive), root, "holds what is no photo of Tiny")


@pytest.mark.parametrize("entry", HOSTILE_TARS.values(), ids=HOSTILE_TARS)
def test_a_tar_with_what_is_no_photo_among_the_photos_is_refused(
    entry: tarfile.TarInfo, server: FileServer, root: Path
) -> None:
    archive = in_tar(TWO, entry)
    server.files["tiny.tar"] = archive
    check_refused(described(archive, ".tar"), root, "holds what is no photo of Tiny")


def test_a_photo_larger_than_any_is_refused(
    server: FileServer, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sam_diffsr_cli.data.fetching.MOST_BYTES", 1 << 20)
    archive = in_zip(TWO | {"Tiny_HR/0003.png": bytes((1 << 20) + 1)})
    server.files["tiny.zip"] = archive
    check_refused(described(archive), root, "holds what is no photo of Tiny")


def test_hostile_files_beside_the_photos_stay_in_the_archive(
    server: FileServer, root: Path
) -> None:
    outside = {"../evil.png": b"evil", "/evil.png": b"evil", "Tiny_HR/../../evil.sh": b"evil"}
    archive = in_zip(GOOD | outside)
    server.files["tiny.zip"] = archive
    get(root, described(archive))
    assert below(root.parent) == [f"sets/Tiny/Tiny_HR/{name}" for name in PHOTOS]


@pytest.mark.parametrize("count", [0, 2, 4])
def test_another_count_of_photos_is_refused(count: int, server: FileServer, root: Path) -> None:
    archive = in_zip({f"Tiny_HR/{i}.png": photo(i) for i in range(count)})
    server.files["tiny.zip"] = archive
    check_refused(described(archive), root, f"holds {count} photos of Tiny, not 3")


def flip_middle(archive: bytes) -> bytes:
    """Damage the last photo; the directory of the archive stays."""
    place = archive.index(b"Tiny_HR/0003.png") + 5000
    return archive[:place] + bytes([archive[place] ^ 255]) + archive[place + 1 :]


def break_stream(archive: bytes) -> bytes:
    """Make the packed data of the first file no such data: its first block has no kind."""
    place = archive.index(b"Tiny_HR/0001.png") + len("Tiny_HR/0001.png")
    return archive[:place] + b"\xff" + archive[place + 1 :]


def claim_more(archive: bytes) -> bytes:
    """Have the directory of a zip tell one byte more of the last photo than there is."""
    name = archive.rindex(b"Tiny_HR/0003.png")
    # APPNOTE.TXT 4.3.12: the size is at 24 of a record, and the name at 46.
    place = name - 46 + 24
    size = int.from_bytes(archive[place : place + 4], "little")
    return archive[:place] + (size + 1).to_bytes(4, "little") + archive[place + 4 :]


def cut_short(archive: bytes) -> bytes:
    return archive[: archive.index(b"Tiny_HR/0003.png") + 5000]


@pytest.mark.parametrize(
    ("archive", "suffix", "match"),
    [
        (flip_middle(in_zip(GOOD)), ".zip", "damaged"),
        (break_stream(in_zip(GOOD)), ".zip", "damaged"),
        (claim_more(in_zip(GOOD)), ".zip", "damaged"),
        (cut_short(in_zip(GOOD)), ".zip", "damaged"),
        (cut_short(in_tar(GOOD)), ".tar", "damaged"),
        (b"of another kind" * 1000, ".zip", "damaged"),
        (b"of another kind" * 1000, ".tar", "damaged"),
    ],
    ids=["flipped zip", "broken zip", "lying zip", "short zip", "short tar", "no zip", "no tar"],
)
def test_a_damaged_archive_is_told_and_gives_no_set(
    archive: bytes, suffix: str, match: str, server: FileServer, root: Path
) -> None:
    server.files[f"tiny{suffix}"] = archive
    check_refused(described(archive, suffix), root, match)


def test_space_for_archive_and_photos_is_asked_for_first(
    server: FileServer, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_free(monkeypatch, 2 * len(ZIP) - 1)
    with pytest.raises(DiskFullError, match="MB needed"):
        get(root, described(ZIP, size=len(ZIP)))
    assert server.asked == []
    leave_free(monkeypatch, 2 * len(ZIP))
    assert contents(get(root, described(ZIP, size=len(ZIP)))) == PHOTOS


def test_what_has_come_needs_no_space_again(
    server: FileServer, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root.mkdir()
    (root / f"{FETCHED}.part").write_bytes(ZIP[:9000])
    leave_free(monkeypatch, 2 * len(ZIP) - 9000)
    assert contents(get(root, described(ZIP, size=len(ZIP)))) == PHOTOS
    assert server.ranges == ["bytes=9000-"]


def test_space_for_the_photos_is_asked_for_before_the_first(
    server: FileServer, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    get(root)
    shutil.rmtree(root / "Tiny")
    (root / FETCHED).write_bytes(ZIP)
    leave_free(monkeypatch, sum(map(len, PHOTOS.values())) - 1)
    with pytest.raises(DiskFullError, match="MB needed"):
        get(root)
    assert below(root) == [FETCHED]
    leave_free(monkeypatch, sum(map(len, PHOTOS.values())))
    assert contents(get(root)) == PHOTOS
    assert len(server.asked) == 1


def full_after(writes: int) -> Callable[..., None]:
    """Make a copier to a disk that has space for so many files."""
    count = 0
    copy = shutil.copyfileobj

    def copy_while_there_is_space(source: Any, target: Any) -> None:
        nonlocal count
        count += 1
        if count > writes:
            target.write(source.read(100))
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        copy(source, target)

    return copy_while_there_is_space


def test_a_disk_that_fills_while_unpacking_leaves_the_archive_for_the_next_run(
    server: FileServer, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfileobj", full_after(2))
        with pytest.raises(DiskFullError, match="no space left"):
            get(root)
    assert below(root) == [FETCHED]
    assert contents(get(root)) == PHOTOS
    assert len(server.asked) == 1


@pytest.mark.usefixtures("server")
def test_a_folder_in_the_place_of_the_set_keeps_what_it_holds(root: Path) -> None:
    (root / "Tiny" / "Tiny_HR").mkdir(parents=True)
    (root / "Tiny" / "Tiny_HR" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="cannot be written"):
        get(root)
    assert contents(root / "Tiny" / "Tiny_HR") == {"notes.txt": b"mine"}


@pytest.mark.usefixtures("server")
def test_an_empty_folder_in_the_place_of_the_set_is_filled(root: Path) -> None:
    (root / "Tiny" / "Tiny_HR").mkdir(parents=True)
    assert contents(get(root)) == PHOTOS


@pytest.mark.usefixtures("server")
def test_a_root_that_cannot_be_a_folder_is_told(root: Path) -> None:
    root.write_text("a file")
    with pytest.raises(InputError, match="cannot be written"):
        get(root)
