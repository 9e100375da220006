"""Weights of the Hub, from a server on this machine: the right file, or one clear line."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from sam_diffsr_cli.checkpoints import hub
from sam_diffsr_cli.checkpoints.finding import find_model
from sam_diffsr_cli.checkpoints.hub import fetch_hub_file, local_place
from sam_diffsr_cli.checkpoints.references import HubReference, parse_hub_reference
from sam_diffsr_cli.errors import DiskFullError, InputError, SamsrError, WeightsError
from tests.hub_server import HubServer, Repository, serve_hub

WEIGHTS = bytes(range(256)) * 40
OTHER = b"another" * 400
MAIN = HubReference("org/name")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A Hub with one repository, and an empty cache."""
    with serve_hub() as found:
        repository = Repository()
        repository.commit({"model.safetensors": OTHER}, "old")
        repository.commit({"model.safetensors": WEIGHTS, "README.md": b"card"})
        found.repositories["org/name"] = repository
        for name, value in {
            "ENDPOINT": found.url,
            "HF_HUB_CACHE": str(tmp_path / "hub"),
            "HF_HUB_OFFLINE": False,
            "DOWNLOAD_CHUNK_SIZE": 1000,
        }.items():
            monkeypatch.setattr(constants, name, value)
        monkeypatch.setattr(
            constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            found.url + "/{repo_id}/resolve/{revision}/{filename}",
        )
        monkeypatch.setenv("SAMSR_CACHE", str(tmp_path / "samsr"))
        monkeypatch.setenv("HF_TOKEN", "hf_right")
        monkeypatch.setattr("time.sleep", lambda _: None)
        yield found


def refused(reference: HubReference = MAIN) -> SamsrError:
    with pytest.raises(SamsrError) as caught:
        fetch_hub_file(reference)
    return caught.value


def links(tmp_path: Path) -> list[Path]:
    """List what the cache holds under its name."""
    return [path for path in (tmp_path / "hub").rglob("snapshots/*/*") if path.exists()]


def test_a_file_is_fetched_once_and_known_by_its_commit(server: HubServer) -> None:
    first = fetch_hub_file(MAIN)
    assert first.path.read_bytes() == WEIGHTS
    assert first.commit == server.repositories["org/name"].refs["main"]
    assert first.digest == hashlib.sha256(WEIGHTS).hexdigest()
    assert fetch_hub_file(MAIN) == first
    assert sum(method == "GET" for method, path in server.asked if "/store/" in path) == 1


@pytest.mark.parametrize("revision", ["old", "main"])
def test_a_revision_is_a_branch_or_a_commit(server: HubServer, revision: str) -> None:
    commit = server.repositories["org/name"].refs[revision]
    expected = {"old": OTHER, "main": WEIGHTS}[revision]
    for named in (revision, commit):
        found = fetch_hub_file(HubReference("org/name", named))
        assert (found.path.read_bytes(), found.commit) == (expected, commit)


def test_a_branch_that_moved_is_fetched_anew(server: HubServer) -> None:
    fetch_hub_file(MAIN)
    commit = server.repositories["org/name"].commit({"model.safetensors": OTHER * 2})
    found = fetch_hub_file(MAIN)
    assert (found.path.read_bytes(), found.commit) == (OTHER * 2, commit)


@pytest.mark.usefixtures("server")
def test_a_small_file_is_compared_by_gits_own_digest() -> None:
    reference = HubReference("org/name", "main", "README.md")
    assert fetch_hub_file(reference).path.read_bytes() == b"card"
    fetch_hub_file(reference).path.resolve().write_bytes(b"cart")
    assert "not the file that the Hub says" in str(refused(reference))
    assert fetch_hub_file(reference).path.read_bytes() == b"card"


def test_a_private_repository_needs_the_token(
    server: HubServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server.repositories["org/name"].is_private = True
    assert fetch_hub_file(MAIN).path.read_bytes() == WEIGHTS
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "another"))
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    error = refused()
    assert isinstance(error, WeightsError)
    assert "org/name: no such repository on the Hub, or it is private" in str(error)
    assert "HF_TOKEN" in (error.hint or "")


def test_a_gated_repository_says_so(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.repositories["org/name"].is_gated = True
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert "lets in only whom they accepted" in str(refused())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("org/gone", "org/gone: no such repository"),
        ("org/name@gone", "org/name: has no revision 'gone'"),
        ("org/name:gone.safetensors", "has no gone.safetensors at main; it has model.safetensors"),
    ],
)
def test_what_is_not_there_is_named(
    server: HubServer, tmp_path: Path, text: str, words: str
) -> None:
    error = refused(parse_hub_reference(text))
    assert isinstance(error, WeightsError)
    assert words in str(error)
    assert error.hint
    assert "\n" not in str(error) + (error.hint or "")
    assert links(tmp_path) == []
    assert server.asked


