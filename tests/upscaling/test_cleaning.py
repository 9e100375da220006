"""What a photo is taken for, and the dials: cleaning, and from faithful to vivid."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from sam_diffsr_cli.chain_config import DiffusionConfig
from sam_diffsr_cli.config import LITE
from sam_diffsr_cli.degradation.levels import CLEAN, Levels
from sam_diffsr_cli.diffusion.schedule import make_schedule, sampling_timesteps
from sam_diffsr_cli.errors import ConfigError, InputError
from sam_diffsr_cli.networks.encoders import LevelEstimator
from sam_diffsr_cli.networks.growing import with_levels
from sam_diffsr_cli.sampling_config import SamplingConfig, SamplingOptions, parse_clean
from sam_diffsr_cli.upscaling import cleaning
from sam_diffsr_cli.upscaling.chain import check_steps
from sam_diffsr_cli.upscaling.frames import UpscaleRun, enlarge_frame
from sam_diffsr_cli.upscaling.model import Upscaler, load_upscaler
from sam_diffsr_cli.upscaling.options import resolve_sampling
from tests.helpers import NINES, TINY, shaken

TOLD = replace(TINY, encoder=replace(TINY.encoder, num_levels=3))
STARTED = replace(
    TOLD,
    diffusion=replace(
        TOLD.diffusion, sampling_start=5, highest_start=6, best_steps=4, best_start=6
    ),
)


@pytest.fixture(scope="module")
def told() -> Upscaler:
    return shaken(STARTED, 0.05)


def photo(height: int = 24, width: int = 30, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(4).integers(0, 256, (height, width, channels), dtype=np.uint8)


def enlarge(upscaler: Upscaler, pixels: np.ndarray, **how: object) -> np.ndarray:
    sampling = SamplingConfig(**({"steps": 0, "tile": 0} | how))  # type: ignore[arg-type]  # as given
    return enlarge_frame(UpscaleRun(upscaler=upscaler, sampling=sampling, scale=4), pixels)


@pytest.fixture
def estimate(monkeypatch: pytest.MonkeyPatch) -> Callable[[Levels], None]:
    """Put an answer in the estimator's place."""

    def answer(levels: Levels) -> None:
        monkeypatch.setattr(cleaning, "estimate_levels", lambda *_: levels)

    return answer


# ------------------------------------------------------------------------------ what it is


def test_levels_above_their_bounds_are_kept_and_others_are_none(
    told: Upscaler, estimate: Callable[[Levels], None]
) -> None:
    estimate(Levels(0.3, 0.01, 0.5))
    assert cleaning.find_levels(told, None, photo()) == Levels(0.3, 0.0, 0.5)
    estimate(Levels(0.02, 0.03, 0.1))
    assert cleaning.find_levels(told, None, photo()) == CLEAN


def test_what_a_jpeg_says_for_certain_raises_the_estimate_and_never_lowers_it(
    told: Upscaler, estimate: Callable[[Levels], None]
) -> None:
    estimate(Levels(0.1, 0.0, 0.0))
    assert cleaning.find_levels(told, None, photo(), None, 0.6).compression == 0.6
    estimate(Levels(0.0, 0.0, 0.0))
    assert cleaning.find_levels(told, None, photo(), None, 0.05) == Levels(0.05, 0.0, 0.0)
    assert cleaning.find_levels(told, None, photo(), None, 0.02) == CLEAN
    estimate(Levels(0.7, 0.0, 0.0))
    assert cleaning.find_levels(told, None, photo(), None, 0.1).compression == 0.7


def test_the_estimate_is_told_as_it_was_beside_what_is_used(
    told: Upscaler, estimate: Callable[[Levels], None]
) -> None:
    raw = Levels(0.05, 0.2, 0.1)
    estimate(raw)
    assert cleaning.look_at(told, None, photo(), compression=0.6) == (Levels(0.6, 0.2, 0.0), raw)
    assert cleaning.look_at(told, 40, photo()) == (Levels(0.4, 0.4, 0.1), raw)
    assert cleaning.look_at(told, 0, photo()) == (CLEAN, None)


def test_only_what_is_harder_compressed_than_the_training_is_beyond_it() -> None:
    hardest = Levels(0.85, 1.0, 1.0)
    assert cleaning.beyond_training(hardest) is None
    text = cleaning.beyond_training(hardest._replace(compression=0.86))
    assert text is not None
    assert "0.86" in text
    assert "0.85" in text


def test_off_is_clean_and_a_number_is_that_percent(
    told: Upscaler, estimate: Callable[[Levels], None]
) -> None:
    estimate(Levels(0.9, 0.9, 0.4))
    assert cleaning.find_levels(told, 0, photo()) == CLEAN
    assert cleaning.find_levels(told, 40, photo()) == Levels(0.4, 0.4, 0.4)


