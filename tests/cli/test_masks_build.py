"""``samsr masks build`` with workers: on which devices, and what happens when they die."""

import inspect
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import psutil
import pytest
import torch
from segment_anything.build_sam import _build_sam

from sam_diffsr_cli.cli.masks import build as build_command
from sam_diffsr_cli.cli.upscale import upscale
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.masks.build import Shard
from sam_diffsr_cli.masks.segmenters import Felzenszwalb
from sam_diffsr_cli.masks.work import MaskOptions, choose_devices, plan_build
from tests.cli.test_masks import blocks, content, mask_names, samsr, save
from tests.halting import Halt, go_on
from tests.helpers import NINES, PATIENCE_S
from tests.workshop.tools import kill_batch as tool

PHOTOS = 8
NEEDS_SIGNALS = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
DEADLY, FILLING = (255, 0, 0), (0, 0, 255)
SEGMENTATION = f"""
import os, signal, time

def felzenszwalb(pixels, **options):
    first = tuple(pixels[0, 0].tolist())
    if first == {DEADLY}:
        os.kill(os.getpid(), signal.SIGKILL)
    if first == {FILLING}:
        from sam_diffsr_cli.errors import DiskFullError
        raise DiskFullError("no space left for these masks")
    time.sleep(0.25)
    return (pixels[..., 0] > 127) + 2 * (pixels[..., 1] > 127)
"""
"""In the place of scikit-image's: it takes its time, and some photos end it."""


# -------------------------------------------------------------------------------------- devices


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that there are four GPUs."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


def devices(
    workers: int | None = None,
    gpus: str | None = None,
    device: str = "auto",
    segmenter: Felzenszwalb | None = None,
    shard: str = "1/1",
) -> list[str]:
    return choose_devices(
        MaskOptions(
            data=Path("photos"),
            out=Path("masks"),
            segmenter="sam" if segmenter is None else "felzenszwalb",
            sam="vit_b",
            shard=Shard.parse(shard),
            workers=workers,
            gpus=gpus,
            device=device,
        )
    )


ALL = ["cuda:0", "cuda:1", "cuda:2", "cuda:3"]


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ALL),
        ({"device": "cuda"}, ALL),
        ({"gpus": "all"}, ALL),
        ({"gpus": "all", "workers": 8}, ALL * 2),
        ({"gpus": "1,3"}, ["cuda:1", "cuda:3"]),
        ({"gpus": "2", "workers": 1}, ["cuda:2"]),
        ({"workers": 6}, [*ALL, "cuda:0", "cuda:1"]),
        ({"workers": 1}, []),
        ({"device": "cuda:1"}, []),
        ({"device": "cuda:1", "workers": 2}, ["cuda:1"] * 2),
        ({"device": "cpu"}, []),
        ({"device": "cpu", "workers": 2}, ["cpu"] * 2),
        ({"shard": "2/8"}, []),
    ],
    ids=str,
)
def test_sam_runs_on_each_gpu_unless_told_otherwise(
    given: dict[str, Any], expected: list[str]
) -> None:
    assert devices(**given) == expected


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize(("workers", "expected"), [(None, []), (1, []), (3, ["cpu"] * 3)])
def test_felzenszwalb_runs_on_the_processor(workers: int | None, expected: list[str]) -> None:
    assert devices(workers, segmenter=Felzenszwalb()) == expected


def test_sam_without_gpus_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices() == []


def test_no_more_workers_are_planned_than_there_are_photos(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        save(tmp_path / "photos" / f"{name}.png", blocks(0))
    options = MaskOptions(
        data=tmp_path / "photos", out=tmp_path / "masks", segmenter="felzenszwalb", workers=9000
    )
    assert list(plan_build(options).devices) == ["cpu"] * 3


@pytest.mark.parametrize(
    "text", ["1", "1/", "/2", "0/2", "3/2", "a/b", "\u00b2/3", f"{NINES}/{NINES}"]
)
def test_another_shard_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--shard"):
        Shard.parse(text)


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"workers": 2, "shard": "1/2"}, "--workers and --shard exclude each other"),
        ({"gpus": "all", "shard": "1/2"}, "--gpus and --shard exclude each other"),
        (
            {"gpus": "all", "segmenter": Felzenszwalb()},
            "--gpus and --segmenter felzenszwalb exclude each other",
        ),
        ({"gpus": "0", "device": "cpu"}, "--gpus and --device cpu exclude each other"),
        ({"gpus": "0,4"}, "--gpus 0,4: the GPUs here are 0 to 3"),
        ({"gpus": "0,1", "workers": 3}, "--workers 3: not a multiple of the 2 GPUs"),
    ],
)
def test_options_that_exclude_each_other_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        devices(**given)


