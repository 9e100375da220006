"""Tables of the chain, against loops in plain Python and against ``diffusers``."""

import math

import pytest
import torch
from diffusers import DDPMScheduler
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sam_diffsr_cli.chain_config import DiffusionConfig
from sam_diffsr_cli.diffusion.schedule import (
    Schedule,
    Spacing,
    cosine_betas,
    extract,
    linear_betas,
    make_schedule,
    modulation_coefficients,
    respace,
    sampling_timesteps,
    schedule_from_betas,
    widen_posterior,
)
from sam_diffsr_cli.errors import ConfigError

TABLE_RTOL = 1e-10

CHAINS = [
    pytest.param(DiffusionConfig(), id="cosine-100"),
    pytest.param(DiffusionConfig(num_timesteps=7, sampling_steps=7, beta_s=0.1), id="cosine-7"),
    pytest.param(
        DiffusionConfig(num_timesteps=20, sampling_steps=20, beta_schedule="linear", beta_end=0.3),
        id="linear-20",
    ),
]


def assert_table(actual: Tensor, expected: list[float], rtol: float = TABLE_RTOL) -> None:
    wanted = torch.tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(actual, wanted, rtol=rtol, atol=0)


def levels_of(schedule: Schedule) -> list[float]:
    """Multiply up alphas_cumprod, one step at a time."""
    levels = []
    level = 1.0
    for beta in schedule.betas.tolist():
        level *= 1 - beta
        levels.append(level)
    return levels


@pytest.mark.parametrize("steps", [2, 12, 100])
@pytest.mark.parametrize("s", [0.0, 0.008, 0.2], ids="s={}".format)
def test_cosine_betas_follow_the_published_formula(steps: int, s: float) -> None:
    levels = [math.cos((i / steps + s) / (1 + s) * math.pi / 2) ** 2 for i in range(steps + 1)]
    expected = [min(0.999, 1 - levels[i + 1] / levels[i]) for i in range(steps)]
    assert_table(cosine_betas(steps, s), expected)


def test_last_cosine_beta_is_clipped() -> None:
    assert float(cosine_betas(100, 0.008)[-1]) == 0.999


@pytest.mark.parametrize("steps", [2, 9, 100])
def test_linear_betas_rise_evenly_and_end_lifted(steps: int) -> None:
    rise = (0.05 - 1e-4) / (steps - 1)
    assert_table(linear_betas(steps, 0.05), [1e-4 + rise * i for i in range(steps - 1)] + [0.999])


@pytest.mark.parametrize("config", CHAINS)
def test_alphas_cumprod_multiply_up_the_alphas(config: DiffusionConfig) -> None:
    schedule = make_schedule(config)
    assert_table(schedule.alphas_cumprod, levels_of(schedule))


@pytest.mark.parametrize("config", CHAINS)
def test_alphas_cumprod_prev_are_those_of_the_step_before(config: DiffusionConfig) -> None:
    schedule = make_schedule(config)
    assert_table(schedule.alphas_cumprod_prev, [1.0, *levels_of(schedule)[:-1]])


@pytest.mark.parametrize("config", CHAINS)
def test_signal_and_noise_levels_are_square_roots(config: DiffusionConfig) -> None:
    schedule = make_schedule(config)
    levels = levels_of(schedule)
    assert_table(schedule.sqrt_alphas_cumprod, [math.sqrt(a) for a in levels])
    assert_table(schedule.sqrt_one_minus_alphas_cumprod, [math.sqrt(1 - a) for a in levels])


@pytest.mark.parametrize("config", CHAINS)
def test_posterior_variance_is_the_inverse_sum_of_precisions(config: DiffusionConfig) -> None:
    schedule = make_schedule(config)
    levels = levels_of(schedule)
    expected = [0.0]
    for t, beta in enumerate(schedule.betas.tolist()):
        if t > 0:
            expected.append(1 / ((1 - beta) / beta + 1 / (1 - levels[t - 1])))
    assert_table(schedule.posterior_variance, expected)


@pytest.mark.parametrize("config", CHAINS)
def test_log_of_the_vanishing_variance_is_clipped(config: DiffusionConfig) -> None:
    schedule = make_schedule(config)
    expected = [math.log(max(v, 1e-20)) for v in schedule.posterior_variance.tolist()]
    assert_table(schedule.posterior_log_variance_clipped, expected)


