"""Recipes as text: what is written is read again, and what is not a recipe is refused."""

import dataclasses
import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sam_diffsr_cli.chain_config import DiffusionConfig
from sam_diffsr_cli.config import LITE, PAPER, ModelConfig, distilled
from sam_diffsr_cli.errors import ConfigError
from sam_diffsr_cli.recipes.records import RECIPES, STAGES, DataConfig, Recipe, Stage, TrainConfig
from sam_diffsr_cli.recipes.text import (
    differences,
    from_toml,
    overlay,
    parse_setting,
    read_toml,
    to_toml,
)

LITE_RECIPE, PAPER_RECIPE = RECIPES["lite"], RECIPES["paper"]

# --------------------------------------------------------------------------------- round trip

positive = st.floats(0, 1e30, exclude_min=True)
names = st.text(max_size=20)
MODULATIONS = ["none", "released", "paper"]
OF_DIFFUSION_ALONE = ("modulation", "mask_norm")


@st.composite
def models(draw: st.DrawFn) -> ModelConfig:
    diffusion = st.builds(
        DiffusionConfig,
        beta_s=st.floats(0, 1, exclude_max=True),
        residual_scale=positive,
        sigma_data=st.none() | positive,
        sampling_steps=st.integers(0, 100),
        sampling_spacing=st.sampled_from(["trailing", "quadratic"]),
    )
    model = draw(st.sampled_from([LITE, PAPER, replace(LITE, scale=3), replace(PAPER, scale=8)]))
    return replace(model, diffusion=draw(diffusion), lr_divisor=draw(st.sampled_from([255, 256])))


@st.composite
def stage_configs(draw: st.DrawFn, stage: Stage, unit: int) -> TrainConfig:
    accumulate = draw(st.integers(1, 8))
    return TrainConfig(
        stage=stage,
        steps=draw(st.integers(1, 10**12)),
        batch=accumulate * draw(st.integers(1, 64)),
        accumulate=accumulate,
        patch=unit * draw(st.integers(2, 40)),
        augment=draw(st.booleans()),
        learning_rate=draw(positive),
        schedule=draw(st.sampled_from(["cosine", "halving"])),
        halve_every=draw(st.integers(1, 10**9)),
        warmup_steps=draw(st.integers(0, 10**9)),
        final_rate=draw(st.floats(0, 1)),
        clip_norm=draw(st.floats(0, 1e30)),
        ema_decay=draw(st.floats(0, 1, exclude_max=True)),
        loss=draw(st.sampled_from(["l1", "l2"])),
        # Masks shift no encoder's noise: there these are no values of a recipe.
        modulation=draw(st.sampled_from(MODULATIONS if stage == "diffusion" else MODULATIONS[1:2])),
        mask_norm=draw(st.sampled_from(["image", "region"][: 2 if stage == "diffusion" else 1])),
        teacher_steps=draw(st.integers(1, 9)) if stage == "distill" else 3,
        precision=draw(st.sampled_from(["auto", "fp32", "bf16", "fp16"])),
        seed=draw(st.integers(0, 2**63 - 1)),
    )


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    model = draw(models())
    unit = model.scale * model.size_multiple
    data = st.builds(
        DataConfig,
        photos=st.lists(names, max_size=3).map(tuple),
        masks=names,
        val=names,
        hold_out=st.integers(0, 10**6),
        init=names,
    )
    return Recipe(
        preset=draw(st.sampled_from(["lite", "paper"])),
        model=model,
        encoder=draw(stage_configs("encoder", unit)),
        diffusion=draw(stage_configs("diffusion", unit)),
        distill=draw(stage_configs("distill", unit)),
        stages=draw(st.sampled_from([STAGES[:2], STAGES[:1], STAGES[1:2]])),
        data=draw(data),
    )


@settings(deadline=None)
@given(recipe=recipes())
def test_a_recipe_comes_back_from_its_text(recipe: Recipe) -> None:
    assert from_toml(to_toml(recipe)) == recipe


@pytest.mark.slow
@settings(deadline=None, max_examples=30)
@given(first=recipes(), second=recipes())
def test_what_differs_makes_one_recipe_of_the_other(first: Recipe, second: Recipe) -> None:
    """Each difference is of one key, and there are no others."""
    keys = [line.partition(":")[0] for line in differences(first, second)]
    other = _by_key(second)
    assert overlay(first, {key: other[key] for key in keys if key != "preset"}) == replace(
        second, preset=first.preset
    )
    assert all(_by_key(first)[key] != other[key] for key in keys)


