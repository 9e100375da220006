"""Training recipes as records: the presets' numbers, the stages, and what is refused."""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from sam_diffsr_cli.config import LITE, PAPER, PRESETS, ModelConfig, UNetConfig, distilled
from sam_diffsr_cli.errors import ConfigError
from sam_diffsr_cli.recipes.records import (
    RECIPES,
    STAGES,
    DataConfig,
    DegradeConfig,
    Recipe,
    Stage,
    TrainConfig,
    recipe_for,
)
from sam_diffsr_cli.strict import from_json, to_json
from tests.helpers import each_value

Build = Callable[..., object]

PUBLISHED = {
    "batch": 64,
    "accumulate": 1,
    "patch": 160,
    "augment": False,
    "learning_rate": 2e-4,
    "schedule": "halving",
    "halve_every": 200_000,
    "warmup_steps": 0,
    "clip_norm": 0.0,
    "timesteps": 0,
    "teacher_steps": 3,
    "expert": False,
    "ema_decay": 0.0,
    "loss": "l1",
    "modulation": "released",
    "mask_norm": "image",
    "precision": "fp32",
    "seed": 1234,
}
"""Of both stages, by the authors' configuration and code; what it says of clipping is not done."""

BUNDLED = {
    "batch": 16,
    "accumulate": 1,
    "patch": 96,
    "augment": True,
    "schedule": "cosine",
    "warmup_steps": 200,
    "final_rate": 0.01,
    "clip_norm": 1.0,
    "timesteps": 0,
    "teacher_steps": 3,
    "expert": False,
    "ema_decay": 0.999,
    "loss": "l1",
    "modulation": "released",
    "mask_norm": "image",
    "precision": "auto",
    "seed": 0,
}
"""Of both stages that made the bundled model."""

UNUSED = {"paper": "final_rate", "lite": "halve_every"}
"""Fields that the preset's schedule does not look at."""


def values_of(preset: str, stage: Stage) -> dict[str, Any]:
    """Every value that decides the result of a stage."""
    recipe = RECIPES[preset]
    values = dataclasses.asdict(recipe.encoder if stage == "encoder" else recipe.diffusion)
    del values[UNUSED[preset]]
    return values


@pytest.mark.parametrize(("stage", "steps"), [("encoder", 100_000), ("diffusion", 400_000)])
def test_the_paper_preset_has_exactly_the_published_values(stage: Stage, steps: int) -> None:
    assert values_of("paper", stage) == {"stage": stage, "steps": steps, **PUBLISHED}


@pytest.mark.parametrize(
    ("stage", "steps", "rate"), [("encoder", 12_000, 5e-4), ("diffusion", 10_000, 3e-4)]
)
def test_the_lite_preset_has_the_values_of_the_bundled_model(
    stage: Stage, steps: int, rate: float
) -> None:
    expected = {"stage": stage, "steps": steps, "learning_rate": rate, **BUNDLED}
    assert values_of("lite", stage) == expected


def test_the_presets_of_recipes_are_those_of_networks() -> None:
    assert {name: recipe.model for name, recipe in RECIPES.items()} == PRESETS
    assert {name: recipe.preset for name, recipe in RECIPES.items()} == {n: n for n in PRESETS}


def test_a_preset_names_no_photos_and_no_file() -> None:
    for recipe in RECIPES.values():
        assert recipe.data == DataConfig()
        assert recipe.data.photos == ()
        assert {recipe.data.masks, recipe.data.val, recipe.data.init} == {""}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize("stage", STAGES)
def test_training_configuration_comes_back_from_json(recipe: Recipe, stage: Stage) -> None:
    config = getattr(recipe, stage)
    assert from_json(TrainConfig, to_json(config)) == config


# ------------------------------------------------------------------------------------- stages

LITE_RECIPE = RECIPES["lite"]


@pytest.mark.parametrize(
    "stages",
    [STAGES, STAGES[:2], STAGES[1:], ("encoder",), ("diffusion",), ("distill",)],
    ids=str,
)
def test_the_plan_has_the_chosen_stages_in_turn(stages: tuple[Stage, ...]) -> None:
    recipe = replace(LITE_RECIPE, model=distilled(LITE_RECIPE.model), stages=stages)
    assert [config.stage for config in recipe.plan] == list(stages)


