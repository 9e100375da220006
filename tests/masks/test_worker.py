"""Masks as a pool's work: what a worker is sent, what it answers, and what it refuses."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sam_diffsr_cli.errors import ConfigError, DiskFullError, InputError
from sam_diffsr_cli.masks import choice
from sam_diffsr_cli.masks.build import BuildStep, MaskJob, build_mask
from sam_diffsr_cli.masks.choice import SamChoice
from sam_diffsr_cli.masks.sam import SamOptions
from sam_diffsr_cli.masks.segmenters import Felzenszwalb
from sam_diffsr_cli.masks.store import read_records
from sam_diffsr_cli.masks.worker import MaskConfig
from sam_diffsr_cli.pictures.records import Limits
from sam_diffsr_cli.workers.messages import Refused, Task
from sam_diffsr_cli.workers.processes import LocalPool
from tests.helpers import PATIENCE_S

CPU = torch.device("cpu")
LIGHT = Felzenszwalb(region_scale=50, sigma=0, least_area=20)
SIZE = (30, 40)


def photo(folder: Path, name: str, seed: int = 0) -> MaskJob:
    """Draw a photo of four blocks, with a place for its masks."""
    blocks = np.random.default_rng(seed).integers(0, 256, (2, 2, 3), dtype=np.uint8)
    pixels = np.repeat(np.repeat(blocks, SIZE[0] // 2, axis=0), SIZE[1] // 2, axis=1)
    path = folder / "photos" / name
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path)
    return MaskJob(path, folder / "masks" / f"{path.stem}.json")


def config_into(folder: Path, segmenter: Felzenszwalb = LIGHT) -> MaskConfig:
    return MaskConfig(choice=segmenter, out=folder / "masks", limits=Limits())


def do(config: MaskConfig, *jobs: MaskJob) -> list[tuple[int, BuildStep]]:
    return list(config.start(CPU).do([Task(index, job) for index, job in enumerate(jobs)]))


def test_a_worker_writes_what_this_process_does(tmp_path: Path) -> None:
    jobs = [photo(tmp_path, "a.png", 1), photo(tmp_path, "b.png", 2)]
    done = do(config_into(tmp_path), *jobs)
    assert [index for index, _ in done] == [0, 1]
    for job in jobs:
        own = MaskJob(job.photo, tmp_path / "own" / job.target.name)
        build_mask(own, LIGHT, Limits())
        assert job.target.read_bytes() == own.target.read_bytes()


def test_a_step_tells_regions_and_size_also_when_it_comes_from_elsewhere(
    tmp_path: Path,
) -> None:
    job = photo(tmp_path, "a.png")
    ((_, step),) = do(config_into(tmp_path), job)
    again = pickle.loads(pickle.dumps(step))  # noqa: S301 - our own
    assert again.regions == len(read_records(job.target)) == 4
    assert (again.job, again.size, again.error) == (job, SIZE, None)
    assert again.seconds > 0


def test_a_photo_that_fails_is_a_step(tmp_path: Path) -> None:
    bad, good = photo(tmp_path, "a.png"), photo(tmp_path, "b.png")
    bad.photo.write_bytes(b"no picture")
    (_, first), (_, second) = do(config_into(tmp_path), bad, good)
    assert isinstance(first.error, InputError)
    assert "a.png" in str(first.error)
    assert second.error is None


def test_a_full_disk_is_the_error_of_a_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, _: object) -> None:
        raise DiskFullError(f"{path}: no space left")

    monkeypatch.setattr("sam_diffsr_cli.masks.build.write_records", full)
    ((_, step),) = do(config_into(tmp_path), photo(tmp_path, "a.png"))
    assert isinstance(step.error, DiskFullError)


def test_masks_of_a_picture_that_was_begun_before_are_written_again(tmp_path: Path) -> None:
    job = photo(tmp_path, "a.png")
    worker = config_into(tmp_path).start(CPU)
    list(worker.do([Task(0, job)]))
    whole = job.target.read_bytes()
    job.target.write_bytes(b"of another")
    list(worker.do([Task(0, job, is_again=True)]))
    assert job.target.read_bytes() == whole


def test_sam_is_loaded_once_however_many_photos_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[tuple[Path, str, torch.device]] = []

    def load(path: Path, sam_type: str, device: torch.device) -> tuple[object, str]:
        loaded.append((path, sam_type, device))
        return object(), "0" * 64

    monkeypatch.setattr(choice, "load_sam", load)
    sam = SamChoice(checkpoint=Path("sam.pth"), sam_type="vit_b", options=SamOptions())
    worker = MaskConfig(choice=sam, out=tmp_path, limits=Limits()).start(CPU)
    for number in range(3):
        # That it is no real SAM, each photo tells by itself.
        list(worker.do([Task(number, photo(tmp_path, f"{number}.png"))]))
    assert loaded == [(Path("sam.pth"), "vit_b", CPU)]


@pytest.mark.slow
def test_a_worker_refuses_masks_made_in_another_way(tmp_path: Path) -> None:
    config_into(tmp_path).start(CPU)
    pool = LocalPool(config_into(tmp_path, Felzenszwalb(sigma=1.5)), ["cpu"])
    event = pool.wait()
    pool.close()
    assert isinstance(event, Refused)
    assert isinstance(event.error, ConfigError)
    assert "other options (least_area, region_scale, sigma)" in str(event.error)


@pytest.mark.slow
def test_a_pool_that_is_never_closed_does_not_keep_its_process_from_ending(
    tmp_path: Path,
) -> None:
    code = f"""
from pathlib import Path
from sam_diffsr_cli.masks.segmenters import Felzenszwalb
from sam_diffsr_cli.masks.worker import MaskConfig
from sam_diffsr_cli.pictures.records import Limits
from sam_diffsr_cli.workers.processes import LocalPool

config = MaskConfig(choice=Felzenszwalb(), out=Path({str(tmp_path)!r}), limits=Limits())
pool = LocalPool(config, ["cpu"])
print(pool.wait())
"""
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE_S)  # noqa: S603
    assert result.stdout == "Idle(worker=0)\n"
