"""Configuration records: their JSON form and their invariants."""

import json
import math
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sam_diffsr_cli.chain_config import DiffusionConfig
from sam_diffsr_cli.config import (
    LITE,
    OFFICIAL,
    PAPER,
    PRESETS,
    EncoderConfig,
    ModelConfig,
    UNetConfig,
)
from sam_diffsr_cli.errors import ConfigError
from sam_diffsr_cli.sampling_config import SamplingConfig
from sam_diffsr_cli.strict import from_json, to_json
from tests.helpers import each_value

Json = dict[str, Any]
Build = Callable[..., object]

STEPS = 50

diffusion_configs = st.builds(
    DiffusionConfig,
    num_timesteps=st.integers(STEPS, 1000),
    beta_schedule=st.sampled_from(["cosine", "linear"]),
    beta_s=st.floats(0, 0.99),
    beta_end=st.floats(1e-6, 0.99),
    base=st.sampled_from(["bicubic", "encoder"]),
    residual_scale=st.floats(0.01, 100),
    sigma_data=st.none() | st.floats(0.01, 10),
    sampling_steps=st.integers(0, STEPS),
    sampling_spacing=st.sampled_from(["trailing", "quadratic"]),
    sampling_sigma=st.floats(0, 1),
)
model_configs = st.builds(
    ModelConfig,
    scale=st.sampled_from([4, 8]),
    encoder=st.builds(
        EncoderConfig,
        kind=st.sampled_from(["rrdb", "residual"]),
        num_feat=st.integers(1, 50).map(lambda half: 2 * half),
        num_block=st.integers(2, 30),
    ),
    unet=st.builds(
        UNetConfig,
        kind=st.sampled_from(["full", "folded"]),
        widths=st.lists(st.integers(1, 64).map(lambda w: 4 * w), min_size=1, max_size=5).map(tuple),
    ),
    diffusion=diffusion_configs,
    lr_divisor=st.sampled_from([255, 256]),
)


@settings(deadline=None)
@given(config=model_configs)
def test_model_configuration_comes_back_from_json(config: ModelConfig) -> None:
    assert from_json(ModelConfig, to_json(config)) == config


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_preset_comes_back_from_json(name: str) -> None:
    assert from_json(ModelConfig, to_json(PRESETS[name])) == PRESETS[name]


def test_json_keys_are_sorted() -> None:
    pairs: list[list[str]] = []

    def keep(items: list[tuple[str, Any]]) -> Json:
        pairs.append([key for key, _ in items])
        return dict(items)

    json.loads(to_json(LITE), object_pairs_hook=keep)
    assert pairs == [sorted(keys) for keys in pairs]


def test_only_records_are_written() -> None:
    with pytest.raises(TypeError, match="not a configuration record"):
        to_json({"scale": 4})


# What is refused when reading.


def changed(path: tuple[str, ...], value: Any) -> str:
    """JSON of the paper's preset with one value replaced; ``...`` removes the key."""
    tree: Json = json.loads(to_json(PAPER))
    node = tree
    for key in path[:-1]:
        node = node[key]
    if value is ...:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return json.dumps(tree)


@pytest.mark.parametrize("path", [("extra",), ("unet", "extra"), ("diffusion", "Beta_s")], ids=str)
def test_unknown_key_is_refused_by_name(path: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match=rf"unknown keys \['{path[-1]}'\]"):
        from_json(ModelConfig, changed(path, 1))