def _by_key(recipe: Recipe) -> dict[str, Any]:
    """Values by dotted key, by way of the text."""
    found: dict[str, Any] = {}

    def gather(table: dict[str, Any], prefix: str) -> None:
        for name, value in table.items():
            if isinstance(value, dict):
                gather(value, f"{prefix}{name}.")
            else:
                found[f"{prefix}{name}"] = value

    gather(tomllib.loads(to_toml(recipe)), "")
    return found


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_the_text_says_every_value_as_any_reader_of_toml_sees_it(recipe: Recipe) -> None:
    expected = json.loads(json.dumps(dataclasses.asdict(recipe)))
    for stage in STAGES:
        del expected[stage]["stage"]  # said by the section
    for name in OF_DIFFUSION_ALONE:
        del expected["encoder"][name], expected["distill"][name]
    del expected["distill"]["timesteps"]
    del expected["encoder"]["teacher_steps"], expected["diffusion"]["teacher_steps"]
    if expected["model"]["diffusion"]["sigma_data"] is None:
        expected["model"]["diffusion"]["sigma_data"] = "none"
    assert tomllib.loads(to_toml(recipe)) == expected


def test_text_that_toml_cannot_hold_is_refused_by_its_key() -> None:
    recipe = replace(LITE_RECIPE, data=DataConfig(masks="caf\udce9"))
    with pytest.raises(ConfigError, match=r"data\.masks: .*cannot be written"):
        to_toml(recipe)


# ------------------------------------------------------------------------------------- preset


@pytest.mark.parametrize(
    ("text", "preset", "expected"),
    [
        ("", None, LITE_RECIPE),
        ('preset = "paper"', None, PAPER_RECIPE),
        ("", "paper", PAPER_RECIPE),
        ('preset = "lite"', "paper", PAPER_RECIPE),
    ],
    ids=["nothing", "named", "given", "given-over-named"],
)
def test_a_file_is_laid_over_its_preset(text: str, preset: str | None, expected: Recipe) -> None:
    assert from_toml(text, preset) == expected


@pytest.mark.parametrize("value", ['"large"', '""', "3", '["paper"]', "true"])
def test_a_preset_that_is_none_is_refused_with_those_there_are(value: str) -> None:
    with pytest.raises(ConfigError, match=r"preset is .*allowed: lite, paper"):
        from_toml(f"preset = {value}")


def test_values_of_a_file_are_laid_over_the_preset() -> None:
    text = 'preset = "paper"\nbatch = 8\n[diffusion]\nsteps = 5\n[model.unet]\nwidths = [8, 16]\n'
    unet = replace(PAPER.unet, widths=(8, 16))
    assert from_toml(text) == replace(
        PAPER_RECIPE,
        model=replace(PAPER, unet=unet),
        encoder=replace(PAPER_RECIPE.encoder, batch=8),
        diffusion=replace(PAPER_RECIPE.diffusion, batch=8, steps=5),
    )


def test_the_preset_of_a_recipe_is_not_a_value_to_lay_over_it() -> None:
    # The values would still be those of the other one.
    with pytest.raises(ConfigError, match="preset: ") as caught:
        overlay(LITE_RECIPE, {"preset": "paper"})
    assert "--preset" in (caught.value.hint or "")


# --------------------------------------------------------------------------------------- keys


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("batchsize", "batch"),
        ("halve", "halve_every"),
        ("encoder.lerning_rate", "encoder.learning_rate"),
        ("model.unet.width", "model.unet.widths"),
        ("data.photo", "data.photos"),
        ("hold_out", "data.hold_out"),
        ("sigma_data", "model.diffusion.sigma_data"),
        ("encoder.num_feat", "model.encoder.num_feat"),
        ("encodr.steps", "encoder.steps"),
        ("Batch", "batch"),
    ],
)
def test_an_unknown_key_is_refused_with_a_near_one(key: str, expected: str) -> None:
    with pytest.raises(ConfigError, match="no such key in a recipe") as caught:
        overlay(LITE_RECIPE, {key: 1})
    assert str(caught.value).startswith(f"{key}: ")
    hint = (caught.value.hint or "").removesuffix("?")
    assert expected in hint.removeprefix("did you mean ").split(" or ")


