"""A case that is measured in this process, and how its steps are told apart."""

from pathlib import Path

import pytest

from sam_diffsr_cli.benchmark import measuring
from sam_diffsr_cli.benchmark.cost import count_cost
from sam_diffsr_cli.benchmark.measuring import measure_case
from sam_diffsr_cli.benchmark.records import Effort
from sam_diffsr_cli.errors import WeightsError
from sam_diffsr_cli.upscaling.speed import Work, step_seconds
from tests.benchmark.samples import case, write_tiny
from tests.helpers import TINY


def ignore(_share: float) -> None:
    pass


def test_a_step_is_what_passes_between_the_steps_of_a_tile() -> None:
    assert step_seconds([10.0, 11.0, 12.0], 3) == 1.0


def test_the_steps_of_all_tiles_add_up_without_what_comes_before_them() -> None:
    # Two tiles of three steps, of 1 s and 2 s each; 40 s pass before the second tile's first.
    assert step_seconds([10.0, 11.0, 12.0, 52.0, 54.0, 56.0], 3) == 3.0


@pytest.mark.parametrize("steps", [0, 1])
def test_a_single_step_cannot_be_told_apart(steps: int) -> None:
    assert step_seconds([10.0, 30.0], steps) == 0.0


def test_what_fits_is_run_whole_and_counted_with_its_tiles(tmp_path: Path) -> None:
    name = str(write_tiny(tmp_path))
    whole, tiled = (
        measure_case(
            case(name, work=Work(height=32, width=32, steps=2), tile=tile),
            Effort(repeats=2, warm_up=0),
            ignore,
        )
        for tile in (0, 16)
    )
    assert whole.scaled_from is None
    assert len(whole.seconds) == 2
    # Four tiles, whose context reaches over the whole picture.
    assert tiled.flops == 4 * whole.flops


def test_memory_of_what_was_scaled_grows_by_what_was_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "process_peak", lambda _: 10**9)
    one = case(str(write_tiny(tmp_path)), work=Work(height=256, width=256, steps=5))
    found = measure_case(one, Effort(repeats=1, warm_up=0, limit_s=1e-9), ignore)
    assert found.scaled_from == Work(height=64, width=64, steps=2)
    assert not found.memory_is_measured
    whole, piece = (count_cost(TINY, [(s, s)], 5, "fp32").held for s in (256, 64))
    result = 3 * 16 * (256**2 - 64**2)
    assert found.memory == 10**9 + whole - piece + result


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(WeightsError, match="no such"):
        measure_case(case("missing.safetensors"), Effort(), ignore)
