"""Agreement with recorded numbers of the published method.

    pytest tests/conformance --vectors DIR

``DIR`` holds ``config.json``, two checkpoints and archives of arrays, or subfolders that do.
Sizes, factors and counts are read off the arrays; hyperparameters off ``config.json``.
"""

import json
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from sam_diffsr_cli import resize
from sam_diffsr_cli.chain_config import DiffusionConfig
from sam_diffsr_cli.checkpoints.official import load_official, load_official_encoder
from sam_diffsr_cli.config import EncoderConfig, ModelConfig, UNetConfig
from sam_diffsr_cli.diffusion.loss import NoisyPair, distance, noise_error, noisy_pair
from sam_diffsr_cli.diffusion.residual import image_to_residual, residual_to_image
from sam_diffsr_cli.diffusion.schedule import Schedule, make_schedule, modulation_coefficients
from sam_diffsr_cli.masks.position import structural_position_encoding
from sam_diffsr_cli.networks.model import SuperResolver
from sam_diffsr_cli.sampling import reverse_process

TABLE_RTOL = 1e-6
NETWORK_ATOL = 1e-4
CHAIN_ATOL = 1e-3
CHAIN_EQUAL_LEVELS = 0.999
RESIZE_FLOAT_ATOL = 1e-6
ENCODING_ATOL = 1e-6
TRAINING_ATOL = 1e-5

REFERENCE_LR_DIVISOR: Literal[256] = 256

RESIZED = re.compile(r"(?P<source>.+?)_?(?P<way>down|up)(?P<factor>\d+)(?P<kind>_float|)")
"""Names such as ``odd_down4`` (levels) and ``odd_up2_float`` (unit range) in ``imresize.npz``."""


ENCODINGS = "structural_position_encoding"

LISTED = {
    "table": ("schedule", re.compile(r".+")),
    "resized": ("imresize", RESIZED),
    "masks": (ENCODINGS, re.compile(r"masks_\d+")),
}
"""Arguments of tests that run once for each array: its archive, and the names that are meant."""


class Case:
    """One folder of vectors."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def arrays(self, name: str) -> dict[str, Tensor]:
        with np.load(self.folder / f"{name}.npz") as archive:
            return {key: torch.as_tensor(value) for key, value in archive.items()}

    @cached_property
    def hyperparameters(self) -> dict[str, Any]:
        text = (self.folder / "config.json").read_text(encoding="utf-8")
        parsed: dict[str, Any] = json.loads(text)
        return parsed

    @cached_property
    def config(self) -> ModelConfig:
        given = self.hyperparameters
        width = given["hidden_size"]
        optional = {key: given[key] for key in ("beta_s", "beta_end") if key in given}
        return ModelConfig(
            scale=given["sr_scale"],
            encoder=EncoderConfig(
                kind="rrdb", num_feat=given["rrdb_num_feat"], num_block=given["rrdb_num_block"]
            ),
            unet=UNetConfig(
                kind="full",
                widths=tuple(width * int(m) for m in given["unet_dim_mults"].split("|")),
            ),
            diffusion=DiffusionConfig(
                num_timesteps=given["timesteps"],
                beta_schedule=given["beta_schedule"],
                residual_scale=given["res_rescale"],
                sampling_steps=given["timesteps"],
                **optional,
            ),
            lr_divisor=REFERENCE_LR_DIVISOR,
        )

    @cached_property
    def schedule(self) -> Schedule:
        return make_schedule(self.config.diffusion)

    @cached_property
    def model(self) -> SuperResolver:
        paths = self.folder.glob("model_ckpt_steps_*.ckpt")
        return load_official(
            max(paths, key=lambda path: int(path.stem.split("_")[-1])), self.config
        )


def find_cases(root: Path) -> list[Case]:
    folders = [path.parent for path in (root / "config.json", *sorted(root.glob("*/config.json")))]
    cases = [Case(folder) for folder in folders if (folder / "config.json").is_file()]
    if not cases:
        raise pytest.UsageError(f"--vectors {root}: no config.json in it")
    return cases


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test every case, and every array of the kind that it names."""
    if "case" not in metafunc.fixturenames:
        return
    cases = find_cases(metafunc.config.getoption("--vectors"))
    for argument, (archive, pattern) in LISTED.items():
        if argument in metafunc.fixturenames:
            names = [(case, name) for case in cases for name in case.arrays(archive)]
            pairs = [(case, name) for case, name in names if pattern.fullmatch(name)]
            ids = [f"{case.folder.name}-{name}" for case, name in pairs]
            metafunc.parametrize(("case", argument), pairs, ids=ids)
            return
    metafunc.parametrize("case", cases, ids=[case.folder.name for case in cases])


