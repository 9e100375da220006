"""``samsr train export``: the weights of a run as a file for others."""

import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from sam_diffsr_cli.checkpoints.heads import read_metadata
from sam_diffsr_cli.checkpoints.store import load_weights, read_tensors
from tests.helpers import samsr
from tests.workshop.tools.kill_train import OFTEN, TINY, draw_photos


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished run whose photos lie in a folder with a telling name."""
    root = tmp_path_factory.mktemp("secret-place")
    photos = draw_photos(root / "holiday")
    code, _, stderr = samsr("train", "--data", photos, "--out", root / "run", *TINY, *OFTEN)
    assert code == 0, stderr
    return root / "run"


@pytest.fixture
def unfinished(run: Path, tmp_path: Path) -> Path:
    """Return the run as it was in its first stage."""
    copy = tmp_path / "unfinished"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("diffusion*", "model.*", "cache"))
    return copy


def export(run: Path, output: Path, *more: object) -> dict[str, Tensor]:
    """Export with success, and return the tensors in the file."""
    code, stdout, stderr = samsr("train", "export", run, "-o", output, *more)
    assert code == 0, stderr
    assert stdout == f"{output}\n"
    return read_tensors(output)[0]


@pytest.mark.slow
def test_the_newest_weights_are_those_that_the_run_ended_with(run: Path, tmp_path: Path) -> None:
    exported = export(run, tmp_path / "mine.safetensors")
    ended = read_tensors(run / "model.safetensors")[0]
    assert exported.keys() == ended.keys()
    assert all(torch.equal(exported[name], tensor) for name, tensor in ended.items())


def test_the_best_weights_are_those_of_the_best_validation(run: Path, tmp_path: Path) -> None:
    exported = export(run, tmp_path / "mine.safetensors", "--which", "best", "--dtype", "fp32")
    best = read_tensors(run / "diffusion.best.safetensors")[0]
    assert exported.keys() == best.keys()
    assert all(torch.equal(exported[name], tensor) for name, tensor in best.items())


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("fp16", torch.float16), ("bf16", torch.bfloat16), ("fp32", torch.float32)],
)
def test_numbers_are_in_the_format_asked_for(
    name: str, dtype: torch.dtype, run: Path, tmp_path: Path
) -> None:
    exported = export(run, tmp_path / "mine.safetensors", "--dtype", name)
    assert {tensor.dtype for tensor in exported.values()} == {dtype}


def test_what_is_exported_enlarges_a_picture(run: Path, tmp_path: Path) -> None:
    weights, target = tmp_path / "mine.safetensors", tmp_path / "large.png"
    export(run, weights)
    photo = run.with_name("holiday") / "0000.png"
    assert samsr("upscale", photo, target, "--weights", weights)[0] == 0
    with Image.open(target) as picture:
        assert picture.size == (320, 320)


def test_an_unfinished_run_gives_the_encoder_that_it_has(unfinished: Path, tmp_path: Path) -> None:
    export(unfinished, tmp_path / "mine.safetensors")
    loaded = load_weights(tmp_path / "mine.safetensors")
    assert loaded.model.config.diffusion.sampling_steps == 0
    assert "encoder stage, step 12 of 12" in loaded.source


def test_the_stage_that_is_exported_is_told(unfinished: Path, tmp_path: Path) -> None:
    output = tmp_path / "mine.safetensors"
    _, _, stderr = samsr("train", "export", unfinished, "-o", output, "--which", "best")
    assert stderr == f"encoder stage, best; fill in the card: {tmp_path / 'mine.md'}"


def test_the_card_names_the_model_its_recipe_and_what_is_to_be_filled_in(
    run: Path, tmp_path: Path
) -> None:
    export(run, tmp_path / "mine.safetensors")
    card = (tmp_path / "mine.md").read_text(encoding="utf-8")
    assert "# Model card: mine" in card
    assert "--weights mine.safetensors" in card
    assert 'photos = ["holiday"]' in card
    assert "- Licence: (fill in)" in card
    assert "| encoder | 12 | " in card


def test_nothing_tells_where_files_lay_on_the_machine(run: Path, tmp_path: Path) -> None:
    output = tmp_path / "mine.safetensors"
    export(run, output)
    told = (tmp_path / "mine.md").read_text(encoding="utf-8") + str(read_metadata(output))
    assert "holiday" in told
    assert "secret-place" not in told


@pytest.mark.parametrize(
    ("source", "output", "words"),
    [
        ("gone", "mine.safetensors", "gone: no run of samsr train"),
        ("begun", "mine.safetensors", "begun: no state yet"),
        ("run", "mine.pt", "mine.pt: weights files end in .safetensors"),
        ("run", "there.safetensors", "there.safetensors: already there"),
        ("run", "there.safetensors", "add --overwrite"),
        ("run", "card.safetensors", "card.md: already there"),
        ("run", "gone/mine.safetensors", f"{Path('gone/mine.safetensors')}: cannot write here"),
    ],
)
def test_what_cannot_be_exported_is_refused_and_nothing_is_written(
    source: str,
    output: str,
    words: str,
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("begun").mkdir()
    shutil.copy(run / "recipe.toml", "begun")
    Path("run").symlink_to(run)
    for name in ("there.safetensors", "card.md"):
        Path(name).write_bytes(b"precious")
    before = sorted(Path().rglob("*"))
    code, stdout, stderr = samsr("train", "export", source, "-o", output)
    assert (code, stdout) == (3, "")
    assert words in stderr
    assert sorted(Path().rglob("*")) == before
    assert {Path(n).read_bytes() for n in ("there.safetensors", "card.md")} == {b"precious"}


def test_a_run_without_validation_has_no_best(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("*.best.*", "cache"))
    output = tmp_path / "mine.safetensors"
    code, _, stderr = samsr("train", "export", copy, "-o", output, "--which", "best")
    assert code == 3
    assert "no validation yet" in stderr


def test_overwrite_replaces_the_file_and_its_card(run: Path, tmp_path: Path) -> None:
    output, card = tmp_path / "mine.safetensors", tmp_path / "mine.md"
    output.write_bytes(b"old")
    card.write_bytes(b"old")
    export(run, output, "--overwrite")
    assert load_weights(output).model.config.unet.widths == (8, 8)
    assert "# Model card" in card.read_text(encoding="utf-8")


@pytest.fixture
def damaged(run: Path, tmp_path: Path) -> Path:
    """Return the run with its newest state cut short."""
    copy = tmp_path / "run"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("cache"))
    state = copy / "states" / "diffusion-00000012.safetensors"
    state.write_bytes(state.read_bytes()[:-100])
    return copy


def test_a_damaged_state_is_told_and_the_one_before_it_taken(damaged: Path, tmp_path: Path) -> None:
    output = tmp_path / "mine.safetensors"
    code, _, stderr = samsr("train", "export", damaged, "-o", output)
    assert code == 0
    assert "diffusion-00000012.safetensors: damaged" in stderr
    assert "step 9 of 12" in load_weights(output).source


def test_where_all_states_are_damaged_nothing_is_written(damaged: Path, tmp_path: Path) -> None:
    for state in (damaged / "states").iterdir():
        state.write_bytes(b"torn")
    output = tmp_path / "mine.safetensors"
    code, _, stderr = samsr("train", "export", damaged, "-o", output)
    assert code == 4
    assert "safetensors: damaged" in stderr
    assert not output.exists()
