"""Weights for others out of a run: they load, they say where they come from, and no more."""

import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from sam_diffsr_cli.checkpoints.heads import RECIPE_KEY, SOURCE_KEY
from sam_diffsr_cli.checkpoints.store import load_weights, read_tensors
from sam_diffsr_cli.choices import StateChoice
from sam_diffsr_cli.cli.app import app
from sam_diffsr_cli.errors import InputError, WeightsError
from sam_diffsr_cli.recipes.records import DataConfig, Recipe, Stage
from sam_diffsr_cli.recipes.text import differences, from_toml
from sam_diffsr_cli.training.engine import Engine
from sam_diffsr_cli.training.export import export, export_run, run_facts, write_best
from sam_diffsr_cli.training.folder import RunFolder
from sam_diffsr_cli.training.journal import Journal, StepEntry, ValidationEntry
from sam_diffsr_cli.training.run import run_stages
from sam_diffsr_cli.training.state import TrainState, load_state, trained_model
from tests.helpers import TINY
from tests.training import tiny
from tests.training.tiny import CPU

PRIVATE = "/home/somebody"
DATA = DataConfig(
    photos=(f"{PRIVATE}/holiday", f"{PRIVATE}/DIV2K"),
    masks=f"{PRIVATE}/outlines",
    val=f"{PRIVATE}/checks",
    init=f"{PRIVATE}/given.safetensors",
    cache=f"{PRIVATE}/cache",
)
RECIPE = replace(tiny.recipe(), data=DATA)
DISTILLING = tiny.recipe("encoder", "diffusion", "distill")


def averaged(state: TrainState) -> TrainState:
    """Give the averages numbers of their own."""
    generator = torch.Generator().manual_seed(state.step)
    for average in state.ema.values():
        average.copy_(torch.rand(average.shape, generator=generator))
    return state


def saved(folder: RunFolder, stage: Stage, step: int) -> TrainState:
    """Save a state of a stage, as training does."""
    recipe = folder.read_recipe()
    state = tiny.start(recipe.encoder if stage == "encoder" else recipe.diffusion)
    state.step = step
    folder.save(averaged(state), keep=2)
    return state


@pytest.fixture
def begin(tmp_path: Path) -> Callable[[Recipe], RunFolder]:
    """A function that begins a run."""

    def begun(recipe: Recipe) -> RunFolder:
        folder = RunFolder(tmp_path / "run")
        folder.make()
        folder.begin(recipe)
        return folder

    return begun


@pytest.fixture
def folder(begin: Callable[[Recipe], RunFolder]) -> RunFolder:
    """A run that is begun and has no state."""
    return begin(RECIPE)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "mine.safetensors"


# ------------------------------------------------------------------------------- which weights


def test_last_is_the_newest_state_of_the_last_stage_that_has_one(
    folder: RunFolder, out: Path
) -> None:
    saved(folder, "encoder", 7)
    saved(folder, "diffusion", 2)
    state = saved(folder, "diffusion", 3)
    assert export_run(folder, out, "last", torch.float32, print) == "diffusion"
    found = load_weights(out).model.denoise_fn.state_dict()
    assert tiny.different(found, state.ema) == []


def test_last_of_a_run_in_its_first_stage_is_the_encoder(folder: RunFolder, out: Path) -> None:
    state = saved(folder, "encoder", 3)
    assert export_run(folder, out, "last", torch.float32, print) == "encoder"
    assert tiny.different(load_weights(out).model.rrdb.state_dict(), state.ema) == []


def test_best_is_what_the_best_validation_wrote(folder: RunFolder, out: Path) -> None:
    best = saved(folder, "diffusion", 2)
    write_best(folder, best, trained_model(best))
    saved(folder, "diffusion", 3)
    assert export_run(folder, out, "best", torch.float32, print) == "diffusion"
    loaded = load_weights(out)
    assert tiny.different(loaded.model.denoise_fn.state_dict(), best.ema) == []
    assert "step 2 of 7" in loaded.source


@pytest.mark.parametrize(
    ("which", "what"), [("last", "no state yet"), ("best", "no validation yet")]
)
def test_a_run_that_has_no_such_weights_is_refused(
    folder: RunFolder, out: Path, which: StateChoice, what: str
) -> None:
    if which == "best":
        saved(folder, "encoder", 1)
    with pytest.raises(InputError, match=what) as caught:
        export_run(folder, out, which, torch.float16, print)
    assert caught.value.hint
    assert not out.exists()


def test_a_folder_without_a_run_is_refused(tmp_path: Path, out: Path) -> None:
    with pytest.raises(InputError, match="no run"):
        export_run(RunFolder(tmp_path), out, "last", torch.float16, print)


