"""Files come once, go on where they stopped, and are checked before they are used."""

import hashlib
import os
import shutil
import time
from collections import namedtuple
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path

import pytest

from sam_diffsr_cli.download import (
    BACKOFF_S,
    BLOCK,
    MOST_WAIT_S,
    DownloadSource,
    cache_folder,
    fetch,
    find_size,
    has_digest,
)
from sam_diffsr_cli.errors import DiskFullError, InputError, WeightsError
from tests.file_server import DROP, FileServer, serve

CONTENT = bytes(range(256)) * 5000
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
MD5 = "md5:" + hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
PART = 300_000
LONG_WAIT = "86400"

Usage = namedtuple("Usage", ["total", "used", "free"])  # noqa: PYI024 - as shutil has it


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve() as running:
        running.files["file.bin"] = CONTENT
        yield running


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits are listed here and not waited."""
    told: list[float] = []
    monkeypatch.setattr(time, "sleep", told.append)
    return told


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "file.bin"


def told_to_nobody(done: int) -> None:
    del done


def get(
    server: FileServer,
    path: Path,
    *,
    digest: str = SHA256,
    size: int | None = None,
    told: list[int] | None = None,
) -> Path:
    source = DownloadSource(f"{server.url}/some/file.bin", digest, size)
    reports = [] if told is None else told
    return fetch(source, path, reports.append, elsewhere="look elsewhere")


def leave_part(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.with_name("file.bin.part").write_bytes(content)


def leave_free(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 50, 0, free))


def test_a_file_comes_whole_and_leaves_nothing_else(server: FileServer, path: Path) -> None:
    assert get(server, path).read_bytes() == CONTENT
    assert os.listdir(path.parent) == ["file.bin"]  # noqa: PTH208 - hidden ones too


def test_the_bytes_that_are_there_are_told(server: FileServer, path: Path) -> None:
    told: list[int] = []
    get(server, path, told=told)
    assert told == sorted(told)
    assert told[-1] == len(CONTENT)


def test_a_file_is_fetched_once(server: FileServer, path: Path) -> None:
    assert get(server, path) == get(server, path)
    assert len(server.asked) == 1


def test_a_file_in_a_folder_that_may_only_be_read_is_used(server: FileServer, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    path.parent.chmod(0o555)
    before = path.parent.stat().st_mtime_ns
    assert get(server, path) == path
    # Not even a lock was made, which root could.
    assert path.parent.stat().st_mtime_ns == before
    assert server.asked == []


def test_two_at_once_fetch_it_once(server: FileServer, path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(get, server, path) for _ in range(4)]
    assert {future.result() for future in futures} == {path}
    assert len(server.asked) == 1


def test_the_lock_of_a_process_that_was_killed_keeps_nobody_out(
    server: FileServer, path: Path
) -> None:
    path.parent.mkdir()
    path.with_name(".file.bin.lock").touch()
    assert get(server, path).read_bytes() == CONTENT


def test_a_body_that_ends_early_is_gone_on_with(
    server: FileServer, path: Path, waits: list[float]
) -> None:
    server.cuts = [PART, len(CONTENT)]
    assert get(server, path).read_bytes() == CONTENT
    assert server.ranges == ["", f"bytes={PART}-"]
    assert waits == [BACKOFF_S[0]]


def test_a_connection_that_breaks_off_is_gone_on_with(
    server: FileServer, path: Path, waits: list[float]
) -> None:
    server.cuts, server.resets = [4 * BLOCK, len(CONTENT)], True
    assert get(server, path).read_bytes() == CONTENT
    assert server.ranges == ["", f"bytes={4 * BLOCK}-"]
    assert waits == [BACKOFF_S[0]]


def test_tries_that_get_further_are_not_counted(
    server: FileServer, path: Path, waits: list[float]
) -> None:
    server.cuts = [PART + 1000 * i for i in range(10)] + [len(CONTENT)]
    assert get(server, path).read_bytes() == CONTENT
    assert waits == [BACKOFF_S[0]] * 10


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize("takes_ranges", [True, False], ids=["ranges", "no ranges"])
def test_a_body_that_always_ends_early_is_told_with_what_to_do(
    takes_ranges: bool, server: FileServer, path: Path
) -> None:
    server.cuts, server.takes_ranges = [PART], takes_ranges
    with pytest.raises(InputError, match="run again to go on"):
        get(server, path)
    assert len(server.asked) == len(BACKOFF_S) + 1
    server.cuts = []
    assert get(server, path).read_bytes() == CONTENT


def test_what_an_earlier_run_left_is_gone_on_with(server: FileServer, path: Path) -> None:
    leave_part(path, CONTENT[:PART])
    told: list[int] = []
    assert get(server, path, told=told).read_bytes() == CONTENT
    assert server.ranges == [f"bytes={PART}-"]
    assert told[0] > PART


def test_a_server_that_cannot_resume_starts_it_anew(server: FileServer, path: Path) -> None:
    leave_part(path, b"x" * PART)
    server.takes_ranges = False
    assert get(server, path).read_bytes() == CONTENT


def test_a_server_that_tells_no_length_will_do(server: FileServer, path: Path) -> None:
    server.tells_length = False
    assert get(server, path).read_bytes() == CONTENT


def test_what_was_whole_but_not_yet_named_is_used(server: FileServer, path: Path) -> None:
    leave_part(path, CONTENT)
    assert get(server, path).read_bytes() == CONTENT
    assert len(server.asked) == 1


@pytest.mark.parametrize("digest", [SHA256, MD5], ids=["sha256", "md5"])
def test_another_file_is_refused_and_not_kept(digest: str, server: FileServer, path: Path) -> None:
    leave_part(path, b"x" * 1000)
    with pytest.raises(InputError, match="not the published file"):
        get(server, path, digest=digest)
    assert list(path.parent.iterdir()) == []
    assert get(server, path, digest=digest).read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-", ""]


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_that_stays_is_told_at_once(status: int, server: FileServer, path: Path) -> None:
    server.refusals = [(status, "")]
    with pytest.raises(InputError, match=rf"cannot be fetched .*{status}") as caught:
        get(server, path)
    assert caught.value.hint == "look elsewhere"
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, DROP])
def test_a_failure_that_may_pass_is_tried_again(
    status: int, server: FileServer, path: Path, waits: list[float]
) -> None:
    server.refusals = [(status, ""), (status, "")]
    assert get(server, path).read_bytes() == CONTENT
    assert waits == list(BACKOFF_S[:2])


def test_a_failure_that_does_not_pass_is_told_after_a_few_tries(
    server: FileServer, path: Path, waits: list[float]
) -> None:
    server.refusals = [(503, "")] * 20
    with pytest.raises(InputError, match=r"cannot be fetched .*503"):
        get(server, path)
    assert waits == list(BACKOFF_S)
    assert len(server.asked) == len(BACKOFF_S) + 1


@pytest.mark.parametrize(
    ("told", "waited"), [("7", 7.0), ("0", 0.0), (LONG_WAIT, MOST_WAIT_S), ("soon", BACKOFF_S[0])]
)
def test_the_wait_a_server_asks_for_is_kept_up_to_a_bound(
    told: str, waited: float, server: FileServer, path: Path, waits: list[float]
) -> None:
    server.refusals = [(429, told)]
    get(server, path)
    assert waits == [waited]


def test_a_wait_until_a_time_of_day_is_kept(
    server: FileServer, path: Path, waits: list[float]
) -> None:
    server.refusals = [(503, formatdate(time.time() + 30, usegmt=True))]
    get(server, path)
    assert waits == [pytest.approx(30, abs=2)]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/file.bin", "nonsense", "http://a b/file.bin"])
def test_no_server_at_all_is_told_at_once(url: str, path: Path, waits: list[float]) -> None:
    with pytest.raises(InputError, match="cannot be fetched"):
        fetch(DownloadSource(url, SHA256), path, told_to_nobody, elsewhere="")
    assert waits == []


def test_the_caller_says_what_a_failure_is_called(server: FileServer, path: Path) -> None:
    source = DownloadSource(f"{server.url}/gone.bin", SHA256)
    with pytest.raises(WeightsError, match="404"):
        fetch(source, path, told_to_nobody, elsewhere="", failure=WeightsError)


def test_a_disk_too_small_for_a_known_size_is_told_first(
    server: FileServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_free(monkeypatch, 1_200_000)
    with pytest.raises(DiskFullError, match=r"1\.3 MB needed, 1\.2 MB free"):
        get(server, path, size=len(CONTENT))
    assert server.asked == []


def test_a_disk_too_small_for_the_size_that_is_told_is_not_filled(
    server: FileServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_free(monkeypatch, 1_200_000)
    with pytest.raises(DiskFullError, match=r"1\.3 MB needed, 1\.2 MB free"):
        get(server, path)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("takes_ranges", [True, False], ids=["ranges", "no ranges"])
def test_only_what_is_missing_needs_space(
    takes_ranges: bool, server: FileServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_part(path, CONTENT[:PART])
    server.takes_ranges = takes_ranges
    leave_free(monkeypatch, len(CONTENT) - PART)
    assert get(server, path, size=len(CONTENT)).read_bytes() == CONTENT


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_disk_that_is_full_in_the_middle_is_told(server: FileServer, path: Path) -> None:
    path.parent.mkdir()
    path.with_name("file.bin.part").symlink_to("/dev/full")
    with pytest.raises(DiskFullError, match="no space left"):
        get(server, path)
    assert not path.exists()


def test_a_folder_that_cannot_be_made_is_told(server: FileServer, path: Path) -> None:
    path.parent.write_text("a file")
    with pytest.raises(InputError, match="cannot be written"):
        get(server, path)


def test_the_size_is_what_the_server_tells(server: FileServer) -> None:
    assert find_size(f"{server.url}/file.bin") == len(CONTENT)
    assert server.asked == [("HEAD", "file.bin", "")]


def test_the_size_is_none_where_it_is_not_told(server: FileServer) -> None:
    server.tells_length = False
    assert find_size(f"{server.url}/file.bin") is None
    assert find_size(f"{server.url}/gone.bin") is None


def test_a_digest_is_that_of_the_named_kind(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    # RFC 1321, appendix A.5, and FIPS 180-2, appendix B.1.
    assert has_digest(tmp_path / "file", "md5:900150983cd24fb0d6963f7d28e17f72")
    assert has_digest(
        tmp_path / "file",
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    )
    assert not has_digest(tmp_path / "file", "md5:d41d8cd98f00b204e9800998ecf8427e")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"SAMSR_CACHE": "/own", "XDG_CACHE_HOME": "/xdg"}, "/own"),
        ({"XDG_CACHE_HOME": "/xdg", "LOCALAPPDATA": "/local"}, "/xdg/samsr"),
        ({"LOCALAPPDATA": "/local"}, "/local/samsr"),
        ({"HOME": "/home/me"}, "/home/me/.cache/samsr"),
    ],
    ids=["own", "xdg", "windows", "home"],
)
def test_the_cache_is_the_users(
    variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SAMSR_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(expected)
