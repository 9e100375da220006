"""Weights to the Hub and back, with a server on this machine; and their cards."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml
from huggingface_hub import constants

from sam_diffsr_cli.checkpoints.card import with_front_matter
from sam_diffsr_cli.checkpoints.finding import find_model
from sam_diffsr_cli.checkpoints.publishing import prepare, push
from sam_diffsr_cli.checkpoints.references import HubReference, parse_hub_reference
from sam_diffsr_cli.checkpoints.store import load_weights, save_weights
from sam_diffsr_cli.errors import InputError, WeightsError
from sam_diffsr_cli.networks.model import build_model
from tests.helpers import TINIER
from tests.hub_server import HubServer, Repository, serve_hub

# Of the Hub's library, on its own way of uploading.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

TARGET = HubReference("org/name")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with serve_hub() as found:
        template = found.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", found.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        # Its own way of uploading needs servers that are not here.
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr("huggingface_hub.hf_api.ENDPOINT", found.url, raising=False)
        monkeypatch.setenv("HF_TOKEN", "hf_right")
        monkeypatch.setattr("time.sleep", lambda _: None)
        yield found


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "mine.safetensors"
    save_weights(path, build_model(TINIER, 3), "drawn by chance", torch.float32, "steps = 3\n")
    return path


def files_of(server: HubServer, branch: str = "main") -> dict[str, bytes]:
    found = server.repositories["org/name"]
    return found.commits[found.refs[branch]]


def test_what_was_pushed_is_what_model_takes(server: HubServer, weights: Path) -> None:
    place = push(prepare(weights, TARGET, licence="apache-2.0"), "first")
    commit = server.repositories["org/name"].refs["main"]
    assert place == f"org/name@{commit}"
    assert files_of(server)["model.safetensors"] == weights.read_bytes()
    for text in ("org/name", place):
        found = find_model(text)
        assert found.path.read_bytes() == weights.read_bytes()
        assert found.name == f"org/name@{commit[:12]}"
    assert load_weights(find_model(place).path).model.config == TINIER


def test_weights_and_card_come_in_one_commit(server: HubServer, weights: Path) -> None:
    push(prepare(weights, TARGET), "first")
    assert set(files_of(server)) == {"model.safetensors", "README.md"}
    assert server.asked_for("/commit/main") == 1


def test_a_branch_and_a_file_name_are_made(server: HubServer, weights: Path) -> None:
    push(prepare(weights, TARGET), "first")
    target = parse_hub_reference("org/name@v2:x4/small.safetensors")
    place = push(prepare(weights, target), "second")
    assert "x4/small.safetensors" in files_of(server, "v2")
    assert "x4/small.safetensors" not in files_of(server)
    assert find_model(place).path.read_bytes() == weights.read_bytes()


def test_a_new_repository_is_private_where_that_is_asked_for(
    server: HubServer, weights: Path
) -> None:
    publication = prepare(weights, TARGET)
    push(type(publication)(publication.path, TARGET, publication.card, is_private=True), "first")
    assert server.repositories["org/name"].is_private


def test_the_repositorys_own_card_stays_unless_one_is_given(
    server: HubServer, weights: Path, tmp_path: Path
) -> None:
    server.repositories["org/name"] = Repository()
    server.repositories["org/name"].commit({"README.md": b"their own"})
    push(prepare(weights, TARGET), "first")
    assert files_of(server)["README.md"] == b"their own"
    (tmp_path / "card.md").write_text("# Mine\n")
    push(prepare(weights, TARGET, card=tmp_path / "card.md"), "second")
    assert files_of(server)["README.md"].decode().endswith("# Mine\n")


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (("repos/create", 403), "may not write there"),
        (("preupload", 401), "does not know who asks"),
        (("objects/batch", 403), "may not write there"),
        (("/commit/", 409), "at the same time"),
        (("/commit/", 412), "at the same time"),
    ],
    ids=str,
)
def test_a_refusal_is_told_and_changes_nothing(
    server: HubServer, weights: Path, refusal: tuple[str, int], words: str
) -> None:
    server.refusals = [refusal] * 20
    with pytest.raises(WeightsError, match="nothing was published") as caught:
        push(prepare(weights, TARGET), "first")
    assert words in str(caught.value)
    assert caught.value.hint
    found = server.repositories.get("org/name")
    assert found is None or found.commits[found.refs["main"]] == {}


def test_an_upload_that_is_lost_is_told(server: HubServer, weights: Path) -> None:
    server.loses_uploads = True
    with pytest.raises(WeightsError, match="nothing was published"):
        push(prepare(weights, TARGET), "first")
    assert files_of(server) == {}


def test_a_wrong_token_is_told(
    server: HubServer, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(WeightsError, match="does not know who asks") as caught:
        push(prepare(weights, TARGET), "first")
    assert "HF_TOKEN" in (caught.value.hint or "")
    assert server.repositories == {}


def test_what_does_not_load_is_not_published(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    path.write_bytes(b"not weights")
    with pytest.raises(WeightsError, match="damaged"):
        prepare(path, TARGET)


# ---------------------------------------------------------------------------------------- cards


def parts(card: str) -> tuple[dict[str, object], str]:
    _, front, body = card.split("---\n", 2)
    return yaml.safe_load(front), body


def test_a_card_says_what_is_known_and_what_is_to_be_filled_in(weights: Path) -> None:
    front, body = parts(prepare(weights, TARGET, licence="Apache-2.0").card)
    assert front["license"] == "apache-2.0"
    assert front["library_name"] == "samsr"
    assert "samsr upscale in/ out/ --model org/name" in body
    assert hashlib.sha256(weights.read_bytes()).hexdigest() in body
    assert "Source: drawn by chance" in body
    assert "steps = 3" in body
    assert "Limits: (fill in)" in body
    assert "scale: 4" in body


def test_texts_of_a_file_stay_texts_in_its_card(tmp_path: Path) -> None:
    path = tmp_path / "evil.safetensors"
    evil = "a\n---\nlicense: mine\n---\n<script>alert(1)</script> [x](http://y) # head"
    save_weights(path, build_model(TINIER), evil, torch.float32, "x = 1\n```\n<b>out</b>\n````\n")
    front, body = parts(prepare(path, TARGET).card)
    assert front["license"] == "other"
    assert "<script>" not in body.replace("\\<script", "")
    assert "\\[x\\]" in body
    assert "`````toml\nx = 1\n```\n<b>out</b>\n````\n`````" in body


def test_a_card_beside_the_weights_is_taken_with_what_it_lacks(weights: Path) -> None:
    weights.with_suffix(".md").write_text("# My own card\n")
    front, body = parts(prepare(weights, TARGET, licence="mit").card)
    assert front["license"] == "mit"
    assert body == "\n# My own card\n"


def test_a_card_with_front_matter_is_left_as_it_is() -> None:
    card = "---\nlicense: mine\n---\n# Card\n"
    assert with_front_matter(card, "apache-2.0") == card


@pytest.mark.parametrize("licence", ["two words", "a\nb: c", "-x", "\x1b"])
def test_a_licence_that_is_no_identifier_is_refused(weights: Path, licence: str) -> None:
    with pytest.raises(InputError, match="--licence"):
        prepare(weights, TARGET, licence=licence)


def test_a_card_that_cannot_be_read_is_refused(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.md: cannot be read"):
        prepare(weights, TARGET, card=tmp_path / "gone.md")
