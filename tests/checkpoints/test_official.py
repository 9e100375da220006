"""The authors' checkpoints: what is read, and what is refused."""

import io
import os
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sam_diffsr_cli.chain_config import DiffusionConfig
from sam_diffsr_cli.checkpoints.official import (
    load_official,
    load_official_encoder,
    read_official,
)
from sam_diffsr_cli.config import EncoderConfig, ModelConfig, UNetConfig
from sam_diffsr_cli.diffusion.schedule import make_schedule
from sam_diffsr_cli.errors import WeightsError
from sam_diffsr_cli.networks.model import build_model

CONFIG = ModelConfig(
    encoder=EncoderConfig(kind="rrdb", num_feat=4, num_block=2),
    unet=UNetConfig(kind="full", widths=(4, 8)),
    diffusion=DiffusionConfig(num_timesteps=8, sampling_steps=8),
    lr_divisor=256,
)
SEED = 5
WEIGHT = "denoise_fn.mlp.0.weight"

Tensors = dict[str, Tensor]


def networks() -> Tensors:
    return dict(build_model(CONFIG, SEED).state_dict())


def diffusion_tensors() -> Tensors:
    """Networks and some of the tables, as the authors store them (float32)."""
    schedule = make_schedule(CONFIG.diffusion)
    tables = {name: getattr(schedule, name).float() for name in ("betas", "alphas_cumprod")}
    return {**tables, **networks()}


def encoder_tensors() -> Tensors:
    return {n.removeprefix("rrdb."): t for n, t in networks().items() if n.startswith("rrdb.")}


def write(path: Path, tensors: Mapping[str, Any], *, is_legacy: bool = True) -> Path:
    content = {"global_step": 3, "optimizer_states": [{}], "state_dict": {"model": dict(tensors)}}
    torch.save(content, path, _use_new_zipfile_serialization=not is_legacy)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model_ckpt_steps_3.ckpt"


# What is read.


@pytest.mark.parametrize("is_legacy", [True, False], ids=["legacy", "zip"])
def test_diffusion_checkpoint_fills_both_networks(
    path: Path,
    is_legacy: bool,
) -> None:
    write(path, diffusion_tensors(), is_legacy=is_legacy)
    loaded = load_official(path, CONFIG).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in networks().items())


def test_encoder_checkpoint_fills_the_encoder(path: Path) -> None:
    loaded = load_official_encoder(write(path, encoder_tensors()), CONFIG).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in encoder_tensors().items())


def test_prefix_of_parallel_training_is_dropped(path: Path) -> None:
    write(path, {f"module.{name}": tensor for name, tensor in diffusion_tensors().items()})
    loaded = load_official(path, CONFIG).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in networks().items())


def test_prefix_is_dropped_from_encoder_checkpoints_too(path: Path) -> None:
    write(path, {f"module.{name}": tensor for name, tensor in encoder_tensors().items()})
    loaded = load_official_encoder(path, CONFIG).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in encoder_tensors().items())


def test_loaded_networks_are_in_eval_mode(path: Path) -> None:
    assert not load_official(write(path, diffusion_tensors()), CONFIG).training
    assert not load_official_encoder(write(path, encoder_tensors()), CONFIG).training


# What is refused.


