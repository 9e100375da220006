"""What ``--model`` takes, as text: read as what it is, or refused in a line."""

from pathlib import Path

import pytest

from sam_diffsr_cli.checkpoints.finding import FoundModel, find_model
from sam_diffsr_cli.checkpoints.references import (
    BundledReference,
    HubReference,
    parse_hub_reference,
    parse_reference,
)
from sam_diffsr_cli.checkpoints.registry import DEFAULT_MODEL, bundled_weights
from sam_diffsr_cli.errors import InputError, WeightsError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stay out of the way of files that are there."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("text", ["default", DEFAULT_MODEL])
def test_a_bundled_model_is_named(text: str) -> None:
    assert parse_reference(text) == BundledReference(DEFAULT_MODEL)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("org/name", HubReference("org/name")),
        ("org/name@v1.2", HubReference("org/name", "v1.2")),
        ("org/name@refs/pr/3", HubReference("org/name", "refs/pr/3")),
        ("o-r.g/na_me-1.0", HubReference("o-r.g/na_me-1.0")),
        ("org/name:x4.safetensors", HubReference("org/name", "main", "x4.safetensors")),
        ("org/name:a/b.safetensors", HubReference("org/name", "main", "a/b.safetensors")),
        ("org/name@v1:b.safetensors", HubReference("org/name", "v1", "b.safetensors")),
        ("org/x.safetensors@v1", HubReference("org/x.safetensors", "v1")),
    ],
)
def test_a_repository_is_read_with_its_revision_and_file(text: str, expected: HubReference) -> None:
    assert parse_reference(text) == parse_hub_reference(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize(
    "text",
    [
        "./model",
        "../org/name",
        "/org/name",
        "~/x",
        "model.safetensors",
        "weights/model.safetensors",
        "weights/Model.SAFETENSORS",
        "a\\b",
        "C:\\models\\a.safetensors",
    ],
)
def test_what_looks_like_a_file_is_one_even_if_it_is_missing(text: str) -> None:
    assert parse_reference(text) == Path(text)


def test_what_exists_is_that_file_whatever_it_looks_like() -> None:
    for name in ("default", "org/name"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    assert parse_reference("org/name") == Path("org/name")
    # But for the names that are ours: what they mean must not hang on the folder one is in.
    assert parse_reference("default") == BundledReference(DEFAULT_MODEL)


@pytest.mark.parametrize(
    "text",
    [
        "org/name:../x.safetensors",
        "org/name:a/../../x.safetensors",
        "org/name:/etc/x.safetensors",
        "org/name:a//x.safetensors",
        "org/name:.hidden/x.safetensors",
        "org/name:a\nb.safetensors",
        "org/name:\x1b[31m.safetensors",
        "org/name@..",
        "org/name@../../x",
        "org/name@-x",
        "org/name@",
        "org/name:",
        "org/na..me",
        "org/na--me",
        "org/name:weights.ckpt",
        "org/name:config.json",
        "org/.name",
        "org/name/more",
        "org/",
        "a b/c",
        "nonsense",
        "",
    ],
)
def test_what_leads_elsewhere_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_reference(text)


@pytest.mark.parametrize("name", ["model.ckpt", "dir/m.pth", "m.PT", "m.bin"])
@pytest.mark.parametrize("is_there", [True, False])
def test_a_pytorch_checkpoint_is_refused_with_how_to_convert_it(name: str, is_there: bool) -> None:
    if is_there:
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(InputError, match="PyTorch checkpoint") as caught:
        parse_reference(name)
    assert "samsr models convert" in (caught.value.hint or "")


def test_a_file_is_called_by_its_name() -> None:
    expected = FoundModel(Path("a/mine.safetensors"), "mine")
    assert find_model("a/mine.safetensors") == find_model(Path("a/mine.safetensors")) == expected


def test_nothing_is_the_bundled_model() -> None:
    assert find_model() == find_model("default") == FoundModel(bundled_weights(), DEFAULT_MODEL)


def test_a_damaged_bundled_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = {DEFAULT_MODEL: "0" * 64}
    monkeypatch.setattr("sam_diffsr_cli.checkpoints.registry.DIGESTS", digests)
    with pytest.raises(WeightsError, match="not the shipped one"):
        find_model()