@given(
    key=st.text("abcdeghilmnoprstu_.", max_size=12) | st.sampled_from(sorted(_by_key(LITE_RECIPE)))
)
def test_what_is_suggested_is_a_key(key: str) -> None:
    hint = ""
    try:
        overlay(LITE_RECIPE, {f"{key}x": 1})
    except ConfigError as error:
        hint = error.hint or ""
    suggested = hint.removesuffix("?").removeprefix("did you mean ").split(" or ")
    for near in suggested if hint.startswith("did you mean") else ():
        values = _by_key(LITE_RECIPE) | dataclasses.asdict(LITE_RECIPE.encoder)
        assert overlay(LITE_RECIPE, {near: values[near]})


def test_a_key_like_no_other_is_refused_with_where_they_are_listed() -> None:
    with pytest.raises(ConfigError, match="zzz: no such key") as caught:
        overlay(LITE_RECIPE, {"zzz": 1})
    assert caught.value.hint == "--print-config lists the keys"


@pytest.mark.parametrize(
    "text",
    [
        "[encoder]\nstage = 'diffusion'",
        "[training]\nsteps = 3",
        "[[encoder]]\nsteps = 3",
        "a.b = 1",
    ],
    ids=["stage-in-section", "section", "array-of-sections", "dotted"],
)
def test_an_unknown_key_of_a_file_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="no such key"):
        from_toml(text)


def test_a_key_without_a_stage_goes_to_all() -> None:
    changed = overlay(LITE_RECIPE, {"steps": 7})
    assert differences(LITE_RECIPE, changed) == [
        "encoder.steps: 12000, 7",
        "diffusion.steps: 10000, 7",
    ]


def test_a_key_without_a_stage_goes_to_distilling_where_that_is_done() -> None:
    recipe = replace(LITE_RECIPE, model=distilled(LITE))
    changed = overlay(recipe, {"steps": 7, "stages": ["distill"]})
    assert changed.distill.steps == changed.diffusion.steps == 7
    again = overlay(replace(recipe, stages=("distill",)), {"batch": 2})
    assert again.distill.batch == 2


def test_a_key_with_a_stage_goes_to_that_one() -> None:
    changed = overlay(LITE_RECIPE, {"diffusion.batch": 8})
    assert differences(LITE_RECIPE, changed) == ["diffusion.batch: 16, 8"]


def test_a_later_value_is_laid_over_an_earlier_one() -> None:
    changed = overlay(LITE_RECIPE, {"batch": 8, "diffusion.batch": 4})
    assert (changed.encoder.batch, changed.diffusion.batch) == (8, 4)


def test_the_recipe_laid_over_is_not_changed() -> None:
    before = to_toml(LITE_RECIPE)
    overlay(LITE_RECIPE, {"batch": 8, "data.photos": ["a"]})
    assert to_toml(LITE_RECIPE) == before


# ------------------------------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("batch=8", ("batch", 8)),
        (" batch = 8 ", ("batch", 8)),
        ("learning_rate=1e-4", ("learning_rate", 1e-4)),
        ("augment=false", ("augment", False)),
        ("loss=l2", ("loss", "l2")),
        ('loss="l2"', ("loss", "l2")),
        ("model.unet.widths=[8, 16]", ("model.unet.widths", [8, 16])),
        ("data.masks=/a b/c", ("data.masks", "/a b/c")),
        (r"data.masks=C:\new\masks", ("data.masks", r"C:\new\masks")),
        ("data.val=a=b", ("data.val", "a=b")),
        ("data.val=", ("data.val", "")),
        ("modulation=none", ("modulation", "none")),
        ("batch=" + "[" * 20_000, ("batch", "[" * 20_000)),
        ("batch=" + "9" * 5000, ("batch", "9" * 5000)),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_a_setting_is_toml_or_plain_text(text: str, expected: tuple[str, object]) -> None:
    assert parse_setting(text) == expected


@pytest.mark.parametrize("text", ["batch", "=3", "  = 3", ""], ids=repr)
def test_a_setting_without_key_or_value_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=f"--set {text}: not key=value") as caught:
        parse_setting(text)
    assert caught.value.hint


def test_none_stands_for_what_may_be_absent() -> None:
    changed = overlay(LITE_RECIPE, {"model.diffusion.sigma_data": "none"})
    assert changed.model.diffusion.sigma_data is None


def test_none_is_a_name_where_nothing_may_be_absent() -> None:
    changed = overlay(LITE_RECIPE, {"modulation": "none", "data.masks": "none"})
    assert (changed.diffusion.modulation, changed.data.masks) == ("none", "none")
    with pytest.raises(ConfigError, match="learning_rate"):
        overlay(LITE_RECIPE, {"learning_rate": "none"})


