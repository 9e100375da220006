"""The loss of each stage: what it measures, whom it teaches, and what masks and chance change."""

import math
from dataclasses import replace
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from sam_diffsr_cli.chain_config import DiffusionConfig
from sam_diffsr_cli.config import ModelConfig
from sam_diffsr_cli.data.crops import Batch
from sam_diffsr_cli.diffusion.schedule import make_schedule
from sam_diffsr_cli.errors import ConfigError
from sam_diffsr_cli.networks.model import SuperResolver, build_model
from sam_diffsr_cli.recipes.records import TrainConfig
from sam_diffsr_cli.training.objective import USUAL_SHARE, Objective, draw, draw_start
from tests.conformance.test_vectors import Case, find_cases
from tests.conftest import OWN_VECTORS
from tests.helpers import TINY
from tests.training import tiny
from tests.training.tiny import CPU, FULL_MODEL, clean_batch

ENCODER = replace(tiny.ENCODER, precision="fp32")
DENOISER = replace(tiny.DENOISER, precision="fp32")
STAGES = pytest.mark.parametrize("config", [ENCODER, DENOISER], ids=["encoder", "diffusion"])
MODELS = pytest.mark.parametrize("model_config", [TINY, FULL_MODEL], ids=["folded", "full"])
Modulation = Literal["none", "released", "paper"]
MODULATIONS: tuple[Modulation, ...] = ("none", "released", "paper")


def tiny_model(config: ModelConfig = TINY) -> SuperResolver:
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
    return clean_batch(hr, lr, encoding)


def loss_of(
    model: SuperResolver, config: TrainConfig, batch: Batch | None = None, seed: int = 5
) -> Tensor:
    batch = batch or make_batch()
    length = model.config.diffusion.num_timesteps
    draws = draw(seed, range(len(batch.hr)), length, batch.hr.shape[-1], CPU)
    loss: Tensor = Objective(model, config)(batch, draws.steps, draws.noise)
    return loss


# --------------------------------------------------------------------------- what is recorded


@pytest.mark.parametrize("case", find_cases(OWN_VECTORS), ids=lambda case: case.folder.name)
def test_diffusion_loss_is_the_one_that_the_published_code_recorded(case: Case) -> None:
    arrays = case.arrays("training_loss")
    lr = arrays["lr"] if "lr" in arrays else case.arrays("networks")["lr"]
    objective = Objective(case.model, replace(DENOISER, modulation="released"))
    batch = clean_batch(arrays["hr"], lr, arrays["sam_mask"])
    loss = objective(batch, arrays["t"].tolist(), arrays["noise"])
    assert float(loss.detach()) == pytest.approx(float(arrays["loss"]), abs=1e-5)


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


def is_taught(network: nn.Module) -> bool:
    grads = [p.grad for p in network.parameters() if p.grad is not None]
    return any(bool((grad != 0).any()) for grad in grads)


@STAGES
@MODELS
def test_only_the_network_of_the_stage_gets_a_gradient(
    config: TrainConfig, model_config: ModelConfig
) -> None:
    model = tiny_model(model_config)
    loss_of(model, config).backward()  # type: ignore[no-untyped-call]  # torch's stub
    assert is_taught(model.rrdb) == (config.stage == "encoder")
    assert is_taught(model.denoise_fn) == (config.stage == "diffusion")


@STAGES
@MODELS
def test_every_parameter_of_the_stage_gets_a_gradient(
    config: TrainConfig, model_config: ModelConfig
) -> None:
    """Else several processes would wait for it for ever."""
    model = tiny_model(model_config)
    loss_of(model, config).backward()  # type: ignore[no-untyped-call]  # torch's stub
    network = model.rrdb if config.stage == "encoder" else model.denoise_fn
    silent = [name for name, p in network.named_parameters() if p.grad is None]
    assert silent == []


# ---------------------------------------------------------------------------- diffusion stage


