"""From the options of ``samsr train`` to its recipe, and what it tells without training."""

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from sam_diffsr_cli.checkpoints.store import save_weights
from sam_diffsr_cli.cli.app import app
from sam_diffsr_cli.config import EncoderConfig, ModelConfig, UNetConfig
from sam_diffsr_cli.networks.model import build_model
from sam_diffsr_cli.recipes.records import RECIPES, DataConfig
from sam_diffsr_cli.recipes.text import from_toml, to_toml
from sam_diffsr_cli.training.resolve import default_out, is_main_process, resolve_recipe_precision
from tests import helpers
from tests.helpers import loaded_by
from tests.workshop.tools.kill_train import TINY, draw_photos

CPU = torch.device("cpu")
LITE, PAPER = RECIPES["lite"], RECIPES["paper"]
SMALL = replace(
    helpers.TINY,
    diffusion=replace(helpers.TINY.diffusion, sampling_spacing="quadratic", sampling_sigma=0.01),
)
FULL = ModelConfig(
    encoder=EncoderConfig(kind="rrdb", num_feat=4, num_block=2),
    unet=UNetConfig(kind="full", widths=(4, 8)),
    lr_divisor=256,
)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stay out of the way of files that are there."""
    monkeypatch.chdir(tmp_path)
    for name in ("RANK", "ACCELERATE_MIXED_PRECISION", "SAMSR_DATA"):
        monkeypatch.delenv(name, raising=False)


def samsr_train(*arguments: object) -> tuple[int, str, str]:
    """Run ``samsr train``: exit code, stdout, stderr on one line."""
    result = CliRunner().invoke(app, ["train", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, " ".join(result.stderr.split())


def printed(*arguments: object) -> str:
    """Return what ``--print-config`` prints, which must be all it does."""
    before = sorted(Path().rglob("*"))
    code, stdout, stderr = samsr_train(*arguments, "--print-config")
    assert (code, stderr) == (0, "")
    assert sorted(Path().rglob("*")) == before
    return stdout


def value(text: str, key: str) -> Any:
    found: Any = tomllib.loads(text)
    for name in key.split("."):
        found = found[name]
    return found


def write_weights(name: str, model: ModelConfig) -> Path:
    save_weights(Path(name), build_model(model), "test")
    return Path(name).resolve()


# ------------------------------------------------------------------------------- where it is from


def test_without_options_it_is_the_lite_recipe() -> None:
    assert from_toml(printed()) == LITE


def test_a_preset_is_its_recipe() -> None:
    assert from_toml(printed("--preset", "paper")) == PAPER


def test_what_is_given_later_in_the_order_wins() -> None:
    Path("mine.toml").write_text('preset = "paper"\n[encoder]\nlearning_rate = 1e-5\n')
    levels: list[tuple[list[str], float]] = [
        ([], LITE.encoder.learning_rate),
        (["--preset", "paper"], PAPER.encoder.learning_rate),
        (["--recipe", "mine.toml"], 1e-5),
        (["--set", "encoder.learning_rate=2e-5"], 2e-5),
        (["--learning-rate", "3e-5"], 3e-5),
    ]
    given: list[str] = []
    for options, expected in levels:
        given += options
        assert value(printed(*given), "encoder.learning_rate") == expected, given


def test_the_preset_option_goes_before_the_one_a_file_names() -> None:
    Path("mine.toml").write_text('preset = "paper"\nencoder.steps = 7\n')
    expected = replace(LITE, encoder=replace(LITE.encoder, steps=7))
    assert from_toml(printed("--recipe", "mine.toml", "--preset", "lite")) == expected


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        (["--batch", "8"], {"encoder.batch": 8, "diffusion.batch": 8}),
        (["--accumulate", "4"], {"encoder.accumulate": 4, "diffusion.accumulate": 4}),
        (["--patch", "64"], {"encoder.patch": 64, "diffusion.patch": 64}),
        (
            ["--learning-rate", "0.01"],
            {"encoder.learning_rate": 0.01, "diffusion.learning_rate": 0.01},
        ),
        (
            ["--modulation", "paper"],
            {"diffusion.modulation": "paper"},
        ),
        (
            ["--mask-norm", "region"],
            {"diffusion.mask_norm": "region"},
        ),
        (["--seed", "3"], {"encoder.seed": 3, "diffusion.seed": 3}),
        (["--precision", "bf16"], {"encoder.precision": "bf16", "diffusion.precision": "bf16"}),
        (["--encoder-steps", "5"], {"encoder.steps": 5}),
        (["--diffusion-steps", "6"], {"diffusion.steps": 6}),
        (["--distill-steps", "4"], {"distill.steps": 4}),
        (["--stage", "encoder"], {"stages": ["encoder"]}),
        (["--hold-out", "2"], {"data.hold_out": 2}),
        (["--data", "here", "--data", "DIV2K"], {"data.photos": ["here", "DIV2K"]}),
        (["--set", "loss=l2"], {"encoder.loss": "l2", "diffusion.loss": "l2"}),
        (["--set", "model.unet.widths=[8, 8]"], {"model.unet.widths": [8, 8]}),
        (["--set", "model.diffusion.sigma_data=none"], {"model.diffusion.sigma_data": "none"}),
    ],
    ids=lambda each: each[0].strip("-") if isinstance(each, list) else "",
)
def test_an_option_changes_its_values_and_no_others(
    options: list[str], changed: dict[str, object]
) -> None:
    text = printed(*options)
    for key, expected in changed.items():
        assert value(text, key) == expected
    lines = sum(a != b for a, b in zip(text.split("\n"), to_toml(LITE).split("\n"), strict=True))
    assert lines == len(changed)


@pytest.mark.parametrize("name", ["masks", "val", "cache"])
def test_a_place_is_kept_as_an_absolute_path(name: str) -> None:
    assert value(printed(f"--{name}", "there"), f"data.{name}") == str(Path("there").resolve())


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--preset", "paper"],
        ["--data", 'a "quoted" folder', "--masks", "masks", "--seed", "5", "--stage", "encoder"],
        ["--set", "model.diffusion.sigma_data=none", "--learning-rate", "1e-7"],
        ["--init", "small.safetensors", "--set", "model.diffusion.sampling_steps=3"],
    ],
    ids=["lite", "paper", "options", "none", "init"],
)
def test_what_is_printed_gives_the_same_when_it_is_read(options: list[str]) -> None:
    write_weights("small.safetensors", SMALL)
    text = printed(*options)
    Path("mine.toml").write_text(text, encoding="utf-8")
    assert printed("--recipe", "mine.toml") == text


# ----------------------------------------------------------------------------------- with --init


@pytest.mark.parametrize(
    ("options", "shares"),
    [
        ([], (0.5, 1.0, 0.625, 0.0)),
        (["--set", "expert=true"], (1.0, 0.75, 0.0, 0.875)),
        (["--set", "model.diffusion.sampling_dirty_share=0.25"], (0.5, 0.25, 0.625, 0.0)),
        (["--set", "model.diffusion.best_dirty_share=0.75"], (0.5, 1.0, 0.625, 0.75)),
        (
            ["--set", "expert=true", "--set", "model.diffusion.best_share=0.25"],
            (1, 0.75, 0.25, 0.875),
        ),
        (["--stage", "diffusion"], (0.0, 0.0, 0.0, 0.0)),
    ],
    ids=str,
)
def test_all_is_kept_of_what_a_network_draws_that_is_distilled_anew(
    options: list[str], shares: tuple[float, ...]
) -> None:
    chain = replace(
        helpers.TINY_DISTILLED_BEST,
        sampling_share=0.5,
        sampling_dirty_share=0.75,
        best_share=0.625,
        best_dirty_share=0.875,
    )
    path = write_weights("drawn.safetensors", replace(helpers.TINY_DISTILLED, diffusion=chain))
    found = from_toml(printed("--init", path, "--stage", "distill", *options)).model.diffusion
    kept = (found.sampling_share, found.sampling_dirty_share)
    assert (*kept, found.best_share, found.best_dirty_share) == shares


def test_the_network_is_that_of_the_file_to_start_from() -> None:
    path = write_weights("small.safetensors", SMALL)
    expected = replace(LITE, model=SMALL, data=DataConfig(init=str(path)))
    assert from_toml(printed("--init", path), None) == expected


def test_the_published_kind_of_network_brings_the_published_recipe() -> None:
    path = write_weights("full.safetensors", FULL)
    expected = replace(PAPER, model=FULL, data=DataConfig(init=str(path)))
    assert from_toml(printed("--init", path)) == expected


def test_a_preset_chooses_the_recipe_of_the_network_that_is_brought() -> None:
    path = write_weights("full.safetensors", FULL)
    expected = replace(LITE, model=FULL, data=DataConfig(init=str(path)))
    assert from_toml(printed("--init", path, "--preset", "lite")) == expected


@pytest.mark.parametrize(("model", "steps"), [(SMALL, 6), (FULL, 100)], ids=["folded", "full"])
def test_an_encoder_alone_is_given_the_usual_steps_of_its_kind(
    model: ModelConfig, steps: int
) -> None:
    encoder_only = replace(model, diffusion=replace(model.diffusion, sampling_steps=0))
    path = write_weights("encoder.safetensors", encoder_only)
    brought = from_toml(printed("--init", path, "--stage", "diffusion")).model
    assert brought == replace(model, diffusion=replace(model.diffusion, sampling_steps=steps))


# -------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--set", "encoder.learningrate=1"], 4, "did you mean encoder.learning_rate"),
        (["--set", "batch"], 4, "--set batch: not key=value"),
        (["--set", "=8"], 4, "--set =8: not key=value"),
        (["--set", "encoder.clip_norm=-1"], 4, "clip_norm is -1.0, allowed: >= 0"),
        (["--set", "encoder.batch=2.5"], 4, "batch is 2.5"),
        (["--set", "preset=paper"], 4, "choose it by --preset"),
        (["--patch", "40"], 4, "patch is 40, allowed: multiples of 16"),
        (["--accumulate", "3"], 4, "accumulate is 3, allowed: a divisor of batch (16)"),
        (["--learning-rate", "nan"], 4, "learning_rate is nan"),
        (["--batch", "0"], 2, "--batch"),
        (["--patch", "8"], 2, "--patch"),
        (["--preset", "large"], 2, "--preset"),
        (["--stage", "last"], 2, "--stage"),
        (["--modulation", "strong"], 2, "--modulation"),
        (["--recipe", "gone.toml"], 4, "gone.toml: cannot be read"),
        (["--recipe", "torn.toml"], 4, "torn.toml: the recipe is not TOML"),
        (["--recipe", "typo.toml"], 4, "typo.toml: encoder.stepz: no such key"),
        (["--recipe", "typo.toml"], 4, "did you mean encoder.steps"),
        (["--resume", "--out", "run", "--init", "x.safetensors"], 3, "the run has begun"),
        (["--init", "gone.safetensors"], 4, "gone.safetensors: no such weights file"),
        (["--init", "typo.toml"], 4, "typo.toml: damaged, or not a safetensors file"),
        (["--resume"], 3, "no run to go on with"),
        (["--resume", "--out", "nothing"], 3, "nothing: no run"),
        (["--resume", "--out", "torn"], 4, f"{Path('torn/recipe.toml')}: the recipe is not TOML"),
        (["--resume", "--out", "run", "--recipe", "fine.toml"], 3, "--recipe and --resume"),
        (["--resume", "--out", "run", "--preset", "paper"], 4, "the run was started with lite"),
        (["--resume", "--out", "run", "--batch", "8"], 4, "encoder.batch: 16, 8"),
        (["--resume", "--out", "run", "--batch", "8"], 4, "diffusion.batch: 16, 8"),
        (["--resume", "--out", "run", "--stage", "encoder"], 4, "stages: "),
    ],
    ids=lambda each: " ".join(each).replace("/", "-") if isinstance(each, list) else "",
)
def test_it_is_refused_with_what_is_wrong(options: list[str], code: int, words: str) -> None:
    Path("torn.toml").write_text("batch = [")
    Path("typo.toml").write_text("encoder.stepz = 3\n")
    Path("fine.toml").write_text("")
    for name, text in {"run": to_toml(LITE), "torn": "batch = ["}.items():
        Path(name).mkdir()
        Path(name, "recipe.toml").write_text(text, encoding="utf-8")
    before = sorted(Path().rglob("*"))
    found, stdout, stderr = samsr_train("--data", ".", *options)
    assert (found, stdout) == (code, "")
    assert words in stderr.replace("│ ", "")
    assert sorted(Path().rglob("*")) == before


def test_the_recipe_of_a_run_needs_no_option_again() -> None:
    stored = replace(LITE, encoder=replace(LITE.encoder, seed=9), preset="lite")
    Path("run").mkdir()
    Path("run", "recipe.toml").write_text(to_toml(stored), encoding="utf-8")
    assert printed("--resume", "--out", "run") == to_toml(stored)


def test_where_photos_lie_may_be_told_anew_when_a_run_goes_on() -> None:
    Path("run").mkdir()
    Path("run", "recipe.toml").write_text(to_toml(LITE), encoding="utf-8")
    text = printed("--resume", "--out", "run", "--data", "moved")
    assert value(text, "data.photos") == ["moved"]


# ------------------------------------------------------------------------------------ --dry-run


@pytest.fixture
def dry(tmp_path: Path) -> str:
    draw_photos(tmp_path / "photos", count=3)
    code, stdout, _ = samsr_train("--data", "photos", *TINY, "--dry-run")
    assert code == 0
    return stdout


def test_a_dry_run_tells_the_cost_of_each_stage_and_writes_nothing(
    dry: str, tmp_path: Path
) -> None:
    assert "# photos: 3" in dry
    assert "# encoder stage on cpu, fp32:" in dry
    assert "# diffusion stage on cpu, fp32:" in dry
    for name in ("parameters", "work", "memory", "time", "to finish"):
        assert dry.count(f"#   {name}: ") == 2
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_what_a_dry_run_tells_is_a_recipe_to_train_by(dry: str) -> None:
    recipe = from_toml(dry)
    assert recipe.model.unet.widths == (8, 8)
    assert (recipe.encoder.steps, recipe.encoder.precision) == (12, "fp32")


def test_a_dry_run_needs_no_photos() -> None:
    code, stdout, _ = samsr_train(*TINY, "--stage", "encoder", "--dry-run")
    assert code == 0
    assert "# photos: none given" in stdout
    assert "diffusion stage" not in stdout


# --------------------------------------------------------------------------- what else is resolved


def test_a_run_without_a_folder_is_named_after_photos_and_preset() -> None:
    recipe = replace(PAPER, data=DataConfig(photos=("/far/DIV2K_train_HR", "more/photos")))
    assert default_out(recipe) == Path("runs/DIV2K_train_HR+photos-paper")


def test_the_number_format_is_resolved_by_the_device() -> None:
    resolved = resolve_recipe_precision(LITE, CPU)
    assert (resolved.encoder.precision, resolved.diffusion.precision) == ("fp32", "fp32")


def test_a_launcher_is_followed_where_nothing_was_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    asked = replace(LITE, encoder=replace(LITE.encoder, precision="fp32"))
    resolved = resolve_recipe_precision(asked, CPU)
    assert (resolved.encoder.precision, resolved.diffusion.precision) == ("fp32", "bf16")


@pytest.mark.parametrize(("rank", "is_main"), [(None, True), ("0", True), ("1", False)])
def test_the_first_process_talks(
    rank: str | None, is_main: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if rank is not None:
        monkeypatch.setenv("RANK", rank)
    assert is_main_process() == is_main


def test_printing_the_recipe_needs_no_torch() -> None:
    text, loaded = loaded_by("train", "--data", "DIV2K", "--batch", "8", "--print-config")
    assert value(text, "encoder.batch") == 8
    assert not loaded & {"torch", "numpy", "PIL", "safetensors", "accelerate"}
