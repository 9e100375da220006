"""What networks are told of levels: mostly the truth, sometimes less."""

import pytest
import torch

from sam_diffsr_cli.degradation.levels import (
    CLEAN,
    UNKNOWN,
    Levels,
    compression_of,
    describe_levels,
    told_levels,
)


def told(levels: torch.Tensor, seed: int = 0) -> torch.Tensor:
    return told_levels(levels, torch.Generator().manual_seed(seed))


def test_most_are_told_as_they_are_some_wrong_some_not_at_all() -> None:
    levels = torch.full((4000, 3), 0.5)
    found = told(levels)
    known = (found == levels).all(dim=1)
    unknown = (found == UNKNOWN).all(dim=1)
    wrong = ~known & ~unknown
    assert abs(float(known.float().mean()) - 0.6) < 0.03
    assert abs(float(wrong.float().mean()) - 0.3) < 0.03
    assert 0.1 < float((found[wrong] - 0.5).std()) < 0.14


def test_what_is_clean_is_never_told_to_be_dirty() -> None:
    found = told(torch.zeros(500, 3))
    assert bool(((found == 0) | (found == UNKNOWN)).all())


def test_what_is_told_is_a_level() -> None:
    found = told(torch.rand(500, 3))
    assert bool((((found >= 0) & (found <= 1)) | (found == UNKNOWN)).all())


def test_levels_are_not_changed() -> None:
    levels = torch.rand(50, 3)
    kept = levels.clone()
    told(levels)
    assert torch.equal(levels, kept)


def test_levels_are_told_in_units_that_people_know() -> None:
    assert describe_levels(CLEAN) == "clean"
    assert describe_levels(Levels(0.25, 0.4, 0.5)) == (
        "a JPEG of quality 75, noise of 10.0 levels, a blur of 0.30 pixels"
    )


@pytest.mark.parametrize(("quality", "level"), [(None, 0.0), (100, 0.0), (75, 0.25), (15, 0.85)])
def test_the_level_of_a_jpeg_is_by_its_quality(quality: int | None, level: float) -> None:
    assert compression_of(quality) == level
