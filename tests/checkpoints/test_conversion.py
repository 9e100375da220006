"""The authors' checkpoints as our files: the same numbers as recorded, or a clear refusal."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor

from sam_diffsr_cli.checkpoints.conversion import convert
from sam_diffsr_cli.checkpoints.heads import read_metadata
from sam_diffsr_cli.checkpoints.official import read_checkpoint
from sam_diffsr_cli.checkpoints.official_config import (
    PUBLISHED,
    find_settings,
    read_settings,
    to_model_config,
)
from sam_diffsr_cli.checkpoints.store import load_weights
from sam_diffsr_cli.config import OFFICIAL
from sam_diffsr_cli.diagnosis.verifying import check_against
from sam_diffsr_cli.errors import ConfigError, WeightsError
from sam_diffsr_cli.upscaling.model import load_upscaler

VECTORS = Path(__file__).resolve().parents[1] / "conformance" / "vectors"
CPU = torch.device("cpu")
by_case = pytest.mark.parametrize("case", [VECTORS, VECTORS / "linear"], ids=["cosine", "linear"])

Tensors = dict[str, Tensor]


def settings_of(case: Path) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads((case / "config.json").read_text(encoding="utf-8"))
    return parsed


def checkpoint_of(case: Path) -> Path:
    return case / "model_ckpt_steps_9.ckpt"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "converted.safetensors"


def rewrite(source: Path, path: Path, change: Callable[[Tensors], Tensors], **how: Any) -> Path:
    """Write the tensors of a checkpoint again, changed."""
    content = {"global_step": 9, "state_dict": {"model": change(read_checkpoint(source).tensors)}}
    torch.save(content, path, **how)
    return path


# --------------------------------------------------------------------------------- what comes out


@by_case
def test_a_converted_checkpoint_reproduces_the_recorded_chain(case: Path, out: Path) -> None:
    config = to_model_config(read_settings(case / "config.json"))
    done = convert(checkpoint_of(case), case / "rrdb_ckpt.ckpt", config, out)
    assert done.global_step == 9
    found = check_against(load_upscaler(out, CPU), case / "reverse_chain.npz").found
    assert " 0 of " in found


@pytest.mark.slow
@by_case
@pytest.mark.parametrize("is_legacy", [True, False], ids=["legacy", "zip"])
@pytest.mark.parametrize("prefix", ["module.", "inner"])
def test_prefixes_and_formats_make_no_difference(
    case: Path, is_legacy: bool, prefix: str, tmp_path: Path, out: Path
) -> None:
    def rename(name: str) -> str:
        network, dot, rest = name.partition(".")
        return f"{network}.module.{rest}" if prefix == "inner" and dot else f"module.{name}"

    path = rewrite(
        checkpoint_of(case),
        tmp_path / "other.ckpt",
        lambda tensors: {rename(name): tensor for name, tensor in tensors.items()},
        _use_new_zipfile_serialization=not is_legacy,
    )
    config = to_model_config(settings_of(case))
    convert(path, None, config, out)
    convert(checkpoint_of(case), None, config, other := out.with_name("plain.safetensors"))
    found, expected = (load_weights(each).model.state_dict() for each in (out, other))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_two_conversions_give_the_same_bytes(out: Path) -> None:
    config = to_model_config(settings_of(VECTORS))
    convert(checkpoint_of(VECTORS), None, config, out)
    first = out.read_bytes()
    convert(checkpoint_of(VECTORS), None, config, out)
    assert out.read_bytes() == first


def test_the_file_says_what_it_was_made_from_and_what_it_needs(out: Path) -> None:
    encoder = VECTORS / "rrdb_ckpt.ckpt"
    convert(checkpoint_of(VECTORS), encoder, to_model_config(settings_of(VECTORS)), out)
    source = read_metadata(out)["samsr.source"]
    for path in (checkpoint_of(VECTORS), encoder):
        assert f"{path.name} (sha256 {hashlib.sha256(path.read_bytes()).hexdigest()})" in source
    assert "step 9" in source
    assert "over 256" in source
    assert str(VECTORS) not in source
    assert load_weights(out).model.config.lr_divisor == 256


def test_numbers_are_stored_as_asked_for(out: Path) -> None:
    config = to_model_config(settings_of(VECTORS))
    sizes = []
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        convert(checkpoint_of(VECTORS), None, config, out, dtype)
        sizes.append(out.stat().st_size)
    assert sizes[0] > 1.5 * sizes[1]
    assert sizes[2] == pytest.approx(sizes[1], rel=0.01)


def test_an_encoder_that_the_diffusion_lacks_is_taken_from_its_own_file(
    tmp_path: Path, out: Path
) -> None:
    path = rewrite(
        checkpoint_of(VECTORS),
        tmp_path / "bare.ckpt",
        lambda tensors: {n: t for n, t in tensors.items() if not n.startswith("rrdb.")},
    )
    config = to_model_config(settings_of(VECTORS))
    with pytest.raises(WeightsError, match=r"holds no encoder") as caught:
        convert(path, None, config, out)
    assert "--encoder" in (caught.value.hint or "")
    convert(path, VECTORS / "rrdb_ckpt.ckpt", config, out)
    assert " 0 of " in check_against(load_upscaler(out, CPU), VECTORS / "reverse_chain.npz").found


# ------------------------------------------------------------------------------ what is refused


def test_an_encoder_alone_is_no_model(out: Path) -> None:
    with pytest.raises(WeightsError, match="holds no diffusion") as caught:
        convert(VECTORS / "rrdb_ckpt.ckpt", None, to_model_config(settings_of(VECTORS)), out)
    assert "--encoder" in (caught.value.hint or "")
    assert not out.exists()


def test_another_encoder_than_the_diffusions_own_is_refused(tmp_path: Path, out: Path) -> None:
    def shift(tensors: Tensors) -> Tensors:
        return {name: tensor + 1e-3 for name, tensor in tensors.items()}

    other = rewrite(VECTORS / "rrdb_ckpt.ckpt", tmp_path / "rrdb.ckpt", shift)
    with pytest.raises(WeightsError, match="another encoder than the one"):
        convert(checkpoint_of(VECTORS), other, to_model_config(settings_of(VECTORS)), out)
    assert not out.exists()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("hidden_size", 16, "hidden_size"),
        ("unet_dim_mults", "1|3", "unet_dim_mults"),
        ("rrdb_num_feat", 8, "rrdb_num_feat"),
        ("rrdb_num_block", 8, "rrdb_num_block"),
        ("sr_scale", 8, "sr_scale"),
    ],
)
def test_settings_that_do_not_fit_the_shapes_are_refused_by_name(
    name: str, value: object, words: str, out: Path
) -> None:
    config = to_model_config(settings_of(VECTORS) | {name: value})
    with pytest.raises(WeightsError, match="by the settings") as caught:
        convert(checkpoint_of(VECTORS), None, config, out)
    assert words in (caught.value.hint or "")
    assert not out.exists()


@pytest.mark.parametrize(
    "changes", [{"timesteps": 50}, {"beta_s": 0.02}, {"beta_schedule": "linear"}], ids=str
)
def test_another_schedule_than_the_files_is_refused(changes: dict[str, Any], out: Path) -> None:
    config = to_model_config(settings_of(VECTORS) | changes)
    with pytest.raises(WeightsError, match=r"not a diffusion checkpoint of|another noise schedule"):
        convert(checkpoint_of(VECTORS), None, config, out)
    assert not out.exists()


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, out: Path) -> None:
    def spoil(tensors: Tensors) -> Tensors:
        name = next(name for name in tensors if name.startswith("denoise_fn."))
        return tensors | {name: torch.full_like(tensors[name], torch.nan)}

    path = rewrite(checkpoint_of(VECTORS), tmp_path / "nan.ckpt", spoil)
    with pytest.raises(WeightsError, match="not finite"):
        convert(path, None, to_model_config(settings_of(VECTORS)), out)
    assert not out.exists()


# ------------------------------------------------------------------------------------- settings


def test_the_published_settings_are_those_of_the_published_network() -> None:
    assert to_model_config(PUBLISHED) == OFFICIAL


@by_case
def test_settings_are_found_beside_the_checkpoint(case: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt"
    assert find_settings(path) is None
    shutil.copy(case / "config.json", tmp_path)
    assert find_settings(path) == tmp_path / "config.json"
    # As the reference writes it: with much else, and first of the two.
    everything = settings_of(case) | {"lr": 2e-4, "batch_size": 64, "base_config": ["./a.yaml"]}
    everything |= {"res": True, "use_rrdb": True, "sam_config": {"cond_sam": False}, "gn_groups": 0}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(everything))
    assert find_settings(path) == tmp_path / "config.yaml"
    found = to_model_config(read_settings(tmp_path / "config.yaml"))
    assert found == to_model_config(settings_of(case))


@pytest.mark.parametrize("name", ["sr_scale", "unet_dim_mults", "rrdb_num_block", "res_rescale"])
def test_a_missing_setting_is_named(name: str) -> None:
    values = {key: value for key, value in PUBLISHED.items() if key != name}
    with pytest.raises(ConfigError, match=f"lack {name}"):
        to_model_config(values)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("res", False),
        ("use_rrdb", False),
        ("up_input", True),
        ("use_wn", True),
        ("use_attn", True),
        ("clip_input", False),
        ("denoise_fn", "other"),
        ("sam_config", {"cond_sam": True}),
    ],
)
def test_a_setting_that_makes_another_network_is_refused(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=name):
        to_model_config({**PUBLISHED, name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hidden_size", "many"),
        ("hidden_size", 64.5),
        ("hidden_size", True),
        ("hidden_size", 10**9),
        ("rrdb_num_block", 10**9),
        ("timesteps", 10**9),
        ("unet_dim_mults", "1|x"),
        ("unet_dim_mults", "2|4"),
        ("unet_dim_mults", ""),
        ("unet_dim_mults", "1|" * 40 + "1"),
        ("res_rescale", "a"),
        ("res_rescale", [2.0]),
        ("beta_schedule", "quad"),
        ("beta_s", -1),
        ("sr_scale", 5),
    ],
)
def test_a_setting_of_the_wrong_kind_is_refused(name: str, value: object) -> None:
    with pytest.raises(ConfigError):
        to_model_config({**PUBLISHED, name: value})


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['touch ran']",
        "a: &a [x]\n" + "- : :",
        "just text",
        "- 1\n- 2",
        "\x00",
        "a: 1\n" * 400_000,
    ],
    ids=["object", "syntax", "text", "list", "binary", "large"],
)
def test_settings_that_are_none_are_refused(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"config\.yaml"):
        read_settings(path)
    assert not (tmp_path / "ran").exists()


def test_converting_does_not_change_the_configuration_it_is_given(out: Path) -> None:
    config = to_model_config(settings_of(VECTORS))
    before = replace(config)
    convert(checkpoint_of(VECTORS), None, config, out)
    assert config == before