def test_options_that_exclude_each_other_write_nothing(tmp_path: Path) -> None:
    save(tmp_path / "photos/a.png", blocks(0))
    named = ("--data", tmp_path / "photos", "--out", tmp_path / "masks")
    result = samsr("build", *named, "--workers", "2", "--shard", "1/2")
    assert result.exit_code == 3
    assert "--workers and --shard exclude each other" in result.stderr
    assert not (tmp_path / "masks").exists()


def test_felzenszwalb_needs_no_device(tmp_path: Path) -> None:
    save(tmp_path / "photos/a.png", blocks(0))
    named = ("--data", tmp_path / "photos", "--out", tmp_path / "masks", "--device", "cuda:99")
    result = samsr("build", *named, "--segmenter", "felzenszwalb")
    assert result.exit_code == 0, result.stderr
    assert mask_names(tmp_path / "masks") == ["a.json"]


@pytest.mark.parametrize("name", ["workers", "gpus"])
def test_workers_are_described_as_those_of_upscale(name: str) -> None:
    mine, its = (
        get_args(inspect.signature(command).parameters[name].annotation)[1]
        for command in (build_command, upscale)
    )
    assert (mine.help, mine.min) == (its.help, its.min)


# --------------------------------------------------------------------------------------- deaths


@dataclass(frozen=True)
class Place:
    """A folder with photos, and a stand-in for scikit-image."""

    root: Path

    def start(self, out: Path, *more: str, halt: Halt | None = None) -> "subprocess.Popen[str]":
        """Start ``masks build`` as the leader of a group, as a terminal does."""
        named = ["masks", "build", "--data", str(self.root / "photos"), "--out", str(out)]
        light = ["--segmenter", "felzenszwalb", *more]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        root = str(self.root)
        # A shell's background job ignores Ctrl-C, and so would what it starts.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-m", "sam_diffsr_cli", *named, *light],
                text=True,
                env=os.environ | {"PYTHONPATH": root} | (halt.environment(root) if halt else {}),
                start_new_session=True,
                **pipes,
            )
        finally:
            signal.signal(signal.SIGINT, before)

    def finish(self, out: Path, *more: str) -> tuple[int, str, str]:
        """Run to the end; return the exit code and what was printed."""
        process = self.start(out, *more)
        printed, told = process.communicate(timeout=PATIENCE_S)
        return process.returncode, printed, " ".join(told.split())

    def paint(self, name: str, colour: tuple[int, int, int]) -> Path:
        return save(self.root / "photos" / name, np.full((9, 9, 3), colour, dtype=np.uint8))


def make_place(root: Path) -> Place:
    for seed in range(PHOTOS):
        save(root / f"photos/{'sub/' * (seed % 2)}{seed}.png", blocks(seed))
    (root / "skimage").mkdir()
    (root / "skimage/__init__.py").touch()
    (root / "skimage/segmentation.py").write_text(SEGMENTATION, encoding="utf-8")
    return Place(root)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make_place(tmp_path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes | None]:
    """Return what one process makes of the photos."""
    place = make_place(tmp_path_factory.mktemp("whole"))
    code, _, told = place.finish(place.root / "masks")
    assert code == 0, told
    assert len(mask_names(place.root / "masks")) == PHOTOS
    return content(place.root / "masks")


@dataclass
class Survived:
    """A run with a photo that kills whoever segments it."""

    code: int
    document: dict[str, Any]
    told: str
    photo: Path
    left: dict[str, bytes | None]


@pytest.fixture(scope="module")
def survived(tmp_path_factory: pytest.TempPathFactory) -> Survived:
    place = make_place(tmp_path_factory.mktemp("deadly"))
    photo = place.paint("4a.png", DEADLY)
    code, printed, told = place.finish(place.root / "masks", "--workers", "2", "--json")
    return Survived(code, json.loads(printed), told, photo, content(place.root / "masks"))


@pytest.mark.slow
@NEEDS_SIGNALS
def test_a_photo_that_kills_workers_is_told_as_failed(survived: Survived) -> None:
    assert survived.code == 6
    error = f"{survived.photo}: 3 workers died of it (killed by signal 9)"
    assert survived.document["failed"] == [{"photo": str(survived.photo), "error": error}]
    assert survived.document["count"] == PHOTOS + 1
    assert "with SAM a smaller --max-side" in survived.told
    assert f"1 of {PHOTOS + 1} photos failed" in survived.told


