"""The estimator that is trained by itself: what it learns, what it begins with, what is kept."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sam_diffsr_cli.checkpoints.store import save_weights
from sam_diffsr_cli.networks.dirt_features import NUM_BLOCK_FEATURES, NUM_FEATURES
from sam_diffsr_cli.networks.encoders import LevelEstimator
from sam_diffsr_cli.networks.model import build_model
from sam_diffsr_cli.recipes.records import recipe_for
from sam_diffsr_cli.recipes.text import from_toml, to_toml
from tests.helpers import TINY
from tests.workshop.tools.train_estimator import fit, recipe_of, with_fresh_estimator

TOLD = replace(TINY, encoder=replace(TINY.encoder, num_levels=3))


def test_what_is_learnt_holds_for_the_numbers_as_they_are() -> None:
    """Not only for those of mean 0 and deviation 1 that the training sees."""
    generator = torch.Generator().manual_seed(0)
    levels = torch.rand(800, 3, generator=generator)
    mixing = torch.randn(3, NUM_FEATURES, generator=generator)
    numbers = 5 + levels @ mixing * torch.logspace(-1, 1, NUM_FEATURES)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        estimator = LevelEstimator(3)
    fit(estimator, numbers[:600], levels[:600], steps=150)
    with torch.no_grad():
        error = (estimator.answer(numbers[600:]) - levels[600:]).abs().mean()
    # One constant for all of them is wrong by 0.25 on average.
    assert float(error) < 0.05


@pytest.mark.parametrize(("before", "asked"), [(False, False), (False, True), (True, False)])
def test_all_but_the_estimator_is_kept(before: bool, asked: bool) -> None:
    config = replace(TOLD, encoder=replace(TOLD.encoder, sees_blocks=before))
    model = build_model(config, seed=9)
    fresh = with_fresh_estimator(model, sees_blocks=asked)
    assert fresh.config.encoder.sees_blocks == (before or asked)
    old, new = model.state_dict(), fresh.state_dict()
    assert old.keys() == new.keys()
    differ = {n for n in old if old[n].shape != new[n].shape or not torch.equal(old[n], new[n])}
    assert differ == {n for n in old if n.startswith("rrdb.estimator.")}
    wide = NUM_FEATURES + NUM_BLOCK_FEATURES * (before or asked)
    assert new["rrdb.estimator.linear1.weight"].shape[1] == wide


@pytest.mark.parametrize("kept", [True, False])
def test_the_recipe_follows_the_model(tmp_path: Path, kept: bool) -> None:
    path = tmp_path / "given.safetensors"
    recipe = to_toml(recipe_for(TOLD, "lite")) if kept else ""
    save_weights(path, build_model(TOLD), "a test", recipe=recipe)
    changed = with_fresh_estimator(build_model(TOLD), sees_blocks=True)
    told = recipe_of(path, changed)
    assert (from_toml(told).model == changed.config) if kept else not told