def test_the_plan_is_made_of_the_configurations_of_the_stages() -> None:
    assert LITE_RECIPE.plan == (LITE_RECIPE.encoder, LITE_RECIPE.diffusion)


@pytest.mark.parametrize(
    "stages",
    [(), ("diffusion", "encoder"), ("encoder", "encoder"), ("encoder", "distill"), ("masks",)],
    ids=str,
)
def test_other_stages_are_refused(stages: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"stages is .*allowed: of encoder, diffusion, distill, in this order"
    ):
        replace(LITE_RECIPE, stages=stages)


def test_stages_in_each_others_place_are_refused() -> None:
    with pytest.raises(ConfigError, match="each other's names"):
        replace(LITE_RECIPE, encoder=LITE_RECIPE.diffusion, diffusion=LITE_RECIPE.encoder)


def test_only_a_model_with_such_networks_is_distilled() -> None:
    with pytest.raises(ConfigError, match=r"model\.diffusion\.distilled_steps is 0, allowed: > 0"):
        replace(LITE_RECIPE, stages=("distill",))


def test_only_a_model_with_experts_trains_them() -> None:
    expert = replace(LITE_RECIPE.diffusion, expert=True)
    with pytest.raises(ConfigError, match=r"diffusion\.expert is True, allowed: false for a model"):
        replace(LITE_RECIPE, diffusion=expert)
    model = replace(LITE_RECIPE.model, clean_expert=True)
    assert replace(LITE_RECIPE, model=model, diffusion=expert).plan[1].expert


def test_the_networks_that_are_trained_are_those_that_are_distilled() -> None:
    model = distilled(replace(LITE_RECIPE.model, clean_expert=True))
    both = replace(LITE_RECIPE, model=model, stages=("diffusion", "distill"))
    expert = {name: replace(getattr(both, name), expert=True) for name in ("diffusion", "distill")}
    for name, stage in expert.items():
        with pytest.raises(ConfigError, match="the same in stages up to distill"):
            replace(both, **{name: stage})
    assert all(config.expert for config in replace(both, **expert).plan)


def test_experts_are_not_trained_on_degraded_photos() -> None:
    model = replace(LITE_RECIPE.model, clean_expert=True)
    expert = replace(LITE_RECIPE.encoder, expert=True)
    recipe = replace(LITE_RECIPE, model=model, encoder=expert)
    for kind in ("photo", "second-order"):
        message = f"degrade.kind is '{kind}', allowed: none where experts are trained"
        with pytest.raises(ConfigError, match=message):
            replace(recipe, degrade=DegradeConfig(kind=kind))
    # One that is not among the stages does not matter.
    others = replace(recipe, stages=("diffusion",), degrade=DegradeConfig(kind="photo"))
    assert others.encoder.expert


def test_masks_are_refused_where_only_a_network_that_does_not_see_them_is_trained() -> None:
    model, masked = distilled(LITE_RECIPE.model), DataConfig(masks="masks")
    with pytest.raises(
        ConfigError, match=r"data\.masks is 'masks', allowed: none where nothing but distill"
    ):
        replace(LITE_RECIPE, model=model, stages=("distill",), data=masked)
    both: tuple[Stage, ...] = ("diffusion", "distill")
    assert replace(LITE_RECIPE, model=model, stages=both, data=masked).data.masks


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(ConfigError, match="preset is 'large', allowed: lite or paper"):
        replace(LITE_RECIPE, preset="large")


# -------------------------------------------------------------------- patches and the networks


def with_patch(recipe: Recipe, patch: int) -> Recipe:
    """Both stages with crops of another side."""
    return replace(
        recipe,
        encoder=replace(recipe.encoder, patch=patch),
        diffusion=replace(recipe.diffusion, patch=patch),
    )


FOUR_LEVELS = replace(LITE, unet=UNetConfig(kind="folded", widths=(8, 8, 8, 8)))
TIMES_THREE = replace(LITE, scale=3)

UNITS = [("paper", PAPER, 8), ("lite", LITE, 16), ("lite", FOUR_LEVELS, 32)]
"""The paper's network halves a patch three times; a folded one a low-resolution patch, a quarter
of that, once less than it has levels. A patch must stay whole."""


