"""A run that was killed and resumed ends where an unbroken one does, bit for bit."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import sam_diffsr_cli
from sam_diffsr_cli.checkpoints.store import load_weights, read_tensors, save_weights
from sam_diffsr_cli.cli.app import app
from sam_diffsr_cli.config import (
    DiffusionConfig,
    EncoderConfig,
    ModelConfig,
    TrainConfig,
    UNetConfig,
)
from sam_diffsr_cli.data.crops import TrainingPhoto
from sam_diffsr_cli.errors import ConfigError, InputError, WeightsError
from sam_diffsr_cli.models.model import build_model
from sam_diffsr_cli.training.loop import TrainStep
from sam_diffsr_cli.training.run import WEIGHTS_NAME, Run, export, open_stage, run_stage
from sam_diffsr_cli.training.state import TrainState, save_state

MODEL = ModelConfig(
    encoder=EncoderConfig(kind="residual", num_feat=8, num_block=2),
    unet=UNetConfig(kind="folded", widths=(8, 8)),
    diffusion=DiffusionConfig(
        base="encoder", residual_scale=4.0, sigma_data=0.33, sampling_steps=2, num_timesteps=10
    ),
)
ENCODER = TrainConfig(stage="encoder", steps=7, batch=2, patch=16, warmup_steps=3)
DENOISER = replace(ENCODER, stage="diffusion")
STAGES = pytest.mark.parametrize("config", [ENCODER, DENOISER], ids=["encoder", "diffusion"])
CPU = torch.device("cpu")
STEPS, SAVE_EVERY = 9, 3
STATES = ("encoder.state.safetensors", "diffusion.state.safetensors")


def photos() -> list[TrainingPhoto]:
    generator = torch.Generator().manual_seed(4)
    return [
        TrainingPhoto(
            f"{side}.png",
            torch.randint(256, (3, side, side), dtype=torch.uint8, generator=generator),
            torch.rand(1, side, side, generator=generator),
        )
        for side in (40, 55)
    ]


def tiny_run(folder: Path, *stages: TrainConfig) -> Run:
    folder.mkdir(exist_ok=True)
    return Run(folder=folder, model=MODEL, stages=stages, save_every=2)


def finish(run: Run, state: TrainState) -> list[TrainStep]:
    return list(run_stage(state, photos(), run.state_path(state.config), run.save_every))


def assert_equal_files(one: Path, other: Path) -> None:
    (a, a_metadata), (b, b_metadata) = read_tensors(one), read_tensors(other)
    assert a_metadata == b_metadata
    assert a.keys() == b.keys()
    assert [name for name in a if not torch.equal(a[name], b[name])] == []


# --------------------------------------------------------------------------------- in process


@STAGES
@pytest.mark.parametrize("stop", [2, 3, 5], ids=lambda stop: f"stopped-after-{stop}")
def test_a_resumed_run_repeats_the_losses_and_ends_with_the_same_state(
    tmp_path: Path, config: TrainConfig, stop: int
) -> None:
    whole, broken = tiny_run(tmp_path / "whole", config), tiny_run(tmp_path / "broken", config)
    expected = finish(whole, open_stage(whole, config, CPU, resume=False))
    steps = run_stage(
        open_stage(broken, config, CPU, resume=False),
        photos(),
        broken.state_path(config),
        broken.save_every,
    )
    before = [next(steps) for _ in range(stop)]
    resumed = open_stage(broken, config, CPU, resume=True)
    saved = stop - stop % broken.save_every
    assert resumed.step == saved
    assert before[:saved] + finish(broken, resumed) == expected
    assert_equal_files(whole.state_path(config), broken.state_path(config))


def test_stopping_between_the_stages_changes_nothing(tmp_path: Path) -> None:
    whole = tiny_run(tmp_path / "whole", ENCODER, DENOISER)
    broken = tiny_run(tmp_path / "broken", ENCODER, DENOISER)
    for run, resume in ((whole, False), (broken, True)):
        finish(run, open_stage(run, ENCODER, CPU, resume=False))
        finish(run, open_stage(run, DENOISER, CPU, resume=resume))
    assert_equal_files(whole.state_path(DENOISER), broken.state_path(DENOISER))


def test_a_stage_begins_with_the_average_of_the_stage_before(tmp_path: Path) -> None:
    run = tiny_run(tmp_path / "run", ENCODER, DENOISER)
    first = open_stage(run, ENCODER, CPU, resume=False)
    finish(run, first)
    second = open_stage(run, DENOISER, CPU, resume=False)
    encoder = second.model.rrdb.state_dict()
    assert {n: torch.equal(t, encoder[n]) for n, t in first.ema.items()} == dict.fromkeys(
        first.ema, True
    )


def test_the_state_is_written_at_the_end_whatever_the_interval(tmp_path: Path) -> None:
    run = replace(tiny_run(tmp_path / "run", ENCODER), save_every=1000)
    finish(run, open_stage(run, ENCODER, CPU, resume=False))
    assert open_stage(run, ENCODER, CPU, resume=True).step == ENCODER.steps


def test_a_run_that_is_there_is_refused_without_resume(tmp_path: Path) -> None:
    run = tiny_run(tmp_path / "run", ENCODER)
    finish(run, open_stage(run, ENCODER, CPU, resume=False))
    with pytest.raises(InputError, match="a run is already there") as caught:
        open_stage(run, ENCODER, CPU, resume=False)
    assert "--resume" in (caught.value.hint or "")


def test_resume_without_a_run_begins_one(tmp_path: Path) -> None:
    run = tiny_run(tmp_path / "run", ENCODER)
    assert open_stage(run, ENCODER, CPU, resume=True).step == 0


def test_a_run_with_another_recipe_is_not_resumed(tmp_path: Path) -> None:
    run = tiny_run(tmp_path / "run", ENCODER)
    finish(run, open_stage(run, ENCODER, CPU, resume=False))
    with pytest.raises(ConfigError, match="another recipe"):
        open_stage(run, replace(ENCODER, batch=3), CPU, resume=True)


def test_a_run_with_another_network_is_not_resumed(tmp_path: Path) -> None:
    run = tiny_run(tmp_path / "run", ENCODER)
    finish(run, open_stage(run, ENCODER, CPU, resume=False))
    other = replace(run, model=replace(MODEL, unet=UNetConfig(kind="folded", widths=(12, 8))))
    with pytest.raises(ConfigError, match=r"encoder\.state\.safetensors"):
        open_stage(other, ENCODER, CPU, resume=True)


def test_a_stage_without_the_stage_before_is_refused(tmp_path: Path) -> None:
    run = tiny_run(tmp_path / "run", ENCODER, DENOISER)
    with pytest.raises(WeightsError, match=r"encoder\.state\.safetensors"):
        open_stage(run, DENOISER, CPU, resume=False)


# --------------------------------------------------------------------------- starting weights


def test_init_gives_the_starting_weights(tmp_path: Path) -> None:
    start = build_model(MODEL, seed=9)
    save_weights(tmp_path / "start.safetensors", start, "a test", torch.float32)
    run = replace(tiny_run(tmp_path / "run", DENOISER), init=tmp_path / "start.safetensors")
    state = open_stage(run, DENOISER, CPU, resume=False)
    loaded = state.model.state_dict()
    assert all(torch.equal(t, loaded[n]) for n, t in start.state_dict().items())


def test_init_of_another_network_is_refused(tmp_path: Path) -> None:
    other = replace(MODEL, encoder=EncoderConfig(kind="residual", num_feat=4, num_block=2))
    save_weights(tmp_path / "start.safetensors", build_model(other), "a test")
    run = replace(tiny_run(tmp_path / "run", DENOISER), init=tmp_path / "start.safetensors")
    with pytest.raises(InputError, match=r"start\.safetensors") as caught:
        open_stage(run, DENOISER, CPU, resume=False)
    assert '"num_feat": 4' in (caught.value.hint or "")


def test_export_writes_the_averaged_weights(tmp_path: Path) -> None:
    run = tiny_run(tmp_path / "run", ENCODER)
    state = open_stage(run, ENCODER, CPU, resume=False)
    finish(run, state)
    loaded = load_weights(export(run, state, "trained in a test"))
    assert loaded.source == "trained in a test"
    for name, tensor in loaded.model.rrdb.state_dict().items():
        assert torch.equal(tensor, state.ema[name].detach().half().float())


# ---------------------------------------------------------------------------- by command line


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for i in range(3):
        levels = np.random.default_rng(i).integers(0, 256, (100 + i, 110, 3), dtype=np.uint8)
        Image.fromarray(levels).save(folder / f"{i}.png")
    return folder


def arguments(data: Path, out: Path) -> list[str]:
    steps = ["--encoder-steps", str(STEPS), "--diffusion-steps", str(STEPS)]
    crops = ["--batch", "1", "--patch", "64", "--device", "cpu"]
    saving = ["--save-every", str(SAVE_EVERY)]
    return ["train", "--data", str(data), "--out", str(out), *steps, *crops, *saving]


def start_training(args: Sequence[str]) -> subprocess.Popen[bytes]:
    package = Path(sam_diffsr_cli.__file__).parents[1]
    return subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "sam_diffsr_cli", *args],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(package)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill_once_written(process: subprocess.Popen[bytes], path: Path) -> None:
    """Let it run until ``path`` appears, then end it as a power cut would."""
    deadline = time.monotonic() + 100
    while not path.exists():
        assert process.poll() is None, "training ended before it was killed"
        assert time.monotonic() < deadline, f"{path.name} did not appear"
        time.sleep(0.005)
    process.kill()
    assert process.wait(timeout=20) == -signal.SIGKILL


def steps_done(path: Path) -> int:
    return int(read_tensors(path)[1]["samsr.step"])


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Add up in the order of the processes that are killed."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_killed_in_both_stages_and_resumed_gives_the_same_weights(
    data: Path, tmp_path: Path
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    args = [*arguments(data, broken), "--resume"]
    for name in STATES:
        kill_once_written(start_training(args), broken / name)
        assert steps_done(broken / name) < STEPS
        assert not (broken / WEIGHTS_NAME).exists()
    assert CliRunner().invoke(app, args).exit_code == 0
    assert CliRunner().invoke(app, arguments(data, whole)).exit_code == 0
    for name in (*STATES, WEIGHTS_NAME):
        assert_equal_files(broken / name, whole / name)


@pytest.mark.parametrize("stage", [ENCODER, DENOISER], ids=["encoder", "diffusion"])
def test_command_refuses_a_run_that_is_there_before_it_trains(
    data: Path, tmp_path: Path, stage: TrainConfig
) -> None:
    run = tiny_run(tmp_path, stage)
    path = run.state_path(stage)
    save_state(path, open_stage(run, stage, CPU, resume=False))
    before = path.read_bytes()
    result = CliRunner().invoke(app, arguments(data, tmp_path))
    assert result.exit_code == 3
    assert "already there" in result.stderr
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_command_refuses_a_file_in_place_of_its_folder(data: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    result = CliRunner().invoke(app, arguments(data, tmp_path / "out"))
    assert result.exit_code == 3
    assert (tmp_path / "out").read_text() == "mine"


def test_how_a_model_is_sampled_does_not_decide_what_resumes(tmp_path: Path) -> None:
    run = tiny_run(tmp_path / "run", ENCODER)
    finish(run, open_stage(run, ENCODER, CPU, resume=False))
    other = replace(
        run, model=replace(MODEL, diffusion=replace(MODEL.diffusion, sampling_sigma=0.5))
    )
    assert open_stage(other, ENCODER, CPU, resume=True).model.config == other.model


def test_weights_of_the_encoder_alone_run_no_diffusion(tmp_path: Path) -> None:
    run = tiny_run(tmp_path / "run", ENCODER)
    state = open_stage(run, ENCODER, CPU, resume=False)
    finish(run, state)
    written = load_weights(export(run, state, "a test")).model.config
    assert written == replace(MODEL, diffusion=replace(MODEL.diffusion, sampling_steps=0))


def test_existing_weights_are_refused_at_the_start(data: Path, tmp_path: Path) -> None:
    (tmp_path / WEIGHTS_NAME).write_bytes(b"precious")
    result = CliRunner().invoke(app, arguments(data, tmp_path))
    assert result.exit_code == 3
    assert (tmp_path / WEIGHTS_NAME).read_bytes() == b"precious"
    assert [p.name for p in tmp_path.iterdir()] == [WEIGHTS_NAME]
