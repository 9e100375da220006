"""Checkpoints come once to the cache, and what goes wrong names the way out."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sam_diffsr_cli.download import cache_folder
from sam_diffsr_cli.errors import WeightsError
from sam_diffsr_cli.masks.download import CHECKPOINTS, SamCheckpoint, fetch_checkpoint
from tests.file_server import FileServer, serve

CONTENT = bytes(range(256)) * 5000
WANTED = SamCheckpoint("sam.pth", hashlib.sha256(CONTENT).hexdigest(), 1)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setenv("SAMSR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve() as running:
        running.files["sam.pth"] = CONTENT
        monkeypatch.setenv("SAMSR_SAM_URL", f"{running.url}/")
        yield running


def fetch(told: list[float] | None = None) -> Path:
    return fetch_checkpoint(WANTED, (told if told is not None else []).append)


def test_a_checkpoint_is_fetched_once_to_the_cache(server: FileServer) -> None:
    assert fetch().read_bytes() == CONTENT
    assert fetch() == cache_folder() / "sam.pth"
    assert len(server.asked) == 1


@pytest.mark.usefixtures("server")
def test_its_megabytes_are_told() -> None:
    told: list[float] = []
    fetch(told)
    assert told[-1] == pytest.approx(len(CONTENT) / 1e6)


def test_a_broken_connection_is_told_and_gone_on_with(server: FileServer) -> None:
    server.cuts = [300_000]
    with pytest.raises(WeightsError, match="cannot be fetched") as caught:
        fetch()
    assert "--checkpoint" in (caught.value.hint or "")
    server.cuts = []
    assert fetch().read_bytes() == CONTENT
    assert server.ranges[-1] == "bytes=300000-"


def test_another_file_is_refused_and_not_kept(server: FileServer) -> None:
    server.files["sam.pth"] = b"another"
    with pytest.raises(WeightsError, match="not the published file"):
        fetch()
    assert list(cache_folder().iterdir()) == []


@pytest.mark.parametrize("status", [401, 404, 429, 500])
def test_a_refusal_names_the_way_out(server: FileServer, status: int) -> None:
    server.refusals = [(status, "")] * 20
    with pytest.raises(WeightsError, match="cannot be fetched") as caught:
        fetch()
    assert str(cache_folder() / "sam.pth") in (caught.value.hint or "")


@pytest.mark.usefixtures("server")
def test_no_server_at_all_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMSR_SAM_URL", "http://127.0.0.1:9/")
    with pytest.raises(WeightsError, match="cannot be fetched"):
        fetch()


def test_the_published_files_are_named_by_type() -> None:
    assert sorted(CHECKPOINTS) == ["vit_b", "vit_h", "vit_l"]
    assert all(len(c.sha256) == 64 and c.name.endswith(".pth") for c in CHECKPOINTS.values())