@pytest.mark.parametrize(("preset", "model", "unit"), UNITS, ids=["paper", "lite", "four-levels"])
def test_a_patch_must_be_whole_at_every_level(preset: str, model: ModelConfig, unit: int) -> None:
    recipe = recipe_for(model, preset)
    assert with_patch(recipe, 4 * unit).encoder.patch == 4 * unit
    for patch in (4 * unit - 4, 4 * unit + 1, 4 * unit + unit // 2):
        with pytest.raises(
            ConfigError, match=rf"encoder\.patch is {patch}, allowed: multiples of {unit}"
        ):
            with_patch(recipe, patch)


def test_a_patch_must_leave_the_lowest_level_enough_to_mirror() -> None:
    # Five halvings: 32 pixels would leave one there, and a border of one needs two.
    model = replace(PAPER, unet=UNetConfig(kind="full", widths=(8,) * 6))
    recipe = recipe_for(model, "paper")
    assert with_patch(recipe, 64).diffusion.patch == 64
    with pytest.raises(ConfigError, match=r"encoder\.patch is 32, allowed: >= 64"):
        with_patch(recipe, 32)


def test_only_the_patches_of_stages_to_train_are_checked() -> None:
    encoder = replace(LITE_RECIPE.encoder, patch=100)
    recipe = replace(LITE_RECIPE, encoder=encoder, stages=("diffusion",))
    assert recipe.encoder.patch == 100
    with pytest.raises(ConfigError, match=r"encoder\.patch is 100"):
        replace(recipe, stages=STAGES[:2])


def test_a_recipe_for_another_network_differs_in_nothing_else() -> None:
    recipe = recipe_for(TIMES_THREE, "lite")
    assert recipe == replace(LITE_RECIPE, model=TIMES_THREE)
    assert recipe.model == TIMES_THREE


# ------------------------------------------------------------------------------------- ranges


def training(**fields: Any) -> TrainConfig:
    return TrainConfig(**{"stage": "encoder", "steps": 10, **fields})


BROKEN: list[tuple[Build, str, Any]] = [
    (training, "steps", 0),
    (training, "batch", 0),
    (training, "accumulate", 0),
    (training, "accumulate", -1),
    (training, "accumulate", 3),
    (training, "accumulate", 32),
    (training, "patch", 15),
    (training, "learning_rate", 0.0),
    (training, "learning_rate", -1e-4),
    (training, "learning_rate", math.inf),
    (training, "learning_rate", math.nan),
    (training, "halve_every", 0),
    (training, "warmup_steps", -1),
    (training, "final_rate", -0.1),
    (training, "final_rate", 1.1),
    (training, "final_rate", math.nan),
    (training, "clip_norm", -0.1),
    (training, "clip_norm", math.inf),
    (training, "clip_norm", math.nan),
    (training, "ema_decay", -0.1),
    (training, "ema_decay", 1.0),
    (training, "ema_decay", math.nan),
    (training, "seed", -1),
    (training, "seed", 2**63),
    (DataConfig, "hold_out", -1),
]


@each_value(BROKEN)
def test_value_out_of_range_is_refused_by_name(build: Build, name: str, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        build(**{name: value})
    assert str(caught.value).startswith(f"{name} is {value!r}, allowed: ")


ALLOWED: list[tuple[Build, str, Any]] = [
    (training, "steps", 1),
    (training, "batch", 1),
    (training, "accumulate", 16),
    (training, "patch", 16),
    (training, "halve_every", 1),
    (training, "warmup_steps", 0),
    (training, "final_rate", 0.0),
    (training, "final_rate", 1.0),
    (training, "clip_norm", 0.0),
    (training, "ema_decay", 0.0),
    (training, "seed", 2**63 - 1),
    (DataConfig, "hold_out", 0),
]


@each_value(ALLOWED)
def test_value_at_the_end_of_its_range_is_kept(build: Build, name: str, value: Any) -> None:
    assert getattr(build(**{name: value}), name) == value


def test_the_parts_of_a_batch_are_checked_against_the_batch() -> None:
    assert training(batch=12, accumulate=3).accumulate == 3
    with pytest.raises(ConfigError, match=r"accumulate is 5, allowed: a divisor of batch \(12\)"):
        training(batch=12, accumulate=5)


@pytest.mark.parametrize(
    ("record", "name"),
    [(LITE_RECIPE, "preset"), (LITE_RECIPE.encoder, "steps"), (LITE_RECIPE.data, "masks")],
    ids=["recipe", "stage", "data"],
)
def test_records_are_frozen(record: object, name: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(record, name, getattr(record, name))