def test_a_model_that_is_not_told_takes_everything_for_clean() -> None:
    assert cleaning.find_levels(shaken(TINY, 0.05), None, photo()) == CLEAN


def test_off_gives_the_bytes_of_auto_where_the_estimate_says_clean(
    told: Upscaler, estimate: Callable[[Levels], None]
) -> None:
    estimate(Levels(0.02, 0.02, 0.1))
    assert np.array_equal(enlarge(told, photo()), enlarge(told, photo(), clean=0))
    estimate(Levels(0.9, 0.0, 0.0))
    assert not np.array_equal(enlarge(told, photo()), enlarge(told, photo(), clean=0))


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (15, 15), (129, 7), (300, 200)], ids=str)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_any_size_and_any_channels_have_levels(
    told: Upscaler, size: tuple[int, int], channels: int
) -> None:
    found = cleaning.estimate_levels(told, photo(*size, channels))
    assert all(0 <= level <= 1 for level in found)


def test_transparency_and_the_tiles_do_not_change_the_estimate(told: Upscaler) -> None:
    opaque = photo(40, 40, 4)
    clear = opaque.copy()
    clear[..., 3] = 0
    assert cleaning.estimate_levels(told, opaque) == cleaning.estimate_levels(told, clear)
    large = photo(70, 90)
    tiled, whole = (enlarge(told, large, tile=tile).astype(int) for tile in (32, 0))
    # Kernels differ by size where a model is not made steady.
    assert int(np.abs(tiled - whole).max()) <= 1