@pytest.fixture(autouse=True)
def _without_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def assert_near(actual: Tensor, expected: Tensor, atol: float) -> None:
    torch.testing.assert_close(actual.double(), expected.double(), rtol=0, atol=atol)


# The schedule.


def table_of(schedule: Schedule, name: str) -> Tensor:
    derived = {
        "mask_coefficient": modulation_coefficients(schedule, "released").forward,
        "log_one_minus_alphas_cumprod": (1 - schedule.alphas_cumprod).log(),
        "sqrt_recip_alphas_cumprod": schedule.alphas_cumprod.rsqrt(),
        "sqrt_recipm1_alphas_cumprod": (1 / schedule.alphas_cumprod - 1).sqrt(),
    }
    table: Tensor = derived[name] if name in derived else getattr(schedule, name)
    return table


def test_schedule_table_equals_the_recorded_one(case: Case, table: str) -> None:
    expected = case.arrays("schedule")[table]
    actual = table_of(case.schedule, table)
    torch.testing.assert_close(actual, expected.double(), rtol=TABLE_RTOL, atol=0)


# Resizing.


def to_batch(image: Tensor) -> Tensor:
    """``(H, W, C)`` to ``(1, C, H, W)`` float64."""
    return image.double().permute(2, 0, 1)[None]


def to_image(batch: Tensor) -> Tensor:
    return batch[0].permute(1, 2, 0)


def count_differing(actual: Tensor, expected: Tensor) -> int:
    assert actual.shape == expected.shape
    return int((actual != expected).sum())


def test_benchmark_lr_is_hr_downscaled_with_no_differing_level(case: Case) -> None:
    arrays = case.arrays("imresize")
    lr = resize.downscale_uint8(to_batch(arrays["hr"]), case.config.scale)
    assert count_differing(to_image(lr), arrays["lr"]) == 0


def test_upscaled_lr_over_the_reference_divisor_equals_the_recorded_one(case: Case) -> None:
    arrays = case.arrays("imresize")
    unit = to_batch(arrays["lr"]) / REFERENCE_LR_DIVISOR
    lr_up = resize.upscale(unit, case.config.scale)
    assert_near(to_image(lr_up), arrays["lr_up_over256"], RESIZE_FLOAT_ATOL)


def test_resized_picture_equals_the_recorded_one(case: Case, resized: str) -> None:
    arrays = case.arrays("imresize")
    match = RESIZED.fullmatch(resized)
    assert match is not None
    source, factor = match["source"], int(match["factor"])
    levels = to_batch(arrays[source] if source in arrays else arrays[f"hr_{source}"])
    if match["kind"]:
        resample = resize.downscale if match["way"] == "down" else resize.upscale
        assert_near(to_image(resample(levels / 255, factor)), arrays[resized], RESIZE_FLOAT_ATOL)
    else:
        whole = resize.downscale_uint8 if match["way"] == "down" else resize.upscale_uint8
        assert count_differing(to_image(whole(levels, factor)), arrays[resized]) == 0


# Networks.


def test_encoder_image_equals_the_recorded_one(case: Case) -> None:
    arrays = case.arrays("networks")
    assert_near(case.model.rrdb(arrays["lr"]).sr, arrays["rrdb_out"], NETWORK_ATOL)


def test_encoder_features_equal_the_recorded_ones(case: Case) -> None:
    arrays = case.arrays("networks")
    features = torch.stack(case.model.rrdb(arrays["lr"]).features)
    assert_near(features, arrays["rrdb_features"], NETWORK_ATOL)


def test_condition_features_equal_the_recorded_ones(case: Case) -> None:
    arrays = case.arrays("networks")
    features = torch.cat(case.model.condition(arrays["lr"]).features, dim=1)
    assert_near(features, arrays["rrdb_features_used"], NETWORK_ATOL)


def test_encoder_checkpoint_gives_the_recorded_image(case: Case) -> None:
    arrays = case.arrays("networks")
    encoder = load_official_encoder(case.folder / "rrdb_ckpt.ckpt", case.config)
    assert_near(encoder(arrays["lr"]).sr, arrays["rrdb_out"], NETWORK_ATOL)


@pytest.mark.parametrize("archive", ["networks", "reverse_chain"])
def test_upsampled_lr_equals_the_recorded_one(case: Case, archive: str) -> None:
    arrays = case.arrays(archive)
    assert_near(case.model.upsampled(arrays["lr"]), arrays["lr_up"], NETWORK_ATOL)


def test_condition_takes_the_residual_against_the_upsampled_lr(case: Case) -> None:
    arrays = case.arrays("networks")
    assert_near(case.model.condition(arrays["lr"]).base, arrays["lr_up"], NETWORK_ATOL)


