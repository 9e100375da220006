"""Our weights files: what comes back, and what is refused."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sam_diffsr_cli import __version__
from sam_diffsr_cli.chain_config import DiffusionConfig
from sam_diffsr_cli.checkpoints.heads import read_config, read_metadata
from sam_diffsr_cli.checkpoints.store import (
    load_strict,
    load_weights,
    read_tensors,
    save_weights,
    write_tensors,
)
from sam_diffsr_cli.config import LITE, EncoderConfig, ModelConfig, UNetConfig
from sam_diffsr_cli.errors import InputError, WeightsError
from sam_diffsr_cli.networks.model import SuperResolver, build_model

FOLDED = ModelConfig(
    encoder=EncoderConfig(kind="residual", num_feat=4, num_block=2),
    unet=UNetConfig(kind="folded", widths=(4, 8)),
    diffusion=LITE.diffusion,
)
FULL = ModelConfig(
    encoder=EncoderConfig(kind="rrdb", num_feat=4, num_block=2),
    unet=UNetConfig(kind="full", widths=(4, 8)),
    diffusion=DiffusionConfig(num_timesteps=8, sampling_steps=8, beta_schedule="linear"),
    lr_divisor=256,
)
by_config = pytest.mark.parametrize(
    "config", [pytest.param(FOLDED, id="folded"), pytest.param(FULL, id="full")]
)
SOURCE = "trained on nothing, Apache-2.0"
WEIGHT = "rrdb.conv_first.weight"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights.safetensors"


@pytest.fixture
def model() -> SuperResolver:
    return build_model(FOLDED, seed=1)


def rewrite(path: Path, *, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Change some tensors and some metadata of a file."""
    old_tensors, old_metadata = read_tensors(path)
    write_tensors(path, {**old_tensors, **tensors}, {**old_metadata, **metadata})


# What comes back.


@by_config
def test_configuration_comes_back(path: Path, config: ModelConfig) -> None:
    save_weights(path, build_model(config), SOURCE)
    assert load_weights(path).model.config == config


@by_config
def test_tensors_come_back_rounded_to_half_precision(path: Path, config: ModelConfig) -> None:
    model = build_model(config, seed=1)
    save_weights(path, model, SOURCE)
    loaded = load_weights(path).model.state_dict()
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(loaded[name], tensor.half().float(), rtol=0, atol=0)


def test_tensors_written_in_full_precision_come_back_exactly(
    path: Path, model: SuperResolver
) -> None:
    save_weights(path, model, SOURCE, torch.float32)
    loaded = load_weights(path).model.state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in model.state_dict().items())


def test_source_comes_back(path: Path, model: SuperResolver) -> None:
    save_weights(path, model, SOURCE)
    assert load_weights(path).source == SOURCE


def test_loaded_model_is_in_eval_mode_and_float32(path: Path, model: SuperResolver) -> None:
    save_weights(path, model, SOURCE)
    loaded = load_weights(path).model
    assert not loaded.training
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}


def test_file_says_which_version_wrote_it(path: Path, model: SuperResolver) -> None:
    save_weights(path, model, SOURCE)
    metadata = read_tensors(path)[1]
    assert metadata["samsr.version"] == __version__
    assert metadata["samsr.format"] == "1"


def test_recipe_comes_back_as_it_was_given(path: Path, model: SuperResolver) -> None:
    recipe = 'preset = "lite"\n[data]\nmasks = "Stra\u00dfe"\n'
    save_weights(path, model, SOURCE, recipe=recipe)
    assert read_metadata(path)["samsr.recipe"] == recipe
    assert load_weights(path).source == SOURCE


def test_a_file_says_nothing_of_a_recipe_that_is_not_known(
    path: Path, model: SuperResolver
) -> None:
    save_weights(path, model, SOURCE)
    assert "samsr.recipe" not in read_metadata(path)


def test_metadata_is_that_of_the_whole_file(path: Path, model: SuperResolver) -> None:
    save_weights(path, model, SOURCE, recipe="r")
    assert read_metadata(path) == read_tensors(path)[1]


def test_a_file_without_metadata_has_none(path: Path) -> None:
    save_file({"a": torch.zeros(1)}, path)
    assert read_metadata(path) == {}


