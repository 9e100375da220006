"""The loss of each stage: what it measures, whom it teaches, and what masks change."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from sam_diffsr_cli.config import (
    DiffusionConfig,
    EncoderConfig,
    ModelConfig,
    TrainConfig,
    UNetConfig,
)
from sam_diffsr_cli.data.crops import Batch
from sam_diffsr_cli.models.model import SuperResolver, build_model
from sam_diffsr_cli.training.objective import batch_loss, make_chain

DIFFUSION = DiffusionConfig(
    base="encoder", residual_scale=4.0, sigma_data=0.33, sampling_steps=2, num_timesteps=10
)
MODEL = ModelConfig(
    encoder=EncoderConfig(kind="residual", num_feat=8, num_block=2),
    unet=UNetConfig(kind="folded", widths=(8, 8)),
    diffusion=DIFFUSION,
)
ENCODER = TrainConfig(stage="encoder", steps=1, batch=2, patch=16)
DENOISER = replace(ENCODER, stage="diffusion")


def tiny_model(config: ModelConfig = MODEL) -> SuperResolver:
    """A model none of whose layers is zero, as after some training."""
    model = build_model(config, seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return model


def make_batch(*, spe: float | None = None, size: int = 2, patch: int = 16) -> Batch:
    """Random crops; ``spe`` is the height of the encoding's steps, none without it."""
    generator = torch.Generator().manual_seed(3)
    hr = torch.rand(size, 3, patch, patch, generator=generator) * 2 - 1
    lr = torch.rand(size, 3, patch // 4, patch // 4, generator=generator) * 2 - 1
    encoding = torch.zeros(size, 1, patch, patch)
    if spe is not None:
        encoding[..., : patch // 2, :] = spe
        encoding[..., patch // 2 :, :] = -2 * spe
    return Batch(hr, lr, encoding)


def loss_of(
    model: SuperResolver, config: TrainConfig, batch: Batch | None = None, seed: int = 5
) -> Tensor:
    return batch_loss(model, batch or make_batch(), make_chain(model, config), config, seed)


def is_taught(network: nn.Module) -> bool:
    grads = [p.grad for p in network.parameters() if p.grad is not None]
    return any(bool((grad != 0).any()) for grad in grads)


# ------------------------------------------------------------------------------ encoder stage


def test_encoder_loss_is_the_mean_absolute_error_of_its_picture() -> None:
    model, batch = tiny_model(), make_batch()
    expected = (model.rrdb(batch.lr).sr - batch.hr).abs().mean()
    torch.testing.assert_close(loss_of(model, ENCODER, batch), expected, rtol=1e-6, atol=0)


def test_encoder_l2_loss_is_the_mean_squared_error_of_its_picture() -> None:
    model, batch = tiny_model(), make_batch()
    expected = ((model.rrdb(batch.lr).sr - batch.hr) ** 2).mean()
    loss = loss_of(model, replace(ENCODER, loss="l2"), batch)
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=0)


def test_encoder_stage_does_not_see_masks() -> None:
    model = tiny_model()
    plain, masked = (loss_of(model, ENCODER, make_batch(spe=spe)) for spe in (None, 0.5))
    assert torch.equal(plain, masked)


# -------------------------------------------------------------------------------- who learns


@pytest.mark.parametrize("config", [ENCODER, DENOISER], ids=["encoder", "diffusion"])
def test_only_the_network_of_the_stage_gets_a_gradient(config: TrainConfig) -> None:
    model = tiny_model()
    loss_of(model, config).backward()  # type: ignore[no-untyped-call]  # torch's stub
    assert is_taught(model.rrdb) == (config.stage == "encoder")
    assert is_taught(model.denoise_fn) == (config.stage == "diffusion")


def test_every_layer_of_the_denoiser_gets_a_gradient() -> None:
    model = tiny_model()
    loss_of(model, DENOISER).backward()  # type: ignore[no-untyped-call]  # torch's stub
    silent = [
        name
        for name, parameter in model.denoise_fn.named_parameters()
        if parameter.grad is None or not bool((parameter.grad != 0).any())
    ]
    assert silent == []


# ---------------------------------------------------------------------------- diffusion stage


def untrained_loss(sigma: float, seed: int) -> float:
    """Loss of an untrained denoiser on residuals of deviation ``sigma``, told to expect 0.1."""
    config = replace(MODEL, diffusion=replace(DIFFUSION, sigma_data=0.1))
    residual = sigma * torch.randn(
        8, 3, 64, 64, generator=torch.Generator().manual_seed(seed + 100)
    )
    # The encoder of an untrained model returns bicubic, here zero, so that hr is the residual.
    batch = Batch(residual / 4.0, torch.zeros(8, 3, 16, 16), torch.zeros(8, 1, 64, 64))
    loss = loss_of(build_model(config), replace(DENOISER, loss="l2"), batch, seed)
    return float(loss.detach())


@pytest.mark.parametrize("seed", [1, 2])
def test_an_untrained_denoiser_begins_at_unit_loss(seed: int) -> None:
    assert untrained_loss(sigma=0.1, seed=seed) == pytest.approx(1, abs=0.03)


def test_residuals_larger_than_foreseen_begin_above_unit_loss() -> None:
    assert untrained_loss(sigma=0.2, seed=1) > 1.2


@pytest.mark.parametrize("base", ["bicubic", "encoder"])
def test_without_preconditioning_the_loss_is_the_error_of_the_noise(base: str) -> None:
    """A denoiser that answers zero is wrong by the noise itself: E|n| = sqrt(2/pi)."""
    diffusion = DiffusionConfig(base="encoder" if base == "encoder" else "bicubic")
    model = build_model(replace(MODEL, diffusion=diffusion))
    loss = loss_of(model, DENOISER, make_batch(size=8, patch=64))
    assert float(loss.detach()) == pytest.approx((2 / torch.pi) ** 0.5, abs=0.01)


def test_without_masks_every_modulation_gives_the_same_loss() -> None:
    model = tiny_model()
    losses = [
        loss_of(model, replace(DENOISER, modulation=modulation))
        for modulation in ("none", "released", "paper")
    ]
    assert torch.equal(losses[0], losses[1])
    assert torch.equal(losses[0], losses[2])


def test_with_masks_every_modulation_gives_another_loss() -> None:
    model, batch = tiny_model(), make_batch(spe=0.3)
    losses = {
        float(loss_of(model, replace(DENOISER, modulation=modulation), batch).detach())
        for modulation in ("none", "released", "paper")
    }
    assert len(losses) == 3


def test_without_modulation_masks_do_not_matter() -> None:
    model, config = tiny_model(), replace(DENOISER, modulation="none")
    plain, masked = (loss_of(model, config, make_batch(spe=spe)) for spe in (None, 0.3))
    assert torch.equal(plain, masked)


# ------------------------------------------------------------------------- seeds and formats


def test_same_seed_gives_the_same_loss() -> None:
    model = tiny_model()
    assert torch.equal(loss_of(model, DENOISER, seed=9), loss_of(model, DENOISER, seed=9))


def test_other_seed_gives_another_loss() -> None:
    model = tiny_model()
    assert not torch.equal(loss_of(model, DENOISER, seed=9), loss_of(model, DENOISER, seed=10))


def test_the_global_random_state_is_left_alone() -> None:
    model, before = tiny_model(), torch.get_rng_state()
    loss_of(model, DENOISER)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("config", [ENCODER, DENOISER], ids=["encoder", "diffusion"])
def test_bf16_gives_nearly_the_loss_of_fp32_in_fp32(config: TrainConfig) -> None:
    model = tiny_model()
    exact, rounded = loss_of(model, config), loss_of(model, replace(config, precision="bf16"))
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, exact, rtol=0.03, atol=0)
    assert not torch.equal(rounded, exact)


@pytest.mark.parametrize("config", [ENCODER, DENOISER], ids=["encoder", "diffusion"])
def test_the_batch_is_not_changed(config: TrainConfig) -> None:
    batch, again = make_batch(spe=0.3), make_batch(spe=0.3)
    loss_of(tiny_model(), config, batch)
    assert torch.equal(batch.hr, again.hr)
    assert torch.equal(batch.lr, again.lr)
    assert torch.equal(batch.spe, again.spe)