def test_predicted_noise_equals_the_recorded_one(case: Case) -> None:
    arrays = case.arrays("networks")
    condition = case.model.condition(arrays["lr"])
    eps = case.model.predict_eps(arrays["x_t"], arrays["t"], condition, case.schedule)
    assert_near(eps, arrays["eps"], NETWORK_ATOL)


# Training.


def predicted_noise(case: Case, arrays: dict[str, Tensor]) -> Tensor:
    """Predict from the recorded noisy residual; the photo is that of ``networks.npz``."""
    lr = arrays["lr"] if "lr" in arrays else case.arrays("networks")["lr"]
    condition = case.model.condition(lr)
    return case.model.predict_eps(arrays["x_t"], arrays["t"], condition, case.schedule)


def modulated_pair(case: Case, arrays: dict[str, Tensor]) -> NoisyPair:
    x_start, t, noise, spe = (arrays[name] for name in ("x_start", "t", "noise", "sam_mask"))
    released = modulation_coefficients(case.schedule, "released")
    return noisy_pair(x_start, t, noise, spe, case.schedule, released)


def test_training_starts_from_the_recorded_residual(case: Case) -> None:
    arrays = case.arrays("training_loss")
    x_start = image_to_residual(arrays["hr"], arrays["lr_up"], case.config.diffusion.residual_scale)
    assert_near(x_start, arrays["x_start"], TRAINING_ATOL)


def test_modulated_noise_and_noisy_residual_equal_the_recorded_ones(case: Case) -> None:
    arrays = case.arrays("training_loss")
    pair = modulated_pair(case, arrays)
    assert_near(pair.target, arrays["modulated_noise"], TRAINING_ATOL)
    assert_near(pair.x_t, arrays["x_t"], TRAINING_ATOL)


def test_modulating_the_noise_leaves_the_drawn_noise_unchanged(case: Case) -> None:
    arrays = case.arrays("training_loss")
    drawn = arrays["noise"].clone()
    modulated_pair(case, arrays)
    assert torch.equal(arrays["noise"], drawn)


def test_noise_predicted_in_training_equals_the_recorded_one(case: Case) -> None:
    arrays = case.arrays("training_loss")
    assert_near(predicted_noise(case, arrays), arrays["noise_pred"], NETWORK_ATOL)


def test_training_loss_equals_the_recorded_one(case: Case) -> None:
    arrays = case.arrays("training_loss")
    target = modulated_pair(case, arrays).target
    sigma_data = case.config.diffusion.sigma_data
    eps = predicted_noise(case, arrays)
    error = noise_error(eps, target, arrays["t"], case.schedule, sigma_data)
    assert_near(distance(error, "l1"), arrays["loss"], TRAINING_ATOL)


# The reverse process.


@pytest.fixture(scope="module")
def chains() -> dict[Path, Tensor]:
    """Results of the chains that were run already."""
    return {}


def super_resolved(case: Case, chains: dict[Path, Tensor]) -> Tensor:
    if case.folder not in chains:
        arrays, model, schedule = case.arrays("reverse_chain"), case.model, case.schedule
        condition, noises = model.condition(arrays["lr"]), arrays["noises"]
        steps = reverse_process(
            lambda x_t, t: model.predict_eps(x_t, t, condition, schedule),
            noises[0],
            schedule,
            lambda t: noises[len(schedule) - t],
        )
        *_, last = steps
        scale = case.config.diffusion.residual_scale
        chains[case.folder] = residual_to_image(last.x, condition.base, scale)
    return chains[case.folder]


def test_reverse_process_ends_in_the_recorded_image(case: Case, chains: dict[Path, Tensor]) -> None:
    assert_near(super_resolved(case, chains), case.arrays("reverse_chain")["sr"], CHAIN_ATOL)


def test_written_levels_equal_the_recorded_ones(case: Case, chains: dict[Path, Tensor]) -> None:
    expected = case.arrays("reverse_chain")["sr_uint8"]
    levels = ((super_resolved(case, chains) + 1) / 2 * 255).round().clamp(0, 255)
    actual = levels.permute(0, 2, 3, 1).reshape(expected.shape)
    assert float((actual == expected).double().mean()) >= CHAIN_EQUAL_LEVELS


# The encoding of masks.


def test_encoding_of_masks_equals_the_recorded_one(case: Case, masks: str) -> None:
    arrays = case.arrays(ENCODINGS)
    encoding = structural_position_encoding(arrays[masks].bool(), "image")
    assert_near(encoding, arrays[masks.replace("masks_", "spe_")], ENCODING_ATOL)