@by_config
def test_configuration_is_read_alone(path: Path, config: ModelConfig) -> None:
    save_weights(path, build_model(config), SOURCE)
    assert read_config(path) == config


def test_configuration_is_read_whatever_the_tensors_are(path: Path, model: SuperResolver) -> None:
    save_weights(path, model, SOURCE)
    rewrite(path, tensors={WEIGHT: torch.zeros(1)}, metadata={})
    assert read_config(path) == FOLDED
    with pytest.raises(WeightsError):
        load_weights(path)


def test_tensor_that_is_not_contiguous_comes_back(path: Path) -> None:
    tensor = torch.arange(6.0).reshape(2, 3).T
    write_tensors(path, {"a": tensor}, {})
    assert torch.equal(read_tensors(path)[0]["a"], tensor)


# What is refused.


def test_file_without_our_metadata_is_refused_with_a_hint(path: Path, model: SuperResolver) -> None:
    save_file(model.state_dict(), path)
    with pytest.raises(WeightsError, match="not a samsr weights file") as caught:
        load_weights(path)
    assert caught.value.hint is not None
    assert "samsr train" in caught.value.hint


def test_other_format_number_is_refused_with_a_hint(path: Path, model: SuperResolver) -> None:
    save_weights(path, model, SOURCE)
    rewrite(path, tensors={}, metadata={"samsr.format": "2"})
    with pytest.raises(WeightsError, match="weights format 2") as caught:
        load_weights(path)
    assert caught.value.hint == "upgrade samsr"


@pytest.mark.parametrize("text", ["", "{}", '{"scale": 4}'], ids=["empty", "no-keys", "one-key"])
def test_damaged_configuration_is_refused_naming_the_file(
    path: Path, model: SuperResolver, text: str
) -> None:
    save_weights(path, model, SOURCE)
    rewrite(path, tensors={}, metadata={"samsr.config": text})
    with pytest.raises(WeightsError, match=r"weights\.safetensors: configuration"):
        load_weights(path)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999], ids="kept={}".format)
def test_truncated_file_is_refused(path: Path, model: SuperResolver, share: float) -> None:
    save_weights(path, model, SOURCE)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(WeightsError, match="damaged"):
        load_weights(path)


by_reader = pytest.mark.parametrize(
    "read", [load_weights, read_tensors, read_config, read_metadata], ids=lambda read: read.__name__
)


@by_reader
def test_missing_file_is_refused(path: Path, read: Callable[[Path], object]) -> None:
    with pytest.raises(WeightsError, match=r"weights\.safetensors: no such weights file"):
        read(path)


@by_reader
def test_folder_is_refused(tmp_path: Path, read: Callable[[Path], object]) -> None:
    with pytest.raises(WeightsError, match="not a file"):
        read(tmp_path)


