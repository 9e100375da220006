"""Validation: whole photos, the answer that people would get, and a loss that never wavers."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from sam_diffsr_cli.checkpoints.store import save_weights
from sam_diffsr_cli.cli.app import app
from sam_diffsr_cli.data.crops import Regions, TrainingPhoto
from sam_diffsr_cli.networks.model import SuperResolver, build_model
from sam_diffsr_cli.recipes.records import TrainConfig
from sam_diffsr_cli.training.validation import Validation, pair, sample_grid, validate
from tests.conftest import OWN_VECTORS
from tests.helpers import TINY
from tests.training import tiny
from tests.training.tiny import CPU, photos

ENCODER = replace(tiny.ENCODER, precision="fp32")
DENOISER = replace(ENCODER, stage="diffusion")
STAGES = pytest.mark.parametrize("config", [ENCODER, DENOISER], ids=["encoder", "diffusion"])
DEFECT = 40
"""Levels by which a defect differs."""


def shaken(*, seed: int = 2) -> SuperResolver:
    """A model none of whose layers is zero, as after some training."""
    model = build_model(TINY, seed=1)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.03 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def measure(
    config: TrainConfig,
    model: SuperResolver | None = None,
    among: Sequence[TrainingPhoto] | None = None,
) -> Validation:
    return validate(model or shaken(), config, photos() if among is None else among, CPU)


# --------------------------------------------------------------------------------------- pairs


def test_the_low_resolution_twin_is_that_of_the_published_code() -> None:
    with np.load(OWN_VECTORS / "imresize.npz") as recorded:
        hr, lr = recorded["hr"], recorded["lr"]
    photo = TrainingPhoto("p", torch.from_numpy(hr).permute(2, 0, 1))
    truth, twin = pair(photo, 4)
    assert np.array_equal(truth, hr)
    assert np.array_equal(twin, lr)


def test_a_photo_is_cut_top_left_to_a_multiple_of_the_scale() -> None:
    with np.load(OWN_VECTORS / "imresize.npz") as recorded:
        hr, lr = recorded["hr"], recorded["lr"]
    larger = np.pad(hr, ((0, 3), (0, 1), (0, 0)), constant_values=77)
    truth, twin = pair(TrainingPhoto("p", torch.from_numpy(larger).permute(2, 0, 1)), 4)
    assert np.array_equal(truth, hr)
    assert np.array_equal(twin, lr)


def test_a_pair_does_not_change_the_photo() -> None:
    photo, again = photos()[0], photos()[0]
    pair(photo, 4)
    assert torch.equal(photo.pixels, again.pixels)


# ---------------------------------------------------------------------------------------- PSNR


def psnr_by_hand(sr: np.ndarray, hr: np.ndarray) -> float:
    """PSNR of luma (BT.601, 16 to 235) without a border of 4, pixel by pixel."""
    total, count = 0.0, 0
    for row in range(4, hr.shape[0] - 4):
        for column in range(4, hr.shape[1] - 4):
            (a, b) = (pixels[row, column].astype(float) for pixels in (sr, hr))
            weights = (65.481 / 255, 128.553 / 255, 24.966 / 255)
            total += sum(w * (x - y) for w, x, y in zip(weights, a, b, strict=True)) ** 2
            count += 1
    return 10 * math.log10(255**2 * count / total)


@torch.no_grad()
def test_psnr_is_the_mean_over_whole_photos_enlarged_by_the_encoder() -> None:
    model, expected = shaken(), []
    for photo in photos():
        hr, lr = pair(photo, 4)
        # The network takes sides that are multiples of 2; what is added by mirroring is cut off.
        even = np.pad(lr, ((0, lr.shape[0] % 2), (0, lr.shape[1] % 2), (0, 0)), mode="symmetric")
        unit = torch.from_numpy(even).permute(2, 0, 1)[None].float() / 127.5 - 1
        sr = ((model.rrdb(unit).sr[0].clamp(-1, 1) + 1) * 127.5).round().permute(1, 2, 0).numpy()
        expected.append(psnr_by_hand(sr[: hr.shape[0], : hr.shape[1]], hr))
    assert measure(ENCODER, model).psnr_y == pytest.approx(np.mean(expected), abs=1e-3)


def with_defect(rows: slice, columns: slice) -> list[TrainingPhoto]:
    """A photo of 63 x 70 whose pixels differ there."""
    pixels = torch.full((3, 63, 70), 100, dtype=torch.uint8)
    pixels[:, rows, columns] += DEFECT
    return [TrainingPhoto("p", pixels)]


@STAGES
def test_a_defect_in_the_last_corner_changes_the_psnr(config: TrainConfig) -> None:
    """Cut to 60 x 68, and the border of 4 left out, the last corner is (55, 63)."""
    whole = with_defect(slice(0, 0), slice(0, 0))
    broken = with_defect(slice(55, 56), slice(63, 64))
    assert measure(config, among=whole).psnr_y != measure(config, among=broken).psnr_y


def test_what_is_cut_off_does_not_count() -> None:
    whole = with_defect(slice(0, 0), slice(0, 0))
    broken = with_defect(slice(60, 63), slice(68, 70))
    assert measure(ENCODER, among=whole).psnr_y == measure(ENCODER, among=broken).psnr_y


def test_tiles_do_not_show_in_the_psnr(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measure(DENOISER)
    monkeypatch.setattr("sam_diffsr_cli.training.validation.choose_tile", lambda *_: 16)
    assert measure(DENOISER).psnr_y == pytest.approx(whole.psnr_y, abs=1e-3)


@pytest.mark.parametrize(
    ("config", "options"),
    [(ENCODER, ["--steps", "0"]), (DENOISER, [])],
    ids=["encoder-alone", "all-steps"],
)
def test_the_result_is_what_upscale_makes_of_the_photo(
    tmp_path: Path, config: TrainConfig, options: list[str]
) -> None:
    model, photo = shaken(), photos()[0]
    save_weights(tmp_path / "w.safetensors", model, "a test", torch.float32)
    Image.fromarray(pair(photo, 4)[1]).save(tmp_path / "in.png")
    files = [str(tmp_path / "in.png"), str(tmp_path / "out.png")]
    weights = [
        "--weights",
        str(tmp_path / "w.safetensors"),
        "--device",
        "cpu",
        "--precision",
        "fp32",
    ]
    result = CliRunner().invoke(app, ["upscale", *files, *weights, *options])
    assert result.exit_code == 0, result.stderr
    with Image.open(tmp_path / "out.png") as image:
        expected = np.asarray(image)
    found = measure(config, model, [photo]).sample[:, 48:96]
    assert np.array_equal(found, expected)


# ---------------------------------------------------------------------------------- loss, score


def test_the_loss_of_the_encoder_is_its_distance_to_the_photo() -> None:
    """An untrained encoder is bicubic, exact on a flat photo; its bias shifts it by 0.25."""
    model = build_model(TINY)
    with torch.no_grad():
        model.rrdb.head.bias.fill_(0.25)  # type: ignore[operator, union-attr]  # Module
    flat = [TrainingPhoto("flat", torch.full((3, 40, 40), 90, dtype=torch.uint8))]
    assert measure(ENCODER, model, flat).loss == pytest.approx(0.25, abs=1e-5)
    assert measure(replace(ENCODER, loss="l2"), model, flat).loss == pytest.approx(1 / 16, abs=1e-5)


@STAGES
def test_the_loss_is_the_same_every_time(config: TrainConfig) -> None:
    first = measure(config)
    torch.rand(3)
    again = measure(config)
    assert (again.loss, again.psnr_y) == (first.loss, first.psnr_y)


@STAGES
def test_the_loss_does_not_depend_on_the_seed_of_training(config: TrainConfig) -> None:
    assert measure(replace(config, seed=8)).loss == measure(config).loss


@pytest.mark.parametrize("modulation", ["none", "released", "paper"])
def test_the_loss_is_on_plain_noise(modulation: Literal["none", "released", "paper"]) -> None:
    among = photos()
    bare = [TrainingPhoto(photo.name, photo.pixels) for photo in among]
    values = torch.tensor([0.0, 5.0])
    masked = [
        replace(photo, regions=Regions(photo.regions.labels, values))
        for photo in among
        if photo.regions
    ]
    config = replace(DENOISER, modulation=modulation)
    assert measure(config, among=masked).loss == measure(config, among=bare).loss
    assert measure(config).loss == measure(replace(DENOISER, modulation="none")).loss


def test_the_encoder_is_judged_by_its_psnr() -> None:
    found = measure(ENCODER)
    assert found.score == found.psnr_y


def test_the_diffusion_is_judged_by_its_loss() -> None:
    found = measure(DENOISER)
    assert found.score == -found.loss


def test_a_better_encoder_has_the_higher_score() -> None:
    """Untrained it is bicubic; shaken it is worse."""
    among = [TrainingPhoto("p", torch.arange(64).byte().expand(3, 64, 64).contiguous())]
    better, worse = (measure(ENCODER, model, among) for model in (build_model(TINY), shaken()))
    assert better.score > worse.score


@STAGES
def test_short_numbers_measure_nearly_the_same(config: TrainConfig) -> None:
    exact, rounded = measure(config), measure(replace(config, precision="bf16"))
    assert rounded.psnr_y == pytest.approx(exact.psnr_y, abs=0.1)
    assert rounded.loss == pytest.approx(exact.loss, rel=0.03)
    assert rounded.loss != exact.loss


@STAGES
def test_validating_changes_no_parameter_and_no_random_state(config: TrainConfig) -> None:
    model, random = shaken(), torch.get_rng_state()
    measure(config, model)
    assert tiny.different(model.state_dict(), shaken().state_dict()) == []
    assert torch.equal(torch.get_rng_state(), random)


# -------------------------------------------------------------------------------------- sample


def flat(height: int, width: int, level: int) -> np.ndarray:
    return np.full((height, width, 3), level, dtype=np.uint8)


def test_a_sample_shows_input_result_and_truth_side_by_side() -> None:
    lr = np.arange(6, dtype=np.uint8).reshape(2, 3, 1).repeat(3, axis=2)
    grid = sample_grid([(lr, flat(8, 12, 100), flat(8, 12, 200))])
    assert grid.shape == (8, 36, 3)
    assert np.array_equal(grid[:, :12], np.kron(lr, np.ones((4, 4, 1), dtype=np.uint8)))
    assert (grid[:, 12:24] == 100).all()
    assert (grid[:, 24:] == 200).all()


def test_a_sample_shows_the_middle_of_a_large_photo() -> None:
    hr = np.zeros((600, 400, 3), dtype=np.uint8)
    hr[300, 200] = 255
    grid = sample_grid([(flat(150, 100, 0), hr, hr)])
    assert grid.shape == (256, 3 * 256, 3)
    assert np.argwhere(grid[:, 512:].any(axis=2)).tolist() == [[128, 128]]


def test_a_sample_shows_three_photos_at_most_one_below_the_other() -> None:
    among = [photos()[0] for _ in range(5)]
    assert measure(ENCODER, among=among).sample.shape == (3 * 40, 3 * 48, 3)


def test_rows_of_a_sample_that_are_narrower_are_filled_with_black() -> None:
    rows = [
        (flat(2, 2, 9), flat(8, 8, 9), flat(8, 8, 9)),
        (flat(1, 4, 9), flat(4, 16, 9), flat(4, 16, 9)),
    ]
    grid = sample_grid(rows)
    assert grid.shape == (12, 48, 3)
    assert (grid[:8, :24] == 9).all()
    assert (grid[:8, 24:] == 0).all()
    assert (grid[8:] == 9).all()


def test_experts_for_clean_photos_do_not_stand_in_for_what_is_trained() -> None:
    told = replace(TINY, encoder=replace(TINY.encoder, num_levels=3))
    plain = build_model(told, seed=1)
    expert = build_model(replace(told, clean_expert=True), seed=1)
    expert.load_state_dict(expert.state_dict() | plain.state_dict())
    with torch.no_grad():
        expert.get_parameter("clean_rrdb.head.bias").fill_(0.5)
    assert measure(ENCODER, expert).psnr_y == measure(ENCODER, plain).psnr_y
    assert expert.config.clean_expert
