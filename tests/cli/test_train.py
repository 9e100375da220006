"""``samsr train`` as a person meets it: whole runs, bad inputs, kills, signals, fine-tuning."""

import errno
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sam_diffsr_cli.atomic import atomic_path
from sam_diffsr_cli.chain_config import DiffusionConfig
from sam_diffsr_cli.checkpoints.heads import read_config
from sam_diffsr_cli.checkpoints.official import load_official
from sam_diffsr_cli.checkpoints.store import load_weights, save_weights
from sam_diffsr_cli.cli import train_run
from sam_diffsr_cli.config import EncoderConfig, ModelConfig, UNetConfig
from sam_diffsr_cli.masks.store import write_records
from sam_diffsr_cli.networks.model import build_model
from sam_diffsr_cli.training import engine, folder, start
from sam_diffsr_cli.training.state import TrainState, save_state
from tests.halting import Halt, go_on
from tests.helpers import samsr
from tests.workshop.tools import kill_train
from tests.workshop.tools.kill_train import OFTEN, TINY, Deadly, draw_photos

pytestmark = pytest.mark.slow

VECTORS = Path(__file__).resolve().parents[1] / "conformance" / "vectors"
OTHER = ModelConfig(
    encoder=EncoderConfig(kind="residual", num_feat=4, num_block=2),
    unet=UNetConfig(kind="folded", widths=(8, 8)),
    diffusion=DiffusionConfig(num_timesteps=10, sampling_steps=2),
)
ONE_STEP = ("--stage", "encoder", "--encoder-steps", "1")
NEEDS_SIGNALS = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


@dataclass(frozen=True)
class Done:
    """A run that ended: its exit code, streams (stderr on one line) and folder."""

    code: int
    stdout: str
    stderr: str
    out: Path


def train(photos: Path, out: Path, *more: object) -> Done:
    """Begin the tiny run in ``out``, or go on with it."""
    return Done(*samsr(*kill_train.train_arguments(photos, out, *map(str, more))), out)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_photos(tmp_path_factory.mktemp("train") / "photos")


@pytest.fixture(scope="module")
def whole(photos: Path) -> Done:
    """Return an unbroken run of both stages."""
    return train(photos, photos.with_name("whole"))


def left(out: Path) -> list[str]:
    """List the files that a run left under their final names, without its cache."""
    files = (p.relative_to(out) for p in out.rglob("*") if p.is_file())
    return sorted(p.as_posix() for p in files if p.name[0] != "." and p.parts[0] != "cache")


# ------------------------------------------------------------------------------------ whole runs


def test_a_run_leaves_all_its_files(whole: Done) -> None:
    stages = ("encoder", "diffusion")
    assert whole.code == 0
    assert set(left(whole.out)) == {
        *("recipe.toml", "metrics.jsonl", "summary.html", "model.safetensors", "model.md"),
        *(f"{stage}.best.safetensors" for stage in stages),
        *(f"states/{stage}-{step:08d}.safetensors" for stage in stages for step in (9, 12)),
        *(f"samples/{stage}-{step:08d}.png" for stage in stages for step in (6, 12)),
    }


def test_stdout_is_the_path_of_the_weights(whole: Done) -> None:
    assert whole.stdout == f"{whole.out / 'model.safetensors'}\n"


def test_a_run_tells_photos_stages_validations_and_where_to_look(whole: Done) -> None:
    for words in (
        "11 photos, 0.1 megapixels, 0 with masks; 1 to validate with",
        "encoder stage, 12 steps of 4 crops, on cpu, fp32",
        "diffusion step 12/12: loss ",
        "validation step 12: PSNR-Y ",
        f"the run is shown in {whole.out / 'summary.html'}",
    ):
        assert words in whole.stderr


