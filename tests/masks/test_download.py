"""Checkpoints come once, go on where they stopped, and are checked before they are used."""

import hashlib
import http.server
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sam_diffsr_cli.errors import WeightsError
from sam_diffsr_cli.masks.download import CHECKPOINTS, Checkpoint, cache_folder, fetch_checkpoint

CONTENT = bytes(range(256)) * 5000
WANTED = Checkpoint("sam.pth", hashlib.sha256(CONTENT).hexdigest(), 1)


class _Server(http.server.ThreadingHTTPServer):
    """Serves ``CONTENT``; ``cut`` bytes at most, or nothing but ``status``."""

    daemon_threads = True
    cut = len(CONTENT)
    status = 0
    takes_ranges = True
    asked: list[str]


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self.server.asked.append(wanted)
        if self.server.status:
            self.send_error(self.server.status)
            return
        first = 0
        if wanted and self.server.takes_ranges:
            first = int(wanted.removeprefix("bytes=").rstrip("-"))
        if first >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(CONTENT) - first))
        self.end_headers()
        self.wfile.write(CONTENT[first : self.server.cut])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Server]:
    with _Server(("127.0.0.1", 0), _Handler) as running:
        running.asked = []
        threading.Thread(target=running.serve_forever, daemon=True).start()
        monkeypatch.setenv("SAMSR_SAM_URL", f"http://127.0.0.1:{running.server_port}/")
        monkeypatch.setenv("SAMSR_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield running
        running.shutdown()


def fetch(told: list[float] | None = None) -> Path:
    return fetch_checkpoint(WANTED, (told if told is not None else []).append)


def kept() -> list[str]:
    return sorted(p.name for p in cache_folder().iterdir() if p.suffix != ".lock")


def test_two_processes_fetch_it_once(server: _Server) -> None:
    with ThreadPoolExecutor(2) as pool:
        paths = [future.result() for future in [pool.submit(fetch) for _ in range(2)]]
    assert paths[0].read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_a_checkpoint_is_fetched_once(server: _Server) -> None:
    told: list[float] = []
    path = fetch(told)
    assert path.read_bytes() == CONTENT
    assert told[-1] == pytest.approx(len(CONTENT) / 1e6)
    assert fetch() == path
    assert len(server.asked) == 1
    assert kept() == ["sam.pth"]


def test_a_broken_connection_is_told_and_gone_on_with(server: _Server) -> None:
    server.cut = 300_000
    with pytest.raises(WeightsError, match="cannot be fetched") as caught:
        fetch()
    assert "--checkpoint" in (caught.value.hint or "")
    server.cut = len(CONTENT)
    assert fetch().read_bytes() == CONTENT
    assert server.asked == ["", "bytes=300000-"]


def test_a_server_that_cannot_go_on_starts_anew(server: _Server) -> None:
    server.cut = 300_000
    with pytest.raises(WeightsError):
        fetch()
    server.cut, server.takes_ranges = len(CONTENT), False
    assert fetch().read_bytes() == CONTENT


def test_what_was_whole_but_not_yet_named_is_used(server: _Server) -> None:
    cache_folder().mkdir()
    (cache_folder() / "sam.pth.part").write_bytes(CONTENT)
    assert fetch().read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_another_file_is_refused_and_not_kept(server: _Server) -> None:
    cache_folder().mkdir()
    (cache_folder() / "sam.pth.part").write_bytes(b"x" * 1000)
    with pytest.raises(WeightsError, match="not the published file"):
        fetch()
    assert kept() == []
    assert fetch().read_bytes() == CONTENT
    assert len(server.asked) == 2


@pytest.mark.parametrize("status", [401, 404, 429, 500])
def test_a_refusal_names_the_way_out(server: _Server, status: int) -> None:
    server.status = status
    with pytest.raises(WeightsError, match="cannot be fetched") as caught:
        fetch()
    assert str(cache_folder() / "sam.pth") in (caught.value.hint or "")


def test_no_server_at_all_is_told(server: _Server, monkeypatch: pytest.MonkeyPatch) -> None:
    del server
    monkeypatch.setenv("SAMSR_SAM_URL", "http://127.0.0.1:9/")
    with pytest.raises(WeightsError, match="cannot be fetched"):
        fetch()


def test_the_published_files_are_named_by_type() -> None:
    assert sorted(CHECKPOINTS) == ["vit_b", "vit_h", "vit_l"]
    assert all(len(c.sha256) == 64 and c.name.endswith(".pth") for c in CHECKPOINTS.values())