class Payload:
    """Creates a file when it is unpickled without restriction."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., None], tuple[Path]]:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("is_legacy", [True, False], ids=["legacy", "zip"])
def test_malicious_checkpoint_is_refused_without_running(
    path: Path,
    is_legacy: bool,
) -> None:
    trace = path.with_name("ran")
    write(path, {**diffusion_tensors(), "extra": Payload(trace)}, is_legacy=is_legacy)
    with pytest.raises(WeightsError, match="nothing was run"):
        load_official(path, CONFIG)
    assert not trace.exists()


def test_missing_tensor_is_named(path: Path) -> None:
    tensors = diffusion_tensors()
    del tensors[WEIGHT]
    with pytest.raises(WeightsError, match=rf"1 tensors missing.*{WEIGHT}"):
        load_official(write(path, tensors), CONFIG)


def test_tensor_of_a_larger_network_is_named(path: Path) -> None:
    tensors = {**diffusion_tensors(), "denoise_fn.mid_attn.weight": torch.zeros(1)}
    with pytest.raises(WeightsError, match=r"1 unknown.*mid_attn"):
        load_official(write(path, tensors), CONFIG)


def test_tensor_of_another_shape_is_named(path: Path) -> None:
    tensors = {**diffusion_tensors(), WEIGHT: torch.zeros(4, 16)}
    with pytest.raises(WeightsError, match=rf"{WEIGHT} is torch.float32 \(4, 16\)"):
        load_official(write(path, tensors), CONFIG)


@pytest.mark.parametrize("value", [float("nan"), float("inf")], ids=["nan", "inf"])
def test_tensor_with_values_that_are_not_finite_is_named(path: Path, value: float) -> None:
    tensors = {**diffusion_tensors(), WEIGHT: torch.full((16, 4), value)}
    with pytest.raises(WeightsError, match=f"{WEIGHT} holds values"):
        load_official(write(path, tensors), CONFIG)


def test_other_noise_schedule_is_refused(path: Path) -> None:
    tensors = diffusion_tensors()
    tensors["betas"] = tensors["betas"] + torch.linspace(0, 1e-4, 8)
    with pytest.raises(WeightsError, match="another noise schedule"):
        load_official(write(path, tensors), CONFIG)


def test_noise_schedule_that_is_not_finite_is_refused(path: Path) -> None:
    tensors = {**diffusion_tensors(), "betas": torch.full((8,), float("nan"))}
    with pytest.raises(WeightsError, match="another noise schedule"):
        load_official(write(path, tensors), CONFIG)


def test_chain_of_another_length_is_refused(path: Path) -> None:
    tensors = {**diffusion_tensors(), "betas": torch.zeros(9)}
    with pytest.raises(WeightsError, match="not a diffusion checkpoint of 8 steps"):
        load_official(write(path, tensors), CONFIG)


def test_networks_without_a_noise_schedule_are_refused(path: Path) -> None:
    with pytest.raises(WeightsError, match="not a diffusion checkpoint"):
        load_official(write(path, networks()), CONFIG)


def test_encoder_checkpoint_is_not_a_diffusion_checkpoint(path: Path) -> None:
    with pytest.raises(WeightsError, match="tensors missing"):
        load_official(write(path, encoder_tensors()), CONFIG)


def test_diffusion_checkpoint_is_not_an_encoder_checkpoint(path: Path) -> None:
    with pytest.raises(WeightsError, match="tensors missing"):
        load_official_encoder(write(path, diffusion_tensors()), CONFIG)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param([1, 2], id="list"),
        pytest.param({"state_dict": {}}, id="without-model"),
        pytest.param({"model": {"a": torch.zeros(1)}}, id="without-state-dict"),
        pytest.param({"state_dict": {"model": {"a": 1}}}, id="number-for-tensor"),
    ],
)
def test_other_layouts_are_refused(path: Path, content: object) -> None:
    torch.save(content, path)
    with pytest.raises(WeightsError, match=r"no tensors under state_dict\.model"):
        read_official(path)


def test_missing_file_is_a_weights_error(path: Path) -> None:
    with pytest.raises(WeightsError, match="no such checkpoint"):
        read_official(path)


def test_folder_is_a_weights_error(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="damaged"):
        read_official(tmp_path)


@pytest.mark.parametrize("is_legacy", [True, False], ids=["legacy", "zip"])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.99], ids="kept={}".format)
def test_truncated_file_is_a_weights_error(
    path: Path,
    share: float,
    is_legacy: bool,
) -> None:
    content = write(path, diffusion_tensors(), is_legacy=is_legacy).read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(WeightsError, match="damaged"):
        read_official(path)


def test_text_file_is_a_weights_error(path: Path) -> None:
    path.write_text("hello, this is not a checkpoint", encoding="utf-8")
    with pytest.raises(WeightsError, match="damaged"):
        read_official(path)


def test_text_file_that_looks_like_a_pickle_is_a_weights_error(path: Path) -> None:
    path.write_text("a" * 100, encoding="utf-8")
    with pytest.raises(WeightsError, match="damaged"):
        read_official(path)


def test_damaged_pickle_is_a_weights_error(path: Path) -> None:
    write(path, diffusion_tensors(), is_legacy=False)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, b"\x80\x02." if name.endswith("data.pkl") else content)
    with pytest.raises(WeightsError, match="damaged"):
        read_official(path)


@pytest.mark.parametrize(
    "tensor",
    [torch.eye(16, 4).to_sparse(), torch.empty(16, 4, device="meta")],
    ids=["sparse", "meta"],
)
def test_tensor_that_is_not_dense_is_refused(path: Path, tensor: Tensor) -> None:
    tensors = {**diffusion_tensors(), WEIGHT: tensor}
    with pytest.raises(WeightsError):
        load_official(write(path, tensors), CONFIG)


# Archives that are larger, or other, than they look.


def zip_checkpoint(path: Path, compression: int = zipfile.ZIP_STORED) -> None:
    """Write a checkpoint of torch's newer kind again, entry by entry."""
    write(path, diffusion_tensors(), is_legacy=False)
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)


def test_entries_stored_as_torch_stores_them_are_read(path: Path) -> None:
    zip_checkpoint(path)
    assert read_official(path).keys() == diffusion_tensors().keys()


def test_a_compressed_archive_is_refused(path: Path) -> None:
    zip_checkpoint(path, zipfile.ZIP_DEFLATED)
    with pytest.raises(WeightsError, match="compressed inside"):
        read_official(path)


@pytest.mark.slow
def test_a_zip_bomb_is_refused_without_being_unpacked(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(200 << 20))
    assert path.stat().st_size < 1 << 20
    tracemalloc.start()
    try:
        with pytest.raises(WeightsError, match="compressed inside"):
            read_official(path)
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


def test_an_archive_of_very_many_entries_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sam_diffsr_cli.checkpoints.official.MOST_ENTRIES", 3)
    zip_checkpoint(path)
    with pytest.raises(WeightsError, match="entries is no checkpoint"):
        read_official(path)


def test_a_tar_archive_is_refused(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("../../escaped")
        member.size = 3
        archive.addfile(member, io.BytesIO(b"abc"))
    with pytest.raises(WeightsError, match="a tar archive"):
        read_official(path)
    assert not (path.parents[1] / "escaped").exists()


@pytest.mark.parametrize("is_legacy", [True, False], ids=["legacy", "zip"])
def test_a_tensor_that_claims_far_more_than_it_has_is_refused(path: Path, is_legacy: bool) -> None:
    tensors = diffusion_tensors()
    tensors[WEIGHT] = torch.zeros(1).expand(1 << 20, 1 << 20)
    write(path, tensors, is_legacy=is_legacy)
    assert path.stat().st_size < 10 << 20
    with pytest.raises(WeightsError, match=WEIGHT):
        load_official(path, CONFIG)


def test_a_pipe_is_refused_and_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(WeightsError, match="not a file"):
        read_official(path)