@pytest.mark.parametrize("path", [("scale",), ("unet",), ("diffusion", "sigma_data")], ids=str)
def test_missing_key_is_refused_by_name(path: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match=rf"missing keys \['{path[-1]}'\]"):
        from_json(ModelConfig, changed(path, ...))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param(("scale",), "4", id="text-for-whole-number"),
        pytest.param(("scale",), 4.0, id="fraction-for-whole-number"),
        pytest.param(("scale",), True, id="bool-for-whole-number"),
        pytest.param(("scale",), None, id="null-for-whole-number"),
        pytest.param(("lr_divisor",), 254, id="number-not-listed"),
        pytest.param(("lr_divisor",), 255.0, id="listed-number-of-another-type"),
        pytest.param(("encoder", "kind"), "vgg", id="name-not-listed"),
        pytest.param(("encoder", "kind"), ["rrdb"], id="list-for-name"),
        pytest.param(("encoder",), "rrdb", id="text-for-record"),
        pytest.param(("encoder",), None, id="null-for-record"),
        pytest.param(("unet", "widths"), 64, id="number-for-list"),
        pytest.param(("unet", "widths"), [64, "128"], id="text-in-list"),
        pytest.param(("unet", "widths"), [64, 128.0], id="fraction-in-list"),
        pytest.param(("diffusion", "beta_s"), "0.1", id="text-for-fraction"),
        pytest.param(("diffusion", "beta_s"), False, id="bool-for-fraction"),
        pytest.param(("diffusion", "sigma_data"), "1", id="text-for-optional-fraction"),
    ],
)
def test_value_of_another_type_is_refused(path: tuple[str, ...], value: Any) -> None:
    with pytest.raises(ConfigError, match=path[-1]):
        from_json(ModelConfig, changed(path, value))


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("scale",), "4", "scale is '4', allowed: a whole number"),
        (("lr_divisor",), 254, "lr_divisor is 254, allowed: 255, 256"),
        (("encoder", "kind"), "vgg", r"encoder\.kind is 'vgg', allowed: rrdb, residual"),
        (("encoder",), "vgg", "encoder: expected an object, got 'vgg'"),
        (("unet", "widths"), 64, r"unet\.widths is 64, allowed: a list, each a whole number"),
        (("unet", "widths"), [64, "a"], r"unet\.widths\[1\] is 'a', allowed: a whole number"),
        (("diffusion", "beta_s"), "x", r"diffusion\.beta_s is 'x', allowed: a number"),
        (("diffusion", "sigma_data"), "x", r"diffusion\.sigma_data is 'x', allowed: a number"),
        (("diffusion", "beta_s"), 2, r"diffusion\.beta_s is 2\.0, allowed: \[0, 1\)"),
    ],
    ids=["whole", "numbers", "names", "record", "list", "item", "fraction", "optional", "range"],
)
def test_refusal_says_in_words_what_is_allowed(
    path: tuple[str, ...], value: Any, told: str
) -> None:
    with pytest.raises(ConfigError, match=f"^{told}$"):
        from_json(ModelConfig, changed(path, value))


def test_whole_number_is_read_as_a_fraction() -> None:
    config = from_json(ModelConfig, changed(("diffusion", "residual_scale"), 3))
    assert config.diffusion.residual_scale == 3.0
    assert isinstance(config.diffusion.residual_scale, float)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '"lite"'], ids=repr)
def test_text_that_is_not_an_object_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="configuration"):
        from_json(ModelConfig, text)


def test_reading_checks_the_invariants() -> None:
    with pytest.raises(ConfigError, match="scale is 5"):
        from_json(ModelConfig, changed(("scale",), 5))


def test_number_beyond_floating_point_is_refused() -> None:
    with pytest.raises(ConfigError, match="residual_scale"):
        from_json(ModelConfig, changed(("diffusion", "residual_scale"), 10**400))


def test_infinite_factor_is_refused() -> None:
    with pytest.raises(ConfigError, match="residual_scale"):
        from_json(ModelConfig, changed(("diffusion", "residual_scale"), math.inf))


def test_deeply_nested_text_is_refused() -> None:
    with pytest.raises(ConfigError, match="configuration"):
        from_json(ModelConfig, "[" * 100_000)


# Invariants.


def encoder(**fields: Any) -> EncoderConfig:
    return EncoderConfig(**{"kind": "residual", **fields})


def unet(**fields: Any) -> UNetConfig:
    return UNetConfig(**{"kind": "folded", "widths": (8,), **fields})


def chain(**fields: Any) -> DiffusionConfig:
    return DiffusionConfig(**{"sampling_steps": 0, **fields})


def started(**fields: Any) -> DiffusionConfig:
    return DiffusionConfig(**{"sampling_start": 60, "highest_start": 80, **fields})


def sampling(**fields: Any) -> SamplingConfig:
    return SamplingConfig(**{"steps": 4, **fields})


BROKEN: list[tuple[Build, str, Any]] = [
    (encoder, "num_feat", 0),
    (encoder, "num_feat", 7),
    (encoder, "num_block", 1),
    (unet, "widths", ()),
    (unet, "widths", (8, 6)),
    (unet, "widths", (0,)),
    (unet, "widths", (-4,)),
    (DiffusionConfig, "num_timesteps", 1),
    (DiffusionConfig, "beta_s", -0.1),
    (DiffusionConfig, "beta_s", 1.0),
    (DiffusionConfig, "beta_s", math.nan),
    (DiffusionConfig, "beta_end", 0.0),
    (DiffusionConfig, "beta_end", 1.0),
    (DiffusionConfig, "residual_scale", 0.0),
    (DiffusionConfig, "residual_scale", math.nan),
    (DiffusionConfig, "sigma_data", 0.0),
    (DiffusionConfig, "sampling_sigma", -0.1),
    (DiffusionConfig, "sampling_sigma", math.inf),
    (DiffusionConfig, "sampling_steps", -1),
    (DiffusionConfig, "sampling_steps", 101),
    (started, "sampling_dirty_start", 59),
    (started, "sampling_dirty_start", 81),
    (chain, "sampling_dirty_start", 98),
    (sampling, "steps", -1),
    (sampling, "dirty_start", -1),
    (sampling, "share", 0.0),
    (sampling, "share", 1.01),
    (sampling, "dirty_share", -0.01),
    (sampling, "dirty_share", 1.01),
    (sampling, "ensemble", 3),
    (sampling, "seed", -1),
    (sampling, "seed", 2**63),
    (sampling, "tile", 15),
    (sampling, "tile", -1),
]


