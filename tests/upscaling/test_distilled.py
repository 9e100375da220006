"""The distilled network: when it runs, when the other does, and where it comes from."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sam_diffsr_cli.chain_config import DiffusionConfig, Sampler
from sam_diffsr_cli.config import undistilled
from sam_diffsr_cli.errors import ConfigError, InputError
from sam_diffsr_cli.networks.growing import with_config
from sam_diffsr_cli.networks.model import SuperResolver
from sam_diffsr_cli.sampling_config import SamplingConfig, SamplingOptions
from sam_diffsr_cli.upscaling.chain import check_steps
from sam_diffsr_cli.upscaling.frames import UpscaleRun, enlarge_frame
from sam_diffsr_cli.upscaling.model import Upscaler
from sam_diffsr_cli.upscaling.options import resolve_sampling
from tests.helpers import (
    TINY_DISTILLED,
    TINY_DISTILLED_BEST,
    TINY_UNDISTILLED,
    shaken,
    shaken_model,
)


@pytest.fixture(scope="module")
def few() -> Upscaler:
    return shaken(TINY_DISTILLED, 0.05)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (SamplingOptions(), (2, "distilled", 7)),
        (SamplingOptions(detail=100), (2, "distilled", 8)),
        (SamplingOptions(detail=50), (2, "distilled", 4)),
        (SamplingOptions(detail=25), (2, "dpmpp_2m", 2)),
        (SamplingOptions(detail=0), (0, "dpmpp_2m", 0)),
        (SamplingOptions(steps=3), (3, "dpmpp_2m", 7)),
        (SamplingOptions(steps=2, sampler="ddim"), (2, "ddim", 7)),
        (SamplingOptions(quality="best"), (4, "dpmpp_2m", 8)),
        (SamplingOptions(quality="best", steps=2), (2, "dpmpp_2m", 8)),
        (SamplingOptions(quality="best", steps=2, sampler="distilled"), (2, "distilled", 8)),
        (SamplingOptions(quality="plain"), (10, "ancestral", 0)),
    ],
    ids=str,
)
def test_it_runs_where_it_was_trained_to_and_the_other_elsewhere(
    few: Upscaler, options: SamplingOptions, expected: tuple[int, str, int]
) -> None:
    found = resolve_sampling(few, replace(options, tile=0))
    assert (found.steps, found.sampler, found.start) == expected


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (SamplingOptions(steps=3, sampler="distilled"), "--steps 3: the distilled network takes 2"),
        (SamplingOptions(detail=25, sampler="distilled"), "cannot start at row 2"),
        (SamplingOptions(quality="plain", steps=2, sampler="distilled"), "cannot start at row 9"),
    ],
    ids=str,
)
def test_what_it_was_not_trained_for_is_refused(
    few: Upscaler, options: SamplingOptions, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        resolve_sampling(few, replace(options, tile=0))


def test_a_model_without_it_says_so() -> None:
    with pytest.raises(InputError, match="no distilled network"):
        check_steps(TINY_UNDISTILLED, 2, 7, "distilled")


def enlarge(model: SuperResolver, sampler: str, clean: int) -> np.ndarray:
    upscaler = Upscaler(model=model, device=torch.device("cpu"))
    how = {"steps": 2, "start": 7, "sampler": sampler, "tile": 0, "clean": clean}
    pixels = np.random.default_rng(4).integers(0, 256, (24, 30, 3), dtype=np.uint8)
    sampling = SamplingConfig(**how)  # type: ignore[arg-type]  # as given
    return enlarge_frame(UpscaleRun(upscaler=upscaler, sampling=sampling, scale=4), pixels)


@pytest.mark.parametrize("clean", [0, 40])
def test_its_sampler_asks_it_and_no_other(clean: int) -> None:
    model = shaken_model(TINY_DISTILLED, 0.05)
    before = {sampler: enlarge(model, sampler, clean) for sampler in ("distilled", "ddim")}
    part = model.network("distilled_denoise_fn", expert=clean == 0)
    with torch.no_grad():
        for parameter in part.parameters():
            parameter.zero_()
    assert not np.array_equal(enlarge(model, "distilled", clean), before["distilled"])
    assert np.array_equal(enlarge(model, "ddim", clean), before["ddim"])
    other = model.network("distilled_denoise_fn", expert=clean != 0)
    kept = enlarge(model, "distilled", clean)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    assert np.array_equal(enlarge(model, "distilled", clean), kept)


@pytest.fixture(scope="module")
def shared() -> Upscaler:
    chain = replace(
        TINY_DISTILLED.diffusion,
        sampling_share=0.5,
        sampling_dirty_share=0.75,
        sampling_dirty_start=8,
    )
    return shaken(replace(TINY_DISTILLED, diffusion=chain), 0.05)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (SamplingOptions(), ("distilled", 7, 8, 0.5, 0.75)),
        (SamplingOptions(detail=100), ("distilled", 7, 8, 1, 0)),
        (SamplingOptions(detail=20), ("distilled", 7, 8, 0.2, 0)),
        (SamplingOptions(detail=50, quality="best"), ("dpmpp_2m", 4, 0, 1, 0)),
        (SamplingOptions(detail=40, steps=3), ("dpmpp_2m", 3, 0, 1, 0)),
        (SamplingOptions(detail=40, sampler="ddim"), ("ddim", 3, 0, 1, 0)),
        (SamplingOptions(detail=0), ("dpmpp_2m", 0, 0, 1, 0)),
        (SamplingOptions(quality="best"), ("dpmpp_2m", 8, 0, 1, 0)),
        (
            SamplingOptions(quality="best", steps=2, sampler="distilled"),
            ("distilled", 8, 0, 0.5, 0.75),
        ),
        (SamplingOptions(quality="plain"), ("ancestral", 0, 0, 1, 0)),
    ],
    ids=str,
)
def test_detail_is_the_share_of_what_it_draws_where_the_model_has_one(
    shared: Upscaler, options: SamplingOptions, expected: tuple[object, ...]
) -> None:
    found = resolve_sampling(shared, replace(options, tile=0))
    shares = (found.share, found.dirty_share)
    assert (found.sampler, found.start, found.dirty_start, *shares) == expected


@pytest.mark.parametrize(("clean", "share"), [(0, 0.5), (40, 0.75)])
def test_the_image_lies_at_that_share_between_the_base_and_what_is_drawn(
    shared: Upscaler, clean: int, share: float
) -> None:
    pixels = np.random.default_rng(4).integers(0, 256, (24, 30, 3), dtype=np.uint8)

    def run(**how: object) -> np.ndarray:
        options = SamplingOptions(tile=0, clean=clean, **how)  # type: ignore[arg-type]  # as given
        sampling = resolve_sampling(shared, options)
        return enlarge_frame(UpscaleRun(upscaler=shared, sampling=sampling, scale=4), pixels)

    base, drawn, usual = (run(**how).astype(float) for how in ({"steps": 0}, {"detail": 100}, {}))
    assert np.abs(drawn - base).max() > 20
    inside = (drawn > 0) & (drawn < 255) & (base > 0) & (base < 255)
    expected = base + share * (drawn - base)
    assert np.abs(usual - expected)[inside].max() <= 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sampling_share": 1.1}, r"sampling_share is 1\.1, allowed: 0\.\.1"),
        ({"sampling_share": -0.1}, r"sampling_share is -0\.1, allowed: 0\.\.1"),
        ({"sampling_dirty_share": 0.5}, r"sampling_dirty_share is 0\.5, allowed: 0\.\.0"),
        (
            {"sampling_share": 0.5, "sampling_dirty_share": 2.0},
            r"sampling_dirty_share is 2\.0, allowed: 0\.\.1",
        ),
        (
            {"sampling_share": 0.5, "best_share": 0.5},
            r"best_share is 0\.5, allowed: 0\.\.0",
        ),
        (
            {
                "best_steps": 2,
                "best_sampler": "distilled",
                "best_start": 0,
                "best_dirty_share": 0.5,
            },
            r"best_dirty_share is 0\.5, allowed: 0\.\.0",
        ),
        (
            {"best_steps": 2, "best_sampler": "distilled", "best_start": 8},
            "best_start is 8, allowed: 0 for a best that is distilled",
        ),
    ],
)
def test_shares_that_are_none_are_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        replace(TINY_DISTILLED.diffusion, **change)  # type: ignore[arg-type]  # as given


def test_a_share_without_it_is_refused_and_goes_with_it() -> None:
    with pytest.raises(ConfigError, match=r"sampling_share is 0\.5, allowed: 0\.\.0"):
        replace(TINY_UNDISTILLED.diffusion, sampling_share=0.5)
    with pytest.raises(ConfigError, match=r"sampling_chroma is 0\.5, allowed: 1\.\.1"):
        replace(TINY_UNDISTILLED.diffusion, sampling_chroma=0.5)
    chain = replace(
        TINY_DISTILLED_BEST,
        sampling_share=0.5,
        sampling_dirty_share=0.5,
        sampling_chroma=0.5,
        best_share=0.75,
        best_dirty_share=0.875,
    )
    without = undistilled(replace(TINY_DISTILLED, diffusion=chain)).diffusion
    assert (without.sampling_share, without.sampling_dirty_share) == (0, 0)
    assert without.sampling_chroma == 1
    assert (without.best_share, without.best_dirty_share) == (0, 0)
    assert without.level("best")[:3] == (9, "dpmpp_2m", 8)
    model = shaken(replace(TINY_UNDISTILLED, diffusion=without))
    assert resolve_sampling(model, SamplingOptions(quality="best", tile=0)).steps == 9
    fast = replace(chain, fast_steps=2, fast_sampler="distilled")
    without = undistilled(replace(TINY_DISTILLED, diffusion=fast)).diffusion
    assert (without.fast_steps, without.fast_sampler) == (0, "ancestral")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (SamplingOptions(quality="best"), ("distilled", 7, 8, 0.7, 0.8)),
        (SamplingOptions(), ("distilled", 7, 8, 0.5, 0.6)),
        (SamplingOptions(quality="best", detail=90), ("distilled", 7, 8, 0.9, 0)),
        (SamplingOptions(quality="best", sampler="ddim"), ("ddim", 7, 8, 1, 0)),
        (SamplingOptions(quality="best", steps=4), ("dpmpp_2m", 7, 8, 1, 0)),
        (SamplingOptions(quality="best", detail=0), ("dpmpp_2m", 0, 0, 1, 0)),
    ],
    ids=str,
)
def test_best_by_this_network_has_shares_of_its_own(
    options: SamplingOptions, expected: tuple[object, ...]
) -> None:
    chain = replace(
        TINY_DISTILLED_BEST,
        sampling_dirty_start=8,
        sampling_share=0.5,
        sampling_dirty_share=0.6,
        best_share=0.7,
        best_dirty_share=0.8,
    )
    model = shaken(replace(TINY_DISTILLED, diffusion=chain))
    found = resolve_sampling(model, replace(options, tile=0))
    shares = (found.share, found.dirty_share)
    assert (found.sampler, found.start, found.dirty_start, *shares) == expected
    same = replace(chain, best_share=0.0, best_dirty_share=0.0)
    model = shaken(replace(TINY_DISTILLED, diffusion=same))
    found = resolve_sampling(model, SamplingOptions(quality="best", tile=0))
    assert (found.share, found.dirty_share) == (0.5, 0.6)


@pytest.mark.parametrize(
    ("sampler", "chroma", "expected_chroma"),
    [("distilled", 0.25, 0.25), ("distilled", 0.0, 0.0), ("ddim", 0.25, 1.0)],
)
def test_of_colours_that_are_drawn_the_chroma_is_kept(
    sampler: Sampler, chroma: float, expected_chroma: float
) -> None:
    pixels = np.random.default_rng(4).integers(100, 156, (24, 30, 3), dtype=np.uint8)

    def run(steps: int, kept: float) -> np.ndarray:
        chain = replace(TINY_DISTILLED.diffusion, sampling_chroma=kept)
        model = shaken(replace(TINY_DISTILLED, diffusion=chain), 0.05)
        sampling = SamplingConfig(steps=steps, sampler=sampler, start=7, tile=0, clean=0)
        return enlarge_frame(UpscaleRun(upscaler=model, sampling=sampling, scale=4), pixels)

    base, drawn, found = (run(*how).astype(float) for how in ((0, 1.0), (2, 1.0), (2, chroma)))
    residual = drawn - base
    luma = (residual * [0.299, 0.587, 0.114]).sum(axis=2, keepdims=True)
    assert np.abs(residual - luma).max() > 5
    inside = ((drawn > 0) & (drawn < 255) & (found > 0) & (found < 255)).all(axis=2)
    expected = base + luma + expected_chroma * (residual - luma)
    assert inside.mean() > 0.5
    assert np.abs(found - expected)[inside].max() <= 1.6


@pytest.mark.parametrize("clean", [0, 40])
def test_a_copy_of_its_teacher_takes_steps_of_ddim(clean: int) -> None:
    model = with_config(shaken_model(TINY_UNDISTILLED, 0.05), TINY_DISTILLED)
    assert np.array_equal(enlarge(model, "distilled", clean), enlarge(model, "ddim", clean))


def test_networks_come_and_go_with_the_configuration() -> None:
    plain = shaken_model(TINY_UNDISTILLED, 0.05)
    few = with_config(plain, TINY_DISTILLED)
    assert few.config == TINY_DISTILLED
    for name in ("denoise_fn", "clean_denoise_fn"):
        expert = name.startswith("clean")
        taught = few.network("distilled_denoise_fn", expert=expert).state_dict()
        for key, tensor in plain.get_submodule(name).state_dict().items():
            assert torch.equal(taught[key], tensor)
    back = with_config(few, TINY_UNDISTILLED)
    assert back.config == TINY_UNDISTILLED
    assert all(torch.equal(back.state_dict()[k], t) for k, t in plain.state_dict().items())


def test_without_it_a_model_is_run_as_the_preset_is() -> None:
    chain = undistilled(TINY_DISTILLED).diffusion
    assert (chain.distilled_steps, chain.sampling_steps, chain.sampling_sampler) == (
        0,
        6,
        "dpmpp_2m",
    )
    assert undistilled(TINY_UNDISTILLED) == TINY_UNDISTILLED
    assert undistilled(TINY_DISTILLED).networks == TINY_UNDISTILLED.networks
    assert TINY_DISTILLED.networks != TINY_UNDISTILLED.networks


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sampling_steps": 3}, "sampling_steps is 3, allowed: distilled_steps"),
        ({"distilled_steps": 0}, "sampling_steps is 2, allowed: distilled_steps"),
        ({"distilled_steps": 9}, r"distilled_steps is 9, allowed: 0\.\.3"),
        ({"best_sampler": "distilled"}, "best_steps is 4, allowed: distilled_steps"),
    ],
)
def test_levels_that_it_was_not_distilled_for_are_refused(
    change: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        replace(TINY_DISTILLED.diffusion, **change)  # type: ignore[arg-type]  # as given


def test_one_step_starts_anywhere() -> None:
    chain = DiffusionConfig(distilled_steps=1, sampling_steps=1, sampling_sampler="distilled")
    assert chain.least_distilled_start == 1
    assert chain.sampler_of(1, 1) == chain.sampler_of(1, 0) == "distilled"
