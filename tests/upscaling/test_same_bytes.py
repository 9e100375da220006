"""A picture has the same bytes however it is run on one machine."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sam_diffsr_cli.choices import Precision
from sam_diffsr_cli.config import LITE
from sam_diffsr_cli.networks.steady import steady
from sam_diffsr_cli.sampling_config import SamplingConfig
from sam_diffsr_cli.upscaling.frames import UpscaleRun, enlarge_frame
from sam_diffsr_cli.upscaling.model import Upscaler, load_upscaler
from tests.helpers import also_slowly, shaken_model

has_bf16 = pytest.mark.skipif(
    not torch.ops.mkldnn._is_mkldnn_bf16_supported(),
    reason="oneDNN has no bf16 on this processor",
)
PRECISIONS = ["fp32", pytest.param("bf16", marks=has_bf16)]
SIZES = [*also_slowly((1, 1), (3, 5), (61, 58)), (7, 40), (33, 29)]


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """Put the number of threads back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def draw(size: tuple[int, int]) -> np.ndarray:
    y, x = np.mgrid[: size[0], : size[1]]
    noise = np.random.default_rng(0).integers(0, 256, size)
    channels = [128 + 100 * np.sin(x / 7 + y / 3), 128 + 90 * np.cos(y / 5), noise]
    return np.stack(channels, axis=-1).clip(0, 255).astype(np.uint8)


@cache
def random_model(precision: Precision) -> Upscaler:
    """Make a model of the bundled one's layers, none of which is zero."""
    model = shaken_model(LITE, 0.01)
    steady(model)
    model = model.to(memory_format=torch.channels_last)
    return Upscaler(model=model, device=torch.device("cpu"), precision=precision)


def enlarge(upscaler: Upscaler, size: tuple[int, int], threads: int, tile: int = 0) -> np.ndarray:
    return enlarge_steps(upscaler, size, threads, tile, steps=2)


def enlarge_steps(
    upscaler: Upscaler, size: tuple[int, int], threads: int, tile: int, *, steps: int
) -> np.ndarray:
    torch.set_num_threads(threads)
    sampling = SamplingConfig(steps=steps, sampler="dpmpp_2m", tile=tile)
    return enlarge_frame(UpscaleRun(upscaler=upscaler, sampling=sampling, scale=4.0), draw(size))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_any_number_of_threads_gives_the_bytes_of_one(
    precision: Precision, size: tuple[int, int]
) -> None:
    upscaler = random_model(precision)
    one = enlarge(upscaler, size, 1)
    for threads in (2, 3, 4):
        assert np.array_equal(enlarge(upscaler, size, threads), one), threads


@pytest.mark.slow
@pytest.mark.parametrize("steps", [0, 2], ids=["fast", "steps"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_threads_do_not_show_with_the_bundled_model(precision: Precision, steps: int) -> None:
    upscaler = load_upscaler(None, torch.device("cpu"), precision)
    one = enlarge_steps(upscaler, (47, 39), 1, 0, steps=steps)
    for threads in (2, 3, 4):
        many = enlarge_steps(upscaler, (47, 39), threads, 0, steps=steps)
        assert np.array_equal(many, one), threads


@pytest.mark.parametrize("tiles", [(48,), *also_slowly((16, 64))], ids=str)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_without_steps_any_tile_gives_the_bytes_of_one_piece(
    precision: Precision, tiles: Sequence[int]
) -> None:
    upscaler = load_upscaler(None, torch.device("cpu"), precision)
    whole = enlarge_steps(upscaler, (61, 90), 1, 0, steps=0)
    for tile in tiles:
        assert np.array_equal(enlarge_steps(upscaler, (61, 90), 2, tile, steps=0), whole), tile


@pytest.mark.slow
@pytest.mark.parametrize(
    ("precision", "most"),
    [
        pytest.param("fp32", 1e-4, id="fp32"),
        pytest.param("bf16", 0.05, id="bf16", marks=has_bf16),
    ],
)
def test_with_steps_a_tile_changes_few_values_and_none_by_more_than_a_level(
    precision: Precision, most: float
) -> None:
    upscaler = load_upscaler(None, torch.device("cpu"), precision)
    whole = enlarge(upscaler, (90, 61), 1).astype(int)
    apart = np.abs(enlarge(upscaler, (90, 61), 2, tile=48) - whole)
    assert apart.max() <= 1
    assert np.count_nonzero(apart) <= most * apart.size


@pytest.mark.slow
def test_workers_write_what_one_process_does(tmp_path: Path) -> None:
    """The command itself: with one thread, with three, and with two workers of one."""
    folder = tmp_path / "in"
    folder.mkdir()
    for index, size in enumerate([(13, 21), (1, 3), (40, 35)]):
        Image.fromarray(draw(size)).save(folder / f"{index}.png")
    written = []
    for name, options, threads in [
        ("one", (), "1"),
        ("three", (), "3"),
        ("workers", ("--workers", "2"), "2"),
    ]:
        out = tmp_path / name
        subprocess.run(  # noqa: S603 - our own code
            [
                *(sys.executable, "-m", "sam_diffsr_cli", "upscale", str(folder), str(out)),
                *("--device", "cpu", "--steps", "2", "--format", "png", *options),
            ],
            env=os.environ | {"OMP_NUM_THREADS": threads},
            check=True,
            capture_output=True,
        )
        written.append({path.name: path.read_bytes() for path in sorted(out.iterdir())})
    assert len(written[0]) == 3
    assert written[1] == written[0]
    assert written[2] == written[0]