def cosine_chain(length: int) -> tuple[list[float], list[float]]:
    """Betas and their cumulative products, as Nichol and Dhariwal 2021 give them (eq. 17)."""

    def remaining(step: int) -> float:
        return math.cos((step / length + 0.008) / 1.008 * math.pi / 2) ** 2

    betas = [min(1 - remaining(i + 1) / remaining(i), 0.999) for i in range(length)]
    return betas, [math.prod(1 - beta for beta in betas[: i + 1]) for i in range(length)]


def shifts(modulation: Modulation, t: int, length: int) -> tuple[float, float]:
    """Shift, per unit of encoding, of the noise in x_t and of the noise to be predicted."""
    betas, alphas_bar = cosine_chain(length)
    rest = math.sqrt(1 - alphas_bar[t])
    if modulation == "none":
        return 0.0, 0.0
    if modulation == "released":
        return rest * betas[t], rest * betas[t]
    phi = sum(math.sqrt(alphas_bar[t] * betas[i] / alphas_bar[i]) for i in range(t + 1))
    return phi / rest, rest / math.sqrt(betas[t])


def loss_by_hand(
    model: SuperResolver, batch: Batch, steps: tuple[int, ...], noise: Tensor, of: Modulation
) -> float:
    """The loss of the diffusion's stage item by item, from the formulas."""
    diffusion = model.config.diffusion
    _, alphas_bar = cosine_chain(diffusion.num_timesteps)
    total = 0.0
    for i, t in enumerate(steps):
        hr, lr, spe, drawn = (part[i : i + 1] for part in (batch.hr, batch.lr, batch.spe, noise))
        condition = model.condition(lr)
        x_start = ((hr - condition.base) * diffusion.residual_scale).clamp(-1, 1)
        in_x, in_target = shifts(of, t, diffusion.num_timesteps)
        signal, rest = math.sqrt(alphas_bar[t]), math.sqrt(1 - alphas_bar[t])
        x_t = signal * x_start + rest * (drawn + in_x * spe)
        eps = model.predict_eps(x_t, torch.tensor([t]), condition, make_schedule(diffusion))
        error = float((eps - (drawn + in_target * spe)).abs().mean())
        if diffusion.sigma_data is not None:
            deviation = math.hypot(signal * diffusion.sigma_data, rest)
            error /= signal * diffusion.sigma_data / deviation
        total += error
    return total / len(steps)


@MODELS
@pytest.mark.parametrize("modulation", MODULATIONS)
@torch.no_grad()
def test_diffusion_loss_follows_its_formula(
    modulation: Modulation, model_config: ModelConfig
) -> None:
    model, batch, steps = tiny_model(model_config), make_batch(spe=0.3, size=3), (0, 4, 9)
    noise = torch.randn(batch.hr.shape, generator=torch.Generator().manual_seed(6))
    objective = Objective(model, replace(DENOISER, modulation=modulation))
    loss = objective(batch, steps, noise)
    expected = loss_by_hand(model, batch, steps, noise, modulation)
    assert float(loss) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("modulation", MODULATIONS)
def test_coefficients_follow_their_formulas(modulation: Modulation) -> None:
    objective = Objective(tiny_model(), replace(DENOISER, modulation=modulation))
    for t in range(10):
        forward, target = shifts(modulation, t, 10)
        assert float(objective.coefficients.forward[t]) == pytest.approx(forward, rel=1e-9)
        assert float(objective.coefficients.target[t]) == pytest.approx(target, rel=1e-9)


def untrained_loss(sigma: float, seed: int) -> float:
    """Loss of an untrained denoiser on residuals of deviation ``sigma``, told to expect 0.1."""
    config = replace(TINY, diffusion=replace(TINY.diffusion, sigma_data=0.1))
    residual = sigma * torch.randn(
        8, 3, 64, 64, generator=torch.Generator().manual_seed(seed + 100)
    )
    # The encoder of an untrained model returns bicubic, here zero, so that hr is the residual.
    batch = clean_batch(residual / 4.0, torch.zeros(8, 3, 16, 16), torch.zeros(8, 1, 64, 64))
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
    model = build_model(replace(TINY, diffusion=diffusion))
    loss = loss_of(model, DENOISER, make_batch(size=8, patch=64))
    assert float(loss.detach()) == pytest.approx((2 / torch.pi) ** 0.5, abs=0.01)