def test_both_stages_are_trained(whole: Done) -> None:
    fresh = build_model(read_config(whole.out / "model.safetensors"), seed=0).state_dict()
    trained = load_weights(whole.out / "model.safetensors").model.state_dict()
    moved = {
        name.partition(".")[0] for name in fresh if not torch.equal(fresh[name], trained[name])
    }
    assert moved == {"rrdb", "denoise_fn"}


def test_the_weights_enlarge_a_picture(whole: Done, photos: Path, tmp_path: Path) -> None:
    target, weights = tmp_path / "large.png", whole.out / "model.safetensors"
    code, _, _ = samsr("upscale", photos / "0000.png", target, "--weights", weights)
    assert code == 0
    with Image.open(target) as picture:
        assert picture.size == (320, 320)


def test_the_same_run_gives_the_same_again(whole: Done, photos: Path, tmp_path: Path) -> None:
    train(photos, tmp_path / "again")
    assert kill_train.differences(tmp_path / "again", whole.out) == []


def test_another_seed_gives_another_model(whole: Done, photos: Path, tmp_path: Path) -> None:
    train(photos, tmp_path / "other", "--seed", 1)
    found = kill_train.differences(tmp_path / "other", whole.out)
    assert any(name.startswith("model.safetensors: denoise_fn.") for name in found)


def test_a_finished_run_that_goes_on_is_left_as_it_is(whole: Done, photos: Path) -> None:
    before = kill_train.content(whole.out)
    again = train(photos, whole.out)
    assert (again.code, again.stdout) == (0, whole.stdout)
    after = kill_train.content(whole.out)
    assert [name for name in before if not kill_train.is_same(before[name], after[name])] == []


# ------------------------------------------------------------------------------------ bad inputs