@pytest.mark.parametrize("config", CHAINS)
def test_posterior_mean_weighs_datum_and_state_by_their_precisions(config: DiffusionConfig) -> None:
    schedule = make_schedule(config)
    levels = [1.0, *levels_of(schedule)]
    for t in range(1, len(schedule)):
        beta, variance = float(schedule.betas[t]), float(schedule.posterior_variance[t])
        of_datum = variance * math.sqrt(levels[t]) / (1 - levels[t])
        of_state = variance * math.sqrt(1 - beta) / beta
        assert float(schedule.posterior_mean_coef1[t]) == pytest.approx(of_datum, rel=1e-9)
        assert float(schedule.posterior_mean_coef2[t]) == pytest.approx(of_state, rel=1e-9)


def test_linear_schedule_is_chosen_by_the_configuration() -> None:
    config = DiffusionConfig(beta_schedule="linear", beta_end=0.03)
    assert torch.equal(make_schedule(config).betas, linear_betas(100, 0.03))


def test_every_table_is_float64() -> None:
    schedule = make_schedule(DiffusionConfig())
    dtypes = {
        name: getattr(schedule, name).dtype for name in schedule.__slots__ if name != "timesteps"
    }
    assert set(dtypes.values()) == {torch.float64}


@pytest.mark.parametrize("config", CHAINS)
def test_posterior_variance_agrees_with_diffusers(config: DiffusionConfig) -> None:
    schedule = make_schedule(config)
    oracle = DDPMScheduler(
        num_train_timesteps=len(schedule),
        trained_betas=schedule.betas.numpy(),
        variance_type="fixed_small",
    )
    oracle.alphas_cumprod = torch.tensor(levels_of(schedule), dtype=torch.float64)
    expected = [float(oracle._get_variance(t)) for t in range(1, len(schedule))]
    assert_table(schedule.posterior_variance[1:], expected)


# Modulation.


@pytest.mark.parametrize("config", CHAINS)
def test_released_coefficients_are_noise_level_times_beta(config: DiffusionConfig) -> None:
    schedule = make_schedule(config)
    forward, target = modulation_coefficients(schedule, "released")
    pairs = zip(levels_of(schedule), schedule.betas.tolist(), strict=True)
    expected = [math.sqrt(1 - level) * beta for level, beta in pairs]
    assert_table(forward, expected)
    assert_table(target, expected)


@pytest.mark.parametrize("config", CHAINS)
def test_paper_forward_coefficient_sums_the_shift_of_every_step(config: DiffusionConfig) -> None:
    schedule = make_schedule(config)
    levels, betas = levels_of(schedule), schedule.betas.tolist()
    expected = []
    for t, level in enumerate(levels):
        phi = sum(math.sqrt(level * betas[i] / levels[i]) for i in range(t + 1))
        expected.append(phi / math.sqrt(1 - level))
    assert_table(modulation_coefficients(schedule, "paper").forward, expected)


@pytest.mark.parametrize("config", CHAINS)
def test_paper_forward_shift_is_what_shifted_steps_add_up_to(config: DiffusionConfig) -> None:
    """Each step of the chain adds sqrt(beta) * (noise + E); here noise is 0 and E is 1."""
    schedule = make_schedule(config)
    forward = modulation_coefficients(schedule, "paper").forward
    x, shifts = 0.0, []
    for beta in schedule.betas.tolist():
        x = math.sqrt(1 - beta) * x + math.sqrt(beta)
        shifts.append(x)
    assert_table(forward * schedule.sqrt_one_minus_alphas_cumprod, shifts)


@pytest.mark.parametrize("config", CHAINS)
def test_paper_target_coefficient_divides_by_the_root_of_beta(config: DiffusionConfig) -> None:
    schedule = make_schedule(config)
    pairs = zip(levels_of(schedule), schedule.betas.tolist(), strict=True)
    expected = [math.sqrt(1 - level) / math.sqrt(beta) for level, beta in pairs]
    assert_table(modulation_coefficients(schedule, "paper").target, expected)


def test_no_modulation_shifts_nothing() -> None:
    schedule = make_schedule(DiffusionConfig())
    forward, target = modulation_coefficients(schedule, "none")
    assert torch.equal(forward, torch.zeros_like(schedule.betas))
    assert torch.equal(target, torch.zeros_like(schedule.betas))


# Shorter chains.


@settings(deadline=None)
@given(
    data=st.data(),
    num_timesteps=st.integers(1, 300),
    spacing=st.sampled_from(["trailing", "quadratic"]),
)
def test_sampling_timesteps_rise_strictly_to_the_last(
    data: st.DataObject, num_timesteps: int, spacing: Spacing
) -> None:
    steps = data.draw(st.integers(1, num_timesteps))
    chosen = sampling_timesteps(num_timesteps, steps, spacing).tolist()
    assert len(chosen) == steps
    assert chosen == sorted(set(chosen))
    assert chosen[0] >= 0
    assert chosen[-1] == num_timesteps - 1