@each_value(BROKEN)
def test_value_out_of_range_is_refused_by_name(build: Build, name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{name} is .*allowed"):
        build(**{name: value})


ALLOWED: list[tuple[Build, str, Any]] = [
    (encoder, "num_feat", 2),
    (encoder, "num_block", 2),
    (unet, "widths", (4,)),
    (chain, "num_timesteps", 2),
    (DiffusionConfig, "beta_s", 0.0),
    (DiffusionConfig, "sampling_sigma", 0.0),
    (DiffusionConfig, "sampling_steps", 0),
    (DiffusionConfig, "sampling_steps", 100),
    (started, "sampling_dirty_start", 0),
    (started, "sampling_dirty_start", 60),
    (started, "sampling_dirty_start", 80),
    (sampling, "steps", 0),
    (sampling, "seed", 2**63 - 1),
    (sampling, "tile", 0),
    (sampling, "tile", 16),
]


@each_value(ALLOWED)
def test_value_at_the_end_of_its_range_is_kept(build: Build, name: str, value: Any) -> None:
    assert getattr(build(**{name: value}), name) == value


@pytest.mark.parametrize("scale", [1, 5, 6, 16])
def test_other_factors_are_refused(scale: int) -> None:
    with pytest.raises(ConfigError, match=f"scale is {scale}"):
        replace(LITE, scale=scale)


@pytest.mark.parametrize("scale", [2, 3])
def test_rrdb_encoder_is_for_factors_four_and_eight(scale: int) -> None:
    with pytest.raises(ConfigError, match="rrdb"):
        replace(PAPER, scale=scale)


def test_full_network_is_for_even_factors() -> None:
    with pytest.raises(ConfigError, match="full U-Net"):
        replace(LITE, scale=3, unet=unet(kind="full"))


@pytest.mark.parametrize("blocks", [2, 4, 5, 11, 17])
def test_every_third_feature_is_counted(blocks: int) -> None:
    chosen = range(blocks + 1)[2::3]
    assert encoder(num_feat=6, num_block=blocks).num_condition_features == 6 * len(chosen)


@pytest.mark.parametrize(
    ("kind", "levels", "scale", "multiple"),
    [("folded", 3, 4, 4), ("folded", 1, 4, 1), ("full", 4, 4, 2), ("full", 4, 2, 4)],
)
def test_size_multiple_makes_every_level_whole(
    kind: str, levels: int, scale: int, multiple: int
) -> None:
    config = replace(LITE, scale=scale, unet=unet(kind=kind, widths=(4,) * levels))
    assert config.size_multiple == multiple
    height = multiple if kind == "folded" else multiple * scale
    assert height % 2 ** (levels - 1) == 0


def test_paper_preset_is_the_published_network() -> None:
    assert PAPER.encoder == EncoderConfig(kind="rrdb", num_feat=64, num_block=17)
    assert PAPER.unet.widths == (64, 128, 192, 256)
    assert PAPER.diffusion.num_timesteps == 100
    assert PAPER.lr_divisor == 255
    assert replace(PAPER, lr_divisor=256) == OFFICIAL


def test_records_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        LITE.scale = 2  # type: ignore[misc]  # the point of the test


def test_a_file_of_an_earlier_version_means_the_defaults() -> None:
    values = json.loads(to_json(LITE))
    for name in ("sampling_sampler", "fast_steps", "fast_sampler", "best_steps", "best_sampler"):
        del values["diffusion"][name]
    found = from_json(ModelConfig, json.dumps(values)).diffusion
    assert (found.sampling_sampler, found.best_steps) == ("ancestral", 0)
    assert found.level("best") == (LITE.diffusion.sampling_steps, "ancestral", 0, 0, 1.0, 0.0, 1)


def test_an_older_field_must_not_be_missing() -> None:
    values = json.loads(to_json(LITE))
    del values["diffusion"]["sampling_sigma"]
    with pytest.raises(ConfigError, match="sampling_sigma"):
        from_json(ModelConfig, json.dumps(values))


def test_how_a_model_is_sampled_does_not_tell_networks_apart() -> None:
    other = replace(
        LITE,
        diffusion=replace(
            LITE.diffusion, sampling_sampler="ddim", fast_steps=2, best_steps=50, sampling_sigma=0.1
        ),
    )
    assert other != LITE
    assert other.networks == LITE.networks


@pytest.mark.parametrize("name", ["sampling_steps", "fast_steps", "best_steps"])
def test_a_level_has_no_more_steps_than_the_chain(name: str) -> None:
    changes: Json = {name: 101}
    with pytest.raises(ConfigError, match=f"{name} is 101"):
        replace(LITE.diffusion, **changes)
