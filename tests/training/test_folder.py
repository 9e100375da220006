"""The folder of a run: its states are kept, found and passed over, and one process writes."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import sam_diffsr_cli
from sam_diffsr_cli.errors import ConfigError, DiskFullError, InputError, WeightsError
from sam_diffsr_cli.recipes.records import DataConfig, TrainConfig
from sam_diffsr_cli.training import folder as folder_module
from sam_diffsr_cli.training.folder import RunFolder, refuse_other
from sam_diffsr_cli.training.state import TrainState
from tests.training import tiny
from tests.training.tiny import CPU, DENOISER, ENCODER, start


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    run_folder = RunFolder(tmp_path / "deep" / "run")
    run_folder.make()
    return run_folder


def at(step: int, config: TrainConfig = ENCODER) -> TrainState:
    state = start(config)
    state.step = step
    return state


def names(folder: RunFolder) -> list[str]:
    return sorted(path.name for path in (folder.path / "states").iterdir())


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


# ------------------------------------------------------------------------------------ states


def test_states_are_listed_newest_first_each_stage_for_itself(folder: RunFolder) -> None:
    for step in (5, 20, 100):
        folder.save(at(step), keep=9)
    folder.save(at(30, DENOISER), keep=9)
    assert [path.stem for path in folder.states("encoder")] == [
        "encoder-00000100",
        "encoder-00000020",
        "encoder-00000005",
    ]
    assert [path.stem for path in folder.states("diffusion")] == ["diffusion-00000030"]


def test_other_files_beside_the_states_are_not_taken_for_states(folder: RunFolder) -> None:
    for name in ("encoder-best.safetensors", "encoder-.safetensors", "encoder-00000001.txt"):
        (folder.path / "states" / name).write_text("mine")
    assert folder.states("encoder") == []


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_all_but_the_newest_states_are_removed(folder: RunFolder, keep: int) -> None:
    for step in range(1, 6):
        assert folder.save(at(step), keep) == folder.state_path("encoder", step)
    assert names(folder) == [f"encoder-{step:08d}.safetensors" for step in range(6 - keep, 6)]


def test_the_states_of_the_other_stage_are_not_removed(folder: RunFolder) -> None:
    folder.save(at(3), keep=1)
    for step in (1, 2):
        folder.save(at(step, DENOISER), keep=1)
    assert names(folder) == ["diffusion-00000002.safetensors", "encoder-00000003.safetensors"]


def test_a_save_that_fails_removes_no_state(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, _: TrainState) -> None:
        raise DiskFullError(f"{path}: no space left")

    folder.save(at(1), keep=1)
    monkeypatch.setattr(folder_module, "save_state", fail)
    with pytest.raises(DiskFullError):
        folder.save(at(2), keep=1)
    assert names(folder) == ["encoder-00000001.safetensors"]


# ------------------------------------------------------------------------------------- latest


def latest(folder: RunFolder, told: Callable[[str], None] = lambda _: None) -> int | None:
    state = folder.latest(ENCODER, CPU, told)
    return None if state is None else state.step


def test_there_is_no_latest_state_in_a_new_folder(folder: RunFolder) -> None:
    assert latest(folder) is None


def test_the_newest_state_is_read(folder: RunFolder) -> None:
    for step in (1, 2):
        folder.save(at(step), keep=2)
    told: list[str] = []
    assert latest(folder, told.append) == 2
    assert told == []


def test_a_damaged_state_is_passed_over_with_a_notice(folder: RunFolder) -> None:
    for step in (1, 2):
        folder.save(at(step), keep=2)
    damage(folder.state_path("encoder", 2))
    told: list[str] = []
    assert latest(folder, told.append) == 1
    (notice,) = told
    assert str(folder.state_path("encoder", 2)) in notice
    assert "going back" in notice


def test_nothing_but_damaged_states_is_an_error(folder: RunFolder) -> None:
    for step in (1, 2):
        folder.save(at(step), keep=2)
        damage(folder.state_path("encoder", step))
    told: list[str] = []
    with pytest.raises(WeightsError, match=r"encoder-0000000\d\.safetensors"):
        latest(folder, told.append)
    assert len(told) == 2


@pytest.mark.parametrize("keep", [1, 2])
def test_a_damaged_state_that_was_passed_over_pushes_out_no_whole_one(
    folder: RunFolder, keep: int
) -> None:
    for step in (4, 10):
        folder.save(at(step), keep=2)
    damage(folder.state_path("encoder", 10))
    assert latest(folder) == 4
    folder.save(at(6), keep)
    assert latest(folder) == 6
    whole = [step for step in (4, 6) if folder.state_path("encoder", step).exists()]
    assert whole == [4, 6][-keep:]


def test_a_state_of_another_recipe_is_refused_not_passed_over(folder: RunFolder) -> None:
    folder.save(at(1), keep=2)
    folder.save(at(2, replace(ENCODER, seed=9)), keep=2)
    with pytest.raises(ConfigError, match="another recipe"):
        latest(folder)


# ------------------------------------------------------------------------------------ recipes


def test_the_recipe_comes_back_as_it_was_given(folder: RunFolder) -> None:
    recipe = tiny.recipe("encoder", learning_rate=1.5e-4, ema_decay=0.0)
    folder.begin(recipe)
    assert folder.read_recipe() == recipe


def test_a_run_is_not_begun_over_another(folder: RunFolder) -> None:
    folder.begin(tiny.recipe())
    before = folder.recipe_path.read_bytes()
    with pytest.raises(InputError, match=r"recipe\.toml: a run is already there") as caught:
        folder.begin(tiny.recipe(seed=9))
    assert "--resume" in (caught.value.hint or "")
    assert folder.recipe_path.read_bytes() == before


def test_a_run_is_not_begun_over_weights(folder: RunFolder) -> None:
    folder.weights_path.write_bytes(b"precious")
    with pytest.raises(InputError, match=r"model\.safetensors: a run is already there"):
        folder.begin(tiny.recipe())
    assert not folder.recipe_path.exists()


def test_there_is_no_recipe_without_a_run(folder: RunFolder) -> None:
    with pytest.raises(InputError, match="no run to go on with") as caught:
        folder.read_recipe()
    assert caught.value.hint


def test_a_damaged_recipe_is_refused(folder: RunFolder) -> None:
    folder.recipe_path.write_text("[model\n")
    with pytest.raises(ConfigError, match="not TOML"):
        folder.read_recipe()


def test_going_on_with_the_same_recipe_is_not_refused(tmp_path: Path) -> None:
    refuse_other(tiny.recipe(), tiny.recipe(), tmp_path)


def test_another_recipe_is_refused_and_every_key_that_differs_is_named(tmp_path: Path) -> None:
    stored, asked = tiny.recipe(), tiny.recipe(batch=8, seed=3)
    with pytest.raises(ConfigError) as caught:
        refuse_other(asked, stored, tmp_path)
    for key in ("encoder.batch", "encoder.seed", "diffusion.batch", "diffusion.seed"):
        assert f"{key}: " in str(caught.value)
    assert "encoder.batch: 4, 8" in str(caught.value)
    assert "learning_rate" not in str(caught.value)
    assert caught.value.hint


def test_photos_may_have_moved(tmp_path: Path) -> None:
    moved = replace(tiny.recipe(), data=DataConfig(photos=("/elsewhere",), masks="/masks"))
    refuse_other(moved, tiny.recipe(), tmp_path)


# ---------------------------------------------------------------------------------- the folder


def test_making_the_folder_again_keeps_what_is_in_it(folder: RunFolder) -> None:
    path = folder.save(at(1), keep=1)
    folder.make()
    assert path.exists()
    assert folder.sample_path("encoder", 1).parent.is_dir()


def test_leftovers_of_killed_processes_are_removed(folder: RunFolder) -> None:
    left = [folder.path / ".samsr-x.part.html", folder.path / "states" / ".samsr-y.part"]
    for path in left:
        path.write_bytes(b"half")
    folder.make()
    assert not any(path.exists() for path in left)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with pytest.raises(InputError, match="cannot be a folder"):
        RunFolder(tmp_path / "run").make()
    assert (tmp_path / "run").read_text() == "mine"


needs_locks = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX locks")


@needs_locks
def test_a_folder_that_is_claimed_is_refused(folder: RunFolder) -> None:
    with (
        folder.claimed(),
        pytest.raises(InputError, match="another process is training"),
        folder.claimed(),
    ):
        pytest.fail("both may write")


@pytest.mark.slow
@needs_locks
def test_a_folder_that_another_process_claimed_is_refused_until_it_ends(folder: RunFolder) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from sam_diffsr_cli.training.folder import RunFolder\n"
        "with RunFolder(Path(sys.argv[1])).claimed():\n"
        "    print('claimed', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(  # noqa: S603 - our own code
        [sys.executable, "-c", code, str(folder.path)],
        cwd=Path(sam_diffsr_cli.__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "claimed\n"
        with pytest.raises(InputError, match="another process is training"), folder.claimed():
            pytest.fail("both may write")
        other.kill()
    with folder.claimed():
        pass


def test_a_claim_ends_with_its_context(folder: RunFolder) -> None:
    with folder.claimed():
        pass
    with folder.claimed():
        pass
