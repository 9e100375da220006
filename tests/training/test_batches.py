"""The batches of a stage: the same crops and draws however they are divided and whoever asks."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

from sam_diffsr_cli.data.crops import Batch
from sam_diffsr_cli.errors import ConfigError
from sam_diffsr_cli.recipes.records import TrainConfig
from sam_diffsr_cli.training.batches import BatchSource, Piece
from sam_diffsr_cli.training.engine import Share
from tests.training import tiny

CONFIG = replace(tiny.DENOISER, batch=8)
PARTS = ("hr", "lr", "spe", "levels", "told")


def joined(pieces: list[Piece]) -> Piece:
    """Put pieces of a batch together again."""
    batches, draws = [p.batch for p in pieces], [p.draws for p in pieces]
    batch = Batch(*(torch.cat([getattr(b, n) for b in batches]) for n in PARTS))
    steps = tuple(step for draw in draws for step in draw.steps)
    return Piece(batch, replace(draws[0], steps=steps, noise=torch.cat([d.noise for d in draws])))


def assert_same(one: Piece, other: Piece) -> None:
    assert one.draws.steps == other.draws.steps
    assert torch.equal(one.draws.noise, other.draws.noise)
    for name in PARTS:
        assert torch.equal(getattr(one.batch, name), getattr(other.batch, name))


def is_same(one: Piece, other: Piece) -> bool:
    return torch.equal(one.batch.hr, other.batch.hr)


def only(source: BatchSource, step: int) -> Piece:
    (piece,) = source.make(step)
    return piece


@pytest.mark.parametrize(
    ("world", "accumulate"), [(1, 1), (1, 2), (1, 8), (2, 1), (2, 2), (4, 2), (8, 1)], ids=str
)
def test_processes_and_pieces_share_out_the_batch_of_one(world: int, accumulate: int) -> None:
    whole = only(tiny.source(CONFIG), 3)
    pieces = []
    for rank in range(world):
        made = tiny.source(CONFIG, Share(rank, world, accumulate)).make(3)
        assert len(made) == accumulate
        pieces += made
    assert_same(joined(pieces), whole)


def test_a_step_has_the_same_batch_whatever_was_made_before() -> None:
    fresh, used = tiny.source(CONFIG), tiny.source(CONFIG)
    for step in (5, 0, 2):
        used.make(step)
    assert_same(only(used, 3), only(fresh, 3))


def test_a_step_has_the_same_batch_when_threads_make_it() -> None:
    source = tiny.source(CONFIG)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(source.make, range(12)))
    for step, pieces in enumerate(made):
        assert_same(joined(pieces), only(tiny.source(CONFIG), step))


@pytest.mark.parametrize(
    "other", [replace(CONFIG, seed=1), replace(CONFIG, stage="encoder")], ids=["seed", "stage"]
)
def test_another_seed_or_stage_has_other_crops_and_noise(other: TrainConfig) -> None:
    one, two = only(tiny.source(CONFIG), 0), only(tiny.source(other), 0)
    assert not is_same(one, two)
    assert not torch.equal(one.draws.noise, two.draws.noise)


def test_every_step_has_other_crops_and_noise() -> None:
    one, two = (only(tiny.source(CONFIG), step) for step in (0, 1))
    assert not is_same(one, two)
    assert not torch.equal(one.draws.noise, two.draws.noise)


def test_without_augmentation_crops_are_cut_as_they_lie() -> None:
    """Every crop is then found in its photo; of augmented ones, some are not."""
    windows = {
        tuple(window.flatten().tolist())
        for photo in tiny.photos()
        for rows in photo.pixels.unfold(1, 16, 1).unfold(2, 16, 1).permute(1, 2, 0, 3, 4)
        for window in rows
    }

    def found(*, augment: bool) -> list[bool]:
        batch = only(tiny.source(replace(CONFIG, augment=augment)), 0).batch
        levels = ((batch.hr + 1) * 127.5).round().byte()
        return [tuple(crop.flatten().tolist()) in windows for crop in levels]

    assert all(found(augment=False))
    assert not all(found(augment=True))


def test_the_global_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    tiny.source(CONFIG).make(0)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_batch_that_cannot_be_shared_out_is_refused() -> None:
    with pytest.raises(ConfigError, match="batch is 8"):
        tiny.source(CONFIG, Share(0, 3, 1)).make(0)
