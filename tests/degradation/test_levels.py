"""What networks are told of levels: mostly the truth, sometimes less."""

import torch

from sam_diffsr_cli.degradation.levels import UNKNOWN, told_levels


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