def test_the_second_pass_takes_what_the_first_made_for_clean(
    told: Upscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    plain = told.model.encode

    def encode(lr: torch.Tensor, levels: torch.Tensor, *rest: int, expert: bool = True) -> object:
        seen.append(tuple(round(level, 3) for level in levels[0].tolist()))
        return plain(lr, levels, *rest, expert=expert)

    monkeypatch.setattr(told.model, "encode", encode)
    sampling = SamplingConfig(steps=0, tile=0, clean=50)
    enlarge_frame(UpscaleRun(upscaler=told, sampling=sampling, scale=16), photo(6, 6))
    assert seen[0][:2] == (0.5, 0.5)
    assert seen[-1] == (0.0, 0.0, 0.0)


# ------------------------------------------------------------------------ what networks do


def test_a_model_that_learns_of_levels_first_makes_nothing_of_them() -> None:
    before = shaken(TINY, 0.05).model
    after = with_levels(before)
    lr = torch.rand(2, 3, 12, 14, generator=torch.Generator().manual_seed(1)) * 2 - 1
    levels = torch.tensor([[0.2, 0.9, 0.0], [1.0, 0.0, 0.4]])
    torch.testing.assert_close(after.encode(lr, levels).sr, before.encode(lr).sr)
    assert after.config == TOLD
    assert before.config == TINY


def test_levels_reach_the_image(told: Upscaler) -> None:
    lr = torch.zeros(1, 3, 12, 12)
    images = [told.model.encode(lr, torch.full((1, 3), level)).sr for level in (0.0, 1.0)]
    assert not torch.equal(images[0], images[1])


@pytest.mark.slow
def test_an_estimator_learns_noise_from_few_photos() -> None:
    generator = torch.Generator().manual_seed(0)
    levels = torch.rand(256, 1, generator=generator)
    coarse = torch.rand(256, 3, 4, 4, generator=generator) * 2 - 1
    photos = torch.nn.functional.interpolate(coarse, size=(32, 32), mode="bicubic")
    drawn = torch.randn(256, 3, 32, 32, generator=generator)
    noisy = photos + levels[:, :, None, None] * 0.2 * drawn
    with torch.random.fork_rng():
        torch.manual_seed(0)
        estimator = LevelEstimator(1)
    optimizer = torch.optim.Adam(estimator.parameters(), lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        (estimator(noisy[:192]) - levels[:192]).square().mean().backward()
        optimizer.step()
    with torch.no_grad():
        error = (estimator(noisy[192:]) - levels[192:]).abs().mean()
    # One constant for all of them is wrong by 0.25 on average.
    assert float(error) < 0.08


# ---------------------------------------------------------------------------------- dials


@pytest.mark.parametrize(("text", "value"), [("auto", None), ("off", 0), ("0", 0), ("100", 100)])
def test_clean_is_read(text: str, value: int | None) -> None:
    assert parse_clean(text) == value


@pytest.mark.parametrize("text", ["", "on", "-1", "101", "5.5", "\u0665", NINES])
def test_another_clean_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--clean"):
        parse_clean(text)


def test_detail_is_where_the_chain_starts(told: Upscaler) -> None:
    def start(detail: int | None) -> tuple[int, int]:
        found = resolve_sampling(told, SamplingOptions(detail=detail, tile=0))
        return found.start, found.steps

    assert start(None) == (5, 2)
    assert start(0) == (0, 0)
    assert start(100) == (6, 2)
    assert start(50) == (3, 2)


def test_best_has_a_start_of_its_own_and_plain_is_the_whole_chain(told: Upscaler) -> None:
    best = resolve_sampling(told, SamplingOptions(quality="best", tile=0))
    assert (best.steps, best.start) == (4, 6)
    plain = resolve_sampling(told, SamplingOptions(quality="plain", tile=0))
    assert (plain.steps, plain.start) == (10, 0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (SamplingOptions(detail=101), "--detail 101"),
        (SamplingOptions(detail=0, steps=2), "--detail 0"),
        (SamplingOptions(detail=50, quality="plain"), "plain"),
        (SamplingOptions(detail=50, quality="fast"), "without steps"),
        (SamplingOptions(detail=17, steps=5), "at most 2"),
        (SamplingOptions(clean=101), "clean"),
    ],
)
def test_dials_that_contradict_are_refused(
    told: Upscaler, options: SamplingOptions, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        resolve_sampling(told, replace(options, tile=0))


def test_cleaning_by_a_model_that_cannot_is_refused() -> None:
    with pytest.raises(InputError, match="not trained to clean"):
        resolve_sampling(shaken(TINY, 0.05), SamplingOptions(clean=20, tile=0))
    assert resolve_sampling(shaken(TINY, 0.05), SamplingOptions(clean=0, tile=0)).clean == 0


def test_a_chain_begins_with_noise_of_its_rows_strength(
    told: Upscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    plain = type(told.model).predict_eps

    def predict(
        self: object, x_t: torch.Tensor, t: torch.Tensor, *rest: object, **how: bool
    ) -> torch.Tensor:
        seen.append((float(x_t.std()), int(rest[1].timesteps[t][0])))  # type: ignore[attr-defined]  # a schedule
        return plain(self, x_t, t, *rest, **how)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(type(told.model), "predict_eps", predict)
    enlarge(told, photo(32, 32), steps=2, start=5, sampler="dpmpp_2m")
    deviation = float(make_schedule(STARTED.diffusion).sqrt_one_minus_alphas_cumprod[5])
    (strength, row), _ = seen
    assert row == 5
    assert strength == pytest.approx(deviation, rel=0.02)


def test_rows_of_a_started_chain_end_at_its_start() -> None:
    rows = sampling_timesteps(100, 4, "quadratic", 50)
    assert rows.tolist() == [2, 12, 28, 50]
    assert sampling_timesteps(100, 51, "trailing", 50).tolist() == list(range(51))
    with pytest.raises(ConfigError):
        sampling_timesteps(100, 52, "quadratic", 50)
    with pytest.raises(ConfigError):
        sampling_timesteps(100, 4, "quadratic", 100)


def test_more_steps_than_rows_up_to_the_start_are_refused() -> None:
    with pytest.raises(InputError, match="at most 51"):
        check_steps(LITE, 52, 50)
    check_steps(LITE, 51, 50)


def test_detail_and_start_are_each_others_inverse() -> None:
    diffusion = DiffusionConfig(highest_start=60)
    for detail in (10, 25, 50, 83, 100):
        assert abs(diffusion.detail_of(diffusion.start_of(detail)) - detail) <= 1


def test_photos_that_are_not_clean_start_at_a_row_of_their_own() -> None:
    config = replace(STARTED, diffusion=replace(STARTED.diffusion, sampling_dirty_start=6))
    upscaler = shaken(config, 0.05)
    assert resolve_sampling(upscaler, SamplingOptions()).dirty_start == 6
    for options in ({"detail": 50}, {"quality": "best"}, {"quality": "plain"}, {"steps": 0}):
        assert resolve_sampling(upscaler, SamplingOptions(**options)).dirty_start == 0
    steps = config.diffusion.sampling_steps
    for clean, start in ((0, 5), (60, 6)):
        own = enlarge(upscaler, photo(), steps=steps, start=5, dirty_start=6, clean=clean)
        same = enlarge(upscaler, photo(), steps=steps, start=start, clean=clean)
        other = enlarge(upscaler, photo(), steps=steps, start=11 - start, clean=clean)
        assert (own == same).all()
        assert (own != other).any()


def test_a_flat_picture_gets_no_noise_from_the_bundled_model() -> None:
    upscaler = load_upscaler(None, torch.device("cpu"))
    level = upscaler.config.diffusion.level("balanced")
    sampling = SamplingConfig(**level._asdict(), tile=0)
    flat = np.full((24, 24, 3), 128, np.uint8)
    result = enlarge_frame(UpscaleRun(upscaler=upscaler, sampling=sampling, scale=4), flat)
    assert float((result.astype(float) - 128).std()) <= 0.5