def test_without_masks_every_modulation_gives_the_same_loss() -> None:
    model = tiny_model()
    losses = [loss_of(model, replace(DENOISER, modulation=m)) for m in MODULATIONS]
    assert torch.equal(losses[0], losses[1])
    assert torch.equal(losses[0], losses[2])


def test_without_modulation_masks_do_not_matter() -> None:
    model, config = tiny_model(), replace(DENOISER, modulation="none")
    plain, masked = (loss_of(model, config, make_batch(spe=spe)) for spe in (None, 0.3))
    assert torch.equal(plain, masked)


# ----------------------------------------------------------------------------- chance, formats


def test_draws_are_the_same_however_rows_are_divided() -> None:
    whole = draw(3, range(7), 10, 16, CPU)
    parts = [draw(3, rows, 10, 16, CPU) for rows in (range(3), range(3, 4), range(4, 7))]
    assert whole.steps == sum((part.steps for part in parts), ())
    assert torch.equal(whole.noise, torch.cat([part.noise for part in parts]))


def test_every_row_and_seed_draws_its_own_noise() -> None:
    noises = [draw(seed, range(4), 10, 16, CPU).noise for seed in (3, 4)]
    assert len({tuple(row.flatten().tolist()) for row in torch.cat(noises)}) == 8


def test_drawn_steps_are_spread_evenly_over_the_chain() -> None:
    steps = draw(3, range(4000), 10, 2, CPU).steps
    counts = [steps.count(t) for t in range(10)]
    assert sum(counts) == 4000
    # Six standard deviations of a binomial count.
    assert all(abs(count - 400) < 6 * math.sqrt(360) for count in counts)


def test_drawn_noise_is_standard_normal() -> None:
    noise = draw(3, range(16), 10, 64, CPU).noise
    assert float(noise.mean()) == pytest.approx(0, abs=0.01)
    assert float(noise.std()) == pytest.approx(1, abs=0.01)
    assert float((noise.abs() < 1).float().mean()) == pytest.approx(0.6827, abs=0.005)


def test_the_global_random_state_is_left_alone() -> None:
    model, before = tiny_model(), torch.get_rng_state()
    loss_of(model, DENOISER)
    assert torch.equal(torch.get_rng_state(), before)


@STAGES
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_short_numbers_give_nearly_the_loss_of_fp32_in_fp32(
    config: TrainConfig, precision: Literal["bf16", "fp16"]
) -> None:
    model = tiny_model()
    exact, rounded = loss_of(model, config), loss_of(model, replace(config, precision=precision))
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, exact, rtol=0.03, atol=0)
    assert not torch.equal(rounded, exact)


@STAGES
def test_fp32_is_kept_inside_another_number_format(config: TrainConfig) -> None:
    """As where accelerate was launched with one: the recipe decides."""
    model = tiny_model()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss_of(model, config)
    assert torch.equal(inside, loss_of(model, config))


def test_a_precision_that_is_not_resolved_is_refused() -> None:
    with pytest.raises(ConfigError, match="precision is 'auto'"):
        Objective(tiny_model(), replace(DENOISER, precision="auto"))


@STAGES
def test_the_batch_is_not_changed(config: TrainConfig) -> None:
    batch, again = make_batch(spe=0.3), make_batch(spe=0.3)
    loss_of(tiny_model(), config, batch)
    for name in ("hr", "lr", "spe"):
        assert torch.equal(getattr(batch, name), getattr(again, name))


# -------------------------------------------------------------------------------- distillation