@pytest.mark.parametrize("steps", [1, 2, 4, 7, 8, 10, 16, 25, 40, 100])
def test_trailing_timesteps_agree_with_diffusers(steps: int) -> None:
    oracle = DDPMScheduler(num_train_timesteps=100, timestep_spacing="trailing")
    oracle.set_timesteps(steps)
    assert sampling_timesteps(100, steps, "trailing").tolist() == oracle.timesteps.flip(0).tolist()


def test_quadratic_timesteps_end_at_the_squares_of_equal_shares() -> None:
    expected = [round(100 * (i / 4) ** 2) - 1 for i in (1, 2, 3, 4)]
    assert sampling_timesteps(100, 4, "quadratic").tolist() == expected


@pytest.mark.parametrize("steps", [-1, 0, 101])
def test_impossible_number_of_steps_is_refused(steps: int) -> None:
    with pytest.raises(ConfigError, match=r"1\.\.100"):
        sampling_timesteps(100, steps, "trailing")


@pytest.mark.parametrize("steps", [1, 4, 33, 100])
def test_respacing_keeps_alphas_cumprod(steps: int) -> None:
    schedule = make_schedule(DiffusionConfig())
    chosen = sampling_timesteps(100, steps, "trailing")
    expected = [levels_of(schedule)[t] for t in chosen.tolist()]
    # The last level is one minus a beta that is almost one: nine digits survive.
    assert_table(respace(schedule, chosen).alphas_cumprod, expected, rtol=1e-8)


def test_respaced_rows_name_the_steps_of_the_trained_chain() -> None:
    once = respace(make_schedule(DiffusionConfig()), torch.tensor([9, 49, 74, 99]))
    twice = respace(once, torch.tensor([1, 3]))
    assert twice.timesteps.tolist() == [49, 99]


def test_whole_chain_counts_its_own_steps() -> None:
    assert make_schedule(DiffusionConfig()).timesteps.tolist() == list(range(100))


def test_length_is_the_number_of_steps() -> None:
    schedule = respace(make_schedule(DiffusionConfig()), sampling_timesteps(100, 25, "trailing"))
    assert len(schedule) == 25


def test_deriving_tables_leaves_betas_unchanged() -> None:
    betas = cosine_betas(10, 0.008)
    before = betas.clone()
    schedule_from_betas(betas)
    assert torch.equal(betas, before)


# Looking up.


def test_extract_gives_each_item_its_own_row() -> None:
    table = torch.tensor([10.0, 20.0, 30.0], dtype=torch.float64)
    like = torch.zeros(2, 3, 4, 5)
    found = extract(table, torch.tensor([2, 0]), like)
    assert torch.equal(found, torch.tensor([30.0, 10.0]).reshape(2, 1, 1, 1))


def test_extract_takes_the_number_format_of_the_tensor() -> None:
    table = torch.ones(3, dtype=torch.float64)
    assert extract(table, torch.tensor([1]), torch.zeros(1, dtype=torch.float16)).dtype == (
        torch.float16
    )


def test_widened_posterior_is_exact_for_a_gaussian_residual() -> None:
    """The marginal of x_{t-1} comes out right when x_start ~ N(0, sigma^2) is only estimated."""
    sigma = 0.3
    plain = respace(make_schedule(DiffusionConfig()), torch.tensor([5, 24, 55, 99]))
    wide = widen_posterior(plain, sigma)
    for t in (1, 2, 3):
        level, before = float(plain.alphas_cumprod[t]), float(plain.alphas_cumprod_prev[t])
        total = level * sigma**2 + 1 - level
        gain = math.sqrt(level) * sigma**2 / total  # E[x_start | x_t] = gain * x_t
        slope = float(plain.posterior_mean_coef1[t]) * gain + float(plain.posterior_mean_coef2[t])
        marginal = slope**2 * total + float(wide.posterior_variance[t])
        assert marginal == pytest.approx(before * sigma**2 + 1 - before, rel=1e-9)


def test_widening_by_nothing_changes_nothing() -> None:
    plain = make_schedule(DiffusionConfig())
    same = widen_posterior(plain, 0.0)
    assert torch.equal(same.posterior_variance, plain.posterior_variance)
    assert torch.equal(same.posterior_log_variance_clipped, plain.posterior_log_variance_clipped)