@by_reader
@pytest.mark.parametrize("content", [b"", b"hello, this is no file of tensors", b"\xff" * 64])
def test_file_of_another_kind_is_refused(
    path: Path, read: Callable[[Path], object], content: bytes
) -> None:
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"weights\.safetensors: damaged") as caught:
        read(path)
    assert caught.value.hint == "fetch the file again"


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ({}, "not a samsr weights file"),
        ({"samsr.format": "1"}, "not a samsr weights file"),
        ({"samsr.format": "2", "samsr.config": "{}"}, "weights format 2"),
        ({"samsr.format": "1", "samsr.config": "{"}, "configuration"),
    ],
    ids=["none", "no-configuration", "format", "damaged"],
)
def test_configuration_that_is_not_ours_is_refused_alone_too(
    path: Path, metadata: dict[str, str], told: str
) -> None:
    write_tensors(path, {"a": torch.zeros(1)}, metadata)
    with pytest.raises(WeightsError, match=rf"weights\.safetensors: .*{told}"):
        read_config(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")], ids=["nan", "inf"])
def test_values_that_are_not_finite_are_refused(
    path: Path, model: SuperResolver, value: float
) -> None:
    with torch.no_grad():
        model.get_parameter(WEIGHT)[0, 0, 0, 0] = value
    broken = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    save_weights(path, build_model(model.config), SOURCE)
    write_tensors(path, broken, read_tensors(path)[1])
    with pytest.raises(WeightsError, match=f"{WEIGHT} holds values that are not finite"):
        load_weights(path)


@pytest.mark.parametrize(
    "tensor",
    [
        pytest.param(torch.zeros(4, 3, 3), id="rank"),
        pytest.param(torch.zeros(4, 3, 3, 1), id="size"),
        pytest.param(torch.zeros(4, 3, 3, 3, dtype=torch.float64), id="float64"),
        pytest.param(torch.zeros(4, 3, 3, 3, dtype=torch.int32), id="int32"),
    ],
)
def test_tensor_that_does_not_fit_is_named(
    path: Path, model: SuperResolver, tensor: Tensor
) -> None:
    save_weights(path, model, SOURCE)
    rewrite(path, tensors={WEIGHT: tensor}, metadata={})
    with pytest.raises(WeightsError, match=rf"{WEIGHT} is .*expected float \(4, 3, 3, 3\)"):
        load_weights(path)


def test_unknown_tensor_is_named(path: Path, model: SuperResolver) -> None:
    save_weights(path, model, SOURCE)
    rewrite(path, tensors={"extra": torch.zeros(1)}, metadata={})
    with pytest.raises(WeightsError, match=r"0 tensors missing \[\], 1 unknown \['extra'\]"):
        load_weights(path)


def test_missing_tensor_is_named(path: Path, model: SuperResolver) -> None:
    tensors = dict(model.state_dict())
    del tensors[WEIGHT]
    with pytest.raises(WeightsError, match=f"1 tensors missing.*{WEIGHT}"):
        load_strict(model, tensors, path)


def test_refused_tensors_leave_the_module_as_it_was(path: Path) -> None:
    module = nn.Linear(2, 2)
    before = module.weight.detach().clone()
    with pytest.raises(WeightsError):
        load_strict(module, {"weight": torch.ones(2, 2), "bias": torch.ones(3)}, path)
    assert torch.equal(module.weight, before)


# Writing.


def write_and_fail(path: Path) -> None:
    """Two names for one memory: the format refuses them once the file is open."""
    tensor = torch.zeros(3)
    with pytest.raises(RuntimeError, match="share memory"):
        write_tensors(path, {"a": tensor, "b": tensor}, {})


def test_failed_write_leaves_the_old_file_whole(path: Path, model: SuperResolver) -> None:
    save_weights(path, model, SOURCE)
    before = path.read_bytes()
    write_and_fail(path)
    assert path.read_bytes() == before


def test_failed_write_leaves_nothing_behind(path: Path) -> None:
    write_and_fail(path)
    assert list(path.parent.iterdir()) == []


def test_finished_write_leaves_only_the_file(path: Path, model: SuperResolver) -> None:
    save_weights(path, model, SOURCE)
    assert list(path.parent.iterdir()) == [path]


def test_new_file_replaces_the_old_one(path: Path, model: SuperResolver) -> None:
    save_weights(path, model, "old")
    save_weights(path, model, "new")
    assert load_weights(path).source == "new"


def test_missing_folder_is_an_input_error(path: Path, model: SuperResolver) -> None:
    with pytest.raises(InputError, match="cannot write here"):
        save_weights(path.parent / "none" / path.name, model, SOURCE)


def test_saving_leaves_the_model_as_it_was(path: Path, model: SuperResolver) -> None:
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    save_weights(path, model, SOURCE)
    after = model.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert {tensor.dtype for tensor in after.values()} == {torch.float32}


def test_a_parameter_beyond_the_stored_format_is_refused_before_writing(tmp_path: Path) -> None:
    model = build_model(LITE)
    with torch.no_grad():
        next(model.parameters()).fill_(1e6)
    with pytest.raises(WeightsError, match="not finite"):
        save_weights(tmp_path / "w.safetensors", model, "test")
    assert list(tmp_path.iterdir()) == []


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("one", "other")]
    for path in paths:
        metadata = {f"key {i}": str(i) for i in range(9)}
        write_tensors(path, {"b": torch.ones(3), "a": torch.zeros(2, 2)}, metadata)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    tensors, metadata = read_tensors(paths[0])
    assert {name: t.tolist() for name, t in tensors.items()} == {
        "a": [[0, 0], [0, 0]],
        "b": [1, 1, 1],
    }
    assert metadata == {f"key {i}": str(i) for i in range(9)}
