"""The weights that come with samsr are there, whole, small, and what their record and card say."""

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest

from sam_diffsr_cli.checkpoints import registry
from sam_diffsr_cli.checkpoints.card import describe
from sam_diffsr_cli.checkpoints.inspection import inspect_file
from sam_diffsr_cli.checkpoints.registry import BUNDLED, Bundled, PublishedScores, bundled_weights
from sam_diffsr_cli.checkpoints.store import load_weights
from sam_diffsr_cli.config import LITE, PRESETS, undistilled
from sam_diffsr_cli.errors import WeightsError
from tests.helpers import TINY_DISTILLED, TINY_DISTILLED_BEST

CARD = Path(__file__).resolve().parents[2] / "weights" / "README.md"
ROWS = {
    "`--steps 0`": "steps 0",
    "default, 2 steps": "default",
    "`--quality best`, 2 steps": "best",
}
"""How the table of the card calls the ways in which a model is run."""

by_model = pytest.mark.parametrize("model", BUNDLED, ids=lambda each: each.name)


def test_the_bundled_model_is_the_lite_preset_with_experts_for_clean_photos() -> None:
    config = load_weights(bundled_weights()).model.config
    assert config.clean_expert
    assert replace(undistilled(config), clean_expert=False).networks == LITE.networks
    assert config.diffusion.level("balanced") == (2, "distilled", 70, 70, 0.45, 0.53, 1)
    assert config.diffusion.level("best") == (2, "distilled", 70, 70, 0.7, 0.75, 8)


def test_the_bundled_model_tells_how_it_is_run() -> None:
    how = "2 distilled steps from row 70 (70 if not clean), "
    usual = "45% of what they draw (53% if not clean), 0% of what they colour by default"
    best = "70% of what they draw (75% if not clean), 0% of what they colour on the mean of 8 "
    words = (f"{how}{usual}", f"{how}{best}orientations with best")
    chain = describe(load_weights(bundled_weights()).model.config)[-1]
    assert chain == f"chain: 100 cosine steps, {', '.join(words)}"


def test_a_model_tells_how_its_levels_of_quality_run() -> None:
    chain = replace(
        TINY_DISTILLED_BEST,
        sampling_share=0.5,
        sampling_chroma=0.25,
        best_dirty_share=0.75,
        best_ensemble=4,
    )
    lines = describe(replace(TINY_DISTILLED, diffusion=chain))
    assert (
        "chain: 10 cosine steps, 2 distilled steps from row 7, 50% of what they draw, 25% of what "
        "they colour by default, 2 distilled steps from row 7, 50% of what they draw (75% if not "
        "clean), 25% of what they colour on the mean of 4 orientations with best"
    ) in lines
    chain = replace(chain, sampling_steps=3, sampling_sampler="dpmpp_2m")
    lines = describe(replace(TINY_DISTILLED, diffusion=chain))
    assert any("cosine steps, 3 dpmpp_2m steps from row 7 by default," in each for each in lines)


def test_the_bundled_model_tells_its_origin() -> None:
    assert "samsr train" in load_weights(bundled_weights()).source


def test_all_bundled_files_are_at_most_40_mib() -> None:
    sizes = [bundled_weights(each.name).stat().st_size for each in BUNDLED]
    assert sum(sizes) <= 40 * 2**20


def test_a_bundled_file_with_another_digest_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.DIGESTS, registry.DEFAULT_MODEL, "0" * 64)
    with pytest.raises(WeightsError, match="damaged"):
        bundled_weights()


def test_a_missing_bundled_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(registry, "__file__", str(tmp_path / "a" / "b" / "registry.py"))
    with pytest.raises(WeightsError, match="missing"):
        bundled_weights()


# ------------------------------------------------------------------------------- the records


def test_the_default_is_one_of_those_that_come_along() -> None:
    names = [each.name for each in BUNDLED]
    assert registry.DEFAULT_MODEL in names
    assert len(set(names)) == len(names)
    assert list(registry.DIGESTS) == names


@by_model
def test_size_and_digest_of_a_record_are_the_files(model: Bundled) -> None:
    content = bundled_weights(model.name).read_bytes()
    assert model.bytes == len(content)
    assert model.sha256 == hashlib.sha256(content).hexdigest()


@by_model
def test_preset_and_scale_of_a_record_are_the_files(model: Bundled) -> None:
    config = inspect_file(bundled_weights(model.name)).config
    preset = PRESETS[model.preset]
    assert replace(undistilled(config), clean_expert=False).networks == preset.networks
    assert model.scale == config.scale


@by_model
def test_the_licence_of_a_record_is_the_cards_and_the_files(model: Bundled) -> None:
    assert f"Licence: {model.licence}" in CARD.read_text(encoding="utf-8")
    assert model.licence in inspect_file(bundled_weights(model.name)).source


@by_model
def test_the_source_of_a_record_counts_the_photos_as_the_card_does(model: Bundled) -> None:
    (count,) = re.findall(r"(\d+) \w+ licensed photographs", model.source)
    assert f"{count} photographs" in CARD.read_text(encoding="utf-8")
    assert f"{count} photos" in inspect_file(bundled_weights(model.name)).source


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def told_by_the_card() -> dict[tuple[str, str], tuple[float, ...]]:
    """Read its table of PSNR-Y, SSIM-Y and LPIPS, by the set and by how the model was run."""
    lines = CARD.read_text(encoding="utf-8").splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("| PSNR-Y / SSIM-Y / LPIPS"))
    sets = cells(lines[first])[1:]
    told = {}
    for line in lines[first + 2 :]:
        if not line.startswith("|"):
            break
        name, *values = cells(line)
        for data, value in zip(sets, values, strict=True):
            told[data, ROWS.get(name, name)] = tuple(map(float, value.split(" / ")))
    return told


def test_the_table_of_the_card_is_found() -> None:
    told = told_by_the_card()
    assert {method for _, method in told} == {"bicubic", *ROWS.values()}
    assert {"Set5", "Set14"} <= {data for data, _ in told}
    assert all(len(values) == 3 for values in told.values())


@pytest.mark.parametrize(
    "measured",
    [pytest.param(m, id=f"{b.name}-{m.data}-{m.method}") for b in BUNDLED for m in b.measured],
)
def test_what_a_model_was_measured_at_is_what_the_card_says(measured: PublishedScores) -> None:
    told = told_by_the_card()[measured.data, measured.method]
    assert told == (measured.psnr_y, measured.ssim_y, measured.lpips)


@by_model
def test_a_model_was_measured_as_it_is_run_and_by_its_encoder_alone(model: Bundled) -> None:
    runs = {(each.data, each.method) for each in model.measured}
    assert len(runs) == len(model.measured)
    assert {(data, method) for data in ("Set5", "Set14") for method in ROWS.values()} <= runs
    steps = inspect_file(bundled_weights(model.name)).config.diffusion.sampling_steps
    assert f"default, {steps} steps" in ROWS