@pytest.fixture
def here(tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with photos and things that are none."""
    monkeypatch.chdir(tmp_path)
    Path("photos").symlink_to(photos)
    Path("empty").mkdir()
    draw_photos(Path("small"), count=3, side=40)
    save_weights(Path("other.safetensors"), build_model(OTHER), "test")
    return tmp_path


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ([], 3, "give photos with --data"),
        (["--data", "empty"], 3, "empty: no pictures"),
        (["--data", "gone"], 3, "gone: not a folder"),
        (["--data", "photos", "--data", "gone"], 3, "gone: not a folder"),
        (["--data", "small"], 3, "small: no usable photos, all 3 are left out"),
        (["--data", "small"], 3, "48 pixels or more are needed; a smaller --patch needs less"),
        (["--data", "photos", "--masks", "gone"], 3, "gone: not a folder"),
        (["--data", "photos", "--masks", "empty"], 3, "empty: no masks of these photos"),
        (["--data", "photos", "--val", "empty"], 3, "empty: no pictures"),
        (["--data", "photos", "--val", "gone"], 3, "gone: not a folder"),
        (["--data", "photos", "--stage", "diffusion"], 3, "give it with --init"),
        (["--data", "photos", "--init", "photos/0000.png"], 4, "not a safetensors file"),
        (["--data", "photos", "--init", "other.safetensors"], 3, "another network than the recipe"),
        (["--data", "photos", "--device", "cuda:99"], 3, "--device cuda:99: not available here"),
        (["--data", "photos", "--cache", "photos/0000.png"], 3, "0000.png"),
    ],
    ids=lambda each: " ".join(each).replace("/", "-") if isinstance(each, list) else "",
)
def test_what_cannot_be_trained_is_refused_and_nothing_is_left(
    options: list[str], code: int, words: str, here: Path
) -> None:
    found, stdout, stderr = samsr("train", *TINY, *options, "--out", "run")
    assert (found, stdout) == (code, "")
    assert words in stderr
    assert left(here / "run") == []


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("options", [["--stage", "diffusion"], ["--init", "other.safetensors"]])
def test_what_cannot_be_started_from_is_told_before_photos_are_decoded(options: list[str]) -> None:
    assert samsr("train", *TINY, "--data", "photos", *options, "--out", "run")[0] == 3
    assert not Path("run").exists()


@pytest.mark.usefixtures("here")
def test_a_folder_that_cannot_be_made_is_refused_by_name() -> None:
    code, _, stderr = samsr("train", *TINY, "--data", "photos", "--out", "other.safetensors/run")
    assert code == 3
    assert f"error: {Path('other.safetensors/run')}: cannot be a folder" in stderr


@pytest.mark.usefixtures("here")
def test_after_a_refusal_the_command_is_given_again_without_resume() -> None:
    assert samsr("train", *TINY, "--data", "small", "--out", "run")[0] == 3
    assert samsr("train", *TINY, *ONE_STEP, "--data", "photos", "--out", "run")[0] == 0


@pytest.mark.usefixtures("here")
def test_photos_that_are_too_small_are_left_out_and_counted() -> None:
    names = ("--data", "photos", "--data", "small", "--out", "run")
    code, _, stderr = samsr("train", *TINY, *ONE_STEP, *names)
    assert code == 0
    assert f"left out: {Path('small/0000.png').resolve()}: 40x40, less than the 48" in stderr
    assert "3 of 15 photos are left out" in stderr
    assert "11 photos, " in stderr


def test_one_corrupt_photo_of_a_thousand_is_told_and_the_run_goes_on(tmp_path: Path) -> None:
    first, *others = sorted(draw_photos(tmp_path / "many", count=1, side=32).iterdir())
    assert others == []
    for number in range(1, 999):
        os.link(first, first.with_name(f"{number:04d}.png"))
    first.with_name("torn.png").write_bytes(first.read_bytes()[:200])
    options = (*TINY, *ONE_STEP, "--patch", "16", "--hold-out", "1")
    code, _, stderr = samsr("train", *options, "--data", first.parent, "--out", tmp_path / "run")
    assert code == 0
    assert f"left out: {first.with_name('torn.png')}" in stderr
    assert "1 of 1000 photos are left out" in stderr
    assert "998 photos, " in stderr


def test_of_many_photos_left_out_some_are_named_and_all_counted(tmp_path: Path) -> None:
    for number in range(14):
        draw_photos(tmp_path / "small" / str(number), count=1, side=30)
    _, _, stderr = samsr("train", *TINY, "--data", tmp_path / "small", "--out", tmp_path / "run")
    assert stderr.count("left out: ") == 10
    assert "and 4 more 14 of 14 photos are left out" in stderr


def write_mask(path: Path, side: int) -> None:
    """Write a mask of the right half of a square."""
    size, half = [side, side], side * side // 2
    write_records(path, [{"segmentation": {"size": size, "counts": [half, half]}, "area": half}])


@pytest.mark.usefixtures("here")
def test_photos_with_masks_of_another_size_are_left_out_and_told() -> None:
    for name, side in (("0001", 80), ("0002", 80), ("0003", 40)):
        write_mask(Path("empty", f"{name}.json"), side)
    given = ("--data", "photos", "--masks", "empty", "--out", "run", "--hold-out", "0")
    code, _, stderr = samsr("train", *TINY, *ONE_STEP, *given)
    assert code == 0
    assert (
        f"{Path('empty/0003.json').resolve()}: masks are (40, 40), the photo is (80, 80)" in stderr
    )
    assert "1 of 12 photos are left out" in stderr
    assert "11 photos, 0.1 megapixels, 2 with masks; none to validate with" in stderr


def test_masks_change_what_the_diffusion_learns(whole: Done, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    for photo in photos.iterdir():
        write_mask(tmp_path / "masks" / f"{photo.stem}.json", 80)
    train(photos, tmp_path / "run", "--masks", tmp_path / "masks")
    found = kill_train.differences(tmp_path / "run", whole.out)
    assert any(name.startswith("model.safetensors: denoise_fn.") for name in found)
    assert not any(name.startswith("model.safetensors: rrdb.") for name in found)


def test_a_run_is_not_started_over(whole: Done, photos: Path) -> None:
    before = left(whole.out)
    code, _, stderr = samsr("train", *TINY, "--data", photos, "--out", whole.out)
    assert code == 3
    assert f"{whole.out / 'recipe.toml'}: a run is already there" in stderr
    assert "add --resume" in stderr
    assert left(whole.out) == before


def test_a_run_does_not_go_on_with_other_photos(whole: Done, tmp_path: Path) -> None:
    other = draw_photos(tmp_path / "other", count=9)
    before = left(whole.out)
    code, _, stderr = samsr("train", "--resume", "--out", whole.out, "--data", other)
    assert code == 4
    assert f"{whole.out}: the photos or masks are not those that the run was started with" in stderr
    assert left(whole.out) == before


def test_photos_may_have_moved_when_a_run_goes_on(
    whole: Done, photos: Path, tmp_path: Path
) -> None:
    shutil.copytree(whole.out, tmp_path / "run")
    shutil.copytree(photos, tmp_path / "moved")
    given = ("--data", tmp_path / "moved", "--out", tmp_path / "run")
    code, _, stderr = samsr("train", "--resume", *given)
    assert (code, "error" in stderr) == (0, False)


@pytest.mark.usefixtures("here")
def test_a_batch_that_processes_cannot_share_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class OneOfThree(engine.Engine):
        def share(self, accumulate: int) -> engine.Share:
            return engine.Share(0, 3, accumulate)

    alone = engine.start_engine("cpu")
    one_of_three = OneOfThree(alone.device, alone.accelerator)
    monkeypatch.setattr(start, "start_engine", lambda _: one_of_three)
    code, _, stderr = samsr("train", *TINY, "--data", "photos", "--out", "run")
    assert code == 4
    assert "batch is 4, which 3 processes with 1 pieces each cannot share evenly" in stderr
    assert not Path("run").exists()


# ------------------------------------------------------------------------------------ a full disk


@pytest.fixture
def full(photos: Path, tmp_path: Path) -> Done:
    """Return a run whose third state found no space."""

    def save(path: Path, state: TrainState) -> None:
        if state.step == 9:
            with atomic_path(path) as temporary:
                temporary.write_bytes(b"half of it")
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save_state(path, state)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folder, "save_state", save)
        return train(photos, tmp_path / "run")


def test_a_full_disk_ends_the_run_with_5_and_the_name_of_the_file(full: Done) -> None:
    assert full.code == 5
    assert "states/encoder-00000009.safetensors: no space left" in full.stderr


def test_a_full_disk_leaves_the_states_before_and_no_part_of_one(full: Done) -> None:
    states = sorted(path.name for path in (full.out / "states").iterdir())
    assert states == [f"encoder-{step:08d}.safetensors" for step in (3, 6)]


def test_after_a_full_disk_the_run_goes_on_to_the_same(
    full: Done, whole: Done, photos: Path
) -> None:
    assert train(photos, full.out).code == 0
    assert kill_train.differences(full.out, whole.out) == []


# ------------------------------------------------------------------------------ kills and signals


@NEEDS_SIGNALS
@pytest.mark.parametrize(
    "deadly",
    [
        pytest.param(Deadly("training.photos", "write_photo", 6), id="decoding"),
        pytest.param(Deadly("training.run", "place_photos", 1), id="before-the-first-step"),
        pytest.param(Deadly("training.recorder", "validate", 1), id="validating"),
        pytest.param(Deadly("training.recorder", "write_best", 2), id="writing-the-best"),
        pytest.param(Deadly("atomic", "replace_name", 18), id="a-file-written-but-not-in-place"),
        pytest.param(Deadly("training.folder", "save_state", 6), id="saving"),
        pytest.param(Deadly("training.recorder", "write_summary", 3), id="summarizing"),
        pytest.param(Deadly("training.run", "export", 1), id="exporting"),
        pytest.param(Deadly("training.export", "_write_card", 1), id="weights-without-a-card"),
    ],
)
def test_a_run_killed_there_goes_on_to_the_same_bits(
    deadly: Deadly, whole: Done, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    arguments = kill_train.train_arguments(photos, out)
    process = kill_train.start(arguments, tmp_path / "log", deadly)
    assert process.end() == -signal.SIGKILL, process.text()
    assert train(photos, out).code == 0
    assert kill_train.differences(out, whole.out) == []


@NEEDS_SIGNALS
def test_a_run_killed_three_times_at_random_goes_on_to_the_same_bits(
    whole: Done, photos: Path, tmp_path: Path
) -> None:
    out, chance = tmp_path / "run", np.random.default_rng()
    delays = chance.uniform(0, 1, 3)
    hits = [kill_train.kill_after(photos, out, delay) for delay in delays]
    assert train(photos, out).code == 0
    assert kill_train.differences(out, whole.out) == [], (delays, hits)


LONG = ("--stage", "encoder", "--encoder-steps", "60")


@dataclass(frozen=True)
class Stopped:
    """A run that got a signal, and an unbroken one."""

    code: int
    stderr: str
    out: Path
    whole: Path
    states: list[str]


@pytest.fixture(scope="module")
def long_whole(photos: Path) -> Path:
    done = train(photos, photos.with_name("long"), *LONG)
    assert done.code == 0
    return done.out


@pytest.fixture(scope="module", params=["SIGINT", "SIGTERM"])
def stopped(request: pytest.FixtureRequest, photos: Path, long_whole: Path) -> Stopped:
    out = photos.with_name(f"stopped-{request.param}")
    arguments = kill_train.train_arguments(photos, out, *LONG)
    halt = Halt(out.with_suffix(".halt"), out, 1, pattern="encoder-*.safetensors")
    process = kill_train.start(arguments, out.with_suffix(".log"), halt=halt)
    halted = halt.wait(process)
    process.send(getattr(signal, request.param))
    go_on(halted)
    code, states = process.end(), sorted(path.stem for path in (out / "states").iterdir())
    return Stopped(code, process.text(), out, long_whole, states)


@NEEDS_SIGNALS
def test_a_signal_is_exit_code_130(stopped: Stopped) -> None:
    assert stopped.code == 130


@NEEDS_SIGNALS
def test_a_signal_saves_the_step_it_came_in(stopped: Stopped) -> None:
    step = int(stopped.states[-1].rpartition("-")[2])
    assert 0 < step < 60
    assert f"stopped after step {step} of the encoder stage; it is saved" in stopped.stderr


@NEEDS_SIGNALS
def test_a_signal_is_told_at_once_and_with_the_way_on(stopped: Stopped) -> None:
    assert "Ctrl-C again stops at once" in stopped.stderr
    assert f"go on with: samsr train --resume --out {stopped.out}" in stopped.stderr
    assert "Traceback" not in stopped.stderr


@NEEDS_SIGNALS
def test_after_a_signal_the_run_goes_on_to_the_same_weights(stopped: Stopped, photos: Path) -> None:
    assert train(photos, stopped.out).code == 0
    # The step it stopped at has a line of its own in the journal.
    found = kill_train.differences(stopped.out, stopped.whole)
    assert [name for name in found if name != "metrics.jsonl"] == []


@NEEDS_SIGNALS
def test_a_second_ctrl_c_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_run, "SECOND_S", 0.0)
    with train_run._signals(lambda _: None) as came:
        os.kill(os.getpid(), signal.SIGINT)
        assert came == [signal.SIGINT]
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


@NEEDS_SIGNALS
def test_a_launcher_that_passes_ctrl_c_on_is_not_a_second_one() -> None:
    told: list[str] = []
    with train_run._signals(told.append) as came:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        assert len(came) == 2
    assert len(told) == 1


@NEEDS_SIGNALS
def test_signals_are_handled_as_before_after_a_run() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with train_run._signals(lambda _: None):
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.usefixtures("here")
def test_a_run_that_is_stopped_at_once_can_go_on(
    whole: Done, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(path: Path, state: TrainState) -> None:
        del path, state
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(folder, "save_state", interrupted)
        stopped = train(photos, Path("run"))
    assert stopped.code == 130
    assert train(photos, Path("run")).code == 0
    assert kill_train.differences(Path("run"), whole.out) == []


# ---------------------------------------------------------------------------------- fine-tuning


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return converted weights that came in the authors' layout."""
    told = json.loads((VECTORS / "config.json").read_text(encoding="utf-8"))
    steps, width = told["timesteps"], told["hidden_size"]
    config = ModelConfig(
        encoder=EncoderConfig(
            kind="rrdb", num_feat=told["rrdb_num_feat"], num_block=told["rrdb_num_block"]
        ),
        unet=UNetConfig(kind="full", widths=(width, 2 * width)),
        diffusion=DiffusionConfig(num_timesteps=steps, sampling_steps=steps),
        lr_divisor=256,
    )
    path = tmp_path_factory.mktemp("published") / "official.safetensors"
    model = load_official(VECTORS / "model_ckpt_steps_9.ckpt", config)
    save_weights(path, model, "the authors", torch.float32)
    return path


Tune = Callable[[Sequence[str]], Path]


@pytest.fixture
def tune(published: Path, photos: Path, tmp_path: Path) -> Tune:
    def run(more: Sequence[str]) -> Path:
        sizes = ("--patch", "32", "--batch", "2", "--encoder-steps", "2", "--diffusion-steps", "2")
        steps = ("--set", "model.diffusion.sampling_steps=2", "--device", "cpu")
        places = ("--data", photos, "--init", published, "--out", tmp_path / "tuned")
        code, stdout, stderr = samsr("train", *places, *sizes, *steps, *more)
        assert code == 0, stderr
        return Path(stdout.strip())

    return run


def test_fine_tuned_weights_keep_the_network_they_came_with(tune: Tune, published: Path) -> None:
    before, after = read_config(published), read_config(tune([]))
    assert after == replace(before, diffusion=replace(before.diffusion, sampling_steps=2))
    assert after.lr_divisor == 256


def test_fine_tuning_goes_by_the_published_recipe(tune: Tune) -> None:
    text = (tune([]).parent / "recipe.toml").read_text(encoding="utf-8")
    assert 'preset = "paper"' in text
    assert text.count('schedule = "halving"') == 2


def test_fine_tuning_begins_at_the_weights_it_is_given(tune: Tune, published: Path) -> None:
    tuned = load_weights(tune(["--learning-rate", "1e-6"])).model.state_dict()
    given = load_weights(published).model.state_dict()
    for name, tensor in given.items():
        # Two steps of Adam at 1e-6, and half precision in the file.
        torch.testing.assert_close(tuned[name], tensor, rtol=1e-3, atol=1e-5)


def test_fine_tuning_moves_the_weights(tune: Tune, published: Path) -> None:
    tuned = load_weights(tune(["--learning-rate", "1e-2"])).model.state_dict()
    given = load_weights(published).model.state_dict()
    assert all(float((tuned[name] - t).abs().max()) > 1e-3 for name, t in given.items())


def test_the_diffusion_is_trained_on_an_encoder_that_was_trained_alone(
    whole: Done, photos: Path, tmp_path: Path
) -> None:
    encoder = whole.out / "encoder.best.safetensors"
    given = ("--init", encoder, "--stage", "diffusion", "--out", tmp_path / "run")
    sizes = TINY[TINY.index("--patch") :]
    code, stdout, stderr = samsr("train", "--data", photos, *given, *sizes, *OFTEN)
    assert code == 0, stderr
    before, after = load_weights(encoder).model, load_weights(Path(stdout.strip())).model
    torch.testing.assert_close(
        after.rrdb.state_dict(), before.rrdb.state_dict(), rtol=1e-3, atol=1e-4
    )
    assert after.config.diffusion.sampling_steps == 6