@pytest.mark.parametrize("value", [["a", "b"], ("a", "b")], ids=["list", "tuple"])
def test_a_list_becomes_what_the_record_holds(value: Any) -> None:
    assert overlay(LITE_RECIPE, {"data.photos": value}).data.photos == ("a", "b")


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("steps", 0, "encoder.steps is 0, allowed: >= 1"),
        ("learning_rate", -1.0, "encoder.learning_rate is -1.0, allowed: > 0"),
        ("ema_decay", 1, "encoder.ema_decay is 1.0, allowed: [0, 1)"),
        ("accumulate", 3, "encoder.accumulate is 3, allowed: a divisor of batch (16)"),
        ("patch", 100, "encoder.patch is 100, allowed: multiples of 16"),
        (
            "stages",
            ["diffusion", "encoder"],
            (
                "stages is ['diffusion', 'encoder'], allowed: "
                "of encoder, diffusion, distill, in this order"
            ),
        ),
        ("distill.steps", 0, "distill.steps is 0, allowed: >= 1"),
        ("diffusion.timesteps", 101, "diffusion.timesteps is 101, allowed: 0..100"),
        ("schedule", "linear", "encoder.schedule is 'linear', allowed: cosine, halving"),
        ("precision", 16, "encoder.precision is 16, allowed: auto, fp32, bf16, fp16"),
        ("steps", "many", "encoder.steps is 'many', allowed: a whole number"),
        ("steps", 3.5, "encoder.steps is 3.5, allowed: a whole number"),
        ("learning_rate", "fast", "encoder.learning_rate is 'fast', allowed: a number"),
        ("augment", 1, "encoder.augment is 1, allowed: true or false"),
        ("data.masks", 3, "data.masks is 3, allowed: text"),
        ("data.photos", "a", "data.photos is 'a', allowed: a list, each text"),
        ("model.diffusion.sigma_data", "x", "model.diffusion.sigma_data is 'x', allowed: a number"),
    ],
    ids=str,
)
def test_a_value_that_is_refused_is_named_with_what_is_allowed(
    key: str, value: object, expected: str
) -> None:
    with pytest.raises(ConfigError) as found:
        overlay(LITE_RECIPE, {key: value})
    assert str(found.value) == expected


# ---------------------------------------------------------------------------------- the text


@pytest.mark.parametrize(
    "text",
    ["batch", "batch = ", "[encoder", "batch = 1\nbatch = 2", "a = " + "[" * 20_000, "\0"],
    ids=["word", "no-value", "open", "twice", "deep", "nul"],
)
def test_text_that_is_not_toml_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="not TOML"):
        from_toml(text)


def test_a_number_beyond_all_proportion_is_refused() -> None:
    with pytest.raises(ConfigError):
        from_toml("steps = " + "9" * 5000)


def test_a_file_is_read_as_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_bytes("[data]\nmasks = 'Stra\u00dfe'\n".encode())
    assert from_toml(read_toml(path)).data.masks == "Stra\u00dfe"


@pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["missing", "not-text"])
def test_a_file_that_cannot_be_read_is_refused_by_name(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "recipe.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"recipe\.toml: cannot be read"):
        read_toml(path)


# -------------------------------------------------------------------------------- differences


def test_equal_recipes_do_not_differ() -> None:
    assert differences(LITE_RECIPE, overlay(LITE_RECIPE, {})) == []


def test_sections_left_out_do_not_differ() -> None:
    changed = overlay(LITE_RECIPE, {"data.masks": "m", "data.hold_out": 0, "encoder.batch": 1})
    assert differences(LITE_RECIPE, changed, ("data",)) == ["encoder.batch: 16, 1"]


@pytest.mark.parametrize("name", OF_DIFFUSION_ALONE)
def test_how_masks_shift_noise_is_said_of_the_diffusion_alone(name: str) -> None:
    value = {"modulation": "paper", "mask_norm": "region"}[name]
    changed = overlay(LITE_RECIPE, {name: value})
    assert changed == overlay(LITE_RECIPE, {f"diffusion.{name}": value})
    assert changed.encoder == LITE_RECIPE.encoder
    with pytest.raises(ConfigError, match=f"encoder.{name}: no such key") as caught:
        overlay(LITE_RECIPE, {f"encoder.{name}": value})
    assert f"diffusion.{name}" in (caught.value.hint or "")
