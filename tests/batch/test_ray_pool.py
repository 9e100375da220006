"""Workers as actors of a real Ray cluster on this machine, with a small model."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from sam_diffsr_cli.workers import ray_pool
from sam_diffsr_cli.workers.messages import Done
from sam_diffsr_cli.workers.ray_pool import RayPool, RayWorker
from tests.helpers import PATIENCE_S
from tests.workshop.tools import kill_batch as tool

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.cluster,
    pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals"),
]

PICTURES = 16
MOST_NAME = 15
"""Letters of a process's name that Linux keeps."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Start a cluster of one machine, and return its address."""
    ray = Path(sys.executable).with_name("ray")
    options = ["--port=0", "--num-cpus=2", "--include-dashboard=false", "--disable-usage-stats"]
    options += ["--object-store-memory=100000000"]
    # Not pytest's folder: the names of its sockets would be too long.
    with (
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as folder,
    ):
        # For all that is started from here on.
        patch.setenv("RAY_AUTH_MODE", "disabled")
        process = subprocess.Popen(  # noqa: S603 - an installed tool
            [ray, "start", "--head", "--block", f"--temp-dir={folder}", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line)
            if found := re.search(r"--address='?([0-9.]+:[0-9]+)", line):
                break
        else:
            pytest.fail("".join(lines))
        yield found[1]
        process.terminate()
        process.communicate(timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tool.make_place(tmp_path_factory.mktemp("ray"), PICTURES)


@pytest.fixture(scope="module")
def whole(place: Any) -> dict[str, bytes | None]:
    """Return what one process makes."""
    assert tool.finish(place, place.root / "whole") == 0
    found: dict[str, bytes | None] = tool.content(place.root / "whole")
    return found


@pytest.fixture
def with_ray(place: Any, address: str) -> Any:
    more = ("--engine", "ray", "--ray-address", address, "--workers", "2")
    return replace(place, more=more)


def actors() -> list[psutil.Process]:
    name = f"ray::{RayWorker.__name__}"[:MOST_NAME]
    return [p for p in psutil.process_iter(["name"]) if p.info["name"].startswith(name)]


def started(place: Any, out: Path, count: int) -> "subprocess.Popen[str]":
    """Start a run, and wait until so many outputs are there."""
    process: subprocess.Popen[str] = place.start(out)
    tool.wait_for(out, count, process)
    return process


def test_what_is_told_as_ctrl_c_comes_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pool: RayPool[Any] = object.__new__(RayPool)
    pool.size, pool._is_gone, pool._told = 1, False, None
    pool._is_starting, pool._watched = [False], [iter(["reference"])]
    made: Any = "made"
    kept = {"reference": (3, made)}
    monkeypatch.setattr(ray_pool, "ray", SimpleNamespace(get=kept.get, shutdown=kept.clear))
    told = pool._receive(0)
    assert told == Done(0, 3, made)
    pool._watched = [None]
    assert pool.close() == [told]
    assert not kept


def test_two_actors_write_what_one_process_does(
    with_ray: Any, whole: dict[str, bytes | None], tmp_path: Path
) -> None:
    process = with_ray.start(tmp_path / "out")
    stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert len(stdout.splitlines()) == PICTURES
    assert re.search(r"worker 0 on Ray, cpu: \d+ pictures", stderr)
    assert re.search(r"worker 1 on Ray, cpu: \d+ pictures", stderr)
    assert tool.content(tmp_path / "out") == whole


def test_what_a_killed_actor_had_is_done_by_another(
    with_ray: Any, whole: dict[str, bytes | None], tmp_path: Path
) -> None:
    process = started(with_ray, tmp_path / "out", 1)
    found = actors()
    assert found
    found[0].kill()
    _, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert re.search(r"worker \d died \(.*\); another takes its place", stderr)
    assert tool.content(tmp_path / "out") == whole


def test_a_killed_driver_is_finished_to_the_same_bytes(
    with_ray: Any, whole: dict[str, bytes | None], tmp_path: Path
) -> None:
    process = started(with_ray, tmp_path / "out", 2)
    process.kill()
    process.communicate()
    assert process.returncode < 0, "the run was over before the kill"
    assert not psutil.wait_procs(actors(), timeout=PATIENCE_S)[1]
    assert tool.finish(with_ray, tmp_path / "out", "--on-exists", "skip") == 0
    assert tool.content(tmp_path / "out") == whole


def test_a_cluster_that_is_not_there_is_refused(place: Any, tmp_path: Path) -> None:
    more = ("--engine", "ray", "--ray-address", "127.0.0.1:9")
    process = replace(place, more=more).start(tmp_path / "out")
    _, stderr = process.communicate()
    assert process.returncode == 5
    assert "127.0.0.1:9" in stderr
    assert "ray start --head" in stderr