DISTILLER = replace(tiny.DISTILLER, precision="fp32")


def distilled_loss(model: SuperResolver, start: int = 7, config: TrainConfig = DISTILLER) -> Tensor:
    batch = make_batch()
    noise = torch.randn(batch.hr.shape, generator=torch.Generator().manual_seed(6))
    loss: Tensor = Objective(model, config)(batch, (start,) * len(noise), noise)
    return loss


def test_only_the_distilled_network_learns_by_distilling() -> None:
    model = tiny_model(tiny.DISTILLED)
    distilled_loss(model).backward()  # type: ignore[no-untyped-call]  # torch's stub
    assert is_taught(model.network("distilled_denoise_fn"))
    assert not any(is_taught(model.network(part)) for part in ("rrdb", "denoise_fn"))


@pytest.mark.parametrize("start", [3, 7, 8])
def test_a_student_that_goes_where_its_teacher_goes_has_no_loss(start: int) -> None:
    model = tiny_model(tiny.DISTILLED)
    taught = model.network("distilled_denoise_fn")
    taught.load_state_dict(model.denoise_fn.state_dict())
    one_for_one = replace(DISTILLER, teacher_steps=1)
    # Two steps of the second-order solver have nothing to correct: they are DDIM's.
    assert float(distilled_loss(model, start, one_for_one).detach()) == pytest.approx(0, abs=1e-5)
    assert float(distilled_loss(model, start).detach()) > 1e-3


def test_distilling_sees_neither_the_truth_nor_masks() -> None:
    model, batch = tiny_model(tiny.DISTILLED), make_batch()
    noise = torch.randn(batch.hr.shape, generator=torch.Generator().manual_seed(6))
    objective = Objective(model, DISTILLER)
    other = replace(make_batch(spe=0.5), hr=torch.zeros_like(batch.hr))
    losses = [float(objective(each, (7, 7), noise).detach()) for each in (batch, other)]
    assert losses[0] == losses[1]


def test_most_batches_start_where_the_model_does_and_the_others_anywhere() -> None:
    chain = tiny.DISTILLED.diffusion
    starts = [draw_start(seed, chain, is_clean=True) for seed in range(400)]
    least, most = chain.least_distilled_start, chain.last_start
    assert set(starts) == set(range(least, most + 1))
    expected = USUAL_SHARE + (1 - USUAL_SHARE) / (most - least + 1)
    assert starts.count(chain.sampling_start) / len(starts) == pytest.approx(expected, abs=0.08)
    chain = replace(chain, sampling_dirty_start=8)
    assert [draw_start(seed, chain, is_clean=True) for seed in range(400)] == starts
    starts = [draw_start(seed, chain, is_clean=False) for seed in range(400)]
    assert starts.count(8) / len(starts) == pytest.approx(expected, abs=0.08)


@pytest.mark.parametrize("stage", ["encoder", "diffusion", "distill"])
def test_experts_are_trained_alone_and_told_nothing(stage: Literal["encoder"]) -> None:
    config = replace(tiny.DISTILLED, encoder=replace(TINY.encoder, num_levels=3), clean_expert=True)
    model = tiny_model(config)
    batch = replace(make_batch(), told=torch.full((2, 3), 0.5), levels=torch.full((2, 3), 0.5))
    noise = torch.randn(batch.hr.shape, generator=torch.Generator().manual_seed(6))
    objective = Objective(model, replace(DISTILLER, stage=stage, expert=True))
    loss = objective(batch, (7, 7), noise)
    loss.backward()
    taught = {name for name, child in model.named_children() if is_taught(child)}
    parts = {"encoder": "rrdb", "diffusion": "denoise_fn", "distill": "distilled_denoise_fn"}
    assert taught == {f"clean_{parts[stage]}"}
    blind = objective(replace(batch, told=torch.zeros(2, 3)), (7, 7), noise)
    assert float(loss.detach()) == float(blind.detach())