def test_a_damaged_state_is_refused(folder: RunFolder, out: Path) -> None:
    saved(folder, "encoder", 1)
    folder.states("encoder")[0].write_bytes(b"")
    with pytest.raises(WeightsError, match=r"encoder-00000001"):
        export_run(folder, out, "last", torch.float16, print)
    assert not out.exists()


# ----------------------------------------------------------------------------- what is written


@pytest.mark.parametrize("which", ["last", "best"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_numbers_are_written_as_asked_for(
    folder: RunFolder, out: Path, which: StateChoice, dtype: torch.dtype
) -> None:
    state = saved(folder, "diffusion", 3)
    write_best(folder, state, trained_model(state))
    export_run(folder, out, which, dtype, print)
    tensors, _ = read_tensors(out)
    assert {tensor.dtype for tensor in tensors.values()} == {dtype}
    expected = trained_model(state).state_dict()
    assert tiny.different(tensors, {name: t.to(dtype) for name, t in expected.items()}) == []


def test_a_parameter_that_does_not_fit_is_refused(folder: RunFolder, out: Path) -> None:
    state = saved(folder, "encoder", 1)
    next(iter(state.ema.values())).fill_(1e5)
    folder.save(state, keep=1)
    with pytest.raises(WeightsError, match=r"not finite as torch\.float16"):
        export_run(folder, out, "last", torch.float16, print)
    assert not out.exists()


def test_weights_of_an_encoder_alone_run_no_diffusion(folder: RunFolder, out: Path) -> None:
    state = saved(folder, "encoder", 3)
    write_best(folder, state, trained_model(state))
    export_run(folder, out, "last", torch.float16, print)
    expected = replace(TINY, diffusion=replace(TINY.diffusion, sampling_steps=0))
    assert load_weights(out).model.config == expected
    assert load_weights(folder.best_path("encoder")).model.config == expected


def test_weights_of_both_stages_run_as_many_steps_as_the_recipe_says(
    folder: RunFolder, out: Path
) -> None:
    saved(folder, "diffusion", 3)
    export_run(folder, out, "last", torch.float16, print)
    assert load_weights(out).model.config == TINY


@pytest.fixture(scope="module")
def distilled(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> RunFolder:
    """A run of all three stages."""
    run = tiny.make_run(tmp_path_factory.mktemp("distilled"), engine, DISTILLING)
    list(run_stages(run))
    return run.folder


@pytest.mark.parametrize(("stage", "steps"), [("encoder", 0), ("diffusion", 6), ("distill", 2)])
def test_weights_hold_a_distilled_network_once_it_is_trained(
    distilled: RunFolder, out: Path, stage: Stage, steps: int
) -> None:
    state = distilled.latest(getattr(DISTILLING, stage), CPU, print)
    assert state is not None
    export(distilled, state, out)
    model = load_weights(out).model
    assert model.config.diffusion.sampling_steps == steps
    assert hasattr(model, "distilled_denoise_fn") == (stage == "distill")


def test_exporting_does_not_change_the_state(folder: RunFolder, out: Path) -> None:
    state = saved(folder, "encoder", 3)
    before = tiny.values(state)
    export(folder, state, out)
    assert tiny.different(tiny.values(state), before) == []
    assert state.model.config == TINY


@pytest.mark.parametrize("stage", ["encoder", "diffusion"])
def test_what_is_written_upscales(
    folder: RunFolder, out: Path, tmp_path: Path, stage: Stage
) -> None:
    saved(folder, stage, 3)
    export_run(folder, out, "last", torch.float16, print)
    Image.fromarray(np.zeros((9, 7, 3), dtype=np.uint8)).save(tmp_path / "in.png")
    files = [str(tmp_path / "in.png"), str(tmp_path / "out.png")]
    result = CliRunner().invoke(app, ["upscale", *files, "--weights", str(out), "--device", "cpu"])
    assert result.exit_code == 0, result.stderr
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == (28, 36)


def test_a_folder_that_is_not_there_is_refused(folder: RunFolder, tmp_path: Path) -> None:
    saved(folder, "encoder", 3)
    with pytest.raises(InputError, match="cannot write here"):
        export_run(folder, tmp_path / "gone" / "mine.safetensors", "last", torch.float16, print)


# -------------------------------------------------------------------------- where it comes from


def metadata_of(folder: RunFolder, out: Path, which: StateChoice) -> dict[str, str]:
    state = saved(folder, "diffusion", 3)
    write_best(folder, state, trained_model(state))
    export_run(folder, out, which, torch.float16, print)
    return read_tensors(out)[1]


@pytest.mark.parametrize("which", ["last", "best"])
def test_metadata_tells_the_source_in_words(
    folder: RunFolder, out: Path, which: StateChoice
) -> None:
    source = metadata_of(folder, out, which)[SOURCE_KEY]
    for word in ("lite recipe", "diffusion stage", "step 3 of 7", "holiday, DIV2K"):
        assert word in source
    assert "with structure masks" in source
    assert "begun from given.safetensors" in source


@pytest.mark.parametrize("which", ["last", "best"])
def test_metadata_holds_the_recipe(folder: RunFolder, out: Path, which: StateChoice) -> None:
    stored = from_toml(metadata_of(folder, out, which)[RECIPE_KEY])
    assert differences(stored, RECIPE, leave_out=("data",)) == []
    assert stored.data.photos == ("holiday", "DIV2K")


@pytest.mark.parametrize("which", ["last", "best"])
def test_metadata_and_card_do_not_tell_where_files_lie(
    folder: RunFolder, out: Path, which: StateChoice
) -> None:
    written = list(metadata_of(folder, out, which).values())
    written.append(out.with_suffix(".md").read_text(encoding="utf-8"))
    for text in written:
        assert PRIVATE not in text
        assert str(folder.path.parent) not in text


def test_the_weights_of_a_whole_run_do_not_tell_where_files_lie(
    tmp_path: Path, engine: Engine
) -> None:
    run = tiny.make_run(
        tmp_path,
        engine,
        replace(tiny.recipe("encoder", steps=1), data=DataConfig(photos=DATA.photos)),
        is_validated=True,
    )
    for _ in run_stages(run):
        pass
    for path in (run.folder.weights_path, run.folder.best_path("encoder")):
        assert PRIVATE not in "".join(read_tensors(path)[1].values())


# ---------------------------------------------------------------------------------- the card


def card_of(folder: RunFolder, out: Path) -> str:
    export_run(folder, out, "last", torch.float16, print)
    return out.with_suffix(".md").read_text(encoding="utf-8")


def test_the_card_says_what_it_is_and_what_is_to_be_filled_in(folder: RunFolder, out: Path) -> None:
    saved(folder, "diffusion", 3)
    card = card_of(folder, out)
    assert card.startswith("# Model card: mine\n")
    assert "--weights mine.safetensors" in card
    assert load_weights(out).source in card
    assert card.count("(fill in)") == 3


def test_the_card_holds_a_recipe_that_can_be_trained_again(folder: RunFolder, out: Path) -> None:
    saved(folder, "diffusion", 3)
    text = card_of(folder, out).split("```toml\n")[1].split("```")[0]
    tomllib.loads(text)
    assert differences(from_toml(text), RECIPE, leave_out=("data",)) == []


def test_the_card_of_a_run_without_a_validation_has_no_table(folder: RunFolder, out: Path) -> None:
    saved(folder, "diffusion", 3)
    assert "Validation" not in card_of(folder, out)


def test_the_card_has_a_table_of_the_validations(folder: RunFolder, out: Path) -> None:
    saved(folder, "diffusion", 3)
    with Journal(folder.path, tensorboard=False) as journal:
        journal.write(ValidationEntry("encoder", 7, 31.256, 0.0123456, 1.0, True, ""))
        journal.write(StepEntry("diffusion", 1, 1, 1, 1, 1, 1, 1, 1, 0, 1))
        journal.write(ValidationEntry("diffusion", 3, None, 0.5, 1.0, True, ""))
    card = card_of(folder, out)
    assert "| encoder | 7 | 31.26 | 0.01235 |\n| diffusion | 3 |  | 0.50000 |\n" in card


def test_a_damaged_journal_costs_the_table_alone(folder: RunFolder, out: Path) -> None:
    saved(folder, "diffusion", 3)
    (folder.path / "metrics.jsonl").write_text("broken\n")
    card = card_of(folder, out)
    assert "Validation" not in card
    assert "## Recipe" in card


def test_facts_of_a_run_follow_its_recipe_and_state() -> None:
    state = tiny.start(RECIPE.diffusion)
    state.step = 5
    facts = dict(run_facts(RECIPE, state))
    assert facts["stage"] == "diffusion, step 5 of 7"
    assert facts["networks"] == "residual encoder, folded U-Net, x4"
    assert facts["batch"] == "4 crops of 16 pixels"
    assert facts["precision"] == "fp32 on cpu"
    assert facts["masks"] == DATA.masks


def test_facts_of_a_bare_run_say_what_it_goes_without() -> None:
    facts = dict(run_facts(tiny.recipe(), tiny.start(RECIPE.encoder)))
    assert facts["masks"] == "none"
    assert facts["started from"] == "fresh parameters"


def test_weights_of_a_run_are_those_of_its_last_state(tmp_path: Path, engine: Engine) -> None:
    run = tiny.make_run(tmp_path, engine, tiny.recipe(steps=2))
    for _ in run_stages(run):
        pass
    state = load_state(run.folder.states("diffusion")[0], None, CPU)
    expected = {name: t.half() for name, t in trained_model(state).state_dict().items()}
    assert tiny.different(read_tensors(run.folder.weights_path)[0], expected) == []