@pytest.mark.parametrize(("status", "words"), [(429, "(429)"), (500, "(500)"), (503, "(503)")])
def test_a_server_in_trouble_is_told_from_a_missing_file(
    server: HubServer, tmp_path: Path, status: int, words: str
) -> None:
    server.refusals = [("resolve", status)] * 50
    error = refused()
    assert words in str(error)
    assert links(tmp_path) == []
    server.refusals = []
    assert fetch_hub_file(MAIN).path.read_bytes() == WEIGHTS


def test_trouble_that_passes_is_waited_for(server: HubServer) -> None:
    server.refusals = [("store", 429), ("store", 429)]
    assert fetch_hub_file(MAIN).path.read_bytes() == WEIGHTS


def test_a_download_that_is_cut_goes_on_where_it_ended(server: HubServer) -> None:
    server.cuts = [3000]
    assert fetch_hub_file(MAIN).path.read_bytes() == WEIGHTS
    assert server.ranges[-1] == "bytes=3000-"


def test_a_download_that_stays_cut_leaves_nothing_that_counts_as_whole(
    server: HubServer, tmp_path: Path
) -> None:
    server.cuts = [100] + [0] * 20
    error = refused()
    assert "ended early" in str(error)
    assert links(tmp_path) == []
    server.cuts = []
    assert fetch_hub_file(MAIN).path.read_bytes() == WEIGHTS


def test_another_file_than_the_hub_names_is_refused_and_removed(
    server: HubServer, tmp_path: Path
) -> None:
    digest = hashlib.sha256(WEIGHTS).hexdigest()
    server.lies[digest] = bytes(len(WEIGHTS))
    error = refused()
    assert isinstance(error, WeightsError)
    assert "not the file that the Hub says it is" in str(error)
    assert links(tmp_path) == []
    server.lies = {}
    assert fetch_hub_file(MAIN).digest == digest


def test_a_page_that_is_not_the_hubs_is_told(server: HubServer, tmp_path: Path) -> None:
    server.is_nonsense = True
    error = refused()
    assert "whatever answers is not the Hub" in str(error)
    assert "HF_ENDPOINT" in str(error)
    assert links(tmp_path) == []


@pytest.fixture(params=["offline", "unreachable"])
def cut_off(server: HubServer, request: pytest.FixtureRequest) -> None:
    """Be without the Hub."""
    assert server.asked == []
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    if request.param == "offline":
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    else:
        template = "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")


@pytest.mark.usefixtures("cut_off")
def test_without_the_hub_and_the_file_there_is_one_clear_line() -> None:
    error = refused()
    assert isinstance(error, WeightsError)
    assert "org/name: " in str(error)
    assert "not in the cache" in str(error)
    hint = error.hint or ""
    assert "samsr models download org/name -o model.safetensors" in hint
    assert str(local_place(MAIN)) in hint


@pytest.mark.usefixtures("cut_off")
def test_without_the_hub_a_file_put_there_by_hand_is_used() -> None:
    place = local_place(MAIN)
    place.parent.mkdir(parents=True)
    place.write_bytes(OTHER)
    found = fetch_hub_file(MAIN)
    assert (found.path, found.commit) == (place, "local")
    assert found.digest == hashlib.sha256(OTHER).hexdigest()


def test_the_place_for_a_file_tells_revisions_apart() -> None:
    pinned = local_place(HubReference("org/name", "v1", "x.safetensors"))
    assert pinned.parts[-4:] == ("models", "org", "name@v1", "x.safetensors")
    assert local_place(MAIN).parts[-4:] == ("models", "org", "name", "model.safetensors")


@pytest.mark.parametrize("is_offline", [True, False])
def test_what_is_in_the_cache_is_used_without_the_hub(
    server: HubServer, monkeypatch: pytest.MonkeyPatch, is_offline: bool
) -> None:
    before = fetch_hub_file(MAIN)
    if is_offline:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    else:
        server.refusals = [("resolve", 503)] * 50
    assert fetch_hub_file(MAIN) == before
    assert fetch_hub_file(HubReference("org/name", before.commit)) == before


@pytest.mark.usefixtures("server")
def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: HubReference) -> Path:
        raise OSError(28, "No space left on device", "/cache/file")

    monkeypatch.setattr(hub, "_download", full)
    error = refused()
    assert isinstance(error, DiskFullError)
    assert "/cache/file" in str(error)


@pytest.mark.usefixtures("server")
def test_a_cache_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file" / "hub"))
    error = refused()
    assert isinstance(error, InputError)
    assert "HF_HOME" in (error.hint or "")


def test_a_model_of_the_hub_is_named_by_its_commit(server: HubServer) -> None:
    commit = server.repositories["org/name"].refs["main"][:12]
    assert find_model("org/name").name == f"org/name@{commit}"
    server.repositories["org/name"].commit({"x.safetensors": OTHER})
    commit = server.repositories["org/name"].refs["main"][:12]
    assert find_model("org/name:x.safetensors").name == f"org/name@{commit}:x.safetensors"
