"""The mean over orientations: which they are, what is averaged, and where it is of no use."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sam_diffsr_cli.errors import ConfigError, InputError
from sam_diffsr_cli.evaluation.methods import make_method
from sam_diffsr_cli.evaluation.sets import Case, Truth
from sam_diffsr_cli.sampling_config import SamplingConfig, SamplingOptions
from sam_diffsr_cli.upscaling.ensemble import mean_turned_back, orientations
from sam_diffsr_cli.upscaling.frames import UpscaleRun, enlarge_frame
from sam_diffsr_cli.upscaling.model import Upscaler
from sam_diffsr_cli.upscaling.options import resolve_sampling
from tests.helpers import TINY, TINY_DISTILLED, shaken

BICUBIC_BASE = replace(TINY, diffusion=replace(TINY.diffusion, base="bicubic"))


@pytest.fixture(scope="module")
def upscaler() -> Upscaler:
    return shaken(TINY_DISTILLED, 0.05)


def photo() -> np.ndarray:
    return np.random.default_rng(7).integers(60, 196, (40, 28, 3), dtype=np.uint8)


def enlarge(upscaler: Upscaler, pixels: np.ndarray, **how: object) -> np.ndarray:
    sampling = SamplingConfig(**{"steps": 0, "tile": 0, "clean": 0} | how)  # type: ignore[arg-type]  # as given
    return enlarge_frame(UpscaleRun(upscaler=upscaler, sampling=sampling, scale=4), pixels)


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_orientations_differ_and_turn_back(count: int) -> None:
    image = torch.arange(2 * 3 * 4 * 6.0).reshape(2, 3, 4, 6)
    turned = list(orientations(image, count))
    seen = {tuple(each.flatten().tolist()) for each in (image, *turned)}
    assert len(seen) == count
    assert {tuple(each.shape[-2:]) for each in turned[:3]} <= {(4, 6)}
    assert {tuple(each.shape[-2:]) for each in turned[3:]} <= {(6, 4)}
    assert torch.equal(mean_turned_back(image, turned), image)


@pytest.mark.parametrize("count", [2, 4, 8])
def test_the_answer_is_the_mean_of_those_to_the_picture_turned(
    upscaler: Upscaler, count: int
) -> None:
    pixels = photo()
    found = []
    for number in range(count):
        turned = pixels[:, ::-1] if number & 1 else pixels
        turned = turned[::-1] if number & 2 else turned
        turned = turned.swapaxes(0, 1) if number & 4 else turned
        answer = enlarge(upscaler, np.ascontiguousarray(turned)).astype(float)
        answer = answer.swapaxes(0, 1) if number & 4 else answer
        answer = answer[::-1] if number & 2 else answer
        found.append(answer[:, ::-1] if number & 1 else answer)
    assert np.abs(found[1] - found[0]).max() > 5
    expected = np.mean(found, axis=0)
    inside = ((np.array(found) > 0) & (np.array(found) < 255)).all(axis=0)
    difference = np.abs(enlarge(upscaler, pixels, ensemble=count) - expected)
    assert inside.mean() > 0.5
    assert difference[inside].max() <= 1


@pytest.mark.parametrize("size", [(150, 110), (101, 143)])
@pytest.mark.parametrize("wrap", [False, True])
def test_tiles_do_not_show_in_the_mean(size: tuple[int, int], *, wrap: bool) -> None:
    model = shaken(TINY_DISTILLED, 0.05)
    pixels = np.random.default_rng(3).integers(0, 256, (*size, 3), dtype=np.uint8)
    how = {"clean": 50, "ensemble": 8, "wrap": wrap}
    whole = enlarge(model, pixels, **how).astype(int)
    tiled = enlarge(model, pixels, **how, tile=32).astype(int)
    assert np.abs(whole - tiled).max() <= 1
    assert (whole == tiled).mean() > 0.999


def test_transparency_is_of_the_mean_too(upscaler: Upscaler) -> None:
    alpha = np.random.default_rng(2).integers(0, 256, (24, 28, 1), dtype=np.uint8)
    pixels = np.concatenate([photo()[:24], alpha], axis=2)
    one, mean = (enlarge(upscaler, pixels, ensemble=count)[..., 3] for count in (1, 8))
    turned = enlarge(upscaler, np.ascontiguousarray(pixels[::-1]), ensemble=8)[::-1, :, 3]
    assert np.abs(mean.astype(int) - turned).max() <= 1
    assert np.abs(one.astype(int) - mean).max() > 1


def test_what_is_drawn_is_added_to_the_mean(upscaler: Upscaler) -> None:
    pixels = photo()
    how = {"steps": 2, "sampler": "distilled", "start": 7}
    mean, one = (enlarge(upscaler, pixels, ensemble=count).astype(int) for count in (8, 1))
    drawn = enlarge(upscaler, pixels, **how, ensemble=8).astype(int)
    alone = enlarge(upscaler, pixels, **how).astype(int)
    assert np.abs(drawn - alone).max() > 1
    # Nearer to what one would add to the mean than to what it adds to a single answer.
    towards = mean + (alone - one)
    assert np.abs(drawn - towards).mean() < np.abs(drawn - alone).mean()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (SamplingOptions(), 1),
        (SamplingOptions(quality="best"), 4),
        (SamplingOptions(quality="best", ensemble=1), 1),
        (SamplingOptions(quality="fast", ensemble=8), 8),
        (SamplingOptions(quality="plain"), 1),
    ],
    ids=str,
)
def test_the_model_says_what_best_takes_and_the_user_what_any_does(
    options: SamplingOptions, expected: int
) -> None:
    chain = replace(TINY_DISTILLED.diffusion, best_ensemble=4)
    model = shaken(replace(TINY_DISTILLED, diffusion=chain))
    assert resolve_sampling(model, replace(options, tile=0)).ensemble == expected


@pytest.mark.parametrize("count", [0, 3, -8, 16])
def test_numbers_that_are_none_are_refused(upscaler: Upscaler, count: int) -> None:
    with pytest.raises(InputError, match=f"--ensemble {count}: allowed are 1, 2, 4, 8"):
        resolve_sampling(upscaler, SamplingOptions(ensemble=count))
    with pytest.raises(ConfigError, match=f"best_ensemble is {count}, allowed: 1, 2, 4, 8"):
        replace(TINY_DISTILLED.diffusion, best_ensemble=count)


def test_answers_that_no_result_is_made_of_are_not_asked_for() -> None:
    model = shaken(BICUBIC_BASE)
    with pytest.raises(InputError, match=r"--ensemble 2: this model adds .* to bicubic") as caught:
        resolve_sampling(model, SamplingOptions(ensemble=2))
    assert "--steps 0" in (caught.value.hint or "")
    assert resolve_sampling(model, SamplingOptions(ensemble=2, steps=0)).ensemble == 2
    with pytest.raises(ConfigError, match="best_ensemble is 2, allowed: 1"):
        replace(BICUBIC_BASE.diffusion, best_ensemble=2)


def test_the_published_chain_has_one(upscaler: Upscaler) -> None:
    with pytest.raises(InputError, match="--ensemble and --quality plain exclude each other"):
        resolve_sampling(upscaler, SamplingOptions(quality="plain", ensemble=2))
    assert resolve_sampling(upscaler, SamplingOptions(quality="plain", ensemble=1)).ensemble == 1


def test_best_is_measured_on_the_mean() -> None:
    chain = replace(TINY_DISTILLED.diffusion, best_ensemble=8)
    model = shaken(replace(TINY_DISTILLED, diffusion=chain), 0.05)
    case = Case(np.zeros((160, 112, 3), np.uint8), photo(), photo())
    truth = Truth(Path("x.png"), "x.png", "x.png", ())
    found = make_method("best", model, 0, 0).enlarge(case, truth, 0)
    how = {"steps": 4, "sampler": "dpmpp_2m", "start": 8}
    assert np.array_equal(found, enlarge(model, photo(), **how, ensemble=8))
    assert not np.array_equal(found, enlarge(model, photo(), **how))
