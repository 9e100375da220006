"""A run on two machines that loses one ends, and goes on from its last state with what is left."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import sam_diffsr_cli
from sam_diffsr_cli.checkpoints.store import read_tensors
from sam_diffsr_cli.cli.app import app
from tests.halting import Halt, go_on
from tests.helpers import PATIENCE_S

ROOT = Path(sam_diffsr_cli.__file__).parents[1]
OPTIONS = (
    *("--set", "model.encoder.num_feat=8", "--set", "model.encoder.num_block=2"),
    *("--set", "model.unet.widths=[8,8]", "--set", "model.diffusion.num_timesteps=10"),
    *("--set", "model.diffusion.sampling_steps=2", "--patch", "32", "--batch", "4"),
    *("--set", "encoder.learning_rate=1e-4", "--set", "diffusion.learning_rate=1e-4"),
    *("--encoder-steps", "40", "--diffusion-steps", "2", "--device", "cpu"),
    *("--save-every", "2", "--save-minutes", "0", "--hold-out", "0"),
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.cluster,
    pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals"),
]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lost") / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(6):
        pixels = rng.integers(0, 256, (80, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def train(photos: Path, out: Path, *more: str) -> None:
    """Train in this process, with the whole of each batch."""
    arguments = ["train", "--data", str(photos), "--out", str(out), *OPTIONS, *more]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.stderr


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def launch(photos: Path, out: Path, machine: int, port: int, halt: Halt) -> "subprocess.Popen[str]":
    """Start what one of two machines runs, as the README says."""
    return subprocess.Popen(  # noqa: S603 - our own
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nnodes", "2"),
            *("--nproc-per-node", "1", "--node-rank", str(machine)),
            *("--master-addr", "127.0.0.1", "--master-port", str(port)),
            *("-m", "sam_diffsr_cli", "train", "--data", str(photos), "--out", str(out)),
            *OPTIONS,
        ],
        env=os.environ | halt.environment(str(ROOT)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill(process: "subprocess.Popen[str]") -> None:
    """Kill a launcher and all that it has started, without warning."""
    launcher = psutil.Process(process.pid)
    for each in (launcher, *launcher.children(recursive=True)):
        each.kill()


def test_what_is_left_of_a_run_that_lost_a_machine_is_finished(
    photos: Path, tmp_path: Path
) -> None:
    train(photos, tmp_path / "whole")
    out, port = tmp_path / "run", free_port()
    halt = Halt(tmp_path / "halt", out, 1, pattern="encoder-00000004.safetensors")
    machines = [launch(photos, out, machine, port, halt) for machine in (0, 1)]
    try:
        halted = halt.wait(machines[0])
        kill(machines[1])
        go_on(halted)
        _, told = machines[0].communicate(timeout=PATIENCE_S)
        assert machines[0].returncode != 0, told
        assert not (out / "model.safetensors").exists()
    finally:
        for machine in machines:
            if machine.poll() is None:
                kill(machine)
            machine.communicate()
    assert not [path for path in out.rglob(".samsr-*") if path.stat().st_size == 0]
    train(photos, out, "--resume")
    one, other = (
        read_tensors(folder / "model.safetensors")[0] for folder in (out, tmp_path / "whole")
    )
    assert one.keys() == other.keys()
    for name, values in one.items():
        assert torch.allclose(values.float(), other[name].float(), atol=1e-5), name