@pytest.mark.slow
@NEEDS_SIGNALS
def test_all_but_a_photo_that_kills_workers_is_done_to_the_same_bytes(
    survived: Survived, whole: dict[str, bytes | None]
) -> None:
    listed = survived.left.pop("failures.txt")
    assert listed is not None
    assert listed.decode().split("\t")[0] == str(survived.photo)
    assert survived.left == whole


@pytest.mark.slow
@NEEDS_SIGNALS
def test_a_worker_that_is_killed_is_replaced_and_its_photo_done(
    place: Place, whole: dict[str, bytes | None]
) -> None:
    masks = place.root / "masks"
    halt = Halt(place.root / "halt", masks, 3)
    process = place.start(masks, "--workers", "2", halt=halt)
    os.kill(halt.wait(process), signal.SIGKILL)
    _, told = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, told
    assert "died (killed by signal 9); another takes its place" in told
    assert f"{PHOTOS} photos done" in told
    assert content(masks) == whole


@pytest.mark.slow
@NEEDS_SIGNALS
def test_a_full_disk_ends_workers_and_is_no_photos_failure(place: Place) -> None:
    place.paint("0a.png", FILLING)
    code, _, told = place.finish(place.root / "masks", "--workers", "2")
    assert code == 5
    assert told.count("no space left for these masks") == 1
    assert len(mask_names(place.root / "masks")) < PHOTOS
    assert not (place.root / "masks/failures.txt").exists()


# ----------------------------------------------------------------------------------- being stopped


@pytest.mark.slow
@NEEDS_SIGNALS
@pytest.mark.parametrize(
    ("number", "send"),
    [(signal.SIGINT, os.killpg), (signal.SIGTERM, os.kill)],
    ids=["Ctrl-C", "SIGTERM"],
)
def test_a_run_that_is_stopped_ends_its_workers_and_leaves_whole_files(
    number: int,
    send: Callable[[int, int], None],
    place: Place,
    whole: dict[str, bytes | None],
) -> None:
    masks = place.root / "masks"
    halt = Halt(place.root / "halt", masks, 3)
    process = place.start(masks, "--workers", "2", halt=halt)
    halted = halt.wait(process)
    workers = tool.workers_of(process)
    send(process.pid, number)
    go_on(halted)
    _, told = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, told
    assert len(workers) == 2
    assert psutil.wait_procs(workers, timeout=0)[1] == []
    assert "interrupted" in told
    assert "Traceback" not in told
    left = {name: data for name, data in content(masks).items() if data is not None}
    assert 2 < len(left) < PHOTOS
    assert all(whole.get(name) == data for name, data in left.items())


def count_workers(process: "subprocess.Popen[str]") -> int:
    """Count those that are there; what ends meanwhile is none."""
    try:
        return len(tool.workers_of(process))
    except psutil.Error:
        return 0


@pytest.mark.slow
@NEEDS_SIGNALS
def test_ctrl_c_while_workers_start_is_told_in_one_line(place: Place) -> None:
    process = place.start(place.root / "masks", "--workers", "2")
    while count_workers(process) < 2:
        assert process.poll() is None
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert told.splitlines() == [
        f"{PHOTOS} photos to segment, 0 are there already",
        "error: interrupted; what was finished is whole",
    ]


# ------------------------------------------------------------------------------------------ SAM


@pytest.mark.slow
def test_two_workers_with_sam_write_what_one_process_does(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = _build_sam(16, 1, 1, [])
    torch.save(model.state_dict(), tmp_path / "tiny.pth")
    for seed in range(2):
        save(tmp_path / f"photos/{seed}.png", blocks(seed))
    tiny = ("--sam", "custom", "--checkpoint", tmp_path / "tiny.pth", "--device", "cpu")
    every = ("--pred-iou-thresh", "0", "--stability-score-thresh", "0", "--points-per-side", "2")
    told = []
    for out, workers in (("one", "1"), ("two", "2")):
        named = ("--data", tmp_path / "photos", "--out", tmp_path / out, "--workers", workers)
        result = samsr("build", *named, *tiny, *every)
        assert result.exit_code == 0, result.stderr
        told.append(result.stderr)
    assert ["worker 1 on cpu: " in text for text in told] == [False, True]
    assert len(mask_names(tmp_path / "two")) == 2
    assert content(tmp_path / "two") == content(tmp_path / "one")
